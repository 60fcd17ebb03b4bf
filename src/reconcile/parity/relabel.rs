//! `relabel_configs` carried out (prometheus `model/relabel/relabel.go`).

use std::collections::{BTreeMap, BTreeSet};

use super::re2;
use regex::{Captures, Regex, RegexBuilder};

use crate::model::prometheus::{Job, Relabel, RelabelAction};

/// Labels with their values; an empty value is none.
pub type Labels = BTreeMap<String, String>;

/// The rules of a job, ready to be applied.
pub(super) struct Rules<'j> {
    compiled: Vec<(&'j Relabel, Regex)>,
    /// What is not followed, in words.
    pub(super) notes: Vec<String>,
    /// Rules that are not understood: what becomes of targets is not known then.
    pub(super) problems: Vec<String>,
}

impl<'j> Rules<'j> {
    /// Of a hash nothing is known here, nor of what is made of it: it shares targets out between several Prometheus, and
    /// which of them this one has is no question of discovery.
    pub(super) fn of(job: &'j Job) -> Self {
        let mut rules = Self { compiled: Vec::new(), notes: Vec::new(), problems: Vec::new() };
        let mut hashed: BTreeSet<&str> = BTreeSet::new();
        for rule in &job.relabel {
            let is_hashed = rule.source_labels.iter().any(|label| hashed.contains(label.as_str()));
            if rule.action == RelabelAction::HashMod || is_hashed {
                hashed.insert(&rule.target_label);
                let note = "`hashmod` is not followed: every target is compared, whichever Prometheus has it";
                if !rules.notes.iter().any(|known| known == note) {
                    rules.notes.push(note.to_owned());
                }
                continue;
            }
            match RegexBuilder::new(&format!("^(?s:{})$", re2::translated(&rule.regex))).build() {
                Ok(regex) => rules.compiled.push((rule, regex)),
                Err(_) => {
                    let what = format!("a rule of `relabel_configs` is not understood: `{}`", rule.regex);
                    rules.problems.push(what);
                }
            }
        }
        rules
    }

    /// What becomes of a target; nothing of one that is dropped.
    pub(super) fn apply(&self, mut labels: Labels) -> Option<Labels> {
        for (rule, regex) in &self.compiled {
            labels = apply(rule, regex, labels)?;
        }
        Some(labels)
    }
}

fn apply(rule: &Relabel, regex: &Regex, mut labels: Labels) -> Option<Labels> {
    let value = |name: &String| labels.get(name).map_or("", String::as_str);
    let joined = rule.source_labels.iter().map(value).collect::<Vec<_>>().join(&rule.separator);
    let keeps = match rule.action {
        RelabelAction::Keep => regex.is_match(&joined),
        RelabelAction::Drop => !regex.is_match(&joined),
        RelabelAction::KeepEqual => value(&rule.target_label) == joined,
        RelabelAction::DropEqual => value(&rule.target_label) != joined,
        _ => true,
    };
    if !keeps {
        return None;
    }
    match rule.action {
        RelabelAction::Replace => {
            if let Some(captures) = regex.captures(&joined) {
                replace(rule, &captures, &mut labels);
            }
        }
        RelabelAction::Lowercase => set(&mut labels, rule.target_label.clone(), joined.to_lowercase()),
        RelabelAction::Uppercase => set(&mut labels, rule.target_label.clone(), joined.to_uppercase()),
        RelabelAction::LabelMap => {
            for (name, value) in labels.clone() {
                if let Some(captures) = regex.captures(&name) {
                    set(&mut labels, expanded(&captures, &rule.replacement), value);
                }
            }
        }
        RelabelAction::LabelDrop => labels.retain(|name, _| !regex.is_match(name)),
        RelabelAction::LabelKeep => labels.retain(|name, _| regex.is_match(name)),
        RelabelAction::Keep
        | RelabelAction::Drop
        | RelabelAction::KeepEqual
        | RelabelAction::DropEqual
        | RelabelAction::HashMod => {}
    }
    Some(labels)
}

fn replace(rule: &Relabel, captures: &Captures<'_>, labels: &mut Labels) {
    let target = expanded(captures, &rule.target_label);
    if is_label(&target) {
        set(labels, target, expanded(captures, &rule.replacement));
    }
}

fn set(labels: &mut Labels, name: String, value: String) {
    if value.is_empty() {
        labels.remove(&name);
    } else {
        labels.insert(name, value);
    }
}

