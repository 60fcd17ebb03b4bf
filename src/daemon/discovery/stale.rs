//! Which services have to be looked at again by whoever lists them, because they or what is known of them changed.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::model::{Name, ServiceKey};
use crate::reconcile::discovery::Seen;

/// Written on by those who learn something, read by the one who lists. When nobody lists, nothing is noted.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Stale {
    noted: Mutex<Option<Noted>>,
    /// What leaves DNS, as the guards of the zones have it before them.
    leaving: Mutex<BTreeSet<Seen>>,
    /// Zones of which registered targets stay listed that nobody knows of; none until that is known.
    missed: Mutex<Missed>,
    bell: Notify,
}

/// Zones in which somebody is missed.
#[derive(Debug, Default)]
enum Missed {
    /// There is no list.
    #[default]
    Nobody,
    /// Not known yet.
    Perhaps,
    /// In these.
    In(BTreeSet<Name>),
}

/// What has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// Any service may have.
    pub(super) all: bool,
    /// These have.
    pub(super) services: BTreeSet<ServiceKey>,
}

impl Stale {
    /// For one who lists, and has seen nothing yet.
    pub(in crate::daemon) fn followed() -> Self {
        let noted = Noted { all: true, services: BTreeSet::new() };
        Self { noted: Mutex::new(Some(noted)), missed: Mutex::new(Missed::Perhaps), ..Self::default() }
    }

    /// Whether somebody lists.
    pub(in crate::daemon) fn is_followed(&self) -> bool {
        lock(&self.noted).is_some()
    }

    /// These are in DNS and shall go. Is to be said before the status of their zone is.
    pub(in crate::daemon) fn leave(&self, leaving: BTreeSet<Seen>) {
        lock(&self.leaving).extend(leaving);
    }

    /// Those of whom that was said since this was last called.
    pub(super) fn take_leaving(&self) -> BTreeSet<Seen> {
        std::mem::take(&mut *lock(&self.leaving))
    }

    /// In these zones registered targets stay listed that are not in force any more.
    pub(super) fn misses(&self, zones: BTreeSet<Name>) {
        *lock(&self.missed) = Missed::In(zones);
    }

    /// Whether registrations of a zone may have been forgotten, by what is listed.
    pub(in crate::daemon) fn may_miss(&self, zone: &Name) -> bool {
        match &*lock(&self.missed) {
            Missed::Nobody => false,
            Missed::Perhaps => true,
            Missed::In(zones) => zones.contains(zone),
        }
    }

    /// These services changed.
    pub(in crate::daemon) fn note<'k>(&self, services: impl IntoIterator<Item = &'k ServiceKey>) {
        self.change(|noted| noted.services.extend(services.into_iter().cloned()));
    }

    /// Any service may have changed.
    pub(in crate::daemon) fn note_all(&self) {
        self.change(|noted| noted.all = true);
    }

    /// What has changed since this was last called.
    pub(super) fn take(&self) -> Noted {
        lock(&self.noted).as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Waits until something has changed.
    pub(super) async fn rings(&self) {
        while lock(&self.noted).as_ref().is_none_or(|noted| *noted == Noted::default()) {
            self.bell.notified().await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut Noted)) {
        if let Some(noted) = &mut *lock(&self.noted) {
            change(noted);
            self.bell.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
