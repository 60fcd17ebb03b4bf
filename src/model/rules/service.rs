//! What a service may be called, and how people say which one they mean.

use std::ops::RangeInclusive;

use super::Refusal;
use crate::model::{MAX_LABEL, MAX_SHARDS, Marker, Name, ServiceKey, Shards};

/// TTLs that may be configured, seconds. Zero would send every look-up of every scraper to the primary; above a
/// week nothing changes, since BIND's and Unbound's caches cut there or earlier (`max-cache-ttl`).
pub const TTL_RANGE: RangeInclusive<u32> = 1..=604_800;

/// A service name.
///
/// # Errors
/// When it could not be published.
///
/// # Standards
/// RFC 6335 section 5.1, except for the length: it allows 15 characters, and `node-exporter-internal` and its
/// like are in use everywhere, so only the 63 bytes of a label count (RFC 1035), of which the underscore is one.
pub fn service_name(name: &str) -> Result<String, Refusal> {
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

/// A protocol of RFC 6763.
///
/// # Errors
/// When it is neither `tcp` nor `udp`.
pub fn proto(text: &str) -> Result<&'static str, Refusal> {
    match text {
        "tcp" => Ok("tcp"),
        "udp" => Ok("udp"),
        other => Err(Refusal::from(format!("`proto` must be \"tcp\" or \"udp\", not \"{other}\" (RFC 6763)"))),
    }
}

/// `4` or `auto`: over how many names a service is spread.
///
/// # Errors
/// When it is neither.
pub fn shards(text: &str) -> Result<Shards, Refusal> {
    match text.parse() {
        Ok(count) if (1..=MAX_SHARDS).contains(&count) => Ok(Shards::Fixed(count)),
        Ok(_) => Err(not_shards(text)),
        Err(_) => auto_shards(text),
    }
}

/// `auto`, where numbers are written without quotes.
///
/// # Errors
/// When it is something else.
pub fn auto_shards(text: &str) -> Result<Shards, Refusal> {
    if text == "auto" { Ok(Shards::Auto) } else { Err(not_shards(text)) }
}

fn not_shards(text: &str) -> Refusal {
    Refusal::from(format!("`shards` must be a number from 1 to {MAX_SHARDS}, or \"auto\", not \"{text}\""))
}

/// The managed zone of that name.
///
/// # Errors
/// When there is none.
pub fn zone(text: &str, zones: &[Name]) -> Result<Name, Refusal> {
    let name: Name = text.parse().map_err(|error| Refusal::from(format!("zone `{text}` {error}")))?;
    let unknown = || Refusal::with_help(format!("`{text}` is not a managed zone"), managed(zones));
    zones.iter().find(|zone| **zone == name).cloned().ok_or_else(unknown)
}

/// The managed zones, as the help for who named none of them.
pub fn managed(zones: &[Name]) -> String {
    let names: Vec<_> = zones.iter().map(|zone| format!("`{}`", zone.without_final_dot())).collect();
    format!("the managed zones are {}", names.join(", "))
}

/// Whether all names that a service may be published under fit into DNS, each with our marker in front of it.
///
/// # Errors
/// When one does not.
pub fn owner_names(key: &ServiceKey, shards: Shards) -> Result<(), Refusal> {
    // The longest of its names.
    let last = if shards == Shards::Off { 0 } else { MAX_SHARDS - 1 };
    let fits = key.shard_name(last).and_then(|owner_name| Marker::name_for(&owner_name));
    fits.map(drop).map_err(|error| {
        let and_shard = if last == 0 { "" } else { " and the label of a shard in it" };
        let message = format!("the name `{key}` with the ownership marker in front of it{and_shard} {error}");
        Refusal::with_help(message, "shorten the service name, or use a zone with a shorter name")
    })
}

