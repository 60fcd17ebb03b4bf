//! Errors, as RFC 9457 writes them.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::rules::Refusal;
use crate::reconcile::registry::Refused;

/// Why something was not done (RFC 9457, `application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind of problem; stable, for programs.
    #[serde(rename = "type")]
    #[schema(example = "urn:srvctl:conflict")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, with the names that matter.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        let (kind, title, detail) = (format!("urn:srvctl:{kind}"), title.to_owned(), detail.into());
        Self { kind, title, status: status.as_u16(), detail, help: None }
    }

    pub(super) fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "who asks is not known", detail)
    }

    pub(super) fn denied(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "denied", "who asks may not do that", detail)
    }

    pub(super) fn too_many(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "too many requests", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "it is not there", detail)
    }

    pub(super) fn late(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "late", "the request took too long", detail)
    }

    pub(super) fn not_known_yet(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-yet", "it is not known yet", detail)
    }

    pub(super) fn failed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "it was not done", detail)
    }

    /// A request that HTTP itself cannot make sense of: a body that is too large or of the wrong kind.
    pub(super) fn of_status(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("refused").to_ascii_lowercase();
        Self::new(status, &title.replace(' ', "-"), &title, detail)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Refused::Invalid(refusal).into()
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        let problem = match &refused {
            Refused::Invalid(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "it cannot be published", detail)
            }
            Refused::Denied(_) => Self::denied(detail),
            Refused::NotFound(_) => Self::not_found(detail),
            Refused::Conflict(_) => Self::new(StatusCode::CONFLICT, "conflict", "something is in the way", detail),
            Refused::Unexpected(_) => {
                Self::new(StatusCode::PRECONDITION_FAILED, "changed", "it is not as expected", detail)
            }
            Refused::Unavailable(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "nothing can be written now", detail)
            }
        };
        Self { help: refused.help().map(str::to_owned), ..problem }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
