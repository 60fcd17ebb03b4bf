//! What Prometheus scrapes.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::Site;
use crate::api::metrics::answer;

/// The daemon's metrics, in OpenMetrics for who accepts `application/openmetrics-text`.
#[utoipa::path(get, path = "/metrics", responses((status = 200, content((String = "text/plain"), (String = "application/openmetrics-text")))))]
pub(super) async fn metrics(State(site): State<Site>, headers: HeaderMap) -> Response {
    answer(&*site.backend, &headers)
}
