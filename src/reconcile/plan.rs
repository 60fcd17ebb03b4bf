//! The difference between what shall be and what is, restricted to what is ours.
//!
//! Ownership is read from the zone itself: `_srvctl.<name> TXT "v=1 owner=<id> types=…"` says which RRsets at
//! `<name>` are whose. Everything else in the zone is foreign and never part of a plan.

use std::collections::BTreeSet;

use super::desired::{Desired, Wanted};
use super::obstacle::{self, Conflict, Obstacle};
use super::ownership::{self, Ownership};
use super::reconciler::Reconciler;
use crate::model::{Change, Marker, Name, OwnerId, Record, RecordType, Rrset, RrsetKey, Zone};
use crate::protocol::update::{self, NameUpdate, Prerequisite};

/// What must happen to a zone, and what cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The zone.
    pub zone: Name,
    /// The serial that the plan was made from.
    pub serial: u32,
    /// What to do, one entry per owner name, in canonical order.
    pub updates: Vec<NameUpdate>,
    /// What stands in the way, in canonical order of names.
    pub conflicts: Vec<Conflict>,
    /// How many owner names in the zone carry our marker.
    pub owned_names: usize,
    /// How many records at these names are ours, markers not counted.
    pub owned_records: usize,
}

impl Plan {
    /// Whether there is nothing to do and nothing in the way.
    pub fn is_in_sync(&self) -> bool {
        self.updates.is_empty() && self.conflicts.is_empty()
    }

    /// Every change, in the order in which it is made.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.updates.iter().flat_map(|update| &update.changes)
    }
}

/// Compares what shall be with what is, over the whole zone.
pub fn plan(owner: &OwnerId, desired: &Desired, live: &Zone) -> Plan {
    Reconciler::new(owner.clone(), desired.clone(), live.clone()).plan()
}

/// What must happen at one name, and what is in the way there.
pub(super) fn at(owner: &OwnerId, marker_ttl: u32, live: &Zone, name: &Name, wanted: &Wanted) -> Step {
    holding(Planner { owner, live, marker_ttl }, name, wanted, None)
}

/// The same where a type is to be ours even without any record of it: those come and go in the updates of other names.
pub(super) fn holding(planner: Planner<'_>, name: &Name, wanted: &Wanted, held: Option<RecordType>) -> Step {
    let live = planner.live;
    let (update, obstacles) = planner.at(name, wanted, held);
    match update {
        Some(update) if !update::fits(live.origin(), &update) => {
            let obstacle = Obstacle::TooLarge(update.wire_len(live.origin()));
            Step { update: None, obstacles: obstacles.into_iter().chain([obstacle]).collect() }
        }
        update => Step { update, obstacles },
    }
}

/// What must happen at one name, and what is in the way there.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) update: Option<NameUpdate>,
    pub(super) obstacles: Vec<Obstacle>,
}

impl Step {
    /// Whether something changes there.
    pub(super) fn touches(&self, is_there: impl Fn(&RrsetKey) -> bool) -> bool {
        self.update.iter().flat_map(|update| &update.changes).any(|change| is_there(&change.key))
    }
}

/// Plans names one by one.
#[derive(Clone, Copy)]
pub(super) struct Planner<'a> {
    pub(super) owner: &'a OwnerId,
    pub(super) live: &'a Zone,
    /// Seconds.
    pub(super) marker_ttl: u32,
}

