//! What comes with a request besides its path: the query, conditions, and bodies that are JSON.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::problem::Problem;
use crate::reconcile::registry::Expected;

/// Longest wait for DNS, seconds.
pub(super) const MAX_WAIT: u64 = 300;

/// How a change is to be made.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Manner {
    /// Change nothing, and say what would be changed.
    pub(super) dry_run: bool,
    /// Answer when the change is seen in DNS, or after so many seconds (at most 300).
    pub(super) wait: Option<u64>,
}

impl Manner {
    /// How long to wait for DNS.
    pub(super) fn limit(self) -> Option<Duration> {
        self.wait.filter(|_| !self.dry_run).map(|seconds| Duration::from_secs(seconds.min(MAX_WAIT)))
    }
}

/// How an instance is to be deregistered.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Leaving {
    /// Change nothing, and say what would be changed.
    pub(super) dry_run: bool,
    /// Answer when the change is seen in DNS, or after so many seconds (at most 300).
    pub(super) wait: Option<u64>,
    /// Only if its lease has run out.
    pub(super) overdue: bool,
}

impl Leaving {
    pub(super) fn manner(self) -> Manner {
        Manner { dry_run: self.dry_run, wait: self.wait }
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// At most so many; 100 unless said, 1,000 at most.
    pub(super) limit: Option<usize>,
    /// What `next` of the page before says.
    pub(super) after: Option<String>,
    /// Only of this service.
    pub(super) service: Option<String>,
    /// Only on this host.
    pub(super) host: Option<String>,
    /// Only those whose lease has run out.
    pub(super) overdue: bool,
}

impl Page {
    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(100).clamp(1, 1_000)
    }
}

/// Which part of a list of services.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// At most so many; 100 unless said, 1,000 at most.
    pub(super) limit: Option<usize>,
    /// What `next` of the page before says.
    pub(super) after: Option<String>,
}

/// Which lines of the journal.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Lines {
    /// Only of this service.
    pub(super) service: Option<String>,
    /// What `next` of the answer before says.
    pub(super) before: Option<u64>,
    /// At most so many; 100 unless said, 1,000 at most.
    pub(super) limit: Option<usize>,
}

/// How an import is to be made.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ImportManner {
    /// Change nothing, and say what would be changed.
    pub(super) dry_run: bool,
    /// Deregister what is registered and not in the document.
    pub(super) replace: bool,
}

/// The query of a request; one that cannot be read is a [`Problem`].
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await;
        query
            .map(|Query(asked)| Self(asked))
            .map_err(|error: QueryRejection| Problem::of_status(error.status(), error.body_text()))
    }
}

/// A JSON body; one that cannot be read is a [`Problem`].
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Json::from_request(request, state).await;
        body.map(|Json(body)| Self(body))
            .map_err(|error: JsonRejection| Problem::of_status(error.status(), error.body_text()))
    }
}

/// The same, where there may be no body at all.
pub(super) struct OptionalBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await;
        let bytes = bytes.map_err(|error| Problem::of_status(error.status(), error.body_text()))?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        let Body(body) = Body::from_request(Request::from_parts(parts, bytes.into()), state).await?;
        Ok(Self(body))
    }
}

/// `If-Match: "7"`, `If-None-Match: *`.
pub(super) struct Condition(pub(super) Expected);

impl<S: Send + Sync> FromRequestParts<S> for Condition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        condition(&parts.headers).map(Self)
    }
}

fn condition(headers: &HeaderMap) -> Result<Expected, Problem> {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    let wrong = |what: &str| Problem::from(crate::model::rules::Refusal::from(what.to_owned()));
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(Expected::Anything),
        (None, Some("*")) => Ok(Expected::Absent),
        (Some(tag), None) => {
            let revision = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|tag| tag.parse().ok());
            revision.map(Expected::Revision).ok_or_else(|| wrong("`If-Match` takes one ETag as it was given"))
        }
        _ => Err(wrong("use either `If-Match` with one ETag, or `If-None-Match: *`")),
    }
}

/// The `ETag` of a revision.
pub(super) fn etag(revision: Option<u64>) -> HeaderMap {
    let value = revision.and_then(|revision| HeaderValue::from_str(&format!("\"{revision}\"")).ok());
    value.map(|value| (header::ETAG, value)).into_iter().collect()
}
