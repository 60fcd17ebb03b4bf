//! From services to records: what each zone shall hold.
//!
//! Records are made from the services when a name is looked at, and not kept: the services are the desired set.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::browse::{self, Browsed};
use super::guard::MissingSource;
use super::refusal::Refusal;
use super::shards::Sharded;
use crate::model::browse::browsed_service;
use crate::model::{
    Catalogue, Instance, MetaNames, Name, NameMap, Rdata, RecordType, Rrset, RrsetKey, Service, ServiceKey, Shards, Srv,
};
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
    services: NameMap<Publication>,
    /// Every host in this zone for which services give addresses, with their own names.
    hosts: NameMap<SmallVec<[Name; 1]>>,
    /// The services of this zone that can be browsed, by their own names.
    browsing: BTreeSet<Name>,
    /// The names of DNS-SD itself, which hold something because of them.
    meta: Option<MetaNames>,
    /// Sources from which nothing came at all: then removals are for a person to accept.
    pub missing_sources: Vec<MissingSource>,
    /// Records of no service.
    #[cfg(test)]
    pub(super) fixed: BTreeMap<Name, Wanted>,
}

#[derive(Debug, Clone)]
struct Publication {
    service: Arc<Service>,
    /// Of its records, seconds.
    ttl: u32,
    refusal: Option<Box<Refusal>>,
    /// Why it cannot be browsed, when that is so though it asks for it.
    unlisted: Option<Box<Refusal>>,
}

/// The addresses that a service gives for hosts.
type Given = BTreeMap<Name, Vec<IpAddr>>;

