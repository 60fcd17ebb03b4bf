//! `srvctl doctor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::args::Format;
use super::exit::Exit;
use super::output::Paint;
use super::{load, output};
use crate::daemon::doctor::{self, Options};
use crate::model::{Finding, Name, Severity};
use crate::reconcile::doctor::worst;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes:
  0  nothing worse than a note
  1  an error was found, or the examination failed
  2  usage error
  3  the worst is a warning")]
pub struct DoctorArgs {
    /// Examine this zone, or these when given several times [default: all]
    #[arg(long = "zone", value_name = "ZONE")]
    pub zones: Vec<Name>,
    /// How often Prometheus looks up: `refresh_interval` of `dns_sd_configs`
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = crate::sources::parse_duration)]
    pub refresh_interval: Duration,
    /// Publish nothing: leaves out all that only a change shows
    #[arg(long)]
    pub no_update: bool,
    /// Publish as many records in one RRset as `max_records_per_rrset` says, when that is more than 100
    ///
    /// For a few seconds, secondaries and resolvers with BIND's default limit of 100 may then refuse the whole zone. They
    /// take it again afterwards.
    #[arg(long, conflicts_with = "no_update")]
    pub limits: bool,
    /// Examine this file in place of /etc/resolv.conf: that of the host where Prometheus runs
    #[arg(long, value_name = "FILE")]
    pub resolv_conf: Option<PathBuf>,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
}

#[derive(Serialize)]
struct Report<'a> {
    worst: Severity,
    findings: &'a [Finding],
}

pub(super) async fn run(flag: Option<PathBuf>, args: &DoctorArgs) -> Exit {
    let config = match load::config(flag) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    config.warnings.iter().for_each(output::warning);
    let DoctorArgs { zones, refresh_interval, no_update, limits, resolv_conf, format } = args;
    let options = Options {
        zones: zones.clone(),
        refresh: *refresh_interval,
        update: !no_update,
        limits: *limits,
        resolv_conf: resolv_conf.clone(),
    };
    let findings = match doctor::examine(&config, &options, &|what| output::progress(what)).await {
        Ok(findings) => findings,
        Err(error) => {
            output::error(&error);
            return if matches!(error, doctor::DoctorError::UnknownZone(..)) { Exit::Usage } else { Exit::Failed };
        }
    };
    let worst = worst(&findings);
    if format.json {
        output::json(&Report { worst, findings: &findings });
    } else {
        show(&findings);
    }
    match worst {
        Severity::Ok | Severity::Note => Exit::Done,
        Severity::Warning => Exit::Differences,
        Severity::Error => Exit::Failed,
    }
}

/// The worst first, each with what shows it and what to do; what is well in one list at the end.
fn show(findings: &[Finding]) {
    let paint = Paint::for_stdout();
    let (well, told): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.severity == Severity::Ok);
    for Finding { code, severity, subject, problem, evidence, remedy } in told {
        let head = format!("{severity} [{code}] {subject}: {problem}");
        output::line(match severity {
            Severity::Error => paint.bad(head),
            Severity::Warning => paint.doubtful(head),
            _ => paint.strong(head),
        });
        evidence.iter().for_each(|line| output::line(format_args!("    seen: {line}")));
        remedy.iter().for_each(|line| output::line(format_args!("    remedy: {line}")));
        output::line("");
    }
    output::line(paint.good(format_args!("ok: {} examined and well", well.len())));
    for Finding { code, subject, problem, evidence, .. } in well {
        let seen = if let [one] = &evidence[..] { format!(" ({one})") } else { String::new() };
        output::line(format_args!("    [{code}] {subject}: {problem}{seen}"));
    }
}
