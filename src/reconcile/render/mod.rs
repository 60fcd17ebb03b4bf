//! Scrape configuration for whoever discovers targets through us: from services to documents that can be run.
//!
//! What DNS cannot tell (labels, paths, intervals) stands in the document; who the targets are does not, so that it stays
//! right when they change.

mod agent;
mod alloy;
mod collector;
mod job;
mod labels;
mod prometheus;
mod quote;
mod scrape_config;
mod telegraf;
mod thanos;
mod vmagent;
mod yaml;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::model::{Name, Service, ServiceKey};

/// Whose configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumer {
    /// Prometheus.
    Prometheus,
    /// vmagent, and `VictoriaMetrics` itself.
    Vmagent,
    /// Grafana Alloy.
    Alloy,
    /// The Grafana Agent in its static mode.
    GrafanaAgent,
    /// The OpenTelemetry collector.
    OtelCollector,
    /// Thanos Query.
    Thanos,
    /// Telegraf.
    Telegraf,
}

impl Consumer {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Prometheus,
        Self::Vmagent,
        Self::Alloy,
        Self::GrafanaAgent,
        Self::OtelCollector,
        Self::Thanos,
        Self::Telegraf,
    ];

    /// As it is called on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus",
            Self::Vmagent => "vmagent",
            Self::Alloy => "alloy",
            Self::GrafanaAgent => "grafana-agent",
            Self::OtelCollector => "otel-collector",
            Self::Thanos => "thanos",
            Self::Telegraf => "telegraf",
        }
    }

    /// Whether a service is for it when nobody says which: what is scraped is spoken to over TCP, and Thanos speaks to
    /// its own components.
    pub fn takes(self, service: &ServiceKey) -> bool {
        let is_thanos = service.name.to_ascii_lowercase().starts_with("thanos");
        service.proto == "tcp" && (self != Self::Thanos || is_thanos)
    }

    /// Whether it can look SRV records up.
    pub fn knows_srv(self) -> bool {
        self != Self::Telegraf
    }

    /// Whether it takes targets over HTTP, or from files in Prometheus' format.
    pub fn takes_targets(self, from_files: bool) -> bool {
        match self {
            Self::Thanos => false,
            Self::Telegraf => !from_files,
            _ => true,
        }
    }

    /// Whether it writes what it scrapes to somewhere else, so that its document has to say where.
    pub fn writes_on(self) -> bool {
        matches!(self, Self::Alloy | Self::GrafanaAgent | Self::OtelCollector)
    }

    /// Whether its document has a list of Prometheus' scrape jobs in it.
    pub fn has_scrape_configs(self) -> bool {
        matches!(self, Self::Prometheus | Self::Vmagent | Self::GrafanaAgent | Self::OtelCollector)
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Consumer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|consumer| consumer.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no consumer; there are {}", all()))
    }
}

/// How the targets get to the consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// SRV records.
    Dns,
    /// `http_sd`.
    Http {
        /// Where srvctl's discovery listens, without the path.
        url: String,
    },
    /// `file_sd`.
    File {
        /// The files, in which `{service}` stands for the name of the service.
        path: String,
    },
}

/// A service, and what the configuration and the zone say of it.
#[derive(Debug, Clone)]
pub struct Scraped<'s> {
    /// Which.
    pub service: &'s Service,
    /// The names that it is looked up under; not needed unless that is by DNS.
    pub names: Vec<Name>,
    /// TTL of its records, seconds.
    pub ttl: u32,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose configuration.
    pub consumer: Consumer,
    /// How the targets get there.
    pub via: Via,
    /// How often the consumer asks for them; what goes with the TTL when absent.
    pub refresh: Option<Duration>,
    /// Where it writes what it scraped, when it does that.
    pub remote_write: Option<String>,
    /// Alloy's receiver.
    pub forward_to: Option<String>,
    /// What the names of jobs end with, so that they can stand beside those of static targets; and with them the label.
    pub job_suffix: Option<String>,
    /// Only the list of scrape jobs.
    pub fragment: bool,
    /// The command, for the first line.
    pub command: String,
}

impl Request {
    /// A whole document, of which nothing else is said.
    pub fn plain(consumer: Consumer, via: Via) -> Self {
        Self {
            consumer,
            via,
            refresh: None,
            remote_write: None,
            forward_to: None,
            job_suffix: None,
            fragment: false,
            command: String::new(),
        }
    }
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Lines.
    pub text: String,
    /// What whoever asked for it should know, one sentence each.
    pub warnings: Vec<String>,
}

/// The document for these services. Depends on nothing else, so that it changes only when they do.
pub fn render(services: &[Scraped<'_>], request: &Request) -> Document {
    let (jobs, warnings) = job::jobs(services, request);
    let text = match request.consumer {
        Consumer::Prometheus => prometheus::document(&jobs, request),
        Consumer::Vmagent => vmagent::document(&jobs, request),
        Consumer::Alloy => alloy::document(&jobs, request),
        Consumer::GrafanaAgent => agent::document(&jobs, request),
        Consumer::OtelCollector => collector::document(&jobs, request),
        Consumer::Thanos => thanos::document(&jobs, request),
        Consumer::Telegraf => telegraf::document(&jobs, request),
    };
    Document { text, warnings }
}

/// A comment with the command, and these lines. Those that are empty part paragraphs.
fn header(mark: &str, request: &Request, lines: &[&str]) -> String {
    let gap = if lines.is_empty() { &[][..] } else { &[""] };
    let rest = gap.iter().chain(lines).map(|&line| line.to_owned());
    let all: Vec<_> = std::iter::once(format!("Made by: {}", request.command)).chain(rest).collect();
    let mut header = String::new();
    yaml::comment(&all, mark, 0, &mut header);
    header
}

/// A length of time as every consumer reads it: one number with the longest unit that leaves nothing over.
pub fn duration(length: Duration) -> String {
    let milliseconds = length.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let (each, unit) = units.into_iter().find(|(each, _)| milliseconds.is_multiple_of(*each)).unwrap_or((1, "ms"));
    format!("{}{unit}", milliseconds / each)
}

#[cfg(test)]
mod tests;
