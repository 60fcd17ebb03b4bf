//! Instances: who offers a service.

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use tokio::time::Instant;

use super::{Caller, Failure, Site, instance, listing, may_read, service, word};
use crate::api::access::Peer;
use crate::api::backend::Goal;
use crate::api::problem::Problem;
use crate::api::query::{Asked, Body, Condition, Leaving, Manner, OptionalBody, Page, etag};
use crate::api::types::{Changed, InstanceView, Instances, Verified, Word};
use crate::model::rules::Refusal;
use crate::model::{InstanceId, Name, Outcome, ServiceKey};
use crate::reconcile::registry::{
    Amendment, Decision, Expected, Proposal, Refused, Request, check_amendment, check_offer,
};

/// Every instance that one may see, from registrations and service files.
#[utoipa::path(
    get,
    path = "/v1/instances",
    params(Page),
    responses((status = 200, body = Instances), (status = 403, body = Problem), (status = 422, body = Problem))
)]
pub(super) async fn list(Caller { site, who }: Caller, Asked(page): Asked<Page>) -> Result<Json<Instances>, Failure> {
    let only = page.service.as_deref().map(|text| service(&site, text)).transpose()?;
    if let Some(only) = &only {
        may_read(&who, only)?;
    }
    let after = page.after.as_deref().map(|text| cursor(&site, text)).transpose()?;
    let zones = site.backend.zones();
    let (limit, mut instances, mut next) = (page.limit(), Vec::new(), None);
    site.backend.view(&mut |view| {
        let keys = only.as_ref().map_or_else(|| listing::keys(view, &who), |only| vec![only]);
        for key in keys.into_iter().filter(|key| after.as_ref().is_none_or(|(service, _)| *key >= service)) {
            let wanted = |one: &InstanceView| {
                after.as_ref().is_none_or(|(service, id)| key != service || one.id > *id)
                    && page.host.as_deref().is_none_or(|host| listing::is_on(one, host, zones))
                    && (!page.overdue || one.renew_within.is_some_and(|left| left < 0))
            };
            for one in listing::instances(view, key).into_iter().filter(wanted) {
                if instances.len() == limit {
                    next = instances.last().map(|last: &InstanceView| format!("{}/{}", last.service, last.id));
                    return;
                }
                instances.push(one);
            }
        }
    });
    Ok(Json(Instances { instances, next }))
}

fn cursor(site: &Site, text: &str) -> Result<(ServiceKey, InstanceId), Problem> {
    let wrong = || Problem::from(Refusal::from("`after` is what `next` of the page before says".to_owned()));
    let (key, id) = text.split_once('/').ok_or_else(wrong)?;
    Ok((service(site, key)?, id.parse().map_err(Problem::from)?))
}

