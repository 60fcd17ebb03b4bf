//! What health makes of each service, known at the very moment at which the service changes: what becomes of a service
//! in the service files, and what becomes of its health, can happen at the same time, and neither may overtake the other.
//!
//! Shared by [`Wishes`](super::wishes::Wishes), which tells what services have become and asks how they are published, and
//! by the health task, which tells what the checks saw. As long as the database was not read, everything is published as
//! it is offered, and nobody is checked: what was withdrawn before is known then, or nothing is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::wishes::Overlay;
use crate::model::{Name, Service};
use crate::reconcile::health::{Health, News};
use crate::store::HealthContents;

/// The machine behind a lock, and what came of it that nobody has taken yet.
pub(super) struct Triage {
    state: Mutex<State>,
    clock: Clock,
    /// Whether checks that are commands are made.
    commands: bool,
}

enum State {
    /// Nobody knows how things were. Services wait for that.
    Waiting(BTreeMap<Name, Arc<Service>>),
    Known(Box<Known>),
}

struct Known {
    health: Health,
    /// What came of changes of services since the health task looked.
    news: News,
}

/// A difference that small, milliseconds, is none: clocks are put right in small steps all the time.
const AGREES: i64 = 2_000;

/// Milliseconds since 1970 that never go back: the time at the start, and what has passed since.
struct Clock {
    wall: u64,
    started: Instant,
}

impl Clock {
    fn new() -> Self {
        Self { wall: wall(), started: Instant::now() }
    }

    fn at(&self, moment: Instant) -> u64 {
        let passed = moment.saturating_duration_since(self.started).as_millis();
        self.wall.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

/// The time of day, milliseconds since 1970.
fn wall() -> u64 {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)
}

impl Triage {
    /// `commands` tells whether checks that are commands are made.
    pub(super) fn new(commands: bool) -> Self {
        Self { state: Mutex::new(State::Waiting(BTreeMap::new())), clock: Clock::new(), commands }
    }

    /// Takes in how things were when that was written down last.
    pub(super) fn restore(&self, contents: HealthContents) {
        let now = self.now();
        let mut state = self.lock();
        let State::Waiting(services) = &mut *state else { return };
        let maintenance = contents.maintenance.into_iter().filter(|(_, found)| found.lasts(wall()));
        let mut health = Health::new(contents.remembered, maintenance);
        if !self.commands {
            health = health.without_commands();
        }
        let mut news = News::default();
        for (own_name, service) in std::mem::take(services) {
            news.extend(health.set(&own_name, Some(&service), now));
        }
        *state = State::Known(Box::new(Known { health, news }));
    }

    /// The time, milliseconds since 1970.
    pub(super) fn now(&self) -> u64 {
        self.clock.at(Instant::now())
    }

    /// By how many milliseconds that is behind the time of day, which may have been set since the start: of a machine whose
    /// clock is wrong until it has asked somebody, for instance.
    pub(super) fn behind(&self) -> i64 {
        let behind = wall().cast_signed().saturating_sub(self.now().cast_signed());
        if behind.abs() < AGREES { 0 } else { behind }
    }

    /// A moment as such a time.
    pub(super) fn at(&self, moment: Instant) -> u64 {
        self.clock.at(moment)
    }

    /// Changes or asks the machine; nothing when it is not known yet how things were.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Health) -> T) -> Option<T> {
        match &mut *self.lock() {
            State::Waiting(_) => None,
            State::Known(known) => Some(act(&mut known.health)),
        }
    }

    /// What came of changes of services.
    pub(super) fn take_news(&self) -> News {
        match &mut *self.lock() {
            State::Waiting(_) => News::default(),
            State::Known(known) => std::mem::take(&mut known.news),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Overlay for Triage {
    fn comes_into_force(&self, own_name: &Name, service: Option<&Arc<Service>>) {
        let now = self.now();
        match (&mut *self.lock(), service) {
            (State::Waiting(services), Some(service)) => drop(services.insert(own_name.clone(), Arc::clone(service))),
            (State::Waiting(services), None) => drop(services.remove(own_name)),
            (State::Known(known), service) => known.news.extend(known.health.set(own_name, service, now)),
        }
    }

    fn published(&self, own_name: &Name) -> Option<Arc<Service>> {
        self.with(|health| health.effective(own_name).cloned()).flatten()
    }
}

#[cfg(test)]
#[path = "triage_tests.rs"]
mod tests;
