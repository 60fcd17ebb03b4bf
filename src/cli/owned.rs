//! `srvctl owned`.

use std::path::PathBuf;

use serde::Serialize;

use super::args::Format;
use super::exit::Exit;
use super::plan::survey_zones;
use super::{load, output};
use crate::model::Name;
use crate::reconcile::{OwnedName, owned};

#[derive(Serialize)]
struct Report {
    zones: Vec<ZoneReport>,
}

#[derive(Serialize)]
struct ZoneReport {
    zone: Name,
    names: Vec<OwnedName>,
    error: Option<String>,
}

pub(super) async fn run(flag: Option<PathBuf>, format: &Format) -> Exit {
    let load::Loaded { config, desired, .. } = match load::all_or_show(flag) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let mut zones = Vec::new();
    let surveys = survey_zones(&config, desired, None).await;
    for (zone, (primary, result)) in config.zones.iter().zip(surveys) {
        let (names, error) = match result {
            Ok(survey) => (owned(&zone.owner, survey.reconciler.live()), None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        zones.push(ZoneReport { zone: primary.zone().clone(), names, error });
    }
    let failed = zones.iter().any(|zone| zone.error.is_some());
    let report = Report { zones };
    if format.json {
        output::json(&report);
    } else {
        report.zones.iter().for_each(show);
    }
    if failed { Exit::Failed } else { Exit::Done }
}

fn show(zone: &ZoneReport) {
    if let Some(error) = &zone.error {
        return output::error(error);
    }
    output::line(format_args!("zone {}: {} names of ours", zone.zone, zone.names.len()));
    for OwnedName { name, types, records } in &zone.names {
        let types: Vec<_> = types.iter().map(ToString::to_string).collect();
        output::line(format_args!("  {name} {} ({records} records)", types.join(",")));
    }
}
