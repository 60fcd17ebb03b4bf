//! Connections and DNS questions, and the ways to a host.

use std::net::UdpSocket;
use std::num::NonZeroU16;
use std::sync::atomic::Ordering;
use std::thread;

use srvctl::model::health::{CheckKind, DnsCheck, TcpCheck, Verdict};
use srvctl::model::{RecordType, Server};
use srvctl::probes::{JobId, Limits};

use super::servers::{Swallower, Web, counting, mute, plain, resetting};
use super::{ALL, AMPLE, Lab, SHORT, assert_overtime, assert_seen, job, named, seen, seen_within, target};
use crate::support::{Named, free_address};

use Verdict::{Failing, Passing, Unknown};

fn tcp() -> CheckKind {
    CheckKind::Tcp(TcpCheck { port: None })
}

#[test]
fn who_takes_connections_passes() {
    let (silent, nobody) = (mute(), free_address());
    assert_seen(&seen(tcp(), target(silent)), Passing, &[&format!("connected to {silent}")]);
    assert_seen(&seen(tcp(), target(resetting())), Passing, &["connected to"]);
    assert_seen(&seen(tcp(), target(nobody)), Failing, &[&format!("no connection to {nobody}: refused")]);
    let port = NonZeroU16::new(silent.port());
    assert_seen(&seen(CheckKind::Tcp(TcpCheck { port }), target(nobody)), Passing, &["connected to"]);
    let swallower = Swallower::at("127.0.0.1".parse().unwrap(), 0);
    let late = seen_within(SHORT, tcp(), target(swallower.address));
    assert_overtime(&late, &[&format!("no connection to {}", swallower.address)]);
}

#[test]
fn one_address_of_several_is_enough() {
    let web = Web::start(|_| plain("well"));
    let (ip, port) = (web.address.ip(), web.address.port());
    let refusing = "127.0.0.3".parse().unwrap();
    let host = "vm1.internal.local.";
    assert_seen(&seen(tcp(), named(host, port, &[refusing, ip])), Passing, &["connected to 127.0.0.1:"]);
    // One that swallows everything leaves time for the next.
    let swallower = Swallower::at("127.0.0.2".parse().unwrap(), port);
    let both = [swallower.address.ip(), ip];
    let limit = SHORT * 5;
    assert_seen(&seen_within(limit, tcp(), named(host, port, &both)), Passing, &["connected to 127.0.0.1:"]);
    let both = [swallower.address.ip(), refusing];
    assert_seen(&seen_within(limit, tcp(), named(host, port, &both)), Failing, &["127.0.0.3", "refused"]);
}

#[test]
fn hosts_without_published_addresses_are_asked_for() {
    let port = mute().port();
    assert_seen(&seen(tcp(), named("localhost.", port, &[])), Passing, &["connected to 127.0.0.1:"]);
    let nowhere = seen(tcp(), named("nowhere.invalid.", port, &[]));
    // Without a resolver that answers nobody knows whether it is nowhere.
    let is_known = !nowhere.text.contains("Temporary failure");
    assert_seen(&nowhere, if is_known { Failing } else { Unknown }, &["no addresses for nowhere.invalid"]);
}

#[test]
fn no_more_connections_are_open_than_is_allowed() {
    let (address, most) = counting();
    let limits = Limits { connections: 20, ..ALL };
    let mut lab = Lab::new(limits);
    let http = || CheckKind::Http(super::http("http://{host}:{port}/"));
    lab.set.set((0..300).map(|id| job(id, http(), SHORT, target(address))).collect::<Vec<_>>());
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 300 {
        let observed = lab.next();
        assert_overtime(&observed.result, &["no answer"]);
        seen.insert(observed.id);
    }
    let most = most.load(Ordering::SeqCst);
    // One more may be closing while the next is opened.
    assert!((10..=2 * 20).contains(&most), "{most}");
    lab.set.set([job(1000, tcp(), AMPLE, target(address))]);
    while lab.next().id != JobId(1000) {}
}

fn dns(name: &str, record: RecordType) -> CheckKind {
    CheckKind::Dns(DnsCheck { name: name.parse().unwrap(), record, server: None })
}

#[test]
fn name_servers_are_asked_and_their_answers_judged() {
    let words = "x".repeat(200);
    let large: Vec<_> = (0..20).map(|index| format!("large IN TXT \"{index} {words}\"")).collect();
    let large = large.join("\n");
    let records = format!("www IN A 192.0.2.1\nwww IN A 192.0.2.2\nalias IN CNAME www\n{large}");
    let mut named = Named::builder().records(&records).start();
    let ask = |named: &Named, name: &str, record| seen(dns(name, record), target(named.address()));
    let (a, txt) = (RecordType::A, RecordType::TXT);
    assert_seen(&ask(&named, "www.internal.local.", a), Passing, &["2 A records at www.internal.local."]);
    assert_seen(&ask(&named, "alias.internal.local.", a), Passing, &["2 A records"]);
    assert_seen(&ask(&named, "ns1.internal.local.", a), Passing, &["1 A record at"]);
    // More than fits a datagram.
    assert_seen(&ask(&named, "large.internal.local.", txt), Passing, &["20 TXT records"]);
    assert_seen(&ask(&named, "www.internal.local.", txt), Failing, &["no TXT record at www.internal.local."]);
    assert_seen(&ask(&named, "none.internal.local.", a), Failing, &["NXDOMAIN for A none.internal.local."]);
    assert_seen(&ask(&named, "www.example.", a), Failing, &["REFUSED for A www.example."]);
    let server = Some(Server::from(named.address()));
    let elsewhere = DnsCheck { name: "www.internal.local.".parse().unwrap(), record: a, server };
    assert_seen(&seen(CheckKind::Dns(elsewhere), target(free_address())), Passing, &["2 A records"]);
    named.stop();
    assert_seen(&ask(&named, "www.internal.local.", a), Failing, &["no answer from", "refused"]);
}

#[test]
fn a_question_that_gets_lost_is_asked_again_and_other_answers_are_none() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let answering = thread::spawn(move || {
        let mut bytes = [0; 512];
        // The first is lost; the second gets answers that belong to no question of ours, and then the right one.
        socket.recv_from(&mut bytes).unwrap();
        let (length, from) = socket.recv_from(&mut bytes).unwrap();
        let mut answer = bytes[..length].to_vec();
        answer[2] |= 0x80;
        let strange = [answer[0] ^ 1, answer[1]].into_iter().chain(answer[2..].iter().copied()).collect::<Vec<_>>();
        socket.send_to(&strange, from).unwrap();
        socket.send_to(b"?", from).unwrap();
        socket.send_to(&answer, from).unwrap();
    });
    assert_seen(&seen(dns("a.example.", RecordType::A), target(address)), Failing, &["no A record at a.example."]);
    answering.join().unwrap();
    let mute = UdpSocket::bind("127.0.0.1:0").unwrap();
    let late = seen_within(SHORT, dns("a.example.", RecordType::A), target(mute.local_addr().unwrap()));
    assert_overtime(&late, &["no answer"]);
}
