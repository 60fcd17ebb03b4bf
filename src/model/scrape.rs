//! How a service is to be scraped: what SRV records cannot tell Prometheus, and its own configuration says per job.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::rules::Refusal;

/// How the instances of a service are to be scraped, in Prometheus' own words (`scrape_config` of its documentation).
/// What is absent is as Prometheus' default has it. Nothing of this is published in DNS: rendered scrape
/// configurations and the labels of `http_sd` and `file_sd` have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scrape {
    /// `job_name`, which is the label `job`; the name of the service when absent.
    pub job_name: Option<String>,
    /// `scheme`; HTTP when absent.
    pub scheme: Option<Scheme>,
    /// `metrics_path`, from its slash; `/metrics` when absent.
    pub metrics_path: Option<String>,
    /// `scrape_interval`.
    pub interval: Option<Duration>,
    /// `scrape_timeout`, not longer than the interval when both are there.
    pub timeout: Option<Duration>,
    /// `honor_labels`: labels of the target win, as a Pushgateway and federation need it.
    pub honor_labels: bool,
    /// `params`: the parameters of the URL, each with its values; `match[]` of federation.
    pub params: BTreeMap<String, Vec<String>>,
}

/// With which protocol metrics are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// As in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Scheme {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        match text {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            other => Err(Refusal::from(format!("`scheme` must be \"http\" or \"https\", not \"{other}\""))),
        }
    }
}
