//! The `[[service]]` file format: from text to checked services, or to everything that is wrong with it.
//!
//! What cannot be published is refused here, where a person can be shown the line.

mod browse;
mod checks;
mod health;
mod metadata;
mod scrape;
mod write;

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

use toml::Spanned;

use crate::model::rules;
use crate::model::{Diagnostic, Instance, MAX_SHARDS, Name, Place, Service, ServiceKey, Shards};

use super::toml_fields::{self, Fields};

pub use write::write;

/// Reads one service file. `zones` are the managed zones.
///
/// # Errors
/// Everything that is wrong with it. A file without a single character is wrong too: that is what a full disk or
/// an interrupted write leaves, and taking it for "no services" would remove them from DNS.
pub fn parse(file: &Arc<str>, text: &Arc<str>, zones: &[Name]) -> Result<Vec<Service>, Vec<Diagnostic>> {
    if text.trim().is_empty() {
        let help = "remove the file, or leave a `#` comment in it, to have no services here";
        return Err(vec![Diagnostic::about_file(Arc::clone(file), "the file is empty").help(help)]);
    }
    toml_fields::read(file, text, |root| match root.each("service", "service", |fields| service(fields, zones)) {
        None => Some(Vec::new()),
        Some(services) => services.into_iter().collect(),
    })
}

fn service(fields: &mut Fields<'_, '_>, zones: &[Name]) -> Option<Service> {
    fields.require(&[("name", "name = \"jenkins\"")]);
    let place = fields.place();
    let name = fields.parsed("name", rules::service_name);
    let has_proto = fields.has("proto");
    let proto = fields.parsed("proto", rules::proto).map(Spanned::into_inner).or((!has_proto).then_some("tcp"));
    let zone = zone(fields, zones);
    let ttl = fields.integer("ttl", rules::TTL_RANGE);
    let metadata = metadata::read(fields);
    let scrape = scrape::read(fields);
    let shards = shards(fields);
    let browse = browse::read(fields, shards);
    let checks = checks::checks(fields, "service.check");
    let instances = instances(fields, zone.as_ref(), zones, browse.is_some());
    // What is wrong is told, and may have been a check.
    let checked = instances.as_ref().zip(checks.as_ref()).is_none_or(|(instances, checks)| {
        instances.iter().any(|instance| !instance.checks.as_ref().unwrap_or(checks).is_empty())
    });
    let health = health::policy(fields, checked);
    let name = name?;
    let span = name.span();
    let key = ServiceKey { name: name.into_inner(), proto: proto?.to_owned(), zone: zone? };
    if let Err(refusal) = rules::owner_names(&key, shards) {
        fields.refuse(span, refusal);
    }
    let (instances, checks) = (instances?, checks?);
    let service =
        Service { ttl, metadata, scrape, shards, browse, instances, checks, health, ..Service::new(key, place) };
    browse::check(fields, &service);
    Some(service)
}

/// `shards = 4` or `shards = "auto"`.
fn shards(fields: &mut Fields<'_, '_>) -> Shards {
    if !fields.is_string("shards") {
        let most = u32::try_from(MAX_SHARDS).unwrap_or(u32::MAX);
        return fields.integer("shards", 1..=most).map_or(Shards::Off, |count| Shards::Fixed(count as usize));
    }
    fields.parsed("shards", rules::auto_shards).map_or(Shards::Off, Spanned::into_inner)
}

fn zone(fields: &mut Fields<'_, '_>, zones: &[Name]) -> Option<Name> {
    let find = |text: &str| rules::zone(text, zones);
    let has_zone = fields.has("zone");
    let named = fields.parsed("zone", find).map(Spanned::into_inner);
    match zones {
        _ if has_zone => named,
        [only] => Some(only.clone()),
        [] => {
            fields.report_missing("no zone is configured to publish this service in", "add a `[[zone]]`");
            None
        }
        _ => {
            let message = "`[[service]]` needs the key `zone`: there is more than one";
            fields.report_missing(message, rules::managed(zones));
            None
        }
    }
}

