//! Targets with the same endpoint. Prometheus scrapes it once for every set of labels, and each makes its own series.

use std::collections::BTreeMap;

use super::Today;
use super::asked::Asked;
use super::endpoint::Endpoint;
use super::scraped::{INSTANCE, JOB, Scraped};

/// Targets by endpoint, each as often as it is scraped.
pub(super) type Targets<'t> = BTreeMap<Endpoint, Vec<&'t Scraped>>;

/// The same target today and from DNS.
pub(super) type Both<'t> = (&'t Scraped, &'t Scraped);

/// Sorted so, and what is twice there only once. As DNS has one spelling of a name, another one makes no other target.
pub(super) fn by_endpoint(targets: &[Scraped]) -> Targets<'_> {
    let mut all: BTreeMap<Endpoint, BTreeMap<Kind<'_>, &Scraped>> = BTreeMap::new();
    for target in targets {
        all.entry(target.endpoint()).or_default().entry(kind(target)).or_insert(target);
    }
    all.into_iter().map(|(endpoint, targets)| (endpoint, targets.into_values().collect())).collect()
}

/// How many there are.
pub(super) fn count(targets: &Targets<'_>) -> usize {
    targets.values().map(Vec::len).sum()
}

/// What other jobs with the same counterpart have: of their targets none is too much.
pub(super) struct Others(BTreeMap<Endpoint, usize>);

impl Others {
    pub(super) fn of<'t, 'j: 't>(todays: impl Iterator<Item = &'t Today<'j>>) -> Self {
        let mut all = BTreeMap::new();
        for today in todays {
            for (endpoint, targets) in by_endpoint(&today.targets) {
                *all.entry(endpoint).or_default() += targets.len();
            }
        }
        Self(all)
    }

    pub(super) fn of_endpoint(&self, endpoint: &Endpoint) -> usize {
        self.0.get(endpoint).copied().unwrap_or(0)
    }
}

/// Targets of one endpoint beside each other.
pub(super) struct Matched<'t> {
    /// Those with a counterpart.
    pub(super) both: Vec<Both<'t>>,
    /// Those of today that are more.
    pub(super) before: Vec<&'t Scraped>,
    /// Those from DNS that are more.
    pub(super) after: Vec<&'t Scraped>,
}

/// Pairs of targets that are weighed at most: a job may have thousands at one endpoint, as those of a prober are.
const MOST_PAIRS: usize = 1_000_000;

/// Each with its like, or else with the one that is most like it, the most alike first.
pub(super) fn matched<'t>(today: &[&'t Scraped], dns: &[&'t Scraped]) -> Matched<'t> {
    let mut kinds: BTreeMap<Kind<'t>, &'t Scraped> = dns.iter().map(|target| (kind(target), *target)).collect();
    let mut all = Matched { both: Vec::new(), before: Vec::new(), after: Vec::new() };
    for target in today {
        match kinds.remove(&kind(target)) {
            Some(same) => all.both.push((target, same)),
            None => all.before.push(target),
        }
    }
    all.after = kinds.into_values().collect();
    let mut weighed: Vec<(usize, usize, usize)> = if all.before.len() * all.after.len() > MOST_PAIRS {
        (0..all.before.len().min(all.after.len())).map(|index| (0, index, index)).collect()
    } else {
        let of = |(index, today): (usize, &&'t Scraped)| {
            let with = |(other, dns): (usize, &&Scraped)| (differences(today, dns), index, other);
            all.after.iter().enumerate().map(with).collect::<Vec<_>>()
        };
        all.before.iter().enumerate().flat_map(of).collect()
    };
    weighed.sort_unstable();
    let (mut before, mut after): (Vec<_>, Vec<_>) =
        (all.before.iter().map(Some).collect(), all.after.iter().map(Some).collect());
    for (_, index, other) in weighed {
        if let (Some(today), Some(dns)) = (before[index], after[other]) {
            all.both.push((today, dns));
            (before[index], after[other]) = (None, None);
        }
    }
    let (before, after) =
        (before.into_iter().flatten().copied().collect(), after.into_iter().flatten().copied().collect());
    Matched { both: all.both, before, after }
}

/// As they are told: with their labels where the endpoint alone does not say which is meant.
pub(super) fn shown(targets: &[&Scraped], of: usize) -> Vec<String> {
    let one = |target: &&Scraped| {
        let own = |(name, value): (&String, &String)| {
            (name != JOB && *value != target.address).then(|| format!("{name}=\"{value}\""))
        };
        let labels: Vec<_> = target.labels.iter().filter_map(own).collect();
        if of == 1 || labels.is_empty() {
            target.address.clone()
        } else {
            format!("{} {{{}}}", target.address, labels.join(", "))
        }
    };
    targets.iter().map(one).collect()
}

/// What makes a target another one: its labels and how it is asked.
type Kind<'t> = (Vec<(&'t str, &'t str)>, &'t Asked);

fn kind(target: &Scraped) -> Kind<'_> {
    (own(target).collect(), &target.asked)
}

/// Labels but for `job`, which is told otherwise, and an `instance` that follows from the address.
fn own(target: &Scraped) -> impl Iterator<Item = (&str, &str)> {
    let follows = |name: &str, value: &str| name == JOB || name == INSTANCE && value == target.address;
    let labels = target.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    labels.filter(move |(name, value)| !follows(name, value))
}

/// In how many labels and settings they differ.
fn differences(one: &Scraped, other: &Scraped) -> usize {
    let lacks = |target: &Scraped, (name, value): (&str, &str)| target.labels.get(name).is_none_or(|own| own != value);
    own(one).filter(|label| lacks(other, *label)).count()
        + own(other).filter(|label| lacks(one, *label)).count()
        + one.asked.differences(&other.asked)
}
