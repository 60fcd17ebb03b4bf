//! The difference between what shall be and what is, restricted to what is ours.
//!
//! Ownership is read from the zone itself: `_srvctl.<name> TXT "v=1 owner=<id> types=…"` says which RRsets at
//! `<name>` are whose. Everything else in the zone is foreign and never part of a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::desired::{Desired, Refusal};
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

/// A name that cannot be brought to its desired state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The owner name.
    pub name: Name,
    /// What is in the way.
    pub obstacle: Obstacle,
}

/// What keeps a name from its desired state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// Records that we did not write, where ours should go.
    Foreign(Vec<Record>),
    /// Another srvctl's name.
    OtherOwner(OwnerId),
    /// A marker that cannot be read.
    DamagedMarker(String),
    /// An alias: nothing else can stand beside it (RFC 1034 section 3.6.2), and BIND drops it silently.
    Alias(Record),
    /// The name lies under a delegation or a DNAME, where this server does not answer for it.
    Hidden(Record),
    /// The desired records cannot be published.
    Refused(Refusal),
    /// The change of this one name fits no message.
    TooLarge(usize),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(records) => {
                let shown: Vec<_> = records.iter().map(|record| format!("`{record}`")).collect();
                write!(
                    f,
                    "foreign records are in the way: {}. srvctl did not write them and does not touch them; remove \
                     them, or take them out of the services",
                    shown.join(", ")
                )
            }
            Self::OtherOwner(owner) => write!(
                f,
                "the name belongs to another srvctl, owner \"{owner}\" by its marker. Publish it from there, or let \
                 that one release it first"
            ),
            Self::DamagedMarker(marker) => write!(
                f,
                "its ownership marker cannot be read: {marker}. Repair or remove the marker by hand; until then \
                 nothing at this name is touched"
            ),
            Self::Alias(record) => {
                write!(f, "an alias is in the way: `{record}`. No other record can stand beside a CNAME; remove it")
            }
            Self::Hidden(record) => write!(
                f,
                "the name is not answered from this zone, because of `{record}`. Publish it in the zone that is \
                 delegated, or remove the delegation"
            ),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::TooLarge(bytes) => write!(f, "its change takes {bytes} bytes and fits no DNS message"),
        }
    }
}

/// Compares what shall be with what is.
pub fn plan(owner: &OwnerId, desired: &Desired, live: &Zone) -> Plan {
    let planner = Planner { owner, live, marker_ttl: desired.marker_ttl };
    let mut plan = Plan {
        zone: live.origin().clone(),
        serial: live.serial(),
        updates: Vec::new(),
        conflicts: Vec::new(),
        owned_names: 0,
    };
    let ours = planner.owned_names();
    plan.owned_names = ours.len();
    let nothing = BTreeMap::new();
    let names: BTreeSet<&Name> = desired.names.keys().chain(&ours).chain(desired.refused.keys()).collect();
    for name in names {
        if let Some(refusal) = desired.refused.get(name) {
            plan.conflicts.push(Conflict { name: name.clone(), obstacle: Obstacle::Refused(refusal.clone()) });
            continue;
        }
        let (update, obstacles) = planner.at(name, desired.names.get(name).unwrap_or(&nothing));
        let obstacles = obstacles.into_iter().map(|obstacle| Conflict { name: name.clone(), obstacle });
        plan.conflicts.extend(obstacles);
        match update {
            Some(update) if !update::fits(live.origin(), &update) => {
                let obstacle = Obstacle::TooLarge(update.wire_len(live.origin()));
                plan.conflicts.push(Conflict { name: name.clone(), obstacle });
            }
            other => plan.updates.extend(other),
        }
    }
    plan
}

struct Planner<'a> {
    owner: &'a OwnerId,
    live: &'a Zone,
    marker_ttl: u32,
}

/// What the zone says about who manages a name.
enum Ownership<'a> {
    Nobody,
    Ours(BTreeSet<RecordType>, &'a Rrset),
    InTheWay(Obstacle),
}

