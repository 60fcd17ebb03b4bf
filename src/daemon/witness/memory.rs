//! What a witness remembers: what is not as it shall be, and counts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::feed::{Changed, Item, Waiting};
use super::super::zone_task::now;
use crate::model::{Rdata, Rrset, RrsetKey, ServerStatus, State, Unverified};
use crate::reconcile::{Serials, Sight, Track};

/// Look-ups under way at once.
pub(super) const CONCURRENT: usize = 32;
/// Waits between two looks at what does not show yet: the first, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// What is not as it shall be for so many seconds is logged.
const LOGGED_AFTER: u64 = 30;
/// What the status tells of what is not in sync.
pub(super) const TOLD: usize = 100;

/// What a witness remembers.
#[derive(Default)]
pub(super) struct Memory {
    cases: BTreeMap<RrsetKey, Case>,
    /// RRsets that were seen as they shall be since the beginning, until the first round is over.
    seen: usize,
    has_seen_all: bool,
    /// RRsets for which there was no time in the last round.
    skipped: usize,
    lookups: u64,
    last_answer: Option<u64>,
    pub(super) last_round: Option<u64>,
    propagation: Option<Duration>,
    pub(super) serial: Option<u32>,
    pub(super) serial_error: Option<String>,
    pub(super) asked_serial: Option<Instant>,
}

/// An RRset that is looked at until it is as it shall be.
struct Case {
    track: Track,
    /// Whether it is to be gone.
    is_gone: bool,
    /// When it changed, as long as the change was not seen.
    changed: Option<Instant>,
    next: Instant,
    wait: Duration,
    /// Whether the round came by.
    in_round: bool,
    is_logged: bool,
}

/// One look-up that was made.
pub(super) struct Looked {
    pub(super) key: RrsetKey,
    /// As the round has it; a case knows better.
    pub(super) rrset: Option<Arc<Rrset>>,
    pub(super) sight: Sight,
    pub(super) at: Instant,
    /// How long the look-up took.
    pub(super) took: Duration,
}

/// What became of a look-up.
pub(super) struct Taken {
    pub(super) state: State,
    /// How long a change took until this look-up saw it.
    pub(super) propagation: Option<Duration>,
    /// Whether it is as it shall be, and was logged not to be.
    pub(super) is_mended: bool,
}

impl Case {
    fn new(rrset: Option<Arc<Rrset>>, changed: Option<Instant>) -> Self {
        Self {
            is_gone: rrset.is_none(),
            track: Track::new(rrset.map(Arc::unwrap_or_clone), now()),
            changed,
            next: Instant::now(),
            wait: Duration::ZERO,
            in_round: true,
            is_logged: false,
        }
    }
}

