//! From what somebody wrote to what is meant: every rule that does not depend on what is registered.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::ops::RangeInclusive;

use super::request::{Amendment, Document, Imported, Proposal, Request, WrittenService};
use crate::model::rules::{self, Refusal};
use crate::model::{InstanceId, Name, Offer, ServiceKey, Settings, Shards};

/// Seconds. Less cannot be renewed in time over a network, and more is no lease.
const LEASES: RangeInclusive<u32> = 5..=2_592_000;

/// Most addresses of one instance.
const MAX_ADDRESSES: usize = 32;

/// What an instance of a service in `zone` offers.
///
/// # Errors
/// When it could not be published.
pub fn check_offer(proposal: &Proposal, zone: &Name, zones: &[Name]) -> Result<Offer, Refusal> {
    let host = rules::host(&proposal.host, zone, zones)?;
    let port = NonZeroU16::new(proposal.port)
        .ok_or_else(|| Refusal::from("`port` must be from 1 to 65535, not 0".to_owned()))?;
    let addresses: Result<BTreeSet<_>, _> = proposal.addresses.iter().map(|text| rules::address(text)).collect();
    let addresses: Vec<_> = addresses?.into_iter().collect();
    if addresses.len() > MAX_ADDRESSES {
        return Err(Refusal::from(format!("{} addresses are more than {MAX_ADDRESSES}", addresses.len())));
    }
    if !addresses.is_empty() {
        rules::addressed_host(&host, zones)?;
    }
    rules::metadata(&proposal.metadata)?;
    if let Some(lease) = proposal.lease.filter(|lease| !LEASES.contains(lease)) {
        let message = format!("a lease of {lease} s is not from {} s to {} s", LEASES.start(), LEASES.end());
        return Err(Refusal::from(message));
    }
    let Proposal { priority, weight, ref metadata, lease, .. } = *proposal;
    Ok(Offer { host, port, priority, weight, addresses, metadata: metadata.clone(), lease })
}

/// The id that a text means: one that somebody chose, or host and port. The host may be relative to the zone, or
/// absolute with the final dot or without.
///
/// # Errors
/// When it is no id, or its host could be none.
pub fn check_id(text: &str, zone: &Name, zones: &[Name]) -> Result<InstanceId, Refusal> {
    let id: InstanceId = text.parse()?;
    let Some((host, port)) = id.endpoint() else { return Ok(id) };
    let is_managed = |name: &Name| zones.iter().any(|zone| name.is_within(zone));
    let absolute = host.parse::<Name>().ok().filter(|name| host.ends_with('.') || is_managed(name));
    let host = match absolute {
        Some(name) => rules::host(&name.to_string(), zone, zones)?,
        None => rules::host(host, zone, zones)?,
    };
    Ok(InstanceId::of(&host, port))
}

/// What holds for a service.
///
/// # Errors
/// When it could not be published.
pub fn check_settings(settings: &Settings, service: &ServiceKey) -> Result<(), Refusal> {
    if let Some(ttl) = settings.ttl.filter(|ttl| !rules::TTL_RANGE.contains(ttl)) {
        let (low, high) = (rules::TTL_RANGE.start(), rules::TTL_RANGE.end());
        return Err(Refusal::from(format!("`ttl` must be from {low} to {high}, not {ttl}")));
    }
    rules::metadata(&settings.metadata)?;
    rules::owner_names(service, settings.shards)
}

/// What is to change of a running instance. Whether all of it fits together shows when it is made.
///
/// # Errors
/// When a key or a value could not be published, or nothing is to change.
pub fn check_amendment(amendment: &Amendment) -> Result<(), Refusal> {
    if *amendment == Amendment::default() {
        let message = "nothing is to be changed".to_owned();
        return Err(Refusal::with_help(message, "give `weight`, `priority` or `metadata`"));
    }
    for (key, value) in &amendment.metadata {
        rules::metadata_key(key)?;
        rules::metadata_pair(key, value.as_deref().unwrap_or_default())?;
    }
    Ok(())
}

/// Everything that was exported.
///
/// # Errors
/// The first thing that breaks a rule, with the service and instance that does.
pub fn check_import(document: &Document, replace: bool, zones: &[Name]) -> Result<Request, Refusal> {
    let services = document.services.iter().map(|service| {
        let in_service = |refusal: Refusal| Refusal {
            message: format!("service `{}`: {}", service.name, refusal.message),
            help: refusal.help,
        };
        written_service(service, zones).map_err(in_service)
    });
    Ok(Request::Import { services: services.collect::<Result<_, _>>()?, replace })
}

fn written_service(written: &WrittenService, zones: &[Name]) -> Result<Imported, Refusal> {
    let service = rules::service(&written.name, zones)?;
    let shards = written.shards.unwrap_or(Shards::Off);
    let settings = Settings { ttl: written.ttl, shards, metadata: written.metadata.clone() };
    check_settings(&settings, &service)?;
    let mut instances = Vec::new();
    for instance in &written.instances {
        let offer = check_offer(&instance.offer, &service.zone, zones)?;
        let id = match &instance.id {
            Some(id) => check_id(id, &service.zone, zones)?,
            None => InstanceId::of(&offer.host, offer.port),
        };
        instances.push((id, offer));
    }
    Ok(Imported { service, settings, instances })
}
