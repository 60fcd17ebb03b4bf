//! `srvctl compare`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::args::Format;
use super::exit::Exit;
use super::load::Loaded;
use super::output::Paint;
use super::{load, output, verify};
use crate::api::{Prometheus, Secret};
use crate::config;
use crate::daemon::comparison::{self, ComparisonError, Ours, Report, Request};
use crate::daemon::through::Through;
use crate::model::{Catalogue, ServiceKey};
use crate::reconcile::parity::{
    Counterpart, Form, JobParity, LabelDifference, Map, Outcome, SettingDifference, Spelling, View,
};

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_help = "A job is compared with
  1. the services that --map names;
  2. its own dns_sd_configs;
  3. the service that has the job's name as `job_name` in [service.scrape], or is
     called like the job: with the job of the same Prometheus that looks it up,
     or else with the one that `srvctl render prometheus` would write;
  4. the job of the same Prometheus that finds the most of its targets in DNS;
  5. the service that offers the most of its targets.

Exit codes:
  0  every job matches; those that have their targets from DNS already, or from
     discoveries that are not compared, count as well unless --job names them
  1  failed, or something could not be read or looked up
  2  usage error
  3  differences, or a job with nothing to compare it with")]
#[command(group = clap::ArgGroup::new("prometheus").required(true).multiple(true).args(["prometheus_config", "prometheus_url"]))]
pub struct CompareArgs {
    /// Prometheus' configuration; files that it names are read too
    #[arg(long, value_name = "FILE")]
    pub prometheus_config: Option<PathBuf>,
    /// Prometheus itself, http://HOST:PORT: what it scrapes, from whatever discovery, and what it finds in DNS
    ///
    /// With --prometheus-config the jobs are those of the file.
    #[arg(long, value_name = "URL")]
    pub prometheus_url: Option<String>,
    /// Compare this job, or these when given several times [default: all]
    #[arg(long = "job", value_name = "JOB")]
    pub jobs: Vec<String>,
    /// Say which service a job corresponds to; may be given several times, also for one job
    #[arg(long = "map", value_name = "JOB=SERVICE", value_parser = pair)]
    pub map: Vec<(String, String)>,
    /// Look through this server, HOST or HOST:PORT, `system` for those of resolv.conf; may be given several times
    /// [default: the zone's `verify`, or `system`]
    #[arg(long = "server", value_name = "SERVER")]
    pub servers: Vec<Through>,
    /// The CA that has signed Prometheus' certificate [default: the system's]
    #[arg(long, value_name = "FILE", requires = "prometheus_url")]
    pub ca_file: Option<PathBuf>,
    /// A token to show Prometheus, over https only
    #[arg(long, value_name = "FILE", requires = "prometheus_url")]
    pub token_file: Option<PathBuf>,
    /// `user:password` to show Prometheus, over https only
    #[arg(long, value_name = "FILE", requires = "prometheus_url", conflicts_with = "token_file")]
    pub password_file: Option<PathBuf>,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
}

/// As many targets are shown of a list.
const MANY: usize = 20;

/// Names of jobs may have anything in them, those of services no `=`.
fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.rsplit_once('=').filter(|(job, service)| !job.is_empty() && !service.is_empty());
    let (job, service) = pair.ok_or("write it as JOB=SERVICE")?;
    Ok((job.to_owned(), service.to_owned()))
}

pub(super) async fn run(flag: Option<PathBuf>, args: &CompareArgs) -> Exit {
    let loaded = match ours(flag) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let prometheus = match prometheus(args) {
        Ok(prometheus) => prometheus,
        Err(why) => {
            output::error(why);
            return Exit::Usage;
        }
    };
    let nothing = Catalogue::new();
    let map = match map(&args.map, loaded.as_ref().map_or(&nothing, Loaded::catalogue)) {
        Ok(map) => map,
        Err(exit) => return exit,
    };
    let ours = loaded.as_ref().map(|loaded| Ours {
        config: &loaded.config,
        desired: &loaded.desired,
        catalogue: loaded.catalogue(),
    });
    let file = args.prometheus_config.as_deref();
    let request = Request { file, prometheus, jobs: &args.jobs, map: &map, servers: &args.servers };
    match comparison::compare(ours, request).await {
        Err(error @ ComparisonError::NoJob { .. }) => {
            output::error(error);
            Exit::Usage
        }
        Err(ComparisonError::File(problem)) => {
            output::diagnostics(&[*problem]);
            Exit::Failed
        }
        Err(error) => {
            output::error(error);
            Exit::Failed
        }
        Ok(report) => {
            if args.format.json {
                output::json(&report);
            } else {
                show(&report);
            }
            match () {
                () if report.is_unknown() => Exit::Failed,
                () if report.is_match => Exit::Done,
                () => Exit::Differences,
            }
        }
    }
}

/// What is ours. Without a configuration jobs can be compared all the same that Prometheus has side by side.
fn ours(flag: Option<PathBuf>) -> Result<Option<Loaded>, Exit> {
    let usual_place = flag.is_none() && std::env::var_os("SRVCTL_CONFIG").is_none();
    if usual_place && !config::locate(None).exists() {
        return Ok(None);
    }
    load::all_or_show(flag).map(Some)
}

