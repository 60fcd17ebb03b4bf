//! Who works on what: failures there are expected meanwhile.

use axum::Json;
use axum::extract::Path;

use super::health::Works as Current;
use super::{Caller, Failure, Site, service};
use crate::api::problem::Problem;
use crate::api::query::Body;
use crate::api::types::{MaintenanceView, Maintenances, Work, Works};
use crate::model::health::{MAX_TEXT, Maintained, Maintenance};
use crate::model::rules::{self, Refusal};
use crate::model::{Access, Name, Principal, ServiceKey};

/// The longest maintenance, seconds: 30 days, as the longest lease.
const LONGEST: u32 = 2_592_000;

/// Everything that somebody works on, as far as one may see it.
#[utoipa::path(get, path = "/v1/maintenance", responses((status = 200, body = Maintenances)))]
pub(super) async fn list(Caller { site, who }: Caller) -> Json<Maintenances> {
    let may_see = |whom: &Maintained| match whom {
        Maintained::Service(name) => ServiceKey::of_owner_name(name).is_some_and(|key| who.may(Access::Read, &key)),
        Maintained::Host(host) => who.sees_all() || on_host(&site, host).iter().any(|key| who.may(Access::Read, key)),
    };
    let visible = Current::now(&site).into_all().into_iter().filter(|(whom, _)| may_see(whom));
    let maintenance = visible.map(|(of, maintenance)| MaintenanceView { of, maintenance }).collect();
    Json(Maintenances { maintenance })
}

/// Says that somebody works on a service.
#[utoipa::path(
    put,
    path = "/v1/services/{service}/maintenance",
    params(("service" = String, Path)),
    request_body = Work,
    responses(
        (status = 200, body = Works),
        (status = 403, body = Problem),
        (status = 404, body = Problem, description = "Nobody offers it"),
        (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn set_service(
    Caller { site, who }: Caller,
    Path(text): Path<String>,
    Body(work): Body<Work>,
) -> Result<Json<Works>, Failure> {
    let place = of_service(&site, &who, &text)?;
    begin(&site, &who, place, &work).await
}

/// Says that nobody works on a service any more. It is no error when nobody did.
#[utoipa::path(
    delete,
    path = "/v1/services/{service}/maintenance",
    params(("service" = String, Path)),
    responses((status = 200, body = Works), (status = 403, body = Problem), (status = 503, body = Problem))
)]
pub(super) async fn end_service(
    Caller { site, who }: Caller,
    Path(text): Path<String>,
) -> Result<Json<Works>, Failure> {
    let place = of_service(&site, &who, &text)?;
    end(&site, &who, place).await
}

/// Says that somebody works on a host: all instances there, of every service. Who says so has to be allowed to change
/// each of them.
#[utoipa::path(
    put,
    path = "/v1/hosts/{host}/maintenance",
    params(("host" = String, Path, description = "Relative to a managed zone, or absolute")),
    request_body = Work,
    responses(
        (status = 200, body = Works),
        (status = 403, body = Problem),
        (status = 404, body = Problem, description = "Nothing is offered there"),
        (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn set_host(
    Caller { site, who }: Caller,
    Path(text): Path<String>,
    Body(work): Body<Work>,
) -> Result<Json<Works>, Failure> {
    let place = of_host(&site, &who, &text)?;
    begin(&site, &who, place, &work).await
}

/// Says that nobody works on a host any more. It is no error when nobody did.
#[utoipa::path(
    delete,
    path = "/v1/hosts/{host}/maintenance",
    params(("host" = String, Path)),
    responses((status = 200, body = Works), (status = 403, body = Problem), (status = 503, body = Problem))
)]
pub(super) async fn end_host(Caller { site, who }: Caller, Path(text): Path<String>) -> Result<Json<Works>, Failure> {
    let place = of_host(&site, &who, &text)?;
    end(&site, &who, place).await
}

/// What somebody may work on.
struct Workplace {
    whom: Maintained,
    /// Those in force that have instances there.
    services: Vec<ServiceKey>,
}

fn of_service(site: &Site, who: &Principal, text: &str) -> Result<Workplace, Failure> {
    let key = service(site, text)?;
    if !who.may(Access::Write, &key) {
        return Err(Problem::denied(format!("{} may not change the service `{key}`", who.name)).into());
    }
    let name = key.owner_name().map_err(|error| Refusal::from(error.to_string()))?;
    let mut is_known = false;
    site.backend.view(&mut |view| is_known = view.in_force.contains_key(&key) || view.registry.service(&key).is_some());
    Ok(Workplace { whom: Maintained::Service(name), services: if is_known { vec![key] } else { Vec::new() } })
}

