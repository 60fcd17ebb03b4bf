//! DNS-SD browsing (RFC 6763): what instances are called, and the names that lead to them.
//!
//! ```text
//! b._dns-sd._udp.internal.local.          PTR  internal.local.                     domains to browse, section 11
//! _services._dns-sd._udp.internal.local.  PTR  _jenkins._tcp.internal.local.       types, section 9
//! _jenkins._tcp.internal.local.           PTR  ci-1._jenkins._tcp.internal.local.  instances, section 4.1
//! _ci._sub._jenkins._tcp.internal.local.  PTR  ci-1._jenkins._tcp.internal.local.  those of a subtype, section 7.1
//! ci-1._jenkins._tcp.internal.local.      SRV, TXT                                 sections 5 and 6
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::marker::MARKER_LABEL;
use super::name::{MAX_LABEL, Name, NameError};
use super::service::{Instance, Service, ServiceKey};

/// The label between a subtype and its service (RFC 6763 section 7.1).
pub const SUBTYPE_LABEL: &str = "_sub";
/// The service whose names are DNS-SD's own: `_dns-sd._udp` (RFC 6763 sections 9 and 11).
pub const META_SERVICE: &str = "dns-sd";

/// The key under which the TXT of an instance tells how it is.
const HEALTH_KEY: &str = "health";

/// That a service can be browsed, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Browse {
    /// Subtypes of every instance, without the underscore: `ci` for `_ci._sub._jenkins._tcp`.
    pub subtypes: BTreeSet<String>,
    /// Whether the TXT of an instance that is checked tells how it is: `health=passing`.
    pub health: bool,
}

/// The names that DNS-SD keeps for a zone as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaNames {
    /// Lists the types: `_services._dns-sd._udp.internal.local.`
    pub types: Name,
    /// List the domains to browse, the zone itself: `b._dns-sd._udp` and `lb._dns-sd._udp`.
    pub domains: [Name; 2],
}

impl MetaNames {
    /// Those of a zone.
    ///
    /// # Errors
    /// When they do not fit DNS' limits.
    pub fn of(zone: &Name) -> Result<Self, NameError> {
        let below = zone.prepend(b"_udp")?.prepend(b"_dns-sd")?;
        let domains = [below.prepend(b"b")?, below.prepend(b"lb")?];
        Ok(Self { types: below.prepend(b"_services")?, domains })
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Name> {
        self.domains.iter().chain([&self.types])
    }
}

/// The owner name of an instance: its name is one label, taken as it is (RFC 6763 section 4.3).
///
/// # Errors
/// When it does not fit DNS' limits.
pub fn instance_name(own_name: &Name, name: &str) -> Result<Name, NameError> {
    own_name.prepend(name.as_bytes())
}

/// The owner name that lists the instances of a subtype.
///
/// # Errors
/// When it does not fit DNS' limits.
pub fn subtype_name(own_name: &Name, subtype: &str) -> Result<Name, NameError> {
    own_name.prepend(SUBTYPE_LABEL.as_bytes())?.prepend(format!("_{subtype}").as_bytes())
}

/// The own name of the service that a name is an instance or a subtype of, when it has the form of one in this zone.
pub fn browsed_service(name: &Name, zone: &Name) -> Option<Name> {
    let is = |label: &[u8], words: &[&str]| words.iter().any(|word| label.eq_ignore_ascii_case(word.as_bytes()));
    let mut labels = name.labels();
    let (first, mut service) = (labels.next()?, labels.next()?);
    // Most names are those of hosts: no memory is taken to tell them.
    if service[0] != b'_' || is(first, &[MARKER_LABEL, SUBTYPE_LABEL]) {
        return None;
    }
    let is_subtype = is(service, &[SUBTYPE_LABEL]);
    let mut above = first.len() + 1;
    if is_subtype {
        above += service.len() + 1;
        service = labels.next()?;
    }
    let proto = labels.next()?;
    let is_service = service.len() > 1 && service[0] == b'_' && !is(service, &["_dns-sd", SUBTYPE_LABEL]);
    let is_home = name.prefix_len(zone)? == above + service.len() + proto.len() + 2;
    if !(is_service && is_home && is(proto, &["_tcp", "_udp"])) {
        return None;
    }
    let below = name.parent()?;
    if is_subtype { below.parent() } else { Some(below) }
}

impl Service {
    /// Whether it can be browsed. One that is spread over several names cannot: an instance moves between them, and a
    /// browser must always find it.
    pub fn is_browsed(&self) -> bool {
        self.browse.is_some() && !self.is_spread()
    }

