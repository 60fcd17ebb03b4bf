//! Keeps the desired set equal to the service files: read at start, when a file changes, when asked, and on
//! the interval. A broken file keeps its last good content and is shown in the status.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

use super::wishes::Wishes;
use crate::config::Config;
use crate::model::{DaemonStatus, Name};
use crate::reconcile::ZonePolicy;
use crate::sources::{KeepLastGood, Loaded, Pattern, Watcher, read_again};

/// A reading that takes longer is told.
const LATE: Duration = Duration::from_secs(10);

/// The ports of the task that owns the desired set.
pub(super) struct SourceTask {
    pub(super) patterns: Vec<Pattern>,
    pub(super) zones: Vec<Name>,
    pub(super) interval: Duration,
    /// Bumped when somebody asks for a full check.
    pub(super) wake: watch::Receiver<u64>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) wishes: Arc<Wishes>,
    pub(super) status: Arc<watch::Sender<DaemonStatus>>,
}

impl SourceTask {
    /// Runs until told to stop.
    pub(super) async fn run(mut self) {
        let (patterns, zones) = (self.patterns.clone(), self.zones.clone());
        let mut reading = spawn_blocking(move || Reader::new(patterns, zones).read());
        loop {
            let Some((mut reader, loaded)) = self.finished(reading).await else { return };
            self.publish(loaded);
            tokio::select! {
                biased;
                _ = self.stop.wait_for(|&stop| stop) => return,
                changed = self.wake.changed() => match changed {
                    Ok(()) => reader.trusts_stamps = false,
                    Err(_) => return,
                },
                () = reader.file_changed() => {}
                () = tokio::time::sleep(self.interval) => {}
            }
            reading = spawn_blocking(move || reader.read());
        }
    }

    /// Waits for a reading; none when the daemon is to stop, which a file system that hangs must not hold up.
    async fn finished(&self, mut reading: JoinHandle<(Reader, Loaded)>) -> Option<(Reader, Loaded)> {
        let mut stop = self.stop.clone();
        let mut late = false;
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|&stop| stop) => return None,
                read = &mut reading => match read {
                    Ok(read) => return Some(read),
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                },
                () = tokio::time::sleep(LATE), if !late => {
                    late = true;
                    self.report_late();
                }
            }
        }
    }

    fn report_late(&self) {
        let error = format!(
            "the service files could not be read within {} s: does their file system answer? What was read last stays \
             in force",
            LATE.as_secs()
        );
        tracing::error!("{error}");
        self.status.send_modify(|status| status.source_errors.push(error));
    }

    /// Shows what was read, and passes it on.
    fn publish(&self, loaded: Loaded) {
        let Loaded { catalogue, errors, silent } = loaded;
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        self.status.send_if_modified(|status| {
            for error in errors.iter().filter(|error| !status.source_errors.contains(error)) {
                tracing::error!("a service file is broken, its last good content stays in force\n{error}");
            }
            std::mem::replace(&mut status.source_errors, errors.clone()) != errors
        });
        if let Some(catalogue) = catalogue {
            self.wishes.take_files(&catalogue, silent);
        }
    }
}

/// Reads the files, on a thread of its own: a network file system that hangs must hang nobody else.
struct Reader {
    patterns: Vec<Pattern>,
    zones: Vec<Name>,
    last_good: KeepLastGood,
    watcher: Option<Watcher>,
    /// Whether a file that looks unchanged is taken as it was read last; not when a person asks for everything.
    trusts_stamps: bool,
}

impl Reader {
    fn new(patterns: Vec<Pattern>, zones: Vec<Name>) -> Self {
        let watcher = Watcher::new(&patterns);
        let watcher =
            watcher.inspect_err(|error| tracing::warn!(%error, "service files are only read on the interval"));
        let last_good = KeepLastGood::default();
        Self { patterns, zones, last_good, watcher: watcher.ok(), trusts_stamps: true }
    }

    fn read(mut self) -> (Self, Loaded) {
        let first = Instant::now();
        loop {
            if let Some(watcher) = &mut self.watcher {
                watcher.watch();
            }
            let began = Instant::now();
            let nothing = BTreeMap::new();
            let known = if self.trusts_stamps { self.last_good.files() } else { &nothing };
            let snapshot = read_again(&self.patterns, &self.zones, known);
            let before = self.last_good.clone();
            let loaded = self.last_good.take(snapshot);
            // What comes need not wait, but what goes may not be written yet, or be on its way to another file.
            match &self.watcher {
                Some(watcher)
                    if before.loses(&loaded) && watcher.was_restless(began) && !Watcher::is_hopeless(first) =>
                {
                    watcher.wait_for_rest();
                    self.last_good = before;
                }
                _ => {
                    self.trusts_stamps = true;
                    return (self, loaded);
                }
            }
        }
    }

    async fn file_changed(&mut self) {
        match &mut self.watcher {
            Some(watcher) => watcher.changed().await,
            None => std::future::pending().await,
        }
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
