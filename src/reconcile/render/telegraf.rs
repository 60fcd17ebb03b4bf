//! The configuration of Telegraf, which looks no SRV records up: its Prometheus input asks over HTTP.
//!
//! Format: `plugins/inputs/prometheus/README.md`, `plugins/processors/regex/README.md` and `docs/CONFIGURATION.md` of
//! influxdata/telegraf, version 1.35 or later. It takes `host:port` over plain HTTP at `/metrics` whatever the labels
//! say (`plugins/inputs/prometheus/http_service_discovery.go`), so that other services are listed as URLs.

use std::fmt::Write as _;
use std::time::Duration;

use super::job::{Discovery, Job};
use super::labels::{self, Rule};
use super::{Request, duration, header, quote, yaml};
use crate::model::{Scheme, Scrape};
use crate::protocol::uri::percent_encoded;

/// Labels of discovery that become no tags; metadata does, see [`restore`].
const EXCLUDED: &str = r#"["__[!m]*", "__meta_url", "__meta_srvctl_[!m]*"]"#;

pub(super) fn document(jobs: &[Job], request: &Request) -> String {
    let about = [
        "For a file in `telegraf.d`; Telegraf 1.35 or later. Telegraf looks no SRV records up: it asks srvctl over HTTP, and",
        "keeps what it has while nobody answers.",
    ];
    let mut text = header("#", request, &about);
    let mut asks = false;
    for job in jobs {
        text.push('\n');
        yaml::comment(&job.about, "#", 0, &mut text);
        match &job.discovery {
            Discovery::Http { url, refresh } if is_plain(&job.scrape) => {
                asks = true;
                asking(&mut text, job, url, *refresh);
            }
            _ => listing(&mut text, job),
        }
    }
    if asks {
        text.push_str(&restore());
    }
    text
}

/// Whether Telegraf scrapes it rightly when it knows no more than host and port.
fn is_plain(scrape: &Scrape) -> bool {
    let path = scrape.metrics_path.as_deref();
    scrape.scheme != Some(Scheme::Https) && path.is_none_or(|path| path == "/metrics") && scrape.params.is_empty()
}

/// A job whose targets come from srvctl.
fn asking(text: &mut String, job: &Job, url: &str, refresh: Duration) {
    input(text, job, None);
    let _ = writeln!(text, "  tagexclude = {EXCLUDED}");
    text.push_str("  [inputs.prometheus.http_service_discovery]\n    enabled = true\n");
    let _ = writeln!(text, "    url = {}", string(url));
    let _ = writeln!(text, "    query_interval = {}", string(&duration(refresh)));
    let _ = writeln!(text, "  [inputs.prometheus.tags]\n    job = {}", string(&job_label(job)));
}

/// A job with the targets that it has now.
fn listing(text: &mut String, job: &Job) {
    let why = [
        "Scheme, path and parameters cannot be told over HTTP: these are the instances of now, without labels of single",
        "ones. `srvctl render telegraf --check` says when that has changed.",
    ];
    yaml::comment(&why.map(str::to_owned), "#", 0, text);
    input(text, job, Some(&urls(job)));
    let _ = writeln!(text, "  [inputs.prometheus.tags]\n    job = {}", string(&job_label(job)));
    for rule in &job.rules {
        if let Rule::Set { label, value } = rule
            && label != "job"
        {
            let _ = writeln!(text, "    {label} = {}", string(value));
        }
    }
}

/// A `$` would be a variable to Telegraf, which [`string`] knows.
fn restore() -> String {
    let pattern = string(&format!("^{}$", labels::RESTORED));
    let replacement = string("${1}");
    format!(
        "\n# Metadata becomes tags again.\n[[processors.regex]]\n  [[processors.regex.tag_rename]]\n    pattern = {pattern}\n    \
         replacement = {replacement}\n    result_key = \"overwrite\"\n"
    )
}

fn input(text: &mut String, job: &Job, urls: Option<&[String]>) {
    let _ = writeln!(text, "[[inputs.prometheus]]\n  alias = {}", string(&job.name));
    if let Some(urls) = urls {
        let list: Vec<_> = urls.iter().map(|url| format!("    {},\n", string(url))).collect();
        let _ = writeln!(text, "  urls = [\n{}  ]", list.concat());
    }
    text.push_str("  metric_version = 2\n");
    if let Some(interval) = job.scrape.interval {
        let _ = writeln!(text, "  interval = {}", string(&duration(interval)));
    }
    if let Some(timeout) = job.scrape.timeout {
        let _ = writeln!(text, "  timeout = {}", string(&duration(timeout)));
    }
}

/// What `job` is in Prometheus.
fn job_label(job: &Job) -> String {
    let set = job.rules.iter().find_map(|rule| match rule {
        Rule::Set { label, value } if label == "job" => Some(value),
        _ => None,
    });
    set.unwrap_or(&job.name).clone()
}

fn urls(job: &Job) -> Vec<String> {
    let scrape = &job.scrape;
    let scheme = scrape.scheme.unwrap_or(Scheme::Http);
    let path = scrape.metrics_path.as_deref().unwrap_or("/metrics");
    let pairs = scrape.params.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
    let query: Vec<_> =
        pairs.map(|(key, value)| format!("{}={}", percent_encoded(key), percent_encoded(value))).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    job.addresses.iter().map(|address| format!("{scheme}://{address}{path}{query}")).collect()
}

fn string(text: &str) -> String {
    quote::double(text, &['$'])
}
