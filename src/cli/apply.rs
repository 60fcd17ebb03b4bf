//! `srvctl apply`.

use std::path::PathBuf;

use tokio::task::JoinSet;

use super::args::ApplyArgs;
use super::exit::Exit;
use super::plan::{self, AppliedReport, NameReport, Reports, ZoneReport};
use super::{load, output};
use crate::config::Config;
use crate::daemon::cycle::{Converged, Job, Survey, Unmet};
use crate::dns::{DnsError, Primary};
use crate::reconcile::{Desired, PlanId, guard};

pub(super) async fn run(flag: Option<PathBuf>, args: &ApplyArgs) -> Exit {
    if args.dry_run {
        return plan::run(flag, &args.format).await;
    }
    let load::Loaded { config, desired, .. } = match load::all_or_show(flag) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let surveys = plan::survey_zones(&config, desired, args.accept).await;
    if let Some(id) = args.accept
        && !surveys.iter().any(|(_, surveyed)| was_accepted(surveyed.as_ref().ok(), id))
    {
        output::error(format_args!("no plan with the id {id} is held now; `srvctl plan` shows what is"));
        return Exit::Failed;
    }
    let results = converge_zones(&config, args.accept, surveys).await;
    let reports: Vec<_> = results.iter().map(|(primary, result)| report(primary, result)).collect();
    if args.format.json {
        output::json(&Reports { zones: &reports });
    } else {
        results.iter().for_each(|(primary, result)| show(primary, result));
    }
    exit(&results)
}

/// Failed comes before held: what failed needs a person sooner.
fn exit(results: &[Applied]) -> Exit {
    let failed = |converged: &Converged| !converged.unmet.is_empty() || !converged.left.plan.conflicts.is_empty();
    if results.iter().any(|(_, result)| result.as_ref().map_or(true, failed)) {
        Exit::Failed
    } else if results.iter().any(|(_, result)| result.as_ref().is_ok_and(|done| done.left.guarded.held.is_some())) {
        Exit::Held
    } else {
        Exit::Done
    }
}

/// Whether the id released this zone's plan.
fn was_accepted(surveyed: Option<&(Desired, Survey)>, id: PlanId) -> bool {
    let Some((desired, survey)) = surveyed else { return false };
    guard(&survey.plan, desired, None).held.is_some_and(|held| held.id == id)
}

type Applied = (Primary, Result<Converged, DnsError>);

async fn converge_zones(config: &Config, accepted: Option<PlanId>, surveys: Vec<plan::Surveyed>) -> Vec<Applied> {
    let mut zones = JoinSet::new();
    for (index, (zone, (primary, surveyed))) in config.zones.iter().zip(surveys).enumerate() {
        let owner = zone.owner.clone();
        if let Ok((_, survey)) = &surveyed
            && !survey.plan.updates.is_empty()
        {
            output::progress(format_args!("updating {} names in {}", survey.plan.updates.len(), primary.zone()));
        }
        zones.spawn(async move {
            let result = match surveyed {
                Ok((desired, survey)) => {
                    let job = Job { primary: &primary, owner: &owner, desired: &desired, accepted };
                    job.converge(survey, &|_| false).await
                }
                Err(error) => Err(error),
            };
            (index, (primary, result))
        });
    }
    let mut all = zones.join_all().await;
    all.sort_unstable_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, applied)| applied).collect()
}

fn report(primary: &Primary, result: &Result<Converged, DnsError>) -> ZoneReport {
    let converged = match result {
        Ok(converged) => converged,
        Err(error) => return ZoneReport::of_error(primary, error),
    };
    let mut report = ZoneReport::of_plan(primary, &converged.planned).with_held(&converged.left);
    report.in_sync = converged.is_complete();
    report.applied = Some(AppliedReport {
        records_added: converged.pushed.added,
        records_deleted: converged.pushed.deleted,
        messages: converged.pushed.messages,
    });
    report.failures = Some(failures(converged));
    report
}

fn failures(converged: &Converged) -> Vec<NameReport> {
    let failure = |unmet: &Unmet| NameReport { name: unmet.update.name.clone(), reason: unmet.reason.to_string() };
    converged.unmet.iter().map(failure).collect()
}

fn show(primary: &Primary, result: &Result<Converged, DnsError>) {
    let converged = match result {
        Ok(converged) => converged,
        Err(error) => return output::error(error),
    };
    plan::show(primary, &converged.planned);
    let pushed = &converged.pushed;
    if pushed.messages > 0 {
        output::line(format_args!(
            "\nzone {}: {} records added, {} deleted, read back at serial {}",
            primary.zone(),
            pushed.added,
            pushed.deleted,
            converged.left.live.serial()
        ));
    }
    for NameReport { name, reason } in failures(converged) {
        output::error(format_args!("{name}: {reason}"));
    }
    plan::show_held(&converged.left);
    for conflict in &converged.left.plan.conflicts {
        output::error(format_args!("{}: {}", conflict.name, conflict.obstacle));
    }
}
