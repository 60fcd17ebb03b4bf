//! The difference between what shall be and what is, kept up to date: a change on either side costs work in
//! proportion to the names that it touches, not to the zone.
//!
//! Only names are remembered for what is still to do. The update of a name follows from what shall be and what is
//! there, and is made when it is looked at, so that a plan for a whole zone is no second copy of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::browse::{self, Browsed, Planned};
use super::desired::{Desired, Wanted};
use super::guard::MissingSource;
use super::holdings::Holdings;
use super::moved::{self, Moved, Version};
use super::obstacle::{Conflict, Obstacle};
use super::ownership::{self, is_marker};
use super::plan::{self, Plan, Step};
use super::shards::{self, Joint};
use crate::model::browse::browsed_service;
use crate::model::{
    MAX_SHARDS, Marker, Mismatch, Name, NameMap, OwnerId, Record, RecordType, Rrset, Service, Sets, Zone,
};
use crate::protocol::update::NameUpdate;

/// How much was looked at since the start; what a change costs is told in these, and not in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effort {
    /// Owner names compared with what shall be there.
    pub names_examined: u64,
    /// Records at these names, wanted or live.
    pub records_compared: u64,
}

/// One zone as it is, what it shall hold, and the difference.
#[derive(Debug, Clone)]
pub struct Reconciler {
    pub(super) owner: OwnerId,
    pub(super) desired: Desired,
    pub(super) live: Zone,
    holdings: Holdings,
    /// Names to be examined: something changed there.
    dirty: BTreeSet<Name>,
    pending: NameMap<Pending>,
    conflicts: BTreeMap<Name, Vec<Obstacle>>,
    /// Names that were seen together for who browses, by the own names of their services, which are not among them.
    browsed: BTreeMap<Name, BTreeSet<Name>>,
    /// Services whose names were seen together when they were last examined, by their own names.
    joint: BTreeSet<Name>,
    /// What stays as it is because of a refused service, by the service's own name.
    untouched: BTreeMap<Name, BTreeSet<Name>>,
    /// Whether a difference was made in part and then did not fit.
    torn: bool,
    moved: Moved,
    effort: Effort,
}

/// A name that is not as it shall be.
#[derive(Debug, Clone)]
struct Pending {
    /// Whether its update deletes records, markers apart.
    deletes: bool,
    /// The update, when it follows from more than this one name.
    joint: Option<Box<NameUpdate>>,
    /// Whether another name's update has to come first.
    waits: bool,
}

/// How a name was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// By itself.
    Alone,
    /// Together with the other names of its service.
    Joint,
    /// So too, and another name comes first.
    Waiting,
}

impl Reconciler {
    /// Compares the whole zone.
    pub fn new(owner: OwnerId, desired: Desired, live: Zone) -> Self {
        let mut new = Self {
            owner,
            desired,
            live,
            holdings: Holdings::default(),
            dirty: BTreeSet::new(),
            pending: NameMap::default(),
            conflicts: BTreeMap::new(),
            browsed: BTreeMap::new(),
            joint: BTreeSet::new(),
            untouched: BTreeMap::new(),
            torn: false,
            moved: Moved::default(),
            effort: Effort::default(),
        };
        new.compare_everything();
        new
    }

    /// The zone as it is known.
    pub fn live(&self) -> &Zone {
        &self.live
    }

    /// What the zone shall hold.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// What the zone shall hold, of which nothing stays here.
    #[must_use]
    pub fn take_desired(&mut self) -> Desired {
        self.desired.take()
    }

    /// How much was looked at since the start.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// How many owner names in the zone carry our marker.
    pub fn owned_names(&self) -> usize {
        self.holdings.names
    }

    /// How many records at these names are ours, markers not counted.
    pub fn owned_records(&self) -> usize {
        self.holdings.records
    }

    /// How many of them the guard counts: those that are there for who browses repeat the others.
    pub(super) fn guarded_records(&self) -> usize {
        self.holdings.records - self.holdings.uncounted
    }

    /// Every owner name in the zone that carries our marker, in no order.
    pub fn ours(&self) -> impl Iterator<Item = &Name> {
        self.live.unmarked_names().filter(|name| ownership::owned_at(&self.owner, &self.live, name).is_some())
    }

    /// How many RRsets in the zone are ours, markers not counted.
    pub fn count_ours(&self) -> usize {
        let count = |name: &Name| {
            moved::types_at(&self.owner, &self.live, name).iter().filter(|kind| self.has(name, **kind)).count()
        };
        self.live.unmarked_names().map(count).sum()
    }

    fn has(&self, name: &Name, record_type: RecordType) -> bool {
        self.live.at(name).is_some_and(|sets| sets.contains(record_type))
    }

