//! Markers that say nothing, or speak of nothing.

use std::collections::BTreeSet;

use super::counted;
use crate::model::{Finding, Marker, Name, OwnerId, Record, RecordType, Server, Severity, Zone};
use crate::reconcile::obstacle::Obstacle;
use crate::reconcile::ownership::{self, Ownership};

/// Looks at every marker of a zone, which its primary takes changes of with the key in this file.
pub fn markers(owner: &OwnerId, live: &Zone, primary: &Server, key_file: &str) -> Vec<Finding> {
    let mut names: Vec<_> = live.unmarked_names().filter(|name| live.marker_of(name).is_some()).collect();
    names.sort_unstable();
    let mut findings: Vec<_> = names
        .iter()
        .filter_map(|name| match ownership::of(owner, live, name) {
            Ownership::InTheWay(Obstacle::DamagedMarker(why), set) => {
                let marker = Marker::name_for(name).unwrap_or_else(|_| (*name).clone());
                let by_hand = format!(
                    "`printf 'server {} {}\\nzone {}\\nupdate delete {marker} TXT\\nsend\\n' | nsupdate -k {key_file}`",
                    primary.host,
                    primary.port,
                    live.origin()
                );
                let finding = damaged(live.origin(), name, &why, &set.records(&marker));
                Some(
                    finding
                        .remedy(format!("{by_hand}, then `srvctl adopt {name}` for what the services ask for there")),
                )
            }
            Ownership::Ours(types, _) => orphan(live, name, &types),
            _ => None,
        })
        .collect();
    let sound = [
        ("marker-damaged", "every ownership marker can be read"),
        ("marker-orphan", "every marker of ours has its records"),
    ];
    for (code, problem) in sound {
        if !findings.iter().any(|finding| finding.code == code) {
            let evidence = format!("{} marked", counted(names.len(), "name"));
            findings.push(Finding::new(code, Severity::Ok, live.origin(), problem).seen(evidence));
        }
    }
    findings
}

fn damaged(zone: &Name, name: &Name, why: &str, records: &[Record]) -> Finding {
    let problem = format!("the ownership marker of {name} cannot be read, so nothing at this name is touched any more");
    let finding = Finding::new("marker-damaged", Severity::Error, zone, problem).seen(why);
    records.iter().fold(finding, Finding::seen)
}

fn orphan(live: &Zone, name: &Name, types: &BTreeSet<RecordType>) -> Option<Finding> {
    let missing: Vec<_> = types.iter().filter(|&&record_type| live.rrset(name, record_type).is_none()).collect();
    if missing.is_empty() {
        return None;
    }
    let missing: Vec<_> = missing.into_iter().map(ToString::to_string).collect();
    let problem = format!("our marker of {name} speaks of {} records, and there are none", missing.join(" and "));
    let marker = live.marker_of(name).and_then(|marker| marker.get(RecordType::TXT));
    let records = marker.iter().flat_map(|set| set.records(&Marker::name_for(name).unwrap_or_else(|_| name.clone())));
    let finding = Finding::new("marker-orphan", Severity::Warning, live.origin(), problem);
    let remedy = "`srvctl apply` publishes what the services ask for there, or removes the marker; then look for who \
                  deleted the records";
    Some(records.collect::<Vec<_>>().iter().fold(finding, Finding::seen).remedy(remedy))
}
