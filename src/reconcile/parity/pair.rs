//! What a job of today corresponds to: whose targets have to be the same before it can go.

use std::collections::{BTreeMap, BTreeSet};

use super::Today;
use super::endpoint::Endpoint;
use super::side::{Side, address, job_name};
use crate::model::{Catalogue, ServiceKey};

/// What a person said: the services of a job.
pub type Map = BTreeMap<String, Vec<ServiceKey>>;

/// Services that a job corresponds to, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pairing {
    /// The services.
    pub(super) services: Vec<ServiceKey>,
    /// Why.
    pub(super) reason: String,
}

/// What a person said, or what names say.
pub(super) fn by_name(job: &str, catalogue: &Catalogue, map: &Map) -> Option<Pairing> {
    if let Some(services) = map.get(job) {
        return Some(Pairing { services: services.clone(), reason: "so says --map".to_owned() });
    }
    let with = |is: &dyn Fn(&crate::model::Service) -> bool, reason: &str| {
        let services: Vec<_> =
            catalogue.values().filter(|service| is(service)).map(|service| service.key.clone()).collect();
        (!services.is_empty()).then(|| Pairing { services, reason: reason.to_owned() })
    };
    with(&|service| service.scrape.is_some() && job_name(service) == job, "the service's `job_name` is that of the job")
        .or_else(|| with(&|service| job_name(service) == job, "the service is called like the job"))
        .or_else(|| with(&|service| folded(&service.key.name) == folded(job), "the service is called like the job"))
}

/// Names in which `_` and `-`, upper and lower case, are the same.
fn folded(name: &str) -> String {
    name.replace('_', "-").to_ascii_lowercase()
}

/// The one of several that has the most of a job's targets, and how many; none when none has any.
pub(super) fn most_in_common<'s>(
    today: &Today<'_>,
    several: impl Iterator<Item = (usize, &'s BTreeSet<Endpoint>)>,
) -> Option<(usize, usize)> {
    let own: BTreeSet<Endpoint> = today.targets.iter().map(super::Scraped::endpoint).collect();
    let counted = several.map(|(index, endpoints)| (own.intersection(endpoints).count(), index));
    let (count, index) =
        counted.filter(|(count, _)| *count > 0).max_by_key(|(count, index)| (*count, usize::MAX - index))?;
    Some((index, count))
}

/// By what it offers: the service that has the most of the job's targets.
pub(super) fn by_instances(today: &Today<'_>, catalogue: &Catalogue) -> Option<Pairing> {
    let offered: Vec<BTreeSet<Endpoint>> = catalogue
        .values()
        .map(|service| service.instances.iter().map(|instance| Endpoint::of(&address(instance), None)).collect())
        .collect();
    let (index, count) = most_in_common(today, offered.iter().enumerate())?;
    let key = catalogue.keys().nth(index)?.clone();
    Some(Pairing { services: vec![key], reason: format!("the service offers {}", share(count, today)) })
}

/// "2 of its 3 targets".
pub(super) fn share(count: usize, today: &Today<'_>) -> String {
    match (count, today.targets.len()) {
        (1, 1) => "its only target".to_owned(),
        (count, all) if count == all => format!("all its {all} targets"),
        (count, all) => format!("{count} of its {all} targets"),
    }
}

/// The jobs that look a service's names up.
pub(super) fn looking_up<'s>(sides: &'s [Side], key: &'s ServiceKey) -> impl Iterator<Item = usize> + 's {
    let is = |(_, side): &(usize, &Side)| side.service.is_none() && side.looks_up(key);
    sides.iter().enumerate().filter(is).map(|(index, _)| index)
}
