//! From services to records: what each zone shall hold.
//!
//! Records are made from the services when a name is looked at, and not kept: the services are the desired set.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::refusal::Refusal;
use super::shards::Sharded;
use crate::model::{Catalogue, Instance, Name, Rdata, RecordType, Rrset, RrsetKey, Service, ServiceKey, Shards, Srv};
use crate::protocol::update;
use crate::protocol::wire;

/// What holds for a whole zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZonePolicy {
    /// The zone.
    pub name: Name,
    /// TTL of what we publish, seconds, when the service names none; also that of the ownership markers.
    pub ttl: u32,
    /// How many records one RRset may hold: BIND refuses the 101st by default.
    pub max_records_per_rrset: usize,
    /// Share of the owned records that one plan may remove without a person's word, percent.
    pub max_delete_percent: u8,
}

/// The RRsets wanted at one name.
pub(super) type Wanted = BTreeMap<RecordType, Rrset>;

/// What one zone shall hold, of ours.
#[derive(Debug, Clone)]
pub struct Desired {
    /// All managed zones: a host's addresses go into the longest that it lies in.
    zones: Arc<[ZonePolicy]>,
    /// Which of them this is about.
    index: usize,
    /// Every service that has records in this zone, by its own name, be it published in this zone or another.
    services: BTreeMap<Name, Publication>,
    /// Every host in this zone that some service gives addresses for.
    hosts: BTreeMap<Name, SmallVec<[Claim; 1]>>,
    /// Sources from which nothing came at all: then removals are for a person to accept.
    pub missing_sources: Vec<String>,
    /// Records of no service.
    #[cfg(test)]
    pub(super) fixed: BTreeMap<Name, Wanted>,
}

#[derive(Debug, Clone)]
struct Publication {
    service: Arc<Service>,
    refusal: Option<Refusal>,
}

/// Somebody's addresses for a host.
#[derive(Debug, Clone)]
struct Claim {
    service: Arc<Service>,
    ttl: u32,
    /// Refused is the service as a whole, and its hosts belong to it: their addresses stay as they are.
    refused: bool,
}

/// What every zone shall hold, in the order of `policies`. `missing_sources` are those from which nothing came.
pub fn desired(catalogue: &Catalogue, policies: &[ZonePolicy], missing_sources: &[String]) -> Vec<Desired> {
    let zones: Arc<[ZonePolicy]> = policies.into();
    let zone = |index| {
        let mut desired = Desired::nothing(Arc::clone(&zones), index);
        desired.missing_sources = missing_sources.to_vec();
        for service in catalogue.values() {
            if let Ok(own_name) = service.key.owner_name() {
                desired.set(&own_name, Some(Arc::clone(service)));
            }
        }
        desired
    };
    (0..policies.len()).map(zone).collect()
}

impl Desired {
    /// An empty zone of several managed ones.
    ///
    /// # Panics
    /// When there is no such zone.
    pub fn nothing(zones: Arc<[ZonePolicy]>, index: usize) -> Self {
        assert!(index < zones.len());
        Self {
            zones,
            index,
            services: BTreeMap::new(),
            hosts: BTreeMap::new(),
            missing_sources: Vec::new(),
            #[cfg(test)]
            fixed: BTreeMap::new(),
        }
    }

    /// What holds for the zone.
    pub fn policy(&self) -> &ZonePolicy {
        &self.zones[self.index]
    }

    /// Whether nothing at all is desired.
    pub fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// Exchanges a service, by its own name, for another version of it or for nothing. Says at which names of this
    /// zone something may have changed.
    pub fn set(&mut self, own_name: &Name, service: Option<Arc<Service>>) -> BTreeSet<Name> {
        let mut touched = BTreeSet::new();
        if let Some(Publication { service, .. }) = self.services.remove(own_name) {
            touched.extend(self.is_home(&service).then(|| own_name.clone()));
            for host in self.hosts_here(&service) {
                if let Some(claims) = self.hosts.get_mut(&host) {
                    claims.retain(|claim| !Arc::ptr_eq(&claim.service, &service));
                    if claims.is_empty() {
                        self.hosts.remove(&host);
                    }
                }
                touched.insert(host);
            }
        }
        let Some(service) = service else { return touched };
        let Some(home) = self.zones.iter().find(|policy| policy.name == service.key.zone) else { return touched };
        let refusal = refusal(&service, home);
        let (ttl, refused) = (service.ttl.unwrap_or(home.ttl), refusal.is_some());
        let hosts = self.hosts_here(&service);
        if !self.is_home(&service) && hosts.is_empty() {
            return touched;
        }
        for host in hosts {
            let claims = self.hosts.entry(host.clone()).or_default();
            claims.push(Claim { service: Arc::clone(&service), ttl, refused });
            touched.insert(host);
        }
        touched.extend(self.is_home(&service).then(|| own_name.clone()));
        self.services.insert(own_name.clone(), Publication { service, refusal });
        touched
    }