    /// The RRsets that are ours at a name, as they are in the zone.
    pub fn ours_at(&self, name: &Name) -> impl Iterator<Item = Rrset> {
        let types = moved::types_at(&self.owner, &self.live, name);
        types.into_iter().filter_map(|record_type| self.live.rrset(name, record_type))
    }

    /// What of ours changed in the zone since this was last called.
    #[must_use]
    pub fn take_moved(&mut self) -> Moved {
        std::mem::take(&mut self.moved)
    }

    /// Whether there is nothing to do and nothing in the way.
    pub fn is_in_sync(&self) -> bool {
        self.pending.is_empty() && self.conflicts.is_empty()
    }

    /// Whether what is known of the zone is a mixture of two versions, and good for nothing: a difference did
    /// [not fit](Self::advance), and the zone has not been read anew since.
    pub fn is_torn(&self) -> bool {
        self.torn
    }

    /// The zone was read anew.
    pub fn replace_zone(&mut self, live: Zone) {
        self.moved.note_replaced(&self.owner, &self.live, &live);
        self.live = live;
        self.torn = false;
        self.compare_everything();
    }

    /// The zone moved on by one difference sequence of an incremental transfer. Call [`examine`](Self::examine)
    /// after the last.
    ///
    /// # Errors
    /// When the difference does not fit the zone: then this is [torn](Self::is_torn), and must not be used any more
    /// before [`replace_zone`](Self::replace_zone).
    pub fn advance(&mut self, deleted: &[Record], added: &[Record], soa: &Record) -> Result<(), Mismatch> {
        let records = || deleted.iter().chain(added);
        let touched: BTreeSet<Name> = records().flat_map(|record| concerned(&record.name)).collect();
        touched.iter().for_each(|name| self.holdings.leave(&self.owner, &self.live, name));
        let all: Vec<_> = records().collect();
        self.moved.note(&self.owner, &self.live, Version::Before, &all);
        self.torn = true;
        self.live.advance(deleted, added, soa)?;
        self.torn = false;
        self.moved.note(&self.owner, &self.live, Version::After, &all);
        for name in &touched {
            self.holdings.enter(&self.owner, &self.live, name);
        }
        self.dirty.extend(touched);
        for record in records() {
            let hides = [RecordType::NS, RecordType::DNAME].contains(&record.rdata.record_type());
            if hides && record.name != *self.live.origin() {
                self.dirty.extend(
                    self.known_names().filter(|name| name.is_within(&record.name)).cloned().collect::<Vec<_>>(),
                );
            }
        }
        Ok(())
    }

    /// Every name at which something is there, wanted or planned.
    fn known_names(&self) -> impl Iterator<Item = &Name> {
        let planned = self.pending.unsorted().map(|(name, _)| name).chain(self.conflicts.keys());
        self.live.unmarked_names().chain(self.desired.names()).chain(planned)
    }

    /// Exchanges a desired service, by its own name, for another version of it or for nothing. Call
    /// [`examine`](Self::examine) after the last.
    pub fn set_service(&mut self, own_name: &Name, service: Option<Arc<Service>>) {
        self.dirty.extend(self.desired.set(own_name, service));
    }

    /// Sources from which nothing came at all.
    pub fn set_missing_sources(&mut self, sources: Vec<MissingSource>) {
        self.desired.missing_sources = sources;
    }

    /// Looks at every name where something changed.
    pub fn examine(&mut self) {
        while !self.dirty.is_empty() {
            let mut seen_together = BTreeSet::new();
            for name in std::mem::take(&mut self.dirty) {
                let own_name = own_name_of(&name, self.live.origin());
                if !self.is_joint(&own_name) && !self.joint.contains(&own_name) {
                    self.examine_name(&name);
                } else if seen_together.insert(own_name.clone()) {
                    self.examine_service(&own_name);
                }
            }
        }
    }

    /// Names at which something is to do, in canonical order.
    pub fn pending(&self) -> Vec<Name> {
        self.pending.sorted().into_iter().map(|(name, _)| name.clone()).collect()
    }

    /// Whether something is to do at a name.
    pub fn is_pending(&self, name: &Name) -> bool {
        self.pending.contains(name)
    }

    /// Whether what is to do at a name has to wait until another name's update shows in the zone.
    pub fn waits(&self, name: &Name) -> bool {
        self.pending.get(name).is_some_and(|pending| pending.waits)
    }

    /// How many there are.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// What is to do at those of them where records are deleted.
    pub fn deleting(&self) -> impl Iterator<Item = NameUpdate> {
        let mut names: Vec<_> = self.pending.unsorted().filter(|(_, pending)| pending.deletes).collect();
        names.sort_unstable_by_key(|(name, _)| *name);
        names.into_iter().filter_map(|(name, _)| self.update(name))
    }

