//! What a Prometheus says of itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ComparisonError;
use crate::api::{LiveTarget, Prometheus};
use crate::model::prometheus::{Configuration, DnsSd, Job, parse_duration};
use crate::model::{Diagnostic, Place, RecordType};
use crate::protocol::lookup::{ADDRESS_LABEL, NAME_LABEL, SRV_TARGET_LABEL};
use crate::reconcile::parity::{Asked, Defaults, Scraped, Today, told};
use crate::sources;

/// Where it says what it was told to.
const CONFIGURATION: &str = "/api/v1/status/config";

/// Where it says what it scrapes.
const TARGETS: &str = "/api/v1/targets";

/// What it scrapes, and what it was told to.
pub(super) struct Live {
    targets: Vec<LiveTarget>,
    configuration: Configuration,
}

impl Live {
    /// What it was told is settings, and jobs that have no target yet. vmagent does not say it, and has targets all the
    /// same; of who does not say it for another reason nobody knows.
    pub(super) async fn ask(prometheus: &mut Prometheus, wants_configuration: bool) -> Result<Self, ComparisonError> {
        let targets = prometheus.targets().await.map_err(ComparisonError::Prometheus)?;
        let mut live = Self { targets, configuration: Configuration::default() };
        if !wants_configuration {
            return Ok(live);
        }
        match prometheus.configuration().await {
            Ok(None) => {}
            Ok(Some(text)) => {
                let parsed = sources::prometheus::parse(CONFIGURATION, &text);
                live.configuration = parsed.map_err(|problem| ComparisonError::Prometheus(told(&problem)))?;
            }
            Err(why) => live.configuration.problems.push(Diagnostic::about_file(Arc::from(CONFIGURATION), why)),
        }
        Ok(live)
    }

    pub(super) fn configuration(&self) -> Configuration {
        self.configuration.clone()
    }

    /// Jobs that it has and its configuration has not: `scrape_config_files` are not in what it tells.
    pub(super) fn add_jobs(&self, configuration: &mut Configuration) {
        let mut more: BTreeMap<&str, Job> = BTreeMap::new();
        let place = Place { file: Arc::from(TARGETS), line: 1, column: 1 };
        for target in &self.targets {
            let name = pool(target);
            if configuration.jobs.iter().any(|job| job.name == name) {
                continue;
            }
            let job = more.entry(name).or_insert_with(|| job_of(target, name, place.clone()));
            let is_srv = meta(target, SRV_TARGET_LABEL).is_some();
            if let Some(dns_name) = meta(target, NAME_LABEL).filter(|_| is_srv)
                && !job.dns_sd.iter().any(|dns_sd| dns_sd.names.iter().any(|known| known == dns_name))
            {
                let names = vec![dns_name.to_owned()];
                job.dns_sd.push(DnsSd { names, record_type: RecordType::SRV, port: None });
            }
        }
        configuration.jobs.extend(more.into_values());
    }

    /// What a job scrapes; when that is nothing, it is perhaps not in force yet, and what it says itself counts.
    pub(super) fn today<'j>(&self, job: &'j Job, defaults: Defaults) -> Today<'j> {
        let (from_dns, targets): (Vec<_>, Vec<_>) = self
            .targets
            .iter()
            .filter(|target| pool(target) == job.name)
            .partition(|target| meta(target, NAME_LABEL).is_some());
        let asked = Asked::of_job(job, defaults);
        let scraped = |target: &LiveTarget| scraped(target, asked.clone());
        let all = |targets: Vec<&LiveTarget>| targets.into_iter().map(&scraped).collect::<Vec<_>>();
        let mut known = Today::of_job(job, defaults);
        // Of a configuration that is shown, it is the files of `scrape_config_files` that are not.
        if &*job.place.file == TARGETS && !self.configuration.jobs.is_empty() {
            known.notes.push(format!("the configuration of job `{}` is not shown: {UNKNOWN}", job.name));
        }
        if !targets.is_empty() {
            // These have been relabelled: whether the rules are understood is no question.
            known.problems = job.problems.iter().map(told).collect();
        }
        let from_dns = (!job.dns_sd.is_empty()).then(|| all(from_dns));
        if targets.is_empty() {
            return Today { from_dns, ..known };
        }
        Today { targets: all(targets), unasked: Vec::new(), from_dns, ..known }
    }
}

const UNKNOWN: &str = "its `honor_labels` and `relabel_configs` are not compared; --prometheus-config has them";

/// A job that shows only in how its targets are scraped.
fn job_of(target: &LiveTarget, name: &str, place: Place) -> Job {
    let mut job = Job::new(name.to_owned(), place);
    let asked = Asked::of_job(&job, (None, None));
    let asked = asked.told(&target.scrape_url, &target.scrape_interval, &target.scrape_timeout);
    job.scrape.scheme = asked.scheme.parse().ok();
    job.scrape.metrics_path = Some(asked.path);
    job.scrape.params = asked.params;
    job.scrape.interval = parse_duration(&asked.interval);
    job.scrape.timeout = parse_duration(&asked.timeout);
    job
}

fn pool(target: &LiveTarget) -> &str {
    let label = || target.labels.get("job").map_or("", String::as_str);
    if target.scrape_pool.is_empty() { label() } else { &target.scrape_pool }
}

fn meta<'t>(target: &'t LiveTarget, label: &str) -> Option<&'t str> {
    target.discovered_labels.get(label).map(String::as_str).filter(|value| !value.is_empty())
}

/// What is scraped is in the URL: rules may have changed the address.
fn scraped(target: &LiveTarget, job: Asked) -> Scraped {
    let (_, rest) = target.scrape_url.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
    let discovered = meta(target, ADDRESS_LABEL).unwrap_or_default();
    // The port that goes without saying is filled in there. What series are told by is what counts.
    let is_same = authority.strip_prefix(discovered).is_some_and(|rest| matches!(rest, "" | ":80" | ":443"))
        && target.labels.get("instance").is_none_or(|instance| instance != authority);
    let address = if authority.is_empty() || is_same { discovered } else { authority };
    let asked = job.told(&target.scrape_url, &target.scrape_interval, &target.scrape_timeout);
    Scraped { address: address.to_owned(), labels: target.labels.clone(), asked }
}
