//! Everybody through whom the zone is looked up, asked as Prometheus asks.

use std::time::Duration;

use tokio::time::sleep;

use crate::dns::{LookupReport, Options, Resolver, lookup};
use crate::model::{Finding, Name, Rdata, RecordType, Server, Severity};
use crate::protocol::lookup::{Outcome, Verdict};
use crate::reconcile::doctor::{Large, Scratch, through};

/// A name that was published a moment ago may need as many tries, while the server that the resolver asks gets it.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// Looks the scratch service up through a server: its TXT record, and as many SRV records as are published.
pub(super) async fn look_up(zone: &Name, server: &Server, scratch: &Scratch, published: u16) -> Vec<Finding> {
    let mut small = large(server, &scratch.service, RecordType::TXT, vec![Scratch::text()]).await;
    for _ in 1..TRIES {
        if !matches!(small.verdict, Verdict::Empty { .. }) || small.is_whole() {
            break;
        }
        sleep(PAUSE).await;
        small = large(server, &scratch.service, RecordType::TXT, vec![Scratch::text()]).await;
    }
    let services = large(server, &scratch.service, RecordType::SRV, scratch.services(published)).await;
    let mut findings = through(zone, &server.to_string(), &small, &services);
    // An RRset that may not be large enough for TCP says nothing about it.
    if !findings.iter().any(|finding| finding.code == "tcp") {
        findings.push(reach(zone, server).await);
    }
    findings
}

async fn large(server: &Server, name: &Name, record_type: RecordType, expected: Vec<Rdata>) -> Large {
    let LookupReport { verdict, attempts, .. } = ask(server, name, record_type, false).await;
    Large { expected, verdict, attempts }
}

async fn ask(server: &Server, name: &Name, record_type: RecordType, force_tcp: bool) -> LookupReport {
    let options = Options { force_tcp, ..Options::default() };
    lookup(&Resolver::Servers(vec![server.clone()]), &name.to_string(), record_type, options).await
}

/// Where no large answer is to be had, at least whether a server can be reached over TCP at all.
pub(super) async fn reach(zone: &Name, server: &Server) -> Finding {
    let report = ask(server, zone, RecordType::SOA, true).await;
    let failed = report.attempts.iter().find(|attempt| matches!(attempt.outcome, Outcome::Failed(_)));
    match failed {
        None => Finding::new("tcp", Severity::Ok, server, "TCP is reachable"),
        Some(attempt) => {
            Finding::new("tcp", Severity::Error, server, "TCP port 53 is not reachable: no large answer comes")
                .seen(&attempt.outcome)
                .remedy("let the server listen on TCP port 53, and open it on the way from Prometheus")
        }
    }
}
