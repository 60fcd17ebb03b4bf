//! Who is listed, service by service, and for how long those stay who are not in force any more.
//!
//! An instance that is gone from the catalogue may have been taken out on purpose, or its source may have gone missing. The
//! guard of its zone decides that, and so this list goes by the guard: whoever leaves the catalogue stays in it, with
//! the labels they had, until a plan for their zone was made or let pass that does not have them. What DNS keeps
//! answering is kept here, and what a person accepts there leaves here. Whom DNS never had, [`Terms`] judge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::json;
use super::label;
use super::leave::{Seen, Stays, Terms};
use super::selection::Selection;
use super::target::Target;
use crate::model::{Condition, Name, Outcome, ServiceKey, ZoneStatus};

/// Everybody who is listed.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    services: BTreeMap<ServiceKey, Entry>,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    in_force: Vec<Arc<Target>>,
    /// Who is not in force any more, and stays for now.
    kept: Vec<Arc<Target>>,
    /// Both, as they are listed.
    listed: Arc<[Arc<Target>]>,
}

impl Roster {
    /// Who was listed when that was written down last. All of them stay until it is known who is in force and the guards
    /// have spoken; those of zones that are managed no more have gone.
    pub fn restored(targets: Vec<Target>, zones: &[Name]) -> Self {
        let mut roster = Self::default();
        for target in targets {
            let key = target.service().filter(|key| zones.contains(&key.zone));
            if let Some(key) = key {
                roster.services.entry(key).or_default().kept.push(Arc::new(target));
            }
        }
        for entry in roster.services.values_mut() {
            entry.list();
        }
        roster
    }

    /// Takes in who offers a service now. Whether the list is another by that.
    pub fn set(&mut self, key: &ServiceKey, in_force: Vec<Target>) -> bool {
        if in_force.is_empty() && !self.services.contains_key(key) {
            return false;
        }
        let entry = self.services.entry(key.clone()).or_default();
        let addresses: BTreeSet<_> = in_force.iter().map(Target::endpoint).collect();
        let before = std::mem::replace(&mut entry.in_force, in_force.into_iter().map(Arc::new).collect());
        entry.kept.extend(before);
        entry.kept.retain(|kept| !addresses.contains(&kept.endpoint()));
        entry.list()
    }

    /// Says of these what was said before where it is said now that they fail: when most of what is checked fails at once,
    /// that is no news of them.
    pub fn doubt_failures(&self, key: &ServiceKey, targets: &mut [Target]) {
        let listed = self.services.get(key).into_iter().flat_map(|entry| entry.listed.iter());
        let before: BTreeMap<_, _> =
            listed.filter_map(|target| Some((target.endpoint(), target.label(label::HEALTH)?))).collect();
        for target in
            targets.iter_mut().filter(|target| target.label(label::HEALTH) == Some(Condition::Failing.as_str()))
        {
            if let Some(before) = before.get(&target.endpoint()) {
                target.labels.insert(label::HEALTH.into(), (*before).into());
            }
        }
    }

