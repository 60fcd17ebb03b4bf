//! What is registered, for commands that work beside the daemon: read from its database.
//!
//! The daemon goes on meanwhile. What it publishes while a command works would look like a stray to who has read the
//! database before; so who removes anything reads it again after each reading of the zone. What was in the zone by then
//! was in the database before.

use std::sync::Arc;

use super::policies;
use super::wishes::differences;
use super::zone_task::now;
use crate::config::Config;
use crate::model::{Catalogue, Name};
use crate::reconcile::health::Health;
use crate::reconcile::registry::Registry;
use crate::reconcile::{Desired, MissingSource, Reconciler, desired};
use crate::store::{self, Contents, HealthContents, StoreError};

/// What is desired, from service files and from what is registered.
#[derive(Debug, Clone)]
pub struct Registered {
    config: Arc<Config>,
    files: Arc<Catalogue>,
    registry: Registry,
    /// As the database counts.
    last_event: Option<u64>,
    catalogue: Catalogue,
    /// Of each zone, in the configuration's order.
    missing: Vec<Vec<MissingSource>>,
}

impl Registered {
    /// Reads what is registered. `silent` are patterns that no file matches.
    ///
    /// # Errors
    /// When it cannot be read: then nobody knows what may be removed.
    pub fn read(config: &Config, files: Catalogue, silent: &[String]) -> Result<Self, StoreError> {
        let state_dir = &config.daemon.state_dir;
        // The number first: what comes between the two is read twice rather than never.
        let last_event = store::last_event(state_dir)?;
        let contents = store::read(state_dir)?;
        Ok(Self { last_event, ..Self::of(config, files, silent, contents.as_ref()) })
    }

    /// The service files alone.
    pub fn nothing(config: &Config, files: Catalogue, silent: &[String]) -> Self {
        Self::of(config, files, silent, None)
    }

    fn of(config: &Config, files: Catalogue, silent: &[String], contents: Option<&Contents>) -> Self {
        let silent: Vec<_> = silent.iter().cloned().map(MissingSource::Files).collect();
        let is_lost = contents.is_none() && store::was_written(&config.daemon.state_dir);
        let is_new = |zone: &Name| contents.map_or(is_lost, |contents| !contents.confirmed.contains(zone));
        let new = |zone: &Name| is_new(zone).then_some(MissingSource::NewRegistrations);
        let of_zone = |zone: &Name| silent.iter().cloned().chain(new(zone)).collect();
        let missing = config.zones.iter().map(|zone| of_zone(&zone.name)).collect();
        let mut registry = Registry::default();
        contents.into_iter().flat_map(|contents| &contents.edits).for_each(|edit| registry.enact(edit));
        let nothing = HealthContents::default();
        let health = contents.map_or(&nothing, |contents| &contents.health);
        let catalogue = published(&files, &registry, health, config.daemon.commands);
        let (config, files) = (Arc::new(config.clone()), Arc::new(files));
        Self { config, files, registry, last_event: None, catalogue, missing }
    }

    /// Every service, from files and registrations, as it shall be published by what was known last of its health.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// What every zone shall hold, in the configuration's order.
    pub fn desired(&self) -> Vec<Desired> {
        let mut zones = desired(&self.catalogue, &policies(&self.config), &[]);
        for (zone, missing) in zones.iter_mut().zip(&self.missing) {
            zone.missing_sources.clone_from(missing);
        }
        zones
    }

    /// Reads what has been registered since, and tells it to who compares a zone with what is desired.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn update(&mut self, reconciler: &mut Reconciler) -> Result<(), StoreError> {
        let state_dir = &self.config.daemon.state_dir;
        let last_event = store::last_event(state_dir)?;
        if last_event == self.last_event {
            return Ok(());
        }
        let gone = || StoreError::Gone(state_dir.join(store::FILE));
        let contents = match store::read(state_dir)? {
            Some(contents) => contents,
            None if self.last_event.is_none() => Contents::default(),
            None => return Err(gone()),
        };
        self.registry = Registry::default();
        contents.edits.iter().for_each(|edit| self.registry.enact(edit));
        self.last_event = last_event;
        let after = published(&self.files, &self.registry, &contents.health, self.config.daemon.commands);
        let before = std::mem::take(&mut self.catalogue);
        for key in differences(&before, &after) {
            if let Ok(own_name) = key.owner_name() {
                reconciler.set_service(&own_name, after.get(&key).cloned());
            }
        }
        reconciler.examine();
        self.catalogue = after;
        Ok(())
    }
}

/// What a daemon that starts now would publish before it has checked anything. `commands` tells whether it would run those
/// that are checks.
fn published(files: &Catalogue, registry: &Registry, health: &HealthContents, commands: bool) -> Catalogue {
    let mut catalogue = merged(files, registry);
    if health.remembered.is_empty() && health.maintenance.is_empty() {
        return catalogue;
    }
    let now = now() * 1000;
    let maintenance = health.maintenance.clone().into_iter().filter(|(_, found)| found.lasts(now));
    let mut health = Health::new(health.remembered.clone(), maintenance);
    if !commands {
        health = health.without_commands();
    }
    for (key, service) in &mut catalogue {
        let Ok(own_name) = key.owner_name() else { continue };
        health.set(&own_name, Some(service), now);
        if let Some(effective) = health.effective(&own_name) {
            *service = Arc::clone(effective);
        }
    }
    catalogue
}

fn merged(files: &Catalogue, registry: &Registry) -> Catalogue {
    let mut catalogue = files.clone();
    for (key, _) in registry.services() {
        if let Some(service) = registry.in_force(key, files.get(key)) {
            catalogue.insert(key.clone(), service);
        }
    }
    catalogue
}
