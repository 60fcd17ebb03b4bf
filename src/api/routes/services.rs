//! Services as a whole.

use axum::Json;
use axum::extract::Path;
use axum::http::HeaderMap;

use super::instances::{change, proven};
use super::{Caller, Failure, listing, may_read, service};
use crate::api::backend::Goal;
use crate::api::problem::Problem;
use crate::api::query::{Asked, Body, Condition, Manner, Page, etag};
use crate::api::types::{Changed, ServiceView, Services};
use crate::model::{Edit, ServiceKey, Settings};
use crate::reconcile::registry::{Request, check_settings};

/// Every service in force that one may see.
#[utoipa::path(
    get,
    path = "/v1/services",
    params(Page),
    responses((status = 200, body = Services), (status = 422, body = Problem))
)]
pub(super) async fn list(Caller { site, who }: Caller, Asked(page): Asked<Page>) -> Result<Json<Services>, Failure> {
    let limit = page.limit();
    let after = page.after.as_deref().map(|text| service(&site, text)).transpose()?;
    let mut services = Vec::new();
    site.backend.view(&mut |view| {
        let keys = listing::keys(view, &who).into_iter();
        let keys = keys.filter(|key| after.as_ref().is_none_or(|after| *key > after));
        services = keys.take(limit + 1).filter_map(|key| listing::service(view, key)).collect();
    });
    let next = (services.len() > limit).then(|| {
        services.truncate(limit);
        services.last().map(|last| last.service.clone())
    });
    Ok(Json(Services { services, next: next.flatten() }))
}

/// One service.
#[utoipa::path(
    get,
    path = "/v1/services/{service}",
    params(("service" = String, Path, description = "`jenkins`, `_jenkins._tcp` or `_jenkins._tcp.internal.local.`")),
    responses((status = 200, body = ServiceView), (status = 403, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn show(
    Caller { site, who }: Caller,
    Path(text): Path<String>,
) -> Result<(HeaderMap, Json<ServiceView>), Failure> {
    let key = service(&site, &text)?;
    may_read(&who, &key)?;
    let mut found = None;
    site.backend.view(&mut |view| found = listing::service(view, &key));
    let found = found.ok_or_else(|| Problem::not_found(format!("nobody offers `{key}`")))?;
    Ok((etag(found.revision), Json(found)))
}

/// Sets what holds for a service as a whole: its TTL, its shards, its metadata.
#[utoipa::path(
    put,
    path = "/v1/services/{service}",
    params(("service" = String, Path), Manner),
    request_body = Settings,
    responses(
        (status = 200, body = Changed),
        (status = 403, body = Problem),
        (status = 409, body = Problem, description = "A service file says it"),
        (status = 412, body = Problem),
        (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn configure(
    Caller { site, who }: Caller,
    Path(text): Path<String>,
    Asked(manner): Asked<Manner>,
    Condition(expected): Condition,
    Body(settings): Body<Settings>,
) -> Result<(HeaderMap, Json<Changed>), Failure> {
    let key = service(&site, &text)?;
    check_settings(&settings, &key)?;
    let request = Request::Configure { service: key.clone(), settings, expected };
    let made = site.backend.make(who, request, manner.dry_run).await?;
    let mut changed = change(&key, None, manner, &made);
    let after = made.edits.iter().find_map(|edit| match edit {
        Edit::Service { after, .. } => after.clone(),
        Edit::Instance { .. } => None,
    });
    changed.revision = after.map(|after| after.revision);
    Ok((etag(changed.revision), Json(changed)))
}

/// Deregisters all instances of a service, and forgets what was set for it.
#[utoipa::path(
    delete,
    path = "/v1/services/{service}",
    params(("service" = String, Path), Manner),
    responses((status = 200, body = Changed), (status = 403, body = Problem), (status = 503, body = Problem))
)]
pub(super) async fn remove(
    Caller { site, who }: Caller,
    Path(text): Path<String>,
    Asked(manner): Asked<Manner>,
) -> Result<Json<Changed>, Failure> {
    let key: ServiceKey = service(&site, &text)?;
    let made = site.backend.make(who, Request::Remove { service: key.clone() }, manner.dry_run).await?;
    let mut changed = change(&key, None, manner, &made);
    let gone: Vec<_> = made.edits.iter().filter_map(removed_offer).collect();
    changed.removed = Some(gone.len());
    changed.verified = proven(&site, &key, manner, gone).await;
    Ok(Json(changed))
}

fn removed_offer(edit: &Edit) -> Option<Goal> {
    match edit {
        Edit::Instance { before: Some(before), after: None, .. } => {
            Some(Goal { offer: before.offer.clone(), present: false })
        }
        _ => None,
    }
}
