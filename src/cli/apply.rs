//! `srvctl apply`.

use std::path::PathBuf;

use tokio::task::JoinSet;

use super::args::ApplyArgs;
use super::exit::Exit;
use super::plan::{self, AppliedReport, NameReport, Reports, ZoneReport};
use super::{load, output};
use crate::daemon::cycle::{self, Converged};
use crate::dns::{DnsError, Primary};
use crate::model::OwnerId;

pub(super) async fn run(flag: Option<PathBuf>, args: &ApplyArgs) -> Exit {
    if args.dry_run {
        return plan::run(flag, &args.format).await;
    }
    let (config, catalogue) = match load::all_or_show(flag) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let surveys = plan::survey_zones(&config, load::desired_zones(&config, &catalogue)).await;
    let results = converge_zones(&config.owner, surveys).await;
    let reports: Vec<_> = results.iter().map(|(primary, result)| report(primary, result)).collect();
    if args.format.json {
        output::json(&Reports { zones: &reports });
    } else {
        results.iter().for_each(|(primary, result)| show(primary, result));
    }
    let complete = results.iter().all(|(_, result)| result.as_ref().is_ok_and(Converged::is_complete));
    if complete { Exit::Done } else { Exit::Failed }
}

type Applied = (Primary, Result<Converged, DnsError>);

async fn converge_zones(owner: &OwnerId, surveys: Vec<plan::Surveyed>) -> Vec<Applied> {
    let mut zones = JoinSet::new();
    for (index, (primary, surveyed)) in surveys.into_iter().enumerate() {
        let owner = owner.clone();
        if let Ok((_, survey)) = &surveyed
            && !survey.plan.updates.is_empty()
        {
            output::progress(format_args!("updating {} names in {}", survey.plan.updates.len(), primary.zone()));
        }
        zones.spawn(async move {
            let result = match surveyed {
                Ok((desired, survey)) => cycle::converge(&primary, &owner, &desired, survey, &|_| false).await,
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
    let mut report = ZoneReport::of_plan(primary, &converged.planned);
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
    let failure =
        |unmet: &cycle::Unmet| NameReport { name: unmet.update.name.clone(), reason: unmet.reason.to_string() };
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
    for conflict in &converged.left.plan.conflicts {
        output::error(format_args!("{}: {}", conflict.name, conflict.obstacle));
    }
}
