//! Desired services, already checked: what cannot be published cannot be built from the sources.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

use super::browse::Browse;
use super::diagnostic::Place;
use super::health::{Check, Checks, Condition, HealthPolicy};
use super::name::{Name, NameError};
use super::rules::{self, Refusal};
use super::scrape::Scrape;

/// What identifies a service: its name, its protocol and its zone. Compared as DNS compares names, without regard to case.
#[derive(Debug, Clone)]
pub struct ServiceKey {
    /// Service name without the underscore: `jenkins`.
    pub name: String,
    /// Protocol without the underscore: `tcp`.
    pub proto: String,
    /// The zone it is published in.
    pub zone: Name,
}

impl ServiceKey {
    fn letters(&self) -> impl Iterator<Item = u8> + '_ {
        self.name.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl PartialEq for ServiceKey {
    fn eq(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name) && self.proto == other.proto && self.zone == other.zone
    }
}

impl Eq for ServiceKey {}

impl Ord for ServiceKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let names = self.letters().cmp(other.letters());
        names.then_with(|| self.proto.cmp(&other.proto)).then_with(|| self.zone.cmp(&other.zone))
    }
}

impl PartialOrd for ServiceKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl ServiceKey {
    /// The owner name of its SRV records: `_jenkins._tcp.internal.local.` (RFC 2782).
    ///
    /// # Errors
    /// When the name does not fit DNS' limits.
    pub fn owner_name(&self) -> Result<Name, NameError> {
        self.zone.prepend(format!("_{}", self.proto).as_bytes())?.prepend(format!("_{}", self.name).as_bytes())
    }
}

impl ServiceKey {
    /// The service of an owner name; none when that is no service's.
    pub fn of_owner_name(name: &Name) -> Option<Self> {
        let mut labels = name.labels();
        let mut bare = || std::str::from_utf8(labels.next()?).ok()?.strip_prefix('_').map(str::to_ascii_lowercase);
        let (service, proto) = (bare()?, bare()?);
        Some(Self { name: service, proto, zone: name.parent()?.parent()? })
    }
}

/// First part of the label that tells a shard's name from the service's own.
const SHARD_LABEL: &str = "shard-";

/// The most shards that a service can have.
///
/// 12,800 instances at BIND's default limit of records per RRset. Prometheus asks for all names of a job at the same
/// moment and goes to TCP with each, and BIND serves 150 TCP clients at once by default (`tcp-clients`): one scraper
/// stays below that.
pub const MAX_SHARDS: usize = 128;

impl ServiceKey {
    /// The owner name of one shard: the service's own for shard 0, and `_jenkins._tcp.shard-1.internal.local.` for
    /// the next. The service's label stays whole, so that no other service can be meant.
    ///
    /// # Errors
    /// When the name does not fit DNS' limits.
    pub fn shard_name(&self, shard: usize) -> Result<Name, NameError> {
        if shard == 0 {
            return self.owner_name();
        }
        let below = self.zone.prepend(format!("{SHARD_LABEL}{shard}").as_bytes())?;
        Self { name: self.name.clone(), proto: self.proto.clone(), zone: below }.owner_name()
    }
}

/// The service's own name and the number of the shard, when `name` is that of a shard other than 0 in this zone.
pub fn shard_of(name: &Name, zone: &Name) -> Option<(Name, usize)> {
    let mut labels = name.labels();
    let (service, proto, shard) = (labels.next()?, labels.next()?, labels.next()?);
    let (prefix, digits) = shard.split_at_checked(SHARD_LABEL.len())?;
    let canonical = digits.iter().all(u8::is_ascii_digit) && digits.first().is_some_and(|&first| first != b'0');
    let in_zone = name.prefix_len(zone)? == service.len() + proto.len() + shard.len() + 3;
    if !(canonical && in_zone && prefix.eq_ignore_ascii_case(SHARD_LABEL.as_bytes())) {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let own = zone.prepend(proto).and_then(|below| below.prepend(service)).ok()?;
    (service.starts_with(b"_") && proto.starts_with(b"_")).then_some((own, number))
}

/// Over how many names a service is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shards {
    /// Its own name only.
    #[default]
    Off,
    /// So many, empty ones not published.
    Fixed(usize),
    /// As many as it needs.
    Auto,
}

impl Serialize for Shards {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_none(),
            Self::Fixed(count) => serializer.serialize_u64(*count as u64),
            Self::Auto => serializer.serialize_str("auto"),
        }
    }
}

