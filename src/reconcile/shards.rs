//! A service spread over several names, because one RRset may not hold all of it.
//!
//! The assignment is stable because it reads the zone: an instance that is published under one of our names of the
//! service stays there. Only what is new is placed, by rendezvous hashing among the names that have room: every
//! name gets a score from a hash of instance and name, and the best one wins. So adding or removing an instance
//! moves nobody else, and neither does a higher number of names.
//!
//! An instance that has to move (fewer names, or less room) is published at its new name first, and taken from the
//! old one when the zone shows it at the new one. That takes two plans; in between it is at both names, which is no
//! harm: Prometheus makes one target of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::desired::{Desired, Wanted};
use super::ownership;
use super::refusal::Refusal;
use crate::model::{
    MAX_SHARDS, Name, OwnerId, Rdata, RecordType, Rrset, RrsetKey, Service, ServiceKey, Shards, Zone, shard_of,
};
use crate::protocol::update;

/// A service that is published over several names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharded {
    /// Which.
    pub service: ServiceKey,
    /// Over how many names.
    pub shards: Shards,
    /// How many records one name may have.
    pub max_records: usize,
    /// All its instances.
    pub srv: Rrset,
    /// Its metadata, published at every name.
    pub txt: Option<Rrset>,
}

/// What makes two SRV records the same instance: target without case, and port.
type Endpoint = (Name, u16);

/// The names of one service that are ours in the live zone, by number, with the SRV records there that are ours.
pub(super) type Live = BTreeMap<usize, Option<Rrset>>;

/// Where the wanted instances are now, by number of the name.
type Residents = BTreeMap<usize, BTreeSet<Endpoint>>;

/// What a service comes to whose names have to be seen together, because it is spread, was, or is refused.
#[derive(Debug, Default)]
pub(super) struct Joint {
    /// What its names shall hold next; its own only when it is spread.
    pub(super) names: BTreeMap<Name, Wanted>,
    /// Why nothing of it is published.
    pub(super) refused: Option<Refusal>,
    /// Its shards and hosts when it is refused: they stay as they are. What is published of it needs its hosts,
    /// those too that its file does not name any more.
    pub(super) untouched: BTreeSet<Name>,
}

/// Sees a service as a whole.
pub(super) fn joint(desired: &Desired, own_name: &Name, live: &Live) -> Joint {
    let zone = &desired.policy().name;
    let refused = |refusal| {
        let srv = live.values().flatten().flat_map(Rrset::rdatas);
        let hosts = srv.filter_map(endpoint).map(|(host, _)| host).chain(desired.hosts_of(own_name));
        let untouched = hosts.chain(shard_names(own_name, zone, live)).collect();
        Joint { refused: Some(refusal), untouched, ..Joint::default() }
    };
    if let Some(refusal) = desired.refusal(own_name) {
        return refused(refusal.clone());
    }
    match desired.sharded(own_name) {
        Some(service) => match service.spread(live) {
            Ok(names) => Joint { names, ..Joint::default() },
            Err(refusal) => refused(refusal),
        },
        None => Joint { names: gathered(desired, own_name, live), ..Joint::default() },
    }
}

/// The names to look a service up under, in the order of its shards: its own name alone unless it is spread.
///
/// `live` decides how many there are with `shards = "auto"`; without it they are as many as in an empty zone.
pub fn names_of(owner: &OwnerId, desired: &Desired, live: Option<&Zone>, service: &Service) -> Vec<Name> {
    let Ok(own_name) = service.key.owner_name() else { return Vec::new() };
    if let Shards::Fixed(count) = service.shards {
        return (0..count).filter_map(|shard| service.key.shard_name(shard).ok()).collect();
    }
    let Some(sharded) = desired.sharded(&own_name) else { return vec![own_name] };
    let live = live.map_or_else(Live::new, |live| published(owner, live, &own_name, 0..MAX_SHARDS));
    (0..sharded.count(&live)).filter_map(|shard| sharded.service.shard_name(shard).ok()).collect()
}

