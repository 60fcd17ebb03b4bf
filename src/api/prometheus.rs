//! A Prometheus as a server: what it scrapes, and its configuration.
//!
//! Formats: <https://prometheus.io/docs/prometheus/latest/querying/api/>, "Targets" and "Config".
//! vmagent answers alike.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use data_encoding::BASE64;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client::{ApiError, Ask, Client, Credentials};

/// How long it may take: it writes a megabyte for a thousand targets.
const LIMIT: Duration = Duration::from_secs(30);

/// How to show who asks.
#[derive(Debug, Clone, Copy)]
pub enum Secret<'p> {
    /// A token.
    Token(&'p Path),
    /// `user:password`.
    Password(&'p Path),
}

/// One target that it scrapes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveTarget {
    /// What discovery said of it, `__address__` and `__meta_…` among it.
    #[serde(default)]
    pub discovered_labels: BTreeMap<String, String>,
    /// The labels that its series get.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The name of the job, whatever the label says.
    #[serde(default)]
    pub scrape_pool: String,
    /// What is scraped.
    #[serde(default)]
    pub scrape_url: String,
    /// How often, as Prometheus writes it; vmagent does not say.
    #[serde(default)]
    pub scrape_interval: String,
    /// For how long.
    #[serde(default)]
    pub scrape_timeout: String,
}

/// Somebody who can be asked.
pub struct Prometheus {
    url: String,
    /// Segments before `api`, where it is not at the root.
    prefix: Vec<String>,
    client: Client,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Targets {
    active_targets: Vec<LiveTarget>,
}

#[derive(Deserialize)]
struct Written {
    yaml: String,
}

impl Prometheus {
    /// `http://HOST:PORT`, with a path where it is behind one.
    ///
    /// # Errors
    /// When that is no such address, or a file that is needed cannot be read, in words.
    pub fn new(url: &str, ca_file: Option<&Path>, secret: Option<Secret<'_>>) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let credentials = Credentials { ca_file: ca_file.map(Path::to_owned), certificate: None };
        let client = Client::remote(&format!("{scheme}://{authority}"), &credentials);
        let client = client.map_err(|why| {
            let is_url = why.contains("is not the address of a server");
            let wrong = || format!("`{url}` is not the address of a Prometheus: write it as http://HOST:PORT");
            if is_url { wrong() } else { why }
        })?;
        let client = match secret {
            None => client,
            Some(secret) => client.with_authorization(&header(secret)?)?,
        };
        let prefix = path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
        Ok(Self { url: url.to_owned(), prefix, client })
    }

    /// Everything that it scrapes now.
    ///
    /// # Errors
    /// When it gives no such answer in time, in words.
    pub async fn targets(&mut self) -> Result<Vec<LiveTarget>, String> {
        let path = ["api", "v1", "targets"];
        let answer = self.get(&path, Some(("state", "active"))).await;
        answer.map(|Targets { active_targets }| active_targets).map_err(|error| self.told(&path, &error))
    }

    /// The configuration that is in force, secrets blacked out; without the files of `scrape_config_files`. None of one
    /// that has no such page.
    ///
    /// # Errors
    /// When it gives no such answer in time, in words.
    pub async fn configuration(&mut self) -> Result<Option<String>, String> {
        let path = ["api", "v1", "status", "config"];
        match self.get(&path, None).await {
            Ok(Written { yaml }) => Ok(Some(yaml)),
            Err(ApiError::Answer { status: Some(404), .. }) => Ok(None),
            Err(error) => Err(self.told(&path, &error)),
        }
    }

    async fn get<T: DeserializeOwned>(&mut self, path: &[&str], query: Option<(&str, &str)>) -> Result<T, ApiError> {
        let segments: Vec<_> = self.prefix.iter().map(String::as_str).chain(path.iter().copied()).collect();
        let ask = query.into_iter().fold(Ask::get(&segments), |ask, (key, value)| ask.query(key, Some(value)));
        self.client.ask::<Envelope<T>>(ask.within(LIMIT)).await.map(|envelope| envelope.data)
    }

    fn told(&self, path: &[&str], error: &ApiError) -> String {
        match error {
            ApiError::Answer { why, .. } => format!("{} gave no usable answer at /{}: {why}", self.url, path.join("/")),
            other => other.to_string(),
        }
    }
}

/// The value of the header.
fn header(secret: Secret<'_>) -> Result<String, String> {
    let (Secret::Token(path) | Secret::Password(path)) = secret;
    let text = std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    match secret {
        Secret::Token(_) => Ok(format!("Bearer {text}")),
        Secret::Password(_) if text.contains(':') => Ok(format!("Basic {}", BASE64.encode(text.as_bytes()))),
        Secret::Password(_) => Err(format!("{} does not hold `user:password`", path.display())),
    }
}
