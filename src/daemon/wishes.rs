//! What is desired, from all sources: service files and registrations. Whoever learns something new tells it here, and
//! the zones' tasks hear of what changed by it.
//!
//! Nothing is told before every source has been heard once: part of what is desired looks like the removal of the rest.
//!
//! What is in force and what is published are two things where a service's health has a say: an [`Overlay`] makes the
//! second of the first, again whenever the first changes, so that no change of a service overtakes what health decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::discovery::Stale;
use super::inbox::Inbox;
use crate::api::View;
use crate::model::{Catalogue, DaemonStatus, Edit, Name, Outcome, Service, ServiceKey};
use crate::reconcile::MissingSource;
use crate::reconcile::registry::Registry;

/// What becomes of a service before it is published: health leaves instances out, or moves them behind the others.
pub(super) trait Overlay: Send + Sync {
    /// Takes in what a service has become, by its own name; none when nobody offers it any more.
    fn comes_into_force(&self, own_name: &Name, service: Option<&Arc<Service>>);

    /// A service as it shall be published; none when that is as it is in force.
    fn published(&self, own_name: &Name) -> Option<Arc<Service>>;
}

/// Everything desired, shared by those who learn of it and those who look.
pub(super) struct Wishes {
    state: Mutex<State>,
    /// Of every zone's task, in the configuration's order.
    inboxes: Vec<Arc<Inbox>>,
    /// Every zone's name, in the same order.
    zones: Vec<Name>,
    overlay: Arc<dyn Overlay>,
    /// Rings when there is something for [`Wishes::changed`].
    bell: Notify,
    /// For whoever lists services for Prometheus.
    stale: Arc<Stale>,
    status: Arc<watch::Sender<DaemonStatus>>,
}

/// Everything in force, after every source has been heard.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) view: View<'a>,
    /// Why it is not known what is registered.
    pub(super) unreadable: Option<&'a str>,
    /// What may have gone missing, zone by zone, in the configuration's order.
    pub(super) missing: &'a [Vec<MissingSource>],
}

#[derive(Default)]
struct State {
    /// None until they were read.
    files: Option<Arc<Catalogue>>,
    /// Patterns that no file matches.
    silent: Vec<String>,
    registrations: Registrations,
    /// Seconds on the service clock.
    clock: u64,
    services: Services,
    missing: Option<Vec<Vec<MissingSource>>>,
}

#[derive(Default)]
struct Services {
    /// Everything that is desired, healthy or not.
    in_force: Catalogue,
    instances: usize,
    /// What the zones' tasks have been told: that, less what health left out.
    published: Catalogue,
    /// What of `in_force` changed since whoever checks it looked.
    changed: BTreeSet<ServiceKey>,
}

#[derive(Default)]
enum Registrations {
    #[default]
    NotRead,
    Unreadable(String),
    Known {
        registry: Registry,
        /// Zones that may hold more than the registry knows.
        unconfirmed: BTreeSet<Name>,
    },
}

impl Wishes {
    pub(super) fn new(
        zones: Vec<Name>,
        inboxes: Vec<Arc<Inbox>>,
        overlay: Arc<dyn Overlay>,
        status: Arc<watch::Sender<DaemonStatus>>,
    ) -> Self {
        let (bell, stale) = (Notify::new(), Arc::default());
        Self { state: Mutex::default(), inboxes, zones, overlay, bell, stale, status }
    }

    /// The same, with somebody who lists what is in force.
    pub(super) fn followed_by(self, stale: Arc<Stale>) -> Self {
        Self { stale, ..self }
    }

    /// Where it is noted what whoever lists services has to hear.
    pub(super) fn stale(&self) -> &Arc<Stale> {
        &self.stale
    }

    /// Takes in what the service files say.
    pub(super) fn take_files(&self, files: &Arc<Catalogue>, silent: Vec<String>) {
        let mut state = self.lock();
        let before = state.files.replace(Arc::clone(files));
        state.silent = silent;
        let is_same = |before: &Arc<Catalogue>| Arc::ptr_eq(before, files);
        let changed = match &before {
            Some(before) if is_same(before) => BTreeSet::new(),
            before => differences(before.as_deref().unwrap_or(&Catalogue::new()), files),
        };
        if !changed.is_empty() {
            let (services, changed) = (files.len(), changed.len());
            tracing::info!(services, changed, "the service files ask for something else");
        }
        self.tell(&mut state, changed);
    }

    /// Takes in everything that is registered.
    pub(super) fn take_registry(&self, registry: Registry, unconfirmed: BTreeSet<Name>, clock: u64) {
        let mut state = self.lock();
        // Those of the files too: what their health was is known from now on.
        let changed = state.files.as_ref().map(|files| everything(files, Some(&registry))).unwrap_or_default();
        state.registrations = Registrations::Known { registry, unconfirmed };
        state.clock = clock;
        self.tell(&mut state, changed);
    }