    /// Every name at which something is wanted or refused, shards apart.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        let services = self.services.iter().filter(|(_, publication)| self.is_home(&publication.service));
        let names = services.map(|(own_name, _)| own_name).chain(self.hosts.keys());
        #[cfg(test)]
        let names = names.chain(self.fixed.keys());
        names
    }

    /// Those of [`names`](Self::names) at or below one.
    pub(super) fn names_within(&self, ancestor: &Name) -> impl Iterator<Item = &Name> {
        let services = self.services.range(ancestor..).map(|(name, _)| name);
        let hosts = self.hosts.range(ancestor..).map(|(name, _)| name);
        let below = move |name: &&Name| name.is_within(ancestor);
        services.take_while(below).chain(hosts.take_while(below))
    }

    /// What is wanted at a name. A spread or refused service's own records are not among it.
    pub(super) fn at(&self, name: &Name) -> Wanted {
        #[cfg(test)]
        if let Some(fixed) = self.fixed.get(name) {
            return fixed.clone();
        }
        let mut wanted = Wanted::new();
        let whole = |publication: &&Publication| {
            publication.refusal.is_none()
                && publication.service.shards == Shards::Off
                && self.is_home(&publication.service)
        };
        if let Some(Publication { service, .. }) = self.services.get(name).filter(whole) {
            let ttl = service.ttl.unwrap_or(self.policy().ttl);
            wanted.extend(srv_rrset(service, ttl).map(|set| (RecordType::SRV, set)));
            wanted.extend(txt_rrset(service, ttl).map(|set| (RecordType::TXT, set)));
        }
        for claim in self.hosts.get(name).into_iter().flatten().filter(|claim| !claim.refused) {
            for (record_type, set) in address_sets(&claim.service, name, claim.ttl) {
                let slot = wanted.entry(record_type);
                slot.and_modify(|there| *there = union(there, &set)).or_insert(set);
            }
        }
        wanted
    }

    /// Why nothing of a service is published, by its own name.
    pub(super) fn refusal(&self, own_name: &Name) -> Option<&Refusal> {
        let publication = self.services.get(own_name)?;
        publication.refusal.as_ref().filter(|_| self.is_home(&publication.service))
    }

    /// The service of that name, when it is to be spread over several.
    pub(super) fn sharded(&self, own_name: &Name) -> Option<Sharded> {
        let Publication { service, refusal } = self.services.get(own_name)?;
        let spread = service.shards != Shards::Off && refusal.is_none() && self.is_home(service);
        spread.then(|| Sharded::of(service, self.policy()))?
    }

    /// Whether a service of that name is to be spread over several names.
    pub(super) fn is_sharded(&self, own_name: &Name) -> bool {
        self.services.get(own_name).is_some_and(|publication| publication.service.shards != Shards::Off)
    }

    /// Whether only refused services name this host: then its addresses stay as they are.
    pub(super) fn is_frozen(&self, host: &Name) -> bool {
        self.hosts.get(host).is_some_and(|claims| claims.iter().all(|claim| claim.refused))
    }

    /// The hosts of a service in this zone that it gives addresses for.
    pub(super) fn hosts_of(&self, own_name: &Name) -> BTreeSet<Name> {
        self.services.get(own_name).map_or_else(BTreeSet::new, |publication| self.hosts_here(&publication.service))
    }

    fn is_home(&self, service: &Service) -> bool {
        service.key.zone == self.policy().name
    }

    fn hosts_here(&self, service: &Service) -> BTreeSet<Name> {
        let given = service.instances.iter().filter(|instance| !instance.addresses.is_empty());
        let here = given.filter(|instance| zone_of(&instance.host, &self.zones) == Some(self.index));
        here.map(|instance| instance.host.clone()).collect()
    }
}

/// Two services that name the same host: the addresses are one set, at the smaller TTL.
fn union(one: &Rrset, other: &Rrset) -> Rrset {
    let rdatas = one.rdatas().iter().chain(other.rdatas()).cloned();
    Rrset::new(one.ttl.min(other.ttl), rdatas).expect("the union of two sets that hold something")
}