impl Planner<'_> {
    fn at(&self, name: &Name, wanted: &Wanted, held: Option<RecordType>) -> (Option<NameUpdate>, Vec<Obstacle>) {
        let (owned, marker) = match ownership::of(self.owner, self.live, name) {
            Ownership::Nobody => (BTreeSet::new(), None),
            Ownership::Ours(types, marker) => (types, Some(marker)),
            Ownership::InTheWay(..) if held.is_none() && self.is_satisfied(name, wanted) => return (None, Vec::new()),
            Ownership::InTheWay(obstacle, _) => return (None, vec![obstacle]),
        };
        if (!wanted.is_empty() || held.is_some())
            && let Some(obstacle) = obstacle::unpublishable(self.live, name)
        {
            return (None, vec![obstacle]);
        }
        let (mut claimed, foreign) = self.claims(name, wanted, &owned);
        // A name that is not ours yet is claimed as a whole or not at all. What is held goes without saying.
        let is_claimable = marker.is_some() || foreign.is_empty();
        let mut foreign = foreign;
        if let Some(held) = held.filter(|held| !owned.contains(held) && !wanted.contains_key(held)) {
            match self.live.rrset(name, held) {
                None => drop(claimed.insert(held)),
                Some(there) => foreign.push(there.records(name)),
            }
        }
        let obstacles: Vec<_> = foreign.into_iter().map(Obstacle::Foreign).collect();
        if !is_claimable {
            return (None, obstacles);
        }
        let kept: BTreeSet<_> =
            owned.iter().copied().filter(|&owned| wanted.contains_key(&owned) || held == Some(owned)).collect();
        let types: BTreeSet<_> = kept.union(&claimed).copied().collect();
        (
            self.update(name, wanted, &Ours { owned: &owned, claimed: &claimed, types, marker: marker.as_ref() }),
            obstacles,
        )
    }

    fn update(&self, name: &Name, wanted: &Wanted, ours: &Ours<'_>) -> Option<NameUpdate> {
        let marker_name = Marker::name_for(name).ok()?;
        let mut changes = Vec::new();
        for &record_type in ours.owned.union(ours.claimed) {
            let key = RrsetKey::new(name.clone(), record_type);
            changes.extend(Change::between(key, self.live.rrset(name, record_type).as_ref(), wanted.get(&record_type)));
        }
        let after = (!ours.types.is_empty()).then(|| Marker { owner: self.owner.clone(), types: ours.types.clone() });
        let after = after.and_then(|marker| ownership::marker_rrset(&marker, self.marker_ttl, ours.marker));
        let marker_key = RrsetKey::new(marker_name, RecordType::TXT);
        changes.extend(Change::between(marker_key.clone(), ours.marker, after.as_ref()));
        if changes.is_empty() {
            return None;
        }
        let guard = match ours.marker {
            None => Prerequisite::Absent(marker_key),
            Some(marker) => Prerequisite::Exactly(marker_key, marker.clone()),
        };
        let prerequisites = std::iter::once(guard).chain(self.vacancies(name, ours)).collect();
        Some(NameUpdate { name: name.clone(), prerequisites, changes })
    }

    /// That what is to be claimed is still free.
    fn vacancies(&self, name: &Name, ours: &Ours<'_>) -> Vec<Prerequisite> {
        if ours.marker.is_none() && self.live.at(name).is_none() {
            return vec![Prerequisite::Unused(name.clone())];
        }
        // BIND drops what is added beside an alias and says NOERROR; the marker would then stand alone.
        let alias = ours.marker.is_none().then_some(&RecordType::CNAME);
        let absent = ours.claimed.iter().chain(alias);
        absent.map(|&absent| Prerequisite::Absent(RrsetKey::new(name.clone(), absent))).collect()
    }

    /// Which wanted types are free to be claimed, and which foreign RRsets are in the way.
    fn claims(
        &self,
        name: &Name,
        wanted: &Wanted,
        owned: &BTreeSet<RecordType>,
    ) -> (BTreeSet<RecordType>, Vec<Vec<Record>>) {
        let (mut claimed, mut foreign) = (BTreeSet::new(), Vec::new());
        for (&record_type, rrset) in wanted.iter().filter(|(record_type, _)| !owned.contains(record_type)) {
            match self.live.rrset(name, record_type) {
                None => {
                    claimed.insert(record_type);
                }
                Some(live) if satisfies(record_type, &live, rrset) => {}
                Some(live) => foreign.push(live.records(name)),
            }
        }
        (claimed, foreign)
    }

    fn is_satisfied(&self, name: &Name, wanted: &Wanted) -> bool {
        let says_it = |(&record_type, rrset): (&RecordType, &Rrset)| {
            self.live.rrset(name, record_type).is_some_and(|live| satisfies(record_type, &live, rrset))
        };
        wanted.iter().all(says_it)
    }
}

/// What is ours at a name, now and after the update.
struct Ours<'a> {
    owned: &'a BTreeSet<RecordType>,
    claimed: &'a BTreeSet<RecordType>,
    types: BTreeSet<RecordType>,
    marker: Option<&'a Rrset>,
}

/// A foreign address record that already says what we want satisfies us, whatever its TTL; and so does a foreign list of
/// domains or service types that has what we want on it.
fn satisfies(record_type: RecordType, live: &Rrset, wanted: &Rrset) -> bool {
    match record_type {
        RecordType::A | RecordType::AAAA => live.rdatas() == wanted.rdatas(),
        RecordType::PTR => wanted.rdatas().iter().all(|rdata| live.contains(rdata)),
        _ => false,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
