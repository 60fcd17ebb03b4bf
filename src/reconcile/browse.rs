//! Services that can be browsed (RFC 6763): each instance comes, changes and goes as a whole.
//!
//! Three kinds of names belong to such a service, and they are seen together:
//!
//! ```text
//! _jenkins._tcp.internal.local.           a list: its PTR records point to the instances (and SRV, TXT for Prometheus)
//! _ci._sub._jenkins._tcp.internal.local.  a list too, of a subtype
//! ci-1._jenkins._tcp.internal.local.      an instance: SRV and TXT
//! ```
//!
//! A record in a list belongs to the instance that it points to: it travels in the instance's update, together with the
//! SRV, the TXT and the marker there, under the markers of all names that it touches. A message is cut between updates
//! and never inside one, so that a zone never shows half an instance.
//!
//! The lists' own updates claim and give up the names, repair the TTL, and remove what points to nothing of ours. While
//! such an update would change the marker under which instances are to travel, they wait: the next round takes them.

use std::collections::{BTreeMap, BTreeSet};

use super::desired::Wanted;
use super::obstacle::Obstacle;
use super::ownership::{self, Ownership};
use super::plan::{self, Step};
use crate::model::browse::{browsed_service, instance_name, subtype_name};
use crate::model::{Change, Marker, MetaNames, Name, OwnerId, Rdata, RecordType, Rrset, RrsetKey, Service, Srv, Zone};
use crate::protocol::update::{self, NameUpdate, Prerequisite};

/// What a service publishes for those who browse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Browsed {
    /// SRV and TXT of each instance, by its name.
    pub(super) instances: BTreeMap<Name, Wanted>,
    /// The PTR set of each list, by its name: the service's own and its subtypes'.
    pub(super) lists: BTreeMap<Name, Rrset>,
    /// Host and port of the first that has no name which can be published, and how many have none.
    pub(super) unnamed: Option<(String, usize)>,
}

impl Browsed {
    /// What `service` shall have, at `ttl` seconds; nothing unless it can be browsed. Who is withdrawn is not among it:
    /// whoever browses finds all of an instance or nothing.
    pub(super) fn of(service: &Service, ttl: u32) -> Self {
        let (mut instances, mut lists) = (BTreeMap::new(), BTreeMap::<Name, Vec<Rdata>>::new());
        let mut unnamed: Option<(String, usize)> = None;
        let Some(own_name) = service.key.owner_name().ok().filter(|_| service.is_browsed()) else {
            return Self::default();
        };
        let named = service.instances.iter().zip(service.instance_names());
        for (instance, name) in named.filter(|(instance, _)| !instance.withdrawn) {
            // Names were checked where a person wrote them. One that registered itself under too long a name is left out.
            let full = name.and_then(|name| instance_name(&own_name, &name).ok());
            let Some(full) = full.filter(|full| Marker::name_for(full).is_ok()) else {
                let first = || (format!("{}:{}", instance.host.without_final_dot(), instance.port), 0);
                unnamed.get_or_insert_with(first).1 += 1;
                continue;
            };
            let srv = Srv {
                priority: instance.priority,
                weight: instance.weight,
                port: instance.port.get(),
                target: instance.host.clone(),
            };
            let records = [Rdata::srv(&srv), Rdata::txt(service.instance_text(instance))];
            let sets = records.into_iter().filter_map(|rdata| Some((rdata.record_type(), Rrset::new(ttl, [rdata])?)));
            instances.insert(full.clone(), sets.collect());
            let subtypes = service.subtypes_of(instance).into_iter();
            let names = subtypes.filter_map(|subtype| subtype_name(&own_name, subtype).ok());
            for list in names.filter(|name| Marker::name_for(name).is_ok()).chain([own_name.clone()]) {
                lists.entry(list).or_default().push(pointer(&full));
            }
        }
        let lists = lists.into_iter().filter_map(|(list, pointers)| Some((list, Rrset::new(ttl, pointers)?)));
        Self { instances, lists: lists.collect(), unnamed }
    }

    /// What is wanted at one of its names.
    pub(super) fn at(&self, name: &Name) -> Wanted {
        let mut wanted = self.instances.get(name).cloned().unwrap_or_default();
        wanted.extend(self.lists.get(name).map(|list| (RecordType::PTR, list.clone())));
        wanted
    }
}

/// What a name of DNS-SD itself shall hold in a zone where these services can be browsed.
pub(super) fn meta(names: &MetaNames, at: &Name, zone: &Name, services: &BTreeSet<Name>, ttl: u32) -> Option<Rrset> {
    if names.types == *at {
        Rrset::new(ttl, services.iter().map(pointer))
    } else {
        (names.domains.contains(at) && !services.is_empty()).then(|| Rrset::new(ttl, [pointer(zone)]))?
    }
}

