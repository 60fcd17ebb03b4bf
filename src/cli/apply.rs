//! `srvctl apply`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::args::ApplyArgs;
use super::exit::Exit;
use super::plan::{self, AppliedReport, NameReport, Picture, Reports, Survey, ZoneReport};
use super::{load, output};
use crate::config::Config;
use crate::daemon::cycle::{self, Converged, Orders, Unmet};
use crate::daemon::registered::Registered;
use crate::dns::{DnsError, Primary, Session};
use crate::model::OwnerId;
use crate::protocol::update::NameUpdate;
use crate::reconcile::{Desired, Plan, PlanId, Reconciler, guard};
use crate::store::StoreError;

pub(super) async fn run(flag: Option<PathBuf>, args: &ApplyArgs) -> Exit {
    if args.dry_run {
        return plan::run(flag, &args.format).await;
    }
    let load::Loaded { config, desired, registered, .. } = match load::all_or_show(flag) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let json = args.format.json;
    let results = match args.accept {
        None => {
            let apply = |primary, owner, desired| apply_zone(primary, owner, desired, registered.clone(), json);
            plan::each_zone(&config, desired, apply).await
        }
        Some(id) => accept(&config, &registered, id, json).await,
    };
    if results.is_empty() {
        output::error("no plan with this id is held now; `srvctl plan` shows what is");
        return Exit::Failed;
    }
    if json {
        let reports: Vec<_> = results.iter().map(|(primary, result)| report(primary, result)).collect();
        output::json(&Reports { zones: &reports });
    } else {
        results.iter().for_each(|(primary, result)| show(primary, result));
    }
    exit(&results)
}

/// Failed comes before held: what failed needs a person sooner.
fn exit(results: &[ZoneResult]) -> Exit {
    let failed = |applied: &Applied| !applied.converged.unmet.is_empty() || applied.left.conflicts().next().is_some();
    if results.iter().any(|(_, result)| result.as_ref().map_or(true, failed)) {
        Exit::Failed
    } else if results.iter().any(|(_, result)| result.as_ref().is_ok_and(|done| done.converged.guarded.held.is_some()))
    {
        Exit::Held
    } else {
        Exit::Done
    }
}

/// What was done in a zone.
struct Applied {
    /// What was planned at the start.
    planned: Planned,
    converged: Converged,
    /// What is still to do: nothing, when all went well.
    left: Reconciler,
}

enum Planned {
    /// As JSON tells it.
    Data(Plan),
    /// As people read it.
    Shown(Picture),
}

type ZoneResult = (Primary, Result<Applied, Failure>);

/// Why a zone could not be brought up to date.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// It is not known any more what is registered: then nothing may be removed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the held plan with this id, in the zone that has it; does nothing in the others. A zone that cannot be read
/// is among the results: the plan may be its.
async fn accept(config: &Config, registered: &Registered, id: PlanId, json: bool) -> Vec<ZoneResult> {
    let mut results = Vec::new();
    for (primary, surveyed) in plan::survey_zones(config, registered.desired(), Some(id)).await {
        let result = match surveyed {
            Err(error) => Err(error.into()),
            // Whether the id released this zone's plan.
            Ok(survey) if guard(&survey.reconciler, None).held.is_none_or(|held| held.id != id) => continue,
            Ok(survey) => converge(survey, registered.clone(), Some(id), json).await,
        };
        results.push((primary, result));
    }
    results
}

async fn apply_zone(
    primary: Primary,
    owner: OwnerId,
    desired: Desired,
    registered: Registered,
    json: bool,
) -> ZoneResult {
    // What a run that was killed has sent is made before the zone is read.
    if let Err(error) = Session::new(primary.clone()).settle().await {
        return (primary, Err(error.into()));
    }
    let (primary, surveyed) = plan::survey_zone(primary, owner, desired, None).await;
    let survey = match surveyed {
        Ok(survey) => survey,
        Err(error) => return (primary, Err(error.into())),
    };
    let names = survey.reconciler.pending_count();
    if names > 0 {
        output::progress(format_args!("updating {names} names in {}", primary.zone()));
    }
    (primary, converge(survey, registered, None, json).await)
}

async fn converge(
    survey: Survey,
    registered: Registered,
    accepted: Option<PlanId>,
    json: bool,
) -> Result<Applied, Failure> {
    let Survey { mut session, mut reconciler, guarded } = survey;
    let mut registered = registered;
    registered.update(&mut reconciler)?;
    let registered = Beside { registered: Mutex::new(registered), lost: Mutex::default() };
    let has_read = |_, reconciler: &mut Reconciler| registered.update(reconciler);
    let interrupted = || registered.is_lost();
    let all = Orders { has_read: &has_read, interrupted: &interrupted, ..Orders::all(accepted) };
    if json || guarded.held.is_some() {
        let planned =
            if json { Planned::Data(reconciler.plan()) } else { Planned::Shown(Picture::of_everything(&reconciler)) };
        let converged = cycle::converge(&mut session, &mut reconciler, all).await?;
        registered.lost()?;
        return Ok(Applied { planned, converged, left: reconciler });
    }
    // All of it is sent: so it is shown as it is sent.
    let picture = Mutex::new(Picture::of_conflicts(&reconciler));
    let sending = |update: &NameUpdate| picture.lock().unwrap_or_else(PoisonError::into_inner).add(update);
    let converged = cycle::converge(&mut session, &mut reconciler, Orders { sending: &sending, ..all }).await?;
    registered.lost()?;
    let planned = Planned::Shown(picture.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(Applied { planned, converged, left: reconciler })
}

/// What a daemon registers meanwhile.
struct Beside {
    registered: Mutex<Registered>,
    lost: Mutex<Option<StoreError>>,
}

impl Beside {
    fn update(&self, reconciler: &mut Reconciler) {
        let updated = self.registered.lock().unwrap_or_else(PoisonError::into_inner).update(reconciler);
        if let Err(error) = updated {
            *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }

    fn is_lost(&self) -> bool {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn lost(&self) -> Result<(), StoreError> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }
}

fn report(primary: &Primary, result: &Result<Applied, Failure>) -> ZoneReport {
    let Applied { planned, converged, left } = match result {
        Ok(applied) => applied,
        Err(error) => return ZoneReport::of_error(primary, error),
    };
    let Planned::Data(planned) = planned else { unreachable!("made for JSON") };
    let mut report = ZoneReport::of_plan(primary, planned).with_held(left, &converged.guarded);
    report.in_sync = left.is_in_sync();
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

fn show(primary: &Primary, result: &Result<Applied, Failure>) {
    let Applied { planned, converged, left } = match result {
        Ok(applied) => applied,
        Err(error) => return output::error(error),
    };
    if let Planned::Shown(picture) = planned {
        picture.show(primary);
    }
    let pushed = &converged.pushed;
    if pushed.messages > 0 {
        output::line(format_args!(
            "\nzone {}: {} records added, {} deleted, read back at serial {}",
            primary.zone(),
            pushed.added,
            pushed.deleted,
            left.live().serial()
        ));
    }
    show_failures(&failures(converged));
    plan::show_held(left, &converged.guarded);
    for conflict in left.conflicts() {
        output::error(format_args!("{}: {}", conflict.name, conflict.obstacle));
    }
}
