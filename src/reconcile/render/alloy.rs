//! The configuration of Grafana Alloy.
//!
//! Format: `docs/sources/get-started/syntax.md` and `docs/sources/reference/components/**` of grafana/alloy, for
//! `discovery.dns`, `discovery.http`, `discovery.file`, `discovery.relabel`, `prometheus.scrape` and
//! `prometheus.remote_write`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::job::{Discovery, Job};
use super::labels::{self, Rule};
use super::{Request, duration, header, quote, yaml};

/// Where metrics go when nobody says.
const RECEIVER: &str = "prometheus.remote_write.default.receiver";

/// Alloy's default `scrape_timeout`, which, unlike Prometheus, it does not shorten for a shorter interval.
const USUAL_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn document(jobs: &[Job], request: &Request) -> String {
    let receiver = request.forward_to.as_deref().unwrap_or(RECEIVER);
    let needs = format!("Needs {receiver}, which another file defines; `--remote-write URL` writes it here.");
    let about: &[&str] = if request.remote_write.is_some() { &[] } else { &[&needs] };
    let mut text = header("//", request, about);
    let mut taken = BTreeSet::new();
    for job in jobs {
        let label = identifier(&job.name, &mut taken);
        text.push('\n');
        yaml::comment(&job.about, "//", 0, &mut text);
        let (component, attributes) = discovery(&job.discovery);
        block(&mut text, &format!("{component} \"{label}\""), &attributes, &[]);
        let mut targets = format!("{component}.{label}.targets");
        if !job.rules.is_empty() {
            let rules: Vec<_> = job.rules.iter().map(rule).collect();
            text.push('\n');
            block(&mut text, &format!("discovery.relabel \"{label}\""), &[("targets", targets)], &rules);
            targets = format!("discovery.relabel.{label}.output");
        }
        text.push('\n');
        block(&mut text, &format!("prometheus.scrape \"{label}\""), &scrape(job, targets, receiver), &[]);
    }
    if let Some(url) = &request.remote_write {
        let endpoint = ("endpoint", vec![("url", string(url))]);
        text.push('\n');
        block(&mut text, "prometheus.remote_write \"default\"", &[], &[endpoint]);
    }
    text
}

type Attributes = Vec<(&'static str, String)>;

/// A block with attributes, their signs below each other as `alloy fmt` has them, and blocks in it.
fn block(text: &mut String, head: &str, attributes: &[(&str, String)], inner: &[(&str, Attributes)]) {
    let _ = writeln!(text, "{head} {{");
    lines(text, "  ", attributes);
    for (number, (head, attributes)) in inner.iter().enumerate() {
        if number > 0 || !attributes.is_empty() && !text.ends_with("{\n") {
            text.push('\n');
        }
        let _ = writeln!(text, "  {head} {{");
        lines(text, "    ", attributes);
        text.push_str("  }\n");
    }
    text.push_str("}\n");
}

fn lines(text: &mut String, indent: &str, attributes: &[(&str, String)]) {
    let width = attributes.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    for (key, value) in attributes {
        let _ = writeln!(text, "{indent}{key:width$} = {value}");
    }
}

fn discovery(discovery: &Discovery) -> (&'static str, Attributes) {
    match discovery {
        Discovery::Dns { names, refresh } => {
            let attributes = vec![
                ("names", array(names)),
                ("type", string("SRV")),
                ("refresh_interval", string(&duration(*refresh))),
            ];
            ("discovery.dns", attributes)
        }
        Discovery::Http { url, refresh } => {
            ("discovery.http", vec![("url", string(url)), ("refresh_interval", string(&duration(*refresh)))])
        }
        Discovery::File { path } => ("discovery.file", vec![("files", array(std::slice::from_ref(path)))]),
    }
}

fn rule(rule: &Rule) -> (&'static str, Attributes) {
    let attributes = match rule {
        Rule::Set { label, value } => {
            vec![("target_label", string(label)), ("replacement", string(&labels::replacement(value)))]
        }
        Rule::SetAt { label, value, targets } => vec![
            ("source_labels", "[\"__address__\"]".to_owned()),
            ("regex", string(&labels::regex(targets))),
            ("target_label", string(label)),
            ("replacement", string(&labels::replacement(value))),
        ],
        Rule::Instance => {
            vec![("source_labels", "[\"__address__\"]".to_owned()), ("target_label", string("instance"))]
        }
        Rule::Restore => vec![("action", string("labelmap")), ("regex", string(labels::RESTORED))],
    };
    ("rule", attributes)
}

fn scrape(job: &Job, targets: String, receiver: &str) -> Attributes {
    let scrape = &job.scrape;
    let mut attributes =
        vec![("targets", targets), ("forward_to", format!("[{receiver}]")), ("job_name", string(&job.name))];
    let mut add = |key, value: Option<String>| attributes.extend(value.map(|value| (key, value)));
    add("honor_labels", scrape.honor_labels.then(|| "true".to_owned()));
    let limit = scrape.timeout.or(scrape.interval.filter(|interval| *interval < USUAL_TIMEOUT));
    add("scrape_interval", scrape.interval.map(|interval| string(&duration(interval))));
    add("scrape_timeout", limit.map(|limit| string(&duration(limit))));
    add("scheme", scrape.scheme.map(|scheme| string(scheme.as_str())));
    add("metrics_path", scrape.metrics_path.as_deref().map(string));
    let params: Vec<_> =
        scrape.params.iter().map(|(key, values)| format!("{} = {}", string(key), array(values))).collect();
    add("params", (!params.is_empty()).then(|| format!("{{ {} }}", params.join(", "))));
    attributes
}

fn string(text: &str) -> String {
    quote::double(text, &[])
}

/// One line for one, a line for each of several.
fn array(texts: &[String]) -> String {
    match texts {
        [one] => format!("[{}]", string(one)),
        several => {
            let lines: Vec<_> = several.iter().map(|text| format!("    {},\n", string(text))).collect();
            format!("[\n{}  ]", lines.concat())
        }
    }
}

/// A label that no other component has: letters, digits and underscores, no digit first.
fn identifier(name: &str, taken: &mut BTreeSet<String>) -> String {
    let word: String = name
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' })
        .collect();
    let word = if word.starts_with(|first: char| first.is_ascii_digit()) { format!("_{word}") } else { word };
    let mut fresh = word.clone();
    let mut number = 1;
    while !taken.insert(fresh.clone()) {
        number += 1;
        fresh = format!("{word}_{number}");
    }
    fresh
}
