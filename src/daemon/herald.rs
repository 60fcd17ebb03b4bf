//! Tells those who look things up what has changed in a zone, and, spread over the interval, everything else.
//!
//! Belongs to the zone's task, which knows the zone. Keeps no more than the names that are still to come in the round.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::feed::{After, Changed, Facts, Feed, Feeds};
use crate::model::{Name, Rrset, RrsetKey};
use crate::reconcile::{Moved, Reconciler};

/// RRsets are told in portions at most this often.
const PORTION: Duration = Duration::from_millis(250);

/// How fast everything is looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Once in so long; none: only what has changed.
    pub(super) interval: Option<Duration>,
    /// RRsets per second, at most.
    pub(super) rate: NonZeroU32,
}

impl Pace {
    /// From RRset to RRset at most so fast: a quarter slower than may be looked up, so that there is time for changes.
    fn fastest(self) -> Duration {
        Duration::from_secs(1) * 5 / (self.rate.get() * 4)
    }

    /// From RRset to RRset, when there are so many.
    fn of_a_round(self, interval: Duration, rrsets: usize) -> Duration {
        (interval / u32::try_from(rrsets).unwrap_or(u32::MAX).max(1)).max(self.fastest())
    }

    /// In how long everything is looked up; zero when only changes are.
    fn round(self, rrsets: usize) -> Duration {
        let Some(interval) = self.interval else { return Duration::ZERO };
        let rrsets = u32::try_from(rrsets).unwrap_or(u32::MAX).max(1);
        interval.max(self.of_a_round(interval, rrsets as usize).saturating_mul(rrsets))
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
    /// Time from RRset to RRset in this round.
    each: Duration,
    /// When the next is due.
    due: Instant,
}

impl Herald {
    /// Has told nothing yet.
    pub(super) fn new(feeds: Arc<Feeds>, facts: watch::Sender<Facts>, pace: Pace) -> Self {
        Self { feeds, facts, pace, left: Vec::new(), began: None, each: PORTION, due: Instant::now() }
    }

    /// Tells what has changed since the last time. When it is too much to be told one by one, everything begins anew, and
    /// what went is not followed.
    pub(super) fn tell(&mut self, reconciler: &mut Reconciler) {
        let Moved { rrsets, too_many, growth } = reconciler.take_moved();
        let starts_over = self.began.is_none() || too_many;
        if starts_over {
            self.feeds.each(Feed::reset);
            self.begin(reconciler, self.pace.fastest());
        }
        let serial = Some(reconciler.live().serial());
        let negative_ttl = reconciler.live().negative_ttl().unwrap_or(0);
        self.facts.send_if_modified(|facts| {
            let growth = if starts_over { 0 } else { growth }; // what begins has been counted
            let rrsets = facts.rrsets.saturating_add_signed(growth);
            let new = Facts { serial, rrsets, negative_ttl, round: self.pace.round(rrsets) };
            let is_other = *facts != new;
            *facts = new;
            is_other
        });
        if rrsets.is_empty() || too_many {
            return;
        }
        let at = Instant::now();
        let changed = |(key, before): (RrsetKey, Option<Rrset>)| {
            let here = reconciler.ours_at(&key.name).find(|set| set.record_type() == key.record_type);
            let ttl = before.as_ref().map_or(0, |set| set.ttl).max(here.as_ref().map_or(0, |set| set.ttl));
            let after = match here {
                Some(here) => After::Here(Arc::new(here)),
                None => gone(reconciler, &key, before.as_ref()),
            };
            (key, Changed { after, ttl: ttl.max(negative_ttl), at })
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
        (self.each, self.due) = (each, Instant::now());
        self.began = Some(self.due);
        if self.left.is_empty() {
            self.feeds.each(|feed| feed.go_on([], true));
        }
        self.go_on(reconciler);
    }

    /// Tells what is due.
    pub(super) fn go_on(&mut self, reconciler: &Reconciler) {
        let now = Instant::now();
        if self.next().is_none_or(|next| next > now) {
            return;
        }
        if self.left.is_empty() {
            let Some(interval) = self.pace.interval else { return };
            let rrsets = self.facts.borrow().rrsets;
            return self.begin(reconciler, self.pace.of_a_round(interval, rrsets));
        }
        let mut rrsets = Vec::new();
        while self.due <= now
            && let Some(name) = self.left.pop()
        {
            let before = rrsets.len();
            let keyed = |set: Rrset| (RrsetKey::new(name.clone(), set.record_type()), Arc::new(set));
            rrsets.extend(reconciler.ours_at(&name).map(keyed));
            self.due += self.each * u32::try_from(rrsets.len() - before).unwrap_or(1);
        }
        self.feeds.each(|feed| feed.go_on(rrsets.iter().cloned(), self.left.is_empty()));
    }

    /// When there is something to tell, if nothing changes.
    pub(super) fn next(&self) -> Option<Instant> {
        let began = self.began?;
        if self.left.is_empty() {
            return self.pace.interval.map(|interval| (began + interval).max(self.due));
        }
        // In portions, of which the first comes at once.
        if self.due == began { Some(self.due) } else { Some(self.due + PORTION) }
    }
}

/// What is gone of an RRset that is ours no more. What somebody else has there meanwhile, or was left there, stays.
fn gone(reconciler: &Reconciler, key: &RrsetKey, before: Option<&Rrset>) -> After {
    let live = reconciler.live().rrset(&key.name, key.record_type);
    let gone = before.and_then(|before| Rrset::new(before.ttl, before.minus(live.as_ref()).cloned()));
    gone.map_or(After::LetGo, |gone| After::Gone(Arc::new(gone)))
}
