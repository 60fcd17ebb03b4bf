//! The lookup over real sockets: what Prometheus does with servers that misbehave.
//!
//! Each test is one observation of the real Prometheus (2.42, and the current code compiled apart).

use srvctl::dns::{LookupReport, Options, Resolver, lookup};
use srvctl::model::{Name, Rdata, RecordType, Server};
use srvctl::protocol::lookup::{
    Emptiness, Failure, Outcome, Suspicion, Then, Transport, Unknown, UnpackError, Verdict,
};
use srvctl::protocol::rcode::Rcode;
use srvctl::protocol::wire::HEADER_LEN;

use crate::scripted::{Servers, Service, always, good, replying, scripted};

const NAME: &str = "_jenkins._tcp.internal.local";
const FORMERR: u16 = 1;
const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;
const REFUSED: u16 = 5;
const BADVERS: u16 = 16;

/// Asks the servers as an explicit list.
async fn ask(servers: &Servers) -> LookupReport {
    ask_for(NAME, servers).await
}

async fn ask_for(name: &str, servers: &Servers) -> LookupReport {
    lookup(&Resolver::Servers(servers.list()), name, RecordType::SRV, Options::default()).await
}

/// Asks the servers through a resolv.conf that names them, `more` being its other lines.
async fn ask_system(servers: &Servers, more: &str) -> LookupReport {
    let directory = tempfile::tempdir().unwrap();
    let resolv_conf = directory.path().join("resolv.conf");
    std::fs::write(&resolv_conf, servers.nameserver_lines() + more).unwrap();
    let options = Options { resolv_conf, port: servers.port(), ..Options::default() };
    lookup(&Resolver::System, NAME, RecordType::SRV, options).await
}

fn addresses(report: &LookupReport) -> Vec<String> {
    match &report.verdict {
        Verdict::Records(answer) => answer.targets(0).into_iter().map(|target| target.address).collect(),
        other => panic!("{other:?}"),
    }
}

