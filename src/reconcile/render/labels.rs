//! Metadata as labels again: DNS has it in TXT records, which no discovery by DNS reads.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Instance, Service};

/// In how many places instances are named for labels of their own, over all rules of a service.
///
/// Every rule is tried on every target each time that targets change. Measured with Prometheus 2.42 and 10,000 targets on
/// a busy machine: 1.7 s to take them over without such rules, 2.7 s with 1,000 mentions in one rule, 3.2 s in 100 rules,
/// and 7.4 s in 1,000. With more it is time that labels come over HTTP.
const MOST_MENTIONS: usize = 1_000;

/// The most rules for labels of single instances.
const MOST_RULES: usize = 100;

/// What metadata is called in the labels that srvctl's discovery over HTTP gives. What begins with two underscores would
/// steer the scrape, and a digit begins no label.
pub(super) const RESTORED: &str = "__meta_srvctl_meta_((?:[a-zA-Z]|_[a-zA-Z0-9]).*)";

/// One step of relabelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// Every target gets this value.
    Set { label: String, value: String },
    /// These targets, `host:port`, get this value.
    SetAt { label: String, value: String, targets: Vec<String> },
    /// What srvctl's discovery over HTTP, or its files, say of a target becomes labels.
    Restore,
    /// `instance` is the address again.
    Instance,
}

/// What the metadata of a service comes to.
#[derive(Debug, Default)]
pub(super) struct Labels {
    pub(super) rules: Vec<Rule>,
    /// What a reader of the document should know.
    pub(super) notes: Vec<String>,
    /// What whoever renders it should know.
    pub(super) warnings: Vec<String>,
}

impl Labels {
    /// Of the service as a whole.
    pub(super) fn of_service(service: &Service) -> Self {
        let mut labels = Self::default();
        for (label, value) in labels.named(&service.metadata) {
            if !value.is_empty() {
                labels.rules.push(Rule::Set { label, value });
            }
        }
        labels
    }

    /// Of the service, and of each instance that says something else.
    pub(super) fn of_instances(service: &Service) -> Self {
        let mut labels = Self::of_service(service);
        let mut groups: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for instance in &service.instances {
            for (label, value) in labels.named(&instance.metadata) {
                let set = labels.rules.iter().find_map(|rule| match rule {
                    Rule::Set { label: known, value } if *known == label => Some(value),
                    _ => None,
                });
                if set.map_or("", String::as_str) != value {
                    groups.entry((label, value)).or_default().insert(address(instance));
                }
            }
        }
        let mentions: usize = groups.values().map(BTreeSet::len).sum();
        if mentions > MOST_MENTIONS || groups.len() > MOST_RULES {
            let rules = groups.len();
            let keys: BTreeSet<_> = groups.into_keys().map(|(label, _)| label).collect();
            let keys = keys.into_iter().collect::<Vec<_>>().join(", ");
            labels.notes.push(format!("labels of single instances are left out ({keys}): --via http has them"));
            labels.warnings.push(format!(
                "{}: {mentions} labels of single instances ({keys}) are left out: with more than {MOST_MENTIONS}, or more \
                 than {MOST_RULES} rules (here {rules}), every refresh would take long; render with `--via http`, where each \
                 target brings its own",
                service.key
            ));
            return labels;
        }
        if !groups.is_empty() {
            let now = "labels of single instances are those of now; a new one has them after the next rendering, or with --via http";
            labels.notes.push(now.to_owned());
        }
        let each = groups.into_iter().map(|((label, value), targets)| Rule::SetAt {
            label,
            value,
            targets: targets.into_iter().collect(),
        });
        labels.rules.extend(each);
        labels
    }

    /// What each target brings along, without what Prometheus needs itself.
    pub(super) fn brought_along(service: &Service, job: &str) -> Self {
        let all = std::iter::once(&service.metadata).chain(service.instances.iter().map(|instance| &instance.metadata));
        let keys: BTreeSet<_> = all.flat_map(BTreeMap::keys).map(|key| label_name(key)).collect();
        let mut rules = vec![Rule::Restore];
        if keys.contains("job") {
            rules.push(Rule::Set { label: "job".to_owned(), value: job.to_owned() });
        }
        if keys.contains("instance") {
            rules.push(Rule::Instance);
        }
        Self { rules, ..Self::default() }
    }

    /// Metadata under the names of labels, what cannot be one left out with a note.
    fn named(&mut self, metadata: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut named = BTreeMap::new();
        // Keys that are labels already come first: what is only made one does not take their place.
        let (fine, other): (Vec<_>, Vec<_>) = metadata.iter().partition(|(key, _)| label_name(key) == **key);
        for (key, value) in fine.into_iter().chain(other) {
            let label = label_name(key);
            if label.starts_with("__") || ["job", "instance"].contains(&&*label) {
                self.note(format!("metadata `{key}` is no label here: Prometheus needs that name itself"));
                continue;
            }
            match named.entry(label) {
                Entry::Occupied(taken) => {
                    self.note(format!(
                        "metadata `{key}` is left out: another key is the label {} already",
                        taken.key()
                    ));
                }
                Entry::Vacant(free) => {
                    if free.key() != key {
                        self.note(format!("metadata `{key}` is the label {}", free.key()));
                    }
                    free.insert(value.clone());
                }
            }
        }
        named
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// The label that Prometheus itself would make of such a key: letters, digits and underscores, no digit first.
fn label_name(key: &str) -> String {
    let label: String = key.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    if label.starts_with(|first: char| first.is_ascii_digit()) { format!("_{label}") } else { label }
}

/// `__address__` as Prometheus and vmagent form it from the SRV record of an instance, but for the case of its letters.
pub(super) fn address(instance: &Instance) -> String {
    format!("{}:{}", instance.host.without_final_dot(), instance.port)
}

/// A regular expression (RE2) that matches these addresses and nothing else, in whatever case the zone has them.
///
/// The address and not `__meta_dns_srv_record_target` with its port: Prometheus gives that one with a final dot, vmagent
/// without.
pub(super) fn regex(targets: &[String]) -> String {
    let mut regex = "(?i:".to_owned();
    for (number, target) in targets.iter().enumerate() {
        if number > 0 {
            regex.push('|');
        }
        for letter in target.chars() {
            if letter.is_ascii_punctuation() && !matches!(letter, '-' | '_' | ':') {
                regex.push('\\');
            }
            regex.push(letter);
        }
    }
    regex + ")"
}

/// A value as a `replacement` gives it: there `$1` is a group of the regular expression.
pub(super) fn replacement(value: &str) -> String {
    value.replace('$', "$$")
}
