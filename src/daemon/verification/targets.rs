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
    for (server, targets) in by_server(checks) {
        let known = |host: &Name| {
            checks.iter().any(|check| {
                let is_address = matches!(check.record_type, RecordType::A | RecordType::AAAA);
                is_address
                    && check.server.as_ref() == server.server()
                    && check.name == *host
                    && check.verdict == Standing::InSync
            })
        };
        let hosts: BTreeSet<Name> =
            targets.iter().filter_map(|target| host_of(target).parse().ok()).filter(|host| !known(host)).collect();
        let behind = behind(&server, hosts.into_iter().collect()).await;
        findings.extend(unreachable(&server.label(), &targets, &behind));
    }
    findings.extend(spellings(checks));
    findings.dedup_by(|one, other| one.code == other.code && one.subject == other.subject);
    findings
}

fn by_server(checks: &[Check]) -> BTreeMap<Through, BTreeSet<&str>> {
    let mut by_server: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for check in checks.iter().filter(|check| !check.targets.is_empty()) {
        let through = check.server.clone().map_or(Through::System, Through::Server);
        by_server.entry(through).or_default().extend(check.targets.iter().map(String::as_str));
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
