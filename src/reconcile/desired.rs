//! From services to records: what each zone shall hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use super::shards::Sharded;
use crate::model::{
    Catalogue, Instance, MAX_SHARDS, Name, Rdata, RecordType, Rrset, RrsetKey, Service, ServiceKey, Shards, Srv,
};
use crate::protocol::update;
use crate::protocol::wire;

/// What holds for a whole zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZonePolicy {
    /// The zone.
    pub name: Name,
    /// TTL of what we publish, seconds, when the service names none.
    pub ttl: u32,
    /// How many records one RRset may hold: BIND refuses the 101st by default.
    pub max_records_per_rrset: usize,
    /// Share of the owned records that one plan may remove without a person's word, percent.
    pub max_delete_percent: u8,
}

/// What one zone shall hold, of ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Desired {
    /// Every owner name with its RRsets.
    pub names: BTreeMap<Name, BTreeMap<RecordType, Rrset>>,
    /// Services that are spread over several names, by their own name; where each instance goes depends on where
    /// the live zone has it, so [`plan`](super::plan()) decides it.
    pub sharded: BTreeMap<Name, Sharded>,
    /// TTL of the ownership markers, seconds.
    pub marker_ttl: u32,
    /// Names that cannot be published as desired, and why. Nothing at them is changed, neither way.
    pub refused: BTreeMap<Name, Refusal>,
    /// Hosts of refused services: their addresses stay as they are, unless another service asks for some.
    pub frozen: BTreeSet<Name>,
    /// Share of the owned records that one plan may remove without a person's word, percent.
    pub max_delete_percent: u8,
    /// Sources from which nothing came at all: then removals are for a person to accept.
    pub missing_sources: Vec<String>,
}

impl Desired {
    /// Whether nothing at all is desired.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.sharded.is_empty() && self.refused.is_empty()
    }
}

/// Why a name is not published at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// More records than one RRset may hold.
    TooManyRecords {
        /// Whose.
        service: ServiceKey,
        /// How many there are.
        records: usize,
        /// How many there may be.
        limit: usize,
    },
    /// More records than all shards may hold together.
    TooFewShards {
        /// Whose.
        service: ServiceKey,
        /// How many records there are.
        records: usize,
        /// How many one shard may have.
        limit: usize,
        /// How many shards there may be.
        shards: usize,
        /// How many shards it takes.
        needed: usize,
    },
    /// An answer that no DNS message can hold.
    TooLarge {
        /// Whose.
        service: ServiceKey,
        /// Bytes of the answer.
        bytes: usize,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyRecords { service, records, limit } => write!(
                f,
                "{service} has {records} instances, but max_records_per_rrset is {limit} (BIND's own default for \
                 max-records-per-type is 100): nothing of it was changed. Either write `shards = \"auto\"` in the \
                 service, and let Prometheus look up the names that `srvctl names {0}` prints; or raise the limit here \
                 and, as max-records-per-type, on the primary, every secondary and every resolver",
                service.name
            ),
            Self::TooFewShards { service, records, limit, shards, needed } => {
                write!(
                    f,
                    "{service} has {records} instances and needs {needed} shards of at most {limit} records, but may \
                     have {shards}: nothing of it was changed. "
                )?;
                if *needed > MAX_SHARDS {
                    write!(
                        f,
                        "srvctl makes at most {MAX_SHARDS}: spread the instances over several services, or raise \
                         max_records_per_rrset here and max-records-per-type on the primary, every secondary and \
                         every resolver"
                    )
                } else {
                    write!(f, "Write `shards = {needed}` or `shards = \"auto\"`")
                }
            }
            Self::TooLarge { service, bytes } => write!(
                f,
                "the answer for {service} would take {bytes} bytes, and DNS stops at {}: nothing of it was changed. \
                 Write `shards = \"auto\"` in the service",
                wire::MAX_MESSAGE
            ),
        }
    }
}

/// What every zone shall hold. Zones come in the order of `policies`; a host's addresses go into the longest
/// zone that it lies in. `missing_sources` are those from which nothing came.
pub fn desired(catalogue: &Catalogue, policies: &[ZonePolicy], missing_sources: &[String]) -> Vec<Desired> {
    let empty = |policy: &ZonePolicy| Desired {
        marker_ttl: policy.ttl,
        max_delete_percent: policy.max_delete_percent,
        missing_sources: missing_sources.to_vec(),
        ..Desired::default()
    };
    let mut zones: Vec<_> = policies.iter().map(empty).collect();
    for service in catalogue.values() {
        let records = placed_records(service, policies);
        let refused = refusal(service, policies, &records);
        for (index, key, rrset) in records {
            match &refused {
                // Refused is the service as a whole, and its hosts belong to it.
                Some((home, ..)) if *home == index => zones[index].frozen.extend(is_host(&key).then_some(key.name)),
                _ => add(&mut zones[index], key, &rrset),
            }
        }
        match refused {
            Some((index, owner, refusal)) => {
                zones[index].refused.insert(owner, refusal);
            }
            None if service.shards == Shards::Off => {}
            None => set_apart(service, policies, &mut zones),
        }
    }
    zones
}

fn add(zone: &mut Desired, key: RrsetKey, rrset: &Rrset) {
    let slot = zone.names.entry(key.name).or_default().entry(key.record_type);
    slot.and_modify(|there| *there = union(there, rrset)).or_insert_with(|| rrset.clone());
}