fn prometheus(args: &CompareArgs) -> Result<Option<Prometheus>, String> {
    let Some(url) = &args.prometheus_url else { return Ok(None) };
    let token = args.token_file.as_deref().map(Secret::Token);
    let secret = token.or(args.password_file.as_deref().map(Secret::Password));
    Prometheus::new(url, args.ca_file.as_deref().map(Path::new), secret).map(Some)
}

fn map(said: &[(String, String)], catalogue: &Catalogue) -> Result<Map, Exit> {
    let mut map = Map::new();
    for (job, service) in said {
        let services = verify::chosen_or_show(catalogue, std::slice::from_ref(service))?;
        let keys = services.into_iter().map(|service| service.key.clone());
        map.entry(job.clone()).or_default().extend(keys.collect::<Vec<ServiceKey>>());
    }
    Ok(map)
}

fn show(report: &Report) {
    let paint = Paint::for_stdout();
    for job in &report.jobs {
        show_job(paint, job);
    }
    for problem in &report.problems {
        output::line(paint.doubtful(format_args!("! {problem}")));
    }
    if report.jobs.is_empty() {
        output::line("there is no job");
    }
}

fn show_job(paint: Paint, job: &JobParity) {
    let outcome = match job.outcome {
        Outcome::Match => paint.good("match"),
        Outcome::FromDns => paint.good("from DNS already"),
        Outcome::NotCompared => paint.dim("not compared"),
        Outcome::Different => paint.bad("different"),
        Outcome::Unpaired => paint.bad("nothing to compare it with"),
        Outcome::Unknown => paint.doubtful("unknown"),
    };
    output::line(format_args!("{}: {outcome}", paint.strong(&job.job)));
    if let Some(counterpart) = &job.counterpart {
        output::line(format_args!("  with {}", described(counterpart)));
    }
    job.views.iter().for_each(|view| show_view(paint, job, view));
    for LabelDifference { label, today, dns, targets } in &job.labels {
        let there = dns.as_ref().map_or_else(|| "missing".to_owned(), |dns| format!("\"{dns}\""));
        let whose = if targets.len() == job.targets { "all targets".to_owned() } else { some(targets) };
        output::line(paint.bad(format_args!("  label {label}: \"{today}\" today, {there} with DNS: {whose}")));
    }
    for SettingDifference { setting, today, dns, targets } in &job.settings {
        let whose = if targets.len() < job.targets { format!(": {}", some(targets)) } else { String::new() };
        let shown = |value: &str| if value.is_empty() { "none".to_owned() } else { value.to_owned() };
        output::line(paint.bad(format_args!("  {setting}: {} today, {} with DNS{whose}", shown(today), shown(dns))));
    }
    if job.outcome == Outcome::Unpaired {
        let targets = targets(job.targets);
        output::line(format_args!("  {targets}, and nothing in DNS that is known to correspond to them"));
        output::line(format_args!("  name the service with --map {}=SERVICE, or compare others with --job", job.job));
    }
    job.notes.iter().for_each(|note| output::line(paint.dim(format_args!("  note: {note}"))));
    job.problems.iter().for_each(|problem| output::line(paint.doubtful(format_args!("  ! {problem}"))));
}

fn described(Counterpart { services, jobs, names, reason }: &Counterpart) -> String {
    let quoted = |jobs: &[String]| jobs.iter().map(|job| format!("`{job}`")).collect::<Vec<_>>().join(", ");
    let what = match (&jobs[..], &services[..]) {
        ([], services) => services.join(", "),
        (jobs, []) => format!("job {} ({})", quoted(jobs), some(names)),
        (jobs, services) => format!("job {} ({})", quoted(jobs), services.join(", ")),
    };
    format!("{what}: {reason}")
}

fn targets(count: usize) -> String {
    if count == 1 { "1 target".to_owned() } else { format!("{count} targets") }
}

/// The first few of many.
fn some(all: &[String]) -> String {
    const FEW: usize = 3;
    match all.len().saturating_sub(FEW) {
        0 => all.join(", "),
        more => format!("{} and {more} more", all[..FEW].join(", ")),
    }
}

fn show_view(paint: Paint, job: &JobParity, view: &View) {
    if let Some(error) = &view.error {
        output::line(paint.doubtful(format_args!("  {}: unknown: {error}", view.server)));
        return;
    }
    if job.counterpart.is_none() {
        let found = format!("  {}: {} found", view.server, targets(view.targets));
        output::line(if view.targets == 0 { paint.doubtful(found) } else { found });
        return;
    }
    let own = job.targets - view.missing.len();
    let counted = format!("  {}: {own} of {} found", view.server, targets(job.targets));
    output::line(if view.outcome == Outcome::Match { counted } else { paint.bad(counted) });
    for (what, targets) in [("missing", &view.missing), ("extra", &view.extra)] {
        targets.iter().take(MANY).for_each(|target| output::line(paint.bad(format_args!("    {what}: {target}"))));
        if let Some(more @ 1..) = targets.len().checked_sub(MANY) {
            output::line(paint.bad(format_args!("    {what}: {more} more, which --json shows")));
        }
    }
    for Spelling { today, dns, in_what } in &view.spelled {
        let how = match in_what {
            Form::Letters => "spelt differently",
            Form::ShortName => "without its domain",
            Form::Address => "by its address",
        };
        output::line(paint.bad(format_args!("    {how}: {today}, in DNS {dns}")));
    }
}
