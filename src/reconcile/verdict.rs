//! Whether what was looked up is what shall be there.

use std::collections::BTreeSet;

use crate::model::{Name, Rdata, RecordType, Rrset, Server, State};

/// How a looked-up RRset differs from the desired one.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Comparison {
    /// Desired and not found.
    pub missing: Vec<Rdata>,
    /// Found and not desired.
    pub extra: Vec<Rdata>,
    /// The same SRV target and port with another priority or weight, as found.
    pub different: Vec<Rdata>,
}

/// How one RRset stands at one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Found exactly as desired.
    InSync,
    /// Something desired is not found.
    Missing,
    /// Something is found that is not desired.
    Extra,
    /// Both, or other priorities or weights.
    Different,
    /// No answer that Prometheus would accept: it keeps its old targets, vmagent drops them.
    Unknown,
}

/// One desired RRset, looked up through one server.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// The service that asks for it, `_jenkins._tcp.internal.local.`
    pub service: String,
    /// Where it was looked up; none when resolv.conf was used.
    pub server: Option<Server>,
    /// Owner name; that of the service when it is spread over several.
    pub name: Name,
    /// All names that were looked up, when there are several: what counts is what they hold together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Name>,
    /// Record type.
    #[serde(rename = "type")]
    pub record_type: RecordType,
    /// How it stands.
    pub verdict: Standing,
    /// The same in the words of continuous verification: whether a difference is explained.
    pub state: State,
    /// For how many more seconds a cache may give what was there before; none when no cache explains the difference.
    pub clears_within: Option<u64>,
    /// What is seen, and why; none when it is in sync.
    pub explanation: Option<String>,
    /// In which way it differs.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// What Prometheus would scrape, for SRV.
    pub targets: Vec<String>,
    /// Why nothing is known.
    pub error: Option<String>,
}

/// Compares found data with the desired set; order, case of names and TTL do not matter.
pub fn compare(desired: &Rrset, found: &[Rdata]) -> (Standing, Comparison) {
    let all: BTreeSet<_> = found.iter().collect();
    let mut comparison = Comparison {
        missing: desired.rdatas().iter().filter(|rdata| !all.contains(rdata)).cloned().collect(),
        extra: found.iter().filter(|rdata| !desired.contains(rdata)).cloned().collect(),
        different: Vec::new(),
    };
    let Comparison { missing, extra, different } = &mut comparison;
    extra.retain(|rdata| {
        let Some(twin) = missing.iter().position(|other| is_same_endpoint(other, rdata)) else { return true };
        missing.remove(twin);
        different.push(rdata.clone());
        false
    });
    let standing = match (missing.is_empty(), extra.is_empty(), different.is_empty()) {
        (true, true, true) => Standing::InSync,
        (false, true, true) => Standing::Missing,
        (true, false, true) => Standing::Extra,
        _ => Standing::Different,
    };
    (standing, comparison)
}

pub(super) fn is_same_endpoint(one: &Rdata, other: &Rdata) -> bool {
    match (one.as_srv(), other.as_srv()) {
        (Some(one), Some(other)) => one.target == other.target && one.port == other.port,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Srv;

    fn srv(weight: u16, port: u16, host: &str) -> Rdata {
        Rdata::srv(&Srv { priority: 0, weight, port, target: host.parse().unwrap() })
    }

    fn standing(found: &[Rdata]) -> (Standing, usize, usize, usize) {
        let desired = Rrset::new(300, [srv(1, 80, "a.internal.local"), srv(1, 80, "b.internal.local")]).unwrap();
        let (standing, comparison) = compare(&desired, found);
        (standing, comparison.missing.len(), comparison.extra.len(), comparison.different.len())
    }

    #[test]
    fn every_way_to_differ() {
        let (a, b, c) =
            (srv(1, 80, "A.internal.local"), srv(1, 80, "b.internal.local"), srv(1, 81, "b.internal.local"));
        assert_eq!(standing(&[b.clone(), a.clone()]), (Standing::InSync, 0, 0, 0));
        assert_eq!(standing(std::slice::from_ref(&a)), (Standing::Missing, 1, 0, 0));
        assert_eq!(standing(&[a.clone(), b.clone(), c.clone()]), (Standing::Extra, 0, 1, 0));
        assert_eq!(standing(&[a.clone(), c]), (Standing::Different, 1, 1, 0));
        assert_eq!(standing(&[a, srv(2, 80, "b.internal.local")]), (Standing::Different, 0, 0, 1));
    }
}
