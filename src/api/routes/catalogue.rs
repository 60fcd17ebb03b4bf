//! Everything that is registered, and what became of it.

use axum::Json;
use tokio::task::spawn_blocking;

use super::listing::document;
use super::{Caller, Failure, Importing, may_read, service};
use crate::api::problem::Problem;
use crate::api::query::{Asked, Body, ImportManner, Lines};
use crate::api::types::{Events, Imported};
use crate::model::{Edit, ServiceKey};
use crate::reconcile::registry::{Document, check_import};

/// Everything that is registered and that one may see.
#[utoipa::path(get, path = "/v1/catalogue", responses((status = 200, body = Document)))]
pub(super) async fn export(Caller { site, who }: Caller) -> Json<Document> {
    let mut exported = Document::default();
    site.backend.view(&mut |view| exported = document(view, &who, site.backend.zones()));
    Json(exported)
}

/// Registers everything that was exported: all of it, or nothing.
#[utoipa::path(
    post,
    path = "/v1/catalogue",
    params(ImportManner),
    request_body = Document,
    responses(
        (status = 200, body = Imported),
        (status = 403, body = Problem),
        (status = 409, body = Problem),
        (status = 422, body = Problem),
        (status = 429, body = Problem, description = "Another import is under way"),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn import(
    Caller { site, who }: Caller,
    Asked(manner): Asked<ImportManner>,
    importing: Importing,
    Body(document): Body<Document>,
) -> Result<Json<Imported>, Failure> {
    let zones = site.backend.zones().to_vec();
    // So many names take a while.
    let checked = spawn_blocking(move || check_import(&document, manner.replace, &zones)).await;
    let request = checked.map_err(|error| Problem::failed(error.to_string()))??;
    let made = site.backend.make(who, request, manner.dry_run).await?;
    let is_removal =
        |edit: &&Edit| matches!(edit, Edit::Instance { after: None, .. } | Edit::Service { after: None, .. });
    let removed = made.edits.iter().filter(is_removal).count();
    let written = made.edits.iter().filter(|edit| !edit.is_renewal()).count() - removed;
    drop(importing);
    Ok(Json(Imported { changed: made.changed(), dry_run: manner.dry_run, written, removed }))
}

/// Who changed what, and when; the newest first.
#[utoipa::path(
    get,
    path = "/v1/history",
    params(Lines),
    responses((status = 200, body = Events), (status = 403, body = Problem), (status = 422, body = Problem))
)]
pub(super) async fn history(Caller { site, who }: Caller, Asked(lines): Asked<Lines>) -> Result<Json<Events>, Failure> {
    let key = lines.service.as_deref().map(|text| service(&site, text)).transpose()?;
    if let Some(key) = &key {
        may_read(&who, key)?;
    }
    let limit = lines.limit.unwrap_or(100).clamp(1, 1_000);
    let mut events = site.backend.history(key, lines.before, limit).await?;
    let next = events.last().filter(|_| events.len() == limit).map(|event| event.sequence);
    events.retain(|event| {
        ServiceKey::of_owner_name(&event.service).is_some_and(|key| who.may(crate::model::Access::Read, &key))
    });
    Ok(Json(Events { events, next }))
}