/// What every zone shall hold, in the order of `policies`. `missing_sources` are those from which nothing came.
pub fn desired(catalogue: &Catalogue, policies: &[ZonePolicy], missing_sources: &[MissingSource]) -> Vec<Desired> {
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
        let meta = MetaNames::of(&zones[index].name).ok();
        Self {
            zones,
            index,
            services: NameMap::default(),
            hosts: NameMap::default(),
            browsing: BTreeSet::new(),
            meta,
            missing_sources: Vec::new(),
            #[cfg(test)]
            fixed: BTreeMap::new(),
        }
    }

    /// All of it, of which nothing stays here.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let nothing = Self::nothing(Arc::clone(&self.zones), self.index);
        std::mem::replace(self, nothing)
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
        let before = self.services.remove(own_name);
        let after = service.and_then(|service| self.publication(service));
        let mut touched = BTreeSet::new();
        let is_home = |publication: &Publication| self.is_home(&publication.service);
        if before.iter().chain(&after).any(is_home) {
            touched.insert(own_name.clone());
        }
        touched.extend(self.set_browsing(own_name, after.as_ref()));
        let given = |publication: &Option<Publication>| {
            publication.as_ref().map_or_else(Given::new, |publication| self.given(&publication.service))
        };
        let (old, new) = (given(&before), given(&after));
        let same_terms = match (&before, &after) {
            (Some(before), Some(after)) => {
                before.ttl == after.ttl && before.refusal.is_some() == after.refusal.is_some()
            }
            _ => false,
        };
        for (host, addresses) in &old {
            if new.get(host) != Some(addresses) || !same_terms {
                touched.insert(host.clone());
            }
            if !new.contains_key(host) {
                self.disclaim(host, own_name);
            }
        }
        for host in new.keys().filter(|host| !old.contains_key(host)) {
            touched.insert(host.clone());
            self.hosts.get_or_default(host).push(own_name.clone());
        }
        if let Some(after) = after.filter(|after| self.is_home(&after.service) || !new.is_empty()) {
            self.services.insert(own_name.clone(), after);
        }
        touched
    }

    fn publication(&self, service: Arc<Service>) -> Option<Publication> {
        let home = self.zones.iter().find(|policy| policy.name == service.key.zone)?;
        let ttl = service.ttl.unwrap_or(home.ttl);
        let refusal = refusal(&service, home).map(Box::new);
        let unlisted = list_refusal(&service).map(Box::new);
        Some(Publication { service, ttl, refusal, unlisted })
    }

    /// Notes whether a service can be browsed. Says which names of DNS-SD itself may have changed.
    fn set_browsing(&mut self, own_name: &Name, after: Option<&Publication>) -> Vec<Name> {
        let is_browsed = |after: &Publication| {
            after.service.is_browsed() && after.unlisted.is_none() && self.is_home(&after.service)
        };
        // One that is refused stays as it is, and on the lists.
        let has_changed = match after.filter(|after| is_browsed(after)) {
            Some(_) => self.browsing.insert(own_name.clone()),
            None => self.browsing.remove(own_name),
        };
        self.meta.iter().filter(|_| has_changed).flat_map(MetaNames::all).cloned().collect()
    }

    /// The names of DNS-SD itself that shall hold something.
    fn meta_names(&self) -> impl Iterator<Item = &Name> {
        self.meta.iter().filter(|_| !self.browsing.is_empty()).flat_map(MetaNames::all)
    }

    /// Whether a name is one of them.
    pub(super) fn is_meta(&self, name: &Name) -> bool {
        self.meta_names().any(|meta| meta == name)
    }

    /// What is wanted at a name of DNS-SD itself.
    fn meta(&self, name: &Name) -> Option<Rrset> {
        let (zone, ttl) = (&self.policy().name, self.policy().ttl);
        self.meta.as_ref().and_then(|names| browse::meta(names, name, zone, &self.browsing, ttl))
    }

    /// What a service shall have for who browses, by its own name.
    pub(super) fn browsed(&self, own_name: &Name) -> Browsed {
        let publication = self.services.get(own_name).filter(|publication| self.is_home(&publication.service));
        publication
            .filter(|publication| publication.refusal.is_none() && publication.unlisted.is_none())
            .map_or_else(Browsed::default, |publication| Browsed::of(&publication.service, publication.ttl))
    }

    /// Whether a service of that name can be browsed.
    pub(super) fn is_browsed(&self, own_name: &Name) -> bool {
        self.browsing.contains(own_name)
    }

    /// Why the list of service types cannot be published, when a name is that and cannot.
    pub(super) fn too_many_types(&self, name: &Name, wanted: &Wanted) -> Option<Refusal> {
        let (limit, types) = (self.policy().max_records_per_rrset, self.browsing.len());
        let is_list = types > limit && wanted.get(&RecordType::PTR).is_some_and(|list| list.rdatas().len() == types);
        (is_list && !self.is_browsed(name)).then_some(Refusal::TooManyTypes { types, limit })
    }

    fn disclaim(&mut self, host: &Name, own_name: &Name) {
        if let Some(services) = self.hosts.get_mut(host) {
            services.retain(|service| service != own_name);
            if services.is_empty() {
                self.hosts.remove(host);
            }
        }
    }

    /// Every name at which something is wanted or refused, shards apart, in no order.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        let services = self.services.unsorted().filter(|(_, publication)| self.is_home(&publication.service));
        let names = services.map(|(own_name, _)| own_name).chain(self.hosts.unsorted().map(|(host, _)| host));
        let names = names.chain(self.meta_names());
        #[cfg(test)]
        let names = names.chain(self.fixed.keys());
        names
    }

    /// Whether a name is one of [`names`](Self::names).
    pub(super) fn contains(&self, name: &Name) -> bool {
        self.hosts.contains(name)
            || self.is_meta(name)
            || self.services.get(name).is_some_and(|service| self.is_home(&service.service))
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
        if let Some(Publication { service, ttl, .. }) = self.services.get(name).filter(whole) {
            wanted.extend(srv_rrset(service, *ttl).map(|set| (RecordType::SRV, set)));
            wanted.extend(txt_rrset(service, *ttl).map(|set| (RecordType::TXT, set)));
        }
        if !self.browsing.is_empty() {
            let own_name = browsed_service(name, &self.policy().name).unwrap_or_else(|| name.clone());
            if self.is_browsed(&own_name) {
                wanted.extend(self.browsed(&own_name).at(name));
            } else {
                wanted.extend(self.meta(name).map(|list| (RecordType::PTR, list)));
            }
        }
        // Refused is a service as a whole, and its hosts belong to it: their addresses stay as they are.
        for Publication { service, ttl, .. } in self.givers(name).filter(|giver| giver.refusal.is_none()) {
            for (record_type, set) in address_sets(service, name, *ttl) {
                let slot = wanted.entry(record_type);
                slot.and_modify(|there| *there = union(there, &set)).or_insert(set);
            }
        }
        wanted
    }

    /// Why nothing is published of some services, in canonical order of their names.
    pub fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        let all = self.services.sorted().into_iter().map(|(_, publication)| publication);
        let home = all.filter(|publication| self.is_home(&publication.service));
        home.filter_map(|publication| publication.refusal.as_deref().or(publication.unlisted.as_deref()))
    }

    /// Why a service cannot be browsed, by its own name, when that is so though it asks for it.
    pub(super) fn unlisted(&self, own_name: &Name) -> Option<&Refusal> {
        let publication = self.services.get(own_name).filter(|publication| self.is_home(&publication.service))?;
        publication.unlisted.as_deref().filter(|_| publication.refusal.is_none())
    }

    /// Why nothing of a service is published, by its own name.
    pub(super) fn refusal(&self, own_name: &Name) -> Option<&Refusal> {
        let publication = self.services.get(own_name)?;
        publication.refusal.as_deref().filter(|_| self.is_home(&publication.service))
    }

    /// The service of that name, when it is to be spread over several.
    pub(super) fn sharded(&self, own_name: &Name) -> Option<Sharded> {
        let Publication { service, refusal, .. } = self.services.get(own_name)?;
        let spread = service.shards != Shards::Off && refusal.is_none() && self.is_home(service);
        spread.then(|| Sharded::of(service, self.policy()))?
    }

    /// Whether a service of that name is to be spread over several names of this zone.
    pub(super) fn is_sharded(&self, own_name: &Name) -> bool {
        let is_sharded = |service: &Service| service.shards != Shards::Off && self.is_home(service);
        self.services.get(own_name).is_some_and(|publication| is_sharded(&publication.service))
    }

    /// Whether only refused services name this host: then its addresses stay as they are.
    pub(super) fn is_frozen(&self, host: &Name) -> bool {
        self.hosts.contains(host) && self.givers(host).all(|giver| giver.refusal.is_some())
    }

    /// The services that give addresses for a host.
    fn givers(&self, host: &Name) -> impl Iterator<Item = &Publication> {
        self.hosts.get(host).into_iter().flatten().filter_map(|own_name| self.services.get(own_name))
    }

    /// The hosts of a service in this zone that it gives addresses for.
    pub(super) fn hosts_of(&self, own_name: &Name) -> BTreeSet<Name> {
        let given = self.services.get(own_name).map(|publication| self.given(&publication.service));
        given.into_iter().flat_map(Given::into_keys).collect()
    }

    fn is_home(&self, service: &Service) -> bool {
        service.key.zone == self.policy().name
    }

    /// What a service says about hosts in this zone.
    fn given(&self, service: &Service) -> Given {
        let mut given = Given::new();
        for Instance { host, addresses, .. } in &service.instances {
            if !addresses.is_empty() && zone_of(host, &self.zones) == Some(self.index) {
                given.entry(host.clone()).or_default().extend(addresses);
            }
        }
        given
    }
}

