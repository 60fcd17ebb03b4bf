//! `srvctl check`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::args::Format;
use super::exit::Exit;
use super::{load, output};
use crate::model::{Catalogue, CheckKind, Diagnostic, Service};
use crate::probes;
use crate::protocol::dnssd::RECOMMENDED_TEXT;
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

/// What keeps health checks from being made.
fn health_checks(catalogue: &Catalogue, commands: bool) -> Vec<String> {
    let all = || {
        let of = |service: &Arc<Service>| {
            let own = service.instances.iter().filter_map(|instance| instance.checks.as_ref());
            own.chain([&service.checks]).flatten().cloned().collect::<Vec<_>>()
        };
        catalogue.iter().flat_map(move |(key, service)| of(service).into_iter().map(move |check| (key, check)))
    };
    let mut warnings = BTreeMap::<String, BTreeSet<String>>::new();
    for (key, check) in all() {
        let problem = match check.kind {
            CheckKind::Command(_) if !commands => Some(SWITCHED_OFF.to_owned()),
            _ => probes::obstacle(&check),
        };
        if let Some(problem) = problem {
            warnings.entry(problem).or_default().insert(key.to_string());
        }
    }
    let shown = |(problem, services): (String, BTreeSet<String>)| {
        let services: Vec<_> = services.into_iter().collect();
        let (some, more) = services.split_at(services.len().min(MOST_SERVICES));
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        format!("a health check of {}{more} cannot be made: {problem}", some.join(", "))
    };
    warnings.into_iter().map(shown).collect()
}

/// Instances that say more than some who browse read.
fn long_texts(catalogue: &Catalogue) -> Vec<String> {
    let browsed = catalogue.iter().filter(|(_, service)| service.is_browsed());
    let longest = browsed.filter_map(|(key, service)| {
        let size = |instance| service.instance_text(instance).iter().map(|string| 1 + string.len()).sum::<usize>();
        Some((key, service.instances.iter().map(size).max()?))
    });
    let long = longest.filter(|(_, bytes)| *bytes > RECOMMENDED_TEXT).map(|(key, bytes)| {
        format!(
            "the TXT of an instance of {key} takes {bytes} bytes, and above {RECOMMENDED_TEXT} some who browse do not read \
             it (RFC 6763 section 6.2): shorten the metadata"
        )
    });
    long.collect()
}

/// So many services are named in a warning.
const MOST_SERVICES: usize = 3;
const SWITCHED_OFF: &str = "it is a command, and commands are not run without `commands = true` in `[daemon]`";

pub(super) fn run(flag: Option<PathBuf>, format: &Format) -> Exit {
    let mut report = Report { ok: true, zones: 0, services: 0, instances: 0, warnings: Vec::new(), errors: Vec::new() };
    match load::files(flag) {
        Ok(loaded) => {
            let catalogue = loaded.catalogue();
            report.services = catalogue.len();
            report.instances = catalogue.values().map(|service| service.instances.len()).sum();
            let checks = health_checks(catalogue, loaded.config.daemon.commands);
            let texts = long_texts(catalogue);
            let load::Loaded { config, desired, silent, .. } = loaded;
            report.zones = config.zones.len();
            report.warnings.clone_from(&config.warnings);
            let refused = desired.iter().flat_map(Desired::refusals);
            report.warnings.extend(refused.map(ToString::to_string));
            report.warnings.extend(silent.iter().map(|pattern| silence(pattern)));
            report.warnings.extend(checks);
            report.warnings.extend(texts);
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
