//! `[[service.check]]`: what is checked of every instance, and `check` in an instance.

pub(super) mod kinds;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use crate::model::health::{LeaseCheck, TcpCheck};
use crate::model::{Check, CheckKind, Checks, Condition};
use crate::sources::toml_fields::Fields;

/// Shorter is load, longer is a check that finds out too late.
const INTERVAL_RANGE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(24);
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

/// What takes longer is broken for whoever waits for it.
const TIMEOUT_RANGE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_mins(2);
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);

/// How long a word of the instance about itself holds.
pub(super) const TTL: Duration = Duration::from_secs(30);

/// One result may be chance; a hundred are a check that changes nothing.
const COUNT_RANGE: RangeInclusive<u32> = 1..=100;
pub(super) const RISE: u32 = 2;
pub(super) const FALL: u32 = 3;

/// Reads the checks of a service or an instance; none when something is wrong with them. `path` is the header as people
/// write it.
pub(super) fn checks(fields: &mut Fields<'_, '_>, path: &str) -> Option<Checks> {
    if !fields.has("check") {
        fields.each("check", path, check); // a key that is known, when another looks like it
        return Some(Checks::default());
    }
    let mut known = Vec::<Arc<Check>>::new();
    let distinct = |fields: &mut Fields<'_, '_>| {
        let check = check(fields)?;
        // A result is told by the check that was made: of two that are the same, one would never have any.
        if known.contains(&check) {
            fields.report_with_help(fields.header(), "this check is there already", "remove one of the two");
        }
        known.push(Arc::clone(&check));
        Some(check)
    };
    fields.each("check", path, distinct)?.into_iter().collect()
}

fn check(fields: &mut Fields<'_, '_>) -> Option<Arc<Check>> {
    fields.require(&[("type", "type = \"http\"")]);
    let Some(kind) = fields.parsed("type", kind).map(Spanned::into_inner) else {
        fields.ignore_the_rest();
        return None;
    };
    let kind = match kind {
        Kind::Http => kinds::http(fields).map(CheckKind::Http),
        Kind::Tcp => Some(CheckKind::Tcp(TcpCheck { port: kinds::port(fields) })),
        Kind::Dns => kinds::dns(fields).map(CheckKind::Dns),
        Kind::Grpc => Some(CheckKind::Grpc(kinds::grpc(fields))),
        Kind::Command => kinds::command(fields).map(CheckKind::Command),
        Kind::Lease => return Some(Arc::new(lease(fields))),
    };
    let interval = fields.duration("interval", INTERVAL_RANGE, "from 100ms to 24h").unwrap_or(INTERVAL);
    let timeout = timeout(fields, interval);
    let (rise, fall, initial) = counts(fields, RISE, FALL);
    Some(Arc::new(Check { kind: kind?, interval, timeout, rise, fall, initial }))
}

/// What an instance says of itself needs no repetition to be believed.
fn lease(fields: &mut Fields<'_, '_>) -> Check {
    let interval = fields.duration("ttl", INTERVAL_RANGE, "from 100ms to 24h").unwrap_or(TTL);
    let (rise, fall, initial) = counts(fields, 1, 1);
    Check { kind: CheckKind::Lease(LeaseCheck), interval, timeout: interval, rise, fall, initial }
}

fn counts(fields: &mut Fields<'_, '_>, rise: u32, fall: u32) -> (u32, u32, Condition) {
    let rise = fields.integer("rise", COUNT_RANGE).unwrap_or(rise);
    let fall = fields.integer("fall", COUNT_RANGE).unwrap_or(fall);
    let initial = fields.parsed("initial", |text| {
        let wrong = |_| format!("`initial` must be \"passing\", \"failing\" or \"unknown\", not \"{text}\"");
        text.parse::<Condition>().map_err(wrong)
    });
    (rise, fall, initial.map_or(Condition::Passing, Spanned::into_inner))
}

/// The default gives way to a shorter interval.
fn timeout(fields: &mut Fields<'_, '_>, interval: Duration) -> Duration {
    let Some(text) = fields.string("timeout") else { return TIMEOUT.min(interval) };
    let parse = |text: &str| {
        let timeout = crate::sources::parse_duration(text)?;
        if !TIMEOUT_RANGE.contains(&timeout) {
            return Err(format!("`timeout` must be from 10ms to 2m, not {text}"));
        }
        let longer = "`timeout` must not be longer than `interval`: a check would begin before the last one has ended";
        if timeout <= interval { Ok(timeout) } else { Err(longer.to_owned()) }
    };
    fields.parse(&text, parse).map_or(TIMEOUT, Spanned::into_inner)
}

#[derive(Clone, Copy)]
enum Kind {
    Http,
    Tcp,
    Dns,
    Grpc,
    Command,
    Lease,
}

fn kind(text: &str) -> Result<Kind, String> {
    Ok(match text {
        "http" => Kind::Http,
        "tcp" => Kind::Tcp,
        "dns" => Kind::Dns,
        "grpc" => Kind::Grpc,
        "command" => Kind::Command,
        "lease" => Kind::Lease,
        other => {
            let known = "\"http\", \"tcp\", \"dns\", \"grpc\", \"command\" or \"lease\"";
            return Err(format!("`type` of a check must be {known}, not \"{other}\""));
        }
    })
}
