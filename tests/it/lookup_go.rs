//! Go's look-up over real sockets: what vmagent does with servers that misbehave, where it is not what Prometheus does.

use srvctl::dns::{LookupReport, Options, Resolver, lookup, views};
use srvctl::model::RecordType;
use srvctl::protocol::lookup::{
    Consumer, Emptiness, Failure, Fate, GoProblem, Outcome, Profile, Then, Transport, Unknown, Verdict,
};

use crate::scripted::{Query, Servers, Service, always, good, replying, scripted};

const NAME: &str = "_jenkins._tcp.internal.local.";
const GOOD: [&str; 1] = ["host-1.internal.local:8080"];
const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;

fn options() -> Options {
    Options { consumer: Consumer::Go, ..Options::default() }
}

async fn ask(servers: &Servers) -> LookupReport {
    lookup(&Resolver::Servers(servers.list()), NAME, RecordType::SRV, options()).await
}

/// Asks the servers through a resolv.conf that names them, `more` being its other lines.
async fn ask_system(servers: &Servers, name: &str, more: &str) -> LookupReport {
    let directory = tempfile::tempdir().unwrap();
    let resolv_conf = directory.path().join("resolv.conf");
    std::fs::write(&resolv_conf, servers.nameserver_lines() + more).unwrap();
    let options = Options { resolv_conf, port: servers.port(), ..options() };
    lookup(&Resolver::System, name, RecordType::SRV, options).await
}

fn addresses(report: &LookupReport) -> Vec<String> {
    match &report.verdict {
        Verdict::Records(answer) => answer.addresses(0).collect(),
        other => panic!("{other:?}"),
    }
}

fn problem(report: &LookupReport) -> &GoProblem {
    match &report.verdict {
        Verdict::Unknown { reason: Unknown::Go(error), .. } => &error.problem,
        other => panic!("{other:?}"),
    }
}

fn sequence(report: &LookupReport) -> Vec<Then> {
    report.attempts.iter().map(|attempt| attempt.then).collect()
}

#[tokio::test]
async fn the_query_is_gos_own() {
    let servers = Servers::start([good()]).await;
    let report = ask(&servers).await;
    assert_eq!((addresses(&report), sequence(&report)), (GOOD.map(str::to_owned).to_vec(), vec![Then::Found]));
    let mut query = servers.seen(0).remove(0).bytes;
    query[..2].copy_from_slice(&[0x12, 0x34]);
    let expected = "123401000001000000000001085f6a656e6b696e73045f74637008696e7465726e616c056c6f63616c0000210001\
                    00002904d0000000000000";
    let hex: Vec<_> = query.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex.concat(), expected);
}

#[tokio::test]
async fn servfail_is_asked_for_twice() {
    let servers = Servers::start([always(SERVFAIL), always(SERVFAIL)]).await;
    let report = ask(&servers).await;
    assert_eq!(problem(&report), &GoProblem::TemporarilyMisbehaving);
    assert_eq!(servers.asked(1), ["UDP+OPT", "UDP+OPT"]);
    assert_eq!(sequence(&report), [Then::NextServer, Then::NextRound, Then::NextServer, Then::Failed]);
    let Verdict::Unknown { reason, .. } = &report.verdict else { panic!() };
    let server = &servers.list()[1];
    assert_eq!(reason.to_string(), format!("lookup {NAME} on {server}: server misbehaving"));
}

