//! `srvctl plan`, and how plans are shown; `apply` shows them the same way.

use std::path::PathBuf;

use serde::Serialize;
use tokio::task::JoinSet;

use super::args::Format;
use super::exit::Exit;
use super::output::Paint;
use super::{load, output};
use crate::config::Config;
use crate::daemon::{cycle, held};
use crate::dns::{DnsError, Primary, Session};
use crate::model::{Change, HeldStatus, Line, Name, OwnerId, RecordType, Rrset};
use crate::protocol::update::NameUpdate;
use crate::reconcile::{Conflict, Desired, Guarded, Plan, PlanId, Reconciler, guard, losing_names};

pub(super) async fn run(flag: Option<PathBuf>, format: &Format) -> Exit {
    let load::Loaded { config, desired, .. } = match load::all_or_show(flag) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let surveys = survey_zones(&config, desired, None).await;
    if format.json {
        let reports: Vec<_> = surveys.iter().map(|(primary, result)| ZoneReport::of_survey(primary, result)).collect();
        output::json(&Reports { zones: &reports });
    } else {
        for (primary, result) in &surveys {
            match result {
                Ok(survey) => {
                    Picture::of_everything(&survey.reconciler).show(primary);
                    show_held(&survey.reconciler, &survey.guarded);
                }
                Err(error) => output::error(error),
            }
        }
    }
    if surveys.iter().any(|(_, result)| result.is_err()) {
        Exit::Failed
    } else if surveys.iter().any(|(_, result)| result.as_ref().is_ok_and(|survey| survey.guarded.held.is_some())) {
        Exit::Held
    } else if surveys.iter().all(|(_, result)| result.as_ref().is_ok_and(|survey| survey.reconciler.is_in_sync())) {
        Exit::Done
    } else {
        Exit::Differences
    }
}

/// A zone as it was read, and what must happen to it.
pub(super) struct Survey {
    pub(super) session: Session,
    pub(super) reconciler: Reconciler,
    /// What may be done now, and what is held for a person.
    pub(super) guarded: Guarded,
}

/// A zone's primary, and what was read from it.
pub(super) type Surveyed = (Primary, Result<Survey, DnsError>);

/// Reads all zones at once; the result comes in the configuration's order.
pub(super) async fn survey_zones(config: &Config, desired: Vec<Desired>, accepted: Option<PlanId>) -> Vec<Surveyed> {
    each_zone(config, desired, |primary, owner, desired| survey_zone(primary, owner, desired, accepted)).await
}

/// Reads one zone.
pub(super) async fn survey_zone(
    primary: Primary,
    owner: OwnerId,
    desired: Desired,
    accepted: Option<PlanId>,
) -> Surveyed {
    output::progress(format_args!("reading {} from {}", primary.zone(), primary.server()));
    let mut session = Session::new(primary.clone());
    let reconciler = cycle::survey(&mut session, owner, desired).await;
    let survey = reconciler.map(|reconciler| {
        let guarded = guard(&reconciler, accepted);
        Survey { session, reconciler, guarded }
    });
    (primary, survey)
}

