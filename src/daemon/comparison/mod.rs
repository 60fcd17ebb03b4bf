//! What Prometheus scrapes today, compared with what DNS gives: its configuration or its API on the one side, look-ups as
//! it makes them on the other.

mod live;
mod looking;

use std::path::Path;

use crate::api::Prometheus;
use crate::config::Config;
use crate::model::prometheus::{Configuration, Job};
use crate::model::{Catalogue, Diagnostic, Name, Service};
use crate::reconcile::parity::{self, JobParity, Map, Outcome, Side, Today, World, told};
use crate::reconcile::{Desired, render};
use crate::sources;

use super::names;
use super::through::Through;
use live::Live;

/// What is ours, when there is a configuration.
#[derive(Debug, Clone, Copy)]
pub struct Ours<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// What every zone shall hold, in its order.
    pub desired: &'a [Desired],
    /// Every service.
    pub catalogue: &'a Catalogue,
}

/// What is to be compared.
pub struct Request<'a> {
    /// Prometheus' configuration.
    pub file: Option<&'a Path>,
    /// Prometheus itself.
    pub prometheus: Option<Prometheus>,
    /// These jobs only; all when none is named.
    pub jobs: &'a [String],
    /// Which jobs are which services.
    pub map: &'a Map,
    /// Through whom to look up, instead of whom the zones are verified through.
    pub servers: &'a [Through],
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Whether every job that could be compared was, and matches.
    #[serde(rename = "match")]
    pub is_match: bool,
    /// Every job, in the configuration's order.
    pub jobs: Vec<JobParity>,
    /// What could not be read of the configuration, so that jobs may be missing.
    pub problems: Vec<String>,
}

impl Report {
    /// Whether anything is not known: that is never a match.
    pub fn is_unknown(&self) -> bool {
        !self.problems.is_empty() || self.jobs.iter().any(|job| job.outcome == Outcome::Unknown)
    }
}

/// Why nothing can be compared.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    /// The configuration cannot be read.
    #[error("{0}")]
    File(Box<Diagnostic>),
    /// Prometheus does not answer.
    #[error("{0}")]
    Prometheus(String),
    /// There is no such job.
    #[error("there is no job `{job}`; there are: {known}")]
    NoJob {
        /// Which.
        job: String,
        /// Those that there are.
        known: String,
    },
}

/// Compares.
///
/// # Errors
/// When nothing can be compared. What is not known of one job is said there.
pub async fn compare(ours: Option<Ours<'_>>, mut request: Request<'_>) -> Result<Report, ComparisonError> {
    let live = match &mut request.prometheus {
        None => None,
        Some(prometheus) => Some(Live::ask(prometheus, request.file.is_none()).await?),
    };
    let mut configuration = match (request.file, &live) {
        (Some(path), _) => read(path).await?,
        (None, live) => live.as_ref().map(Live::configuration).unwrap_or_default(),
    };
    if let Some(live) = &live {
        live.add_jobs(&mut configuration);
    }
    let known = || configuration.jobs.iter().map(|job| &job.name);
    if let Some(job) = request.jobs.iter().chain(request.map.keys()).find(|wanted| !known().any(|job| job == *wanted)) {
        let known = known().map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(ComparisonError::NoJob { job: job.clone(), known });
    }
    let defaults = (configuration.interval, configuration.timeout);
    let todays = configuration.jobs.iter().map(|job| {
        let today = live.as_ref().map_or_else(|| Today::of_job(job, defaults), |live| live.today(job, defaults));
        Today { wanted: request.jobs.contains(&job.name), ..today }
    });
    let todays: Vec<_> = todays.collect();
    let sides = sides(ours, &configuration, &todays, &request).await;
    let found = looking::look_up(&sides).await;
    let sides: Vec<Side> = sides.into_iter().map(|(side, _)| side).collect();
    let nothing = Catalogue::new();
    let world =
        World { catalogue: ours.map_or(&nothing, |ours| ours.catalogue), map: request.map, found: &found, defaults };
    let mut jobs = parity::compare(&todays, &sides, world);
    jobs.retain(|job| request.jobs.is_empty() || request.jobs.contains(&job.job));
    let problems: Vec<_> = configuration.problems.iter().map(told).collect();
    let is_fine = |job: &JobParity| !matches!(job.outcome, Outcome::Different | Outcome::Unpaired | Outcome::Unknown);
    Ok(Report { is_match: problems.is_empty() && jobs.iter().all(is_fine), jobs, problems })
}

/// On a thread of its own: there can be many files, on a slow disk.
async fn read(path: &Path) -> Result<Configuration, ComparisonError> {
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || sources::prometheus::read(&path));
    let read = reading.await.expect("reading does not panic, and is not cut off");
    read.map_err(|problem| ComparisonError::File(Box::new(problem)))
}

/// The jobs that take targets from DNS, and what services would be rendered to, each with whom it is looked up through.
async fn sides(
    ours: Option<Ours<'_>>,
    configuration: &Configuration,
    todays: &[Today<'_>],
    request: &Request<'_>,
) -> Vec<(Side, Vec<Through>)> {
    let jobs = configuration.jobs.iter().filter(|job| !job.dns_sd.is_empty());
    let mut sides: Vec<Side> = jobs.cloned().map(Side::of_job).collect();
    if let Some(Ours { config, desired, catalogue }) = ours {
        let keys = parity::services_in_question(todays, &sides, catalogue, request.map);
        let services: Vec<&Service> = keys.iter().filter_map(|key| catalogue.get(key)).map(AsRef::as_ref).collect();
        let lists = names::list(config, desired, &services).await;
        let rendered = services.iter().zip(lists).map(|(service, names)| {
            let names = names.map_err(|error| error.to_string());
            Side::of_service(service, names.and_then(|names| rendered(service, names)))
        });
        sides.extend(rendered);
    }
    looking::through(ours.map(|ours| ours.config), request.servers, sides).await
}

/// The job that `srvctl render prometheus` writes for a service, read back.
fn rendered(service: &Service, names: Vec<Name>) -> Result<Job, String> {
    let request = render::Request::plain(render::Consumer::Prometheus, render::Via::Dns);
    let scraped = render::Scraped { service, names, ttl: 0 };
    let text = render::render(&[scraped], &request).text;
    let mut configuration = sources::prometheus::parse("rendered", &text).map_err(|problem| told(&problem))?;
    configuration.jobs.pop().ok_or_else(|| "it is rendered to no job".to_owned())
}