impl<'de> Deserialize<'de> for Shards {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Count(usize),
            Word(String),
        }
        let refused = |refusal: Refusal| serde::de::Error::custom(refusal.message);
        match Option::<Written>::deserialize(deserializer)? {
            None => Ok(Self::Off),
            Some(Written::Count(count)) => rules::shards(&count.to_string()).map_err(refused),
            Some(Written::Word(word)) => rules::auto_shards(&word).map_err(refused),
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "_{}._{}.{}", self.name, self.proto, self.zone)
    }
}

/// One desired service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its identity.
    pub key: ServiceKey,
    /// TTL of its records in seconds; the zone's when absent.
    pub ttl: Option<u32>,
    /// Published as TXT strings `key=value` (RFC 6763 section 6) at the service's owner name.
    pub metadata: BTreeMap<String, String>,
    /// Keys of it that nobody said of the service: its registrations have them in common. What is true of each of these
    /// need not be true of another instance, and the next registration may end it.
    pub agreed: BTreeSet<String>,
    /// How it is to be scraped, where that is said; not published in DNS.
    pub scrape: Option<Arc<Scrape>>,
    /// Over how many names it is spread.
    pub shards: Shards,
    /// That it can be browsed, and how; it cannot when absent.
    pub browse: Option<Arc<Browse>>,
    /// Who offers it, sorted by host.
    pub instances: Vec<Instance>,
    /// What is checked of every instance that says nothing else.
    pub checks: Checks,
    /// What follows from the checks for what is published.
    pub health: HealthPolicy,
    /// Where a person wrote it.
    pub place: Place,
}

impl Service {
    /// A service of which nothing is known yet but what it is and where that was said.
    pub fn new(key: ServiceKey, place: Place) -> Self {
        let (checks, health) = (Checks::default(), HealthPolicy::default());
        let (metadata, agreed) = (BTreeMap::new(), BTreeSet::new());
        let (shards, instances) = (Shards::default(), Vec::new());
        Self { key, ttl: None, metadata, agreed, scrape: None, shards, browse: None, instances, checks, health, place }
    }

    /// Whether it is spread over several names.
    pub fn is_spread(&self) -> bool {
        self.shards != Shards::Off
    }

    /// Whether the other publishes the same, wherever it was written. How it is checked is not compared: see
    /// [`is_checked_alike`](Self::is_checked_alike).
    pub fn says_the_same(&self, other: &Self) -> bool {
        let said = |service: &Self| (service.ttl, service.shards, service.instances.len());
        let offers = |instance: &Instance| (instance.port, instance.priority, instance.weight, instance.withdrawn);
        let same = |(one, other): (&Instance, &Instance)| {
            one.host == other.host && offers(one) == offers(other) && one.addresses == other.addresses
        };
        if std::ptr::eq(self, other) {
            return true;
        }
        self.key == other.key
            && self.metadata == other.metadata
            && said(self) == said(other)
            && self.instances.iter().zip(&other.instances).all(same)
            && self.is_browsed_alike(other)
    }

    /// Whether whoever browses sees the same, of services with as many instances.
    fn is_browsed_alike(&self, other: &Self) -> bool {
        let same = |(one, another): (&Instance, &Instance)| {
            one.name == another.name
                && one.subtypes == another.subtypes
                && one.metadata == another.metadata
                && one.condition == another.condition
        };
        let all_same = || self.agreed == other.agreed && self.instances.iter().zip(&other.instances).all(same);
        self.browse == other.browse && (self.browse.is_none() || all_same())
    }
}

impl Service {
    /// Whether the other has the same instances, checked in the same way, and the same follows from it.
    pub fn is_checked_alike(&self, other: &Self) -> bool {
        let same = |(one, another): (&Instance, &Instance)| {
            let where_it_is = |instance: &Instance| (instance.host.clone(), instance.port);
            where_it_is(one) == where_it_is(another)
                && one.addresses == another.addresses
                && self.checks_of(one) == other.checks_of(another)
        };
        std::ptr::eq(self, other)
            || (self.health == other.health
                && self.instances.len() == other.instances.len()
                && self.instances.iter().zip(&other.instances).all(same))
    }

    /// What is checked of one of its instances: its own checks, else the service's.
    pub fn checks_of<'s>(&'s self, instance: &'s Instance) -> &'s [Arc<Check>] {
        instance.checks.as_deref().unwrap_or(&self.checks)
    }

    /// Whether anything is checked at all.
    pub fn is_checked(&self) -> bool {
        self.instances.iter().any(|instance| !self.checks_of(instance).is_empty())
    }

