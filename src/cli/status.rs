//! `srvctl status`.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::args::Format;
use super::exit::Exit;
use super::output;
use super::output::Paint;
use crate::model::{DaemonStatus, Outcome, ZoneStatus};
use crate::{api, config};

pub(super) async fn run(flag: Option<PathBuf>, format: &Format) -> Exit {
    let socket = match config::socket(&config::locate(flag)) {
        Ok(socket) => socket,
        Err(error) => {
            output::diagnostics(&[error]);
            return Exit::Failed;
        }
    };
    match api::status(&socket).await {
        Ok(status) => {
            if format.json {
                output::json(&status);
            } else {
                show(&status);
            }
            if status.is_in_sync() {
                Exit::Done
            } else if status.zones.iter().any(|zone| zone.held.is_some()) {
                Exit::Held
            } else {
                Exit::Differences
            }
        }
        Err(error) => {
            output::error(error);
            Exit::Failed
        }
    }
}

fn show(status: &DaemonStatus) {
    let paint = Paint::for_stdout();
    output::line(format_args!(
        "srvctl {}, owner \"{}\", up {}: {} services with {} instances",
        status.version,
        status.owner,
        age(status.started),
        status.services,
        status.instances
    ));
    for zone in &status.zones {
        show_zone(paint, &status.owner, zone);
    }
    for error in status.config_error.iter().chain(&status.source_errors) {
        output::line(format_args!("\n{}", paint.bad(error)));
    }
}

fn show_zone(paint: Paint, owner: &str, zone: &ZoneStatus) {
    let outcome = match zone.outcome {
        Outcome::Pending => paint.doubtful("pending"),
        Outcome::InSync => paint.good("in sync"),
        Outcome::Held => paint.bad("held"),
        Outcome::Incomplete => paint.bad("incomplete"),
        Outcome::Failed => paint.bad("failed"),
    };
    let serial = zone.serial.map_or_else(|| "never read".to_owned(), |serial| format!("serial {serial}"));
    output::line(format_args!(
        "zone {} at {}: {outcome}, {serial}, {} records, {} names of ours, {} records changed",
        zone.zone, zone.primary, zone.records, zone.owned_names, zone.changes
    ));
    let in_sync = zone.last_in_sync.map_or_else(|| "never".to_owned(), |at| format!("{} ago", age(at)));
    output::line(format_args!("  last in sync: {in_sync}"));
    if zone.owner != owner {
        output::line(format_args!("  owner \"{}\" in this zone", zone.owner));
    }
    if let Some(error) = &zone.error {
        output::line(paint.bad(format_args!("  {error}")));
    }
    if let Some(held) = &zone.held {
        let reasons = held.reasons.join("; ");
        output::line(paint.bad(format_args!("  held: plan {}: {reasons}", held.id)));
        output::line(format_args!("  to make it: srvctl apply --accept {}", held.id));
    }
    for problem in &zone.problems {
        output::line(paint.doubtful(format_args!("  ! {problem}")));
    }
}

/// How long ago a moment was, in the two largest units.
fn age(since: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let seconds = now.saturating_sub(since);
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