impl Memory {
    /// When something is to be looked at again.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.cases.values().map(|case| case.next).min()
    }

    /// What to look up now: the round, and what is due of the cases, the longest waiting first.
    pub(super) fn batch(&mut self, waiting: Waiting) -> Vec<(RrsetKey, Option<Arc<Rrset>>)> {
        if waiting.reset {
            self.cases.clear();
            (self.seen, self.has_seen_all, self.skipped) = (0, false, 0);
        }
        for (key, Changed { rrset, at }) in waiting.changed {
            self.cases.insert(key, Case::new(rrset, Some(at)));
        }
        let mut batch = Vec::new();
        for item in waiting.round {
            match item {
                Item::Rrset(key, rrset) => match self.cases.get_mut(&key) {
                    Some(case) => case.in_round = true,
                    None => batch.push((key, Some(rrset))),
                },
                Item::End { skipped } => self.end_round(skipped),
            }
        }
        let now = Instant::now();
        let mut due: Vec<_> = self.cases.iter().filter(|(_, case)| case.next <= now).collect();
        due.sort_unstable_by_key(|(_, case)| case.next);
        batch.extend(due.into_iter().take(CONCURRENT).map(|(key, _)| (key.clone(), None)));
        batch
    }

    /// Forgets what the round did not come by: it is ours no more.
    fn end_round(&mut self, skipped: usize) {
        if skipped == 0 {
            self.cases.retain(|_, case| case.is_gone || std::mem::take(&mut case.in_round));
        }
        self.skipped = skipped;
        self.has_seen_all = true;
        self.last_round = Some(now());
    }

    /// Whether somebody who speaks for the zone says something unexpected: the serial may tell why.
    pub(super) fn needs_serial(&self, sights: &[Looked]) -> bool {
        let is_unexpected = |looked: &Looked, rdatas: &[Rdata]| {
            let found: BTreeSet<_> = rdatas.iter().collect();
            match (self.cases.get(&looked.key), &looked.rrset) {
                (Some(case), _) => found != case.track.expected().collect(),
                (None, Some(rrset)) => found != rrset.rdatas().iter().collect(),
                (None, None) => false,
            }
        };
        sights.iter().any(|looked| match &looked.sight {
            Sight::Answer { authoritative: true, rdatas, .. } => is_unexpected(looked, rdatas),
            _ => false,
        })
    }

    /// Takes in what was seen.
    pub(super) fn take(&mut self, looked: Looked, serials: Serials, wall: u64) -> Taken {
        let Looked { key, rrset, sight, at, .. } = looked;
        self.lookups += 1;
        if matches!(sight, Sight::Answer { .. }) {
            self.last_answer = Some(wall);
        }
        let mut case = self.cases.remove(&key).unwrap_or_else(|| Case::new(rrset, None));
        let state = case.track.take(&sight, serials, wall);
        let mut taken = Taken { state, propagation: None, is_mended: false };
        if state == State::InSync {
            self.seen += usize::from(!case.is_gone);
            taken.propagation = case.changed.map(|changed| at.duration_since(changed));
            taken.is_mended = case.is_logged;
            self.propagation = taken.propagation.or(self.propagation);
        } else {
            case.wait = (case.wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
            case.next = at + case.wait;
            self.cases.insert(key, case);
        }
        taken
    }

    /// What has not been as it shall be for some time and was not logged yet.
    pub(super) fn late(&mut self, wall: u64) -> Vec<(&RrsetKey, &Track)> {
        let is_late = |case: &Case| {
            let is_seen = case.track.state().is_some();
            is_seen && !case.is_logged && wall.saturating_sub(case.track.since()) >= LOGGED_AFTER
        };
        let mut late = Vec::new();
        for (key, case) in self.cases.iter_mut().filter(|(_, case)| is_late(case)) {
            case.is_logged = true;
            late.push((key, &case.track));
        }
        late
    }

    /// The worst cases, and of these the oldest.
    pub(super) fn problems(&self, server: &str) -> Vec<Unverified> {
        let mut looked_at: Vec<_> = self.cases.iter().filter(|(_, case)| case.track.state().is_some()).collect();
        looked_at.sort_by_key(|(_, case)| (Reverse(case.track.state()), case.track.since()));
        let unverified = |(key, case): (&RrsetKey, &Case)| Unverified {
            server: server.to_owned(),
            name: key.name.clone(),
            record_type: key.record_type.to_string(),
            state: case.track.state().unwrap_or(State::Unknown),
            since: case.track.since(),
            clears: case.track.clears(),
            reason: case.track.reason().to_owned(),
        };
        looked_at.into_iter().take(TOLD).map(unverified).collect()
    }

    /// The counts, when the zone has so many RRsets of ours.
    pub(super) fn told(&self, rrsets: usize) -> ServerStatus {
        let mut told = ServerStatus {
            serial: self.serial,
            lookups: self.lookups,
            last_answer: self.last_answer,
            propagation_ms: self.propagation.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            error: self.serial_error.clone(),
            ..ServerStatus::default()
        };
        for case in self.cases.values() {
            match case.track.state() {
                None | Some(State::InSync) => {}
                Some(State::Stale) => told.stale += 1,
                Some(State::Wrong) => told.wrong += 1,
                Some(State::Unknown) => told.unknown += 1,
            }
        }
        let waiting = self.cases.values().filter(|case| !case.is_gone).count();
        let others = rrsets.saturating_sub(waiting);
        told.in_sync = if self.has_seen_all { others.saturating_sub(self.skipped) } else { self.seen.min(others) };
        told
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
