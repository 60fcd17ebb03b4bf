//! How changes are shown.

use std::collections::{BTreeMap, BTreeSet};

use super::args::Manner;
use crate::api::{Changed, Verified};
use crate::cli::exit::Exit;
use crate::cli::output::{self, Paint};
use crate::model::{Offer, Settings, Shards};

/// Shows what a change came to: in these words, or as JSON. `lines` are what it was and is.
pub(super) fn change(changed: &Changed, manner: &Manner, words: &str, lines: &(Vec<String>, Vec<String>)) -> Exit {
    if manner.format.json {
        output::json(changed);
    } else {
        if manner.diff {
            difference(lines);
        }
        output::line(words);
    }
    let seen = changed.verified.as_ref().map_or(Exit::Done, |seen| verified(seen, manner.format.json));
    if changed.dry_run && changed.changed { Exit::Differences } else { seen }
}

/// What was seen in DNS.
pub(super) fn verified(seen: &Verified, quiet: bool) -> Exit {
    if seen.ok {
        if !quiet {
            let servers: BTreeSet<_> = seen.proofs.iter().map(|proof| server(proof.server.as_ref())).collect();
            let servers: Vec<_> = servers.into_iter().collect();
            let place = if servers.is_empty() { String::new() } else { format!(" at {}", servers.join(", ")) };
            output::line(format_args!("verified{place} after {} ms", seen.milliseconds));
        }
        return Exit::Done;
    }
    if !quiet {
        let mut text = format!("not verified within {} s", seen.milliseconds.div_ceil(1_000));
        for proof in &seen.proofs {
            let what = match (&proof.reason, proof.verified) {
                (_, true) => "verified",
                (Some(reason), _) => reason,
                (None, _) => "not as it shall be",
            };
            let server = server(proof.server.as_ref());
            text = format!("{text}\n  {} {} via {server}: {what}", proof.name, proof.record_type);
        }
        for obstacle in &seen.obstacles {
            text = format!("{text}\n  ! {obstacle}");
        }
        if let Some(held) = &seen.held {
            text = format!("{text}\n  to make it: srvctl apply --accept {held}");
        }
        output::error(text);
    }
    if seen.held.is_some() { Exit::Held } else { Exit::Failed }
}

fn server(server: Option<&String>) -> &str {
    server.map_or("resolv.conf", String::as_str)
}

/// What goes and what comes.
fn difference((before, after): &(Vec<String>, Vec<String>)) {
    let paint = Paint::for_stdout();
    for line in before.iter().filter(|line| !after.contains(line)) {
        output::line(paint.bad(format_args!("- {line}")));
    }
    for line in after.iter().filter(|line| !before.contains(line)) {
        output::line(paint.good(format_args!("+ {line}")));
    }
}

/// What an offer is in the zone, as zone-file lines without the TTL, and what is known of it.
pub(super) fn offer(service: &str, offer: Option<&Offer>) -> Vec<String> {
    let Some(offer) = offer else { return Vec::new() };
    let Offer { host, port, priority, weight, .. } = offer;
    let mut lines = vec![format!("{service} IN SRV {priority} {weight} {port} {host}")];
    for address in &offer.addresses {
        let record_type = if address.is_ipv4() { "A" } else { "AAAA" };
        lines.push(format!("{host} IN {record_type} {address}"));
    }
    lines.extend(metadata(&offer.metadata));
    lines.extend(offer.lease.map(|lease| format!("lease {lease} s")));
    lines
}

/// What holds for a service as a whole.
pub(super) fn settings(settings: &Settings) -> Vec<String> {
    let mut lines: Vec<_> = settings.ttl.iter().map(|ttl| format!("ttl {ttl}")).collect();
    if settings.shards != Shards::Off {
        lines.push(format!("shards {}", shards(settings.shards)));
    }
    lines.extend(metadata(&settings.metadata));
    lines
}

fn metadata(pairs: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    pairs.iter().map(|(key, value)| format!("metadata {key}={value}"))
}

/// As they are written in arguments.
pub(super) fn shards(shards: Shards) -> String {
    match shards {
        Shards::Off => "off".to_owned(),
        Shards::Fixed(count) => count.to_string(),
        Shards::Auto => "auto".to_owned(),
    }
}
