//! One job of today beside what it would have from DNS.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::asked::Asked;
use super::endpoint::Endpoint;
use super::multiset::{Both, Matched, Others, Targets, by_endpoint, count, matched, shown};
use super::relabel::Rules;
use super::report::{Counterpart, Form, JobParity, LabelDifference, Outcome, Spelling, View};
use super::scraped::{INSTANCE, JOB, Scraped, Scraper};
use super::side::Side;
use super::{Today, World, settings};
use crate::model::Catalogue;
use crate::protocol::lookup::Verdict;

/// How what Prometheus has discovered itself is called where a server stands otherwise.
pub(super) const PROMETHEUS: &str = "prometheus";

/// How servers are called that the zone's NS set names and that cannot be asked.
const SECONDARIES: &str = "secondaries";

/// What a job gets from DNS.
pub(super) struct Gathered {
    /// Through each server, in order, Prometheus itself last; or why that is not known.
    views: Vec<(String, Result<Vec<Scraped>, String>)>,
    /// Through any of them.
    pub(super) endpoints: BTreeSet<Endpoint>,
    pub(super) notes: Vec<String>,
    /// Why what becomes of its targets is not known.
    pub(super) problems: Vec<String>,
}

impl Gathered {
    pub(super) fn of(side: &Side, todays: &[Today<'_>], world: World<'_>) -> Self {
        let scraper = Scraper::of(&side.job, world.defaults);
        let through = |server: &String| (server.clone(), targets(side, &scraper, server, world));
        let mut views: Vec<_> = side.servers.iter().map(through).collect();
        let own = todays.iter().find(|today| side.service.is_none() && today.job.name == side.job.name);
        if let Some(live) = own.and_then(|today| today.from_dns.clone()) {
            views.push((PROMETHEUS.to_owned(), Ok(live)));
        }
        let endpoints = views.iter().filter_map(|(_, found)| found.as_ref().ok()).flatten();
        let endpoints = endpoints.map(Scraped::endpoint).collect();
        let Rules { mut notes, problems, .. } = scraper.rules;
        notes.extend(own.iter().flat_map(|today| &today.notes).cloned());
        Self { views, endpoints, notes, problems }
    }
}

impl Gathered {
    /// Why something of it is not known.
    pub(super) fn error(&self) -> Option<&str> {
        let views = self.views.iter().filter_map(|(_, found)| found.as_ref().err());
        views.chain(&self.problems).map(String::as_str).next()
    }

