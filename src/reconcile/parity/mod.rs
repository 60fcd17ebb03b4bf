//! Whether DNS gives what Prometheus scrapes today: the question before static targets are removed.
//!
//! Every job that does not take its targets from DNS is paired with one that does: with one that Prometheus has already,
//! or with the one that a service of ours would be rendered to. Then both are carried out up to the labels that series
//! get, and compared.

mod asked;
mod differ;
mod endpoint;
mod multiset;
mod pair;
mod re2;
mod relabel;
mod report;
mod scraped;
mod settings;
mod side;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::prometheus::Job;
use crate::model::{Catalogue, ServiceKey};
use crate::protocol::lookup::Verdict;
use scraped::Scraper;

pub use asked::{Asked, Defaults};
pub use pair::Map;
pub use relabel::Labels;
pub use report::{Counterpart, Form, JobParity, LabelDifference, Outcome, SettingDifference, Spelling, View};
pub use scraped::Scraped;
pub use side::{Question, Side};

/// One job, with what it scrapes today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Today<'j> {
    /// The job.
    pub job: &'j Job,
    /// Its targets, those from DNS left out.
    pub targets: Vec<Scraped>,
    /// What Prometheus itself has discovered for it from DNS, when it was asked.
    pub from_dns: Option<Vec<Scraped>>,
    /// Discoveries of it whose targets are not known.
    pub unasked: Vec<String>,
    /// What whoever migrates should know of it.
    pub notes: Vec<String>,
    /// Why something of it is not known.
    pub problems: Vec<String>,
    /// Whether somebody asked for this very job.
    pub wanted: bool,
}

impl<'j> Today<'j> {
    /// As the configuration says it. Discoveries that only Prometheus asks stay unknown.
    pub fn of_job(job: &'j Job, defaults: Defaults) -> Self {
        let scraper = Scraper::of(job, defaults);
        let mut targets: Vec<Scraped> = Vec::new();
        for group in &job.groups {
            targets.extend(
                group.targets.iter().filter_map(|target| scraper.scrape(&target.address, group.labels.clone())),
            );
        }
        let http = (!job.http_sd.is_empty()).then(|| "http_sd_configs".to_owned());
        let unasked = http.into_iter().chain(job.other_sd.iter().cloned()).collect();
        let problems = job.problems.iter().map(told).chain(scraper.rules.problems).collect();
        Self { job, targets, from_dns: None, unasked, notes: Vec::new(), problems, wanted: false }
    }
}

/// What is wrong in a file, in one line.
pub fn told(problem: &crate::model::Diagnostic) -> String {
    match problem.place() {
        Some(place) => format!("{place}: {}", problem.message),
        None => format!("{}: {}", problem.file, problem.message),
    }
}

/// What came of looking everything up: by server, then by question.
pub type Found = BTreeMap<String, BTreeMap<Question, Verdict>>;

/// What is known besides the jobs.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// Every service of ours.
    pub catalogue: &'a Catalogue,
    /// What a person said of which job is which service.
    pub map: &'a Map,
    /// What was looked up.
    pub found: &'a Found,
    /// `scrape_interval` and `scrape_timeout` of `global`.
    pub defaults: Defaults,
}