/// Why a service cannot be published whatever its zone holds.
fn refusal(service: &Service, home: &ZonePolicy) -> Option<Refusal> {
    if service.shards != Shards::Off {
        return Sharded::of(service, home)?.refusal();
    }
    let (records, limit) = (service.instances.len(), home.max_records_per_rrset);
    let own_name = service.key.owner_name().ok()?;
    let srv = srv_rrset(service, 0)?;
    let (records, bytes) = (srv.rdatas().len().min(records), update::answer_len(&own_name, srv.rdatas()));
    if records > limit {
        Some(Refusal::TooManyRecords { service: service.key.clone(), records, limit })
    } else {
        (bytes > wire::MAX_MESSAGE).then(|| Refusal::TooLarge { service: service.key.clone(), bytes })
    }
}

impl Sharded {
    fn of(service: &Service, home: &ZonePolicy) -> Option<Self> {
        let ttl = service.ttl.unwrap_or(home.ttl);
        Some(Self {
            // As the zone spells it: names of shards are compared with live ones.
            service: ServiceKey { zone: home.name.clone(), ..service.key.clone() },
            shards: service.shards,
            max_records: home.max_records_per_rrset,
            srv: srv_rrset(service, ttl)?,
            txt: txt_rrset(service, ttl),
        })
    }
}

/// Every RRset that one service asks for: SRV and TXT at its own name, addresses at its hosts' names.
pub fn records_of(service: &Service, policies: &[ZonePolicy]) -> Vec<(RrsetKey, Rrset)> {
    let mut records = Vec::new();
    let Some(home) = policies.iter().find(|policy| policy.name == service.key.zone) else { return records };
    let ttl = service.ttl.unwrap_or(home.ttl);
    // Names were checked where the service was read; one that does not fit after all publishes nothing.
    let Ok(own_name) = service.key.owner_name() else { return records };
    let own = srv_rrset(service, ttl).into_iter().chain(txt_rrset(service, ttl));
    records.extend(own.map(|set| (RrsetKey::new(own_name.clone(), set.record_type()), set)));
    for instance in service.instances.iter().filter(|instance| zone_of(&instance.host, policies).is_some()) {
        let sets = addresses(instance, ttl).into_iter();
        records.extend(sets.map(|(record_type, set)| (RrsetKey::new(instance.host.clone(), record_type), set)));
    }
    records
}

/// What all services together publish there: several may name the same host.
pub fn published(zones: &[Desired], key: &RrsetKey) -> Option<Rrset> {
    zones.iter().find_map(|zone| zone.at(&key.name).remove(&key.record_type))
}

/// The zone that a name lies in: the one with the most labels, on label boundaries.
fn zone_of(name: &Name, policies: &[ZonePolicy]) -> Option<usize> {
    let inside = policies.iter().enumerate().filter(|(_, policy)| name.is_within(&policy.name));
    inside.max_by_key(|(_, policy)| policy.name.len()).map(|(index, _)| index)
}

fn srv_rrset(service: &Service, ttl: u32) -> Option<Rrset> {
    let srv = |instance: &Instance| {
        Rdata::srv(&Srv {
            priority: instance.priority,
            weight: instance.weight,
            port: instance.port.get(),
            target: instance.host.clone(),
        })
    };
    Rrset::new(ttl, service.instances.iter().map(srv))
}

/// One TXT record with a string per key (RFC 6763 section 6), sorted by key.
fn txt_rrset(service: &Service, ttl: u32) -> Option<Rrset> {
    let strings: Vec<_> = service.metadata.iter().map(|(key, value)| format!("{key}={value}")).collect();
    (!strings.is_empty()).then(|| Rrset::new(ttl, [Rdata::txt(strings)]))?
}

/// What a service says about the addresses of one host. Its instances are sorted by host.
fn address_sets(service: &Service, host: &Name, ttl: u32) -> Wanted {
    let start = service.instances.partition_point(|instance| instance.host < *host);
    let instances = service.instances[start..].iter().take_while(|instance| instance.host == *host);
    let mut sets = Wanted::new();
    for (record_type, set) in instances.flat_map(|instance| addresses(instance, ttl)) {
        sets.entry(record_type).and_modify(|there| *there = union(there, &set)).or_insert(set);
    }
    sets
}

fn addresses(instance: &Instance, ttl: u32) -> Wanted {
    let rdata = |address: &IpAddr| match address {
        IpAddr::V4(address) => Rdata::a(*address),
        IpAddr::V6(address) => Rdata::aaaa(*address),
    };
    let mut by_type: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for rdata in instance.addresses.iter().map(rdata) {
        by_type.entry(rdata.record_type()).or_default().push(rdata);
    }
    by_type.into_iter().filter_map(|(record_type, rdatas)| Some((record_type, Rrset::new(ttl, rdatas)?))).collect()
}
