//! One instance as Prometheus is told of it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::label::{self, Labels};
use crate::model::health::{HealthStatus, InstanceHealth, Maintained, Maintenance};
use crate::model::{Instance, InstanceId, Publication, Scrape, Service, ServiceKey};
use crate::reconcile::registry::Registered;

/// What Prometheus takes for `scrape_timeout` where nothing says another (its default).
const USUAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A target group of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What is scraped, `host:port`, without the host's final dot.
    pub address: String,
    /// What is said of it.
    pub labels: Labels,
}

impl Target {
    /// The service that it belongs to; none when its labels name none.
    pub fn service(&self) -> Option<ServiceKey> {
        ServiceKey::of_owner_name(&self.label(label::NAME)?.parse().ok()?)
    }

    /// The value of a label; none when it has no such label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(|value| &**value)
    }

    /// Host and port, however they are spelt.
    pub(super) fn endpoint(&self) -> String {
        self.address.to_ascii_lowercase()
    }
}

/// What is known of a service besides what it is.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// What is registered of it.
    pub registered: Option<&'a Registered>,
    /// How it is; none when nothing of it is checked.
    pub health: Option<&'a HealthStatus>,
    /// Everything that somebody works on.
    pub maintenance: &'a BTreeMap<Maintained, Maintenance>,
}

/// The targets of a service, sorted by host and port whatever order its instances are in, so that the same list is
/// always the same text.
pub fn described(service: &Service, circumstances: Circumstances<'_>) -> Vec<Target> {
    let Ok(own_name) = service.key.owner_name() else { return Vec::new() };
    let common = common_labels(service, &own_name.to_string());
    let health = circumstances.health.into_iter().flat_map(|health| &health.instances);
    let health: BTreeMap<_, _> = health.map(|instance| (instance.instance.as_str(), instance)).collect();
    let is_maintained = circumstances.maintenance.contains_key(&Maintained::Service(own_name));
    let mut instances: Vec<_> = service.instances.iter().collect();
    instances.sort_by(|one, other| (&one.host, one.port).cmp(&(&other.host, other.port)));
    let target = |instance: &Instance| {
        let endpoint = InstanceId::of(&instance.host, instance.port);
        let mut labels = common.clone();
        own_labels(&mut labels, instance, circumstances.registered, &endpoint);
        health_labels(&mut labels, health.get(endpoint.as_str()).copied(), is_checked(service, instance));
        let host = Maintained::Host(instance.host.clone());
        if is_maintained || circumstances.maintenance.contains_key(&host) {
            put(&mut labels, label::MAINTENANCE, "true");
        }
        // Over what is said of the service.
        labels.extend(metadata(instance.metadata.iter()));
        Target { address: format!("{}:{}", instance.host.without_final_dot(), instance.port), labels }
    };
    instances.into_iter().map(target).collect()
}

fn put(labels: &mut Labels, name: &'static str, value: impl Into<Box<str>>) {
    labels.insert(Cow::Borrowed(name), value.into());
}

fn common_labels(service: &Service, own_name: &str) -> Labels {
    let ServiceKey { name, proto, zone } = &service.key;
    let mut labels = Labels::new();
    let scrape = service.scrape.as_deref();
    put(&mut labels, label::SERVICE, name.as_str());
    put(&mut labels, label::PROTO, proto.as_str());
    put(&mut labels, label::ZONE, zone.without_final_dot());
    put(&mut labels, label::NAME, own_name);
    put(&mut labels, label::JOB, scrape.and_then(|scrape| scrape.job_name.as_deref()).unwrap_or(name));
    if let Some(scrape) = scrape {
        scrape_labels(&mut labels, scrape);
    }
    labels.extend(metadata(service.said_metadata()));
    labels
}

/// What labels can say of how it is to be scraped. Prometheus refuses a target whose time-out is longer than its interval,
/// so neither is said without the other: a time-out alone could be longer than the interval of the job.
fn scrape_labels(labels: &mut Labels, scrape: &Scrape) {
    if let Some(scheme) = scrape.scheme {
        put(labels, label::SCHEME, scheme.as_str());
    }
    if let Some(path) = &scrape.metrics_path {
        put(labels, label::METRICS_PATH, path.as_str());
    }
    if let Some(interval) = scrape.interval {
        put(labels, label::INTERVAL, duration(interval));
        put(labels, label::TIMEOUT, duration(scrape.timeout.unwrap_or(USUAL_TIMEOUT).min(interval)));
    }
    for (name, values) in &scrape.params {
        if let (Some(name), Some(first)) = (label::of_parameter(name), values.first()) {
            labels.insert(Cow::Owned(name), first.as_str().into());
        }
    }
}

/// A length of time as Prometheus reads it.
fn duration(length: Duration) -> String {
    match length.subsec_millis() {
        0 => format!("{}s", length.as_secs()),
        _ => format!("{}ms", length.as_millis()),
    }
}

fn own_labels(labels: &mut Labels, instance: &Instance, registered: Option<&Registered>, endpoint: &InstanceId) {
    let id = registered.and_then(|registered| registered.at(&instance.host, instance.port.get()));
    put(labels, label::SOURCE, if id.is_some() { "registered" } else { "file" });
    put(labels, label::ID, id.unwrap_or(endpoint).as_str());
    put(labels, label::HOST, instance.host.without_final_dot());
    put(labels, label::PORT, instance.port.to_string());
    put(labels, label::PRIORITY, instance.priority.to_string());
    put(labels, label::WEIGHT, instance.weight.to_string());
}

fn is_checked(service: &Service, instance: &Instance) -> bool {
    !service.checks_of(instance).is_empty()
}

fn health_labels(labels: &mut Labels, health: Option<&InstanceHealth>, is_checked: bool) {
    let condition = match health {
        _ if !is_checked => "unchecked",
        Some(health) => health.condition.as_str(),
        None => "unknown",
    };
    put(labels, label::HEALTH, condition);
    let publication = health.map_or(Publication::default(), |health| health.publication);
    put(labels, label::PUBLICATION, publication.as_str());
}

/// Where two keys come to the same label, one that is so spelt is meant, else the first in alphabetical order.
fn metadata<'m>(pairs: impl Iterator<Item = (&'m String, &'m String)>) -> Labels {
    let pairs: BTreeMap<_, _> = pairs.collect();
    let mut labels = Labels::new();
    let mut spelt_otherwise = BTreeSet::new();
    for (key, value) in &pairs {
        let name = label::of_metadata(key);
        let is_so_spelt = label::safe_name(key) == **key;
        if is_so_spelt || spelt_otherwise.insert(name.clone()) && !pairs.contains_key(&label::safe_name(key)) {
            labels.insert(Cow::Owned(name), value.as_str().into());
        }
    }
    labels
}