    /// What is to do at a name.
    pub fn update(&self, name: &Name) -> Option<NameUpdate> {
        let pending = self.pending.get(name)?;
        pending.joint.as_deref().cloned().or_else(|| self.step(name, &self.desired.at(name)).update)
    }

    /// What stands in the way, in canonical order of names.
    pub fn conflicts(&self) -> impl Iterator<Item = Conflict> {
        let named = |(name, obstacles): (&Name, &Vec<Obstacle>)| -> Vec<Conflict> {
            obstacles.iter().cloned().map(|obstacle| Conflict { name: name.clone(), obstacle }).collect()
        };
        self.conflicts.iter().flat_map(named)
    }

    /// All of it, to be shown.
    pub fn plan(&self) -> Plan {
        Plan {
            zone: self.live.origin().clone(),
            serial: self.live.serial(),
            updates: self.pending().iter().filter_map(|name| self.update(name)).collect(),
            conflicts: self.conflicts().collect(),
            owned_names: self.holdings.names,
            owned_records: self.holdings.records,
        }
    }

    fn compare_everything(&mut self) {
        self.holdings = Holdings::default();
        self.pending.clear();
        self.conflicts.clear();
        self.browsed.clear();
        self.joint.clear();
        self.untouched.clear();
        self.dirty = self.desired.names().cloned().collect();
        for name in self.live.unmarked_names() {
            let is_ours = self.holdings.enter(&self.owner, &self.live, name);
            if is_ours && !self.desired.contains(name) {
                self.dirty.insert(name.clone());
            }
        }
        self.examine();
    }

    /// Whether the names of a service have to be seen together.
    fn is_joint(&self, own_name: &Name) -> bool {
        self.holdings.has_shards(own_name)
            || self.desired.is_sharded(own_name)
            || self.desired.is_browsed(own_name)
            || self.holdings.browsed(own_name).is_some()
            || self.desired.refusal(own_name).or(self.desired.unlisted(own_name)).is_some()
    }

    fn examine_name(&mut self, name: &Name) {
        let wanted = self.desired.at(name);
        if self.is_plain_addition(name, &wanted) {
            self.count(name, &wanted);
            self.pending.insert(name.clone(), Pending { deletes: false, joint: None, waits: false });
            self.conflicts.remove(name);
            return;
        }
        if let Some(refusal) = self.desired.too_many_types(name, &wanted) {
            self.settle(name, Step { update: None, obstacles: vec![Obstacle::Refused(refusal)] }, Kind::Alone);
            return;
        }
        let is_untouched = || self.desired.is_frozen(name) || self.untouched.values().any(|all| all.contains(name));
        let mut step = if wanted.is_empty() && is_untouched() { Step::default() } else { self.step(name, &wanted) };
        if self.desired.is_meta(name) {
            browse::tell_shared_list(&mut step.obstacles, name, &wanted, &self.live);
        }
        self.count(name, &wanted);
        self.settle(name, step, Kind::Alone);
    }

    /// Whether it is plain that a name is to be added, without a look at how: nothing is there or in the way, and it
    /// is far from too large.
    fn is_plain_addition(&self, name: &Name, wanted: &Wanted) -> bool {
        const FEW: usize = 100;
        let free = self.live.at(name).is_none() && self.live.marker_of(name).is_none() && !self.live.hides_names();
        let small = |set: &Rrset| set.rdatas().len() <= FEW && set.record_type() != RecordType::TXT;
        free && !wanted.is_empty() && wanted.values().all(small) && Marker::name_for(name).is_ok()
    }

