//! The JSON of Prometheus' `http_sd` and `file_sd`: written, and read again as strictly as Prometheus reads it.

use serde::{Deserialize, Serialize};

use super::label::Labels;
use super::target::Target;

/// A target group. Prometheus refuses the whole list for one key more, or a value that is no string.
#[derive(Serialize)]
struct Group<'t> {
    targets: [&'t str; 1],
    labels: &'t Labels,
}

/// The same as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnedGroup {
    targets: [String; 1],
    labels: Labels,
}

/// The list, a target on each line, so that people can compare two.
pub(super) fn written<'t>(targets: impl IntoIterator<Item = &'t Target>) -> Vec<u8> {
    let mut text = b"[".to_vec();
    for (index, Target { address, labels }) in targets.into_iter().enumerate() {
        text.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
        let group = Group { targets: [address], labels };
        serde_json::to_writer(&mut text, &group).expect("strings become JSON, and a vector takes everything");
    }
    text.extend_from_slice(if text.len() == 1 { b"]\n" } else { b"\n]\n" });
    text
}

/// The targets of a list that was written here.
///
/// # Errors
/// When it is something else, in words.
pub fn read(text: &[u8]) -> Result<Vec<Target>, String> {
    let groups: Vec<OwnedGroup> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let target = |OwnedGroup { targets: [address], labels }| Target { address, labels };
    let targets: Vec<_> = groups.into_iter().map(target).collect();
    match targets.iter().find(|target| target.service().is_none()) {
        Some(target) => Err(format!("{} belongs to no service", target.address)),
        None => Ok(targets),
    }
}
