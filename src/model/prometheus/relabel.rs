//! One rule of `relabel_configs`, with Prometheus' defaults filled in.

use std::fmt;
use std::str::FromStr;

use crate::model::rules::Refusal;

/// One rule of `relabel_configs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relabel {
    /// Labels whose values are joined.
    pub source_labels: Vec<String>,
    /// What they are joined with; `;` unless written otherwise.
    pub separator: String,
    /// What the joined value has to match as a whole; `(.*)` unless written otherwise. Not compiled, and perhaps wrong.
    pub regex: String,
    /// For `hashmod`.
    pub modulus: u64,
    /// The label that is set; empty where the action has none.
    pub target_label: String,
    /// What it is set to, with `$1` for what was matched; `$1` unless written otherwise.
    pub replacement: String,
    /// What is done.
    pub action: RelabelAction,
}

impl Default for Relabel {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: ";".to_owned(),
            regex: "(.*)".to_owned(),
            modulus: 0,
            target_label: String::new(),
            replacement: "$1".to_owned(),
            action: RelabelAction::Replace,
        }
    }
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelabelAction {
    /// Sets `target_label` to `replacement` where the regex matches.
    Replace,
    /// Sets it to the source in lower case.
    Lowercase,
    /// Sets it to the source in upper case.
    Uppercase,
    /// Drops targets that do not match.
    Keep,
    /// Drops targets that match.
    Drop,
    /// Drops targets whose source is not the value of `target_label`.
    KeepEqual,
    /// Drops targets whose source is.
    DropEqual,
    /// Sets it to a hash of the source.
    HashMod,
    /// Copies labels whose name matches.
    LabelMap,
    /// Removes labels whose name matches.
    LabelDrop,
    /// Removes labels whose name does not match.
    LabelKeep,
}

impl RelabelAction {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Replace,
        Self::Lowercase,
        Self::Uppercase,
        Self::Keep,
        Self::Drop,
        Self::KeepEqual,
        Self::DropEqual,
        Self::HashMod,
        Self::LabelMap,
        Self::LabelDrop,
        Self::LabelKeep,
    ];

    /// As in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::KeepEqual => "keepequal",
            Self::DropEqual => "dropequal",
            Self::HashMod => "hashmod",
            Self::LabelMap => "labelmap",
            Self::LabelDrop => "labeldrop",
            Self::LabelKeep => "labelkeep",
        }
    }
}

impl fmt::Display for RelabelAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RelabelAction {
    type Err = Refusal;

    /// In any case, as Prometheus takes it.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let known = Self::ALL.into_iter().find(|action| action.as_str().eq_ignore_ascii_case(text));
        let names = || Self::ALL.map(Self::as_str).join(", ");
        known.ok_or_else(|| Refusal::with_help(format!("`{text}` is no action of relabelling"), names()))
    }
}