    /// What there is, with nothing beside it: a server that gives nothing is [`Outcome::Different`].
    pub(super) fn discovered(&self, side: &Side) -> Vec<View> {
        let views = self.views.iter().map(|(server, found)| match found {
            Err(error) => unknown(server.clone(), error),
            Ok(targets) => {
                let targets = count(&by_endpoint(targets));
                let outcome = if targets == 0 { Outcome::Different } else { Outcome::Match };
                View { outcome, targets, error: None, ..unknown(server.clone(), "") }
            }
        });
        let lost = side.lost.iter().map(|why| unknown(SECONDARIES.to_owned(), why));
        views.chain(lost).collect()
    }
}

fn targets(side: &Side, scraper: &Scraper<'_>, server: &str, world: World<'_>) -> Result<Vec<Scraped>, String> {
    if let Some(error) = &side.error {
        return Err(error.clone());
    }
    let mut targets = Vec::new();
    for (question, port) in side.questions() {
        let verdict = world.found.get(server).and_then(|found| found.get(&question));
        match verdict {
            None => return Err(format!("{} was not looked up", question.0)),
            Some(Verdict::Unknown { reason, .. }) => return Err(format!("{}: {reason}", question.0)),
            Some(Verdict::Empty { .. }) => {}
            Some(Verdict::Records(answer)) => targets.extend(answer.targets(port).into_iter().filter_map(|target| {
                let labels = target.labels.into_iter().map(|(name, value)| (name.to_owned(), value));
                scraper.scrape(&target.address, labels.collect())
            })),
        }
    }
    Ok(targets)
}

/// A job of which nothing is said yet.
pub(super) fn empty(today: &Today<'_>) -> JobParity {
    JobParity {
        job: today.job.name.clone(),
        discoveries: today.job.discoveries().map(str::to_owned).collect(),
        outcome: Outcome::Match,
        targets: count(&by_endpoint(&today.targets)),
        counterpart: None,
        views: Vec::new(),
        labels: Vec::new(),
        settings: Vec::new(),
        notes: today.unasked.iter().map(unasked).chain(today.notes.iter().cloned()).collect(),
        problems: today.problems.clone(),
    }
}

fn unasked(key: &String) -> String {
    format!("the targets of its {key} are known to Prometheus alone: ask it with --prometheus-url")
}

/// Compares a job with its counterpart. `others` are the targets of all jobs with the same counterpart: what one of them
/// has is not too much.
pub(super) fn compare(
    today: &Today<'_>,
    sides: &[(&Side, &Gathered)],
    (counterpart, others): (Counterpart, &Others),
    world: World<'_>,
) -> JobParity {
    let mut parity = JobParity { counterpart: Some(counterpart), ..empty(today) };
    let own = by_endpoint(&today.targets);
    let mut both: Pairs<'_> = BTreeMap::new();
    let together = together(sides);
    for (server, targets) in &together {
        let there = targets.as_ref().map(|targets| by_endpoint(targets));
        let view = match &there {
            Err(error) => unknown(server.clone(), error),
            Ok(there) => {
                let (view, pairs) = difference(server.clone(), (&own, there, others), world.catalogue);
                // What Prometheus itself has comes last, and counts.
                both.extend(pairs);
                view
            }
        };
        parity.views.push(view);
    }
    let lost: BTreeSet<_> = sides.iter().flat_map(|(side, _)| &side.lost).collect();
    parity.views.extend(lost.into_iter().map(|why| unknown(SECONDARIES.to_owned(), why)));
    if parity.views.is_empty() {
        let why = "its names are looked up through different servers, which cannot be told together: name one";
        parity.problems.push(format!("{why} with --server"));
    }
    let both: Vec<Both<'_>> = both.into_values().flatten().collect();
    parity.labels = labels(&both);
    parity.notes.extend(gained(&both));
    parity.notes.extend(jobs(&both, sides));
    parity.notes.extend(sides.iter().flat_map(|(_, gathered)| gathered.notes.iter().cloned()));
    parity.problems.extend(sides.iter().flat_map(|(_, gathered)| gathered.problems.iter().cloned()));
    compare_settings(&mut parity, today, &both, sides, world);
    parity.outcome = outcome(&parity, today);
    parity
}

/// How targets are scraped. Where DNS has none of them yet, the job itself says how they would be.
fn compare_settings(
    parity: &mut JobParity,
    today: &Today<'_>,
    both: &[Both<'_>],
    sides: &[(&Side, &Gathered)],
    world: World<'_>,
) {
    let targets: Vec<_> = today.targets.iter().map(|target| target.address.clone()).collect();
    let pairs = both.iter().map(|(today, dns)| (today.address.as_str(), &today.asked, &dns.asked));
    parity.settings = settings::of_targets(pairs);
    for (side, _) in sides {
        if both.is_empty() {
            let job = Asked::of_job(&side.job, world.defaults);
            let pairs = today.targets.iter().map(|target| (target.address.as_str(), &target.asked, &job));
            parity.settings.extend(settings::of_targets(pairs));
        }
        let (difference, note) = settings::of_jobs(today.job, side, &targets);
        parity.settings.extend(difference);
        parity.notes.extend(note);
    }
    parity.settings.dedup();
}

fn outcome(parity: &JobParity, today: &Today<'_>) -> Outcome {
    let views = || parity.views.iter().map(|view| view.outcome);
    let is_unknown = views().any(|outcome| outcome == Outcome::Unknown);
    let differs = views().any(|outcome| outcome == Outcome::Different);
    match () {
        () if is_unknown || !parity.problems.is_empty() || !today.unasked.is_empty() => Outcome::Unknown,
        () if differs || !parity.labels.is_empty() || !parity.settings.is_empty() => Outcome::Different,
        () => Outcome::Match,
    }
}

/// What all sides get through each server: nothing is known where it is not known of one.
fn together(sides: &[(&Side, &Gathered)]) -> Vec<(String, Result<Vec<Scraped>, String>)> {
    let mut together: Vec<(String, Result<Vec<Scraped>, String>)> = Vec::new();
    for (index, (_, gathered)) in sides.iter().enumerate() {
        // What Prometheus itself has is worth comparing only when it has all of it.
        together.retain(|(server, _)| gathered.views.iter().any(|(known, _)| known == server));
        for (server, targets) in &gathered.views {
            match together.iter_mut().find(|(known, _)| known == server) {
                None if index == 0 => together.push((server.clone(), targets.clone())),
                None => {}
                Some((_, all)) => match (all.as_mut(), targets) {
                    (Ok(all), Ok(more)) => all.extend(more.iter().cloned()),
                    (Ok(_), Err(error)) => *all = Err(error.clone()),
                    (Err(_), _) => {}
                },
            }
        }
    }
    together
}

fn unknown(server: String, error: &str) -> View {
    View {
        server,
        outcome: Outcome::Unknown,
        targets: 0,
        missing: Vec::new(),
        extra: Vec::new(),
        spelled: Vec::new(),
        error: Some(error.to_owned()),
    }
}

type Pairs<'t> = BTreeMap<Endpoint, Vec<Both<'t>>>;

/// What is missing and what is too much, and which targets are the same, perhaps in other words.
fn difference<'t>(
    server: String,
    (own, there, others): (&Targets<'t>, &Targets<'t>, &Others),
    catalogue: &Catalogue,
) -> (View, Pairs<'t>) {
    let is_new = |endpoint: &&Endpoint| !own.contains_key(*endpoint) && others.of_endpoint(endpoint) == 0;
    let mut new: BTreeSet<&Endpoint> = there.keys().filter(is_new).collect();
    let names = Names::of(new.iter().copied(), catalogue);
    let (mut missing, mut extra, mut spelled, mut pairs) = (Vec::new(), Vec::new(), Vec::new(), Pairs::new());
    for (endpoint, today) in own {
        let (other, in_what) = if there.contains_key(endpoint) {
            (endpoint, Form::Letters)
        } else {
            let mut same = names.meant_by(endpoint).filter(|other| new.contains(other));
            // Of two hosts with such a name or address either may be meant.
            let (Some(other), None) = (same.next(), same.next()) else {
                missing.extend(shown(today, today.len()));
                continue;
            };
            new.remove(other);
            (other, if endpoint.ip().is_some() { Form::Address } else { Form::ShortName })
        };
        let Matched { both, before, after } = matched(today, &there[other]);
        missing.extend(shown(&before, today.len()));
        let too_many = after.len().saturating_sub(others.of_endpoint(other));
        extra.extend(shown(&after[..too_many], there[other].len()));
        spelled.extend(both.iter().filter(|(today, dns)| today.address != dns.address).map(|(today, dns)| Spelling {
            today: today.address.clone(),
            dns: dns.address.clone(),
            in_what,
        }));
        pairs.insert(endpoint.clone(), both);
    }
    extra.extend(new.iter().flat_map(|endpoint| shown(&there[*endpoint], there[*endpoint].len())));
    spelled.sort_unstable();
    let is_same = missing.is_empty() && extra.is_empty() && spelled.is_empty();
    let outcome = if is_same { Outcome::Match } else { Outcome::Different };
    (View { server, outcome, targets: count(there), missing, extra, spelled, error: None }, pairs)
}

/// Targets by what somebody may call them who does not say their full name.
struct Names {
    by_first_label: BTreeMap<(String, String), Vec<Endpoint>>,
    by_address: BTreeMap<(IpAddr, String), Vec<Endpoint>>,
}

impl Names {
    fn of<'e>(endpoints: impl Iterator<Item = &'e Endpoint>, catalogue: &Catalogue) -> Self {
        let mut names = Self { by_first_label: BTreeMap::new(), by_address: BTreeMap::new() };
        let mut wanted: BTreeMap<&str, Vec<&Endpoint>> = BTreeMap::new();
        for endpoint in endpoints {
            wanted.entry(&endpoint.host).or_default().push(endpoint);
            if let Some((first, _)) = endpoint.host.split_once('.') {
                let of_name = names.by_first_label.entry((first.to_owned(), endpoint.port.clone()));
                of_name.or_default().push(endpoint.clone());
            }
        }
        for instance in catalogue.values().flat_map(|service| &service.instances) {
            let host = instance.host.without_final_dot().to_ascii_lowercase();
            for endpoint in wanted.get(host.as_str()).into_iter().flatten() {
                for address in &instance.addresses {
                    let known = names.by_address.entry((*address, endpoint.port.clone())).or_default();
                    // A host is in as many services as there are on it.
                    if !known.contains(endpoint) {
                        known.push((*endpoint).clone());
                    }
                }
            }
        }
        names
    }

