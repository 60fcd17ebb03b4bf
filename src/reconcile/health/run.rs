//! One check of one instance: results in a row.

use std::sync::Arc;
use std::time::Duration;

use super::Seen;
use super::decide::Grounds;
use crate::model::health::{CheckHealth, ProbeResult, Verdict};
use crate::model::{Check, CheckKind, Condition};

/// What a check said lately. Times are milliseconds since 1970.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) check: Arc<Check>,
    pub(super) condition: Condition,
    /// In a row, up to now; one of the two is 0.
    passed: u32,
    pub(super) failed: u32,
    /// When the last result began, when it passed.
    pub(super) passed_from: Option<u64>,
    /// Of failures in a row that are enough.
    enough: Option<Grounds>,
    /// Whether `condition` is what was to hold until there were results.
    is_initial: bool,
    last: Option<(u64, ProbeResult)>,
    /// Of a lease: when the instance was heard last, or somebody began to listen.
    heard: u64,
    /// Whether the last result is known not to have left the machine of whoever checks.
    is_near: bool,
}

impl Run {
    pub(super) fn new(check: Arc<Check>, now: u64) -> Self {
        let condition = check.initial;
        Self { is_initial: true, ..Self::restored(check, condition, now) }
    }

    pub(super) fn restored(check: Arc<Check>, condition: Condition, now: u64) -> Self {
        let (passed, failed, passed_from, enough, last) = (0, 0, None, None, None);
        let (is_initial, is_near) = (false, false);
        Self { check, condition, passed, failed, passed_from, enough, is_initial, last, heard: now, is_near }
    }

    /// Takes in a result.
    pub(super) fn observe(&mut self, Seen { result, at: now, is_near }: Seen) {
        let began = now.saturating_sub(milliseconds(result.latency));
        match result.verdict {
            Verdict::Passing | Verdict::Warning => {
                self.passed = self.passed.saturating_add(1);
                (self.failed, self.enough) = (0, None);
                self.passed_from = Some(began);
                if self.passed >= self.check.rise {
                    self.turn(Condition::Passing);
                }
            }
            Verdict::Failing => {
                self.failed = self.failed.saturating_add(1);
                (self.passed, self.passed_from) = (0, None);
                if self.failed >= self.check.fall {
                    let sure_at = self.enough.map_or(now, |enough| enough.sure_at);
                    self.enough = Some(Grounds { sure_at, failed_from: began, is_near });
                    self.turn(Condition::Failing);
                }
            }
            Verdict::Unknown => {}
        }
        self.heard = now;
        self.is_near = is_near;
        self.last = Some((now, result));
    }

    fn turn(&mut self, to: Condition) {
        self.condition = to;
        self.is_initial = false;
    }

    /// The failures that make it failing, when they were seen since the daemon started.
    pub(super) fn grounds(&self) -> Option<Grounds> {
        match self.condition {
            Condition::Failing if self.is_initial => Some(Grounds::INITIAL),
            Condition::Failing => self.enough,
            _ => None,
        }
    }

    /// Whether an instance that was to say how it is has been silent for too long.
    pub(super) fn is_overdue(&self, now: u64) -> bool {
        now.saturating_sub(self.heard) >= milliseconds(self.check.interval)
    }

    /// What silence comes to: as near as the last word.
    pub(super) fn silence(&self, now: u64) -> Seen {
        let text = format!("not renewed for {}", length(self.check.interval));
        let result = ProbeResult::new(Verdict::Failing, Duration::ZERO, text);
        Seen { result, at: now, is_near: self.is_near }
    }

    /// The last result as a reason, and how long it took.
    pub(super) fn because(&self) -> (String, Option<u64>) {
        let Some((_, result)) = &self.last else { return (String::new(), None) };
        let kind = self.check.kind.as_str();
        let times = if self.failed > 0 { self.failed } else { self.passed };
        let how = if self.failed > 0 { "failed" } else { "passed" };
        let count = if times == 1 { "once".to_owned() } else { format!("{times} times in a row") };
        let text = if result.text.is_empty() { String::new() } else { format!(": {}", result.text) };
        let is_probe = !matches!(self.check.kind, CheckKind::Lease(_));
        (format!("{kind} {how} {count}{text}"), is_probe.then(|| milliseconds(result.latency)))
    }

    pub(super) fn status(&self) -> CheckHealth {
        CheckHealth {
            kind: self.check.kind.as_str().to_owned(),
            condition: self.condition,
            passed: self.passed,
            failed: self.failed,
            last: self.last.as_ref().map(|(at, _)| *at),
            result: self.last.as_ref().map(|(_, result)| result.clone()),
        }
    }
}

fn milliseconds(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// As people write it: intervals are whole seconds mostly.
fn length(length: Duration) -> String {
    if length.subsec_millis() == 0 { format!("{}s", length.as_secs()) } else { format!("{}ms", length.as_millis()) }
}
