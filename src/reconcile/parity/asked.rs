//! How a target is asked for its metrics: as the job says, unless its labels say otherwise (prometheus
//! `scrape/target.go`, `PopulateLabels` and `Target.URL`).

use std::collections::BTreeMap;
use std::time::Duration;

use super::relabel::Labels;
use crate::model::Scheme;
use crate::model::prometheus::{Job, format_duration, parse_duration};

/// Prometheus' own defaults.
const INTERVAL: Duration = Duration::from_mins(1);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Labels that say it, which every target has before it is relabelled.
const SCHEME: &str = "__scheme__";
const METRICS_PATH: &str = "__metrics_path__";
const SCRAPE_INTERVAL: &str = "__scrape_interval__";
const SCRAPE_TIMEOUT: &str = "__scrape_timeout__";
const PARAMETER: &str = "__param_";

/// `scrape_interval` and `scrape_timeout` of `global`.
pub type Defaults = (Option<Duration>, Option<Duration>);

/// How one target is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// `http`, `https`; whatever was written.
    pub scheme: String,
    /// From its slash.
    pub path: String,
    /// The parameters of the URL.
    pub params: BTreeMap<String, Vec<String>>,
    /// How often, as Prometheus writes it.
    pub interval: String,
    /// For how long, as Prometheus writes it.
    pub timeout: String,
}

impl Asked {
    /// What a job says of targets that say nothing themselves.
    pub fn of_job(job: &Job, (interval, timeout): Defaults) -> Self {
        let scrape = &job.scrape;
        let interval = scrape.interval.or(interval).unwrap_or(INTERVAL);
        let timeout = scrape.timeout.or(timeout).unwrap_or(TIMEOUT).min(interval);
        let params = scrape.params.iter().filter(|(_, values)| !values.is_empty());
        Self {
            scheme: scrape.scheme.unwrap_or(Scheme::Http).to_string(),
            path: from_slash(scrape.metrics_path.as_deref().unwrap_or("/metrics")),
            params: params.map(|(name, values)| (name.clone(), values.clone())).collect(),
            interval: format_duration(interval),
            timeout: format_duration(timeout),
        }
    }

    /// Gives a target the labels before it is relabelled.
    pub(super) fn label(&self, labels: &mut Labels) {
        let all = [
            (SCHEME, &self.scheme),
            (METRICS_PATH, &self.path),
            (SCRAPE_INTERVAL, &self.interval),
            (SCRAPE_TIMEOUT, &self.timeout),
        ];
        for (name, value) in all {
            labels.entry(name.to_owned()).or_insert_with(|| value.clone());
        }
        // Unlike the others, parameters do not give way to what discovery says.
        for (name, values) in &self.params {
            labels.extend(values.first().map(|first| (format!("{PARAMETER}{name}"), first.clone())));
        }
    }

    /// What has become of it: of a parameter only the first value is a label.
    pub(super) fn relabelled(&self, labels: &Labels) -> Self {
        let text = |label: &str| labels.get(label).cloned().unwrap_or_default();
        let mut params = self.params.clone();
        for (label, value) in labels {
            let Some(name) = label.strip_prefix(PARAMETER) else { continue };
            match params.entry(name.to_owned()).or_default() {
                none if none.is_empty() => none.push(value.clone()),
                values => values[0].clone_from(value),
            }
        }
        Self {
            scheme: text(SCHEME),
            path: from_slash(&text(METRICS_PATH)),
            params,
            interval: normal(&text(SCRAPE_INTERVAL)),
            timeout: normal(&text(SCRAPE_TIMEOUT)),
        }
    }

    /// What Prometheus says of a target, as far as it does: the URL, interval and time-out; the rest stays.
    #[must_use]
    pub fn told(mut self, url: &str, interval: &str, timeout: &str) -> Self {
        if let Some((scheme, rest)) = url.split_once("://") {
            let rest = rest.split('#').next().unwrap_or_default();
            let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
            let path = before.split_once('/').map_or("", |(_, path)| path);
            let pairs = query.split('&').filter(|pair| !pair.is_empty());
            scheme.clone_into(&mut self.scheme);
            self.path = from_slash(&decoded(path));
            self.params = BTreeMap::new();
            for pair in pairs {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                let decoded = |text: &str| decoded(&text.replace('+', " "));
                self.params.entry(decoded(name)).or_default().push(decoded(value));
            }
        }
        for (own, told) in [(&mut self.interval, interval), (&mut self.timeout, timeout)] {
            if !told.is_empty() {
                *own = normal(told);
            }
        }
        self
    }

    /// In how many settings they differ.
    pub(super) fn differences(&self, other: &Self) -> usize {
        let of = |differs: bool| usize::from(differs);
        of(self.scheme != other.scheme)
            + of(self.path != other.path)
            + of(self.params != other.params)
            + of(self.interval != other.interval)
            + of(self.timeout != other.timeout)
    }

    /// Everything, as it is compared and shown.
    pub(super) fn settings(&self) -> [(&'static str, String); 5] {
        let params: Vec<_> = self.params.iter().map(|(key, values)| format!("{key}={}", values.join(","))).collect();
        [
            ("scheme", self.scheme.clone()),
            ("metrics_path", self.path.clone()),
            ("params", params.join(" ")),
            ("scrape_interval", self.interval.clone()),
            ("scrape_timeout", self.timeout.clone()),
        ]
    }
}

fn from_slash(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// The same length in the same letters; what is none stays what it is.
fn normal(text: &str) -> String {
    parse_duration(text).map_or_else(|| text.to_owned(), format_duration)
}

/// `%2F` as what it stands for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let escaped = match after {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Place;

    #[test]
    fn a_url_says_how_it_is_asked() {
        let job = Job::new("job".to_owned(), Place { file: "f".into(), line: 1, column: 1 });
        let plain = Asked::of_job(&job, (None, None));
        let told = |url: &str| plain.clone().told(url, "60s", "").settings().map(|(_, value)| value).join(" | ");
        assert_eq!(told("http://a:80/metrics"), "http | /metrics |  | 1m | 10s");
        assert_eq!(
            told("https://u:p@[::1]:9/a%20b%3F/c?m=1&m=x+%2B%C3%BC&n"),
            "https | /a b?/c | m=1,x +ü n= | 1m | 10s"
        );
        assert_eq!(told("http://a:80"), "http | / |  | 1m | 10s");
        assert_eq!(told("http://a:80/%zz%4"), "http | /%zz%4 |  | 1m | 10s");
        assert_eq!(plain.clone().told("", "", ""), plain);
    }
}
