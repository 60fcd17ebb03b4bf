use super::*;
use crate::model::{Server, Srv};
use crate::protocol::lookup::Transport;
use crate::protocol::wire::{CLASS_IN, Header};

fn record(rdata: Rdata) -> RawRecord {
    RawRecord { name: "whoever.example".parse().unwrap(), class: CLASS_IN, ttl: 5, rdata }
}

fn reply(answers: Vec<Rdata>) -> Reply {
    let extra = Rdata::a([203, 0, 113, 9].into());
    let message = Message {
        header: Header { id: 1, flags: 0x8000, counts: [0; 4] },
        questions: vec![],
        answers: answers.into_iter().map(record).collect(),
        authorities: vec![record(extra.clone())],
        additionals: vec![record(extra)],
    };
    let via = Via { server: Server::new("192.0.2.1", 53), transport: Transport::Udp, edns: true };
    Reply { message, size: 100, via, candidate: "web.example.com.".into() }
}

fn answer(answers: Vec<Rdata>) -> Answer {
    match Verdict::of_noerror("web.example.com.", reply(answers)) {
        Verdict::Records(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn srv(target: &str, port: u16) -> Rdata {
    Rdata::srv(&Srv { priority: 1, weight: 2, port, target: target.parse().unwrap() })
}

fn host_record(record_type: RecordType, fixed: &[u8], host: &str) -> Rdata {
    let name: Name = host.parse().unwrap();
    Rdata::from_wire(record_type, [fixed, name.as_wire()].concat())
}

fn addresses(answers: Vec<Rdata>, port: u16) -> Vec<String> {
    let answer = answer(answers);
    let addresses: Vec<_> = answer.targets(port).into_iter().map(|target| target.address).collect();
    assert!(answer.addresses(port).eq(addresses.iter().cloned()), "{addresses:?}");
    addresses
}

fn emptiness(answers: Vec<Rdata>) -> Emptiness {
    match Verdict::of_noerror("web.example.com.", reply(answers)) {
        Verdict::Empty { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

/// The five labels: name, SRV target, SRV port, MX, NS.
fn labels(target: &Target) -> [&str; 5] {
    [NAME_LABEL, SRV_TARGET_LABEL, SRV_PORT_LABEL, MX_TARGET_LABEL, NS_TARGET_LABEL]
        .map(|label| target.labels[label].as_str())
}

// Prometheus dns_test.go, TestDNS.

#[test]
fn an_address_takes_the_configured_port() {
    let targets = answer(vec![Rdata::a([192, 0, 2, 2].into())]).targets(80);
    assert_eq!(targets[0].address, "192.0.2.2:80");
    assert_eq!(labels(&targets[0]), ["web.example.com.", "", "", "", ""]);
}

#[test]
fn an_ipv6_address_is_bracketed() {
    let aaaa = |text: &str| addresses(vec![Rdata::aaaa(text.parse().unwrap())], 80);
    assert_eq!(aaaa("::1"), ["[::1]:80"]);
    assert_eq!(aaaa("2001:db8:0:0:1:0:0:1"), ["[2001:db8::1:0:0:1]:80"]);
    assert_eq!(aaaa("::102:304"), ["[::102:304]:80"]);
    assert_eq!(aaaa("::ffff:192.0.2.1"), ["192.0.2.1:80"], "Go shows a mapped address as IPv4");
}

#[test]
fn services_keep_the_order_of_the_answer() {
    let targets = answer(vec![srv("db1.example.com.", 3306), srv("db2.example.com.", 3306)]).targets(0);
    assert_eq!(targets[0].address, "db1.example.com:3306");
    assert_eq!(labels(&targets[0]), ["web.example.com.", "db1.example.com.", "3306", "", ""]);
    assert_eq!(targets[1].address, "db2.example.com:3306");
    assert_eq!(labels(&targets[1]), ["web.example.com.", "db2.example.com.", "3306", "", ""]);
}

#[test]
fn other_types_are_skipped_and_cname_silently() {
    let cname = host_record(RecordType::CNAME, b"", "real.example.");
    let answer = answer(vec![cname, srv("db1.example.com.", 3306), Rdata::txt(["false"])]);
    assert_eq!(answer.targets(0).len(), 1);
    let skipped: Vec<_> = answer.skipped().map(RawRecord::record_type).collect();
    assert_eq!(skipped, [RecordType::TXT]);
}

#[test]
fn nothing_usable_is_empty() {
    assert_eq!(emptiness(vec![]), Emptiness::NoData);
    assert_eq!(emptiness(vec![host_record(RecordType::CNAME, b"", "real.example.")]), Emptiness::NoTarget);
    assert_eq!(emptiness(vec![Rdata::txt(["a=b"])]), Emptiness::NoTarget);
}

#[test]
fn mail_servers_take_the_configured_port() {
    let mx = |preference: u8, host: &str| host_record(RecordType::MX, &[0, preference], host);
    let targets = answer(vec![mx(0, "smtp1.example.com."), mx(10, "smtp2.example.com.")]).targets(25);
    assert_eq!(targets[0].address, "smtp1.example.com:25");
    assert_eq!(targets[1].address, "smtp2.example.com:25");
    assert_eq!(labels(&targets[1]), ["web.example.com.", "", "", "smtp2.example.com.", ""]);
}

// The rest of the rules.

#[test]
fn name_servers_take_the_configured_port() {
    let targets = answer(vec![host_record(RecordType::NS, b"", "ns1.example.com.")]).targets(53);
    assert_eq!(targets[0].address, "ns1.example.com:53");
    assert_eq!(labels(&targets[0]), ["web.example.com.", "", "", "", "ns1.example.com."]);
}

#[test]
fn whatever_type_answers_is_taken() {
    let mixed = vec![Rdata::a([192, 0, 2, 2].into()), srv("db1.example.com.", 1)];
    assert_eq!(addresses(mixed, 80), ["192.0.2.2:80", "db1.example.com:1"]);
}

#[test]
fn case_is_kept_and_odd_bytes_are_escaped() {
    assert_eq!(addresses(vec![srv("HOST-1.Example.com.", 1)], 0), ["HOST-1.Example.com:1"]);
    assert_eq!(addresses(vec![srv(r"bad\032name.", 1)], 0), [r"bad\ name:1"]);
    assert_eq!(addresses(vec![srv(r"\195\188.", 1)], 0), [r"\195\188:1"]);
    assert_eq!(addresses(vec![srv(r"a\..", 1)], 0), [r"a\:1"], "TrimRight takes the escaped dot too");
    assert_eq!(addresses(vec![srv("a:b.", 1)], 0), ["[a:b]:1"]);
}

#[test]
fn odd_targets_are_formed_all_the_same() {
    assert_eq!(addresses(vec![srv("10.0.0.5.", 8081)], 0), ["10.0.0.5:8081"]);
    assert_eq!(addresses(vec![srv("host.", 0)], 0), ["host:0"]);
    let root = answer(vec![srv(".", 8080)]).targets(0);
    assert_eq!(root[0].address, ":8080");
    assert_eq!(labels(&root[0])[1], ".");
}

#[test]
fn duplicates_stay() {
    assert_eq!(addresses(vec![srv("host.", 1), srv("host.", 1)], 0).len(), 2);
}

#[test]
fn records_without_data_become_what_go_prints() {
    let empty = |record_type, length| addresses(vec![Rdata::from_wire(record_type, vec![1; length])], 80);
    assert_eq!(empty(RecordType::A, 0), ["<nil>:80"]);
    assert_eq!(empty(RecordType::AAAA, 0), ["<nil>:80"]);
    assert_eq!(empty(RecordType::NS, 0), [":80"]);
    assert_eq!(empty(RecordType::MX, 2), [":80"]);
    assert_eq!(empty(RecordType::SRV, 4), [":0"]);
    assert_eq!(empty(RecordType::SRV, 6), [":257"]);
}