/// Does the work for all zones at once, so that none waits for another; the results come in the configuration's
/// order.
pub(super) async fn each_zone<T, F>(
    config: &Config,
    desired: Vec<Desired>,
    work: impl Fn(Primary, OwnerId, Desired) -> F,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut zones = JoinSet::new();
    for (index, (zone, desired)) in config.zones.iter().zip(desired).enumerate() {
        let worked = work(zone.primary(), zone.owner.clone(), desired);
        zones.spawn(async move { (index, worked.await) });
    }
    let mut all = zones.join_all().await;
    all.sort_unstable_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

/// A plan as people read it: made update by update, since that of a large zone is worth making while the server works.
pub(super) struct Picture {
    serial: u32,
    conflicts: Vec<Conflict>,
    adds: usize,
    deletes: usize,
    lines: String,
}

impl Picture {
    /// Of what is to do in a zone; the updates are to be [added](Self::add).
    pub(super) fn of_conflicts(reconciler: &Reconciler) -> Self {
        let (serial, conflicts) = (reconciler.live().serial(), reconciler.conflicts().collect());
        Self { serial, conflicts, adds: 0, deletes: 0, lines: String::new() }
    }

    /// Of all that is to do in a zone.
    pub(super) fn of_everything(reconciler: &Reconciler) -> Self {
        let mut picture = Self::of_conflicts(reconciler);
        for name in reconciler.pending() {
            reconciler.update(&name).iter().for_each(|update| picture.add(update));
        }
        picture
    }

    pub(super) fn add(&mut self, update: &NameUpdate) {
        let paint = Paint::for_stdout();
        let (deletes, adds) = update.record_counts();
        self.deletes += deletes;
        self.adds += adds;
        self.lines.push('\n');
        for line in update.changes.iter().flat_map(Change::lines) {
            self.lines.push_str(&painted(paint, &line));
            self.lines.push('\n');
        }
    }

    pub(super) fn show(&self, primary: &Primary) {
        let paint = Paint::for_stdout();
        let summary = if self.lines.is_empty() && self.conflicts.is_empty() {
            "in sync".to_owned()
        } else {
            format!("{} to add, {} to delete, {} in conflict", self.adds, self.deletes, self.conflicts.len())
        };
        let zone = primary.zone();
        let head = format!("zone {zone} at {}, serial {}: {summary}", primary.server(), self.serial);
        output::line(paint.strong(head));
        output::text(&self.lines);
        if !self.conflicts.is_empty() {
            output::line("");
        }
        for conflict in &self.conflicts {
            output::line(paint.doubtful(format_args!("! {}: {}", conflict.name, conflict.obstacle)));
        }
    }
}

/// What the guard holds back, and the way on.
pub(super) fn show_held(reconciler: &Reconciler, guarded: &Guarded) {
    let Some(held) = &guarded.held else { return };
    let paint = Paint::for_stdout();
    output::line(paint.bad(format_args!("\nheld: plan {}: {}", held.id, held.why())));
    for (name, records) in losing_names(reconciler) {
        output::line(paint.bad(format_args!("  {name} would lose {records} records")));
    }
    let additions = if held.additions_proceed { "its additions are made all the same" } else { "all of it waits" };
    output::line(format_args!("Nothing is removed, and {additions}. To make it: srvctl apply --accept {}", held.id));
    for name in &held.full {
        output::line(format_args!("{name} waits as a whole: there is no room for its additions beside what is to go"));
    }
}

fn painted(paint: Paint, line: &Line) -> String {
    if line.sign == '+' { paint.good(line) } else { paint.bad(line) }
}

/// The JSON of `plan` and `apply`.
#[derive(Serialize)]
pub(super) struct Reports<'a> {
    pub(super) zones: &'a [ZoneReport],
}

/// One zone in the JSON of `plan` and `apply`.
#[derive(Serialize)]
pub(super) struct ZoneReport {
    zone: Name,
    primary: String,
    serial: Option<u32>,
    pub(super) in_sync: bool,
    changes: Vec<ChangeReport>,
    conflicts: Vec<NameReport>,
    held: Option<HeldStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) applied: Option<AppliedReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failures: Option<Vec<NameReport>>,
    pub(super) error: Option<String>,
}

#[derive(Serialize)]
struct ChangeReport {
    name: Name,
    #[serde(rename = "type")]
    record_type: RecordType,
    before: Option<Rrset>,
    after: Option<Rrset>,
}

/// A name and what is the matter with it.
#[derive(Serialize)]
pub(super) struct NameReport {
    pub(super) name: Name,
    pub(super) reason: String,
}

/// What `apply` sent.
#[derive(Serialize)]
pub(super) struct AppliedReport {
    pub(super) records_added: usize,
    pub(super) records_deleted: usize,
    pub(super) messages: usize,
}

impl ZoneReport {
    pub(super) fn of_survey(primary: &Primary, result: &Result<Survey, DnsError>) -> Self {
        match result {
            Ok(survey) => {
                Self::of_plan(primary, &survey.reconciler.plan()).with_held(&survey.reconciler, &survey.guarded)
            }
            Err(error) => Self::of_error(primary, error),
        }
    }

    pub(super) fn of_plan(primary: &Primary, plan: &Plan) -> Self {
        let change = |change: &Change| ChangeReport {
            name: change.key.name.clone(),
            record_type: change.key.record_type,
            before: change.before.clone(),
            after: change.after.clone(),
        };
        Self {
            zone: plan.zone.clone(),
            primary: primary.server().to_string(),
            serial: Some(plan.serial),
            in_sync: plan.is_in_sync(),
            changes: plan.changes().map(change).collect(),
            conflicts: conflicts(plan),
            held: None,
            applied: None,
            failures: None,
            error: None,
        }
    }

    pub(super) fn with_held(mut self, reconciler: &Reconciler, guarded: &Guarded) -> Self {
        self.held = held(reconciler, guarded);
        self
    }

    pub(super) fn of_error(primary: &Primary, error: &dyn std::fmt::Display) -> Self {
        Self {
            zone: primary.zone().clone(),
            primary: primary.server().to_string(),
            serial: None,
            in_sync: false,
            changes: Vec::new(),
            conflicts: Vec::new(),
            held: None,
            applied: None,
            failures: None,
            error: Some(error.to_string()),
        }
    }
}

/// The conflicts of a plan, name by name.
fn conflicts(plan: &Plan) -> Vec<NameReport> {
    plan.conflicts.iter().map(NameReport::of_conflict).collect()
}

impl NameReport {
    pub(super) fn of_conflict(conflict: &Conflict) -> Self {
        Self { name: conflict.name.clone(), reason: conflict.obstacle.to_string() }
    }
}
