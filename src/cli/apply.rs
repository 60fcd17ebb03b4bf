//! `srvctl apply`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::args::ApplyArgs;
use super::exit::Exit;
use super::plan::{self, AppliedReport, NameReport, Reports, ZoneReport};
use super::{load, output};
use crate::config::Config;
use crate::daemon::cycle::{Converged, Job, Survey, Unmet};
use crate::dns::{DnsError, Primary};
use crate::model::OwnerId;
use crate::reconcile::{Desired, PlanId, guard};

pub(super) async fn run(flag: Option<PathBuf>, args: &ApplyArgs) -> Exit {
    if args.dry_run {
        return plan::run(flag, &args.format).await;
    }
    let load::Loaded { config, desired, .. } = match load::all_or_show(flag) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let results = match args.accept {
        None => plan::each_zone(&config, desired, apply_zone).await,
        Some(id) => accept(&config, desired, id).await,
    };
    if results.is_empty() {
        output::error("no plan with this id is held now; `srvctl plan` shows what is");
        return Exit::Failed;
    }
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
fn was_accepted((desired, survey): &(Desired, Survey), id: PlanId) -> bool {
    guard(&survey.plan, desired, &survey.live, None).held.is_some_and(|held| held.id == id)
}

type Applied = (Primary, Result<Converged, DnsError>);

/// Makes the held plan with this id, in the zone that has it; does nothing in the others. A zone that cannot be read
/// is among the results: the plan may be its.
async fn accept(config: &Config, desired: Vec<Desired>, id: PlanId) -> Vec<Applied> {
    let mut results = Vec::new();
    let surveys = plan::survey_zones(config, desired, Some(id)).await;
    for (zone, (primary, surveyed)) in config.zones.iter().zip(surveys) {
        let result = match surveyed {
            Err(error) => Err(error),
            Ok(surveyed) if !was_accepted(&surveyed, id) => continue,
            Ok((desired, survey)) => {
                let job = Job { primary: &primary, owner: &zone.owner, desired: &desired, accepted: Some(id) };
                job.converge(survey, &|_| false).await
            }
        };
        results.push((primary, result));
    }
    results
}

async fn apply_zone(primary: Primary, owner: OwnerId, desired: Desired) -> Applied {
    let (primary, surveyed) = plan::survey_zone(primary, owner.clone(), desired, None).await;
    let (desired, survey) = match surveyed {
        Ok(surveyed) => surveyed,
        Err(error) => return (primary, Err(error)),
    };
    if !survey.plan.updates.is_empty() {
        output::progress(format_args!("updating {} names in {}", survey.plan.updates.len(), primary.zone()));
    }
    let job = Job { primary: &primary, owner: &owner, desired: &desired, accepted: None };
    let result = job.converge(survey, &|_| false).await;
    (primary, result)
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

/// Each reason once, with the names that it stopped: a key without rights stops hundreds for one reason.
fn show_failures(failures: &[NameReport]) {
    let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for NameReport { name, reason } in failures {
        by_reason.entry(reason).or_default().push(name.to_string());
    }
    for (reason, names) in by_reason {
        output::error(format_args!("{}: {reason}", names.join(", ")));
    }
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
    show_failures(&failures(converged));
    plan::show_held(&converged.left);
    for conflict in &converged.left.plan.conflicts {
        output::error(format_args!("{}: {}", conflict.name, conflict.obstacle));
    }
}
