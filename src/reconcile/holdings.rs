//! What of a zone is ours, counted once and then kept up to date name by name.

use std::collections::{BTreeMap, BTreeSet};

use super::ownership;
use crate::model::{Name, OwnerId, Zone, shard_of};

/// What of a zone is ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Holdings {
    /// How many owner names carry our marker.
    pub(super) names: usize,
    /// How many records at these names are ours, markers not counted.
    pub(super) records: usize,
    /// The numbers of the shards that are ours, 0 apart, by the service's own name.
    shards: BTreeMap<Name, BTreeSet<usize>>,
}

impl Holdings {
    /// Counts a name that shows up, or shows up changed, when it is ours; says whether it is.
    pub(super) fn enter(&mut self, owner: &OwnerId, live: &Zone, name: &Name) -> bool {
        let Some(owned) = ownership::owned_at(owner, live, name) else { return false };
        self.names += 1;
        self.records += owned.records;
        if let Some((own_name, shard)) = shard_of(name, live.origin()) {
            self.shards.entry(own_name).or_default().insert(shard);
        }
        true
    }

    /// Forgets a name that is about to change or go.
    pub(super) fn leave(&mut self, owner: &OwnerId, live: &Zone, name: &Name) {
        let Some(owned) = ownership::owned_at(owner, live, name) else { return };
        self.names -= 1;
        self.records -= owned.records;
        if let Some((own_name, shard)) = shard_of(name, live.origin())
            && let Some(shards) = self.shards.get_mut(&own_name)
        {
            shards.remove(&shard);
            if shards.is_empty() {
                self.shards.remove(&own_name);
            }
        }
    }

    /// Whether a service has shards that are ours.
    pub(super) fn has_shards(&self, own_name: &Name) -> bool {
        self.shards.contains_key(own_name)
    }

    /// The numbers of a service's names that may be ours, its own name's among them.
    pub(super) fn shards(&self, own_name: &Name) -> impl Iterator<Item = usize> {
        std::iter::once(0).chain(self.shards.get(own_name).into_iter().flatten().copied())
    }
}
