//! Configuration and services for a command; what is wrong with them is shown here.

use std::path::PathBuf;

use super::exit::Exit;
use super::output;
use crate::config::{self, Config};
use crate::daemon::registered::Registered;
use crate::model::{Catalogue, Diagnostic};
use crate::reconcile::Desired;
use crate::store::{FILE, StoreError};

/// The configuration.
pub(super) fn config(flag: Option<PathBuf>) -> Result<Config, Exit> {
    config::load(&config::locate(flag)).map_err(|errors| {
        output::diagnostics(&errors);
        Exit::Failed
    })
}

/// Everything that a command acts on.
pub(super) struct Loaded {
    pub(super) config: Config,
    /// What every zone shall hold, in the configuration's order.
    pub(super) desired: Vec<Desired>,
    /// Every service, and what is registered.
    pub(super) registered: Registered,
    /// Patterns that no file matches.
    pub(super) silent: Vec<String>,
}

impl Loaded {
    /// Every service, from files and registrations.
    pub(super) fn catalogue(&self) -> &Catalogue {
        self.registered.catalogue()
    }
}

/// Configuration and service files, without what is registered, or everything that is wrong with either.
pub(super) fn files(flag: Option<PathBuf>) -> Result<Loaded, Vec<Diagnostic>> {
    with(flag, |config, catalogue, silent| Ok(Registered::nothing(config, catalogue, silent)))
}

/// Configuration and services, or everything that is wrong with either.
pub(super) fn all(flag: Option<PathBuf>) -> Result<Loaded, Vec<Diagnostic>> {
    with(flag, Registered::read)
}

fn with(
    flag: Option<PathBuf>,
    read: impl FnOnce(&Config, Catalogue, &[String]) -> Result<Registered, StoreError>,
) -> Result<Loaded, Vec<Diagnostic>> {
    let config = config::load(&config::locate(flag))?;
    let snapshot = crate::sources::read(&config.services, &config.zone_names());
    let catalogue = snapshot.catalogue()?;
    let registered = read(&config, catalogue, &snapshot.silent).map_err(|error| {
        let file = config.daemon.state_dir.join(FILE);
        vec![Diagnostic::about_file(&*file.to_string_lossy(), error.to_string())]
    })?;
    Ok(Loaded { config, desired: registered.desired(), registered, silent: snapshot.silent })
}

/// The same, errors and warnings shown. Commands that act without a daemon have no last good set to fall back on: with a
/// broken service file they do nothing, since acting on the rest would delete what the file publishes.
pub(super) fn all_or_show(flag: Option<PathBuf>) -> Result<Loaded, Exit> {
    let loaded = all(flag).map_err(|errors| {
        output::diagnostics(&errors);
        Exit::Failed
    })?;
    loaded.config.warnings.iter().for_each(output::warning);
    Ok(loaded)
}