fn expanded(captures: &Captures<'_>, template: &str) -> String {
    let mut text = String::new();
    captures.expand(template, &mut text);
    text
}

/// Prometheus' classic label names.
fn is_label(name: &str) -> bool {
    let is_inner = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    name.chars().all(is_inner) && name.starts_with(|first: char| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Place;

    fn job(relabel: Vec<Relabel>) -> Job {
        Job { relabel, ..Job::new("job".to_owned(), Place { file: "f".into(), line: 1, column: 1 }) }
    }

    fn rule(action: RelabelAction, sources: &[&str], regex: &str, target: &str, replacement: &str) -> Relabel {
        Relabel {
            source_labels: sources.iter().map(ToString::to_string).collect(),
            regex: regex.to_owned(),
            target_label: target.to_owned(),
            replacement: replacement.to_owned(),
            action,
            ..Relabel::default()
        }
    }

    fn after(rules: Vec<Relabel>, labels: &[(&str, &str)]) -> Option<String> {
        let job = job(rules);
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let labels = Rules::of(&job).apply(labels)?;
        Some(labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_prometheus_documents() {
        use RelabelAction as A;
        let one = |action, sources: &[&str], regex, target, replacement| {
            after(vec![rule(action, sources, regex, target, replacement)], &[("a", "foo"), ("b", "bar"), ("c", "Baz")])
        };
        let said = |text: &str| Some(text.to_owned());
        // The cases are those of prometheus' own documentation of each action.
        assert_eq!(one(A::Replace, &["a"], "f(.*)", "d", "ch${1}-ch$1"), said("a=foo b=bar c=Baz d=choo-choo"));
        assert_eq!(one(A::Replace, &["a", "b"], "foo;(b)ar", "d", "$1$1"), said("a=foo b=bar c=Baz d=bb"));
        assert_eq!(one(A::Replace, &["a"], "oo", "d", "x"), said("a=foo b=bar c=Baz"), "matches as a whole only");
        assert_eq!(one(A::Replace, &[], "(.*)", "d", "$$5"), said("a=foo b=bar c=Baz d=$5"));
        assert_eq!(one(A::Replace, &["a"], "(foo)", "a", ""), said("b=bar c=Baz"), "an empty value is none");
        assert_eq!(one(A::Replace, &["a"], "(f)(.*)", "${1}_$2", "x"), said("a=foo b=bar c=Baz f_oo=x"));
        assert_eq!(one(A::Replace, &["a"], "(.*)", "7$1", "x"), said("a=foo b=bar c=Baz"), "no label");
        assert_eq!(one(A::Keep, &["a"], "foo", "", ""), said("a=foo b=bar c=Baz"));
        assert_eq!(one(A::Keep, &["a"], "no-match", "", ""), None);
        assert_eq!(one(A::Drop, &["a"], ".*o.*", "", ""), None);
        assert_eq!(one(A::KeepEqual, &["a"], "(.*)", "b", ""), None);
        assert_eq!(one(A::DropEqual, &["a"], "(.*)", "b", ""), said("a=foo b=bar c=Baz"));
        assert_eq!(one(A::LabelMap, &[], "(b|c)", "", "m_${1}"), said("a=foo b=bar c=Baz m_b=bar m_c=Baz"));
        assert_eq!(one(A::LabelDrop, &[], "(b|c)", "", ""), said("a=foo"));
        assert_eq!(one(A::LabelKeep, &[], "(b|c)", "", ""), said("b=bar c=Baz"));
        assert_eq!(one(A::Lowercase, &["c"], "(.*)", "d", ""), said("a=foo b=bar c=Baz d=baz"));
        assert_eq!(one(A::Uppercase, &["c"], "(.*)", "c", ""), said("a=foo b=bar c=BAZ"));
    }

    #[test]
    fn a_hash_and_what_is_made_of_it_are_left_out_and_told() {
        use RelabelAction as A;
        let rules = vec![
            rule(A::HashMod, &["__address__"], "(.*)", "__tmp_hash", ""),
            rule(A::Keep, &["__tmp_hash"], "1", "", ""),
            rule(A::Replace, &["a"], "(", "b", "x"),
        ];
        assert_eq!(after(rules.clone(), &[("a", "foo")]), Some("a=foo".to_owned()));
        let job = job(rules);
        let Rules { notes, problems, .. } = Rules::of(&job);
        assert!(notes.len() == 1 && notes[0].contains("hashmod"), "{notes:?}");
        assert!(problems.len() == 1 && problems[0].contains("`(`"), "{problems:?}");
    }
}
