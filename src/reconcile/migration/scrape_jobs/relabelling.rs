//! What rules of `relabel_configs` do to targets, as far as that can be told without them.

use std::collections::BTreeMap;

use crate::model::prometheus::{Relabel, RelabelAction};

/// A label that a rule sets to the same value for every target.
pub(super) fn constant(rule: &Relabel) -> Option<(&str, &str)> {
    let Relabel { source_labels, target_label, replacement, action, regex, .. } = rule;
    let is_constant = *action == RelabelAction::Replace && source_labels.is_empty() && regex == "(.*)";
    let is_plain = !replacement.contains('$') && !replacement.is_empty();
    let is_label = !target_label.is_empty() && !target_label.starts_with("__") && target_label != "job";
    (is_constant && is_plain && is_label).then_some((target_label, replacement))
}

/// All such labels. Of several rules for one, the last wins.
pub(super) fn constants(rules: &[Relabel]) -> BTreeMap<&str, &str> {
    rules.iter().filter_map(constant).collect()
}

/// Whether a rule may drop targets.
pub(super) fn drops_targets(rule: &Relabel) -> bool {
    use RelabelAction::{Drop, DropEqual, Keep, KeepEqual};
    matches!(rule.action, Keep | Drop | KeepEqual | DropEqual)
}
