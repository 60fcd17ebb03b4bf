//! `GET /metrics`: in the API, and on a port of its own that serves nothing else.

use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::backend::Backend;
use super::plain::serve_plain;
use super::problem::Problem;

/// Where Prometheus looks unless it is told otherwise.
pub(super) const METRICS_PATH: &str = "/metrics";

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus' older text format, for who does not ask for OpenMetrics.
    Text,
}

impl Exposition {
    /// What an `Accept` header asks for. Prometheus offers every format that it knows, OpenMetrics among them, and takes
    /// whichever it gets.
    fn accepted(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut ranges = accepted.flat_map(|value| value.split(','));
        let is_open_metrics = |range: &str| {
            let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
            let is_named = parts.next().is_some_and(|name| name == "application/openmetrics-text");
            is_named && !parts.any(|part| ["q=0", "q=0.0", "q=0.00", "q=0.000"].contains(&&*part))
        };
        if ranges.any(is_open_metrics) { Self::OpenMetrics } else { Self::Text }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The metrics in the format that was asked for.
pub(super) fn answer(backend: &dyn Backend, headers: &HeaderMap) -> Response {
    let exposition = Exposition::accepted(headers);
    ([(header::CONTENT_TYPE, exposition.content_type())], backend.metrics(exposition)).into_response()
}

/// Serves the metrics and nothing else, to anybody who connects, until told to stop.
pub async fn serve_metrics(listener: TcpListener, backend: Arc<dyn Backend>, stop: watch::Receiver<bool>) {
    let metrics = |State(backend): State<Arc<dyn Backend>>, headers: HeaderMap| ready(answer(&*backend, &headers));
    let nothing = || ready(Problem::not_found("there is nothing here but /metrics"));
    let routes = Router::new().route(METRICS_PATH, get(metrics)).fallback(nothing).with_state(backend);
    serve_plain(listener, routes, stop).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(value: &str) -> Exposition {
        Exposition::accepted(&[(header::ACCEPT, value.parse().unwrap())].into_iter().collect())
    }

    #[test]
    fn open_metrics_is_for_who_asks_for_it() {
        for asks in [
            // Prometheus 3.5 and 2.42.
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;\
             version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            "application/openmetrics-text; version=1.0.0,application/openmetrics-text; version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "Application/OpenMetrics-Text",
        ] {
            assert_eq!(accepted(asks), Exposition::OpenMetrics, "{asks}");
        }
        for other in
            ["*/*", "text/plain;version=0.0.4;q=1,*/*;q=0.1", "text/html", "application/openmetrics-text; q=0", ""]
        {
            assert_eq!(accepted(other), Exposition::Text, "{other}");
        }
        assert_eq!(Exposition::accepted(&HeaderMap::new()), Exposition::Text);
    }
}
