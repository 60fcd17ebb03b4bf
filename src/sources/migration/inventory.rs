//! What `ansible-inventory --list` prints.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::model::Diagnostic;
use crate::reconcile::migration::Source;
use crate::reconcile::migration::inventory::{Group, Inventory, Variables};

/// Key of what is no group.
const META: &str = "_meta";

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    hostvars: BTreeMap<String, Variables>,
}

/// Reads a file; `-` is standard input.
///
/// # Errors
/// When it cannot be read, or is something else.
pub fn read(path: &Path) -> Result<Inventory, Diagnostic> {
    let file = if path == Path::new("-") { "standard input".into() } else { path.to_string_lossy() };
    parse(&file, &super::text(path)?)
}

/// Takes a text for one.
///
/// # Errors
/// When it is something else.
pub fn parse(file: &str, text: &str) -> Result<Inventory, Diagnostic> {
    let wrong = |error: serde_json::Error| {
        let problem = Diagnostic::about_file(file, format!("is not what `ansible-inventory --list` prints: {error}"));
        problem.help("make it with `ansible-inventory -i INVENTORY --list`, without --yaml and --toml")
    };
    let mut object: BTreeMap<String, Value> = serde_json::from_str(text).map_err(wrong)?;
    let Some(meta) = object.remove(META) else {
        let problem = Diagnostic::about_file(file, "is not what `ansible-inventory --list` prints: it has no `_meta`");
        return Err(problem.help("make it with `ansible-inventory -i INVENTORY --list`"));
    };
    let Meta { hostvars } = serde_json::from_value(meta).map_err(wrong)?;
    let groups = object.into_iter().map(|(name, group)| Ok((name, serde_json::from_value::<Group>(group)?)));
    let groups = groups.collect::<Result<_, serde_json::Error>>().map_err(wrong)?;
    Ok(Inventory { source: Source::file(file), hostvars, groups })
}
