//! From services to scrape jobs: what every consumer's document is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::labels::{self, Labels, Rule};
use super::{Consumer, Request, Scraped, Via};
use crate::model::{Scrape, Service, ServiceKey};
use crate::protocol::uri::percent_encoded;

/// Prometheus hands on what discovery finds every five seconds at most.
const SHORTEST_REFRESH: u64 = 5;

/// Prometheus' own default, seconds.
const USUAL_REFRESH: u64 = 30;

/// Whoever waits longer for a change would not call it discovery.
const LONGEST_REFRESH: u64 = 300;

/// Prometheus' default `scrape_interval`.
const USUAL_INTERVAL: Duration = Duration::from_mins(1);

/// One job: one service, in one zone.
#[derive(Debug)]
pub(super) struct Job {
    /// `job_name`: no other job has it.
    pub(super) name: String,
    /// Comment: what it is about.
    pub(super) about: Vec<String>,
    pub(super) discovery: Discovery,
    pub(super) scrape: Scrape,
    pub(super) rules: Vec<Rule>,
    /// `host:port` of every instance, sorted.
    pub(super) addresses: Vec<String>,
}

/// Where a job's targets come from.
#[derive(Debug)]
pub(super) enum Discovery {
    /// SRV records at these names, each with its final dot.
    Dns { names: Vec<String>, refresh: Duration },
    /// srvctl's `http_sd`.
    Http { url: String, refresh: Duration },
    /// A `file_sd` file that srvctl writes.
    File { path: String },
}

