//! One zone's reconciler: woken by an edge, acts on the level.
//!
//! It takes no input but the latest desired set and the live zone, and runs one cycle at a time. A failed cycle
//! leaves nothing to clean up: every name in the zone is wholly in one state or another.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::backoff::Backoff;
use super::cycle::{Converged, Job, Survey};
use crate::dns::{DnsError, Primary};
use crate::model::{Change, DaemonStatus, HeldStatus, Outcome, OwnerId, ZoneStatus};
use crate::reconcile::{Desired, SetAside, losing_names};

/// What every zone shall hold, by the zone's place in the configuration; none until the sources were good once.
pub(super) type DesiredZones = Option<Arc<Vec<Desired>>>;

/// The ports of one zone's task.
pub(super) struct ZoneTask {
    /// The zone's place in the configuration and in the status.
    pub(super) index: usize,
    pub(super) primary: Primary,
    pub(super) owner: OwnerId,
    pub(super) interval: Duration,
    pub(super) desired: watch::Receiver<DesiredZones>,
    /// Bumped when somebody asks for a full check.
    pub(super) wake: watch::Receiver<u64>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) status: Arc<watch::Sender<DaemonStatus>>,
}

/// What the task remembers between cycles: nothing that the zone does not know better.
#[derive(Default)]
struct Memory {
    /// The desired set and the serial that the last whole cycle ended with.
    settled: Option<(Arc<Vec<Desired>>, u32)>,
    aside: SetAside,
    backoff: Backoff,
}

/// What reading came to.
enum Look {
    /// Nothing can have changed.
    Settled,
    /// The zone, and what is to do.
    Surveyed(Box<Survey>),
    /// The zone could not be read.
    Failed(DnsError),
}

