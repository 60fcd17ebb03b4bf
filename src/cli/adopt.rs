//! `srvctl adopt` and `srvctl release`: names change hands, one by one, because a person says so.

use std::path::PathBuf;

use serde::Serialize;

use super::args::{AdoptArgs, TakeoverArgs};
use super::exit::Exit;
use super::plan::{self, NameReport, Surveyed};
use super::{load, output};
use crate::dns::Primary;
use crate::model::{Change, Name, OwnerId};
use crate::protocol::update::NameUpdate;
use crate::reconcile::{AdoptMode, TakeoverError, adopt as plan_adoption, release as plan_release};

pub(super) async fn adopt(flag: Option<PathBuf>, args: &AdoptArgs) -> Exit {
    let mode = AdoptMode { replace: args.replace, from: args.from.clone() };
    run(flag, &args.names, |owner, surveyed, name| {
        let (_, Ok((desired, survey))) = surveyed else { return Ok(None) };
        plan_adoption(owner, desired, &survey.live, name, &mode)
    })
    .await
}

pub(super) async fn release(flag: Option<PathBuf>, args: &TakeoverArgs) -> Exit {
    run(flag, args, |owner, surveyed, name| {
        let (_, Ok((_, survey))) = surveyed else { return Ok(None) };
        plan_release(owner, &survey.live, name).map(Some)
    })
    .await
}

/// What was done, or would be; also the JSON of both commands.
#[derive(Default, Serialize)]
struct Report {
    dry_run: bool,
    /// Zone-file lines, `+` and `-`.
    changes: Vec<String>,
    /// Names that are as they should be already.
    unchanged: Vec<Name>,
    failures: Vec<NameReport>,
}

impl Report {
    fn fail(&mut self, name: &Name, reason: impl std::fmt::Display) {
        self.failures.push(NameReport { name: name.clone(), reason: format!("{reason}") });
    }

    fn show(&self) {
        self.changes.iter().for_each(output::line);
        for name in &self.unchanged {
            output::line(format_args!("{name} is ours already, and as the services ask"));
        }
        for NameReport { reason, .. } in &self.failures {
            output::error(reason);
        }
    }
}

/// Reads the zones, plans every name, and sends what was planned. One name that cannot be done stops no other.
async fn run(
    flag: Option<PathBuf>,
    args: &TakeoverArgs,
    plan_name: impl Fn(&OwnerId, &Surveyed, &Name) -> Result<Option<NameUpdate>, TakeoverError>,
) -> Exit {
    let load::Loaded { config, desired, .. } = match load::all_or_show(flag) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let surveys = plan::survey_zones(&config, desired, None).await;
    let mut report = Report { dry_run: args.dry_run, ..Report::default() };
    let mut updates: Vec<Vec<NameUpdate>> = vec![Vec::new(); surveys.len()];
    for name in &args.names {
        let Some(index) = zone_of(&surveys, name) else {
            report.fail(name, format_args!("{name} lies in no zone of the configuration"));
            continue;
        };
        if let Err(error) = &surveys[index].1 {
            report.fail(name, error);
            continue;
        }
        match plan_name(&config.zones[index].owner, &surveys[index], name) {
            Ok(Some(update)) => updates[index].push(update),
            Ok(None) => report.unchanged.push(name.clone()),
            Err(error) => report.fail(name, error),
        }
    }
    for ((primary, _), updates) in surveys.iter().zip(&updates).filter(|(_, updates)| !updates.is_empty()) {
        let lines = updates.iter().flat_map(|update| &update.changes).flat_map(Change::lines);
        report.changes.extend(lines.map(|line| line.to_string()));
        if !args.dry_run {
            send(primary, updates, &mut report).await;
        }
    }
    if args.format.json {
        output::json(&report);
    } else {
        report.show();
    }
    if report.failures.is_empty() { Exit::Done } else { Exit::Failed }
}

/// The zone with the longest name that this one lies in.
fn zone_of(surveys: &[Surveyed], name: &Name) -> Option<usize> {
    let inside = surveys.iter().enumerate().filter(|(_, (primary, _))| name.is_within(primary.zone()));
    inside.max_by_key(|(_, (primary, _))| primary.zone().len()).map(|(index, _)| index)
}

async fn send(primary: &Primary, updates: &[NameUpdate], report: &mut Report) {
    match primary.push(updates).await {
        Err(error) => {
            report.fail(primary.zone(), format_args!("{error}. Some of it may have been done: run `srvctl owned`"));
        }
        Ok(pushed) => {
            for refused in &pushed.refused {
                let why = refused.rcode.explain_update();
                report.fail(&refused.name, format_args!("{}: {} ({why})", refused.name, refused.rcode));
            }
        }
    }
}