/// All jobs, sorted by name, and what whoever renders them should know.
pub(super) fn jobs(services: &[Scraped<'_>], request: &Request) -> (Vec<Job>, Vec<String>) {
    let mut warnings = Vec::new();
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    for scraped in services {
        *wanted.entry(wanted_name(scraped.service, request)).or_default() += 1;
    }
    let mut taken: BTreeSet<String> =
        wanted.iter().filter(|(_, times)| **times == 1).map(|(name, _)| name.clone()).collect();
    let mut jobs: Vec<Job> = Vec::new();
    for scraped in services {
        let label = wanted_name(scraped.service, request);
        let mut name = label.clone();
        if wanted[&label] > 1 {
            name = format!("{label}/{}", scraped.service.key.to_string().trim_end_matches('.'));
            while !taken.insert(name.clone()) {
                name.push('\'');
            }
        }
        let job = job(scraped, request, (name, label), &mut warnings);
        jobs.push(job);
    }
    jobs.sort_by(|one, other| one.name.cmp(&other.name));
    (jobs, warnings)
}

/// The label `job` that a service's targets shall have.
fn wanted_name(service: &Service, request: &Request) -> String {
    let said = service.scrape.as_ref().and_then(|scrape| scrape.job_name.clone());
    said.unwrap_or_else(|| service.key.name.clone()) + request.job_suffix.as_deref().unwrap_or_default()
}

fn job(scraped: &Scraped<'_>, request: &Request, (name, label): (String, String), warnings: &mut Vec<String>) -> Job {
    let service = scraped.service;
    let discovery = discovery(scraped, request);
    let mut about = vec![headline(scraped, &discovery)];
    let scrape = scrape(service, request.consumer, &mut about, warnings);
    let labels = match &discovery {
        Discovery::Dns { .. } => Labels::of_instances(service),
        _ if request.consumer == Consumer::Telegraf => Labels::of_service(service),
        _ => Labels::brought_along(service, &label),
    };
    let mut rules = Vec::new();
    let is_told = |rule: &Rule| matches!(rule, Rule::Set { label, .. } if label == "job");
    if name != label && !labels.rules.iter().any(is_told) {
        rules.push(Rule::Set { label: "job".to_owned(), value: label });
    }
    rules.extend(labels.rules);
    let has_site = rules.iter().any(|rule| matches!(rule, Rule::Set { label, .. } if label == "site"));
    if is_federation(service) && !has_site {
        let value = service.key.zone.without_final_dot();
        rules.push(Rule::Set { label: "site".to_owned(), value });
    }
    about.extend(labels.notes);
    warnings.extend(labels.warnings);
    let addresses: BTreeSet<_> = service.instances.iter().map(labels::address).collect();
    Job { name, about, discovery, scrape, rules, addresses: addresses.into_iter().collect() }
}

fn discovery(scraped: &Scraped<'_>, request: &Request) -> Discovery {
    let key = &scraped.service.key;
    match &request.via {
        Via::Dns => Discovery::Dns {
            names: scraped.names.iter().map(ToString::to_string).collect(),
            refresh: request.refresh.unwrap_or_else(|| refresh(scraped.ttl)),
        },
        Via::Http { url } => Discovery::Http {
            url: sd_url(url, key),
            refresh: request.refresh.unwrap_or(Duration::from_secs(USUAL_REFRESH)),
        },
        Via::File { path } => Discovery::File { path: path.replace("{service}", &key.name) },
    }
}

/// Where srvctl's discovery lists those of a service whom DNS has too: what is withdrawn from there is not scraped here.
fn sd_url(base: &str, key: &ServiceKey) -> String {
    let (base, name) = (base.trim_end_matches('/'), key.to_string());
    format!("{base}/sd/prometheus?service={}&published=true", percent_encoded(&name))
}

/// How often to ask for records with this TTL, in seconds.
///
/// A cache gives the same answer until the TTL has passed, so that a change shows after both together. Asking more often
/// than a tenth of the TTL gains little, asking less often than Prometheus' default saves nothing worth having, and with a
/// TTL below that somebody wants to be quick.
fn refresh(ttl: u32) -> Duration {
    let ttl = u64::from(ttl);
    let seconds = if ttl < USUAL_REFRESH { ttl.max(SHORTEST_REFRESH) } else { (ttl / 10).max(USUAL_REFRESH) };
    Duration::from_secs(seconds.min(LONGEST_REFRESH))
}

fn headline(scraped: &Scraped<'_>, discovery: &Discovery) -> String {
    let key = &scraped.service.key;
    match discovery {
        Discovery::Dns { refresh, .. } => {
            let ttl = scraped.ttl;
            let both = Duration::from_secs(ttl.into()) + *refresh;
            format!("{key} TTL {ttl} s: behind a cache a change shows within {} s", both.as_secs())
        }
        Discovery::Http { .. } | Discovery::File { .. } => key.to_string(),
    }
}

/// Whether another Prometheus is asked for what it has, and not for how it is.
fn is_federation(service: &Service) -> bool {
    let path = service.scrape.as_ref().and_then(|scrape| scrape.metrics_path.as_deref());
    path.is_some_and(|path| path.trim_end_matches('/') == "/federate")
}

/// How it is scraped, with what follows from what it is.
fn scrape(service: &Service, consumer: Consumer, about: &mut Vec<String>, warnings: &mut Vec<String>) -> Scrape {
    let mut scrape = service.scrape.as_deref().cloned().unwrap_or_default();
    if is_federation(service) {
        scrape.honor_labels = true;
        about.push(
            "federation: series keep the labels that they have there, and get `site` unless they have one".to_owned(),
        );
        if scrape.params.get("match[]").is_none_or(Vec::is_empty) {
            warnings.push(format!(
                "{}: /federate gives nothing without `match[]`: write into the service file, for instance, \
                 `params = {{ \"match[]\" = ['{{__name__=~\"job:.*\"}}'] }}`",
                service.key
            ));
        }
    } else if service.key.name.eq_ignore_ascii_case("pushgateway") {
        scrape.honor_labels = true;
        about.push("a Pushgateway: series keep `job` and `instance` of who pushed them".to_owned());
    }
    if scrape.interval.is_none() && scrape.timeout.is_some_and(|timeout| timeout > USUAL_INTERVAL) {
        // Otherwise the whole configuration is refused: the time-out must not exceed the interval.
        scrape.interval = scrape.timeout;
    }
    if consumer.has_scrape_configs() && scrape.timeout.is_some() && scrape.interval.is_none() {
        about.push("the global `scrape_interval` must not be shorter than this `scrape_timeout`".to_owned());
    }
    scrape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refresh_follows_the_ttl() {
        for (ttl, seconds) in
            [(0, 5), (1, 5), (10, 10), (29, 29), (30, 30), (60, 30), (300, 30), (600, 60), (86_400, 300)]
        {
            assert_eq!(refresh(ttl), Duration::from_secs(seconds), "TTL {ttl}");
        }
    }
}
