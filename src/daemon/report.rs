//! What a zone's state comes to in the words of the status.

use crate::model::HeldStatus;
use crate::reconcile::{Guarded, Reconciler, SetAside, losing_names};

/// What stands in the way, name by name, each with the way out.
pub(super) fn problems(reconciler: &Reconciler, aside: &SetAside) -> Vec<String> {
    let conflicts = reconciler.conflicts().map(|conflict| format!("{}: {}", conflict.name, conflict.obstacle));
    let refused = aside.reasons().map(|(name, reason)| format!("{name}: {reason}"));
    conflicts.chain(refused).collect()
}

/// What the guard holds, for people and for JSON.
pub fn held(reconciler: &Reconciler, guarded: &Guarded) -> Option<HeldStatus> {
    let held = guarded.held.as_ref()?;
    Some(HeldStatus {
        id: held.id.to_string(),
        reasons: held.reasons.iter().map(ToString::to_string).collect(),
        removed: held.removed,
        names: losing_names(reconciler).into_iter().map(|(name, _)| name).collect(),
        additions_proceed: held.additions_proceed,
        no_room: held.full.clone(),
    })
}
