//! A job as a Prometheus `scrape_config`, which vmagent, the Grafana Agent and the OpenTelemetry collector read too.
//!
//! Format: <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#scrape_config>.

use super::duration;
use super::job::{Discovery, Job};
use super::labels::{self, Rule};
use super::yaml::{Entry, Item, Node};

/// Where readers differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader {
    /// Whether `refresh_interval` is known there; vmagent refuses the file.
    pub(super) knows_refresh: bool,
    /// Whether `{{label}}` in a replacement is filled in, as vmagent does.
    pub(super) fills_in_labels: bool,
}

/// What Prometheus does.
pub(super) const PROMETHEUS: Reader = Reader { knows_refresh: true, fills_in_labels: false };

/// What vmagent does.
pub(super) const VMAGENT: Reader = Reader { knows_refresh: false, fills_in_labels: true };

/// All jobs, as the list under `scrape_configs`.
pub(super) fn list(jobs: &[Job], reader: Reader) -> Node {
    Node::List(jobs.iter().map(|job| Item { comment: job.about.clone(), node: config(job, reader) }).collect())
}

fn config(job: &Job, reader: Reader) -> Node {
    let scrape = &job.scrape;
    let mut entries = vec![Entry::new("job_name", Node::text(&job.name))];
    let mut add = |key, node: Option<Node>| entries.extend(node.map(|node| Entry::new(key, node)));
    add("honor_labels", scrape.honor_labels.then(|| Node::word("true")));
    add("scrape_interval", scrape.interval.map(|interval| Node::word(duration(interval))));
    add("scrape_timeout", scrape.timeout.map(|timeout| Node::word(duration(timeout))));
    add("scheme", scrape.scheme.map(|scheme| Node::word(scheme.as_str())));
    add("metrics_path", scrape.metrics_path.as_ref().map(Node::text));
    let params = scrape.params.iter().map(|(key, values)| Entry {
        comment: Vec::new(),
        key: Node::text(key),
        node: Node::list(values.iter().map(Node::text)),
    });
    add("params", (!scrape.params.is_empty()).then(|| Node::Map(params.collect())));
    let (key, discovery) = discovery(&job.discovery, reader);
    add(key, Some(Node::list([discovery])));
    let rules = job.rules.iter().map(|rule| relabel(rule, reader));
    add("relabel_configs", (!job.rules.is_empty()).then(|| Node::list(rules)));
    Node::Map(entries)
}

fn discovery(discovery: &Discovery, reader: Reader) -> (&'static str, Node) {
    let (key, mut map, refresh) = match discovery {
        Discovery::Dns { names, refresh } => {
            let names = Node::list(names.iter().map(Node::text));
            ("dns_sd_configs", vec![("names", names), ("type", Node::word("SRV"))], Some(refresh))
        }
        Discovery::Http { url, refresh } => ("http_sd_configs", vec![("url", Node::text(url))], Some(refresh)),
        Discovery::File { path } => ("file_sd_configs", vec![("files", Node::list([Node::text(path)]))], None),
    };
    if let Some(refresh) = refresh.filter(|_| reader.knows_refresh) {
        map.push(("refresh_interval", Node::word(duration(*refresh))));
    }
    (key, Node::map(map))
}

fn relabel(rule: &Rule, reader: Reader) -> Node {
    match rule {
        Rule::Set { label, value } => {
            Node::map([("target_label", Node::text(label)), ("replacement", replacement(value, reader))])
        }
        Rule::SetAt { label, value, targets } => Node::map([
            ("source_labels", Node::list([Node::word("__address__")])),
            ("regex", Node::text(labels::regex(targets))),
            ("target_label", Node::text(label)),
            ("replacement", replacement(value, reader)),
        ]),
        Rule::Instance => Node::map([
            ("source_labels", Node::list([Node::word("__address__")])),
            ("target_label", Node::text("instance")),
        ]),
        Rule::Restore => Node::map([("action", Node::word("labelmap")), ("regex", Node::text(labels::RESTORED))]),
    }
}

fn replacement(value: &str, reader: Reader) -> Node {
    let text = labels::replacement(value);
    if reader.fills_in_labels && text.contains("{{") {
        // An empty group between the braces: what vmagent looks for is not there, and what it gives is the value.
        return Node::text(text.replace("{{", "{${1}{").replace("{{", "{${1}{"));
    }
    Node::text(text)
}
