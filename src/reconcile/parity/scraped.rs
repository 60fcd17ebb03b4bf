//! What Prometheus scrapes of what it discovers (prometheus `scrape/target.go`, `PopulateLabels`).

use super::asked::{Asked, Defaults};
use super::endpoint::Endpoint;
use super::relabel::{Labels, Rules};
use crate::model::prometheus::Job;
use crate::protocol::lookup::ADDRESS_LABEL;

pub(super) const JOB: &str = "job";
pub(super) const INSTANCE: &str = "instance";

/// One target, as it is scraped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scraped {
    /// `__address__` at the end.
    pub address: String,
    /// The labels that its series get.
    pub labels: Labels,
    /// How it is asked.
    pub asked: Asked,
}

impl Scraped {
    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::of(&self.address, self.asked.scheme.parse().ok())
    }
}

/// A job with its rules.
pub(super) struct Scraper<'j> {
    job: &'j Job,
    asked: Asked,
    pub(super) rules: Rules<'j>,
}

impl<'j> Scraper<'j> {
    pub(super) fn of(job: &'j Job, defaults: Defaults) -> Self {
        Self { job, asked: Asked::of_job(job, defaults), rules: Rules::of(job) }
    }

    /// What becomes of a discovered target; nothing of one that is dropped.
    pub(super) fn scrape(&self, address: &str, discovered: Labels) -> Option<Scraped> {
        let mut labels = discovered;
        labels.retain(|_, value| !value.is_empty());
        labels.insert(ADDRESS_LABEL.to_owned(), address.to_owned());
        labels.entry(JOB.to_owned()).or_insert_with(|| self.job.name.clone());
        self.asked.label(&mut labels);
        let mut labels = self.rules.apply(labels)?;
        let address = labels.get(ADDRESS_LABEL)?.clone();
        let asked = self.asked.relabelled(&labels);
        labels.entry(INSTANCE.to_owned()).or_insert_with(|| address.clone());
        labels.retain(|name, _| !name.starts_with("__"));
        Some(Scraped { address, labels, asked })
    }
}