/// Says of a list of types or domains that is somebody else's what it lacks, in place of what is in the way.
pub(super) fn tell_shared_list(obstacles: &mut [Obstacle], name: &Name, wanted: &Wanted, live: &Zone) {
    for obstacle in obstacles {
        let owner = match obstacle {
            Obstacle::Foreign(_) => None,
            Obstacle::OtherOwner(owner) => Some(owner.clone()),
            _ => continue,
        };
        let there = live.rrset(name, RecordType::PTR);
        let missing = |wanted: &Rrset| Rrset::new(wanted.ttl, wanted.minus(there.as_ref()).cloned());
        let missing = wanted.get(&RecordType::PTR).and_then(missing).map(|set| set.records(name));
        *obstacle = Obstacle::SharedList { missing: missing.unwrap_or_default(), owner };
    }
}

fn pointer(name: &Name) -> Rdata {
    Rdata::from_wire(RecordType::PTR, name.as_wire())
}

/// Whether a name is that of an instance of a service that can be browsed: lists begin with an underscore.
pub(super) fn is_instance(name: &Name, zone: &Name) -> bool {
    !name.labels().next().is_some_and(|label| label.starts_with(b"_")) && browsed_service(name, zone).is_some()
}

/// Whether the guard leaves records of a type at a name out of its count: those for who browses are there once more for
/// each instance, and Prometheus never looks at them.
pub(super) fn is_uncounted(name: &Name, record_type: RecordType, zone: &Name) -> bool {
    let of_instance = [RecordType::SRV, RecordType::TXT].contains(&record_type);
    record_type == RecordType::PTR || (of_instance && browsed_service(name, zone).is_some())
}

/// The update of a name, and whether it has to wait for another's.
#[derive(Debug, Default)]
pub(super) struct Planned {
    pub(super) step: Step,
    pub(super) waits: bool,
}

/// One service's names, as they are and shall be.
pub(super) struct Sight<'a> {
    pub(super) owner: &'a OwnerId,
    pub(super) live: &'a Zone,
    /// Of the ownership markers, seconds.
    pub(super) marker_ttl: u32,
    pub(super) own_name: &'a Name,
    /// What it shall be.
    pub(super) wanted: &'a Browsed,
    /// Names of the service in the zone that are ours.
    pub(super) owned: &'a BTreeSet<Name>,
    /// How many records one RRset may hold.
    pub(super) limit: usize,
}

/// One list, as it is and shall be.
struct List<'a> {
    key: RrsetKey,
    /// What of it is ours in the zone.
    live: Option<Rrset>,
    wanted: Option<&'a Rrset>,
    /// The marker under which its records travel; none when the list is not ours and cannot become it.
    marker: Option<(RrsetKey, Rrset)>,
    /// Whether that is the marker in the zone already.
    is_ready: bool,
    /// Whether who comes has room beside who goes: a message knows no order among instances.
    has_room: bool,
}

