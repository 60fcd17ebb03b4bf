//! Which names may stand as the target of an SRV record, and which addresses may be published for them.

use std::net::IpAddr;

use super::Refusal;
use crate::model::{Marker, Name, NameError};

/// The host as an absolute name: relative to `zone` unless it ends in a dot.
///
/// # Errors
/// When no SRV record of ours may point there.
///
/// # Standards
/// What is refused is what somebody on the way to a scrape would refuse: RFC 2782 (`.` means "not available"),
/// BIND's `check-names` (RFC 952 and 1123 host names for SRV targets), and Go's `isDomainName`, whose resolver
/// then drops the record, and in vmagent and Thanos the whole answer.
pub fn host(text: &str, zone: &Name, zones: &[Name]) -> Result<Name, Refusal> {
    if text.is_empty() {
        return Err(Refusal::from("`host` is empty".to_owned()));
    }
    if text == "." {
        let message = "host `.` says that the service is not available (RFC 2782)";
        return Err(Refusal::with_help(message, "name a host, or remove the instance"));
    }
    if is_address(text) {
        let message = format!("host `{text}` is an address, and an SRV record can only point to a name");
        return Err(Refusal::with_help(message, "give the host a name here and its address in `addresses`"));
    }
    let refuse = |error: NameError| Refusal::from(format!("host `{text}` {error}"));
    let host = Name::parse_relative(text, zone).map_err(refuse)?;
    if !text.ends_with('.')
        && let Ok(absolute) = text.parse::<Name>()
        && let Some(inside) = zones.iter().find(|zone| !zone.is_root() && absolute.is_within(zone))
    {
        let message = format!("host `{text}` has no dot at the end, so it would become `{host}`");
        let help = match relative_to(&absolute, inside) {
            Some(relative) if inside == zone => format!("write `{relative}`, or `{absolute}` with the dot"),
            _ => format!("write `{absolute}` with the dot"),
        };
        return Err(Refusal::with_help(message, help));
    }
    check_host_name(&host).map_err(|reason| Refusal::from(format!("host `{host}` {reason}")))?;
    Ok(host)
}

/// The part before the zone; none for the zone itself.
fn relative_to(name: &Name, zone: &Name) -> Option<String> {
    let prefix = &name.as_wire()[..name.prefix_len(zone)?];
    let relative = Name::from_wire(&[prefix, &[0]].concat()).ok()?;
    (!relative.is_root()).then(|| relative.without_final_dot())
}

/// IPv4 or IPv6, also with a final dot or in brackets.
fn is_address(text: &str) -> bool {
    let bare = text.trim_end_matches('.').trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok()
}

fn check_host_name(host: &Name) -> Result<(), String> {
    for label in host.labels() {
        let shown = String::from_utf8_lossy(label);
        if label.contains(&b'_') {
            return Err(format!("has an underscore in `{shown}`; BIND's check-names refuses such SRV targets"));
        }
        if !label.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(format!("has `{shown}` in it; host names are letters, digits and hyphens"));
        }
        if label.starts_with(b"-") || label.ends_with(b"-") {
            return Err(format!("has `{shown}` in it; no part of a host name starts or ends with a hyphen"));
        }
    }
    if host.labels().flatten().all(u8::is_ascii_digit) {
        return Err("is all digits; Go's resolvers do not take that for a name".to_owned());
    }
    Ok(())
}

/// An address that can be published for a host.
///
/// # Errors
/// When it reaches no single host.
pub fn address(text: &str) -> Result<IpAddr, Refusal> {
    let address: IpAddr = text
        .parse()
        .map_err(|_| Refusal::from(format!("`{text}` is not an IP address (without port, prefix or zone)")))?;
    let refused = |why: &str| Err(Refusal::from(format!("address `{text}` {why}")));
    match address {
        _ if address.is_unspecified() => refused("means \"any address\" and reaches no host"),
        _ if address.is_multicast() => refused("is multicast and belongs to no single host"),
        IpAddr::V4(v4) if v4.is_broadcast() => refused("is broadcast and belongs to no single host"),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => refused("is IPv4 inside IPv6: write it as IPv4"),
        _ => Ok(address),
    }
}

/// Whether addresses can be published for a host: it lies in a managed zone, and our marker fits in front of it.
///
/// # Errors
/// When they cannot.
pub fn addressed_host(host: &Name, zones: &[Name]) -> Result<(), Refusal> {
    if !zones.iter().any(|zone| host.is_within(zone)) {
        let message = format!("`{host}` is outside every managed zone, so its addresses cannot be published");
        return Err(Refusal::with_help(message, "remove `addresses`, or manage the zone of the host"));
    }
    Marker::name_for(host).map(drop).map_err(|error| {
        let message = format!("the host `{host}` with the ownership marker in front of it {error}");
        Refusal::with_help(message, "remove `addresses`, or shorten the name of the host")
    })
}