    /// Lets those go who are not in force any more, of the services of which `may_go` says so: at once who was in DNS and is
    /// not any more (`gone`), and the others when the terms of their zone allow it. Whether somebody went, and why others
    /// stay, zone by zone.
    pub fn release<'t>(
        &mut self,
        gone: &BTreeSet<Seen>,
        may_go: impl Fn(&ServiceKey) -> bool,
        terms: impl Fn(&Name) -> Option<Terms<'t>>,
    ) -> (bool, BTreeMap<Name, Stays>) {
        let mut counts = BTreeMap::new();
        let mut has_changed = false;
        for (key, entry) in &mut self.services {
            if !entry.kept.is_empty() && may_go(key) {
                entry.kept.retain(|kept| !gone.contains(&(key.clone(), kept.endpoint())));
                has_changed |= entry.list();
            }
            let (leaving, listed) = counts.entry(key.zone.clone()).or_insert((0, 0));
            *leaving += if may_go(key) { entry.kept.len() } else { 0 };
            *listed += entry.listed.len();
        }
        counts.retain(|_, (leaving, _)| *leaving > 0);
        let refused = |(zone, (leaving, listed)): (Name, (usize, usize))| {
            let stays = terms(&zone)?.refuse(leaving, listed)?;
            Some((zone, stays))
        };
        let stay: BTreeMap<_, _> = counts.into_iter().filter_map(refused).collect();
        let leaves = |key: &ServiceKey, entry: &Entry| {
            !entry.kept.is_empty() && may_go(key) && terms(&key.zone).is_some() && !stay.contains_key(&key.zone)
        };
        for (_, entry) in self.services.iter_mut().filter(|(key, entry)| leaves(key, entry)) {
            entry.kept.clear();
            has_changed |= entry.list();
        }
        self.services.retain(|_, entry| !entry.listed.is_empty());
        (has_changed, stay)
    }

    /// The zones in which somebody is kept who was registered.
    pub fn keeps_registered(&self) -> BTreeSet<Name> {
        let registered = |entry: &Entry| entry.kept.iter().any(|kept| kept.label(label::SOURCE) == Some("registered"));
        let services = self.services.iter().filter(|(_, entry)| registered(entry));
        services.map(|(key, _)| key.zone.clone()).collect()
    }

    /// Whether it is in force now.
    pub fn is_in_force(&self, (key, endpoint): &Seen) -> bool {
        let entry = self.services.get(key);
        entry.is_some_and(|entry| entry.in_force.iter().any(|target| target.endpoint() == *endpoint))
    }

    /// The services of which somebody is listed.
    pub fn services(&self) -> impl Iterator<Item = &ServiceKey> {
        self.services.keys()
    }

    /// How many stay that are not in force any more.
    pub fn kept(&self) -> usize {
        self.services.values().map(|entry| entry.kept.len()).sum()
    }

    /// The list as it is now.
    pub fn listing(&self) -> Listing {
        let services = self.services.iter().map(|(key, entry)| (key.clone(), Arc::clone(&entry.listed)));
        Listing { services: services.collect() }
    }

    /// Whether a plan for this zone was judged that has in it everything that was told to the zone's task, and nothing of it
    /// waits for a person: then who is not in force has gone on purpose.
    pub fn lets_go(zone: &ZoneStatus) -> bool {
        zone.held.is_none() && matches!(zone.outcome, Outcome::InSync | Outcome::Incomplete)
    }
}

impl Entry {
    /// Lists everybody anew; whether the list is another.
    fn list(&mut self) -> bool {
        let mut listed: Vec<_> = self.in_force.iter().chain(&self.kept).cloned().collect();
        if !self.kept.is_empty() {
            listed.sort_by_cached_key(|target| place(target));
        }
        let has_changed = *self.listed != listed[..];
        if has_changed {
            self.listed = listed.into();
        }
        has_changed
    }
}

/// What targets of a service are sorted by: the host as DNS sorts names, and the port.
fn place(target: &Target) -> (Option<Name>, u16) {
    let (host, port) = target.address.rsplit_once(':').unwrap_or((&target.address, ""));
    (host.parse().ok(), port.parse().unwrap_or(0))
}

/// The list at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    services: BTreeMap<ServiceKey, Arc<[Arc<Target>]>>,
}

impl Listing {
    /// How many targets there are.
    pub fn len(&self) -> usize {
        self.services.values().map(|targets| targets.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Whether there are services that are wanted, and none of them may be seen.
    pub fn hides(&self, selection: &Selection, may_see: impl Fn(&ServiceKey) -> bool) -> bool {
        let mut wanted = self.services.keys().filter(|key| selection.takes_service(key)).peekable();
        wanted.peek().is_some() && !wanted.any(may_see)
    }

    /// Those that are wanted and may be seen, sorted by service, host and port.
    pub fn selected<'l>(
        &'l self,
        selection: &'l Selection,
        may_see: impl Fn(&ServiceKey) -> bool + 'l,
    ) -> impl Iterator<Item = &'l Target> {
        let services = self.services.iter().filter(move |(key, _)| selection.takes_service(key) && may_see(key));
        services
            .flat_map(|(_, targets)| targets.iter())
            .map(|target| &**target)
            .filter(|target| selection.takes(target))
    }

    /// The same as the body of an answer: the JSON of `http_sd` and `file_sd`.
    pub fn json(&self, selection: &Selection, may_see: impl Fn(&ServiceKey) -> bool) -> Vec<u8> {
        json::written(self.selected(selection, may_see))
    }
}
