//! One instance: what its checks said in a row, and the condition that follows.
//!
//! ```text
//!            rise passes in a row                fall failures in a row
//!  Failing ─────────────────────▶ Passing      Passing ──────────────▶ Failing
//!     ▲  all checks together: one that fails is enough, and all have to pass       │
//!     └── changed too often lately: damped, Failing until it was quiet for a while ┘
//! ```

use std::sync::Arc;

use super::Seen;
use super::decide::Grounds;
use super::run::Run;
use crate::model::health::{CheckHealth, Publication, RememberedHealth};
use crate::model::{Check, CheckKind, Condition};

/// So many changes of condition within [`FLAP_WINDOW`] are flapping: three outages in ten minutes.
pub const FLAP_CHANGES: usize = 6;
/// Milliseconds over which changes are counted.
pub const FLAP_WINDOW: u64 = 10 * 60 * 1000;
/// Milliseconds without a failure after which flapping has ended.
pub const FLAP_QUIET: u64 = 5 * 60 * 1000;

/// How an instance is, and what is remembered of how it came to be so. Times are milliseconds since 1970.
#[derive(Debug, Clone)]
pub(super) struct Track {
    runs: Vec<Run>,
    condition: Condition,
    since: Option<u64>,
    reason: String,
    /// When the condition changed between passing and failing lately.
    changes: Vec<u64>,
    damped: bool,
    /// Since when nothing has failed, of one that is damped.
    quiet_since: Option<u64>,
    /// What was decided last.
    pub(super) publication: Publication,
    /// See [`Standing::seconded`](super::Standing::seconded).
    pub(super) seconded: Option<u64>,
}

/// A change of condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) from: Condition,
    pub(super) to: Condition,
    pub(super) reason: String,
    pub(super) latency_ms: Option<u64>,
}

impl Track {
    /// Of an instance that appears.
    pub(super) fn new(checks: &[Arc<Check>], now: u64) -> Self {
        let mut track = Self {
            runs: checks.iter().map(|check| Run::new(Arc::clone(check), now)).collect(),
            condition: Condition::Unknown,
            since: None,
            reason: String::new(),
            changes: Vec::new(),
            damped: false,
            quiet_since: None,
            publication: Publication::Published,
            seconded: None,
        };
        track.condition = track.together();
        track
    }

    /// Of one that is known from before: nothing is known of its checks but what followed from them.
    pub(super) fn restored(remembered: RememberedHealth, checks: &[Arc<Check>], now: u64) -> Self {
        let RememberedHealth { condition, since, reason, changes, damped, publication, .. } = remembered;
        if checks.is_empty() {
            return Self::new(checks, now);
        }
        let runs = checks.iter().map(|check| Run::restored(Arc::clone(check), condition, now)).collect();
        Self { runs, condition, since, reason, changes, damped, quiet_since: None, publication, seconded: None }
    }

    /// Takes in that something else is checked. What is checked as before keeps what it saw.
    pub(super) fn take_checks(&mut self, checks: &[Arc<Check>], now: u64) -> Option<Turn> {
        if self.runs.len() == checks.len() && self.runs.iter().zip(checks).all(|(run, check)| run.check == *check) {
            return None;
        }
        let mut before = std::mem::take(&mut self.runs);
        let run = |check: &Arc<Check>| match before.iter().position(|run| run.check == *check) {
            Some(at) => before.swap_remove(at),
            // It is known, and perhaps published: what holds in the beginning is no reason to leave it out.
            None => Run::restored(Arc::clone(check), check.initial, now),
        };
        self.runs = checks.iter().map(run).collect();
        if self.runs.is_empty() {
            (self.damped, self.quiet_since) = (false, None);
        }
        self.settle(now, || ("what is checked has changed".to_owned(), None))
    }

    /// Takes in a result of a check.
    pub(super) fn observe(&mut self, check: &Check, seen: Seen) -> Option<Turn> {
        let now = seen.at;
        let run =
            self.runs.iter_mut().find(|run| std::ptr::eq(&raw const *run.check, check) || *run.check == *check)?;
        run.observe(seen);
        let because = run.because();
        self.settle(now, || because)
    }

    /// Takes in what the instance said of itself. The error is that nobody wants to hear it.
    pub(super) fn hear(&mut self, word: &Seen) -> Result<Option<Turn>, NoLease> {
        let leases: Vec<_> = self.leases().map(|run| Arc::clone(&run.check)).collect();
        if leases.is_empty() {
            return Err(NoLease);
        }
        let mut turn = None;
        for check in leases {
            turn = self.observe(&check, word.clone()).or(turn);
        }
        Ok(turn)
    }

