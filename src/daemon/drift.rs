//! What somebody else changed among our records: told by what is to do after the zone was read, and was not before.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Name;
use crate::protocol::update::NameUpdate;
use crate::reconcile::Reconciler;

/// What was known to be to do, or to be in the way, before the zone was read.
pub(super) struct Before(BTreeSet<Name>);

impl Before {
    pub(super) fn reading(reconciler: &Reconciler) -> Self {
        let obstructed = reconciler.conflicts().map(|conflict| conflict.name);
        Self(reconciler.pending().into_iter().chain(obstructed).collect())
    }
}

/// Names to repair, with the number of records at each that are not as they shall be.
#[derive(Debug, Default)]
pub(super) struct Drift(BTreeMap<Name, usize>);

impl Drift {
    /// Takes in what is to do after a reading, beyond what was to do before.
    pub(super) fn note(&mut self, reconciler: &Reconciler, before: &Before) {
        for name in reconciler.pending().into_iter().filter(|name| !before.0.contains(name)) {
            if let Some(update) = reconciler.update(&name) {
                self.0.insert(name, records(&update));
            }
        }
    }

    /// The records at names where nothing is to do any more. The others stay noted.
    pub(super) fn repaired(&mut self, reconciler: &Reconciler) -> usize {
        let is_pending = |name: &Name, _: &mut usize| !reconciler.is_pending(name);
        self.0.extract_if(.., is_pending).map(|(_, records)| records).sum()
    }
}

/// A record that was exchanged for another is one.
fn records(update: &NameUpdate) -> usize {
    let changes = update.changes.iter().map(|change| change.operations());
    changes.map(|(deleted, added)| deleted.len().max(added.len())).sum()
}
