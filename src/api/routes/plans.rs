//! Plans that wait for a person.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;

use super::{Caller, Failure};
use crate::api::backend::Accepted;
use crate::api::problem::Problem;
use crate::api::types::{Plan, Plans};
use crate::model::rules::Refusal;

/// Plans that are held.
#[utoipa::path(
    get,
    path = "/v1/plans",
    responses((status = 200, body = Plans), (status = 403, body = Problem, description = "Not everything may be seen"))
)]
pub(super) async fn list(Caller { site, who }: Caller) -> Result<Json<Plans>, Failure> {
    if !who.sees_all() {
        return Err(Problem::denied(format!("{} may not see plans: they are about every service", who.name)).into());
    }
    let zones = site.backend.status().zones.into_iter();
    let plans = zones.filter_map(|zone| Some(Plan { zone: zone.zone, held: zone.held? })).collect();
    Ok(Json(Plans { plans }))
}

/// Makes a held plan.
#[utoipa::path(
    post,
    path = "/v1/plans/{id}/accept",
    params(("id" = String, Path, description = "As `id` of the plan says")),
    responses(
        (status = 204, description = "Made"),
        (status = 403, body = Problem),
        (status = 404, body = Problem, description = "No such plan is held, or not any more"),
        (status = 500, body = Problem)
    )
)]
pub(super) async fn accept(Caller { site, who }: Caller, Path(id): Path<String>) -> Result<StatusCode, Failure> {
    if !who.is_unrestricted() {
        return Err(Problem::denied(format!("{} may not accept plans", who.name)).into());
    }
    let plan = id.parse().map_err(Refusal::from)?;
    tracing::warn!(principal = %who.name, plan = id, "a held plan is accepted");
    match site.backend.accept(plan).await {
        Accepted::Made => Ok(StatusCode::NO_CONTENT),
        Accepted::Unknown => Err(Problem::not_found(format!("no plan with the id {id} is held")).into()),
        Accepted::Failed(why) => Err(Problem::failed(why).into()),
    }
}