/// The service that a person means by `jenkins` (over TCP, in the only zone), `_jenkins._udp` or
/// `_jenkins._tcp.internal.local.`, with the final dot or without.
///
/// # Errors
/// When it is not known which, or it could not be published.
pub fn service(text: &str, zones: &[Name]) -> Result<ServiceKey, Refusal> {
    let only = |name: &str, proto: &str| match zones {
        [only] => Ok(only.clone()),
        _ => Err(Refusal::with_help(
            format!("`{text}` does not say in which zone: there is more than one"),
            format!(
                "write it in full, as `_{name}._{proto}.{}`; {}",
                zones.first().map(Name::to_string).unwrap_or_default(),
                managed(zones)
            ),
        )),
    };
    let key = if let Some(rest) = text.strip_prefix('_') {
        let labels = rest.split_once("._");
        let Some((name, rest)) = labels else {
            return Err(Refusal::with_help(
                format!("`{text}` is not the name of a service"),
                "write `jenkins`, `_jenkins._tcp` or `_jenkins._tcp.internal.local.`",
            ));
        };
        let (proto, zone) = rest.split_once('.').unwrap_or((rest, ""));
        let zone = if zone.is_empty() { only(name, proto)? } else { self::zone(zone, zones)? };
        ServiceKey { name: service_name(name)?, proto: self::proto(proto)?.to_owned(), zone }
    } else {
        ServiceKey { name: service_name(text)?, proto: "tcp".to_owned(), zone: only(text, "tcp")? }
    };
    owner_names(&key, Shards::Off)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones(names: &[&str]) -> Vec<Name> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn read(text: &str, zones: &[Name]) -> Result<String, Refusal> {
        service(text, zones).map(|key| key.to_string())
    }

    #[test]
    fn a_service_is_named_as_short_as_it_is_clear() {
        let zones = zones(&["internal.local"]);
        for (text, expected) in [
            ("jenkins", "_jenkins._tcp.internal.local."),
            ("Node-Exporter2", "_Node-Exporter2._tcp.internal.local."),
            ("_jenkins._udp", "_jenkins._udp.internal.local."),
            ("_jenkins._tcp.internal.local", "_jenkins._tcp.internal.local."),
            ("_jenkins._tcp.Internal.Local.", "_jenkins._tcp.internal.local."),
        ] {
            assert_eq!(read(text, &zones).unwrap(), expected, "{text}");
        }
        for wrong in [
            "",
            "_",
            "_jenkins",
            "_jenkins.",
            "_jenkins._sctp",
            "_jenkins._",
            "__jenkins._tcp",
            "_._tcp",
            "9100",
            "a--b",
            "-a",
            "a-",
            "a_b",
            "a.b",
            "jenkins.internal.local",
            "_jenkins._tcp.other.local",
            "_jenkins._tcp.a..b",
            &"x".repeat(63),
            &format!("_{}._tcp", "x".repeat(63)),
        ] {
            assert!(read(wrong, &zones).is_err(), "{wrong}");
        }
        assert!(read(&"x".repeat(62), &zones).is_ok());
    }

    #[test]
    fn among_zones_the_full_name_is_needed() {
        let zones = zones(&["internal.local", "other.local"]);
        assert_eq!(read("_jenkins._tcp.other.local", &zones).unwrap(), "_jenkins._tcp.other.local.");
        for (text, full) in [("jenkins", "`_jenkins._tcp.internal.local.`"), ("_db._udp", "`_db._udp.internal.local.`")]
        {
            let refusal = read(text, &zones).unwrap_err();
            let help = refusal.help.unwrap();
            assert!(help.contains(full) && help.contains("`internal.local`, `other.local`"), "{text}: {help}");
        }
    }

    #[test]
    fn a_service_name_that_is_refused_says_why() {
        for (name, why) in
            [("", "is empty"), ("_web", "added for you"), ("1", "at least one letter"), ("a b", "only have")]
        {
            let refusal = service_name(name).unwrap_err();
            assert!(refusal.message.contains(why), "{}", refusal.message);
        }
    }

    #[test]
    fn a_zone_is_one_of_those_managed() {
        let zones = zones(&["internal.local", "sub.internal.local"]);
        for text in ["internal.local", "internal.local.", "INTERNAL.local"] {
            assert_eq!(zone(text, &zones).unwrap(), zones[0], "{text}");
        }
        for text in ["local", "x.internal.local", "a..b", ""] {
            assert!(zone(text, &zones).is_err(), "{text}");
        }
        let help = zone("local", &zones).unwrap_err().help.unwrap();
        assert_eq!(help, "the managed zones are `internal.local`, `sub.internal.local`");
    }

    #[test]
    fn shards_are_written_as_a_number_or_auto() {
        for (text, expected) in [("1", Shards::Fixed(1)), ("128", Shards::Fixed(128)), ("auto", Shards::Auto)] {
            assert_eq!(shards(text).unwrap(), expected);
        }
        for wrong in ["", "0", "129", "-1", "1.5", "Auto", "off", "99999999999999999999999"] {
            assert!(shards(wrong).unwrap_err().message.contains("from 1 to 128"), "{wrong}");
        }
        assert!(auto_shards("4").is_err());
    }

    #[test]
    fn the_names_of_shards_need_room_too() {
        // With the marker, `_tcp` and a service of one letter it takes 255 bytes, just.
        let label = "z".repeat(60);
        let key = |last: usize| {
            let zone = format!("{label}.{label}.{label}.{}", "z".repeat(last)).parse().unwrap();
            ServiceKey { name: "a".into(), proto: "tcp".into(), zone }
        };
        let longest = (1..=60).rev().find(|&last| owner_names(&key(last), Shards::Off).is_ok()).unwrap();
        assert!(longest < 60);
        assert!(
            owner_names(&key(longest), Shards::Fixed(1)).is_err() && owner_names(&key(longest), Shards::Auto).is_err()
        );
        // `shard-127` with its length.
        assert!(owner_names(&key(longest - 9), Shards::Auto).is_err());
        assert!(owner_names(&key(longest - 10), Shards::Auto).is_ok());
    }
}
