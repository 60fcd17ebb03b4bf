//! `srvctl adopt` and `srvctl release`: names change hands, one by one, because a person says so.

use std::path::PathBuf;

use serde::Serialize;

use super::args::{AdoptArgs, TakeoverArgs};
use super::exit::Exit;
use super::plan::{self, NameReport, Surveyed};
use super::{load, output};
use crate::dns::{DnsError, Primary, Pushed, RefusedName};
use crate::model::{Change, Name, OwnerId};
use crate::protocol::update::NameUpdate;
use crate::reconcile::{AdoptMode, TakeoverError, adopt as plan_adoption, release as plan_release, shortfall};

pub(super) async fn adopt(flag: Option<PathBuf>, args: &AdoptArgs) -> Exit {
    let mode = AdoptMode { replace: args.replace, from: args.from.clone() };
    run(flag, &args.names, |owner, surveyed, name| {
        let (_, Ok(survey)) = surveyed else { return Ok(None) };
        plan_adoption(owner, survey.reconciler.desired(), survey.reconciler.live(), name, &mode)
    })
    .await
}

pub(super) async fn release(flag: Option<PathBuf>, args: &TakeoverArgs) -> Exit {
    run(flag, args, |owner, surveyed, name| {
        let (_, Ok(survey)) = surveyed else { return Ok(None) };
        plan_release(owner, survey.reconciler.live(), name).map(Some)
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

/// Sends, and judges by the zone read back: NOERROR is not success, and silence is no failure.
async fn send(primary: &Primary, updates: &[NameUpdate], report: &mut Report) {
    let sent = primary.push(updates).await;
    let live = match primary.transfer().await {
        Ok(live) => live,
        Err(unread) => return report.fail(primary.zone(), unknown(sent, &unread)),
    };
    let undone = |update| shortfall(update, &live).map(|shortfall| (update, shortfall));
    let undone: Vec<_> = updates.iter().filter_map(undone).collect();
    if let (Err(error), true) = (&sent, undone.is_empty()) {
        tracing::warn!(zone = %primary.zone(), %error, "the update was made all the same");
    }
    for (NameUpdate { name, .. }, shortfall) in undone {
        let refused = |pushed: &Pushed| pushed.refused.iter().find(|refused| refused.name == *name).cloned();
        match sent.as_ref().map(refused) {
            Err(error) => report.fail(name, format_args!("{name}: {error}; {shortfall}")),
            Ok(Some(RefusedName { rcode, .. })) => {
                report.fail(name, format_args!("{name}: {rcode} ({})", rcode.explain_update()));
            }
            Ok(None) => report.fail(
                name,
                format_args!(
                    "{name}: the server accepted the update (NOERROR), but {shortfall}. Look at `max-zone-ttl` \
                     (shortens TTLs), a quota in `update-policy` (skips records), or another writer"
                ),
            ),
        }
    }
}

/// What is known when the zone cannot be read back.
fn unknown(sent: Result<Pushed, DnsError>, unread: &DnsError) -> String {
    let sent = sent.map_or_else(|error| error.to_string(), |_| "the server answered the update".to_owned());
    format!("{sent}. What was done is not known, because the zone could not be read back: {unread}; run `srvctl owned`")
}