/// Which of a service's names are ours, of those with the given numbers.
pub(super) fn published(owner: &OwnerId, live: &Zone, own_name: &Name, shards: impl Iterator<Item = usize>) -> Live {
    let Some(service) = key_of(own_name, live.origin()) else { return Live::new() };
    let ours = |shard| {
        let name = service.shard_name(shard).ok()?;
        let types = ownership::owned_at(owner, live, &name)?.types;
        let srv = types.contains(&RecordType::SRV).then(|| live.rrset(&name, RecordType::SRV));
        Some((shard, srv.flatten()))
    };
    shards.filter_map(ours).collect()
}

/// The live names of shards 1 and up.
fn shard_names<'a>(own_name: &Name, zone: &Name, live: &'a Live) -> impl Iterator<Item = Name> + 'a {
    let key = key_of(own_name, zone);
    live.keys().filter(|&&shard| shard > 0).filter_map(move |&shard| key.as_ref()?.shard_name(shard).ok())
}

/// The own name of the service that a name belongs to: itself, unless it is a shard.
pub(super) fn own_name_of(name: &Name, zone: &Name) -> Name {
    shard_of(name, zone).map_or_else(|| name.clone(), |(own_name, _)| own_name)
}

/// The service of that name in a zone; none for a name that no service there can have.
pub(super) fn key_of(own_name: &Name, zone: &Name) -> Option<ServiceKey> {
    let mut labels = own_name.labels();
    let mut word = || Some(std::str::from_utf8(labels.next()?).ok()?.strip_prefix('_')?.to_owned());
    let key = ServiceKey { name: word()?, proto: word()?, zone: zone.clone() };
    (key.owner_name().as_ref() == Ok(own_name)).then_some(key)
}

/// What stays at the shards of a service that is not spread any more: what its own name does not show yet.
fn gathered(desired: &Desired, own_name: &Name, live: &Live) -> BTreeMap<Name, Wanted> {
    let whole = || {
        let mut sets = desired.at(own_name);
        let (srv, txt) = (sets.remove(&RecordType::SRV)?, sets.remove(&RecordType::TXT));
        let service = key_of(own_name, &desired.policy().name)?;
        let alone = Sharded { service, shards: Shards::Off, max_records: usize::MAX, srv, txt };
        let wanted = by_endpoint(&alone.srv);
        let homes = wanted.keys().map(|endpoint| (endpoint.clone(), 0)).collect();
        let mut names = alone.records(&wanted, &homes, live);
        names.remove(own_name); // `Desired` has it already
        Some(names)
    };
    whole().unwrap_or_default()
}

fn by_endpoint(srv: &Rrset) -> BTreeMap<Endpoint, &Rdata> {
    srv.rdatas().iter().filter_map(|rdata| Some((endpoint(rdata)?, rdata))).collect()
}

fn endpoint(rdata: &Rdata) -> Option<Endpoint> {
    rdata.as_srv().map(|srv| (srv.target, srv.port))
}

