//! The jobs that take targets from DNS: those that Prometheus has, and those that a service would be rendered to.

use std::collections::BTreeMap;

use crate::model::prometheus::{DnsSd, Job, Relabel, RelabelAction};
use crate::model::{Instance, Name, RecordType, Service, ServiceKey, shard_of};
use crate::protocol::lookup::ADDRESS_LABEL;

use super::relabel::Labels;
use super::scraped::{INSTANCE, JOB};

/// One job that takes targets from DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The job. Of a service it is the one that `srvctl render prometheus` would write.
    pub job: Job,
    /// The service, when the job is not one that Prometheus has.
    pub service: Option<ServiceKey>,
    /// Why its names are not known.
    pub error: Option<String>,
    /// Through whom they are looked up, in order.
    pub servers: Vec<String>,
    /// Servers that could not be asked, with the reason.
    pub lost: Vec<String>,
}

/// One thing to look up: a name as it is written in the job, and a type.
pub type Question = (String, RecordType);

impl Side {
    /// A job that Prometheus has.
    pub fn of_job(job: Job) -> Self {
        Self { job, service: None, error: None, servers: Vec::new(), lost: Vec::new() }
    }

    /// What a service would be rendered to.
    pub fn of_service(service: &Service, names: Result<Vec<Name>, String>) -> Self {
        let scrape = service.scrape.as_deref();
        let name = job_name(service).to_owned();
        let (names, error) = match names {
            Ok(names) => (names.iter().map(ToString::to_string).collect(), None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut job = Job::new(name.clone(), service.place.clone());
        job.scrape = scrape.cloned().unwrap_or_default();
        job.scrape.job_name = Some(name);
        job.dns_sd = vec![DnsSd { names, record_type: RecordType::SRV, port: None }];
        job.relabel = restoring(service);
        Self { service: Some(service.key.clone()), error, ..Self::of_job(job) }
    }

    /// Everything that it looks up, with the port that is given to what has none.
    pub fn questions(&self) -> impl Iterator<Item = (Question, u16)> {
        self.job.dns_sd.iter().flat_map(|dns_sd| {
            let port = dns_sd.port.unwrap_or(0);
            dns_sd.names.iter().map(move |name| ((name.clone(), dns_sd.record_type), port))
        })
    }

    /// Whether it looks up a name of this service.
    pub fn looks_up(&self, key: &ServiceKey) -> bool {
        let names = self.questions().filter_map(|((name, _), _)| name.parse::<Name>().ok());
        names
            .map(|name| shard_of(&name, &key.zone).map_or(name, |(own, _)| own))
            .any(|name| ServiceKey::of_owner_name(&name).is_some_and(|looked_up| looked_up == *key))
    }
}

/// The label `job` of a service's targets.
pub(super) fn job_name(service: &Service) -> &str {
    let said = service.scrape.as_deref().and_then(|scrape| scrape.job_name.as_deref());
    said.unwrap_or(&service.key.name)
}

/// Metadata as labels again, first of the service, and then of its instances.
fn restoring(service: &Service) -> Vec<Relabel> {
    let set = |label: String, value: &str| Relabel {
        target_label: label,
        replacement: value.replace('$', "$$"),
        action: RelabelAction::Replace,
        ..Relabel::default()
    };
    let mut rules: Vec<_> = labels(&service.metadata).into_iter().map(|(label, value)| set(label, &value)).collect();
    for instance in &service.instances {
        rules.extend(labels(&instance.metadata).into_iter().map(|(label, value)| Relabel {
            source_labels: vec![ADDRESS_LABEL.to_owned()],
            regex: format!("(?i:{})", regex::escape(&address(instance))),
            ..set(label, &value)
        }));
    }
    rules
}

/// `host:port`, as it is discovered.
pub(super) fn address(instance: &Instance) -> String {
    format!("{}:{}", instance.host.without_final_dot(), instance.port)
}

/// What metadata is called as labels: a key that is one already comes before one that is made one.
fn labels(metadata: &BTreeMap<String, String>) -> Labels {
    let (fine, other): (Vec<_>, Vec<_>) = metadata.iter().partition(|(key, _)| label(key) == **key);
    let mut labels = Labels::new();
    for (key, value) in fine.into_iter().chain(other) {
        let label = label(key);
        if !label.starts_with("__") && label != JOB && label != INSTANCE {
            labels.entry(label).or_insert_with(|| value.clone());
        }
    }
    labels
}

fn label(key: &str) -> String {
    let label: String = key.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    if label.starts_with(|first: char| first.is_ascii_digit()) { format!("_{label}") } else { label }
}
