//! `GET /sd/prometheus`, the `http_sd` of Prometheus: in the API, and on a port of its own that serves nothing else.
//!
//! Prometheus keeps the targets that it has when the answer is anything but a list, so whatever is wrong is an error.

use std::fmt::Write as _;
use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ring::digest;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::backend::Backend;
use super::plain::serve_plain;
use super::problem::Problem;
use crate::model::{Access, Principal};
use crate::reconcile::discovery::Selection;

/// Where the targets are.
pub(super) const PATH: &str = "/sd/prometheus";
/// What Prometheus demands to the letter.
const CONTENT_TYPE: &str = "application/json";

/// A list of targets as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    body: Bytes,
    etag: String,
}

impl Listed {
    /// A list that is JSON already.
    pub fn new(json: Vec<u8>) -> Self {
        let mut etag = "\"".to_owned();
        for byte in &digest::digest(&digest::SHA256, &json).as_ref()[..16] {
            let _ = write!(etag, "{byte:02x}");
        }
        Self { body: json.into(), etag: etag + "\"" }
    }

    fn answer(self, headers: &HeaderMap) -> Response {
        let headers_of_all = [(header::ETAG, self.etag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
        if is_known(headers, &self.etag) {
            return (StatusCode::NOT_MODIFIED, headers_of_all).into_response();
        }
        (headers_of_all, [(header::CONTENT_TYPE, CONTENT_TYPE)], self.body).into_response()
    }
}

/// Whether who asks has this very list (RFC 9110 section 13.1.2).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = lists.flat_map(|list| list.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}

/// Why there is no list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlisted {
    /// Nobody wanted one.
    Off,
    /// Not yet, and what is waited for.
    NotYet(String),
    /// Who asks may see nothing of it, and why: an empty list would take all targets from Prometheus.
    Hidden(String),
}

impl From<Unlisted> for Problem {
    fn from(unlisted: Unlisted) -> Self {
        match unlisted {
            Unlisted::Off => {
                let help = "add `[discovery]` to srvctl.toml";
                let problem = Self::not_found("this daemon lists no targets for Prometheus");
                Self { help: Some(help.to_owned()), ..problem }
            }
            Unlisted::Hidden(why) => {
                let help = "let a `grant` of the principal name these services, or a token of another ask";
                Self { help: Some(help.to_owned()), ..Self::denied(why) }
            }
            Unlisted::NotYet(why) => Self::not_known_yet(format!("no targets can be listed yet: {why}")),
        }
    }
}

/// What somebody asks for and may see.
///
/// # Errors
/// When it makes no sense, they may not see it, or it is not known yet. Never an empty list in its place.
pub(super) fn answer(
    backend: &dyn Backend,
    who: &Principal,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let Query(pairs) = pairs.map_err(|error| Problem::of_status(error.status(), error.body_text()))?;
    let selection = Selection::of_request(&pairs, backend.zones()).map_err(|refusal| {
        let help = refusal.help;
        Problem { help, ..Problem::of_status(StatusCode::BAD_REQUEST, refusal.message) }
    })?;
    if let Some(denied) = selection.named().find(|key| !who.may(Access::Read, key)) {
        return Err(Problem::denied(format!("{} may not see the service `{denied}`", who.name)));
    }
    let mut possible = selection.possible(backend.zones()).peekable();
    if possible.peek().is_some() && !possible.any(|key| who.may(Access::Read, &key)) {
        return Err(Problem::denied(format!("{} may see none of the services that are asked for", who.name)));
    }
    Ok(backend.targets(&selection, who)?.answer(headers))
}

/// Serves the targets and nothing else, to anybody who connects, until told to stop.
pub async fn serve_targets(listener: TcpListener, backend: Arc<dyn Backend>, stop: watch::Receiver<bool>) {
    let targets = |State(backend): State<Arc<dyn Backend>>, uri: Uri, headers: HeaderMap| {
        let anybody = Principal::unrestricted("[discovery] listen");
        ready(answer(&*backend, &anybody, &uri, &headers).into_response())
    };
    let nothing = || ready(Problem::not_found("there is nothing here but /sd/prometheus"));
    let routes = Router::new().route(PATH, get(targets)).fallback(nothing).with_state(backend);
    serve_plain(listener, routes, stop).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_known_by_its_etag() {
        let list = Listed::new(b"[]\n".to_vec());
        assert_eq!(list.etag.len(), 34);
        assert_ne!(list.etag, Listed::new(b"[\n]\n".to_vec()).etag);
        let known = |value: &str| {
            is_known(&[(header::IF_NONE_MATCH, value.parse().unwrap())].into_iter().collect(), &list.etag)
        };
        for same in [list.etag.clone(), format!("W/{}", list.etag), format!("\"x\" , {}", list.etag), "*".to_owned()] {
            assert!(known(&same), "{same}");
        }
        for other in ["\"x\"", "", list.etag.trim_matches('"')] {
            assert!(!known(other), "{other}");
        }
        assert!(!is_known(&HeaderMap::new(), &list.etag));
    }
}
