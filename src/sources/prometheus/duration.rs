//! Lengths of time in a configuration, and what is wrong with them.

use std::time::Duration;

use serde_saphyr::Spanned;

use super::yaml::Yaml;
use crate::model::Diagnostic;
use crate::model::prometheus::parse_duration;

/// What is no length of time is a problem, and absent; so is none at all, which stands for the default.
pub(super) fn read(yaml: &Yaml, text: &Spanned<String>, problems: &mut Vec<Diagnostic>) -> Option<Duration> {
    match parse_duration(&text.value) {
        None => {
            let message = format!("`{}` is not a length of time", text.value);
            problems.push(yaml.about(&text.referenced, message).help("Prometheus takes `30s`, `1m30s`, `1d`"));
            None
        }
        Some(duration) => Some(duration).filter(|duration| !duration.is_zero()),
    }
}
