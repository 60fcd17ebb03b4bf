//! Under which names a service is to be looked up.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Config, ZoneConfig};
use crate::dns::DnsError;
use crate::model::{Name, Service, Shards, Zone};
use crate::reconcile::{Desired, names_of};

/// The names of each service, in the order of the services. Reads the zones of those whose number of names depends
/// on what is published (`shards = "auto"`), and no others.
pub async fn list(
    config: &Config,
    desired: &[Desired],
    services: &[&Service],
) -> Vec<Result<Vec<Name>, Arc<DnsError>>> {
    let mut read: BTreeMap<usize, Result<Zone, Arc<DnsError>>> = BTreeMap::new();
    let mut lists = Vec::new();
    for service in services {
        let Some(index) = config.zones.iter().position(|zone| zone.name == service.key.zone) else {
            lists.push(Ok(Vec::new()));
            continue;
        };
        if service.shards == Shards::Auto && !read.contains_key(&index) {
            read.insert(index, transfer(&config.zones[index]).await.map_err(Arc::new));
        }
        let names = |live| names_of(&config.zones[index].owner, &desired[index], live, service);
        lists.push(match read.get(&index).filter(|_| service.shards == Shards::Auto) {
            None => Ok(names(None)),
            Some(Ok(live)) => Ok(names(Some(live))),
            Some(Err(error)) => Err(Arc::clone(error)),
        });
    }
    lists
}

async fn transfer(zone: &ZoneConfig) -> Result<Zone, DnsError> {
    zone.primary().transfer().await
}
