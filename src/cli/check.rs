//! `srvctl check`.

use std::path::PathBuf;

use serde::Serialize;

use super::args::Format;
use super::exit::Exit;
use super::{load, output};
use crate::model::Diagnostic;
use crate::reconcile::Desired;

#[derive(Serialize)]
struct Report {
    ok: bool,
    zones: usize,
    services: usize,
    instances: usize,
    warnings: Vec<String>,
    errors: Vec<Error>,
}

#[derive(Serialize)]
struct Error {
    file: String,
    line: Option<u32>,
    column: Option<u32>,
    message: String,
    help: Option<String>,
}

impl From<&Diagnostic> for Error {
    fn from(diagnostic: &Diagnostic) -> Self {
        let place = diagnostic.place();
        Self {
            file: diagnostic.file.to_string(),
            line: place.as_ref().map(|place| place.line),
            column: place.map(|place| place.column),
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
        }
    }
}

/// What follows from a pattern that no file matches.
fn silence(pattern: &str) -> String {
    format!(
        "no file matches `{pattern}`: as long as that is so, every removal in every zone is held for a person; if \
         nothing belongs there, remove the pattern from `services`"
    )
}

pub(super) fn run(flag: Option<PathBuf>, format: &Format) -> Exit {
    let mut report = Report { ok: true, zones: 0, services: 0, instances: 0, warnings: Vec::new(), errors: Vec::new() };
    match load::files(flag) {
        Ok(loaded) => {
            let catalogue = loaded.catalogue();
            report.services = catalogue.len();
            report.instances = catalogue.values().map(|service| service.instances.len()).sum();
            let load::Loaded { config, desired, silent, .. } = loaded;
            report.zones = config.zones.len();
            report.warnings.clone_from(&config.warnings);
            let refused = desired.iter().flat_map(Desired::refusals);
            report.warnings.extend(refused.map(ToString::to_string));
            report.warnings.extend(silent.iter().map(|pattern| silence(pattern)));
        }
        Err(errors) => {
            report.ok = false;
            report.errors = errors.iter().map(Error::from).collect();
            if !format.json {
                output::diagnostics(&errors);
            }
        }
    }
    if format.json {
        output::json(&report);
    } else if report.ok {
        report.warnings.iter().for_each(output::warning);
        let Report { zones, services, instances, .. } = report;
        output::line(format_args!("ok: {services} services with {instances} instances in {zones} zones"));
    }
    if report.ok { Exit::Done } else { Exit::Failed }
}