/// One instance.
#[utoipa::path(
    get,
    path = "/v1/services/{service}/instances/{id}",
    params(("service" = String, Path), ("id" = String, Path, description = "An id that was chosen, or `host:port`")),
    responses((status = 200, body = InstanceView), (status = 403, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn show(
    Caller { site, who }: Caller,
    Path((key, id)): Path<(String, String)>,
) -> Result<(HeaderMap, Json<InstanceView>), Failure> {
    let key = service(&site, &key)?;
    may_read(&who, &key)?;
    let id = instance(&site, &key, &id)?;
    let mut found = None;
    site.backend.view(&mut |view| found = listing::instance(view, &key, &id));
    let found = found.ok_or_else(|| Problem::not_found(format!("`{id}` is not registered in `{key}`")))?;
    Ok((etag(found.revision), Json(found)))
}

/// Registers an instance under its host and port, or renews or changes the one that is there.
#[utoipa::path(
    post,
    path = "/v1/services/{service}/instances",
    params(("service" = String, Path), Manner),
    request_body = Proposal,
    responses(
        (status = 200, body = Changed),
        (status = 403, body = Problem),
        (status = 409, body = Problem),
        (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn add(
    Caller { site, who }: Caller,
    Path(key): Path<String>,
    Asked(manner): Asked<Manner>,
    Body(proposal): Body<Proposal>,
) -> Result<(HeaderMap, Json<Changed>), Failure> {
    let key = service(&site, &key)?;
    let offer = check_offer(&proposal, &key.zone, site.backend.zones())?;
    let id = InstanceId::of(&offer.host, offer.port);
    let request = Request::Register { service: key, id, offer, expected: Expected::Anything };
    make(&site, who, request, manner).await
}

/// Registers an instance under an id, or renews or changes the one that is there.
#[utoipa::path(
    put,
    path = "/v1/services/{service}/instances/{id}",
    params(("service" = String, Path), ("id" = String, Path), Manner),
    request_body = Proposal,
    responses(
        (status = 200, body = Changed),
        (status = 403, body = Problem),
        (status = 409, body = Problem),
        (status = 412, body = Problem),
        (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn register(
    Caller { site, who }: Caller,
    Path((key, id)): Path<(String, String)>,
    Asked(manner): Asked<Manner>,
    Condition(expected): Condition,
    Body(proposal): Body<Proposal>,
) -> Result<(HeaderMap, Json<Changed>), Failure> {
    let key = service(&site, &key)?;
    let id = instance(&site, &key, &id)?;
    let offer = check_offer(&proposal, &key.zone, site.backend.zones())?;
    make(&site, who, Request::Register { service: key, id, offer, expected }, manner).await
}

/// Changes weight, priority or metadata of a running instance.
#[utoipa::path(
    patch,
    path = "/v1/services/{service}/instances/{id}",
    params(("service" = String, Path), ("id" = String, Path), Manner),
    request_body = Amendment,
    responses(
        (status = 200, body = Changed),
        (status = 403, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem),
        (status = 412, body = Problem),
        (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn set(
    Caller { site, who }: Caller,
    Path((key, id)): Path<(String, String)>,
    Asked(manner): Asked<Manner>,
    Condition(expected): Condition,
    Body(amendment): Body<Amendment>,
) -> Result<(HeaderMap, Json<Changed>), Failure> {
    let key = service(&site, &key)?;
    let id = instance(&site, &key, &id)?;
    check_amendment(&amendment)?;
    make(&site, who, Request::Set { service: key, id, amendment, expected }, manner).await
}

/// Deregisters an instance. One that is not registered is no error: it is as it shall be.
#[utoipa::path(
    delete,
    path = "/v1/services/{service}/instances/{id}",
    params(("service" = String, Path), ("id" = String, Path), Leaving),
    responses(
        (status = 200, body = Changed),
        (status = 403, body = Problem),
        (status = 409, body = Problem, description = "It is in a service file"),
        (status = 412, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn deregister(
    Caller { site, who }: Caller,
    Path((key, id)): Path<(String, String)>,
    Asked(leaving): Asked<Leaving>,
    Condition(expected): Condition,
) -> Result<(HeaderMap, Json<Changed>), Failure> {
    let key = service(&site, &key)?;
    let id = instance(&site, &key, &id)?;
    let expected = if leaving.overdue { Expected::Overdue } else { expected };
    make(&site, who, Request::Deregister { service: key, id, expected }, leaving.manner()).await
}

/// Renews a lease, and takes what the instance says of itself as the result of its `lease` check. One that is in a service
/// file has no lease of its own: it only says how it is.
#[utoipa::path(
    post,
    path = "/v1/services/{service}/instances/{id}/renew",
    params(("service" = String, Path), ("id" = String, Path)),
    request_body(content = Option<Word>, description = "How it is; nothing for a renewal alone"),
    responses(
        (status = 200, body = InstanceView),
        (status = 403, body = Problem),
        (status = 404, body = Problem, description = "It has to be registered again"),
        (status = 409, body = Problem, description = "It says how it is, and has no `lease` check that asks"),
        (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn renew(
    Caller { site, who }: Caller,
    Path((key, id)): Path<(String, String)>,
    Extension(peer): Extension<Peer>,
    OptionalBody(word): OptionalBody<Word>,
) -> Result<Json<InstanceView>, Failure> {
    let key = service(&site, &key)?;
    let id = instance(&site, &key, &id)?;
    let renewal = Request::Renew { service: key.clone(), id: id.clone() };
    if word.status.is_some() {
        // Right after a start this waits until it is known what the files have.
        match site.backend.make(who.clone(), renewal.clone(), true).await {
            Ok(_) | Err(Refused::NotFound(_)) => {}
            Err(refused) => return Err(refused.into()),
        }
    }
    let said = word::heard(&site, &who, (&key, &id), word)?;
    if said.as_ref().is_none_or(|said| said.is_registered) {
        site.backend.make(who, renewal, false).await?;
    }
    if let Some(said) = said {
        site.backend.say(key.clone(), said.endpoint, said.result, peer.is_near());
    }
    let mut found = None;
    site.backend.view(&mut |view| found = listing::instance(view, &key, &id));
    Ok(Json(found.ok_or_else(|| Problem::not_found(format!("`{id}` is not registered in `{key}`")))?))
}

/// Makes the change of one instance, and waits for DNS if that was asked.
async fn make(
    site: &Site,
    who: crate::model::Principal,
    request: Request,
    manner: Manner,
) -> Result<(HeaderMap, Json<Changed>), Failure> {
    let (key, id) = match &request {
        Request::Register { service, id, .. }
        | Request::Set { service, id, .. }
        | Request::Deregister { service, id, .. } => (service.clone(), id.clone()),
        _ => return Err(Problem::failed("this is no change of an instance").into()),
    };
    let made = site.backend.make(who, request, manner.dry_run).await?;
    let mut changed = change(&key, Some(id), manner, &made);
    changed.verified = proven(site, &key, manner, goals(&made)).await;
    Ok((etag(changed.revision), Json(changed)))
}

/// What shall be seen after a change, and what shall not any more.
fn goals(made: &Decision) -> Vec<Goal> {
    let there = |offer: &crate::model::Offer| (offer.host.clone(), offer.port);
    let after = made.after.as_ref().map(|after| &after.offer);
    let gone = made.before.as_ref().map(|before| &before.offer);
    let gone = gone.filter(|gone| after.is_none_or(|after| there(after) != there(gone)));
    let gone = gone.map(|offer| Goal { offer: offer.clone(), present: false });
    after.map(|offer| Goal { offer: offer.clone(), present: true }).into_iter().chain(gone).collect()
}

pub(super) fn change(key: &ServiceKey, id: Option<InstanceId>, manner: Manner, made: &Decision) -> Changed {
    Changed {
        changed: made.changed(),
        dry_run: manner.dry_run,
        service: key.to_string(),
        id,
        before: made.before.as_ref().map(|before| before.offer.clone()),
        after: made.after.as_ref().map(|after| after.offer.clone()),
        revision: made.after.as_ref().map(|after| after.revision),
        removed: None,
        verified: None,
    }
}

/// Waits until DNS shows what shall be, when that was asked.
pub(super) async fn proven(site: &Site, key: &ServiceKey, manner: Manner, goals: Vec<Goal>) -> Option<Verified> {
    let limit = manner.limit()?;
    let began = Instant::now();
    let proofs = site.backend.prove(key, goals, limit).await;
    let ok = proofs.iter().all(|proof| proof.verified);
    let (obstacles, held) = if ok { (Vec::new(), None) } else { obstacles(site, key) };
    let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Some(Verified { ok, milliseconds, proofs, obstacles, held })
}

/// What the zone's status says stands in the way, and the held plan among it.
fn obstacles(site: &Site, key: &ServiceKey) -> (Vec<String>, Option<String>) {
    let status = site.backend.status();
    let Some(zone) = status.zones.iter().find(|zone| zone.zone == key.zone) else { return (Vec::new(), None) };
    let name: Option<Name> = key.owner_name().ok();
    let about = |problem: &&String| name.as_ref().is_some_and(|name| problem.contains(&name.to_string()));
    let mut obstacles: Vec<_> = zone.error.iter().cloned().collect();
    obstacles.extend(zone.problems.iter().filter(about).cloned());
    let held = zone.held.as_ref().filter(|_| zone.outcome == Outcome::Held);
    obstacles.extend(held.map(|held| format!("the plan {} is held: {}", held.id, held.reasons.join("; "))));
    (obstacles, held.map(|held| held.id.clone()))
}
