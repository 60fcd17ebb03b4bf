//! Where an import is to fit in: the managed zones, and the service files that are there.

use std::path::PathBuf;

use super::args::From;
use crate::cli::exit::Exit;
use crate::cli::{load, output};
use crate::config::{self, Config, ZoneConfig, defaults};
use crate::model::Name;
use crate::reconcile::migration::Terms;
use crate::sources::{self, Snapshot};

/// What is known of it.
pub(super) struct Site {
    config: Option<Config>,
    /// The managed zones, at least one.
    pub(super) zones: Vec<Name>,
    /// The one to publish in.
    pub(super) zone: Name,
    /// The service files of the configuration.
    pub(super) known: Snapshot,
}

impl Site {
    /// From the configuration; or, when there is none, of the zone that the arguments name alone.
    pub(super) fn find(flag: Option<PathBuf>, from: &From) -> Result<Self, Exit> {
        let wanted = from.writing().zone.clone();
        let path = config::locate(flag.clone());
        let is_absent = flag.is_none() && matches!(path.try_exists(), Ok(false));
        if let Some(zone) = wanted.clone().filter(|_| is_absent) {
            return Ok(Self { config: None, zones: vec![zone.clone()], zone, known: Snapshot::default() });
        }
        if is_absent {
            output::error(format_args!(
                "there is no configuration at {}: name one with --config, or only the zone with --zone",
                path.display()
            ));
            return Err(Exit::Failed);
        }
        let config = load::config(flag)?;
        let zones = config.zone_names();
        let zone = match (wanted, &zones[..]) {
            (Some(wanted), zones) => zones.iter().find(|zone| **zone == wanted).cloned().ok_or(wanted),
            (None, [only]) => Ok(only.clone()),
            (None, _) => {
                let names: Vec<_> = zones.iter().map(|zone| format!("--zone {}", zone.without_final_dot())).collect();
                output::error(format_args!("there is more than one zone: say {}", names.join(" or ")));
                return Err(Exit::Usage);
            }
        };
        let zone = zone.map_err(|wanted| {
            output::error(format_args!("{wanted} is not a zone of {}", config.path.display()));
            Exit::Failed
        })?;
        let known = sources::read(&config.services, &zones);
        Ok(Self { config: Some(config), zones, zone, known })
    }

    /// How the zone is configured, where it is.
    pub(super) fn configured(&self) -> Option<&ZoneConfig> {
        self.config.as_ref()?.zones.iter().find(|configured| configured.name == self.zone)
    }

    /// On which terms the import is made.
    pub(super) fn terms(&self, from: &From) -> Terms {
        let configured = self.configured();
        let naming = from.naming();
        Terms {
            zones: self.zones.clone(),
            zone: self.zone.clone(),
            ttl: configured.map_or(defaults::TTL, |zone| zone.ttl),
            max_records: configured.map_or(defaults::MAX_RECORDS_PER_RRSET, |zone| zone.max_records_per_rrset),
            names: naming.iter().flat_map(|naming| naming.names.iter().cloned()).collect(),
            hosts: naming.iter().flat_map(|naming| naming.hosts.iter().cloned()).collect(),
            generate_hosts: naming.is_some_and(|naming| naming.generate_hosts),
            addresses: from.addresses(),
        }
    }
}
