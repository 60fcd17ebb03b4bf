//! `srvctl adopt` and `srvctl release`: names change hands, one by one, because a person says so.

use std::path::PathBuf;

use super::args::{AdoptArgs, TakeoverArgs};
use super::exit::Exit;
use super::plan::{self, Surveyed};
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
    let mut updates: Vec<Vec<NameUpdate>> = vec![Vec::new(); surveys.len()];
    let mut failed = false;
    for name in &args.names {
        let Some(index) = zone_of(&surveys, name) else {
            output::error(format_args!("{name} lies in no zone of the configuration"));
            failed = true;
            continue;
        };
        if let Err(error) = &surveys[index].1 {
            output::error(error);
            failed = true;
            continue;
        }
        match plan_name(&config.zones[index].owner, &surveys[index], name) {
            Ok(Some(update)) => updates[index].push(update),
            Ok(None) => output::line(format_args!("{name} is ours already, and as the services ask")),
            Err(error) => {
                output::error(error);
                failed = true;
            }
        }
    }
    for ((primary, _), updates) in surveys.iter().zip(&updates) {
        updates.iter().flat_map(|update| &update.changes).flat_map(Change::lines).for_each(output::line);
        failed |= !args.dry_run && !updates.is_empty() && !send(primary, updates).await;
    }
    if failed { Exit::Failed } else { Exit::Done }
}

/// The zone with the longest name that this one lies in.
fn zone_of(surveys: &[Surveyed], name: &Name) -> Option<usize> {
    let inside = surveys.iter().enumerate().filter(|(_, (primary, _))| name.is_within(primary.zone()));
    inside.max_by_key(|(_, (primary, _))| primary.zone().len()).map(|(index, _)| index)
}

/// Whether all of it was done.
async fn send(primary: &Primary, updates: &[NameUpdate]) -> bool {
    match primary.push(updates).await {
        Err(error) => {
            output::error(format_args!("{error}. Some of it may have been done: run `srvctl owned`"));
            false
        }
        Ok(pushed) => {
            for refused in &pushed.refused {
                let why = refused.rcode.explain_update();
                output::error(format_args!("{}: {} ({why})", refused.name, refused.rcode));
            }
            pushed.refused.is_empty()
        }
    }
}
