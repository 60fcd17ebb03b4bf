//! What Prometheus scrapes of what it discovers (prometheus `scrape/target.go`, `PopulateLabels`).

use super::endpoint::Endpoint;
use super::relabel::{Labels, Rules};
use crate::model::Scheme;
use crate::model::prometheus::Job;
use crate::protocol::lookup::ADDRESS_LABEL;

/// Labels that Prometheus gives every target before it relabels, from what the job says.
const SCHEME: &str = "__scheme__";
const METRICS_PATH: &str = "__metrics_path__";
const PARAMETER: &str = "__param_";
pub(super) const JOB: &str = "job";
pub(super) const INSTANCE: &str = "instance";

/// One target, as it is scraped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scraped {
    /// `__address__` at the end.
    pub address: String,
    /// The labels that its series get.
    pub labels: Labels,
    /// By which it is asked.
    pub scheme: Option<Scheme>,
}

impl Scraped {
    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::of(&self.address, self.scheme)
    }
}

/// A job with its rules.
pub(super) struct Scraper<'j> {
    job: &'j Job,
    pub(super) rules: Rules<'j>,
}

impl<'j> Scraper<'j> {
    pub(super) fn of(job: &'j Job) -> Self {
        Self { job, rules: Rules::of(job) }
    }

    /// What becomes of a discovered target; nothing of one that is dropped.
    pub(super) fn scrape(&self, address: &str, discovered: Labels) -> Option<Scraped> {
        let scrape = &self.job.scrape;
        let mut labels = discovered;
        labels.retain(|_, value| !value.is_empty());
        labels.insert(ADDRESS_LABEL.to_owned(), address.to_owned());
        let mut default = |name: String, value: &str| {
            labels.entry(name).or_insert_with(|| value.to_owned());
        };
        default(JOB.to_owned(), &self.job.name);
        default(SCHEME.to_owned(), scrape.scheme.unwrap_or(Scheme::Http).as_str());
        default(METRICS_PATH.to_owned(), scrape.metrics_path.as_deref().unwrap_or("/metrics"));
        // Unlike the others, parameters do not give way to what discovery says.
        for (name, values) in &scrape.params {
            labels.extend(values.first().map(|first| (format!("{PARAMETER}{name}"), first.clone())));
        }
        let mut labels = self.rules.apply(labels)?;
        let address = labels.get(ADDRESS_LABEL)?.clone();
        let scheme = labels.get(SCHEME).and_then(|scheme| scheme.parse().ok());
        labels.entry(INSTANCE.to_owned()).or_insert_with(|| address.clone());
        labels.retain(|name, _| !name.starts_with("__"));
        Some(Scraped { address, labels, scheme })
    }
}
