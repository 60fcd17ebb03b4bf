//! Consul's configuration files in JSON, as far as they define services.

use std::path::Path;

use serde_json::Value;

use crate::model::Diagnostic;
use crate::reconcile::migration::Source;
use crate::reconcile::migration::consul::DefinitionFile;

/// Reads a file. `host` is the host whose agent has it, when that is known.
///
/// # Errors
/// When it cannot be read or is not JSON.
pub fn read(path: &Path, host: Option<&str>) -> Result<DefinitionFile, Diagnostic> {
    parse(&path.to_string_lossy(), &super::text(path)?, host)
}

/// Takes a text for one.
///
/// # Errors
/// When it is not a JSON object. HCL is not read.
pub fn parse(file: &str, text: &str, host: Option<&str>) -> Result<DefinitionFile, Diagnostic> {
    let is_hcl = Path::new(file).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("hcl"));
    let mut object: serde_json::Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        let problem = Diagnostic::about_file(file, format!("is not a JSON object: {error}"));
        let help = "HCL is not read: write the definition in JSON, as Consul takes both";
        if is_hcl || error.is_syntax() { problem.help(help) } else { problem }
    })?;
    let mut services: Vec<Value> = object.remove("service").into_iter().collect();
    match object.remove("services") {
        None => {}
        Some(Value::Array(more)) => services.extend(more),
        // Consul takes a single one here too.
        Some(other) => services.push(other),
    }
    let node_name = object.remove("node_name").and_then(|name| name.as_str().map(str::to_owned));
    let others = object.into_iter().map(|(key, _)| key).collect();
    Ok(DefinitionFile { source: Source::file(file), host: host.map(str::to_owned), services, node_name, others })
}
