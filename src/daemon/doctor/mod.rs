//! Examines the whole way of a record, from our key to who looks it up, by trying it.
//!
//! ```text
//!   keys ─▶ permissions ─▶ transfer ─▶ leftovers go ─▶ scratch names come ─▶ IXFR, NOTIFY, secondaries
//!                                                            │
//!             secondaries again ◀─ scratch names go ◀─ large RRset ─▶ secondaries, resolvers
//! ```
//! What is tried is tried on names of our own that nobody else has, see [`Scratch`](crate::reconcile::doctor::Scratch).
//! They go again however the examination ends; those of one that was killed go with the next. What the outcomes mean is
//! [`crate::reconcile::doctor`]'s to say.

mod followers;
mod host;
mod notify;
mod publish;
mod resolvers;
mod zone;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Config, ZoneConfig};
use crate::model::{Finding, Name};
use crate::reconcile::doctor::sort;
use host::Files;
use zone::Examination;

/// What to examine.
#[derive(Debug, Clone)]
pub struct Options {
    /// These zones; all when there are none.
    pub zones: Vec<Name>,
    /// How often Prometheus looks up.
    pub refresh: Duration,
    /// Whether scratch names may be published.
    pub update: bool,
    /// Whether an RRset may be larger than other servers' default limits.
    pub limits: bool,
    /// The resolver configuration of the host where Prometheus runs, when it is not this one's.
    pub resolv_conf: Option<PathBuf>,
}

/// Why there are no findings.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// A zone that is not configured.
    #[error("zone {0} is not in the configuration; there are: {1}")]
    UnknownZone(Name, String),
    /// Two examinations would take each other's scratch names for leftovers.
    #[error("another `srvctl doctor` is running: wait for its end")]
    Busy,
    /// A signal ended it.
    #[error("interrupted; the scratch names are removed")]
    Interrupted,
    /// The same, and they could not be removed.
    #[error("interrupted, and {0}")]
    Stuck(String),
    /// Signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signals(#[from] io::Error),
}

/// Examines the configured zones, one after the other; the worst findings come first. `tell` hears what is going on.
///
/// # Errors
/// When it cannot begin, or a signal ends it.
pub async fn examine(
    config: &Config,
    options: &Options,
    tell: &(dyn Fn(String) + Sync),
) -> Result<Vec<Finding>, DoctorError> {
    let zones = chosen(config, options)?;
    let _lock = lock(config)?;
    let mut signals = Signals::new()?;
    let files = Files::read(&zones, options);
    let mut findings = files.findings(&zones);
    for zone in zones {
        let mut examination = Examination::new(config, zone, options, &files, tell);
        let interrupted = tokio::select! {
            () = examination.make() => false,
            () = signals.stop() => true,
        };
        let removed = examination.clean_up().await;
        if interrupted {
            return Err(removed.map_or_else(DoctorError::Stuck, |()| DoctorError::Interrupted));
        }
        tokio::select! {
            () = examination.look_again() => {}
            () = signals.stop() => return Err(DoctorError::Interrupted),
        }
        findings.extend(examination.into_findings());
    }
    sort(&mut findings);
    Ok(findings)
}

fn chosen<'a>(config: &'a Config, options: &Options) -> Result<Vec<&'a ZoneConfig>, DoctorError> {
    if let Some(unknown) = options.zones.iter().find(|name| !config.zones.iter().any(|zone| zone.name == **name)) {
        let known: Vec<_> = config.zone_names().iter().map(ToString::to_string).collect();
        return Err(DoctorError::UnknownZone(unknown.clone(), known.join(", ")));
    }
    let is_wanted = |zone: &&ZoneConfig| options.zones.is_empty() || options.zones.contains(&zone.name);
    Ok(config.zones.iter().filter(is_wanted).collect())
}

/// Held while it lives. Where the daemon has no state, nobody else can be expected either.
fn lock(config: &Config) -> Result<Option<File>, DoctorError> {
    let path = config.daemon.state_dir.join("doctor.lock");
    // Somebody else's can be locked too.
    let file = File::options().create(true).append(true).open(&path).or_else(|_| File::open(&path));
    let Ok(file) = file else { return Ok(None) };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Err(DoctorError::Busy),
        Err(std::fs::TryLockError::Error(_)) => Ok(None), // a file system without locks
    }
}

struct Signals {
    all: [Signal; 3],
}

impl Signals {
    fn new() -> io::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self { all: [interrupt?, terminate?, hangup?] })
    }

    async fn stop(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.all;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
