//! What is behind the targets of SRV records: whether who scrapes them gets anywhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Finding, Name, Severity};

/// What a target's name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behind {
    /// So many addresses.
    Addresses(usize),
    /// Another name, which RFC 2782 forbids.
    Alias(Name),
    /// Definitely no address.
    Nothing,
    /// Nobody knows, and why.
    Unknown(String),
}

/// The host of a target as Prometheus forms it, in the case of the answer: what is before the port.
pub fn host_of(target: &str) -> &str {
    target.rsplit_once(':').map_or(target, |(host, _)| host)
}

/// Targets that lead nowhere, or not directly, as one server has it. `behind` is by host in lower case; of hosts that are
/// not in it nothing is said.
pub fn unreachable(server: &str, targets: &BTreeSet<&str>, behind: &BTreeMap<String, Behind>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for target in targets {
        let Some(behind) = behind.get(&host_of(target).to_ascii_lowercase()) else { continue };
        let finding = |code, problem: &str| {
            Finding::new(code, Severity::Warning, target, problem).seen(format!("asked through {server}"))
        };
        match behind {
            Behind::Addresses(_) => {}
            Behind::Alias(name) => findings.push(
                finding(
                    "target-alias",
                    "the target is a CNAME, which RFC 2782 forbids: some resolvers do not follow it",
                )
                .seen(format!("it leads to {name}"))
                .remedy(format!("name {name} in the service, or give the host an address of its own")),
            ),
            Behind::Nothing => findings.push(
                finding("target-address", "the target has no address: Prometheus discovers it, and cannot scrape it")
                    .remedy("give the host `addresses` in the service, or publish an A or AAAA record elsewhere"),
            ),
            Behind::Unknown(why) => findings
                .push(finding("target-unknown", "whether the target has an address is not known there").seen(why)),
        }
    }
    findings
}

/// Targets that differ in the case of letters only: DNS takes them for the same, Prometheus scrapes both.
pub fn case_variants(service: &str, targets: &BTreeSet<&str>) -> Vec<Finding> {
    let mut by_lower: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for target in targets {
        by_lower.entry(target.to_ascii_lowercase()).or_default().push(target);
    }
    let several = by_lower.into_values().filter(|spellings| spellings.len() > 1);
    let finding = |spellings: Vec<&str>| {
        let problem = "the target is spelt in several ways: it would be scraped once for each, under different labels";
        Finding::new("target-case", Severity::Warning, service, problem)
            .seen(spellings.join(", "))
            .remedy("spell the host in one way everywhere, best in lower case")
    };
    several.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_lead_nowhere_are_told_with_who_said_so() {
        let targets = ["A.x:80", "b.x:80", "c.x:80", "d.x:80", "e.x:80"].into();
        let behind = [
            ("a.x", Behind::Addresses(1)),
            ("b.x", Behind::Alias("z.x".parse().unwrap())),
            ("c.x", Behind::Nothing),
            ("d.x", Behind::Unknown("REFUSED".to_owned())),
        ];
        let behind = behind.map(|(host, behind)| (host.to_owned(), behind)).into();
        let findings = unreachable("127.0.0.1:53", &targets, &behind);
        let told: Vec<_> = findings.iter().map(|finding| (finding.code, finding.subject.as_str())).collect();
        assert_eq!(told, [("target-alias", "b.x:80"), ("target-address", "c.x:80"), ("target-unknown", "d.x:80")]);
        assert!(findings[0].remedy.as_ref().unwrap().contains("z.x."));
        assert_eq!(findings[2].evidence, ["asked through 127.0.0.1:53", "REFUSED"]);
    }

    #[test]
    fn spellings_that_would_be_scraped_twice() {
        let findings = case_variants("web", &["A.x:80", "a.x:80", "a.x:81", "b.x:80"].into());
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].evidence, ["A.x:80, a.x:80"]);
    }

    #[test]
    fn hosts_are_what_is_before_the_port() {
        assert_eq!([host_of("a.x:80"), host_of("[::1]:80"), host_of(":80")], ["a.x", "[::1]", ""]);
    }
}