    fn examine_service(&mut self, own_name: &Name) {
        let live = shards::published(&self.owner, &self.live, own_name, self.holdings.shards(own_name));
        let joint = shards::joint(&self.desired, own_name, &live);
        let mut names: BTreeSet<Name> = joint.names.keys().cloned().collect();
        let service = shards::key_of(own_name, self.live.origin());
        let known = |name: &Name| self.pending.contains(name) || self.conflicts.contains_key(name);
        for shard in 0..MAX_SHARDS {
            let name = service.as_ref().and_then(|service| service.shard_name(shard).ok());
            names.extend(name.filter(|name| shard == 0 || live.contains_key(&shard) || known(name)));
        }
        let wish = self.desired.browsed(own_name);
        let mut browsed = self.plan_browsed(own_name, &wish, &joint);
        names.extend(browsed.keys().cloned());
        for name in names {
            let planned = browsed.remove(&name);
            // All of a service is not made anew for each of its instances.
            let wanted = match (&planned, joint.names.get(&name)) {
                (Some(_), _) => wish.at(&name),
                (None, Some(wanted)) => wanted.clone(),
                (None, None) => self.desired.at(&name),
            };
            let (mut step, kind) = match (&joint.refused, planned) {
                (Some(refusal), _) if name == *own_name => {
                    (Step { update: None, obstacles: vec![Obstacle::Refused(refusal.clone())] }, Kind::Joint)
                }
                (_, Some(planned)) => (planned.step, if planned.waits { Kind::Waiting } else { Kind::Joint }),
                _ if joint.untouched.contains(&name) => (Step::default(), Kind::Joint),
                _ => (self.step(&name, &wanted), Kind::Joint),
            };
            let unlisted = self.desired.unlisted(own_name).filter(|_| name == *own_name);
            step.obstacles.extend(unlisted.cloned().map(Obstacle::Refused));
            let unnamed = wish.unnamed.clone().filter(|_| name == *own_name);
            step.obstacles.extend(unnamed.map(|(first, count)| Obstacle::Unnamed { first, count }));
            self.count(&name, &wanted);
            self.settle(&name, step, kind);
        }
        if self.is_joint(own_name) {
            self.joint.insert(own_name.clone());
        } else {
            self.joint.remove(own_name);
        }
        let before = self.untouched.remove(own_name).unwrap_or_default();
        self.dirty.extend(before.symmetric_difference(&joint.untouched).filter(|name| !is_service(name)).cloned());
        if !joint.untouched.is_empty() {
            self.untouched.insert(own_name.clone(), joint.untouched);
        }
    }

    /// What is to do at the names that a service has for who browses, those too at which nothing is left to do.
    fn plan_browsed(&mut self, own_name: &Name, wanted: &Browsed, joint: &Joint) -> BTreeMap<Name, Planned> {
        let nothing = BTreeSet::new();
        let owned = self.holdings.browsed(own_name).unwrap_or(&nothing);
        let mut known = self.browsed.remove(own_name).unwrap_or_default();
        let mut planned = BTreeMap::new();
        if joint.refused.is_some() {
            known.extend(owned.iter().filter(|name| *name != own_name).cloned());
        } else if !owned.is_empty() || self.desired.is_browsed(own_name) {
            let mut beside = joint.names.get(own_name).cloned().unwrap_or_else(|| self.desired.at(own_name));
            beside.remove(&RecordType::PTR);
            let (owner, live, policy) = (&self.owner, &self.live, self.desired.policy());
            let (marker_ttl, limit) = (policy.ttl, policy.max_records_per_rrset);
            planned = browse::Sight { owner, live, marker_ttl, own_name, wanted, owned, limit }.steps(&beside);
            self.browsed.insert(own_name.clone(), planned.keys().filter(|name| *name != own_name).cloned().collect());
        }
        for name in known {
            planned.entry(name).or_default();
        }
        planned
    }

    fn step(&self, name: &Name, wanted: &Wanted) -> Step {
        plan::at(&self.owner, self.desired.policy().ttl, &self.live, name, wanted)
    }

    fn settle(&mut self, name: &Name, step: Step, kind: Kind) {
        match step.update {
            None => {
                self.pending.remove(name);
            }
            Some(update) => {
                let data = update.changes.iter().filter(|change| !is_marker(change));
                let deletes = data.into_iter().any(|change| !change.operations().0.is_empty());
                let (waits, joint) = (kind == Kind::Waiting, (kind != Kind::Alone).then(|| Box::new(update)));
                self.pending.insert(name.clone(), Pending { deletes, joint, waits });
            }
        }
        if step.obstacles.is_empty() {
            self.conflicts.remove(name);
        } else {
            self.conflicts.insert(name.clone(), step.obstacles);
        }
    }

    fn count(&mut self, name: &Name, wanted: &Wanted) {
        self.effort.names_examined += 1;
        let live = self.live.at(name).map_or(0, Sets::record_count);
        let wanted: usize = wanted.values().map(|set| set.rdatas().len()).sum();
        self.effort.records_compared += (live + wanted) as u64;
    }
}

/// The names that a record at a name is about: a marker is about another, and what looks like one may be a service.
fn concerned(name: &Name) -> impl Iterator<Item = Name> {
    let own = (!Marker::is_only_marker(name)).then(|| name.clone());
    Marker::marked_name(name).into_iter().chain(own)
}

/// The own name of the service that a name belongs to, as a shard or for who browses; the name itself otherwise.
fn own_name_of(name: &Name, zone: &Name) -> Name {
    browsed_service(name, zone).unwrap_or_else(|| shards::own_name_of(name, zone))
}

/// Services' names begin with an underscore, hosts' never do.
fn is_service(name: &Name) -> bool {
    name.labels().next().is_some_and(|label| label.starts_with(b"_"))
}

#[cfg(test)]
#[path = "reconciler_tests.rs"]
mod tests;
