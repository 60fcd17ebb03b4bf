//! Files of `file_sd_configs`: groups of targets in YAML or JSON.

use std::path::Path;

use serde_saphyr::Spanned;

use super::document::Group;
use super::yaml::Yaml;
use crate::model::Diagnostic;
use crate::model::prometheus::{Origin, Target, TargetGroup};

/// Reads one. By its name it is JSON, or else YAML.
///
/// # Errors
/// When it cannot be read, or Prometheus would refuse it.
pub fn read(path: &Path) -> Result<Vec<TargetGroup>, Diagnostic> {
    groups(&Yaml::read(path)?)
}

/// Takes a text for one. By the name of the file it is JSON, or else YAML.
///
/// # Errors
/// When Prometheus would refuse it.
pub fn parse(file: &str, text: &str) -> Result<Vec<TargetGroup>, Diagnostic> {
    groups(&Yaml::new(file, text))
}

fn groups(yaml: &Yaml) -> Result<Vec<TargetGroup>, Diagnostic> {
    let extension = Path::new(&*yaml.file).extension();
    if extension.is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        yaml.must_be_json()?;
    }
    let written: Option<Vec<Spanned<Group>>> = yaml.parse()?;
    Ok(written.unwrap_or_default().into_iter().map(|written| group(yaml, Origin::File, written)).collect())
}

pub(super) fn group(yaml: &Yaml, origin: Origin, written: Spanned<Group>) -> TargetGroup {
    let Group { targets, labels } = written.value;
    let target = |target: Spanned<String>| Target { place: yaml.place(&target.referenced), address: target.value };
    let labels = labels.unwrap_or_default().into_iter();
    TargetGroup {
        origin,
        targets: targets.unwrap_or_default().into_iter().map(target).collect(),
        labels: labels.map(|(name, value)| (name, value.unwrap_or_default())).collect(),
        place: yaml.place(&written.referenced),
    }
}
