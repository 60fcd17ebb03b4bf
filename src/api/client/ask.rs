//! What is asked for: a request before it is sent.

use std::fmt::Write as _;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, header};
use serde::Serialize;

use crate::protocol::uri::percent_encoded;

/// How long a daemon may take to say how it stands.
pub(super) const STATUS_LIMIT: Duration = Duration::from_secs(10);
/// How long it may take for anything else. It gives up itself a little earlier, and says so.
const LIMIT: Duration = Duration::from_secs(35);

/// One request. May be made again over another connection.
#[derive(Debug, Clone)]
pub struct Ask {
    method: Method,
    /// Path and query, encoded.
    target: String,
    has_query: bool,
    condition: Option<(header::HeaderName, String)>,
    body: Option<Bytes>,
    limit: Duration,
}

impl Ask {
    fn new(method: Method, segments: &[&str]) -> Self {
        let mut target = String::new();
        for segment in segments {
            target.push('/');
            let _ = write!(target, "{}", percent_encoded(segment));
        }
        Self { method, target, has_query: false, condition: None, body: None, limit: LIMIT }
    }

    /// To see something.
    pub fn get(segments: &[&str]) -> Self {
        Self::new(Method::GET, segments)
    }

    /// To add something.
    pub fn post(segments: &[&str]) -> Self {
        Self::new(Method::POST, segments)
    }

    /// To set something.
    pub fn put(segments: &[&str]) -> Self {
        Self::new(Method::PUT, segments)
    }

    /// To change a part of something.
    pub fn patch(segments: &[&str]) -> Self {
        Self::new(Method::PATCH, segments)
    }

    /// To remove something.
    pub fn delete(segments: &[&str]) -> Self {
        Self::new(Method::DELETE, segments)
    }

    /// With a parameter in the query, when there is one.
    #[must_use]
    pub fn query(mut self, key: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.target.push(if self.has_query { '&' } else { '?' });
            self.has_query = true;
            let value = value.to_string();
            let _ = write!(self.target, "{}={}", percent_encoded(key), percent_encoded(&value));
        }
        self
    }

    /// With a body.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn json(self, body: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { body: Some(serde_json::to_vec(body)?.into()), ..self })
    }

    /// Only if it has this revision; none: only if it is not there.
    #[must_use]
    pub fn expecting(self, revision: Option<u64>) -> Self {
        let condition = match revision {
            Some(revision) => (header::IF_MATCH, format!("\"{revision}\"")),
            None => (header::IF_NONE_MATCH, "*".to_owned()),
        };
        Self { condition: Some(condition), ..self }
    }

    /// To be answered within this time.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// To be answered when DNS shows it, or after so many seconds.
    #[must_use]
    pub fn waiting(self, seconds: Option<u32>) -> Self {
        let limit = self.limit + Duration::from_secs(seconds.unwrap_or(0).into());
        self.query("wait", seconds).within(limit)
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    pub(super) fn request(&self, authority: &str) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut request = Request::builder().method(&self.method).uri(&self.target).header(header::HOST, authority);
        if self.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some((name, value)) = &self.condition {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_name_holds_it_is_one_segment() {
        let ask = Ask::get(&["v1", "services", "a/b?c#d%e", "ü"]).query("after", Some("x/y&z")).query("no", None::<u8>);
        assert_eq!(ask.target, "/v1/services/a%2Fb%3Fc%23d%25e/%C3%BC?after=x%2Fy%26z");
        let ask = Ask::delete(&["v1"]).query("dry_run", Some(true)).waiting(Some(30));
        assert_eq!(ask.target, "/v1?dry_run=true&wait=30");
        assert_eq!(ask.limit(), LIMIT + Duration::from_secs(30));
    }

    #[test]
    fn conditions_are_headers() {
        let header = |ask: Ask, name| ask.request("h").unwrap().headers().get(name).cloned();
        assert_eq!(header(Ask::put(&["v1"]).expecting(Some(7)), header::IF_MATCH).unwrap(), "\"7\"");
        assert_eq!(header(Ask::put(&["v1"]).expecting(None), header::IF_NONE_MATCH).unwrap(), "*");
        assert_eq!(header(Ask::get(&["v1"]), header::CONTENT_TYPE), None);
    }
}
