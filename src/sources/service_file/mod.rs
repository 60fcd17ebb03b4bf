//! The `[[service]]` file format: from text to checked services, or to everything that is wrong with it.
//!
//! What cannot be published is refused here, where a person can be shown the line.

mod hosts;
mod metadata;

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::sync::Arc;

use toml::Spanned;

use crate::model::{Diagnostic, Instance, MAX_LABEL, MAX_SHARDS, Marker, Name, Place, Service, ServiceKey, Shards};

use super::toml_fields::{self, Fields, Refusal};

/// TTLs that may be configured, seconds. Zero would send every look-up of every scraper to the primary; above a
/// week nothing changes, since BIND's and Unbound's caches cut there or earlier (`max-cache-ttl`).
pub const TTL_RANGE: RangeInclusive<u32> = 1..=604_800;

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
    let name = fields.parsed("name", service_name);
    let has_proto = fields.has("proto");
    let proto = fields.parsed("proto", proto).map(Spanned::into_inner).or((!has_proto).then_some("tcp"));
    let zone = zone(fields, zones);
    let ttl = fields.integer("ttl", TTL_RANGE);
    let metadata = metadata::read(fields);
    let shards = shards(fields);
    let instances = instances(fields, zone.as_ref(), zones);
    let name = name?;
    let span = name.span();
    let key = ServiceKey { name: name.into_inner(), proto: proto?.to_owned(), zone: zone? };
    // The longest of its names.
    let last = if shards == Shards::Off { 0 } else { MAX_SHARDS - 1 };
    if let Err(error) = key.shard_name(last).and_then(|owner_name| Marker::name_for(&owner_name)) {
        let and_shard = if last == 0 { "" } else { " and the label of a shard in it" };
        let message = format!("the name `{key}` with the ownership marker in front of it{and_shard} {error}");
        fields.report_with_help(span, message, "shorten the service name, or use a zone with a shorter name");
    }
    Some(Service { key, ttl, metadata, shards, instances: instances?, place })
}

/// A service name.
///
/// # Standards
/// RFC 6335 section 5.1, except for the length: it allows 15 characters, and `node-exporter-internal` and its
/// like are in use everywhere, so only the 63 bytes of a label count (RFC 1035), of which the underscore is one.
fn service_name(name: &str) -> Result<String, Refusal> {
    if let Some(bare) = name.strip_prefix('_') {
        let message = format!("service name `{name}` starts with an underscore, which is added for you");
        return Err(Refusal::with_help(message, format!("write `{bare}`")));
    }
    let refused = |why: &str| Err(Refusal::from(format!("service name `{name}` {why} (RFC 6335)")));
    if name.is_empty() {
        return Err(Refusal::from("the service name is empty".to_owned()));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return refused("may only have letters, digits and hyphens");
    }
    if !name.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return refused("needs at least one letter");
    }
    if name.starts_with('-') || name.ends_with('-') || name.contains("--") {
        return refused("may not start or end with a hyphen or have two in a row");
    }
    if name.len() >= MAX_LABEL {
        let message = format!("service name `{name}` has {} characters; DNS has room for 62", name.len());
        return Err(Refusal::from(message));
    }
    Ok(name.to_owned())
}

fn proto(text: &str) -> Result<&'static str, Refusal> {
    match text {
        "tcp" => Ok("tcp"),
        "udp" => Ok("udp"),
        other => Err(Refusal::from(format!("`proto` must be \"tcp\" or \"udp\", not \"{other}\" (RFC 6763)"))),
    }
}

/// `shards = 4` or `shards = "auto"`.
fn shards(fields: &mut Fields<'_, '_>) -> Shards {
    if !fields.is_string("shards") {
        let most = u32::try_from(MAX_SHARDS).unwrap_or(u32::MAX);
        return fields.integer("shards", 1..=most).map_or(Shards::Off, |count| Shards::Fixed(count as usize));
    }
    let auto = |text: &str| match text {
        "auto" => Ok(Shards::Auto),
        other => {
            let message = format!("`shards` must be a number from 1 to {MAX_SHARDS}, or \"auto\", not \"{other}\"");
            Err(Refusal::from(message))
        }
    };
    fields.parsed("shards", auto).map_or(Shards::Off, Spanned::into_inner)
}

fn zone(fields: &mut Fields<'_, '_>, zones: &[Name]) -> Option<Name> {
    let managed = zones.iter().map(|zone| format!("`{}`", zone.without_final_dot())).collect::<Vec<_>>().join(", ");
    let find = |text: &str| {
        let name: Name = text.parse().map_err(|error| Refusal::from(format!("zone `{text}` {error}")))?;
        let unknown = || {
            let message = format!("`{text}` is not a managed zone");
            Refusal::with_help(message, format!("the managed zones are {managed}"))
        };
        zones.iter().find(|zone| **zone == name).cloned().ok_or_else(unknown)
    };
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
            fields.report_missing(message, format!("the managed zones are {managed}"));
            None
        }
    }
}

fn instances(fields: &mut Fields<'_, '_>, zone: Option<&Name>, zones: &[Name]) -> Option<Vec<Instance>> {
    let mut seen = BTreeMap::new();
    let has_instances = fields.has("instance");
    let instances = fields.each("instance", "service.instance", |fields| instance(fields, zone, zones, &mut seen));
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
    let host = fields.parsed("host", |text| hosts::host(text, zone.unwrap_or(&root), zones));
    let port = fields.integer("port", 1..=u32::from(u16::MAX));
    let priority = small(fields, "priority");
    let weight = small(fields, "weight");
    // Without the zone, a relative host is not known.
    let known_host = host.as_ref().map(Spanned::get_ref).filter(|_| zone.is_some());
    let addresses = addresses(fields, known_host, zones);
    let host = host?.into_inner();
    let port = NonZeroU16::new(u16::try_from(port?).ok()?)?;
    if let Some(first) = seen.get(&(host.clone(), port)) {
        let message = format!("`{host}` port {port} is listed twice in this service; first at {first}");
        fields.report_with_help(fields.header(), message, "remove one of the two");
    } else {
        seen.insert((host.clone(), port), place.clone());
    }
    Some(Instance { host, port, priority, weight, addresses: addresses?.into(), place })
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
        let Some(address) = fields.parse(text, hosts::address).map(Spanned::into_inner) else {
            continue;
        };
        if addresses.contains(&address) {
            fields.report(text.span(), format!("address `{address}` is listed twice"));
        }
        addresses.push(address);
    }
    if let Some(host) = host.filter(|_| !addresses.is_empty()) {
        if !zones.iter().any(|zone| host.is_within(zone)) {
            let message = format!("`{host}` is outside every managed zone, so its addresses cannot be published");
            fields.report_with_help(span, message, "remove `addresses`, or manage the zone of the host");
        } else if let Err(error) = Marker::name_for(host) {
            let message = format!("the host `{host}` with the ownership marker in front of it {error}");
            fields.report_with_help(span, message, "remove `addresses`, or shorten the name of the host");
        }
    }
    Some(addresses)
}

#[cfg(test)]
mod tests;
