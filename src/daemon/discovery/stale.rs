//! Which services have to be looked at again by whoever lists them, because they or what is known of them changed.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::model::ServiceKey;

/// Written on by those who learn something, read by the one who lists. When nobody lists, nothing is noted.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Stale {
    noted: Mutex<Option<Noted>>,
    bell: Notify,
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
        Self { noted: Mutex::new(Some(noted)), bell: Notify::new() }
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
        self.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Waits until something has changed.
    pub(super) async fn rings(&self) {
        while self.lock().as_ref().is_none_or(|noted| *noted == Noted::default()) {
            self.bell.notified().await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut Noted)) {
        if let Some(noted) = &mut *self.lock() {
            change(noted);
            self.bell.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Noted>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