    /// Whether whoever browses is told how its instances are.
    pub fn tells_health(&self) -> bool {
        self.is_browsed() && self.browse.as_ref().is_some_and(|browse| browse.health)
    }

    /// What each instance is called, in the order of the instances; none for one that cannot be told from another.
    ///
    /// What a person wrote comes first. Others are called by their host as the zone has it, with the port when the same
    /// host has several; one whose name is taken gets the port too.
    pub fn instance_names(&self) -> Vec<Option<String>> {
        let mut hosts: BTreeMap<&Name, usize> = BTreeMap::new();
        for instance in &self.instances {
            *hosts.entry(&instance.host).or_default() += 1;
        }
        let mut taken = BTreeSet::new();
        let mut names: Vec<Option<String>> = self.instances.iter().map(|instance| instance.name.clone()).collect();
        taken.extend(names.iter().flatten().map(|name| name.to_ascii_lowercase()));
        for (instance, name) in self.instances.iter().zip(&mut names).filter(|(_, name)| name.is_none()) {
            let alone = (hosts[&instance.host] == 1).then(|| default_name(&self.key, instance, false));
            let candidates = alone.into_iter().chain([default_name(&self.key, instance, true)]);
            *name = candidates.into_iter().find(|name| taken.insert(name.to_ascii_lowercase()));
        }
        names
    }

    /// The subtypes of an instance: the service's and its own.
    pub fn subtypes_of<'s>(&'s self, instance: &'s Instance) -> BTreeSet<&'s str> {
        let all = self.browse.iter().flat_map(|browse| &browse.subtypes).chain(&instance.subtypes);
        all.map(String::as_str).collect()
    }

