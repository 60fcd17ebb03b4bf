//! Tells those who look things up what has changed in a zone, and, spread over the interval, everything else.
//!
//! Belongs to the zone's task, which knows the zone. Keeps no more than the names that are still to come in the round.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::feed::{Changed, Facts, Feed, Feeds};
use crate::model::{Name, Rrset, RrsetKey};
use crate::reconcile::{Moved, Reconciler};

/// Names are told in portions at most this often.
const PORTION: Duration = Duration::from_millis(250);

/// How fast everything is looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Once in so long; none: only what has changed.
    pub(super) interval: Option<Duration>,
    /// Names per second, at most.
    pub(super) rate: NonZeroU32,
}

impl Pace {
    fn fastest(self) -> Duration {
        Duration::from_secs(1) / self.rate.get()
    }
}

/// What is told of one zone, and to whom.
pub(super) struct Herald {
    feeds: Arc<Feeds>,
    facts: watch::Sender<Facts>,
    pace: Pace,
    /// Names that are still to come in this round, the next at the end.
    left: Vec<Name>,
    /// When the round began. None before the first.
    began: Option<Instant>,
    /// Time from name to name in this round.
    each: Duration,
    /// Until when names have been told.
    told: Instant,
}

impl Herald {
    /// Has told nothing yet.
    pub(super) fn new(feeds: Arc<Feeds>, facts: watch::Sender<Facts>, pace: Pace) -> Self {
        Self { feeds, facts, pace, left: Vec::new(), began: None, each: PORTION, told: Instant::now() }
    }

    /// Tells what has changed since the last time.
    pub(super) fn tell(&mut self, reconciler: &mut Reconciler) {
        let Moved { rrsets, too_many, growth } = reconciler.take_moved();
        let serial = Some(reconciler.live().serial());
        let starts_over = self.began.is_none() || too_many;
        if starts_over {
            self.feeds.each(Feed::reset);
            self.begin(reconciler, self.pace.fastest());
        }
        self.facts.send_if_modified(|facts| {
            let growth = if starts_over { 0 } else { growth }; // what begins has been counted
            let is_other = facts.serial != serial || growth != 0;
            (facts.serial, facts.rrsets) = (serial, facts.rrsets.saturating_add_signed(growth));
            is_other
        });
        if rrsets.is_empty() || too_many {
            return;
        }
        let at = Instant::now();
        let changed = |key: RrsetKey| {
            let rrset = reconciler.ours_at(&key.name).find(|set| set.record_type() == key.record_type).map(Arc::new);
            (key, Changed { rrset, at })
        };
        let changes: Vec<_> = rrsets.into_iter().map(changed).collect();
        self.feeds.each(|feed| feed.change(changes.iter().cloned()));
    }

    /// Begins a round over everything, as fast as it may be: somebody new listens.
    pub(super) fn begin_anew(&mut self, reconciler: &Reconciler) {
        if self.began.is_some() {
            self.begin(reconciler, self.pace.fastest());
        }
    }

    fn begin(&mut self, reconciler: &Reconciler, each: Duration) {
        self.left = reconciler.ours().cloned().collect();
        let rrsets = reconciler.count_ours();
        self.facts.send_modify(|facts| facts.rrsets = rrsets);
        (self.each, self.told) = (each, Instant::now());
        self.began = Some(self.told);
        self.go_on(reconciler);
    }

    /// Tells the names that are due.
    pub(super) fn go_on(&mut self, reconciler: &Reconciler) {
        let now = Instant::now();
        if self.next().is_none_or(|next| next > now) {
            return;
        }
        if self.left.is_empty() {
            let Some(interval) = self.pace.interval else { return };
            // A little faster than needed: the next round begins on time.
            let names = u32::try_from(reconciler.owned_names() + 1).unwrap_or(u32::MAX);
            return self.begin(reconciler, (interval / names).max(self.pace.fastest()));
        }
        let due = (now - self.told).as_nanos() / self.each.as_nanos().max(1) + 1;
        let due = usize::try_from(due).unwrap_or(usize::MAX);
        let names = self.left.split_off(self.left.len().saturating_sub(due));
        let mut rrsets = Vec::new();
        for name in &names {
            let keyed = |set: Rrset| (RrsetKey::new(name.clone(), set.record_type()), Arc::new(set));
            rrsets.extend(reconciler.ours_at(name).map(keyed));
        }
        self.told = now;
        self.feeds.each(|feed| feed.go_on(rrsets.iter().cloned(), self.left.is_empty()));
    }

    /// When there is something to tell, if nothing changes.
    pub(super) fn next(&self) -> Option<Instant> {
        let began = self.began?;
        if self.left.is_empty() {
            return self.pace.interval.map(|interval| (began + interval).max(self.told));
        }
        Some(self.told + self.each.max(PORTION))
    }
}