impl Sight<'_> {
    /// What is to do at each of the service's names. `beside` is what else its own name shall hold.
    pub(super) fn steps(&self, beside: &Wanted) -> BTreeMap<Name, Planned> {
        let mut planned = BTreeMap::new();
        let mut lists = Vec::new();
        let ours = self.owned.iter().filter(|name| !self.is_instance(name));
        let names: BTreeSet<_> = self.wanted.lists.keys().chain(ours).chain([self.own_name]).collect();
        for name in names {
            let nothing = Wanted::new();
            let (step, list) = self.list(name, if name == self.own_name { beside } else { &nothing });
            planned.insert(name.clone(), Planned { step, waits: false });
            lists.push(list);
        }
        let owned = self.owned.iter().filter(|name| self.is_instance(name));
        let instances: BTreeSet<_> = self.wanted.instances.keys().chain(owned).collect();
        planned.extend(instances.into_iter().map(|name| (name.clone(), self.instance(name, &lists))));
        planned
    }

    /// Instances are directly below the service, subtypes one label deeper.
    fn is_instance(&self, name: &Name) -> bool {
        name.parent().as_ref() == Some(self.own_name)
    }

    /// Whether a pointer belongs to an instance's update.
    fn is_of_instance(&self, rdata: &Rdata) -> bool {
        let is_known = |target: &Name| {
            self.wanted.instances.contains_key(target) || (self.owned.contains(target) && self.is_instance(target))
        };
        rdata.as_name().is_some_and(|target| is_known(&target))
    }

    /// A list without what belongs to instances: those records stay as they are here.
    fn list<'l>(&'l self, name: &Name, beside: &Wanted) -> (Step, List<'l>) {
        let key = RrsetKey::new(name.clone(), RecordType::PTR);
        let standing = ownership::of(self.owner, self.live, name);
        let live = match &standing {
            Ownership::Ours(types, _) if types.contains(&RecordType::PTR) => self.live.rrset(name, RecordType::PTR),
            _ => None,
        };
        let wanted = self.wanted.lists.get(name);
        let staying = live.iter().flat_map(Rrset::rdatas).filter(|rdata| self.is_of_instance(rdata)).cloned();
        let ttl = wanted.or(live.as_ref()).map_or(0, |set| set.ttl);
        let staying = Rrset::new(ttl, staying);
        let is_list = wanted.is_some() || staying.is_some();
        let mut sets = beside.clone();
        sets.extend(staying.map(|set| (RecordType::PTR, set)));
        let held = is_list.then_some(RecordType::PTR);
        let whole = plan::holding(self.planner(), name, &sets, held);
        let repairs = whole.touches(|changed| *changed == key);
        // Whoever may not change PTR records has the others all the same.
        let step = match &live {
            Some(live) if repairs && whole.touches(|changed| changed.name == *name && *changed != key) => {
                sets.insert(RecordType::PTR, live.clone());
                plan::holding(self.planner(), name, &sets, Some(RecordType::PTR))
            }
            _ => whole,
        };
        let marker_key = Marker::name_for(name).ok().map(|marker| RrsetKey::new(marker, RecordType::TXT));
        let changes = || step.update.iter().flat_map(|update| &update.changes);
        let marker_change = changes().find(|change| Some(&change.key) == marker_key.as_ref());
        let marker = match (marker_change, standing) {
            (Some(change), _) => change.after.clone(),
            (None, Ownership::Ours(_, marker)) => Some(marker),
            (None, _) => None,
        };
        let is_ready = marker_change.is_none() && !repairs;
        let has_room = self.has_room(live.as_ref(), wanted);
        let marker = marker_key.zip(marker.filter(names_pointers));
        (step, List { key, live, wanted, marker, is_ready, has_room })
    }

    /// Whether a list has room for all that it shall have beside all that it has, or nothing that could go first.
    fn has_room(&self, live: Option<&Rrset>, wanted: Option<&Rrset>) -> bool {
        let (Some(live), Some(wanted)) = (live, wanted) else { return true };
        let goes = live.minus(Some(wanted)).next().is_some();
        !goes || live.rdatas().len() + wanted.minus(Some(live)).count() <= self.limit
    }

    fn planner(&self) -> plan::Planner<'_> {
        plan::Planner { owner: self.owner, live: self.live, marker_ttl: self.marker_ttl }
    }

    /// An instance with all that points to it.
    fn instance(&self, name: &Name, lists: &[List<'_>]) -> Planned {
        let nothing = Wanted::new();
        let wanted = self.wanted.instances.get(name).unwrap_or(&nothing);
        let own = plan::holding(self.planner(), name, wanted, None);
        // Half of it is worse than nothing: who browses would find what leads nowhere.
        if !own.obstacles.is_empty() {
            return Planned { step: Step { update: None, obstacles: own.obstacles }, waits: false };
        }
        let mut update = own.update.or_else(|| self.untouched(name)).unwrap_or_else(|| empty(name));
        let mut waits = false;
        for list in lists {
            let pointer = pointer(name);
            let contains = |set: Option<&Rrset>| set.is_some_and(|set| set.contains(&pointer));
            let (is, shall) = (contains(list.live.as_ref()), contains(list.wanted));
            if is == shall {
                continue;
            }
            let Some((marker_key, marker)) = &list.marker else {
                // Without its subtypes it can be found all the same.
                if list.key.name == *self.own_name {
                    return Planned::default();
                }
                continue;
            };
            waits |= !list.is_ready || (shall && !list.has_room);
            update.prerequisites.push(Prerequisite::Exactly(marker_key.clone(), marker.clone()));
            let set = Rrset::new(list.wanted.or(list.live.as_ref()).map_or(0, |set| set.ttl), [pointer]);
            let (before, after) = if shall { (None, set) } else { (set, None) };
            update.changes.extend(Change::between(list.key.clone(), before.as_ref(), after.as_ref()));
        }
        if update.changes.is_empty() {
            return Planned::default();
        }
        if !update::fits(self.live.origin(), &update) {
            let obstacle = Obstacle::TooLarge(update.wire_len(self.live.origin()));
            return Planned { step: Step { update: None, obstacles: vec![obstacle] }, waits: false };
        }
        Planned { step: Step { update: Some(update), obstacles: Vec::new() }, waits }
    }

    /// The update of an instance at which itself nothing changes: only that it is ours must hold.
    fn untouched(&self, name: &Name) -> Option<NameUpdate> {
        let Ownership::Ours(_, marker) = ownership::of(self.owner, self.live, name) else { return None };
        let key = RrsetKey::new(Marker::name_for(name).ok()?, RecordType::TXT);
        let prerequisites = vec![Prerequisite::Exactly(key, marker)];
        Some(NameUpdate { name: name.clone(), prerequisites, changes: Vec::new() })
    }
}

fn empty(name: &Name) -> NameUpdate {
    NameUpdate { name: name.clone(), prerequisites: Vec::new(), changes: Vec::new() }
}

/// Whether a marker says that the PTR records are ours.
fn names_pointers(marker: &Rrset) -> bool {
    let marker = marker.rdatas().first().and_then(|rdata| Marker::from_rdata(rdata).ok());
    marker.is_some_and(|marker| marker.types.contains(&RecordType::PTR))
}

#[cfg(test)]
#[path = "browse_tests.rs"]
mod tests;
