//! `srvctl verify`.

use std::path::PathBuf;

use serde::Serialize;

use super::args::VerifyArgs;
use super::exit::Exit;
use super::output::Paint;
use super::plan::{self, NameReport};
use super::{load, output};
use crate::daemon::verification;
use crate::model::{Catalogue, Service};
use crate::reconcile::{Check, Standing};

#[derive(Serialize)]
struct Report<'a> {
    in_sync: bool,
    checks: &'a [Check],
    /// Why records are not as they should be, as far as the zone itself tells.
    reasons: &'a [NameReport],
}

pub(super) async fn run(flag: Option<PathBuf>, args: &VerifyArgs) -> Exit {
    let loaded = match load::all_or_show(flag) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let (config, catalogue) = (&loaded.config, loaded.catalogue());
    let services = match chosen_or_show(catalogue, &args.services) {
        Ok(services) => services,
        Err(exit) => return exit,
    };
    let verification = verification::verify(config, catalogue, &services, &args.servers).await;
    let checks = verification.checks;
    let in_sync = checks.iter().all(|check| check.verdict == Standing::InSync);
    let reasons = if in_sync {
        Vec::new()
    } else {
        reasons(&plan::survey_zones(config, loaded.registered.desired(), None).await)
    };
    if args.format.json {
        output::json(&Report { in_sync, checks: &checks, reasons: &reasons });
    } else {
        show(&checks);
        show_reasons(&reasons);
    }
    if in_sync { Exit::Done } else { Exit::Differences }
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
    /// The worst of its records' standings.
    standing: Standing,
    targets: &'a [String],
}

fn rows(checks: &[Check]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for check in checks {
        let server = server(check);
        match rows.iter_mut().find(|row| row.service == check.service && row.server == server) {
            Some(row) => {
                row.standing = row.standing.max(check.verdict);
                if row.targets.is_empty() {
                    row.targets = &check.targets;
                }
            }
            None => {
                rows.push(Row { service: &check.service, server, standing: check.verdict, targets: &check.targets });
            }
        }
    }
    rows
}

fn server(check: &Check) -> String {
    check.server.as_ref().map_or_else(|| "resolv.conf".to_owned(), ToString::to_string)
}

fn painted(paint: Paint, standing: Standing) -> String {
    match standing {
        Standing::InSync => paint.good("in sync  "),
        Standing::Missing => paint.bad("missing  "),
        Standing::Extra => paint.bad("extra    "),
        Standing::Different => paint.bad("different"),
        Standing::Unknown => paint.doubtful("unknown  "),
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
    if let Some(error) = &check.error {
        output::line(paint.doubtful(format_args!("  {error}")));
    }
}
