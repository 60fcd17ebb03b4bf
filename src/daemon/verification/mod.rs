//! Looking every desired record up as Prometheus would, through every server, once.

mod blocks;
mod servers;
mod targets;
mod views;

use std::mem;
use std::sync::Arc;

use super::through::{Through, Verifiers, of_every_zone};
use super::{names, policies};
use crate::config::Config;
use crate::model::{Catalogue, Finding, Name, RecordType, RrsetKey, Service, Severity, Shards};
use crate::protocol::lookup::RESOLV_CONF;
use crate::reconcile::doctor::{ResolvConfFile, resolv_conf};
use crate::reconcile::{Check, Standing, desired, published, records_of};
use blocks::{BLOCK, Blocks, Wanted};
use servers::Servers;

pub use servers::Version;
pub use views::ServiceViews;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// In the order of services, then of names, then of the configuration's servers.
    pub checks: Vec<Check>,
    /// Which version of its zone each server has.
    pub versions: Vec<Version>,
    /// What is odd about the targets that were found, and about how they would be found.
    pub findings: Vec<Finding>,
    /// What becomes of the targets with each consumer.
    pub views: Vec<ServiceViews>,
    /// Secondaries that cannot be asked, with their names and why.
    pub lost: Vec<(String, String)>,
}

impl Verification {
    /// Whether everything is as it shall be, at every server.
    pub fn is_in_sync(&self) -> bool {
        self.lost.is_empty() && self.checks.iter().all(|check| check.verdict == Standing::InSync)
    }
}

/// Every desired RRset of the given services, checked through every server of its zone's `verify` list, or through
/// `instead` when that names any. A service that is spread over several names is looked up under all of them, and what
/// they hold together counts: an instance may be at two names while it moves.
pub async fn verify(
    config: &Config,
    catalogue: &Catalogue,
    services: &[&Service],
    instead: &[Through],
) -> Verification {
    let policies = policies(config);
    let nothing = Catalogue::new();
    let others = if services.iter().any(|service| depends_on_others(service)) { catalogue } else { &nothing };
    let zones = desired(others, &policies, &[]);
    let lists = names::list(config, &zones, services).await;
    let verifiers = who(config, instead).await;
    let servers = Arc::new(Servers::ask(config, &verifiers).await);
    let mut blocks = Blocks::new(Arc::clone(&servers));
    let mut block = Vec::new();
    for (service, list) in services.iter().zip(lists) {
        for (key, own) in records_of(service, &policies) {
            let is_address = matches!(key.record_type, RecordType::A | RecordType::AAAA);
            let is_service = !is_address && service.key.owner_name().as_ref() == Ok(&key.name);
            // Addresses belong to a host that other services may name too.
            let rrset = if is_address { published(&zones, &key).unwrap_or(own) } else { own };
            let names = match &list {
                Ok(names) if is_service => Ok(names.clone()),
                Err(error) if is_service => Err(error.to_string()),
                _ => Ok(vec![key.name.clone()]),
            };
            for server in through(&verifiers, service, &key) {
                let (key, names, rrset) = (key.clone(), names.clone(), rrset.clone());
                block.push(Wanted { service: service.key.to_string(), server: Arc::clone(server), key, names, rrset });
            }
            if block.len() >= BLOCK {
                blocks.start(mem::take(&mut block)).await;
            }
        }
    }
    blocks.start(block).await;
    let checks = blocks.finish().await;
    let asks_system =
        verifiers.iter().any(|(_, verifiers)| verifiers.asked.iter().any(|through| through.server().is_none()));
    let lost = verifiers.into_iter().flat_map(|(_, verifiers)| verifiers.lost).collect();
    Verification { checks, versions: servers.versions.clone(), lost, ..Verification::default() }
        .examined(config, asks_system)
        .await
}

impl Verification {
    /// With what else is to be said about the targets.
    async fn examined(mut self, config: &Config, asks_system: bool) -> Self {
        self.findings = targets::examine(&self.checks).await;
        self.views = views::of(&self.checks).await;
        if asks_system && let Ok(text) = tokio::fs::read_to_string(RESOLV_CONF).await {
            let file = ResolvConfFile { path: RESOLV_CONF, text: &text };
            let traps = resolv_conf(file, &config.zone_names());
            self.findings.extend(traps.into_iter().filter(|finding| finding.severity >= Severity::Warning));
        }
        self
    }
}

async fn who(config: &Config, instead: &[Through]) -> Vec<(Name, Verifiers)> {
    if instead.is_empty() {
        return of_every_zone(config).await;
    }
    let asked = Verifiers { asked: instead.iter().cloned().map(Arc::new).collect(), ..Verifiers::default() };
    config.zones.iter().map(|zone| (zone.name.clone(), asked.clone())).collect()
}

/// Whether more than the service itself says what it publishes: other services can name its hosts, and what it is
/// spread over depends on the zone.
fn depends_on_others(service: &Service) -> bool {
    service.shards != Shards::Off || service.instances.iter().any(|instance| !instance.addresses.is_empty())
}

/// Those through whom the zone is verified that holds the record: a host's addresses can be in another zone than the
/// service.
fn through<'v>(verifiers: &'v [(Name, Verifiers)], service: &Service, key: &RrsetKey) -> &'v [Arc<Through>] {
    let around = verifiers.iter().filter(|(zone, _)| match key.record_type {
        RecordType::A | RecordType::AAAA => key.name.is_within(zone),
        _ => *zone == service.key.zone,
    });
    around.max_by_key(|(zone, _)| zone.len()).map_or(&[], |(_, verifiers)| &verifiers.asked)
}
