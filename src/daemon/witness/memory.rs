//! What a witness remembers: what is not as it shall be, when to look at it again, and counts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::feed::{After, Changed, Item, Waiting};
use crate::model::{Rrset, RrsetKey, ServerStatus, State, Unverified};
use crate::reconcile::{Expectation, Serials, Sight, Track};

/// Waits between two looks at what does not show yet: the first, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How often what may come of a race is looked at again before it is believed, with the waits above: more than a second.
const DOUBTS: u8 = 6;
/// What is not as it shall be for so many seconds is logged.
const LOGGED_AFTER: u64 = 30;
/// Seconds for which a server is asked whether it still has what went.
const GONE_FOR: u64 = 86_400;
/// What the status tells of what is not in sync.
pub(super) const TOLD: usize = 100;

/// What a witness remembers.
#[derive(Default)]
pub(super) struct Memory {
    cases: BTreeMap<RrsetKey, Case>,
    /// Of all cases that are not being looked at, the next first.
    queue: BTreeSet<(Instant, RrsetKey)>,
    /// What is due in the round.
    round: Vec<(RrsetKey, Arc<Rrset>)>,
    /// RRsets that were seen as they shall be since the beginning, until the first round is over.
    seen: usize,
    has_seen_all: bool,
    /// RRsets for which there was no time in the last round.
    skipped: usize,
    lookups: u64,
    last_answer: Option<u64>,
    pub(super) last_round: Option<u64>,
    propagation: Option<Duration>,
    /// For how long a cache may say that something is not in the zone, seconds.
    pub(super) negative_ttl: u32,
    pub(super) serial: Option<u32>,
    pub(super) serial_error: Option<String>,
    pub(super) asked_serial: Option<Instant>,
    /// The primary's serial when the server's was asked for.
    pub(super) asked_for: Option<u32>,
}

/// An RRset that is looked at until it is as it shall be.
struct Case {
    track: Track,
    /// When it changed, as long as the change was not seen.
    changed: Option<Instant>,
    /// When it is looked at again; none while it is being looked at.
    next: Option<Instant>,
    wait: Duration,
    doubts: u8,
    /// Whether the round came by.
    in_round: bool,
    is_logged: bool,
}

/// A look-up to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) key: RrsetKey,
    /// As the round has it; none of a case, which knows better.
    pub(super) rrset: Option<Arc<Rrset>>,
}

/// One look-up that was made.
pub(super) struct Looked {
    pub(super) look: Look,
    pub(super) sight: Sight,
    pub(super) at: Instant,
    /// How long the look-up took.
    pub(super) took: Duration,
}

/// What became of a look-up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// None: it may come of a race, and is looked at again.
    pub(super) state: Option<State>,
    /// How long a change took until this look-up saw it.
    pub(super) propagation: Option<Duration>,
    /// Whether it is as it shall be, and was logged not to be.
    pub(super) is_mended: bool,
    /// What is to be logged now: it has not been as it shall be for some time.
    pub(super) is_late: Option<String>,
}

impl Memory {
    /// Takes in what has come.
    pub(super) fn hear(&mut self, waiting: Waiting, wall: u64) {
        if waiting.reset {
            self.cases.clear();
            self.queue.clear();
            self.round.clear();
            (self.seen, self.has_seen_all, self.skipped) = (0, false, 0);
        }
        for (key, Changed { after, ttl, at }) in waiting.changed {
            self.round.retain(|(other, _)| *other != key);
            let expected = match after {
                After::Here(rrset) => Expectation::Exactly(Arc::unwrap_or_clone(rrset)),
                After::Gone(rrset) => Expectation::NoneOf(Arc::unwrap_or_clone(rrset)),
                After::LetGo => {
                    self.forget(&key);
                    continue;
                }
            };
            self.put(key, Case::new(Track::new(expected, ttl, wall), Some(at)));
        }
        for item in waiting.round {
            match item {
                Item::Rrset(key, rrset) => match self.cases.get_mut(&key) {
                    Some(case) => case.in_round = true,
                    None => self.round.push((key, rrset)),
                },
                Item::End { skipped } => self.end_round(skipped, wall),
            }
        }
    }

    /// Forgets what the round did not come by: it is ours no more. What went is followed for a day.
    fn end_round(&mut self, skipped: usize, wall: u64) {
        let is_over = |case: &mut Case| {
            let is_old = wall.saturating_sub(case.track.since()) > GONE_FOR;
            if case.track.is_gone() { is_old } else { skipped == 0 && !std::mem::take(&mut case.in_round) }
        };
        for (key, case) in self.cases.extract_if(.., |_, case| is_over(case)) {
            if let Some(next) = case.next {
                self.queue.remove(&(next, key));
            }
        }
        self.skipped = skipped;
        self.has_seen_all = true;
        if skipped == 0 {
            self.last_round = Some(wall);
        }
    }

    fn put(&mut self, key: RrsetKey, case: Case) {
        self.forget(&key);
        if let Some(next) = case.next {
            self.queue.insert((next, key.clone()));
        }
        self.cases.insert(key, case);
    }

    fn forget(&mut self, key: &RrsetKey) {
        if let Some(Case { next: Some(next), .. }) = self.cases.remove(key) {
            self.queue.remove(&(next, key.clone()));
        }
    }

    /// When something is to be looked up.
    pub(super) fn next_look(&self) -> Option<Instant> {
        if self.round.is_empty() { self.queue.first().map(|(next, _)| *next) } else { Some(Instant::now()) }
    }

