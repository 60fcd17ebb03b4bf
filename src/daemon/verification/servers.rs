//! Which version of each zone the servers have, through which it is verified.

use tokio::task::JoinSet;

use super::super::through::{Through, Verifiers};
use crate::config::Config;
use crate::dns;
use crate::model::{Name, Serial, Server};
use crate::reconcile::Serials;

/// One server, and the version of a zone that it has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Version {
    /// The zone.
    pub zone: Name,
    /// The server.
    pub server: Server,
    /// Its serial of the zone; none when it did not say.
    pub serial: Option<u32>,
    /// Whether it speaks for the zone; others have the serial from a cache.
    pub authoritative: bool,
    /// How many serials it is behind the primary.
    pub behind: Option<u32>,
    /// Why its serial is not known.
    pub error: Option<String>,
}

/// What is known of all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Servers {
    /// The serial of each zone at its primary.
    primaries: Vec<(Name, Option<u32>)>,
    pub(super) versions: Vec<Version>,
}

impl Servers {
    /// Asks all of them at once.
    pub(super) async fn ask(config: &Config, verifiers: &[(Name, Verifiers)]) -> Self {
        let mut asking = JoinSet::new();
        let mut places = Vec::new();
        for (zone, verifiers) in verifiers {
            let Some(configured) = config.zones.iter().find(|configured| configured.name == *zone) else { continue };
            places.push((zone.clone(), None));
            let through = verifiers.asked.iter().filter_map(|through| through.server());
            for (place, server) in std::iter::once(&configured.plain_primary()).chain(through).enumerate() {
                let (zone, server) = (zone.clone(), server.clone());
                asking.spawn(async move { (place, dns::soa(&server, &zone).await, zone, server) });
            }
        }
        let mut found = asking.join_all().await;
        found.sort_by(|one, other| (&one.2, one.0).cmp(&(&other.2, other.0)));
        let mut servers = Self { primaries: places, versions: Vec::new() };
        for (place, answer, zone, server) in found {
            if place == 0 {
                let primary = servers.primaries.iter_mut().find(|(name, _)| *name == zone);
                primary.into_iter().for_each(|(_, serial)| *serial = answer.as_ref().ok().map(|soa| soa.serial));
                continue;
            }
            let (serial, authoritative) =
                answer.as_ref().map_or((None, false), |soa| (Some(soa.serial), soa.authoritative));
            let primary = servers.primaries.iter().find(|(name, _)| *name == zone).and_then(|(_, serial)| *serial);
            let behind = primary.zip(serial).and_then(|(primary, here)| Serial(primary).ahead_of(Serial(here)));
            let error = answer.err().map(|error| error.to_string());
            servers.versions.push(Version { zone, server, serial, authoritative, behind, error });
        }
        servers
    }

    /// What is to be known of the zone around a name, to judge what a server says about it.
    pub(super) fn serials(&self, through: &Through, name: &Name) -> Serials {
        let around = self.primaries.iter().filter(|(zone, _)| name.is_within(zone)).max_by_key(|(zone, _)| zone.len());
        let Some((zone, primary)) = around else { return Serials::default() };
        let of_zone = || self.versions.iter().filter(|version| version.zone == *zone && version.authoritative);
        let here = of_zone().find(|version| Some(&version.server) == through.server());
        Serials { primary: *primary, here: here.and_then(|version| version.serial), last_lag: None }
    }
}
