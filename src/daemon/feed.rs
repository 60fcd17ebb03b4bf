//! What one server has to be asked, and what it should answer: from the zone's task to those who look.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::model::{Rrset, RrsetKey};

/// What waits of a round for a server that is slow; more of it waits for the next round.
const MOST_OF_A_ROUND: usize = 4_096;

/// An RRset that has changed.
#[derive(Debug, Clone)]
pub(super) struct Changed {
    /// What has become of it at the primary.
    pub(super) after: After,
    /// For how long caches may have what was there before, seconds.
    pub(super) ttl: u32,
    /// When the change had been read back at the primary.
    pub(super) at: Instant,
}

/// What has become of an RRset.
#[derive(Debug, Clone)]
pub(super) enum After {
    /// It is there, and ours.
    Here(Arc<Rrset>),
    /// This of it is gone.
    Gone(Arc<Rrset>),
    /// It is there, and nobody's or somebody else's: no business of ours any more.
    LetGo,
}

/// What is to be looked up through one server.
#[derive(Debug, Default)]
pub(super) struct Feed {
    waiting: Mutex<Waiting>,
    bell: Notify,
    closed: AtomicBool,
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// So much may have changed that nothing that is known of the server counts any more.
    pub(super) reset: bool,
    /// What changed, the last change of each.
    pub(super) changed: BTreeMap<RrsetKey, Changed>,
    /// What is due in the round.
    pub(super) round: VecDeque<Item>,
    /// What of the round there was no room for.
    pub(super) skipped: usize,
}

/// One step of a round.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// An RRset as it is at the primary.
    Rrset(RrsetKey, Arc<Rrset>),
    /// The round is over.
    End {
        /// How many of its RRsets are not among what came: the server is too slow for them.
        skipped: usize,
    },
}

impl Feed {
    /// What changed. Older word of the same waits no more.
    pub(super) fn change(&self, changes: impl IntoIterator<Item = (RrsetKey, Changed)>) {
        let mut waiting = self.lock();
        let Waiting { changed, round, .. } = &mut *waiting;
        changed.extend(changes);
        round.retain(|item| !matches!(item, Item::Rrset(key, _) if changed.contains_key(key)));
        self.bell.notify_one();
    }

    /// The next part of a round, which may be the last.
    pub(super) fn go_on(&self, rrsets: impl IntoIterator<Item = (RrsetKey, Arc<Rrset>)>, is_last: bool) {
        let mut waiting = self.lock();
        for (key, rrset) in rrsets {
            if waiting.round.len() < MOST_OF_A_ROUND {
                waiting.round.push_back(Item::Rrset(key, rrset));
            } else {
                waiting.skipped += 1;
            }
        }
        if is_last {
            let skipped = std::mem::take(&mut waiting.skipped);
            waiting.round.push_back(Item::End { skipped });
        }
        self.bell.notify_one();
    }

    /// Begins anew.
    pub(super) fn reset(&self) {
        *self.lock() = Waiting { reset: true, ..Waiting::default() };
        self.bell.notify_one();
    }

    /// What changed, and up to so many steps of the round.
    pub(super) fn take(&self, steps: usize) -> Waiting {
        let mut waiting = self.lock();
        let steps = waiting.round.len().min(steps);
        Waiting {
            reset: std::mem::take(&mut waiting.reset),
            changed: std::mem::take(&mut waiting.changed),
            round: waiting.round.drain(..steps).collect(),
            skipped: 0,
        }
    }

    /// Nobody looks any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether nobody shall look any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Returns when something waits.
    pub(super) async fn news(&self) {
        loop {
            let waits = {
                let waiting = self.lock();
                waiting.reset || !waiting.changed.is_empty() || !waiting.round.is_empty()
            };
            if waits {
                return;
            }
            self.bell.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What those who look must know of the zone as it is at the primary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Facts {
    /// Its serial; none before it was read.
    pub(super) serial: Option<u32>,
    /// How many RRsets of ours there are.
    pub(super) rrsets: usize,
    /// For how long a cache may say that something is not there, seconds.
    pub(super) negative_ttl: u32,
    /// In how long everything is looked up once; zero when only changes are.
    pub(super) round: Duration,
}

/// Everybody who is fed.
#[derive(Debug, Default)]
pub(super) struct Feeds(Mutex<Vec<Arc<Feed>>>);

impl Feeds {
    /// One more.
    pub(super) fn add(&self) -> Arc<Feed> {
        let feed = Arc::new(Feed::default());
        self.lock().push(Arc::clone(&feed));
        feed
    }

    /// One less.
    pub(super) fn remove(&self, feed: &Arc<Feed>) {
        self.lock().retain(|other| !Arc::ptr_eq(other, feed));
    }

    /// Tells each.
    pub(super) fn each(&self, tell: impl Fn(&Feed)) {
        self.lock().iter().for_each(|feed| tell(feed));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Feed>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Rdata, RecordType};

    fn key(name: &str) -> RrsetKey {
        RrsetKey::new(name.parse().unwrap(), RecordType::TXT)
    }

    fn set(text: &str) -> Arc<Rrset> {
        Arc::new(Rrset::new(1, [Rdata::txt([text])]).unwrap())
    }

    #[tokio::test]
    async fn older_word_of_what_changed_waits_no_more() {
        let feed = Feed::default();
        feed.go_on([(key("a"), set("old")), (key("b"), set("b"))], true);
        feed.change([(key("a"), Changed { after: After::Here(set("new")), ttl: 1, at: Instant::now() })]);
        feed.news().await;
        let waiting = feed.take(1);
        assert!(matches!(&waiting.changed[&key("a")].after, After::Here(new) if *new == set("new")));
        assert!(matches!(&waiting.round[0], Item::Rrset(found, _) if *found == key("b")));
        assert!(matches!(feed.take(9).round.pop_front(), Some(Item::End { skipped: 0 })));
    }

    #[tokio::test]
    async fn who_is_slow_waits_for_the_next_round() {
        let feed = Feed::default();
        feed.go_on((0..2 * MOST_OF_A_ROUND).map(|_| (key("a"), set("a"))), true);
        let mut round = feed.take(usize::MAX).round;
        assert!(matches!(round.pop_back(), Some(Item::End { skipped: MOST_OF_A_ROUND })), "and it is told");
        assert_eq!(round.len(), MOST_OF_A_ROUND);
        feed.change([(key("a"), Changed { after: After::LetGo, ttl: 1, at: Instant::now() })]);
        feed.reset();
        feed.news().await;
        let waiting = feed.take(9);
        assert!(waiting.reset && waiting.changed.is_empty());
    }
}