#[tokio::test]
async fn tcp_has_opt_and_does_not_stick() {
    let truncated = |query: &Query| vec![query.reply().truncated().bytes()];
    let servers = Servers::start([Service::UdpOnly(Box::new(truncated)), good()]).await;
    assert_eq!(addresses(&ask(&servers).await), GOOD);
    assert_eq!(servers.asked(1), ["UDP+OPT"]);
    let servers = Servers::start([replying(|query| match query.transport {
        Transport::Udp => query.reply().truncated(),
        Transport::Tcp => query.reply().srv("host-1.internal.local.", 8080),
    })])
    .await;
    assert_eq!(addresses(&ask(&servers).await), GOOD);
    assert_eq!(servers.asked(0), ["UDP+OPT", "TCP+OPT"]);
    let ids: Vec<_> = servers.seen(0).iter().map(|query| query.id).collect();
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn the_files_timeout_attempts_and_use_vc_are_heeded() {
    let servers = Servers::start([scripted(|_| vec![])]).await;
    let report = ask_system(&servers, NAME, "options timeout:1 attempts:3 use-vc\n").await;
    assert_eq!(problem(&report), &GoProblem::Timeout);
    assert_eq!(servers.asked(0), ["TCP+OPT"; 3]);
    let limit = Outcome::Failed(Failure::TimedOut(std::time::Duration::from_secs(1)));
    assert!(report.attempts.iter().all(|attempt| attempt.outcome == limit), "{report:?}");
}

#[tokio::test]
async fn the_fourth_server_is_not_asked() {
    let servers = Servers::start([always(SERVFAIL), always(SERVFAIL), always(SERVFAIL), good()]).await;
    let report = ask_system(&servers, NAME, "").await;
    assert_eq!(problem(&report), &GoProblem::TemporarilyMisbehaving);
    assert!(servers.asked(3).is_empty());
}

#[tokio::test]
async fn a_connection_that_ends_early_is_no_temporary_error() {
    for bytes in [&b""[..], b"\0\x20short"] {
        let servers = Servers::start([Service::Raw(bytes.to_vec())]).await;
        let report = ask(&servers).await;
        assert_eq!(problem(&report), &GoProblem::Closed, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_datagram_above_1232_bytes_is_cut_and_cannot_be_read() {
    let many = |query: &Query| (0..40).fold(query.reply(), |reply, port| reply.srv("host-1.internal.local.", port));
    let servers = Servers::start([replying(many)]).await;
    assert_eq!(problem(&ask(&servers).await), &GoProblem::CannotUnmarshal);
    assert_eq!(servers.asked(0).len(), 1, "nobody else is asked");
}

#[tokio::test]
async fn a_flood_does_not_outlast_the_deadline() {
    let servers = Servers::start([Service::Flood, good()]).await;
    let report = ask_system(&servers, NAME, "options timeout:1\n").await;
    assert_eq!(addresses(&report), GOOD);
}

#[tokio::test]
async fn no_such_host_goes_on_in_the_search_list_which_a_final_dot_forbids() {
    let servers = Servers::start([always(NXDOMAIN)]).await;
    let report = ask_system(&servers, NAME.trim_end_matches('.'), "search corp\n").await;
    assert!(matches!(report.verdict, Verdict::Empty { why: Emptiness::NoSuchHost, reply: Some(_) }), "{report:?}");
    let names: Vec<_> = servers.seen(0).iter().map(|query| query.question.name.to_string()).collect();
    assert_eq!(names, [NAME.to_owned(), format!("{NAME}corp.")]);
    ask_system(&servers, NAME, "search corp\n").await;
    assert_eq!(servers.asked(0).len(), 3);
}

#[tokio::test]
async fn views_part_where_the_consumers_do() {
    let of = async |services: Vec<Service>| {
        let servers = Servers::start(services).await;
        let views = views(&Resolver::Servers(servers.list()), NAME, &Options::default()).await;
        views.all().map(|(_, view)| view.fate.clone())
    };
    let good_targets = Fate::Targets { targets: GOOD.map(str::to_owned).to_vec() };
    let good_to_all = [good_targets.clone(), good_targets.clone(), good_targets.clone()];
    assert_eq!(of(vec![good()]).await, good_to_all);
    assert_eq!(of(vec![always(SERVFAIL)]).await, [Fate::Kept, Fate::Dropped, Fate::Kept]);
    assert_eq!(of(vec![always(NXDOMAIN)]).await, [Fate::Dropped, Fate::Dropped, Fate::Dropped]);
    let lame = of(vec![replying(|query| query.reply().lame()), good()]).await;
    assert_eq!(lame, [Fate::Dropped, good_targets.clone(), good_targets.clone()]);
    let odd = of(vec![replying(|query| query.reply().srv("10.0.0.5.", 1))]).await;
    assert_eq!(odd, [Fate::Targets { targets: vec!["10.0.0.5:1".to_owned()] }, Fate::Dropped, Fate::Kept]);
}

/// `StrictErrors` is vmagent's; Thanos goes on in the search list.
#[tokio::test]
async fn a_temporary_error_ends_vmagents_search_and_not_thanos() {
    let servers = Servers::start([replying(|query| {
        let is_corp = query.question.name.is_within(&"corp.".parse::<srvctl::model::Name>().unwrap());
        if is_corp { query.reply().srv("host-1.internal.local.", 8080) } else { query.reply().rcode(SERVFAIL) }
    })])
    .await;
    let directory = tempfile::tempdir().unwrap();
    let resolv_conf = directory.path().join("resolv.conf");
    std::fs::write(&resolv_conf, servers.nameserver_lines() + "search corp\n").unwrap();
    let options = Options { resolv_conf, port: servers.port(), ..Options::default() };
    let views = views(&Resolver::System, NAME.trim_end_matches('.'), &options).await;
    let found = Fate::Targets { targets: GOOD.map(str::to_owned).to_vec() };
    assert_eq!(views.all().map(|(_, view)| view.fate.clone()), [found.clone(), Fate::Dropped, found]);
    assert_eq!(options.profile, Profile::VMAGENT);
}
