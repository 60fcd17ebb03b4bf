//! `srvctl verify`.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep, timeout_at};

use super::args::VerifyArgs;
use super::exit::Exit;
use super::output::Paint;
use super::plan::{self, NameReport};
use super::{load, output};
use crate::daemon::through::SYSTEM;
use crate::daemon::verification::{self, ServiceViews, Verification, Version};
use crate::model::{Catalogue, Finding, Server, Service, Severity, State};
use crate::protocol::lookup::Fate;
use crate::reconcile::{Check, Standing};

/// Waits between two looks of `--wait`: the first, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct Report<'a> {
    in_sync: bool,
    checks: &'a [Check],
    servers: &'a [Version],
    /// What is odd about targets, and about how names are looked up here.
    findings: &'a [Finding],
    /// What the consumers make of the answers.
    views: &'a [ServiceViews],
    /// Secondaries that cannot be asked.
    lost: Vec<Lost<'a>>,
    /// Why records are not as they should be, as far as the zone itself tells.
    reasons: &'a [NameReport],
}

#[derive(Serialize)]
struct Lost<'a> {
    name: &'a str,
    reason: &'a str,
}

pub(super) async fn run(flag: Option<PathBuf>, args: &VerifyArgs) -> Exit {
    let loaded = match load::all_or_show(flag) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let (config, catalogue) = (&loaded.config, loaded.catalogue());
    let wanted: Vec<_> = args.services.iter().chain(&args.more_services).cloned().collect();
    let services = match chosen_or_show(catalogue, &wanted) {
        Ok(services) => services,
        Err(exit) => return exit,
    };
    let look = async || verification::verify(config, catalogue, &services, &args.servers).await;
    let began = Instant::now();
    let mut verification = look().await;
    if let Some(deadline) = args.wait.and_then(|limit| began.checked_add(limit)) {
        let mut wait = FIRST_WAIT;
        while !verification.is_in_sync() && Instant::now() + wait < deadline {
            output::progress(waiting_for(&verification));
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
            // A look that is not done in time says less than the one before.
            match timeout_at(deadline, look()).await {
                Ok(seen) => verification = seen,
                Err(_) => break,
            }
        }
    }
    let in_sync = verification.is_in_sync();
    let reasons = if in_sync {
        Vec::new()
    } else {
        reasons(&plan::survey_zones(config, loaded.registered.desired(), None).await)
    };
    let Verification { checks, versions, findings, views, lost } = &verification;
    if args.format.json {
        let lost = lost.iter().map(|(name, reason)| Lost { name, reason }).collect();
        output::json(&Report { in_sync, checks, servers: versions, findings, views, lost, reasons: &reasons });
    } else {
        show(checks);
        show_servers(versions, lost);
        show_findings(findings);
        show_views(views);
        show_reasons(&reasons);
    }
    if in_sync { Exit::Done } else { Exit::Differences }
}

/// What is awaited, in one line.
fn waiting_for(verification: &Verification) -> String {
    let missing: Vec<_> = verification.checks.iter().filter(|check| check.verdict != Standing::InSync).collect();
    let clears = missing.iter().filter_map(|check| check.clears_within).max();
    let cache = clears.map_or_else(String::new, |seconds| format!("; the last cache lets go within {seconds} s"));
    format!("waiting: {} of {} RRsets are not in sync yet{cache}", missing.len(), verification.checks.len())
}

/// Servers that have an older zone, and those that cannot be asked.
fn show_servers(versions: &[Version], lost: &[(String, String)]) {
    let paint = Paint::for_stdout();
    let behind = |version: &&Version| version.behind.is_some() && version.authoritative;
    for Version { zone, server, serial, behind, .. } in versions.iter().filter(behind) {
        let (serial, behind) = (serial.unwrap_or_default(), behind.unwrap_or_default());
        let line = format!("\n{server} has zone {zone} with serial {serial}, {behind} behind the primary");
        output::line(paint.doubtful(line));
    }
    for (name, reason) in lost {
        output::line(paint.bad(format_args!("\n{name} cannot be asked: {reason}")));
    }
}

fn show_findings(findings: &[Finding]) {
    let paint = Paint::for_stdout();
    for Finding { severity, subject, problem, evidence, remedy, .. } in findings {
        let line = format!("\n{severity}: {subject}: {problem} ({})", evidence.join("; "));
        output::line(if *severity == Severity::Error { paint.bad(line) } else { paint.doubtful(line) });
        remedy.iter().for_each(|remedy| output::line(format_args!("  {remedy}")));
    }
}

/// Where not all consumers come to the same targets.
fn show_views(views: &[ServiceViews]) {
    let paint = Paint::for_stdout();
    for ServiceViews { server, name, views, .. } in views.iter().filter(|views| !views.agree) {
        output::line(
            paint.doubtful(format_args!("\n{name} via {} is not the same to everybody:", label(server.as_ref()))),
        );
        for (consumer, view) in views.all() {
            let fate = match &view.fate {
                Fate::Targets { targets } => format!("scrapes {}", targets.join(", ")),
                Fate::Kept => "keeps its old targets".to_owned(),
                Fate::Dropped => "drops its targets".to_owned(),
            };
            output::line(format_args!("  {consumer:15}  {fate}: {}", view.reason));
        }
    }
}