impl ZoneTask {
    /// Runs until told to stop. Reading is broken off then, since a server that hangs must not hold up anybody
    /// else's restart; updates under way are finished first.
    pub(super) async fn run(mut self) {
        let mut memory = Memory::default();
        let mut stop = self.stop.clone();
        loop {
            let desired = self.desired.borrow_and_update().clone();
            let wait = match desired {
                None => self.interval,
                Some(desired) => {
                    let look = tokio::select! {
                        biased;
                        _ = stop.wait_for(|&stop| stop) => return,
                        look = self.look(&desired, &memory) => look,
                    };
                    self.act(look, &desired, &mut memory).await
                }
            };
            self.update_status(|zone| zone.next_run = Some(now() + wait.as_secs()));
            tokio::select! {
                biased;
                _ = stop.wait_for(|&stop| stop) => return,
                changed = self.wake.changed() => match changed {
                    Ok(()) => memory.settled = None,
                    Err(_) => return,
                },
                changed = self.desired.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Reads what there is to read, and changes nothing.
    async fn look(&self, desired: &Arc<Vec<Desired>>, memory: &Memory) -> Look {
        if self.is_settled(desired, memory).await {
            return Look::Settled;
        }
        match self.job(&desired[self.index]).survey().await {
            Ok(survey) => Look::Surveyed(Box::new(survey)),
            Err(error) => Look::Failed(error),
        }
    }

    /// The second half of a cycle; says how long to wait for the next.
    async fn act(&self, look: Look, desired: &Arc<Vec<Desired>>, memory: &mut Memory) -> Duration {
        let result = match look {
            Look::Settled => {
                self.update_status(|zone| {
                    zone.last_run = Some(now());
                    if zone.outcome == Outcome::InSync {
                        zone.last_in_sync = Some(now());
                    }
                });
                return self.interval;
            }
            Look::Surveyed(survey) => self.reconcile(*survey, &desired[self.index], &mut memory.aside).await,
            Look::Failed(error) => Err(error),
        };
        memory.settled = None;
        match result {
            Ok(converged) => {
                memory.backoff.reset();
                memory.settled = Some((Arc::clone(desired), converged.left.live.serial()));
                self.report(&converged, &memory.aside);
                self.interval
            }
            Err(error) => {
                tracing::error!(zone = %self.primary.zone(), %error, "the zone could not be reconciled");
                self.update_status(|zone| {
                    zone.outcome = Outcome::Failed;
                    zone.last_run = Some(now());
                    zone.error = Some(error.to_string());
                });
                memory.backoff.after_failure(self.interval, rand::random())
            }
        }
    }

    fn job<'a>(&'a self, desired: &'a Desired) -> Job<'a> {
        Job { primary: &self.primary, owner: &self.owner, desired, accepted: None }
    }

    /// Whether nothing can have changed on either side since the last cycle; costs one SOA query.
    async fn is_settled(&self, desired: &Arc<Vec<Desired>>, memory: &Memory) -> bool {
        let Some((last, serial)) = &memory.settled else { return false };
        let due = memory.aside.next_retry().is_some_and(|retry_at| retry_at <= now());
        let same_wish = Arc::ptr_eq(last, desired) || last[self.index] == desired[self.index];
        same_wish && !due && self.primary.serial().await.is_ok_and(|live| live == *serial)
    }

    async fn reconcile(&self, survey: Survey, desired: &Desired, aside: &mut SetAside) -> Result<Converged, DnsError> {
        if tracing::enabled!(tracing::Level::DEBUG) {
            for line in survey.plan.changes().flat_map(Change::lines) {
                tracing::debug!(zone = %self.primary.zone(), "{line}");
            }
        }
        let started = now();
        let held = aside.clone();
        let skip = move |update: &_| held.holds(update, started);
        let converged = self.job(desired).converge(survey, &skip).await?;
        for unmet in &converged.unmet {
            aside.record(&unmet.update, unmet.reason.to_string(), now());
        }
        aside.forget_done(&converged.left.plan);
        Ok(converged)
    }

    fn report(&self, converged: &Converged, aside: &SetAside) {
        let zone_name = self.primary.zone();
        let left = &converged.left;
        let (added, deleted) = (converged.pushed.added, converged.pushed.deleted);
        if added + deleted > 0 {
            tracing::info!(zone = %zone_name, added, deleted, serial = left.live.serial(), "the zone was changed");
        }
        let conflicts = left.plan.conflicts.iter().map(|conflict| format!("{}: {}", conflict.name, conflict.obstacle));
        let refused = aside.reasons().map(|(name, reason)| format!("{name}: {reason}"));
        let problems: Vec<_> = conflicts.chain(refused).collect();
        self.update_status(|zone| {
            for problem in problems.iter().filter(|problem| !zone.problems.contains(problem)) {
                tracing::warn!(zone = %zone_name, "{problem}");
            }
            let held = held_status(&converged.left);
            if let Some(new) = held.as_ref().filter(|held| zone.held.as_ref().is_none_or(|old| old.id != held.id)) {
                tracing::error!(zone = %zone_name, plan = new.id, "a plan is held: {}", new.reasons.join("; "));
            }
            zone.outcome = match (converged.is_complete(), &held) {
                (true, _) => Outcome::InSync,
                (false, Some(_)) => Outcome::Held,
                (false, None) => Outcome::Incomplete,
            };
            zone.held = held;
            if zone.outcome == Outcome::InSync {
                zone.last_in_sync = Some(now());
            }
            zone.last_run = Some(now());
            zone.error = None;
            zone.serial = Some(left.live.serial());
            zone.records = left.live.record_count();
            zone.owned_names = left.plan.owned_names;
            zone.changes += (added + deleted) as u64;
            zone.problems = problems;
        });
    }

    fn update_status(&self, change: impl FnOnce(&mut ZoneStatus)) {
        self.status.send_modify(|status| change(&mut status.zones[self.index]));
    }
}

/// What the guard holds, as the status tells it.
fn held_status(survey: &Survey) -> Option<HeldStatus> {
    let held = survey.guarded.held.as_ref()?;
    Some(HeldStatus {
        id: held.id.to_string(),
        reasons: held.reasons.iter().map(ToString::to_string).collect(),
        removed: held.removed,
        names: losing_names(&survey.plan, &survey.live).into_iter().map(|(name, _)| name.clone()).collect(),
        additions_proceed: held.additions_proceed,
    })
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
