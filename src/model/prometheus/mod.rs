//! What a Prometheus configuration says about its targets: scrape jobs, and where each takes them from.

mod duration;
mod relabel;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::diagnostic::{Diagnostic, Place};
use super::rdata::RecordType;
use super::scrape::Scrape;

pub use duration::{format_duration, parse_duration};
pub use relabel::{Relabel, RelabelAction};

/// `prometheus.yml` as far as it is about targets. What is wrong inside of it stops nothing else, and is told beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    /// `scrape_interval` of `global`, for jobs without their own.
    pub interval: Option<Duration>,
    /// `scrape_timeout` of `global`.
    pub timeout: Option<Duration>,
    /// The jobs of the file, then those of its `scrape_config_files`.
    pub jobs: Vec<Job>,
    /// What is wrong with it beyond its jobs: entries that are no jobs, files of `scrape_config_files` that cannot be read.
    pub problems: Vec<Diagnostic>,
}

/// One entry of `scrape_configs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its `job_name`, which is in [`scrape`](Self::scrape) too.
    pub name: String,
    /// How its targets are scraped, as it says itself: what it leaves to `global` or to Prometheus' default is absent.
    pub scrape: Scrape,
    /// The targets of `static_configs` and of the files of `file_sd_configs`.
    pub groups: Vec<TargetGroup>,
    /// The patterns of `file_sd_configs`, with the files that were read.
    pub file_sd: Vec<FileSd>,
    /// `dns_sd_configs`.
    pub dns_sd: Vec<DnsSd>,
    /// The URLs of `http_sd_configs`, which nobody has asked.
    pub http_sd: Vec<String>,
    /// Keys of other discoveries that nobody has asked: `consul_sd_configs`.
    pub other_sd: Vec<String>,
    /// `relabel_configs`, in order.
    pub relabel: Vec<Relabel>,
    /// All other keys that it has, in alphabetical order, which were not read: `basic_auth`, `metric_relabel_configs`.
    pub unread: Vec<String>,
    /// What is wrong with it: Prometheus would refuse it, or a file of targets could not be read.
    pub problems: Vec<Diagnostic>,
    /// Where it was written.
    pub place: Place,
}

/// Some targets with the labels that all of them have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetGroup {
    /// Which kind of entry it was.
    pub origin: Origin,
    /// The targets, in order, as they were written.
    pub targets: Vec<Target>,
    /// Their labels.
    pub labels: BTreeMap<String, String>,
    /// Where it was written.
    pub place: Place,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `host:port`, as it was written: Prometheus takes other things too.
    pub address: String,
    /// Where it was written.
    pub place: Place,
}

/// Where a group of targets was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// `static_configs`.
    Static,
    /// A file of `file_sd_configs`; the group's place names it.
    File,
}

/// One pattern of `file_sd_configs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSd {
    /// As it was written.
    pub pattern: String,
    /// The files that matched, in order, those with problems among them.
    pub files: Vec<Arc<str>>,
}

/// One entry of `dns_sd_configs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsSd {
    /// The names, as they were written: a final dot makes a difference.
    pub names: Vec<String>,
    /// SRV unless written otherwise.
    pub record_type: RecordType,
    /// The port of targets from A, AAAA, MX and NS records.
    pub port: Option<u16>,
}

impl Job {
    /// One of which nothing is known yet but its name and where that was said.
    pub fn new(name: String, place: Place) -> Self {
        Self {
            scrape: Scrape { job_name: Some(name.clone()), ..Scrape::default() },
            name,
            groups: Vec::new(),
            file_sd: Vec::new(),
            dns_sd: Vec::new(),
            http_sd: Vec::new(),
            other_sd: Vec::new(),
            relabel: Vec::new(),
            unread: Vec::new(),
            problems: Vec::new(),
            place,
        }
    }

    /// Everything that it takes targets from: `static_configs`, `dns_sd_configs`, …
    pub fn discoveries(&self) -> impl Iterator<Item = &str> {
        let is_static = self.groups.iter().any(|group| group.origin == Origin::Static);
        let known = [
            (is_static, "static_configs"),
            (!self.file_sd.is_empty(), "file_sd_configs"),
            (!self.dns_sd.is_empty(), "dns_sd_configs"),
            (!self.http_sd.is_empty(), "http_sd_configs"),
        ];
        let known = known.into_iter().filter_map(|(has, key)| has.then_some(key));
        known.chain(self.other_sd.iter().map(String::as_str))
    }
}
