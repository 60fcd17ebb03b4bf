//! A target's address taken apart, and its labels: which say how it is scraped, and which are what is known of it.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use crate::model::prometheus::parse_duration;
use crate::model::rules::Refusal;
use crate::model::{Scheme, Scrape};

/// What a group of targets says beside where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    /// How they are scraped: as the job says, unless their labels say otherwise.
    pub(super) scrape: Scrape,
    /// What is known of them.
    pub(super) metadata: BTreeMap<String, String>,
    /// Labels that only relabelling sees, and the metadata that they became.
    pub(super) guesses: Vec<(String, String)>,
}

impl Own {
    /// From labels, of which Prometheus takes some for itself (`__scheme__`, `__param_module`).
    pub(super) fn of(labels: &BTreeMap<String, String>, scrape: &Scrape) -> Result<Self, Refusal> {
        let mut own = Self { scrape: scrape.clone(), metadata: BTreeMap::new(), guesses: Vec::new() };
        for (label, value) in labels {
            own.take(label, value, labels)?;
        }
        Ok(own)
    }

    /// With labels that relabelling sets: they win.
    pub(super) fn overridden(mut self, set: &BTreeMap<String, String>) -> Self {
        self.guesses.retain(|(_, became)| !set.contains_key(became));
        self.metadata.extend(set.clone());
        self
    }

    fn take(&mut self, label: &str, value: &str, labels: &BTreeMap<String, String>) -> Result<(), Refusal> {
        let Self { scrape, metadata, guesses } = self;
        let duration = || {
            let wrong = || Refusal::from(format!("`{label}` is `{value}`, which is not a length of time"));
            interval(value).ok_or_else(wrong)
        };
        match label {
            // That of a job is its name, and that of a file without one is taken where the service is named.
            "job" | "__address__" => {}
            "__scheme__" => scrape.scheme = Some(value.parse()?),
            "__metrics_path__" => {
                if !value.starts_with('/') || value.contains(['?', '#']) {
                    return Err(Refusal::from(format!("`{label}` is `{value}`, which is no path")));
                }
                scrape.metrics_path = Some(value.to_owned());
            }
            "__scrape_interval__" => scrape.interval = Some(duration()?),
            "__scrape_timeout__" => scrape.timeout = Some(duration()?),
            _ => {
                if let Some(name) = label.strip_prefix("__param_") {
                    scrape.params.insert(name.to_owned(), vec![value.to_owned()]);
                } else if let Some(hidden) = label.strip_prefix("__") {
                    let name = hidden.strip_prefix("meta_").unwrap_or(hidden).trim_matches('_');
                    if !name.is_empty() && !labels.contains_key(name) {
                        guesses.push((label.to_owned(), name.to_owned()));
                        metadata.insert(name.to_owned(), value.to_owned());
                    }
                } else if !value.is_empty() {
                    metadata.insert(label.to_owned(), value.to_owned());
                }
            }
        }
        Ok(())
    }
}

/// Host and port of a target, with what was guessed about the port.
pub(super) fn split(address: &str, scheme: Option<Scheme>) -> Result<(&str, NonZeroU16, Option<String>), Refusal> {
    if address.contains('/') {
        let message = format!("`{address}` is no host and port: a probe's target, which SRV records cannot tell");
        return Err(Refusal::with_help(
            message,
            "leave it in Prometheus, and import the exporter that is asked for it",
        ));
    }
    let is_v6 = address.matches(':').count() > 1 && !address.starts_with('[');
    let parts = address.rsplit_once(':').filter(|(_, digits)| !is_v6 && !digits.ends_with(']'));
    let Some((host, digits)) = parts else {
        let port = if scheme == Some(Scheme::Https) { 443 } else { 80 };
        let port = NonZeroU16::new(port).ok_or_else(|| Refusal::from("no port".to_owned()))?;
        return Ok((address, port, Some(format!("says no port: {port}, as Prometheus takes it"))));
    };
    let wrong = || Refusal::from(format!("`{digits}` in `{address}` is no port from 1 to 65535"));
    let port = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    Ok((host, port.and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?, None))
}

/// As Prometheus has it written, up to the day that an interval may be.
fn interval(text: &str) -> Option<Duration> {
    const MOST: Duration = Duration::from_hours(24);
    parse_duration(text).filter(|length| !length.is_zero() && *length <= MOST)
}
