//! The targets for Prometheus.

use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::{Caller, Failure};
use crate::api::discovery::answer;
use crate::api::problem::Problem;
use crate::api::types::TargetGroup;

/// What Prometheus shall scrape, as its `http_sd_configs` reads it: each instance that one may see, with labels.
///
/// Filters may be repeated: of several values of one, any; of several filters, all. `meta.KEY` filters by metadata. What
/// is not understood is an error and never an empty list.
#[utoipa::path(
    get,
    path = "/sd/prometheus",
    params(
        ("service" = Option<Vec<String>>, Query, description = "`jenkins`, `_jenkins._tcp` or `_jenkins._tcp.internal.local.`"),
        ("zone" = Option<Vec<String>>, Query, description = "a managed zone"),
        ("proto" = Option<Vec<String>>, Query, description = "`tcp` or `udp`"),
        ("host" = Option<Vec<String>>, Query, description = "in full, or without the zone"),
        ("health" = Option<Vec<String>>, Query, description = "`passing`, `failing`, `unknown` or `unchecked`"),
        ("published" = Option<bool>, Query, description = "`false`: those that their health has withdrawn from DNS"),
        ("meta.KEY" = Option<Vec<String>>, Query, description = "metadata: `meta.team=devops`")
    ),
    responses(
        (status = 200, body = Vec<TargetGroup>),
        (status = 304, description = "It is still the list that `If-None-Match` names"),
        (status = 400, body = Problem),
        (status = 403, body = Problem),
        (status = 404, body = Problem, description = "Without `[discovery]` in srvctl.toml"),
        (status = 503, body = Problem, description = "It is not known yet")
    )
)]
pub(super) async fn targets(Caller { site, who }: Caller, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    Ok(answer(&*site.backend, &who, &uri, &headers)?)
}