/// The services whose names have to be looked up, because no job of Prometheus does. `sides` are the jobs that it has.
pub fn services_in_question(
    todays: &[Today<'_>],
    sides: &[Side],
    catalogue: &Catalogue,
    map: &Map,
) -> BTreeSet<ServiceKey> {
    let mut services = BTreeSet::new();
    for today in todays.iter().filter(|today| !today.targets.is_empty()) {
        let pairing = pair::by_name(&today.job.name, catalogue, map).or_else(|| pair::by_instances(today, catalogue));
        services.extend(pairing.into_iter().flat_map(|pairing| pairing.services));
    }
    services.retain(|key| pair::looking_up(sides, key).next().is_none());
    services
}

/// Compares every job. `sides` are the jobs of Prometheus that take targets from DNS, and what the
/// [`services_in_question`] would be rendered to.
pub fn compare(todays: &[Today<'_>], sides: &[Side], world: World<'_>) -> Vec<JobParity> {
    let gathered: Vec<_> = sides.iter().map(|side| differ::Gathered::of(side, todays, world)).collect();
    let chosen: Vec<_> = todays.iter().map(|today| choose(today, sides, &gathered, world)).collect();
    // What may be the counterpart of a job, if only somebody knew.
    let jobs = sides.iter().zip(&gathered).filter(|(side, _)| side.service.is_none());
    let blind = jobs.filter_map(|(side, gathered)| Some(format!("job `{}`: {}", side.job.name, gathered.error()?)));
    let blind: Vec<String> = blind.collect();
    let judged = todays.iter().zip(&chosen).enumerate().map(|(index, (today, one))| {
        let Some(one) = one else {
            let own = sides.iter().position(|side| is_of(side, today));
            return alone(today, own.map(|own| (&sides[own], &gathered[own])), &blind);
        };
        let together = todays.iter().zip(&chosen).enumerate().filter(|(other, (_, chosen))| {
            *other != index && chosen.as_ref().is_some_and(|other| other.sides.iter().any(|it| one.sides.contains(it)))
        });
        let others = multiset::Others::of(together.map(|(_, (other, _))| other));
        let sides: Vec<_> = one.sides.iter().map(|side| (&sides[*side], &gathered[*side])).collect();
        differ::compare(today, &sides, (counterpart(&sides, &one.pairing, world), &others), world)
    });
    judged.collect()
}

/// What a job is compared with.
struct Chosen {
    sides: Vec<usize>,
    pairing: pair::Pairing,
}

/// Whether it is the same job, with what it takes from DNS.
fn is_of(side: &Side, today: &Today<'_>) -> bool {
    side.service.is_none() && side.job.name == today.job.name
}

fn choose(today: &Today<'_>, sides: &[Side], gathered: &[differ::Gathered], world: World<'_>) -> Option<Chosen> {
    let is_said = world.map.contains_key(&today.job.name);
    if today.targets.is_empty() && !is_said {
        return None;
    }
    let of = |pairing: pair::Pairing| Chosen { sides: of_services(sides, &pairing.services), pairing };
    let of_job =
        |index: usize, reason| Chosen { sides: vec![index], pairing: pair::Pairing { services: Vec::new(), reason } };
    if is_said {
        return pair::by_name(&today.job.name, world.catalogue, world.map).map(of);
    }
    let own = sides.iter().position(|side| is_of(side, today));
    let jobs = || sides.iter().zip(gathered).enumerate().filter(|(_, (side, _))| side.service.is_none());
    own.map(|index| of_job(index, "the job has `dns_sd_configs` itself".to_owned()))
        .or_else(|| pair::by_name(&today.job.name, world.catalogue, world.map).map(of))
        .or_else(|| {
            let jobs = jobs().map(|(index, (_, gathered))| (index, &gathered.endpoints));
            let (index, count) = pair::most_in_common(today, jobs)?;
            Some(of_job(index, format!("its names give {}", pair::share(count, today))))
        })
        .or_else(|| pair::by_instances(today, world.catalogue).map(of))
}

/// The jobs of Prometheus that look a service up, or else the one that it would be rendered to.
fn of_services(sides: &[Side], services: &[ServiceKey]) -> Vec<usize> {
    let mut found = BTreeSet::new();
    for key in services {
        let jobs: Vec<_> = pair::looking_up(sides, key).collect();
        let rendered = sides.iter().position(|side| side.service.as_ref() == Some(key));
        found.extend(if jobs.is_empty() { rendered.into_iter().collect() } else { jobs });
    }
    found.into_iter().collect()
}

fn counterpart(sides: &[(&Side, &differ::Gathered)], pairing: &pair::Pairing, world: World<'_>) -> Counterpart {
    let mut services: BTreeSet<_> = pairing.services.iter().cloned().collect();
    for (side, _) in sides.iter().filter(|(side, _)| side.service.is_none()) {
        services.extend(world.catalogue.keys().filter(|key| side.looks_up(key)).cloned());
    }
    let jobs = sides.iter().filter(|(side, _)| side.service.is_none()).map(|(side, _)| side.job.name.clone());
    let names: BTreeSet<_> = sides.iter().flat_map(|(side, _)| side.questions()).map(|((name, _), _)| name).collect();
    Counterpart {
        services: services.iter().map(ToString::to_string).collect(),
        jobs: jobs.collect(),
        names: names.into_iter().collect(),
        reason: pairing.reason.clone(),
    }
}

/// A job with which nothing can be compared. `own` is what it takes from DNS itself; `blind` are the jobs that could not
/// be looked up: one of them may have the same targets.
fn alone(today: &Today<'_>, own: Option<(&Side, &differ::Gathered)>, blind: &[String]) -> JobParity {
    let mut parity = differ::empty(today);
    if let Some((side, gathered)) = own {
        parity.views = gathered.discovered(side);
        parity.problems.extend_from_slice(&gathered.problems);
        parity.notes.extend_from_slice(&gathered.notes);
    }
    let any = |outcome| parity.views.iter().any(|view| view.outcome == outcome);
    let is_unknown = !parity.problems.is_empty() || any(Outcome::Unknown);
    parity.outcome = match today {
        _ if is_unknown => Outcome::Unknown,
        _ if !today.targets.is_empty() && !blind.is_empty() => Outcome::Unknown,
        _ if !today.targets.is_empty() => Outcome::Unpaired,
        _ if !today.unasked.is_empty() && today.wanted => Outcome::Unknown,
        // A name without records may be meant so, but nobody asks for such a job to hear that all is well.
        _ if today.wanted && any(Outcome::Different) => Outcome::Different,
        _ if !today.unasked.is_empty() || today.job.dns_sd.is_empty() => Outcome::NotCompared,
        _ => Outcome::FromDns,
    };
    if !today.targets.is_empty() {
        parity.problems.extend_from_slice(blind);
    }
    parity
}