/// Two services that name the same host: the addresses are one set, at the smaller TTL.
fn union(one: &Rrset, other: &Rrset) -> Rrset {
    let rdatas = one.rdatas().iter().chain(other.rdatas()).cloned();
    Rrset::new(one.ttl.min(other.ttl), rdatas).expect("the union of two sets that hold something")
}

/// Why a service cannot be published whatever its zone holds.
pub(super) fn refusal(service: &Service, home: &ZonePolicy) -> Option<Refusal> {
    if service.shards != Shards::Off {
        return Sharded::of(service, home)?.refusal();
    }
    let (records, limit) = (service.instances.len(), home.max_records_per_rrset);
    let own_name = service.key.owner_name().ok()?;
    // With those that health left out: what is too large is not published for as long as some of it fails.
    let srv = srv_of(service.instances.iter(), 0)?;
    let (records, bytes) = (srv.rdatas().len().min(records), update::answer_len(&own_name, srv.rdatas()));
    if records > limit {
        Some(Refusal::TooManyRecords { service: service.key.clone(), records, limit })
    } else {
        (bytes > wire::MAX_MESSAGE).then(|| Refusal::TooLarge { service: service.key.clone(), bytes })
    }
}

/// Why a service cannot be browsed that asks for it.
fn list_refusal(service: &Service) -> Option<Refusal> {
    let lists = Browsed::of(service, 0).lists;
    let bytes = lists.iter().map(|(name, list)| update::answer_len(name, list.rdatas())).max()?;
    (bytes > wire::MAX_MESSAGE).then(|| Refusal::ListTooLarge { service: service.key.clone(), bytes })
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

/// Every RRset that one service asks for: SRV and TXT at its own name, addresses at its hosts' names, and what is there for
/// who browses; the lists that it shares with other services are not among it.
pub fn records_of(service: &Service, policies: &[ZonePolicy]) -> Vec<(RrsetKey, Rrset)> {
    let mut records = Vec::new();
    let Some(home) = policies.iter().find(|policy| policy.name == service.key.zone) else { return records };
    let ttl = service.ttl.unwrap_or(home.ttl);
    // Names were checked where the service was read; one that does not fit after all publishes nothing.
    let Ok(own_name) = service.key.owner_name() else { return records };
    let own = srv_rrset(service, ttl).into_iter().chain(txt_rrset(service, ttl));
    records.extend(own.map(|set| (RrsetKey::new(own_name.clone(), set.record_type()), set)));
    let Browsed { instances, lists, .. } = Browsed::of(service, ttl);
    records.extend(lists.into_iter().map(|(name, list)| (RrsetKey::new(name, RecordType::PTR), list)));
    for (name, sets) in instances {
        records.extend(sets.into_iter().map(|(record_type, set)| (RrsetKey::new(name.clone(), record_type), set)));
    }
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
pub(super) fn zone_of(name: &Name, policies: &[ZonePolicy]) -> Option<usize> {
    let inside = policies.iter().enumerate().filter(|(_, policy)| name.is_within(&policy.name));
    inside.max_by_key(|(_, policy)| policy.name.len()).map(|(index, _)| index)
}

/// What fails its checks and is withdrawn is not among it; the addresses of its host stay.
fn srv_rrset(service: &Service, ttl: u32) -> Option<Rrset> {
    srv_of(service.instances.iter().filter(|instance| !instance.withdrawn), ttl)
}

fn srv_of<'s>(instances: impl Iterator<Item = &'s Instance>, ttl: u32) -> Option<Rrset> {
    let srv = |instance: &Instance| {
        Rdata::srv(&Srv {
            priority: instance.priority,
            weight: instance.weight,
            port: instance.port.get(),
            target: instance.host.clone(),
        })
    };
    Rrset::new(ttl, instances.map(srv))
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
    let mut by_type: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for rdata in instance.addresses.iter().copied().map(Rdata::address) {
        by_type.entry(rdata.record_type()).or_default().push(rdata);
    }
    by_type.into_iter().filter_map(|(record_type, rdatas)| Some((record_type, Rrset::new(ttl, rdatas)?))).collect()
}
