//! `srvctl status`.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::args::Format;
use super::exit::Exit;
use super::output;
use super::output::Paint;
use crate::model::{
    DaemonStatus, DiscoveryStatus, HealthSummary, NotifyStatus, Outcome, ServerStatus, State, TargetFileStatus,
    Unverified, VerificationStatus, ZoneStatus,
};
use crate::{api, config};

pub(super) async fn run(flag: Option<PathBuf>, format: &Format) -> Exit {
    let socket = match config::socket_for(flag) {
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
            } else if status.zones.iter().any(|zone| zone.held.is_some()) || is_held(&status) {
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

/// Whether targets wait for a person.
fn is_held(status: &DaemonStatus) -> bool {
    status.discovery.as_ref().is_some_and(|discovery| !discovery.held.is_empty())
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
    let leases = &status.leases;
    if leases.leased > 0 {
        output::line(format_args!("leases: {}, {} of them overdue", leases.leased, leases.overdue));
    }
    show_health(paint, &status.health);
    if let Some(discovery) = &status.discovery {
        show_discovery(paint, discovery);
    }
    for zone in &status.zones {
        show_zone(paint, &status.owner, zone);
    }
    let errors = status.config_error.iter().chain(&status.store_error).chain(&status.leases.held);
    for error in errors.chain(&status.source_errors) {
        output::line(format_args!("\n{}", paint.bad(error)));
    }
}

fn show_health(paint: Paint, health: &HealthSummary) {
    if health.checked() == 0 {
        return;
    }
    let line = format!("health: {}", health_line(health));
    output::line(if health.failing == 0 { line } else { paint.doubtful(line) });
    for service in &health.floor_held {
        output::line(paint.bad(format_args!(
            "  {service}: too much of it fails at once to withdraw anything: what fails stays published; see `srvctl \
             health {service}`"
        )));
    }
    if health.isolated {
        output::line(paint.bad(
            "  most of what is checked fails at once: nothing more is withdrawn. Does this machine reach the others?",
        ));
    }
}

fn show_discovery(paint: Paint, discovery: &DiscoveryStatus) {
    let DiscoveryStatus { waits_for, targets, kept, held, files } = discovery;
    match waits_for {
        Some(why) => output::line(paint.bad(format_args!("discovery: nothing is listed for Prometheus yet: {why}"))),
        None => output::line(format_args!("discovery: {targets} targets listed for Prometheus")),
    }
    if *kept > 0 {
        output::line(paint.doubtful(format_args!(
            "  {kept} of them are not in force any more, and stay until their zone's plan is made or let pass"
        )));
    }
    for why in held {
        output::line(paint.bad(format_args!("  {why}")));
    }
    for TargetFileStatus { path, targets, written, error } in files {
        let written = written.map_or_else(String::new, |at| format!(", written {} ago", age(at)));
        match error {
            Some(error) => output::line(paint.bad(format_args!("  {error}"))),
            None => output::line(format_args!("  {path}: {targets} targets{written}")),
        }
    }
}

fn health_line(health: &HealthSummary) -> String {
    let mut line = format!("{} instances checked, {} passing", health.checked(), health.passing);
    for (count, what) in [
        (health.failing, "failing"),
        (health.unknown, "not known yet"),
        (health.in_maintenance, "in maintenance"),
        (health.withdrawn, "withdrawn"),
        (health.deprioritised, "behind the others"),
    ] {
        if count > 0 {
            let _ = write!(line, ", {count} {what}");
        }
    }
    line
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
    output::line(format_args!(
        "  read: {} whole, {} incremental transfers",
        zone.full_transfers, zone.incremental_transfers
    ));
    for line in zone.notifies.iter().flat_map(notify_lines) {
        output::line(match line {
            Line::Good(line) => format!("  NOTIFY: {line}"),
            Line::Doubtful(line) => paint.doubtful(format_args!("  NOTIFY: {line}")),
        });
    }
    show_verification(paint, &zone.verification);
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

/// Problems that the status shows; `--json` has up to a hundred.
const PROBLEMS: usize = 10;

fn show_verification(paint: Paint, verification: &VerificationStatus) {
    for server in &verification.servers {
        let line = format!("  verified at {}", server_line(server, verification.rrsets));
        let is_good = server.in_sync == verification.rrsets && server.error.is_none();
        output::line(if is_good { line } else { paint.doubtful(line) });
    }
    for problem in verification.problems.iter().take(PROBLEMS) {
        let Unverified { server, name, record_type, state, since, reason, .. } = problem;
        let line = format!("    {name} {record_type} at {server} is {state} since {} ago: {reason}", age(*since));
        output::line(if *state == State::Wrong { paint.bad(line) } else { paint.doubtful(line) });
    }
    if verification.problems.len() > PROBLEMS {
        output::line(format_args!("    and {} more: srvctl status --json", verification.problems.len() - PROBLEMS));
    }
}

fn server_line(server: &ServerStatus, rrsets: usize) -> String {
    let mut line = format!("{}: {} of {rrsets} in sync", server.server, server.in_sync);
    for (count, state) in [(server.stale, State::Stale), (server.wrong, State::Wrong), (server.unknown, State::Unknown)]
    {
        if count > 0 {
            let _ = write!(line, ", {count} {state}");
        }
    }
    if let (Some(serial), Some(behind @ 1..)) = (server.serial, server.behind) {
        let _ = write!(line, "; serial {serial}, {behind} behind");
    }
    if let Some(took) = server.propagation_ms {
        let _ = write!(line, "; the last change was seen after {took} ms");
    }
    if let Some(error) = &server.error {
        let _ = write!(line, "; {error}");
    }
    line
}

/// A line about NOTIFYs: one as it should be, or one that somebody has to look into.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Good(String),
    Doubtful(String),
}

fn notify_lines(notifies: &NotifyStatus) -> Vec<Line> {
    let NotifyStatus { listen, accepted, refused, last, last_refusal, error } = notifies;
    let mut lines = Vec::new();
    match (error, last) {
        (Some(error), _) => lines.push(Line::Doubtful(format!("{error}; the zone is polled meanwhile"))),
        (None, Some(last)) => lines.push(Line::Good(format!("{accepted} received, last {} ago", age(*last)))),
        (None, None) => lines.push(Line::Doubtful(format!(
            "none received yet: does the primary's also-notify name {}?",
            also_notify(listen)
        ))),
    }
    if let Some(reason) = last_refusal {
        lines.push(Line::Doubtful(format!("{refused} refused, the last {reason}")));
    }
    lines
}

/// An address as BIND's configuration has it.
fn also_notify(listen: &str) -> String {
    match listen.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_unspecified() => format!("port {} of this machine", address.port()),
        Ok(address) => format!("{} port {}", address.ip(), address.port()),
        Err(_) => listen.to_owned(),
    }
}

/// How long ago a moment was, in the two largest units.
pub(super) fn age(since: u64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &Line) -> &str {
        let (Line::Good(text) | Line::Doubtful(text)) = line;
        text
    }

    #[test]
    fn health_in_words() {
        let mut health = HealthSummary { passing: 4, ..HealthSummary::default() };
        assert_eq!(health_line(&health), "4 instances checked, 4 passing");
        health.add(&HealthSummary { failing: 2, unknown: 1, withdrawn: 2, ..HealthSummary::default() });
        assert_eq!(health_line(&health), "7 instances checked, 4 passing, 2 failing, 1 not known yet, 2 withdrawn");
    }

    #[test]
    fn notifies_in_words() {
        let none = NotifyStatus { listen: "127.0.0.1:5301".to_owned(), ..NotifyStatus::default() };
        let asked = "none received yet: does the primary's also-notify name 127.0.0.1 port 5301?";
        assert_eq!(notify_lines(&none), [Line::Doubtful(asked.to_owned())]);

        let heard = NotifyStatus { accepted: 12, last: Some(0), ..none.clone() };
        let [Line::Good(line)] = &notify_lines(&heard)[..] else { panic!("one line, and a good one") };
        assert!(line.starts_with("12 received, last ") && line.ends_with(" ago"), "{line}");

        let reason = "from 127.0.0.1:1024: without a signature, and not from the zone's primary".to_owned();
        let refused = NotifyStatus { refused: 3, last_refusal: Some(reason.clone()), ..heard };
        let lines = notify_lines(&refused);
        assert_eq!(lines[1], Line::Doubtful(format!("3 refused, the last {reason}")));

        let deaf = NotifyStatus { error: Some("no".to_owned()), ..refused };
        let lines: Vec<_> = notify_lines(&deaf).iter().map(|line| text(line).to_owned()).collect();
        assert_eq!(lines[0], "no; the zone is polled meanwhile");
        assert_eq!(lines.len(), 2);
    }
}