impl Planner<'_> {
    fn owned_names(&self) -> BTreeSet<Name> {
        let marked = self.live.names().filter_map(|(name, _)| Marker::marked_name(name));
        marked.filter(|name| matches!(self.ownership(name), Ownership::Ours(..))).collect()
    }

    fn ownership(&self, name: &Name) -> Ownership<'_> {
        let Ok(marker_name) = Marker::name_for(name) else {
            return Ownership::Nobody;
        };
        let Some(rrset) = self.live.rrset(&marker_name, RecordType::TXT) else {
            return Ownership::Nobody;
        };
        let damaged = |what: String| Ownership::InTheWay(Obstacle::DamagedMarker(what));
        match rrset.rdatas() {
            [one] => match Marker::from_rdata(one) {
                Ok(marker) if marker.owner == *self.owner => Ownership::Ours(marker.types, rrset),
                Ok(marker) => Ownership::InTheWay(Obstacle::OtherOwner(marker.owner)),
                Err(error) => damaged(error.to_string()),
            },
            several => damaged(format!("there are {} TXT records at {marker_name}", several.len())),
        }
    }

    /// What must happen at one name, and what is in the way there.
    fn at(&self, name: &Name, wanted: &BTreeMap<RecordType, Rrset>) -> (Option<NameUpdate>, Vec<Obstacle>) {
        let (owned, marker) = match self.ownership(name) {
            Ownership::Nobody => (BTreeSet::new(), None),
            Ownership::Ours(types, marker) => (types, Some(marker)),
            Ownership::InTheWay(_) if self.is_satisfied(name, wanted) => return (None, Vec::new()),
            Ownership::InTheWay(obstacle) => return (None, vec![obstacle]),
        };
        if !wanted.is_empty()
            && let Some(obstacle) = self.unpublishable(name)
        {
            return (None, vec![obstacle]);
        }
        let (claimed, foreign) = self.claims(name, wanted, &owned);
        let obstacles: Vec<_> = foreign.into_iter().map(Obstacle::Foreign).collect();
        // A name that is not ours yet is claimed as a whole or not at all.
        if marker.is_none() && !obstacles.is_empty() {
            return (None, obstacles);
        }
        let kept: BTreeSet<_> = owned.iter().copied().filter(|owned| wanted.contains_key(owned)).collect();
        let types: BTreeSet<_> = kept.union(&claimed).copied().collect();
        (self.update(name, wanted, Ours { owned: &owned, claimed: &claimed, types, marker }), obstacles)
    }

    fn update(&self, name: &Name, wanted: &BTreeMap<RecordType, Rrset>, ours: Ours<'_>) -> Option<NameUpdate> {
        let marker_name = Marker::name_for(name).ok()?;
        let mut changes = Vec::new();
        for &record_type in ours.owned.union(ours.claimed) {
            let key = RrsetKey::new(name.clone(), record_type);
            changes.extend(Change::between(key, self.live.rrset(name, record_type), wanted.get(&record_type)));
        }
        let after = (!ours.types.is_empty()).then(|| Marker { owner: self.owner.clone(), types: ours.types });
        let after = self.marker_rrset(after.as_ref(), ours.marker);
        let marker_key = RrsetKey::new(marker_name, RecordType::TXT);
        changes.extend(Change::between(marker_key.clone(), ours.marker, after.as_ref()));
        if changes.is_empty() {
            return None;
        }
        let guard = match ours.marker {
            None => Prerequisite::Absent(marker_key),
            Some(marker) => Prerequisite::Exactly(marker_key, marker.clone()),
        };
        let absent = ours.claimed.iter().map(|&claimed| Prerequisite::Absent(RrsetKey::new(name.clone(), claimed)));
        let prerequisites = std::iter::once(guard).chain(absent).collect();
        Some(NameUpdate { name: name.clone(), prerequisites, changes })
    }

    /// The marker as it shall be. One that says the same in other words stays as it is.
    fn marker_rrset(&self, marker: Option<&Marker>, live: Option<&Rrset>) -> Option<Rrset> {
        let wanted = marker?;
        if let Some(live) = live
            && live.ttl == self.marker_ttl
            && let [one] = live.rdatas()
            && Marker::from_rdata(one).as_ref() == Ok(wanted)
        {
            return Some(live.clone());
        }
        Rrset::new(self.marker_ttl, [wanted.to_rdata()])
    }

    /// Which wanted types are free to be claimed, and which foreign RRsets are in the way.
    fn claims(
        &self,
        name: &Name,
        wanted: &BTreeMap<RecordType, Rrset>,
        owned: &BTreeSet<RecordType>,
    ) -> (BTreeSet<RecordType>, Vec<Vec<Record>>) {
        let (mut claimed, mut foreign) = (BTreeSet::new(), Vec::new());
        for (&record_type, rrset) in wanted.iter().filter(|(record_type, _)| !owned.contains(record_type)) {
            match self.live.rrset(name, record_type) {
                None => {
                    claimed.insert(record_type);
                }
                Some(live) if satisfies(record_type, live, rrset) => {}
                Some(live) => foreign.push(records(name, live)),
            }
        }
        (claimed, foreign)
    }

    fn is_satisfied(&self, name: &Name, wanted: &BTreeMap<RecordType, Rrset>) -> bool {
        let says_it = |(&record_type, rrset): (&RecordType, &Rrset)| {
            self.live.rrset(name, record_type).is_some_and(|live| satisfies(record_type, live, rrset))
        };
        wanted.iter().all(says_it)
    }

    /// What makes publishing at a name pointless, whoever owns it.
    fn unpublishable(&self, name: &Name) -> Option<Obstacle> {
        let first = |name: &Name, record_type| {
            let rrset = self.live.rrset(name, record_type)?;
            records(name, rrset).into_iter().next()
        };
        if let Some(alias) = first(name, RecordType::CNAME) {
            return Some(Obstacle::Alias(alias));
        }
        let mut ancestor = Some(name.clone());
        while let Some(at) = ancestor.filter(|at| at.is_within(self.live.origin())) {
            let delegated = (at != *self.live.origin()).then(|| first(&at, RecordType::NS)).flatten();
            let redirected = (at != *name).then(|| first(&at, RecordType::DNAME)).flatten();
            if let Some(record) = delegated.or(redirected) {
                return Some(Obstacle::Hidden(record));
            }
            ancestor = at.parent();
        }
        None
    }
}

/// What is ours at a name, now and after the update.
struct Ours<'a> {
    owned: &'a BTreeSet<RecordType>,
    claimed: &'a BTreeSet<RecordType>,
    types: BTreeSet<RecordType>,
    marker: Option<&'a Rrset>,
}

/// A foreign address record that already says what we want satisfies us, whatever its TTL.
fn satisfies(record_type: RecordType, live: &Rrset, wanted: &Rrset) -> bool {
    matches!(record_type, RecordType::A | RecordType::AAAA) && live.rdatas() == wanted.rdatas()
}

fn records(name: &Name, rrset: &Rrset) -> Vec<Record> {
    let record = |rdata: &crate::model::Rdata| Record { name: name.clone(), ttl: rrset.ttl, rdata: rdata.clone() };
    rrset.rdatas().iter().map(record).collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
