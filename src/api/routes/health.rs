//! How services are that are checked, and what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::Path;

use super::{Caller, Failure, Site, listing, may_read, service};
use crate::api::problem::Problem;
use crate::api::query::{Asked, Lines, Part};
use crate::api::types::{HealthOfService, HealthOfServices, NumberedTransition, Transitions};
use crate::model::health::{
    Condition, HealthPolicy, HealthStatus, InstanceHealth, Maintained, Maintenance, Publication,
};
use crate::model::{Access, Instance, InstanceId, Name, ServiceKey};

/// So many instances are shown in a summary.
const PROBLEMS: usize = 20;

/// Every service that is checked or worked on, and that one may see.
#[utoipa::path(
    get,
    path = "/v1/health/services",
    params(Part),
    responses((status = 200, body = HealthOfServices), (status = 422, body = Problem))
)]
pub(super) async fn list(
    Caller { site, who }: Caller,
    Asked(part): Asked<Part>,
) -> Result<Json<HealthOfServices>, Failure> {
    let limit = part.limit.unwrap_or(100).clamp(1, 1_000);
    let after = part.after.as_deref().map(|text| service(&site, text)).transpose()?;
    let works = Works::now(&site);
    let checked = site.backend.health();
    let mut keys: BTreeSet<_> = checked.keys().cloned().collect();
    keys.extend(works.services(&site));
    keys.retain(|key| who.may(Access::Read, key) && after.as_ref().is_none_or(|after| key > after));
    let more = keys.len() > limit;
    let chosen = keys.into_iter().take(limit);
    let found = chosen.filter_map(|key| status(&site, &key, checked.get(&key).cloned(), &works));
    let services: Vec<_> = found.map(|status| summary(&status, &works)).collect();
    let next = services.last().filter(|_| more).map(|last| last.service.to_string());
    Ok(Json(HealthOfServices { services, next }))
}

/// How a service and each of its instances are.
#[utoipa::path(
    get,
    path = "/v1/services/{service}/health",
    params(("service" = String, Path)),
    responses((status = 200, body = HealthStatus), (status = 403, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn show(
    Caller { site, who }: Caller,
    Path(text): Path<String>,
) -> Result<Json<HealthStatus>, Failure> {
    let key = service(&site, &text)?;
    may_read(&who, &key)?;
    let found = status(&site, &key, site.backend.health_of(&key), &Works::now(&site));
    Ok(Json(found.ok_or_else(|| Problem::not_found(format!("nobody offers `{key}`")))?))
}

/// What changed about health, and why; the newest first.
#[utoipa::path(
    get,
    path = "/v1/health/history",
    params(Lines),
    responses((status = 200, body = Transitions), (status = 403, body = Problem), (status = 422, body = Problem))
)]
pub(super) async fn history(
    Caller { site, who }: Caller,
    Asked(lines): Asked<Lines>,
) -> Result<Json<Transitions>, Failure> {
    let key = lines.service.as_deref().map(|text| service(&site, text)).transpose()?;
    if let Some(key) = &key {
        may_read(&who, key)?;
    }
    let limit = lines.limit.unwrap_or(100).clamp(1, 1_000);
    let found = site.backend.transitions(key, lines.before, limit).await?;
    let next = found.last().filter(|_| found.len() == limit).map(|(sequence, _)| *sequence);
    let visible = found.into_iter().filter(|(_, transition)| {
        ServiceKey::of_owner_name(&transition.service).is_some_and(|key| who.may(Access::Read, &key))
    });
    let transitions = visible.map(|(sequence, transition)| NumberedTransition { sequence, transition }).collect();
    Ok(Json(Transitions { transitions, next }))
}

/// What somebody works on at a moment: what health tasks have not heard of yet among it.
pub(super) struct Works(BTreeMap<Maintained, Maintenance>);

impl Works {
    pub(super) fn now(site: &Site) -> Self {
        let now = site.backend.now();
        let mut works = site.backend.maintenance();
        works.retain(|_, maintenance| maintenance.until > now);
        Self(works)
    }