fn emptiness(report: &LookupReport) -> Emptiness {
    match &report.verdict {
        Verdict::Empty { why, .. } => *why,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_unknown(report: &LookupReport) {
    let Verdict::Unknown { reason, .. } = &report.verdict else { panic!("{:?}", report.verdict) };
    assert_eq!(reason, &Unknown::NoAnswer(NAME.to_owned()));
}

fn failure(report: &LookupReport, attempt: usize) -> &Failure {
    match &report.attempts[attempt].outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

const GOOD: [&str; 1] = ["host-1.internal.local:8080"];

// Which servers are asked.

#[tokio::test]
async fn the_query_is_prometheus_own() {
    let servers = Servers::start([good()]).await;
    let report = ask(&servers).await;
    assert_eq!(addresses(&report), GOOD);
    let mut query = servers.seen(0).remove(0).bytes;
    query[..2].copy_from_slice(&[0x12, 0x34]);
    let expected = "123401000001000000000001085f6a656e6b696e73045f74637008696e7465726e616c056c6f63616c0000210001\
                    0000291000000000000000";
    let hex: Vec<_> = query.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex.concat(), expected);
}

#[tokio::test]
async fn the_case_of_the_name_goes_on_the_wire() {
    let servers = Servers::start([good()]).await;
    ask_for("_Jenkins._TCP.internal.local.", &servers).await;
    assert_eq!(servers.seen(0)[0].question.name.to_string(), "_Jenkins._TCP.internal.local.");
}

#[tokio::test]
async fn servfail_or_refused_alone_is_unknown() {
    for rcode in [SERVFAIL, REFUSED] {
        let servers = Servers::start([always(rcode)]).await;
        let report = ask(&servers).await;
        assert_unknown(&report);
        assert_eq!(servers.asked(0), ["UDP+OPT"]);
        assert_eq!(report.reply().unwrap().rcode(), Rcode(rcode));
    }
}

#[tokio::test]
async fn servfail_then_good_is_good() {
    let servers = Servers::start([always(SERVFAIL), good()]).await;
    let report = ask(&servers).await;
    assert_eq!(addresses(&report), GOOD);
    assert_eq!(report.reply().unwrap().via.server, servers.list()[1]);
}

#[tokio::test]
async fn nxdomain_then_good_is_empty() {
    let servers = Servers::start([always(NXDOMAIN), good()]).await;
    assert_eq!(emptiness(&ask(&servers).await), Emptiness::NxDomain);
    assert!(servers.asked(1).is_empty());
}

#[tokio::test]
async fn lame_nodata_then_good_is_empty() {
    let servers = Servers::start([replying(|query| query.reply().lame()), good()]).await;
    assert_eq!(emptiness(&ask(&servers).await), Emptiness::NoData);
    assert!(servers.asked(1).is_empty());
}

#[tokio::test]
async fn silent_then_good_is_good() {
    let servers = Servers::start([scripted(|_| vec![]), good()]).await;
    let report = ask(&servers).await;
    assert_eq!(addresses(&report), GOOD);
    assert_eq!(failure(&report, 0), &Failure::Timeout);
    assert_eq!(servers.asked(0), ["UDP+OPT"], "no second try");
}

#[tokio::test]
async fn unreachable_then_good_is_good() {
    let servers = Servers::start([Service::Unreachable, good()]).await;
    let report = ask(&servers).await;
    assert_eq!(addresses(&report), GOOD);
    assert_eq!(failure(&report, 0), &Failure::Io("connection refused".to_owned()));
}

#[tokio::test]
async fn the_fourth_nameserver_counts() {
    let servers = Servers::start([always(SERVFAIL), always(SERVFAIL), always(SERVFAIL), good()]).await;
    assert_eq!(addresses(&ask_system(&servers, "").await), GOOD);
}

#[tokio::test]
async fn servers_may_be_host_names() {
    // Whichever family the name resolves to first.
    let both = ["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
    let ipv6 = tokio::net::UdpSocket::bind("[::1]:0").await.is_ok();
    let servers = Servers::start_at(&both[..=usize::from(ipv6)], [good(), good()]).await;
    let named = vec![Server::new("localhost", servers.port())];
    let report = lookup(&Resolver::Servers(named), NAME, RecordType::SRV, Options::default()).await;
    assert_eq!(addresses(&report), GOOD);
}

#[tokio::test]
async fn what_is_no_address_fails_and_the_next_is_asked() {
    let servers = Servers::start([good()]).await;
    let mut list = servers.list();
    // A label too long to be asked for: fails without leaving this machine.
    list.insert(0, Server::new("x".repeat(64), servers.port()));
    let report = lookup(&Resolver::Servers(list), NAME, RecordType::SRV, Options::default()).await;
    assert_eq!(addresses(&report), GOOD);
    assert!(matches!(failure(&report, 0), Failure::Io(_) | Failure::DialTimeout));
}

// Truncation.

/// Cut over UDP, whole over TCP.
fn large() -> Service {
    replying(|query| match query.transport {
        Transport::Udp => query.reply().truncated().srv("partial.internal.local.", 1),
        Transport::Tcp => query.reply().srv("host-1.internal.local.", 8080),
    })
}

#[tokio::test]
async fn a_cut_reply_is_fetched_over_tcp_without_opt() {
    let servers = Servers::start([large()]).await;
    let report = ask(&servers).await;
    assert_eq!(addresses(&report), GOOD);
    assert_eq!(servers.asked(0), ["UDP+OPT", "TCP"]);
    assert_eq!(report.reply().unwrap().via.transport, Transport::Tcp);
    let sequence: Vec<_> = report.attempts.iter().map(|attempt| attempt.then).collect();
    assert_eq!(sequence, [Then::AskedOverTcp, Then::Stopped]);
}

#[tokio::test]
async fn tcp_sticks_when_it_is_refused_and_opt_returns() {
    let truncated = |query: &crate::scripted::Query| vec![query.reply().truncated().bytes()];
    let servers = Servers::start([Service::UdpOnly(Box::new(truncated)), good()]).await;
    let report = ask(&servers).await;
    assert_eq!(addresses(&report), GOOD);
    assert_eq!(servers.asked(0), ["UDP+OPT"]);
    assert_eq!(failure(&report, 1), &Failure::Io("connection refused".to_owned()));
    assert_eq!(servers.asked(1), ["TCP+OPT"]);
}

#[tokio::test]
async fn the_next_candidate_starts_at_udp_again() {
    let servers = Servers::start([replying(|query| match query.transport {
        Transport::Udp => query.reply().truncated(),
        Transport::Tcp => query.reply().rcode(NXDOMAIN),
    })])
    .await;
    assert_eq!(emptiness(&ask_system(&servers, "search corp\n").await), Emptiness::NxDomain);
    assert_eq!(servers.asked(0), ["UDP+OPT", "TCP", "UDP+OPT", "TCP"]);
}

#[tokio::test]
async fn tc_over_tcp_is_unknown() {
    let servers = Servers::start([replying(|query| query.reply().truncated().srv("partial.local.", 1))]).await;
    let report = ask(&servers).await;
    assert_unknown(&report);
    assert_eq!(servers.asked(0), ["UDP+OPT", "TCP"]);
    assert!(matches!(report.attempts[1].outcome, Outcome::Truncated { .. }));
}

#[tokio::test]
async fn sixty_four_kilobytes_are_read() {
    let servers = Servers::start([replying(|query| match query.transport {
        Transport::Udp => query.reply().truncated(),
        Transport::Tcp => {
            (0..1455).fold(query.reply(), |reply, number| reply.srv("host-00001.internal.local.", number))
        }
    })])
    .await;
    let report = ask(&servers).await;
    assert_eq!((addresses(&report).len(), report.reply().unwrap().size), (1455, 65_521));
}

/// A hundred records for one host, in one datagram without TC.
fn oversized(target: &'static str) -> Service {
    replying(move |query| (0..100).fold(query.reply(), |reply, port| reply.srv(target, port)))
}

#[tokio::test]
async fn a_datagram_above_4096_bytes_is_cut_by_the_buffer() {
    let servers = Servers::start([oversized("host-1.internal.local.")]).await;
    let report = ask(&servers).await;
    assert_unknown(&report);
    assert!(matches!(failure(&report, 0), Failure::Unpack(UnpackError::Wire(_))));
}

#[tokio::test]
async fn a_datagram_cut_between_two_records_is_taken_for_whole() {
    // 46 bytes before the answers and 45 for each: the ninetieth ends at 4096.
    let servers = Servers::start([oversized("host-00001.internal.local.")]).await;
    assert_eq!(addresses(&ask(&servers).await).len(), 90);
}

#[tokio::test]
async fn a_tcp_connection_that_ends_early_is_an_error() {
    for bytes in [&b""[..], b"\0", b"\0\x20short", b"\0\x04abcd", b"\0\0"] {
        let servers = Servers::start([Service::Raw(bytes.to_vec()), good()]).await;
        let report = ask(&servers).await;
        assert_eq!(addresses(&report), GOOD, "{bytes:?}");
        assert!(matches!(failure(&report, 1), Failure::Io(_) | Failure::Unpack(_)), "{bytes:?}");
    }
}

#[tokio::test]
async fn a_silent_tcp_server_times_out() {
    let servers = Servers::start([scripted(|query| match query.transport {
        Transport::Udp => vec![query.reply().truncated().bytes()],
        Transport::Tcp => vec![],
    })])
    .await;
    let report = ask(&servers).await;
    assert_unknown(&report);
    assert_eq!(failure(&report, 1), &Failure::Timeout);
}

#[tokio::test]
async fn tcp_can_be_forced() {
    let servers = Servers::start([good()]).await;
    let options = Options { force_tcp: true, ..Options::default() };
    let report = lookup(&Resolver::Servers(servers.list()), NAME, RecordType::SRV, options).await;
    assert_eq!(addresses(&report), GOOD);
    assert_eq!(servers.asked(0), ["TCP+OPT"]);
}

// EDNS.

#[tokio::test]
async fn formerr_for_opt_is_unknown_without_a_second_try() {
    let servers = Servers::start([replying(|query| {
        let reply = query.reply();
        if query.opt { reply.rcode(FORMERR) } else { reply.srv("host-1.internal.local.", 8080) }
    })])
    .await;
    assert_unknown(&ask(&servers).await);
    assert_eq!(servers.asked(0), ["UDP+OPT"]);
}

#[tokio::test]
async fn errors_with_answers_are_errors() {
    for rcode in [SERVFAIL, BADVERS] {
        let servers = Servers::start([replying(move |query| query.reply().srv("host-1.local.", 1).rcode(rcode))]).await;
        let report = ask(&servers).await;
        assert_unknown(&report);
        assert!(
            matches!(report.attempts[0].outcome, Outcome::Answered { rcode: got, answers: 1, .. } if got == Rcode(rcode))
        );
    }
}

// IDs and bytes.

#[tokio::test]
async fn a_wrong_id_is_passed_over_on_udp() {
    let servers = Servers::start([scripted(|query| {
        let wrong = query.reply().id(query.id ^ 1).srv("wrong.internal.local.", 1);
        vec![wrong.bytes(), query.reply().srv("host-1.internal.local.", 8080).bytes()]
    })])
    .await;
    assert_eq!(addresses(&ask(&servers).await), GOOD);
}

#[tokio::test]
async fn only_wrong_ids_on_udp_are_a_timeout() {
    let servers = Servers::start([replying(|query| query.reply().id(query.id ^ 1).srv("wrong.local.", 1))]).await;
    let report = ask(&servers).await;
    assert_unknown(&report);
    assert_eq!(failure(&report, 0), &Failure::Timeout);
}

#[tokio::test]
async fn a_flood_of_wrong_ids_does_not_outlast_the_deadline() {
    let servers = Servers::start([Service::Flood, good()]).await;
    let report = ask(&servers).await;
    assert_eq!(addresses(&report), GOOD);
    assert_eq!(failure(&report, 0), &Failure::Timeout);
}

#[tokio::test]
async fn a_wrong_id_on_tcp_is_an_error() {
    let servers = Servers::start([scripted(|query| match query.transport {
        Transport::Udp => vec![query.reply().truncated().bytes()],
        Transport::Tcp => vec![query.reply().id(query.id ^ 1).bytes(), query.reply().srv("late.local.", 1).bytes()],
    })])
    .await;
    let report = ask(&servers).await;
    assert_unknown(&report);
    let sent = servers.seen(0)[1].id;
    assert_eq!(failure(&report, 1), &Failure::IdMismatch { sent, got: sent ^ 1 });
}

#[tokio::test]
async fn a_garbage_datagram_ends_the_exchange_whatever_its_id() {
    for flip in [0, 1] {
        let servers = Servers::start([scripted(move |query| {
            let mut garbage = query.reply().id(query.id ^ flip).srv("host-1.internal.local.", 8080).bytes();
            garbage.truncate(garbage.len() - 3);
            vec![garbage, query.reply().srv("host-1.internal.local.", 8080).bytes()]
        })])
        .await;
        let report = ask(&servers).await;
        assert_unknown(&report);
        assert!(matches!(failure(&report, 0), Failure::Unpack(_)));
    }
}

#[tokio::test]
async fn malformed_record_data_is_an_error() {
    let servers = Servers::start([
        replying(|query| query.reply().srv("host-1.local.", 1).answer(Rdata::from_wire(RecordType::A, [127]))),
        good(),
    ])
    .await;
    let report = ask(&servers).await;
    assert_eq!(addresses(&report), GOOD);
    assert_eq!(failure(&report, 0), &Failure::Unpack(UnpackError::Rdata(RecordType::A)));
}

// What nobody checks.

#[tokio::test]
async fn an_answer_to_another_question_is_accepted() {
    let other = "other.example.";
    let servers = Servers::start([replying(move |query| query.reply().question(other).srv("host-1.local.", 1))]).await;
    let report = ask(&servers).await;
    assert_eq!(addresses(&report), ["host-1.local:1"]);
    let [Suspicion::OtherQuestion(question), Suspicion::OtherOwner(owner)] = &*report.attempts[0].suspicions else {
        panic!("{:?}", report.attempts)
    };
    assert_eq!((&question.name, owner), (&other.parse::<Name>().unwrap(), &other.parse().unwrap()));
}

#[tokio::test]
async fn a_reflected_query_is_nodata() {
    let servers = Servers::start([scripted(|query| vec![query.bytes.clone()])]).await;
    let report = ask(&servers).await;
    assert_eq!(emptiness(&report), Emptiness::NoData);
    assert_eq!(report.attempts[0].suspicions, [Suspicion::NotAResponse]);
}

#[tokio::test]
async fn a_bare_header_is_nodata_whatever_it_counts() {
    let servers = Servers::start([scripted(|query| {
        let mut bytes = query.reply().srv("host-1.local.", 1).bytes();
        bytes.truncate(HEADER_LEN);
        vec![bytes]
    })])
    .await;
    let report = ask(&servers).await;
    assert_eq!(emptiness(&report), Emptiness::NoData);
    assert_eq!(report.attempts[0].suspicions, [Suspicion::Questions(0)]);
}

// Which records count.

#[tokio::test]
async fn srv_only_in_additional_is_empty() {
    let servers = Servers::start([replying(|query| query.reply().srv("host-1.local.", 1).all_additional())]).await;
    assert_eq!(emptiness(&ask(&servers).await), Emptiness::NoData);
}

fn cname() -> Rdata {
    Rdata::from_wire(RecordType::CNAME, "real.internal.local.".parse::<Name>().unwrap().as_wire())
}

#[tokio::test]
async fn srv_beside_a_cname_is_used() {
    let servers =
        Servers::start([replying(|query| query.reply().answer(cname()).srv("host-1.internal.local.", 8080))]).await;
    assert_eq!(addresses(&ask(&servers).await), GOOD);
}

#[tokio::test]
async fn a_cname_alone_is_empty_and_not_followed() {
    let servers = Servers::start([replying(|query| query.reply().answer(cname()))]).await;
    assert_eq!(emptiness(&ask(&servers).await), Emptiness::NoTarget);
    assert_eq!(servers.asked(0).len(), 1);
}

#[tokio::test]
async fn a_compressed_target_is_accepted() {
    let servers =
        Servers::start([scripted(|query| vec![query.reply().srv("host-1.internal.local.", 8080).compressed()])]).await;
    assert_eq!(addresses(&ask(&servers).await), GOOD);
}

// The search list.

/// Answers by whether the name ends in the suffix `corp`.
fn by_suffix(bare: u16, suffixed: u16) -> Service {
    replying(move |query| {
        let corp = "corp.".parse::<Name>().unwrap();
        let is_corp = query.question.name.is_within(&corp);
        match if is_corp { suffixed } else { bare } {
            0 if is_corp => query.reply().srv("host-1.internal.local.", 8080),
            rcode => query.reply().rcode(rcode),
        }
    })
}

#[tokio::test]
async fn an_absent_name_is_found_under_a_suffix_but_keeps_its_label() {
    let servers = Servers::start([by_suffix(NXDOMAIN, 0)]).await;
    let report = ask_system(&servers, "search corp\n").await;
    let Verdict::Records(answer) = &report.verdict else { panic!("{report:?}") };
    let target = &answer.targets(0)[0];
    assert_eq!((target.address.as_str(), target.labels["__meta_dns_name"].as_str()), (GOOD[0], NAME));
    assert_eq!(answer.reply.candidate, format!("{NAME}.corp."));
}

#[tokio::test]
async fn servfail_then_nxdomain_under_a_suffix_is_unknown() {
    let servers = Servers::start([by_suffix(SERVFAIL, NXDOMAIN)]).await;
    assert_unknown(&ask_system(&servers, "search corp\n").await);
}

#[tokio::test]
async fn nodata_is_not_looked_up_under_a_suffix() {
    let servers = Servers::start([by_suffix(0, 0)]).await;
    assert_eq!(emptiness(&ask_system(&servers, "search corp\n").await), Emptiness::NoData);
    assert_eq!(servers.asked(0).len(), 1);
}

#[tokio::test]
async fn ndots_orders_the_candidates() {
    let servers = Servers::start([always(NXDOMAIN)]).await;
    ask_system(&servers, "search corp\noptions ndots:9 timeout:1 attempts:5 rotate use-vc\n").await;
    let names: Vec<_> = servers.seen(0).iter().map(|query| query.question.name.to_string()).collect();
    assert_eq!(names, [format!("{NAME}.corp."), format!("{NAME}.")]);
}

#[tokio::test]
async fn the_search_dot_makes_an_absent_name_unknown() {
    let servers = Servers::start([always(NXDOMAIN)]).await;
    let report = ask_system(&servers, "search .\n").await;
    assert_unknown(&report);
    assert_eq!(servers.asked(0).len(), 1);
    assert!(matches!(failure(&report, 1), Failure::Unsendable(_)));
}

#[tokio::test]
async fn a_bad_label_sends_nothing() {
    let servers = Servers::start([good()]).await;
    for bad in ["a..b".to_owned(), format!("{}.internal.local", "x".repeat(64))] {
        let report = ask_for(&bad, &servers).await;
        assert!(matches!(report.verdict, Verdict::Unknown { .. }));
        assert!(matches!(failure(&report, 0), Failure::Unsendable(_)));
    }
    assert!(servers.asked(0).is_empty());
}

// resolv.conf.

#[tokio::test]
async fn without_nameservers_there_is_no_default() {
    let directory = tempfile::tempdir().unwrap();
    let resolv_conf = directory.path().join("resolv.conf");
    let options = Options { resolv_conf: resolv_conf.clone(), ..Options::default() };
    let missing = lookup(&Resolver::System, NAME, RecordType::SRV, options.clone()).await;
    let Verdict::Unknown { reason, reply: None } = missing.verdict else { panic!() };
    assert!(reason.to_string().starts_with("could not load resolv.conf: "), "{reason}");
    std::fs::write(&resolv_conf, "search corp\n").unwrap();
    let empty = lookup(&Resolver::System, NAME, RecordType::SRV, options).await;
    assert_eq!(empty.verdict, Verdict::Unknown { reason: Unknown::NoServers, reply: None });
}

#[tokio::test]
async fn resolv_conf_is_read_at_every_lookup() {
    let servers = Servers::start([always(NXDOMAIN), good()]).await;
    let directory = tempfile::tempdir().unwrap();
    let options =
        Options { resolv_conf: directory.path().join("resolv.conf"), port: servers.port(), ..Options::default() };
    for expected in ["127.0.0.2", "127.0.0.3"] {
        std::fs::write(&options.resolv_conf, format!("nameserver {expected}\n")).unwrap();
        let report = lookup(&Resolver::System, NAME, RecordType::SRV, options.clone()).await;
        assert_eq!(report.reply().unwrap().via.server.host, expected);
    }
}

#[test]
fn the_default_is_prometheus_way() {
    let options = Options::default();
    assert_eq!((options.force_tcp, options.port), (false, 53));
    assert_eq!(options.resolv_conf.to_str(), Some("/etc/resolv.conf"));
}
