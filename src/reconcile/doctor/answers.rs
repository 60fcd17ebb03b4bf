//! Whether large answers come whole, through everybody who is asked.

use super::counted;
use crate::model::{Finding, Name, Rdata, Severity};
use crate::protocol::lookup::{Attempt, Outcome, Then, Transport, Verdict};
use crate::protocol::rcode::Rcode;

/// A datagram longer than this is not sent by BIND, nor by who follows DNS Flag Day 2020.
const DATAGRAM: usize = 1232;

/// One look-up of an RRset as Prometheus makes it, and what shall come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Large {
    /// What is published.
    pub expected: Vec<Rdata>,
    /// What it came to.
    pub verdict: Verdict,
    /// How.
    pub attempts: Vec<Attempt>,
}

impl Large {
    fn came(&self) -> usize {
        let answers = self.verdict.reply().map_or(&[][..], |reply| &reply.message.answers);
        self.expected.iter().filter(|rdata| answers.iter().any(|record| record.rdata == **rdata)).count()
    }

    fn size(&self) -> usize {
        self.verdict.reply().map_or(0, |reply| reply.size)
    }

    /// Whether everything came that shall.
    pub fn is_whole(&self) -> bool {
        self.came() == self.expected.len()
    }

    fn with_attempts(&self, finding: Finding) -> Finding {
        self.attempts.iter().fold(finding, |finding, attempt| finding.seen(shown(attempt)))
    }

    /// Whether the answer was cut, and could not be had over TCP.
    fn stopped_at_tcp(&self) -> bool {
        let was_cut = self.attempts.iter().any(|attempt| attempt.then == Then::AskedOverTcp);
        let over_tcp = |attempt: &Attempt| attempt.via.as_ref().is_some_and(|via| via.transport == Transport::Tcp);
        let failed = |attempt: &Attempt| over_tcp(attempt) && matches!(attempt.outcome, Outcome::Failed(_));
        was_cut && self.attempts.iter().any(failed)
    }

    fn is_servfail(&self) -> bool {
        let is = |attempt: &Attempt| matches!(attempt.outcome, Outcome::Answered { rcode: Rcode::SERVFAIL, .. });
        self.attempts.last().is_some_and(is)
    }
}

fn shown(attempt: &Attempt) -> String {
    let via = attempt.via.as_ref().map_or("not sent".to_owned(), ToString::to_string);
    format!("{via}: {}", attempt.outcome)
}

/// What a server that is asked gives of a small RRset and of a large one at the same name.
pub fn through(zone: &Name, server: &str, small: &Large, large: &Large) -> Vec<Finding> {
    let finding = |code, severity, problem: String| Finding::new(code, severity, server, problem);
    let records = counted(large.expected.len(), "record");
    if large.is_whole() {
        let answer =
            finding("answer", Severity::Ok, format!("gives all {records} of an RRset, {} bytes", large.size()));
        let limit = finding("limit-resolver", Severity::Ok, format!("takes an RRset of {records}"));
        let mut findings = vec![large.with_attempts(answer), limit];
        if large.size() > DATAGRAM {
            findings.push(large.with_attempts(finding("tcp", Severity::Ok, "TCP is reachable".into())));
        }
        return findings;
    }
    if large.stopped_at_tcp() {
        let problem = format!(
            "TCP port 53 is not reachable: an answer with {records} is cut over UDP, and Prometheus gets nothing"
        );
        let remedy = "let the server listen on TCP port 53, and open it on the way from Prometheus";
        return vec![large.with_attempts(finding("tcp", Severity::Error, problem)).remedy(remedy)];
    }
    if !small.is_whole() {
        let problem = format!(
            "does not give a name that was just published in {zone}: who asks it does not discover the services"
        );
        return vec![small.with_attempts(finding("resolver", Severity::Error, problem)).remedy(format!(
            "let the server ask the zone's servers: in BIND, `zone \"{}\" {{ type forward; forward only; forwarders {{ PRIMARY; \
             }}; }};`, with `validate-except {{ \"{0}\"; }};` when it validates DNSSEC",
            zone.without_final_dot()
        ))];
    }
    if large.is_servfail() {
        let problem = format!(
            "answers SERVFAIL for an RRset of {records}, while a small one comes: Prometheus keeps old targets, or has none"
        );
        return vec![large.with_attempts(finding("limit-resolver", Severity::Error, problem)).remedy(format!(
            "on that server, in `options`: `max-records-per-type {};` (100 by default since BIND 9.18.28), or a lower \
             `max_records_per_rrset` in srvctl.toml",
            large.expected.len()
        ))];
    }
    let problem = format!("gives {} of an RRset's {records}: targets are missing", large.came());
    let remedy = "something on the way shortens answers: compare `srvctl dig` through each server on the way";
    vec![large.with_attempts(finding("answer", Severity::Error, problem)).remedy(remedy)]
}

/// Whether the primary holds as many records in an RRset as the configuration promises: what was `wanted`, what it `took`,
/// and what it said to the next one. `configured` may be more than was tried.
pub fn limit_of_primary(zone: &Name, [wanted, took, configured]: [usize; 3], said: Option<Rcode>) -> Finding {
    let finding = |severity, problem: String| Finding::new("limit-primary", severity, zone, problem);
    if took < wanted {
        let said = said.map_or("something else".to_owned(), |rcode| rcode.to_string());
        let problem = format!(
            "the primary holds {took} records in an RRset, and `max_records_per_rrset` promises {configured}: a service with more \
             instances is not published"
        );
        return finding(Severity::Error, problem).seen(format!("an update to {} records: {said}", took + 1)).remedy(format!(
            "`max_records_per_rrset = {took}` in srvctl.toml and `shards` in large services, or on the primary and every \
             secondary and resolver `max-records-per-type {configured};`"
        ));
    }
    if wanted < configured {
        let problem =
            format!("the primary holds {wanted} records in an RRset; whether it holds {configured} was not tried");
        return finding(Severity::Note, problem).remedy(
            "`srvctl doctor --limits` tries as many as `max_records_per_rrset` says. While it does, secondaries and resolvers \
             with a lower limit may refuse the whole zone: choose a quiet hour",
        );
    }
    finding(Severity::Ok, format!("the primary holds {wanted} records in an RRset, as `max_records_per_rrset` says"))
}