    /// Takes in that nobody knows what is registered.
    pub(super) fn registrations_are_unreadable(&self, why: &str) {
        let mut state = self.lock();
        if matches!(state.registrations, Registrations::NotRead | Registrations::Unreadable(_)) {
            state.registrations = Registrations::Unreadable(why.to_owned());
            self.tell(&mut state, BTreeSet::new());
        }
    }

    /// Takes in changes of what is registered that are on the disk.
    pub(super) fn take_edits<'e>(&self, edits: impl IntoIterator<Item = &'e Edit>, clock: u64) {
        let mut state = self.lock();
        state.clock = clock;
        let Registrations::Known { registry, .. } = &mut state.registrations else { return };
        let mut changed = BTreeSet::new();
        for edit in edits {
            registry.enact(edit);
            if !edit.is_renewal() {
                changed.insert(edit.service().clone());
            }
        }
        if !changed.is_empty() {
            self.tell(&mut state, changed);
        }
    }

    /// Takes in that the overlay makes something else of these services.
    pub(super) fn reconsider(&self, keys: BTreeSet<ServiceKey>) {
        let mut state = self.lock();
        if state.missing.is_some() {
            self.tell(&mut state, keys);
        }
    }

    /// Waits until services in force changed, came or went, and says which. For one who listens.
    pub(super) async fn changed(&self) -> BTreeSet<ServiceKey> {
        loop {
            let changed = std::mem::take(&mut self.lock().services.changed);
            if !changed.is_empty() {
                return changed;
            }
            self.bell.notified().await;
        }
    }

    /// Notes how far the service clock went.
    pub(super) fn take_clock(&self, clock: u64) {
        self.lock().clock = clock;
    }

    /// The zones in which nothing had to be removed since registrations are known, and that are not confirmed yet. One of
    /// which registered targets are listed that nobody knows of is none of them.
    pub(super) fn settled(&self) -> Vec<Name> {
        let state = self.lock();
        let Registrations::Known { unconfirmed, .. } = &state.registrations else { return Vec::new() };
        let zones = self.zones.iter().zip(&self.inboxes);
        let is_settled = |zone: &Name, inbox: &Inbox| inbox.is_settled() && !self.stale.may_miss(zone);
        let settled = zones.filter(|(zone, inbox)| unconfirmed.contains(*zone) && is_settled(zone, inbox));
        settled.map(|(zone, _)| zone.clone()).collect()
    }

    /// Whether there are zones that may hold more than is known.
    pub(super) fn has_unconfirmed(&self) -> bool {
        matches!(&self.lock().registrations, Registrations::Known { unconfirmed, .. } if !unconfirmed.is_empty())
    }

    /// Takes in that a zone holds nothing that is not known.
    pub(super) fn take_confirmed(&self, zone: &Name) {
        let mut state = self.lock();
        if let Registrations::Known { unconfirmed, .. } = &mut state.registrations {
            unconfirmed.remove(zone);
        }
        self.tell(&mut state, BTreeSet::new());
    }

    /// The services of the service files; none as long as they were not read.
    pub(super) fn files(&self) -> Option<Arc<Catalogue>> {
        self.lock().files.clone()
    }

    /// The service that is in force.
    pub(super) fn in_force(&self, key: &ServiceKey) -> Option<Arc<Service>> {
        self.lock().services.in_force.get(key).cloned()
    }

    /// Shows everything, for as long as `look` takes.
    pub(super) fn view(&self, look: &mut dyn FnMut(View<'_>)) {
        self.lock().view(look);
    }

    /// Shows everything once every source has been heard, for as long as `look` takes. Meanwhile nothing is told to the
    /// zones' tasks: what the status says of them is about what is seen here.
    pub(super) fn look<T>(&self, look: impl FnOnce(Told<'_>) -> T) -> Option<T> {
        let state = self.lock();
        let missing = state.missing.as_deref()?;
        state.files.as_ref()?;
        let unreadable = match &state.registrations {
            Registrations::Unreadable(why) => Some(why.as_str()),
            _ => None,
        };
        let (mut look, mut seen) = (Some(look), None);
        state.view(&mut |view| seen = look.take().map(|look| look(Told { view, unreadable, missing })));
        seen
    }

    /// Tells the zones' tasks what these services have become, and what may have gone missing.
    fn tell(&self, state: &mut State, keys: BTreeSet<ServiceKey>) {
        let Some(files) = state.files.clone() else { return };
        let registry = match &state.registrations {
            Registrations::NotRead => return,
            Registrations::Unreadable(_) => None,
            Registrations::Known { registry, .. } => Some(registry),
        };
        let keys = if state.missing.is_some() { keys } else { everything(&files, registry) };
        self.stale.note(&keys);
        let mut news = BTreeMap::new();
        for key in keys {
            let file = files.get(&key);
            let after = registry.map_or_else(|| file.cloned(), |registry| registry.in_force(&key, file));
            let Ok(own_name) = key.owner_name() else { continue };
            if state.services.come_into_force(&key, after.as_ref()) {
                self.overlay.comes_into_force(&own_name, after.as_ref());
            }
            let published = after.map(|after| self.overlay.published(&own_name).unwrap_or(after));
            let is_same = match (state.services.published.get(&key), &published) {
                (Some(before), Some(after)) => before.says_the_same(after),
                (None, None) => true,
                _ => false,
            };
            if !is_same {
                put(&mut state.services.published, &key, published.clone());
                news.insert(own_name, published);
            }
        }
        if !state.services.changed.is_empty() {
            self.bell.notify_one();
        }
        let missing = self.missing(state);
        let told = state.missing.replace(missing.clone());
        if !news.is_empty() || told.as_ref() != Some(&missing) {
            return self.pass_on(state, &news, &missing);
        }
        let counts = (state.services.in_force.len(), state.services.instances);
        self.status.send_if_modified(|status| {
            let before = (status.services, status.instances);
            (status.services, status.instances) = counts;
            before != counts
        });
    }

    fn pass_on(&self, state: &State, news: &BTreeMap<Name, Option<Arc<Service>>>, missing: &[Vec<MissingSource>]) {
        let (services, instances) = (state.services.in_force.len(), state.services.instances);
        // In one, so that no zone is said to be in sync with what is not wanted any more, nor to be pending when its
        // task has been faster.
        self.status.send_modify(|status| {
            status.services = services;
            status.instances = instances;
            status.zones.iter_mut().for_each(|zone| zone.outcome = Outcome::Pending);
            for (inbox, missing) in self.inboxes.iter().zip(missing) {
                inbox.put(|waiting| {
                    waiting.services.extend(news.iter().map(|(name, service)| (name.clone(), service.clone())));
                    waiting.missing_sources = Some(missing.clone());
                });
            }
        });
    }

    /// What may have gone missing, zone by zone.
    fn missing(&self, state: &State) -> Vec<Vec<MissingSource>> {
        let of_all: Vec<_> = state.silent.iter().cloned().map(MissingSource::Files).collect();
        let of_zone = |zone| match &state.registrations {
            Registrations::Unreadable(why) => Some(MissingSource::Registrations(why.clone())),
            Registrations::Known { unconfirmed, .. } if unconfirmed.contains(zone) => {
                Some(MissingSource::NewRegistrations)
            }
            _ => None,
        };
        self.zones.iter().map(|zone| of_all.iter().cloned().chain(of_zone(zone)).collect()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn view(&self, look: &mut dyn FnMut(View<'_>)) {
        let nothing = Registry::default();
        let registry = match &self.registrations {
            Registrations::Known { registry, .. } => registry,
            _ => &nothing,
        };
        look(View { registry, in_force: &self.services.in_force, clock: self.clock });
    }
}

impl Services {
    /// Whether it is another than before.
    fn come_into_force(&mut self, key: &ServiceKey, after: Option<&Arc<Service>>) -> bool {
        let before = self.in_force.get(key);
        let is_other = match (before, after) {
            (Some(before), Some(after)) => !before.is_the_same(after),
            (before, after) => before.is_some() || after.is_some(),
        };
        if is_other {
            self.instances -= before.map_or(0, |before| before.instances.len());
            self.instances += after.map_or(0, |after| after.instances.len());
            put(&mut self.in_force, key, after.cloned());
            self.changed.insert(key.clone());
        }
        is_other
    }
}

fn put(catalogue: &mut Catalogue, key: &ServiceKey, service: Option<Arc<Service>>) {
    match service {
        Some(service) => catalogue.insert(key.clone(), service),
        None => catalogue.remove(key),
    };
}

fn everything(files: &Catalogue, registry: Option<&Registry>) -> BTreeSet<ServiceKey> {
    let registered = registry.into_iter().flat_map(Registry::services).map(|(key, _)| key);
    files.keys().chain(registered).cloned().collect()
}

/// The services that are others than before.
pub(super) fn differences(before: &Catalogue, after: &Catalogue) -> BTreeSet<ServiceKey> {
    let is_new =
        |(key, service): &(&ServiceKey, &Arc<Service>)| !before.get(*key).is_some_and(|old| old.is_the_same(service));
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let new = after.iter().filter(is_new).map(|(key, _)| key);
    gone.chain(new).cloned().collect()
}