    /// Takes in that time has passed: leases that ran out, and damping that ends.
    pub(super) fn pass_time(&mut self, now: u64) -> Option<Turn> {
        let late: Vec<_> = self
            .leases()
            .filter(|run| run.is_overdue(now))
            .map(|run| (Arc::clone(&run.check), run.silence(now)))
            .collect();
        for (check, silence) in late {
            if let Some(turn) = self.observe(&check, silence) {
                return Some(turn);
            }
        }
        if self.damped { self.settle(now, || (String::new(), None)) } else { None }
    }

    /// Whether anything can happen to it by time alone.
    pub(super) fn is_timed(&self) -> bool {
        self.damped || self.leases().next().is_some()
    }

    fn leases(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| matches!(run.check.kind, CheckKind::Lease(_)))
    }

    /// What all checks say together.
    fn together(&self) -> Condition {
        let says = |condition| move |run: &Run| run.condition == condition;
        match &self.runs[..] {
            runs if runs.iter().any(says(Condition::Failing)) => Condition::Failing,
            [] => Condition::Unknown,
            runs if runs.iter().all(says(Condition::Passing)) => Condition::Passing,
            _ => Condition::Unknown,
        }
    }

    /// Brings the condition to what the checks say, unless that is damped.
    fn settle(&mut self, now: u64, because: impl FnOnce() -> (String, Option<u64>)) -> Option<Turn> {
        let to = self.together();
        if self.damped {
            let is_quiet = to == Condition::Passing && !self.is_troubled();
            self.quiet_since = is_quiet.then(|| self.quiet_since.unwrap_or(now));
            let quiet = self.quiet_since.is_some_and(|since| now.saturating_sub(since) >= FLAP_QUIET);
            if !quiet {
                return None;
            }
            (self.damped, self.quiet_since) = (false, None);
            self.changes.clear();
            let minutes = FLAP_QUIET / 60_000;
            return Some(self.turn(to, now, (format!("passing for {minutes} minutes after it had flapped"), None)));
        }
        (to != self.condition).then(|| self.turn(to, now, because()))
    }

    fn turn(&mut self, to: Condition, now: u64, (mut reason, latency_ms): (String, Option<u64>)) -> Turn {
        let from = std::mem::replace(&mut self.condition, to);
        if from != Condition::Unknown && to != Condition::Unknown {
            self.changes.retain(|&at| now.saturating_sub(at) < FLAP_WINDOW);
            self.changes.push(now);
        }
        if to == Condition::Failing && self.changes.len() >= FLAP_CHANGES {
            self.damped = true;
            let minutes = FLAP_QUIET / 60_000;
            reason = format!("{reason}; it flaps, and counts as failing until nothing fails for {minutes} minutes");
        }
        self.since = Some(now);
        self.reason.clone_from(&reason);
        Turn { from, to, reason, latency_ms }
    }
}

/// There is no check of type `lease`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoLease;

/// What is asked of it for decisions and shown to people.
impl Track {
    pub(super) fn condition(&self) -> Condition {
        self.condition
    }

    pub(super) fn is_checked(&self) -> bool {
        !self.runs.is_empty()
    }

    pub(super) fn is_damped(&self) -> bool {
        self.damped
    }

    pub(super) fn since(&self) -> Option<u64> {
        self.since
    }

    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether something of it has failed the last time, or fails.
    pub(super) fn is_troubled(&self) -> bool {
        self.runs.iter().any(|run| run.failed > 0 || run.condition == Condition::Failing)
    }

    /// Why it may be withdrawn: what withdraws an instance is seen since the daemon started, not remembered.
    pub(super) fn grounds(&self) -> Option<Grounds> {
        let all = self.runs.iter().filter_map(Run::grounds);
        all.reduce(|one, other| Grounds {
            sure_at: one.sure_at.max(other.sure_at),
            failed_from: one.failed_from.max(other.failed_from),
            is_near: one.is_near || other.is_near,
        })
    }

    /// When the oldest of its checks' last results began, when they all passed: since then it is known to be reachable.
    pub(super) fn firm_at(&self) -> Option<u64> {
        let all_passed = self.condition == Condition::Passing && !self.is_troubled();
        let oldest = self.runs.iter().map(|run| run.passed_from).min().flatten();
        oldest.filter(|_| all_passed)
    }

    pub(super) fn checks(&self) -> Vec<CheckHealth> {
        self.runs.iter().map(Run::status).collect()
    }

    /// What is to survive a restart; `service` and `instance` are the caller's to say.
    pub(super) fn remembered(&self, mut named: RememberedHealth) -> RememberedHealth {
        (named.condition, named.since, named.damped) = (self.condition, self.since, self.damped);
        (named.publication, named.reason) = (self.publication, self.reason.clone());
        named.changes.clone_from(&self.changes);
        named
    }
}