    /// What is known of an instance, as the strings of its TXT record: the service's metadata as a person gave it, the
    /// instance's own in its place where both have a key (keys are the same without case, RFC 6763 section 6.4). `txtvers` comes first
    /// (section 6.7), the others by key.
    pub fn instance_text(&self, instance: &Instance) -> Vec<String> {
        let mut pairs: BTreeMap<String, (&str, &str)> = BTreeMap::new();
        for (key, value) in self.said_metadata().chain(&instance.metadata) {
            pairs.insert(key.to_ascii_lowercase(), (key, value));
        }
        // What a person wrote stays.
        if let Some(condition) = instance.condition {
            pairs.entry(HEALTH_KEY.to_owned()).or_insert((HEALTH_KEY, condition.as_str()));
        }
        let version = pairs.remove("txtvers");
        version.into_iter().chain(pairs.into_values()).map(|(key, value)| format!("{key}={value}")).collect()
    }
}

/// The host as the zone has it, and the port when asked for. Of what is longer than a label the first label counts.
fn default_name(key: &ServiceKey, instance: &Instance, with_port: bool) -> String {
    let host = instance.host.without_final_dot();
    let inside = instance.host.prefix_len(&key.zone).filter(|&length| length > 0);
    // Labels of hosts are letters, digits and hyphens: as long in text as on the wire, less the first length byte.
    let host = inside.and_then(|length| host.get(..length - 1)).unwrap_or(&host);
    let port = if with_port { format!(":{}", instance.port) } else { String::new() };
    let room = MAX_LABEL - port.len();
    let host = if host.len() > room { host.split('.').next().unwrap_or(host) } else { host };
    format!("{}{port}", host.get(..room).unwrap_or(host))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{Condition, Marker, Place, rules};

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn service(instances: &[(&str, u16, Option<&str>)]) -> Service {
        let key = ServiceKey { name: "jenkins".into(), proto: "tcp".into(), zone: name("internal.local") };
        let place = Place { file: "s.toml".into(), line: 1, column: 1 };
        let instance = |(host, port, called): &(&str, u16, Option<&str>)| Instance {
            name: called.map(str::to_owned),
            ..Instance::new(name(host), NonZeroU16::new(*port).unwrap(), place.clone())
        };
        let instances = instances.iter().map(instance).collect();
        Service { browse: Some(Browse::default().into()), instances, ..Service::new(key, place.clone()) }
    }

    #[test]
    fn instances_are_called_by_their_hosts_unless_a_person_says_otherwise() {
        let long = format!("{0}.{0}.internal.local", "x".repeat(40));
        let all = service(&[
            ("a.internal.local", 80, None),
            ("b.rack.internal.local", 80, None),
            ("b.rack.internal.local", 81, None),
            ("c.internal.local", 80, Some("A")),
            ("d.example.org", 80, None),
            (&long, 80, None),
        ]);
        let called: Vec<_> = all.instance_names().into_iter().map(Option::unwrap).collect();
        let long = "x".repeat(40);
        // `a` is taken by who was given it, and then gets its port.
        assert_eq!(called, ["a:80", "b.rack:80", "b.rack:81", "A", "d.example.org", &long]);
        let twice = service(&[("a.internal.local", 80, None), ("b.internal.local", 80, Some("a"))]);
        assert_eq!(twice.instance_names(), [Some("a:80".to_owned()), Some("a".to_owned())]);
    }

    #[test]
    fn the_text_of_an_instance_is_the_services_and_its_own() {
        let mut one = service(&[("a.internal.local", 80, None)]);
        one.metadata = [("Team", "devops"), ("env", "test")].map(|(key, value)| (key.into(), value.into())).into();
        one.instances[0].metadata =
            [("team", "qa"), ("txtvers", "1"), ("zone", "")].map(|(key, value)| (key.into(), value.into())).into();
        assert_eq!(one.instance_text(&one.instances[0]), ["txtvers=1", "env=test", "team=qa", "zone="]);
        one.instances[0].condition = Some(Condition::Failing);
        assert_eq!(
            one.instance_text(&one.instances[0]),
            ["txtvers=1", "env=test", "health=failing", "team=qa", "zone="]
        );
        one.metadata.insert("rack".into(), "of who registered".into());
        one.agreed.insert("rack".into());
        one.metadata.insert("Health".into(), "ours".into());
        assert_eq!(
            one.instance_text(&one.instances[0]),
            ["txtvers=1", "env=test", "Health=ours", "team=qa", "zone="],
            "what others registered is not said of it"
        );
    }

    #[test]
    fn names_of_instances_and_subtypes_are_told_from_all_others() {
        let zone = name("internal.local");
        let own = name("_jenkins._tcp.internal.local");
        for inside in [r"Jenkins\ on\ a\.b._jenkins._tcp", "_ci._sub._jenkins._tcp", "x._Jenkins._TCP"] {
            assert_eq!(browsed_service(&name(&format!("{inside}.internal.local")), &zone), Some(own.clone()));
        }
        for other in [
            "_jenkins._tcp.internal.local",
            "_srvctl._jenkins._tcp.internal.local",
            "_sub._jenkins._tcp.internal.local",
            "_jenkins._tcp.shard-1.internal.local",
            "_services._dns-sd._udp.internal.local",
            "b._dns-sd._udp.internal.local",
            "x._jenkins._tcp.other.local",
            "x.y._jenkins._tcp.internal.local",
            "x._jenkins._sctp.internal.local",
            "x.jenkins._tcp.internal.local",
            "internal.local",
            "local",
        ] {
            assert_eq!(browsed_service(&name(other), &zone), None, "{other}");
        }
    }

    fn full(own: &Name, instance: &str, subtype: &str) -> [Name; 2] {
        [instance_name(own, instance).unwrap(), subtype_name(own, subtype).unwrap()]
    }

    proptest! {
        #[test]
        fn every_name_that_the_rules_accept_is_known_again(
            service in prop_oneof!["srvctl", "SRVCTL", "tcp", "[a-z][a-z0-9-]{0,13}[a-z0-9]"],
            subtype in prop_oneof!["sub", "Srvctl", "tcp", "dns-sd", "[a-zA-Z0-9_-]{1,20}"],
            instance in prop_oneof!["srvctl", "sub", "\\PC{1,20}"],
        ) {
            prop_assume!(rules::subtype(&subtype).is_ok() && rules::instance_name(&instance).is_ok());
            prop_assume!(![META_SERVICE, &SUBTYPE_LABEL[1..]].contains(&service.as_str()));
            let key = ServiceKey { name: service, proto: "tcp".into(), zone: name("internal.local") };
            let own = key.owner_name().unwrap();
            for full in full(&own, &instance, &subtype) {
                prop_assert_eq!(browsed_service(&full, &key.zone), Some(own.clone()), "{}", full);
                let marker = Marker::name_for(&full).unwrap();
                prop_assert_eq!(browsed_service(&marker, &key.zone), None, "{}", marker);
            }
        }

        #[test]
        fn an_instance_name_survives_its_escapes(text in "\\PC{1,20}") {
            prop_assume!(text.len() <= MAX_LABEL);
            let own = name("_jenkins._tcp.internal.local");
            let full = instance_name(&own, &text).unwrap();
            prop_assert_eq!(full.labels().next().unwrap(), text.as_bytes());
            let read: Name = full.to_string().parse().unwrap();
            prop_assert_eq!(read.as_wire(), full.as_wire());
            let special = [MARKER_LABEL, SUBTYPE_LABEL].iter().any(|word| text.eq_ignore_ascii_case(word));
            prop_assert_eq!(browsed_service(&full, &name("internal.local")), (!special).then_some(own));
        }
    }
}