fn instances(
    fields: &mut Fields<'_, '_>,
    zone: Option<&Name>,
    zones: &[Name],
    is_browsed: bool,
) -> Option<Vec<Instance>> {
    let mut seen = BTreeMap::new();
    let mut names = browse::InstanceNames::new(is_browsed);
    let has_instances = fields.has("instance");
    let instances = fields.each("instance", "service.instance", |fields| {
        let named = names.read(fields);
        let instance = instance(fields, zone, zones, &mut seen)?;
        Some(Instance { name: named.name, subtypes: named.subtypes, ..instance })
    });
    if !has_instances || instances.as_ref().is_some_and(Vec::is_empty) {
        let message = "the service has no instance, and an empty answer makes Prometheus drop its targets";
        fields.report_missing(message, "add a `[[service.instance]]`, or remove the service");
    }
    let mut instances: Vec<_> = instances?.into_iter().collect::<Option<_>>()?;
    instances.sort_by(|one, other| one.host.cmp(&other.host));
    instances.shrink_to_fit();
    Some(instances)
}

fn instance(
    fields: &mut Fields<'_, '_>,
    zone: Option<&Name>,
    zones: &[Name],
    seen: &mut BTreeMap<(Name, NonZeroU16), Place>,
) -> Option<Instance> {
    fields.require(&[("host", "host = \"centos9-vm\""), ("port", "port = 8080")]);
    let place = fields.place();
    let root = Name::root();
    let host = fields.parsed("host", |text| rules::host(text, zone.unwrap_or(&root), zones));
    let port = fields.integer("port", 1..=u32::from(u16::MAX));
    let priority = small(fields, "priority");
    let weight = small(fields, "weight");
    // Without the zone, a relative host is not known.
    let known_host = host.as_ref().map(Spanned::get_ref).filter(|_| zone.is_some());
    let addresses = addresses(fields, known_host, zones);
    let metadata = metadata::read(fields);
    let has_checks = fields.has("check");
    let checks = checks::checks(fields, "service.instance.check");
    let host = host?.into_inner();
    let port = NonZeroU16::new(u16::try_from(port?).ok()?)?;
    if let Some(first) = seen.get(&(host.clone(), port)) {
        let message = format!("`{host}` port {port} is listed twice in this service; first at {first}");
        fields.report_with_help(fields.header(), message, "remove one of the two");
    } else {
        seen.insert((host.clone(), port), place.clone());
    }
    let (addresses, checks) = (addresses?.into(), Some(checks?).filter(|_| has_checks));
    Some(Instance { priority, weight, addresses, metadata, checks, ..Instance::new(host, port, place) })
}

fn small(fields: &mut Fields<'_, '_>, key: &'static str) -> u16 {
    fields.integer(key, 0..=u32::from(u16::MAX)).and_then(|number| u16::try_from(number).ok()).unwrap_or(0)
}

fn addresses(fields: &mut Fields<'_, '_>, host: Option<&Name>, zones: &[Name]) -> Option<Vec<std::net::IpAddr>> {
    let has_addresses = fields.has("addresses");
    let Some(texts) = fields.strings("addresses") else {
        return (!has_addresses).then(Vec::new);
    };
    let span = texts.span();
    let mut addresses = Vec::new();
    for text in texts.get_ref() {
        let Some(address) = fields.parse(text, rules::address).map(Spanned::into_inner) else {
            continue;
        };
        if addresses.contains(&address) {
            fields.report(text.span(), format!("address `{address}` is listed twice"));
        }
        addresses.push(address);
    }
    if let Some(host) = host.filter(|_| !addresses.is_empty())
        && let Err(refusal) = rules::addressed_host(host, zones)
    {
        fields.refuse(span, refusal);
    }
    Some(addresses)
}

#[cfg(test)]
mod tests;