    fn meant_by(&self, endpoint: &Endpoint) -> impl Iterator<Item = &Endpoint> {
        let by_address = endpoint.ip().and_then(|ip| self.by_address.get(&(ip, endpoint.port.clone())));
        let by_name = self.by_first_label.get(&(endpoint.host.clone(), endpoint.port.clone()));
        let by_name = by_name.into_iter().flatten().filter(|other| endpoint.is_short_for(other));
        by_address.into_iter().flatten().chain(by_name)
    }
}

/// Labels that go or change. `job` is told otherwise, and `instance` follows from another spelling.
fn labels(both: &[Both<'_>]) -> Vec<LabelDifference> {
    let mut differences: BTreeMap<(&String, &String, Option<&String>), Vec<String>> = BTreeMap::new();
    for (today, dns) in both {
        for (label, value) in &today.labels {
            let there = dns.labels.get(label);
            let follows = label == INSTANCE && *value == today.address && there == Some(&dns.address);
            if label != JOB && !follows && there != Some(value) {
                differences.entry((label, value, there)).or_default().push(today.address.clone());
            }
        }
    }
    let told = |((label, today, dns), targets): ((&String, &String, Option<&String>), Vec<String>)| LabelDifference {
        label: label.clone(),
        today: today.clone(),
        dns: dns.cloned(),
        targets,
    };
    differences.into_iter().map(told).collect()
}

/// Labels that come: nobody misses them, but they make other series.
fn gained(both: &[Both<'_>]) -> Vec<String> {
    let mut gained: BTreeMap<(&String, &String), usize> = BTreeMap::new();
    for (today, dns) in both {
        for (label, value) in dns.labels.iter().filter(|(label, _)| !today.labels.contains_key(*label)) {
            *gained.entry((label, value)).or_default() += 1;
        }
    }
    let told = |((label, value), count): ((&String, &String), usize)| {
        let whose = if count == both.len() { "its targets".to_owned() } else { format!("{count} of its targets") };
        format!("{whose} get the label {label}=\"{value}\" in addition")
    };
    gained.into_iter().map(told).collect()
}

/// What becomes of the label `job`.
fn jobs(both: &[Both<'_>], sides: &[(&Side, &Gathered)]) -> Option<String> {
    let (before, after) = both
        .iter()
        .map(|(today, dns)| (today.labels.get(JOB), dns.labels.get(JOB)))
        .find_map(|(before, after)| Some((before?, after?)).filter(|(before, after)| before != after))?;
    let way_out = match sides {
        [(side, _)] if side.service.is_some() => format!("`job_name = \"{before}\"` in its [service.scrape] keeps it"),
        _ => "call the job so when the old one goes".to_owned(),
    };
    Some(format!("its series get job=\"{after}\" in place of job=\"{before}\": {way_out}"))
}
