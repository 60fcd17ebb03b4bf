//! What one zone's task has not taken in yet: services that changed, and word that the zone did.
//!
//! Several changes of one service become the last of them, and several words become one, so that a task that is busy
//! finds at most one more round of work, whatever happened meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::model::{Name, Serial, Service};
use crate::reconcile::{MissingSource, PlanId};

/// What waits for one zone's task.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    news: Mutex<News>,
    bell: Notify,
    /// Whether the task found nothing to remove in its zone, with everything known that is desired.
    settled: AtomicBool,
}

/// What has come since the task last looked.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Changed services, by their own names; none for one that is desired no more.
    pub(super) services: BTreeMap<Name, Option<Arc<Service>>>,
    /// Sources from which nothing comes, when that changed. Comes with the first services, be there any or not.
    pub(super) missing_sources: Option<Vec<MissingSource>>,
    /// Somebody asked for a full check.
    pub(super) full_check: bool,
    /// The primary said that the zone has changed.
    pub(super) notified: Option<Notified>,
    /// A person accepted this held plan.
    pub(super) accepted: Option<PlanId>,
    /// Somebody new looks published records up, who has seen none yet.
    pub(super) round: bool,
}

/// What a NOTIFY said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Notified {
    /// The zone's new serial, if it said so; only a hint.
    pub(super) serial: Option<u32>,
}

impl News {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        !self.is_about_services()
            && !self.full_check
            && !self.round
            && self.notified.is_none()
            && self.accepted.is_none()
    }

    /// Whether what is desired may have changed.
    pub(super) fn is_about_services(&self) -> bool {
        !self.services.is_empty() || self.missing_sources.is_some()
    }
}

impl Inbox {
    /// Changes what waits, and wakes the task.
    pub(super) fn put(&self, change: impl FnOnce(&mut News)) {
        change(&mut self.lock());
        self.bell.notify_one();
    }

    /// Word of a change in the zone.
    pub(super) fn notify(&self, serial: Option<u32>) {
        self.put(|news| {
            let newest = match (news.notified.and_then(|before| before.serial), serial) {
                (Some(before), Some(now)) if Serial(before).is_newer_than(Serial(now)) => Some(before),
                _ => serial,
            };
            news.notified = Some(Notified { serial: newest });
        });
    }

    /// Notes that there is nothing to remove in the zone.
    pub(super) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// Whether there was a moment at which nothing had to be removed.
    pub(super) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    /// Everything that waits.
    pub(super) fn take(&self) -> News {
        std::mem::take(&mut self.lock())
    }

    /// Whether something waits.
    pub(super) fn has_news(&self) -> bool {
        !self.lock().is_empty()
    }

    /// Whether a change of what is desired waits.
    pub(super) fn has_services(&self) -> bool {
        self.lock().is_about_services()
    }

    /// Returns when something waits.
    pub(super) async fn news(&self) {
        while !self.has_news() {
            self.bell.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn news_become_one() {
        let inbox = Inbox::default();
        assert!(inbox.take().is_empty());
        for serial in [Some(u32::MAX), Some(3), Some(2)] {
            inbox.notify(serial);
        }
        inbox.news().await;
        let news = inbox.take();
        assert_eq!(news.notified, Some(Notified { serial: Some(3) }));
        assert!(!inbox.has_news());
        inbox.put(|news| news.missing_sources = Some(Vec::new()));
        assert!(inbox.has_services());
        inbox.news().await;
    }
}
