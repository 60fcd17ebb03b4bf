//! Keeps the desired set equal to the service files: read at start, when a file changes, when asked, and on
//! the interval. A broken file keeps its last good content and is shown in the status.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::inbox::Inbox;
use crate::config::Config;
use crate::model::{Catalogue, DaemonStatus, Name, Outcome, Service};
use crate::reconcile::ZonePolicy;
use crate::sources::{KeepLastGood, Loaded, Pattern, Watcher};

/// The ports of the task that owns the desired set.
pub(super) struct SourceTask {
    pub(super) patterns: Vec<Pattern>,
    pub(super) zones: Vec<Name>,
    pub(super) interval: Duration,
    /// Bumped when somebody asks for a full check.
    pub(super) wake: watch::Receiver<u64>,
    pub(super) stop: watch::Receiver<bool>,
    /// Of every zone's task, in the configuration's order.
    pub(super) inboxes: Vec<Arc<Inbox>>,
    pub(super) status: Arc<watch::Sender<DaemonStatus>>,
}

/// What the zones' tasks have been told.
#[derive(Default)]
struct Told {
    catalogue: Catalogue,
    missing_sources: Option<Vec<String>>,
}

impl SourceTask {
    /// Runs until told to stop.
    pub(super) async fn run(mut self) {
        let mut last_good = KeepLastGood::default();
        let mut told = Told::default();
        let mut watcher = match Watcher::new(&self.patterns) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "service files cannot be watched; they are read every {:?}", self.interval);
                None
            }
        };
        loop {
            self.read(&mut last_good, &mut told);
            tokio::select! {
                biased;
                _ = self.stop.wait_for(|&stop| stop) => return,
                changed = self.wake.changed() => match changed {
                    Ok(()) => self.inboxes.iter().for_each(|inbox| inbox.put(|news| news.full_check = true)),
                    Err(_) => return,
                },
                () = file_changed(watcher.as_mut()) => {}
                () = tokio::time::sleep(self.interval) => {}
            }
        }
    }

    fn read(&self, last_good: &mut KeepLastGood, told: &mut Told) {
        let Loaded { catalogue, errors, silent } = last_good.take(crate::sources::read(&self.patterns, &self.zones));
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        let services = catalogue.as_ref().map_or(0, Catalogue::len);
        let instances = catalogue.iter().flat_map(Catalogue::values).map(|service| service.instances.len()).sum();
        self.status.send_modify(|status| {
            for error in errors.iter().filter(|error| !status.source_errors.contains(error)) {
                tracing::error!("a service file is broken, its last good content stays in force\n{error}");
            }
            status.source_errors = errors;
            status.services = services;
            status.instances = instances;
        });
        let Some(catalogue) = catalogue else { return };
        let changed = differences(&told.catalogue, &catalogue);
        if changed.is_empty() && told.missing_sources.as_ref() == Some(&silent) {
            return;
        }
        tracing::info!(services, instances, changed = changed.len(), "the desired set has changed");
        for inbox in &self.inboxes {
            inbox.put(|news| {
                news.services.extend(changed.clone());
                news.missing_sources = Some(silent.clone());
            });
        }
        self.status.send_modify(|status| {
            status.zones.iter_mut().for_each(|zone| zone.outcome = Outcome::Pending);
        });
        *told = Told { catalogue, missing_sources: Some(silent) };
    }
}

/// The services that are others than before, by their own names; none for those that are gone.
fn differences(before: &Catalogue, after: &Catalogue) -> BTreeMap<Name, Option<Arc<Service>>> {
    let own_name = |service: &Service| service.key.owner_name().ok();
    let gone = before.iter().filter(|(key, _)| !after.contains_key(key));
    let gone = gone.filter_map(|(_, service)| Some((own_name(service)?, None)));
    let is_new = |service: &Arc<Service>| {
        !before.get(&service.key).is_some_and(|old| Arc::ptr_eq(old, service) || old.says_the_same(service))
    };
    let new = after.values().filter(|service| is_new(service));
    let new = new.filter_map(|service| Some((own_name(service)?, Some(Arc::clone(service)))));
    gone.chain(new).collect() // a name that goes under one spelling and comes under another is new
}

async fn file_changed(watcher: Option<&mut Watcher>) {
    match watcher {
        Some(watcher) => watcher.changed().await,
        None => std::future::pending().await,
    }
}

/// What holds for each zone, in the configuration's order.
pub fn policies(config: &Config) -> Vec<ZonePolicy> {
    let policy = |zone: &crate::config::ZoneConfig| ZonePolicy {
        name: zone.name.clone(),
        ttl: zone.ttl,
        max_records_per_rrset: zone.max_records_per_rrset as usize,
        max_delete_percent: zone.max_delete_percent,
    };
    config.zones.iter().map(policy).collect()
}
