//! Who asks, and what they may do.

use std::fmt;
use std::sync::Arc;

use super::name::Name;
use super::service::ServiceKey;

/// Whether somebody may look, or change things too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Looking only.
    Read,
    /// Looking and changing.
    Write,
}

/// A word in which `*` stands for any letters, dots among them; compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern of a text.
    pub fn new(text: &str) -> Self {
        Self(text.to_ascii_lowercase())
    }

    /// Whether a text is one of those that it stands for.
    pub fn matches(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let Some((first, rest)) = self.0.split_once('*') else { return text == self.0 };
        let Some(mut left) = text.strip_prefix(first) else { return false };
        let mut parts = rest.split('*').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return left.ends_with(part);
            }
            // The earliest place leaves the most for the rest.
            let Some(at) = left.find(part) else { return false };
            left = &left[at + part.len()..];
        }
        true
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that a principal may do. What a list does not name is not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Names of services, without underscores.
    pub services: Vec<Pattern>,
    /// Hosts, absolute, without the final dot.
    pub hosts: Vec<Pattern>,
    /// Zones; all when none is named.
    pub zones: Vec<Name>,
    /// What may be done with them.
    pub access: Access,
}

impl Grant {
    fn covers_zone(&self, zone: &Name) -> bool {
        self.zones.is_empty() || self.zones.contains(zone)
    }

    fn covers_service(&self, service: &ServiceKey) -> bool {
        self.covers_zone(&service.zone) && self.services.iter().any(|pattern| pattern.matches(&service.name))
    }

    /// `zone` is the managed zone that the host lies in.
    fn covers_host(&self, host: &Name, zone: Option<&Name>) -> bool {
        let text = host.without_final_dot();
        zone.is_none_or(|zone| self.covers_zone(zone)) && self.hosts.iter().any(|pattern| pattern.matches(&text))
    }
}

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What the log and the journal call them.
    pub name: Arc<str>,
    /// What they may do; everything when there is no list.
    pub grants: Option<Arc<[Grant]>>,
}

impl Principal {
    /// Who may do everything.
    pub fn unrestricted(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), grants: None }
    }

    /// Whether they may see, or change, a service.
    pub fn may(&self, access: Access, service: &ServiceKey) -> bool {
        self.any(|grant| grant.access >= access && grant.covers_service(service))
    }

    /// Whether they may name a host as an instance of a service, in one and the same grant. `zone` is the managed zone
    /// that the host lies in, where its addresses are published.
    pub fn may_place(&self, service: &ServiceKey, host: &Name, zone: Option<&Name>) -> bool {
        let covers = |grant: &Grant| grant.covers_service(service) && grant.covers_host(host, zone);
        self.any(|grant| grant.access == Access::Write && covers(grant))
    }

    /// Whether a host is theirs to change.
    pub fn has_host(&self, host: &Name, zone: Option<&Name>) -> bool {
        self.any(|grant| grant.access == Access::Write && grant.covers_host(host, zone))
    }

    /// Whether there is anything that they may change.
    pub fn may_write(&self) -> bool {
        self.any(|grant| grant.access == Access::Write)
    }

    /// Whether they may see everything.
    pub fn sees_all(&self) -> bool {
        let all = |grant: &Grant| grant.zones.is_empty() && grant.services.iter().any(|pattern| pattern.0 == "*");
        self.any(all)
    }

    /// Whether they may do everything.
    pub fn is_unrestricted(&self) -> bool {
        self.grants.is_none()
    }

    fn any(&self, covers: impl Fn(&Grant) -> bool) -> bool {
        self.grants.as_ref().is_none_or(|grants| grants.iter().any(covers))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, expected) in [
            ("jenkins", "Jenkins", true),
            ("jenkins", "jenkins2", false),
            ("*", "", true),
            ("*.devops.internal.local", "a.devops.internal.local", true),
            ("*.devops.internal.local", "a.devopsXinternal.local", false),
            ("*.devops.internal.local", "devops.internal.local", false),
            ("ci-*-*", "ci-a-b", true),
            ("ci-*-*", "ci-a", false),
            ("a*a", "a", false),
            ("a*b*b", "ab", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_stars_are_filled_with(
            parts in prop::collection::vec("[ab.]{0,3}", 1..4),
            fill in prop::collection::vec("[ab.]{0,3}", 3),
        ) {
            let text = parts.iter().zip(&fill).skip(1).fold(parts[0].clone(), |text, (part, fill)| text + fill + part);
            prop_assert!(Pattern::new(&parts.join("*")).matches(&text));
        }
    }

    #[test]
    fn a_grant_is_for_its_services_on_its_hosts_in_its_zones() {
        let zone: Name = "internal.local".parse().unwrap();
        let key = |name: &str, zone: &Name| ServiceKey { name: name.into(), proto: "tcp".into(), zone: zone.clone() };
        let host = |text: &str| text.parse::<Name>().unwrap();
        let grant = |services: &str, hosts: &str, access| Grant {
            services: vec![Pattern::new(services)],
            hosts: vec![Pattern::new(hosts)],
            zones: vec![zone.clone()],
            access,
        };
        let grants = [grant("ci-*", "ci*.internal.local", Access::Write), grant("*", "*", Access::Read)];
        let team = Principal { name: "team".into(), grants: Some(grants.into()) };
        let (own, other) = (key("ci-runner", &zone), key("db", &zone));
        let sub = host("sub.internal.local");
        assert!(team.may(Access::Write, &own) && team.may_place(&own, &host("ci1.internal.local"), Some(&zone)));
        assert!(!team.may_place(&own, &host("ci1.sub.internal.local"), Some(&sub)), "another zone's host");
        assert!(!team.has_host(&host("ci1.sub.internal.local"), Some(&sub)) && team.may_write());
        assert!(team.may(Access::Read, &other) && !team.may(Access::Write, &other));
        assert!(
            !team.may_place(&own, &host("db1.internal.local"), None)
                && !team.has_host(&host("db1.internal.local"), None)
        );
        assert!(!team.may(Access::Read, &key("ci-runner", &host("other.local"))));
        let root = Principal::unrestricted("root");
        assert!(
            root.may(Access::Write, &other) && root.may_place(&other, &host("x.y"), Some(&zone)) && root.sees_all()
        );
        assert!(!team.sees_all() && !team.is_unrestricted());
    }
}
