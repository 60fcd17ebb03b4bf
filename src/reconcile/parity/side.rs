//! The jobs that take targets from DNS: those that Prometheus has, and those that a service would be rendered to.

use crate::model::prometheus::Job;
use crate::model::{Instance, Name, RecordType, Service, ServiceKey, shard_of};

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

    /// What a service would be rendered to; or why that is not known.
    pub fn of_service(service: &Service, rendered: Result<Job, String>) -> Self {
        let (job, error) = match rendered {
            Ok(job) => (job, None),
            Err(error) => (Job::new(job_name(service).to_owned(), service.place.clone()), Some(error)),
        };
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

/// `host:port`, as it is discovered.
pub(super) fn address(instance: &Instance) -> String {
    format!("{}:{}", instance.host.without_final_dot(), instance.port)
}
