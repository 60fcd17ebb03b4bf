//! `srvctl verify`.

use std::path::PathBuf;

use serde::Serialize;

use super::args::VerifyArgs;
use super::exit::Exit;
use super::output::Paint;
use super::{load, output};
use crate::daemon::verification;
use crate::model::{Catalogue, Service};
use crate::reconcile::{Check, Standing};

#[derive(Serialize)]
struct Report<'a> {
    in_sync: bool,
    checks: &'a [Check],
}

pub(super) async fn run(flag: Option<PathBuf>, args: &VerifyArgs) -> Exit {
    let load::Loaded { config, catalogue, .. } = match load::all_or_show(flag) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let services = match chosen(&catalogue, &args.services) {
        Ok(services) => services,
        Err(unknown) => {
            let known: Vec<_> = catalogue.keys().map(|key| key.name.as_str()).collect();
            output::error(format_args!("there is no service `{unknown}`; there are: {}", known.join(", ")));
            return Exit::Usage;
        }
    };
    let checks = verification::verify(&config, &catalogue, &services).await;
    let in_sync = checks.iter().all(|check| check.verdict == Standing::InSync);
    if args.format.json {
        output::json(&Report { in_sync, checks: &checks });
    } else {
        show(&checks);
    }
    if in_sync { Exit::Done } else { Exit::Differences }
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
    Ok(catalogue.values().filter(named).collect())
}

fn show(checks: &[Check]) {
    let paint = Paint::for_stdout();
    for of_service in checks.chunk_by(|one, other| one.service == other.service) {
        output::line(paint.strong(&of_service[0].service));
        for check in of_service {
            show_check(paint, check);
        }
    }
}

fn show_check(paint: Paint, check: &Check) {
    let server = check.server.as_ref().map_or_else(|| "resolv.conf".to_owned(), ToString::to_string);
    let verdict = match check.verdict {
        Standing::InSync => paint.good("in sync"),
        Standing::Missing => paint.bad("missing"),
        Standing::Extra => paint.bad("extra"),
        Standing::Different => paint.bad("different"),
        Standing::Unknown => paint.doubtful("unknown"),
    };
    output::line(format_args!("  {} {} via {server}: {verdict}", check.name, check.record_type));
    for target in &check.targets {
        output::line(format_args!("      {target}"));
    }
    let differences = [
        ("missing", &check.comparison.missing),
        ("extra", &check.comparison.extra),
        ("different", &check.comparison.different),
    ];
    for (what, rdatas) in differences {
        for rdata in rdatas {
            output::line(paint.bad(format_args!("    {what}: {rdata}")));
        }
    }
    if let Some(error) = &check.error {
        output::line(paint.doubtful(format_args!("    {error}")));
    }
}