impl Sharded {
    /// Why this service cannot be published whatever the zone holds.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let needed = self.needed();
        (needed > self.most()).then(|| self.too_few(needed))
    }

    fn too_few(&self, needed: usize) -> Refusal {
        Refusal::TooFewShards {
            service: self.service.clone(),
            records: self.srv.rdatas().len(),
            limit: self.max_records,
            shards: self.most(),
            needed,
        }
    }

    /// How many names there may be.
    fn most(&self) -> usize {
        match self.shards {
            Shards::Off => 1,
            Shards::Fixed(count) => count,
            Shards::Auto => MAX_SHARDS,
        }
    }

    /// How many names the instances fill, one after the other.
    fn needed(&self) -> usize {
        let mut shards = vec![self.empty()];
        for rdata in self.srv.rdatas() {
            if !shards.last_mut().is_some_and(|last| last.take(self.cost(rdata))) {
                let mut fresh = self.empty();
                fresh.take(self.cost(rdata));
                shards.push(fresh);
            }
        }
        shards.len()
    }

    /// How many names to look up: all of a fixed number, whether or not they hold anything, since they may hold
    /// something tomorrow. With `auto` all up to the highest one that holds something.
    fn count(&self, live: &Live) -> usize {
        if self.shards != Shards::Auto {
            return self.most();
        }
        let wanted = by_endpoint(&self.srv);
        self.place(&wanted, &residents(&wanted, live)).map_or(self.most(), |placed| placed.count)
    }

    /// What every name of the service shall hold next.
    fn spread(&self, live: &Live) -> Result<BTreeMap<Name, Wanted>, Refusal> {
        let wanted = by_endpoint(&self.srv);
        // Names too long for their bytes leave gaps; then one more is needed than when filled in order.
        let too_few = || self.too_few(self.needed().max(self.most() + 1));
        let placed = self.place(&wanted, &residents(&wanted, live)).ok_or_else(too_few)?;
        Ok(self.records(&wanted, &placed.homes, live))
    }

    /// The records at every name: those at home there, and those whose home does not show them yet.
    fn records(
        &self,
        wanted: &BTreeMap<Endpoint, &Rdata>,
        homes: &BTreeMap<Endpoint, usize>,
        live: &Live,
    ) -> BTreeMap<Name, Wanted> {
        let mut shards: BTreeMap<usize, Vec<Rdata>> = BTreeMap::new();
        for (endpoint, &home) in homes {
            shards.entry(home).or_default().push(wanted[endpoint].clone());
        }
        let residents = residents(wanted, live);
        let arrived = |endpoint: &Endpoint| residents.get(&homes[endpoint]).is_some_and(|at| at.contains(endpoint));
        for (&shard, endpoints) in &residents {
            let staying = endpoints.iter().filter(|endpoint| homes[*endpoint] != shard && !arrived(endpoint));
            for endpoint in staying {
                shards.entry(shard).or_default().push(wanted[endpoint].clone());
            }
        }
        let mut names = BTreeMap::new();
        for (shard, rdatas) in shards {
            if let (Ok(name), Some(srv)) = (self.service.shard_name(shard), Rrset::new(self.srv.ttl, rdatas)) {
                let txt = self.txt.iter().map(|txt| (RecordType::TXT, txt.clone()));
                names.insert(name, txt.chain([(RecordType::SRV, srv)]).collect());
            }
        }
        names
    }

    /// A home for every instance; none when there is not enough room.
    fn place(&self, wanted: &BTreeMap<Endpoint, &Rdata>, residents: &Residents) -> Option<Placed> {
        let most = self.most();
        let in_use = residents.range(..most).next_back().map_or(0, |(&highest, _)| highest + 1);
        let count = match self.shards {
            Shards::Auto => self.needed().max(in_use).min(most),
            _ => most,
        };
        let mut placed = Placed { homes: BTreeMap::new(), count, rooms: vec![self.empty(); count] };
        let (present, mut homeless) = self.settle(wanted, residents, &mut placed);
        homeless.extend(wanted.keys().filter(|endpoint| !present.contains(endpoint)));
        homeless.sort_unstable();
        for endpoint in homeless {
            let cost = self.cost(wanted[endpoint]);
            if !placed.at_best(endpoint, cost, 0..placed.count) {
                if self.shards != Shards::Auto || placed.count == most {
                    return None;
                }
                placed.rooms.push(self.empty());
                placed.count += 1;
                placed.at_best(endpoint, cost, placed.count - 1..placed.count).then_some(())?;
            }
        }
        Some(placed)
    }

    /// Everybody who is published stays, as far as there is room; also told are those who cannot.
    ///
    /// Who is at one name only goes first, the best score first. Thus who is at two names because of a move under
    /// way finds the old one full again, and ends at the new one.
    fn settle<'a>(
        &self,
        wanted: &'a BTreeMap<Endpoint, &Rdata>,
        residents: &Residents,
        placed: &mut Placed,
    ) -> (BTreeSet<&'a Endpoint>, Vec<&'a Endpoint>) {
        let mut shards_of: BTreeMap<&Endpoint, Vec<usize>> = BTreeMap::new();
        for (&shard, endpoints) in residents.range(..placed.count) {
            for endpoint in endpoints {
                let (endpoint, _) = wanted.get_key_value(endpoint).expect("residents are wanted");
                shards_of.entry(endpoint).or_default().push(shard);
            }
        }
        let mut order: Vec<_> = shards_of.iter().collect();
        order.sort_by_cached_key(|(endpoint, shards)| (shards.len(), Reverse(score(endpoint, shards[0])), **endpoint));
        let mut homeless = Vec::new();
        for (endpoint, shards) in order {
            if !placed.at_best(endpoint, self.cost(wanted[*endpoint]), shards.iter().copied()) {
                homeless.push(*endpoint);
            }
        }
        (shards_of.into_keys().collect(), homeless)
    }

    fn empty(&self) -> Room {
        Room { records: self.max_records, bytes: update::rewritable_bytes(self.txt.as_ref().map(Rrset::rdatas)) }
    }

    /// What one record takes of a name's bytes.
    fn cost(&self, rdata: &Rdata) -> usize {
        let longest = self.service.shard_name(MAX_SHARDS - 1).or_else(|_| self.service.owner_name());
        longest.map_or(usize::MAX, |name| {
            let key = RrsetKey::new(name, RecordType::SRV);
            update::rewrite_len(&self.service.zone, &key, rdata)
        })
    }
}