/// Two services that name the same host: the addresses are one set, at the smaller TTL.
fn union(one: &Rrset, other: &Rrset) -> Rrset {
    let rdatas = one.rdatas().iter().chain(other.rdatas()).cloned();
    Rrset::new(one.ttl.min(other.ttl), rdatas).expect("the union of two sets that hold something")
}

/// Takes a service that is to be spread out of the names.
fn set_apart(service: &Service, policies: &[ZonePolicy], zones: &mut [Desired]) {
    let Some(index) = policies.iter().position(|policy| policy.name == service.key.zone) else { return };
    let Ok(owner) = service.key.owner_name() else { return };
    let (policy, zone) = (&policies[index], &mut zones[index]);
    let Some(mut sets) = zone.names.remove(&owner) else { return };
    let Some(srv) = sets.remove(&RecordType::SRV) else { return };
    zone.sharded.insert(owner, sharded(service, policy, srv, sets.remove(&RecordType::TXT)));
}

fn sharded(service: &Service, policy: &ZonePolicy, srv: Rrset, txt: Option<Rrset>) -> Sharded {
    Sharded {
        service: ServiceKey { zone: policy.name.clone(), ..service.key.clone() },
        shards: service.shards,
        max_records: policy.max_records_per_rrset,
        srv,
        txt,
    }
}

fn is_host(key: &RrsetKey) -> bool {
    matches!(key.record_type, RecordType::A | RecordType::AAAA)
}

/// Why a service cannot be published whatever the zone holds; with its zone's index and its own name.
fn refusal(
    service: &Service,
    policies: &[ZonePolicy],
    records: &[(usize, RrsetKey, Rrset)],
) -> Option<(usize, Name, Refusal)> {
    let of_type = |wanted| records.iter().find(|(_, key, _)| key.record_type == wanted);
    let (index, RrsetKey { name: owner, .. }, srv) = of_type(RecordType::SRV)?;
    let policy = &policies[*index];
    let refusal = if service.shards == Shards::Off {
        let (records, limit) = (srv.rdatas().len(), policy.max_records_per_rrset);
        let bytes = update::answer_len(owner, srv.rdatas());
        if records > limit {
            Some(Refusal::TooManyRecords { service: service.key.clone(), records, limit })
        } else {
            (bytes > wire::MAX_MESSAGE).then(|| Refusal::TooLarge { service: service.key.clone(), bytes })
        }
    } else {
        let txt = of_type(RecordType::TXT).map(|(_, _, txt)| txt.clone());
        sharded(service, policy, srv.clone(), txt).refusal()
    };
    refusal.map(|refusal| (*index, owner.clone(), refusal))
}

/// Every RRset that one service asks for: SRV and TXT at its own name, addresses at its hosts' names.
pub fn records_of(service: &Service, policies: &[ZonePolicy]) -> Vec<(RrsetKey, Rrset)> {
    placed_records(service, policies).into_iter().map(|(_, key, rrset)| (key, rrset)).collect()
}

/// The same, with the index of the zone that each RRset belongs to.
fn placed_records(service: &Service, policies: &[ZonePolicy]) -> Vec<(usize, RrsetKey, Rrset)> {
    let mut records = Vec::new();
    let Some(index) = policies.iter().position(|policy| policy.name == service.key.zone) else { return records };
    let ttl = service.ttl.unwrap_or(policies[index].ttl);
    // Names were checked where the service was read; one that does not fit after all publishes nothing.
    let Ok(owner) = service.key.owner_name() else { return records };
    if let Some(srv) = Rrset::new(ttl, service.instances.iter().map(srv)) {
        records.push((index, RrsetKey::new(owner.clone(), RecordType::SRV), srv));
    }
    if let Some(txt) = metadata(service).and_then(|rdata| Rrset::new(ttl, [rdata])) {
        records.push((index, RrsetKey::new(owner, RecordType::TXT), txt));
    }
    for instance in &service.instances {
        let Some(index) = zone_of(&instance.host, policies) else { continue };
        for (record_type, rdatas) in addresses(&instance.addresses) {
            if let Some(rrset) = Rrset::new(ttl, rdatas) {
                records.push((index, RrsetKey::new(instance.host.clone(), record_type), rrset));
            }
        }
    }
    records
}

/// The zone that a name lies in: the one with the most labels, on label boundaries.
fn zone_of(name: &Name, policies: &[ZonePolicy]) -> Option<usize> {
    let inside = policies.iter().enumerate().filter(|(_, policy)| name.is_within(&policy.name));
    inside.max_by_key(|(_, policy)| policy.name.len()).map(|(index, _)| index)
}

fn srv(instance: &Instance) -> Rdata {
    Rdata::srv(&Srv {
        priority: instance.priority,
        weight: instance.weight,
        port: instance.port.get(),
        target: instance.host.clone(),
    })
}

/// One TXT record with a string per key (RFC 6763 section 6), sorted by key.
fn metadata(service: &Service) -> Option<Rdata> {
    let strings: Vec<_> = service.metadata.iter().map(|(key, value)| format!("{key}={value}")).collect();
    (!strings.is_empty()).then(|| Rdata::txt(strings))
}

fn addresses(addresses: &[IpAddr]) -> [(RecordType, Vec<Rdata>); 2] {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for address in addresses {
        match address {
            IpAddr::V4(address) => v4.push(Rdata::a(*address)),
            IpAddr::V6(address) => v6.push(Rdata::aaaa(*address)),
        }
    }
    [(RecordType::A, v4), (RecordType::AAAA, v6)]
}
