//! How everything stands.

use axum::Json;
use axum::extract::State;

use super::Site;
use crate::model::DaemonStatus;

/// How the daemon and its zones stand.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = DaemonStatus)))]
pub(super) async fn status(State(site): State<Site>) -> Json<DaemonStatus> {
    Json(site.backend.status())
}