fn of_host(site: &Site, who: &Principal, text: &str) -> Result<Workplace, Failure> {
    let zones = site.backend.zones();
    let host = host(site, text)?;
    let zone = zones.iter().filter(|zone| host.is_within(zone)).max_by_key(|zone| zone.len());
    let services = on_host(site, &host);
    let denied = |what: String| Err(Problem::denied(format!("{} may not {what}", who.name)).into());
    if !who.has_host(&host, zone) {
        return denied(format!("change what is on the host `{host}`"));
    }
    match services.iter().find(|key| !who.may_place(key, &host, zone)) {
        Some(other) => denied(format!("change the service `{other}`, which is on the host `{host}` too")),
        None => Ok(Workplace { whom: Maintained::Host(host), services }),
    }
}

/// The host that is meant: written in full, or as it is called in the one zone where something is offered on it.
fn host(site: &Site, text: &str) -> Result<Name, Failure> {
    let zones = site.backend.zones();
    let is_managed = |name: &Name| zones.iter().any(|zone| name.is_within(zone));
    let in_full = text.parse::<Name>().ok().filter(|name| text.ends_with('.') || is_managed(name));
    let in_zone = |zone| rules::host(&in_full.as_ref().map_or_else(|| text.to_owned(), Name::to_string), zone, zones);
    let mut meant = zones.iter().map(in_zone).collect::<Result<Vec<_>, _>>()?;
    meant.dedup();
    if meant.len() > 1 {
        meant.retain(|host| !on_host(site, host).is_empty());
    }
    match (meant.pop(), meant.is_empty()) {
        (Some(host), true) => Ok(host),
        (Some(_), false) => {
            let message = format!("several zones have a host `{text}` on which something is offered");
            Err(Refusal::with_help(message, "write its name in full").into())
        }
        (None, _) => Err(Problem::not_found(format!("nobody offers anything on a host `{text}`")).into()),
    }
}

/// The services in force that have an instance on a host.
fn on_host(site: &Site, host: &Name) -> Vec<ServiceKey> {
    let mut found = Vec::new();
    site.backend.view(&mut |view| {
        let services = view.in_force.iter();
        let there = services.filter(|(_, service)| service.instances.iter().any(|instance| instance.host == *host));
        found = there.map(|(key, _)| key.clone()).collect();
    });
    found
}

async fn begin(site: &Site, who: &Principal, place: Workplace, work: &Work) -> Result<Json<Works>, Failure> {
    let why = work.why.trim();
    if !(1..=LONGEST).contains(&work.seconds) {
        return Err(Refusal::from(format!("`for` must be from 1 s to {LONGEST} s, not {} s", work.seconds)).into());
    }
    if why.is_empty() || why.chars().count() > MAX_TEXT || why.chars().any(char::is_control) {
        return Err(Refusal::from(format!("`why` must be a line of 1 to {MAX_TEXT} characters")).into());
    }
    if place.services.is_empty() {
        return Err(Problem::not_found(match &place.whom {
            Maintained::Host(host) => format!("nobody offers anything on the host `{host}`"),
            Maintained::Service(name) => format!("nobody offers `{name}`"),
        })
        .into());
    }
    let until = site.backend.now() + u64::from(work.seconds);
    let maintenance = Maintenance { until, why: why.to_owned(), by: who.name.to_string() };
    change(site, who, place, Some(maintenance)).await
}

async fn end(site: &Site, who: &Principal, place: Workplace) -> Result<Json<Works>, Failure> {
    change(site, who, place, None).await
}

async fn change(
    site: &Site,
    who: &Principal,
    Workplace { whom, services }: Workplace,
    maintenance: Option<Maintenance>,
) -> Result<Json<Works>, Failure> {
    let changed = site.backend.maintenance().get(&whom) != maintenance.as_ref();
    if changed {
        site.backend.maintain(who, (whom.clone(), maintenance.clone())).await?;
        match &maintenance {
            Some(Maintenance { until, why, .. }) => {
                tracing::info!(principal = %who.name, of = %whom, until, why, "a maintenance begins, or is another");
            }
            None => tracing::info!(principal = %who.name, of = %whom, "a maintenance is ended"),
        }
    }
    let services = services.iter().map(ToString::to_string).collect();
    Ok(Json(Works { of: whom, changed, maintenance, services }))
}