/// What the zones say about why something is not published: conflicts, refusals, a held plan, or that a zone cannot
/// be read at all.
fn reasons(surveys: &[plan::Surveyed]) -> Vec<NameReport> {
    let mut reasons = Vec::new();
    for (primary, surveyed) in surveys {
        let zone = primary.zone();
        match surveyed {
            Err(error) => reasons.push(NameReport { name: zone.clone(), reason: error.to_string() }),
            Ok(survey) => {
                reasons.extend(survey.reconciler.conflicts().map(|conflict| NameReport::of_conflict(&conflict)));
                if let Some(held) = &survey.guarded.held {
                    let (id, why) = (held.id, held.why());
                    let reason = format!("plan {id} is held: {why}. To make it: srvctl apply --accept {id}");
                    reasons.push(NameReport { name: zone.clone(), reason });
                }
                let waiting = survey.guarded.names(&survey.reconciler).len();
                if waiting > 0 {
                    let reason = format!("{waiting} names wait for a change: `srvctl plan` shows it");
                    reasons.push(NameReport { name: zone.clone(), reason });
                }
            }
        }
    }
    reasons
}

fn show_reasons(reasons: &[NameReport]) {
    let paint = Paint::for_stdout();
    if !reasons.is_empty() {
        output::line("\nwhy:");
    }
    for NameReport { name, reason } in reasons {
        output::line(paint.doubtful(format_args!("  ! {name}: {reason}")));
    }
}

/// The services that a person named; an unknown one is shown.
pub(super) fn chosen_or_show<'a>(catalogue: &'a Catalogue, wanted: &[String]) -> Result<Vec<&'a Service>, Exit> {
    chosen(catalogue, wanted).map_err(|unknown| {
        let known: Vec<_> = catalogue.keys().map(|key| key.name.as_str()).collect();
        output::error(format_args!("there is no service `{unknown}`; there are: {}", known.join(", ")));
        Exit::Usage
    })
}

/// The services that a person named, in the catalogue's order; all when none was named.
fn chosen<'a>(catalogue: &'a Catalogue, wanted: &[String]) -> Result<Vec<&'a Service>, String> {
    let is = |service: &Service, word: &str| {
        let full = service.key.to_string();
        service.key.name.eq_ignore_ascii_case(word)
            || full.eq_ignore_ascii_case(word)
            || full.trim_end_matches('.').eq_ignore_ascii_case(word)
    };
    if let Some(unknown) = wanted.iter().find(|word| !catalogue.values().any(|service| is(service, word))) {
        return Err(unknown.clone());
    }
    let named = |service: &&Service| wanted.is_empty() || wanted.iter().any(|word| is(service, word));
    Ok(catalogue.values().map(AsRef::as_ref).filter(named).collect())
}

/// The table of what Prometheus would scrape, and under it whatever is not as it should be.
fn show(checks: &[Check]) {
    let paint = Paint::for_stdout();
    let rows: Vec<Row> = rows(checks);
    let service_width = rows.iter().map(|row| row.service.len()).max().unwrap_or(0).max("SERVICE".len());
    let server_width = rows.iter().map(|row| row.server.len()).max().unwrap_or(0).max("SERVER".len());
    let columns = |service: &str, server: &str| format!("{service:service_width$}  {server:server_width$}");
    output::line(paint.strong(format_args!("{}  VERDICT    TARGETS", columns("SERVICE", "SERVER"))));
    for row in &rows {
        let head = columns(row.service, &row.server);
        let first = row.targets.first().map_or("", String::as_str);
        output::line(format!("{head}  {}  {first}", painted(paint, row.standing)).trim_end());
        for target in row.targets.iter().skip(1) {
            output::line(format_args!("{}  {:9}  {target}", columns("", ""), ""));
        }
    }
    checks.iter().filter(|check| check.verdict != Standing::InSync).for_each(|check| show_difference(paint, check));
}

/// One service at one server.
struct Row<'a> {
    service: &'a str,
    server: String,
    /// The worst of its records' standings, as people read it.
    standing: (State, Standing),
    targets: &'a [String],
}

/// The checks of one service follow each other.
fn rows(checks: &[Check]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for check in checks {
        let server = server(check);
        let mut of_service = rows.iter_mut().rev().take_while(|row| row.service == check.service);
        match of_service.find(|row| row.server == server) {
            Some(row) => {
                row.standing = row.standing.max((check.state, check.verdict));
                if row.targets.is_empty() {
                    row.targets = &check.targets;
                }
            }
            None => {
                rows.push(Row {
                    service: &check.service,
                    server,
                    standing: (check.state, check.verdict),
                    targets: &check.targets,
                });
            }
        }
    }
    rows
}

fn server(check: &Check) -> String {
    label(check.server.as_ref())
}

fn label(server: Option<&Server>) -> String {
    server.map_or_else(|| SYSTEM.to_owned(), ToString::to_string)
}

fn painted(paint: Paint, standing: (State, Standing)) -> String {
    match standing {
        (State::Stale, _) => paint.doubtful("stale    "),
        (_, Standing::InSync) => paint.good("in sync  "),
        (_, Standing::Missing) => paint.bad("missing  "),
        (_, Standing::Extra) => paint.bad("extra    "),
        (_, Standing::Different) => paint.bad("different"),
        (_, Standing::Unknown) => paint.doubtful("unknown  "),
    }
}

fn show_difference(paint: Paint, check: &Check) {
    let more = match check.names.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" and {more} more names"),
    };
    output::line(format_args!("\n{}{more} {} via {}:", check.name, check.record_type, server(check)));
    let differences = [
        ("missing", &check.comparison.missing),
        ("extra", &check.comparison.extra),
        ("different", &check.comparison.different),
    ];
    for (what, rdatas) in differences {
        for rdata in rdatas {
            output::line(paint.bad(format_args!("  {what}: {rdata}")));
        }
    }
    let why = check.explanation.as_ref().filter(|_| check.state == State::Stale);
    for line in check.error.iter().chain(why) {
        output::line(paint.doubtful(format_args!("  {line}")));
    }
}