    /// How many more of the round there is room for.
    pub(super) fn room(&self, most: usize) -> usize {
        most.saturating_sub(self.round.len())
    }

    /// What to look up now, at most so much: of what is due the longest waiting first, and of the round in turn with it.
    pub(super) fn looks(&mut self, most: usize) -> Vec<Look> {
        let now = Instant::now();
        let mut looks = Vec::new();
        while looks.len() < most {
            let is_due = self.queue.first().is_some_and(|(next, _)| *next <= now);
            if is_due && (looks.len().is_multiple_of(2) || self.round.is_empty()) {
                let Some((_, key)) = self.queue.pop_first() else { break };
                if let Some(case) = self.cases.get_mut(&key) {
                    case.next = None;
                }
                looks.push(Look { key, rrset: None });
            } else if let Some((key, rrset)) = self.round.pop() {
                looks.push(Look { key, rrset: Some(rrset) });
            } else if !is_due {
                break;
            }
        }
        looks
    }

    /// Whether somebody who speaks for the zone says something unexpected: the serial may tell why.
    pub(super) fn needs_serial(&self, looked: &Looked) -> bool {
        if !matches!(looked.sight, Sight::Answer { authoritative: true, .. }) {
            return false;
        }
        match (self.cases.get(&looked.look.key), &looked.look.rrset) {
            (Some(case), _) => !case.track.is_met_by(&looked.sight),
            (None, Some(rrset)) => !self.of_round(rrset, 0).is_met_by(&looked.sight),
            (None, None) => false,
        }
    }

    /// Takes in what was seen. What is `doubtful` may come of a race, and is believed when it stays so for a while.
    pub(super) fn take(&mut self, looked: Looked, serials: Serials, doubtful: bool, wall: u64) -> Taken {
        let Looked { look: Look { key, rrset }, sight, at, .. } = looked;
        self.lookups += 1;
        if matches!(sight, Sight::Answer { .. }) {
            self.last_answer = Some(wall);
        }
        // What was let go meanwhile is nobody's business.
        let known = self.cases.remove(&key);
        if let Some(Case { next: Some(next), .. }) = &known {
            self.queue.remove(&(*next, key.clone()));
        }
        let new = || rrset.as_ref().map(|rrset| Case::new(self.of_round(rrset, wall), None));
        let Some(mut case) = known.or_else(new) else { return Taken::default() };
        if doubtful && case.doubts < DOUBTS && !case.track.is_met_by(&sight) {
            case.doubts += 1;
            self.again(key, case, at);
            return Taken::default();
        }
        let state = case.track.take(&sight, serials, wall);
        let mut taken = Taken { state: Some(state), ..Taken::default() };
        if state == State::InSync {
            self.seen += usize::from(!case.track.is_gone());
            taken.propagation = case.changed.map(|changed| at.saturating_duration_since(changed));
            taken.is_mended = case.is_logged;
            self.propagation = taken.propagation.or(self.propagation);
            return taken;
        }
        if !case.is_logged && wall.saturating_sub(case.track.since()) >= LOGGED_AFTER {
            case.is_logged = true;
            taken.is_late = Some(case.track.reason().to_owned());
        }
        let is_spent = case.track.is_gone() && state == State::Unknown && case.track.is_over(wall);
        if !is_spent {
            self.again(key, case, at);
        }
        taken
    }

    fn of_round(&self, rrset: &Rrset, wall: u64) -> Track {
        Track::new(Expectation::Exactly(rrset.clone()), rrset.ttl.max(self.negative_ttl), wall)
    }

    fn again(&mut self, key: RrsetKey, mut case: Case, at: Instant) {
        case.wait = (case.wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
        case.next = Some(at + case.wait);
        self.put(key, case);
    }

    /// The worst cases, and of these the oldest.
    pub(super) fn problems(&self, server: &str) -> Vec<Unverified> {
        let worst = |(_, case): &(&RrsetKey, &Case)| (Reverse(case.track.state()), case.track.since());
        let mut looked_at: Vec<_> = self.cases.iter().filter(|(_, case)| case.is_bad()).collect();
        if looked_at.len() > TOLD {
            looked_at.select_nth_unstable_by_key(TOLD, worst);
            looked_at.truncate(TOLD);
        }
        looked_at.sort_by_key(worst);
        let unverified = |(key, case): (&RrsetKey, &Case)| Unverified {
            server: server.to_owned(),
            name: key.name.clone(),
            record_type: key.record_type.to_string(),
            state: case.track.state().unwrap_or(State::Unknown),
            since: case.track.since(),
            clears: case.track.clears(),
            reason: case.track.reason().to_owned(),
        };
        looked_at.into_iter().map(unverified).collect()
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
        let mut waiting = 0;
        for case in self.cases.values() {
            waiting += usize::from(!case.track.is_gone());
            match case.track.state() {
                None | Some(State::InSync) => {}
                Some(State::Stale) => told.stale += 1,
                Some(State::Wrong) => told.wrong += 1,
                Some(State::Unknown) => told.unknown += 1,
            }
        }
        let others = rrsets.saturating_sub(waiting);
        told.in_sync = if self.has_seen_all { others.saturating_sub(self.skipped) } else { self.seen.min(others) };
        told
    }
}

impl Case {
    fn new(track: Track, changed: Option<Instant>) -> Self {
        let next = Some(Instant::now());
        Self { track, changed, next, wait: Duration::ZERO, doubts: 0, in_round: true, is_logged: false }
    }

    fn is_bad(&self) -> bool {
        self.track.state().is_some_and(|state| state != State::InSync)
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
