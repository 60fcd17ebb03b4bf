//! The names of labels. Those that begin with `__meta_` are for relabelling only; Prometheus drops them afterwards.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The labels of one target, sorted by name.
pub type Labels = BTreeMap<Cow<'static, str>, Box<str>>;

pub(super) const SERVICE: &str = "__meta_srvctl_service";
pub(super) const PROTO: &str = "__meta_srvctl_proto";
pub(super) const ZONE: &str = "__meta_srvctl_zone";
pub(super) const NAME: &str = "__meta_srvctl_name";
pub(super) const JOB: &str = "__meta_srvctl_job";
pub(super) const HOST: &str = "__meta_srvctl_host";
pub(super) const PORT: &str = "__meta_srvctl_port";
pub(super) const PRIORITY: &str = "__meta_srvctl_priority";
pub(super) const WEIGHT: &str = "__meta_srvctl_weight";
pub(super) const SOURCE: &str = "__meta_srvctl_source";
pub(super) const ID: &str = "__meta_srvctl_id";
pub(super) const HEALTH: &str = "__meta_srvctl_health";
pub(super) const PUBLICATION: &str = "__meta_srvctl_publication";
pub(super) const MAINTENANCE: &str = "__meta_srvctl_maintenance";
pub(super) const SCHEME: &str = "__scheme__";
pub(super) const METRICS_PATH: &str = "__metrics_path__";
pub(super) const INTERVAL: &str = "__scrape_interval__";
pub(super) const TIMEOUT: &str = "__scrape_timeout__";

/// Before the name of a parameter of the URL.
const PARAM: &str = "__param_";
/// Before a metadata key.
const META: &str = "__meta_srvctl_meta_";

/// A metadata key as a label's name: what may not stand there becomes `_`, as in Prometheus' own discoveries, and a digit
/// gets one before it, since it begins no label.
pub fn safe_name(key: &str) -> String {
    let begins = if key.starts_with(|letter: char| letter.is_ascii_digit()) { "_" } else { "" };
    begins.chars().chain(key.chars().map(|letter| if is_allowed(letter) { letter } else { '_' })).collect()
}

/// The label of a metadata key.
pub(super) fn of_metadata(key: &str) -> String {
    format!("{META}{}", safe_name(key))
}

/// The label that sets a parameter; none when its name cannot be part of a label's name, like that of `match[]`.
pub(super) fn of_parameter(name: &str) -> Option<String> {
    name.chars().all(is_allowed).then(|| format!("{PARAM}{name}"))
}

fn is_allowed(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}
