//! What is behind the targets that were found, through the same servers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::super::through::Through;
use crate::model::{Finding, Name, RecordType, RrsetKey};
use crate::protocol::lookup::Verdict;
use crate::reconcile::targets::{Behind, case_variants, host_of, unreachable};
use crate::reconcile::{Check, Standing};

/// Look-ups under way at once.
const CONCURRENT: usize = 32;

/// Examines the targets of all services through every server. Hosts whose addresses were among the checks and found as
/// they shall be are not asked for again.
pub(super) async fn examine(checks: &[Check]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut known = known(checks);
    for (server, targets) in by_server(checks) {
        let known = known.remove(&server).unwrap_or_default();
        let hosts = targets.iter().filter_map(|target| host_of(target).parse().ok());
        let hosts: BTreeSet<Name> = hosts.filter(|host| !known.contains(host)).collect();
        let behind = behind(&server, hosts.into_iter().collect()).await;
        findings.extend(unreachable(&server.label(), &targets, &behind));
    }
    findings.extend(spellings(checks));
    merged(findings)
}

/// The hosts whose addresses each server has as they shall be.
fn known(checks: &[Check]) -> BTreeMap<Through, BTreeSet<&Name>> {
    let mut known: BTreeMap<_, BTreeSet<&Name>> = BTreeMap::new();
    let is_address = |check: &&Check| matches!(check.record_type, RecordType::A | RecordType::AAAA);
    for check in checks.iter().filter(is_address).filter(|check| check.verdict == Standing::InSync) {
        known.entry(through(check)).or_default().insert(&check.name);
    }
    known
}

/// What several servers say alike becomes one finding, with what each of them shows.
fn merged(findings: Vec<Finding>) -> Vec<Finding> {
    let mut merged: Vec<Finding> = Vec::with_capacity(findings.len());
    let mut places = BTreeMap::new();
    for finding in findings {
        let alike = (finding.code, finding.subject.clone(), finding.problem.clone(), finding.remedy.clone());
        let place = *places.entry(alike).or_insert(merged.len());
        match merged.get_mut(place) {
            None => merged.push(finding),
            Some(known) => known.evidence.extend(finding.evidence),
        }
    }
    merged
}

/// Through whom a check was made.
pub(super) fn through(check: &Check) -> Through {
    check.server.clone().map_or(Through::System, Through::Server)
}

fn by_server(checks: &[Check]) -> BTreeMap<Through, BTreeSet<&str>> {
    let mut by_server: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for check in checks.iter().filter(|check| !check.targets.is_empty()) {
        by_server.entry(through(check)).or_default().extend(check.targets.iter().map(String::as_str));
    }
    by_server
}

/// Of each service, as all servers together spell its targets: a Prometheus that asks now this one, now that one sees
/// all of them.
fn spellings(checks: &[Check]) -> Vec<Finding> {
    let mut by_service: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for check in checks {
        by_service.entry(&check.service).or_default().extend(check.targets.iter().map(String::as_str));
    }
    by_service.into_iter().flat_map(|(service, targets)| case_variants(service, &targets)).collect()
}

/// What the hosts lead to, by their names in lower case without the final dot.
async fn behind(server: &Through, hosts: Vec<Name>) -> BTreeMap<String, Behind> {
    let types = [RecordType::A, RecordType::AAAA];
    let questions: Vec<_> =
        hosts.iter().flat_map(|host| types.map(|record_type| RrsetKey::new(host.clone(), record_type))).collect();
    let permits = Arc::new(Semaphore::new(CONCURRENT));
    let verdicts = server.resolver().look_up_all(&questions, &permits).await;
    let pairs = hosts.iter().zip(verdicts.chunks(types.len()));
    pairs.map(|(host, verdicts)| (host.without_final_dot().to_ascii_lowercase(), judge(host, verdicts))).collect()
}

fn judge(host: &Name, verdicts: &[Verdict]) -> Behind {
    let answers = || verdicts.iter().filter_map(Verdict::reply).flat_map(|reply| &reply.message.answers);
    let alias = answers().find(|record| record.record_type() == RecordType::CNAME && record.name == *host);
    if let Some(name) = alias.and_then(|record| record.rdata.as_name()) {
        return Behind::Alias(name);
    }
    let is_address = |record_type| matches!(record_type, RecordType::A | RecordType::AAAA);
    match answers().filter(|record| is_address(record.record_type())).count() {
        0 => {}
        addresses => return Behind::Addresses(addresses),
    }
    let unknown = verdicts.iter().find_map(|verdict| {
        if let Verdict::Unknown { reason, .. } = verdict {
            return Some(reason.to_string());
        }
        // A server that neither has the zone nor asks others for it says nothing about it.
        let header = verdict.reply()?.message.header;
        (!header.is_authoritative() && !header.recursion_available())
            .then(|| "it neither has the zone of this name nor asks others".to_owned())
    });
    unknown.map_or(Behind::Nothing, Behind::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Server, Severity, State};
    use crate::reconcile::Comparison;

    fn check(server: Option<&str>, name: &str, record_type: RecordType, verdict: Standing) -> Check {
        Check {
            service: "_web._tcp.x.".to_owned(),
            server: server.map(|server| server.parse::<Server>().unwrap()),
            name: name.parse().unwrap(),
            names: Vec::new(),
            record_type,
            verdict,
            state: State::InSync,
            clears_within: None,
            explanation: None,
            comparison: Comparison::default(),
            targets: Vec::new(),
            error: None,
        }
    }

    #[test]
    fn a_host_is_known_at_the_server_that_has_its_addresses_as_they_shall_be() {
        let (one, other) = (Some("192.0.2.1"), Some("192.0.2.2"));
        let checks = [
            check(one, "a.x", RecordType::A, Standing::InSync),
            check(one, "b.x", RecordType::A, Standing::Missing),
            check(one, "b.x", RecordType::AAAA, Standing::InSync),
            check(other, "a.x", RecordType::A, Standing::Different),
            check(None, "c.x", RecordType::AAAA, Standing::InSync),
            check(None, "d.x", RecordType::SRV, Standing::InSync),
        ];
        let known = known(&checks);
        let at = |through: Through| {
            known.get(&through).map(|hosts| hosts.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let server = |server: Option<&str>| Through::Server(server.unwrap().parse().unwrap());
        assert_eq!(at(server(one)), Some(vec!["a.x.".to_owned(), "b.x.".to_owned()]));
        assert_eq!(at(server(other)), None);
        assert_eq!(at(Through::System), Some(vec!["c.x.".to_owned()]));
    }

    #[test]
    fn what_several_servers_say_alike_is_one_finding() {
        let alias = |target: &str, to: &str, server: &str| {
            let finding = Finding::new("target-alias", Severity::Warning, target, "the target is a CNAME");
            finding.seen(format!("asked through {server}")).remedy(format!("name {to}"))
        };
        let found =
            [("a:1", "z.", "1"), ("b:1", "z.", "1"), ("a:1", "z.", "2"), ("b:1", "y.", "2"), ("a:1", "z.", "3")];
        let merged = merged(found.map(|(target, to, server)| alias(target, to, server)).to_vec());
        let told: Vec<_> = merged.iter().map(|found| (found.subject.as_str(), found.evidence.join(", "))).collect();
        let all = "asked through 1, asked through 2, asked through 3".to_owned();
        let [first, second] = ["asked through 1", "asked through 2"].map(str::to_owned);
        assert_eq!(told, [("a:1", all), ("b:1", first), ("b:1", second)]);
    }
}
