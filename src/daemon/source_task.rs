//! Keeps the desired set equal to the service files: read at start, when a file changes, when asked, and on
//! the interval. A broken file keeps its last good content and is shown in the status.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::zone_task::DesiredZones;
use crate::config::Config;
use crate::model::{Catalogue, DaemonStatus};
use crate::reconcile::{ZonePolicy, desired};
use crate::sources::{KeepLastGood, Loaded, Pattern, Watcher};

/// The ports of the task that owns the desired set.
pub(super) struct SourceTask {
    pub(super) patterns: Vec<Pattern>,
    pub(super) policies: Vec<ZonePolicy>,
    pub(super) interval: Duration,
    /// Bumped when somebody asks for a full check.
    pub(super) wake: watch::Receiver<u64>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) desired: watch::Sender<DesiredZones>,
    pub(super) status: Arc<watch::Sender<DaemonStatus>>,
}

impl SourceTask {
    /// Runs until told to stop.
    pub(super) async fn run(mut self) {
        let mut last_good = KeepLastGood::default();
        let mut watcher = match Watcher::new(&self.patterns) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "service files cannot be watched; they are read every {:?}", self.interval);
                None
            }
        };
        loop {
            self.read(&mut last_good);
            tokio::select! {
                biased;
                _ = self.stop.wait_for(|&stop| stop) => return,
                changed = self.wake.changed() => if changed.is_err() { return },
                () = file_changed(watcher.as_mut()) => {}
                () = tokio::time::sleep(self.interval) => {}
            }
        }
    }

    fn read(&self, last_good: &mut KeepLastGood) {
        let zones: Vec<_> = self.policies.iter().map(|policy| policy.name.clone()).collect();
        let Loaded { catalogue, errors, silent } = last_good.take(crate::sources::read(&self.patterns, &zones));
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
        let new = desired(&catalogue, &self.policies, &silent);
        self.desired.send_if_modified(|current| {
            let changed = current.as_ref().is_none_or(|current| **current != new);
            if changed {
                tracing::info!(services, instances, "the desired set has changed");
                *current = Some(Arc::new(new));
            }
            changed
        });
    }
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