    /// Whether the other tells the same of itself beyond what is published: how it is scraped, and what is known of each
    /// instance.
    fn is_described_alike(&self, other: &Self) -> bool {
        let same = |(one, another): (&Instance, &Instance)| one.metadata == another.metadata;
        self.scrape == other.scrape
            && self.agreed == other.agreed
            && self.instances.iter().zip(&other.instances).all(same)
    }

    /// What its file says of it, or what was set for it: not what its registrations happen to have in common, which is not
    /// true of the instances in the file.
    pub fn said_metadata(&self) -> impl Iterator<Item = (&String, &String)> {
        self.metadata.iter().filter(|(key, _)| !self.agreed.contains(*key))
    }

    /// Whether the other publishes the same, is checked in the same way and described alike.
    pub fn is_the_same(&self, other: &Self) -> bool {
        self.says_the_same(other) && self.is_checked_alike(other) && self.is_described_alike(other)
    }

    /// Whether everything that the other publishes is published by this one too, in some form.
    pub fn has_all_of(&self, other: &Self) -> bool {
        let offers = |wanted: &Instance| {
            let start = self.instances.partition_point(|instance| instance.host < wanted.host);
            let same_host = self.instances[start..].iter().take_while(|instance| instance.host == wanted.host);
            let has_addresses =
                |found: &Instance| wanted.addresses.iter().all(|address| found.addresses.contains(address));
            same_host.filter(|found| found.port == wanted.port).any(has_addresses)
        };
        other.metadata.keys().all(|key| self.metadata.contains_key(key)) && other.instances.iter().all(offers)
    }
}

/// One host and port that offers a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The SRV target, absolute.
    pub host: Name,
    /// The port it listens on.
    pub port: NonZeroU16,
    /// SRV priority.
    pub priority: u16,
    /// SRV weight.
    pub weight: u16,
    /// Addresses to publish for the host; empty when somebody else publishes them.
    pub addresses: SmallVec<[IpAddr; 1]>,
    /// What is known of it besides what holds for the service: labels for who asks over HTTP, and TXT for who browses.
    pub metadata: BTreeMap<String, String>,
    /// What it is called by who browses (RFC 6763 section 4.1.1); see [`Service::instance_names`] when absent.
    pub name: Option<String>,
    /// Its subtypes besides those of the service, without the underscore.
    pub subtypes: BTreeSet<String>,
    /// What is checked of it instead of what the service says.
    pub checks: Option<Checks>,
    /// Whether its health keeps it out of the SRV set; the addresses of its host are published all the same. Never
    /// written by a person: see [`crate::reconcile::health`].
    pub withdrawn: bool,
    /// How it is, where it is checked and whoever browses is told. Never written by a person, as `withdrawn`.
    pub condition: Option<Condition>,
    /// Where a person wrote it.
    pub place: Place,
}

impl Instance {
    /// An instance of which nothing is said but where it is and where that was said.
    pub fn new(host: Name, port: NonZeroU16, place: Place) -> Self {
        let (addresses, metadata, checks, withdrawn) = (SmallVec::new(), BTreeMap::new(), None, false);
        let (name, subtypes, condition) = (None, BTreeSet::new(), None);
        let (priority, weight) = (0, 0);
        Self { host, port, priority, weight, addresses, metadata, name, subtypes, checks, withdrawn, condition, place }
    }
}

/// All desired services, from every source, without duplicates.
pub type Catalogue = BTreeMap<ServiceKey, Arc<Service>>;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn shard_names_are_told_from_all_others() {
        let zone = name("internal.local");
        let key = ServiceKey { name: "jenkins".into(), proto: "tcp".into(), zone: zone.clone() };
        assert_eq!(key.shard_name(0), key.owner_name());
        assert_eq!(key.shard_name(12).unwrap().to_string(), "_jenkins._tcp.shard-12.internal.local.");
        let own = key.owner_name().unwrap();
        assert_eq!(shard_of(&key.shard_name(12).unwrap(), &zone), Some((own.clone(), 12)));
        assert_eq!(shard_of(&name("_Jenkins._TCP.SHARD-1.Internal.local"), &zone), Some((own, 1)));
        for other in [
            "_jenkins._tcp.internal.local",
            "_jenkins._tcp.shard-0.internal.local",
            "_jenkins._tcp.shard-01.internal.local",
            "_jenkins._tcp.shard-.internal.local",
            "_jenkins._tcp.shard-x.internal.local",
            "_jenkins._tcp.shard-1.sub.internal.local",
            "_srvctl._jenkins._tcp.shard-1.internal.local",
            "jenkins.tcp.shard-1.internal.local",
            "_jenkins._tcp.shard-1.other.local",
        ] {
            assert_eq!(shard_of(&name(other), &zone), None, "{other}");
        }
    }
}