    pub(super) fn of(&self, whom: &Maintained) -> Option<&Maintenance> {
        self.0.get(whom)
    }

    pub(super) fn into_all(self) -> BTreeMap<Maintained, Maintenance> {
        self.0
    }

    fn of_host(&self, host: &Name) -> Option<&Maintenance> {
        if self.0.is_empty() { None } else { self.0.get(&Maintained::Host(host.clone())) }
    }

    /// The services in force that are worked on, or have an instance on a host that is.
    fn services(&self, site: &Site) -> Vec<ServiceKey> {
        let mut found = Vec::new();
        if self.0.is_empty() {
            return found;
        }
        site.backend.view(&mut |view| {
            let is_worked_on = |(key, service): &(&ServiceKey, &Arc<crate::model::Service>)| {
                key.owner_name().is_ok_and(|name| self.0.contains_key(&Maintained::Service(name)))
                    || service.instances.iter().any(|instance| self.of_host(&instance.host).is_some())
            };
            found = view.in_force.iter().filter(is_worked_on).map(|(key, _)| key.clone()).collect();
        });
        found
    }
}

/// How a service is, as it was found or, when nothing is checked, as far as that can be said; none when nobody offers it.
fn status(site: &Site, key: &ServiceKey, found: Option<Arc<HealthStatus>>, works: &Works) -> Option<HealthStatus> {
    let mut status = match found {
        Some(found) => Arc::unwrap_or_clone(found),
        None => unchecked(site, key)?,
    };
    status.maintenance = works.of(&Maintained::Service(status.service.clone())).cloned();
    for instance in &mut status.instances {
        let host = instance.instance.endpoint().and_then(|(host, _)| host.parse::<Name>().ok());
        instance.maintenance = host.and_then(|host| works.of_host(&host).cloned());
    }
    Some(status)
}

fn unchecked(site: &Site, key: &ServiceKey) -> Option<HealthStatus> {
    let name = key.owner_name().ok()?;
    let mut instances = None;
    site.backend.view(&mut |view| {
        let of = |instance: &Instance| InstanceHealth {
            instance: InstanceId::of(&instance.host, instance.port),
            condition: Condition::Unknown,
            since: None,
            damped: false,
            publication: Publication::Published,
            reason: String::new(),
            maintenance: None,
            checks: Vec::new(),
        };
        instances = view.in_force.get(key).map(|service| service.instances.iter().map(of).collect());
        if instances.is_none() && listing::service(view, key).is_some() {
            instances = Some(Vec::new());
        }
    });
    Some(HealthStatus {
        service: name,
        policy: HealthPolicy::Publish,
        floor: None,
        floor_held: false,
        isolated: false,
        maintenance: None,
        instances: instances?,
    })
}

fn summary(status: &HealthStatus, works: &Works) -> HealthOfService {
    let HealthStatus { service, policy, floor, floor_held, isolated, maintenance, instances } = status;
    let is_worked_on = |instance: &InstanceHealth| maintenance.is_some() || instance.maintenance.is_some();
    let published = |wanted| instances.iter().filter(|instance| instance.publication == wanted).count();
    let failing = || instances.iter().filter(|instance| instance.condition == Condition::Failing);
    let is_problem =
        |one: &&InstanceHealth| one.condition == Condition::Failing || one.publication != Publication::Published;
    let problems = || instances.iter().filter(is_problem);
    HealthOfService {
        service: service.clone(),
        policy: *policy,
        floor: *floor,
        floor_held: *floor_held,
        isolated: *isolated,
        maintenance: works.of(&Maintained::Service(service.clone())).cloned(),
        instances: instances.len(),
        passing: status.count(Condition::Passing),
        failing: failing().count(),
        unknown: status.count(Condition::Unknown),
        unexpected: failing().filter(|instance| !is_worked_on(instance)).count(),
        in_maintenance: instances.iter().filter(|instance| is_worked_on(instance)).count(),
        withdrawn: published(Publication::Withdrawn),
        deprioritised: published(Publication::Deprioritised),
        problems: problems().take(PROBLEMS).cloned().collect(),
        more_problems: problems().count().saturating_sub(PROBLEMS),
    }
}