/// Which of the wanted instances the zone shows, by number of the name.
fn residents(wanted: &BTreeMap<Endpoint, &Rdata>, live: &Live) -> Residents {
    let at = |srv: &Rrset| -> BTreeSet<_> {
        srv.rdatas().iter().filter_map(endpoint).filter(|endpoint| wanted.contains_key(endpoint)).collect()
    };
    let shards = live.iter().filter_map(|(&shard, srv)| Some((shard, at(srv.as_ref()?))));
    shards.filter(|(_, endpoints)| !endpoints.is_empty()).collect()
}

/// What a name can still take.
#[derive(Debug, Clone, Copy)]
struct Room {
    records: usize,
    bytes: usize,
}

impl Room {
    fn fits(self, cost: usize) -> bool {
        self.records > 0 && self.bytes >= cost
    }

    fn take(&mut self, cost: usize) -> bool {
        let fits = self.fits(cost);
        if fits {
            self.records -= 1;
            self.bytes -= cost;
        }
        fits
    }
}

/// An assignment in the making.
struct Placed {
    homes: BTreeMap<Endpoint, usize>,
    count: usize,
    rooms: Vec<Room>,
}

impl Placed {
    /// Places an instance at the best of these shards that has room.
    fn at_best(&mut self, endpoint: &Endpoint, cost: usize, shards: impl Iterator<Item = usize>) -> bool {
        let free = shards.filter(|&shard| self.rooms[shard].fits(cost));
        let Some(best) = free.max_by_key(|&shard| score(endpoint, shard)) else { return false };
        self.homes.insert(endpoint.clone(), best);
        self.rooms[best].take(cost)
    }
}

/// The score of a name for an instance: FNV-1a over both, and `MurmurHash3`'s last step, without which the last
/// bytes would hardly count. Any change here moves nobody who is published, only the choice for newcomers.
fn score((host, port): &Endpoint, shard: usize) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let host = host.as_wire().iter().map(u8::to_ascii_lowercase);
    let bytes = (shard as u64).to_be_bytes().into_iter().chain(host).chain(port.to_be_bytes());
    let mut hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}

#[cfg(test)]
#[path = "shards_tests.rs"]
mod tests;
