//! What a person added to a service file that an import is to write over: where the origin says nothing, it stays.

use std::collections::{BTreeMap, BTreeSet};

use super::remark::{Fate, Remark, Source};
use crate::model::{HealthPolicy, Instance, Scrape, Service, Shards};

/// What an origin says in any case, so that its silence means something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tells {
    /// The name of the job: none means that it is called as the service.
    pub job_name: bool,
    /// Priority and weight: 0 is what was written there.
    pub preference: bool,
}

/// So many instances are named in one remark.
const SHOWN: usize = 5;

/// Takes over from the service that is there what the new one says nothing of, and tells it. Instances go with the origin:
/// one that it no longer has goes, and that is told too.
pub fn keep(service: &mut Service, there: &Service, tells: Tells) -> Vec<Remark> {
    let source = Source::line(&there.place.file, there.place.line);
    let mut report = Report { source, service: there.clone(), remarks: Vec::new() };
    let is_checked = service.is_checked();
    let said = metadata_keys(service);
    let kept = of_service(service, there, tells, &said);
    report.say(&kept, &[]);
    of_instances(service, there, tells, (&said, is_checked), &mut report);
    if service.health == HealthPolicy::Publish && there.health != HealthPolicy::Publish {
        if service.is_checked() {
            service.health = there.health;
            report.say(&["[service.health]".to_owned()], &[]);
        } else {
            report.goes("`[service.health]` goes with the instances that were checked".to_owned());
        }
    }
    let wanted: BTreeSet<_> = service.instances.iter().map(|instance| (&instance.host, instance.port)).collect();
    let gone: Vec<_> =
        there.instances.iter().filter(|instance| !wanted.contains(&(&instance.host, instance.port))).collect();
    if !gone.is_empty() {
        report.goes(format!("{} in the file and not in what was imported: out of the service", are(&gone)));
    }
    report.remarks
}

/// What the service itself keeps.
fn of_service(service: &mut Service, there: &Service, tells: Tells, said: &BTreeSet<String>) -> Vec<String> {
    // In full, so that what a service says more one day cannot be forgotten here.
    let Service { key: _, ttl, metadata, agreed: _, scrape, shards, browse, instances: _, checks, health: _, place: _ } =
        there;
    let mut kept = Vec::new();
    let mut note = |is_kept: bool, what: &str| kept.extend(is_kept.then(|| what.to_owned()));
    note(fill(&mut service.ttl, ttl), "ttl");
    // A number that a person chose is more than that there are many.
    if *shards != Shards::Off && service.shards != *shards {
        service.shards = *shards;
        note(true, "shards");
    }
    note(fill(&mut service.browse, browse), "[service.browse]");
    if !service.is_checked() {
        note(fill(&mut service.checks, checks), "[[service.check]]");
    }
    if let Some(theirs) = scrape.as_deref() {
        let mut mine = service.scrape.as_deref().cloned().unwrap_or_default();
        kept.extend(of_scrape(&mut mine, theirs, tells));
        service.scrape = (mine != Scrape::default()).then(|| mine.into());
    }
    kept.extend(of_metadata(&mut service.metadata, metadata, said));
    kept
}

fn of_scrape(mine: &mut Scrape, theirs: &Scrape, tells: Tells) -> Vec<String> {
    let Scrape { job_name, scheme, metrics_path, interval, timeout, honor_labels, params } = theirs;
    let kept = [
        (!tells.job_name && fill(&mut mine.job_name, job_name), "job_name"),
        (fill(&mut mine.scheme, scheme), "scheme"),
        (fill(&mut mine.metrics_path, metrics_path), "metrics_path"),
        (fill(&mut mine.interval, interval), "scrape_interval"),
        (fill(&mut mine.timeout, timeout), "scrape_timeout"),
        (fill(&mut mine.honor_labels, honor_labels), "honor_labels"),
        (fill(&mut mine.params, params), "params"),
    ];
    kept.into_iter().filter(|(is_kept, _)| *is_kept).map(|(_, what)| what.to_owned()).collect()
}

/// What its instances keep, of those that are there by host and port.
fn of_instances(
    service: &mut Service,
    there: &Service,
    tells: Tells,
    (said, is_checked): (&BTreeSet<String>, bool),
    report: &mut Report,
) {
    let before: BTreeMap<_, _> =
        there.instances.iter().map(|instance| ((instance.host.clone(), instance.port), instance)).collect();
    let mut kept: BTreeMap<Vec<String>, Vec<&Instance>> = BTreeMap::new();
    for instance in &mut service.instances {
        let Some(theirs) = before.get(&(instance.host.clone(), instance.port)) else { continue };
        let words = of_instance(instance, theirs, tells, (said, is_checked));
        if !words.is_empty() {
            kept.entry(words).or_default().push(theirs);
        }
    }
    for (words, instances) in kept {
        report.say(&words, &instances);
    }
}

fn of_instance(
    mine: &mut Instance,
    theirs: &Instance,
    tells: Tells,
    (said, is_checked): (&BTreeSet<String>, bool),
) -> Vec<String> {
    let Instance {
        host: _,
        port: _,
        priority,
        weight,
        addresses,
        metadata,
        name,
        subtypes,
        checks,
        withdrawn: _,
        condition: _,
        place: _,
    } = theirs;
    let kept = [
        (!tells.preference && fill(&mut mine.priority, priority), "priority"),
        (!tells.preference && fill(&mut mine.weight, weight), "weight"),
        (fill(&mut mine.addresses, addresses), "addresses"),
        (fill(&mut mine.name, name), "name"),
        (fill(&mut mine.subtypes, subtypes), "subtypes"),
        (!is_checked && fill(&mut mine.checks, checks), "checks"),
    ];
    let kept = kept.into_iter().filter(|(is_kept, _)| *is_kept).map(|(_, what)| what.to_owned());
    let mut kept: Vec<_> = kept.collect();
    kept.extend(of_metadata(&mut mine.metadata, metadata, said));
    kept
}

/// Keys that the origin has nowhere in the service.
fn of_metadata(
    mine: &mut BTreeMap<String, String>,
    theirs: &BTreeMap<String, String>,
    said: &BTreeSet<String>,
) -> Vec<String> {
    let unsaid = theirs.iter().filter(|(key, _)| !said.contains(&key.to_ascii_lowercase()));
    let mut kept = Vec::new();
    for (key, value) in unsaid {
        mine.insert(key.clone(), value.clone());
        kept.push(format!("metadata.{key}"));
    }
    kept
}

/// As DNS-SD compares them, without regard to case.
fn metadata_keys(service: &Service) -> BTreeSet<String> {
    let of_instances = service.instances.iter().flat_map(|instance| instance.metadata.keys());
    service.metadata.keys().chain(of_instances).map(|key| key.to_ascii_lowercase()).collect()
}

/// Takes what is there where nothing is said.
fn fill<T: Clone + Default + PartialEq>(mine: &mut T, theirs: &T) -> bool {
    let is_silent = *mine == T::default() && *theirs != T::default();
    if is_silent {
        *mine = theirs.clone();
    }
    is_silent
}

struct Report {
    source: Source,
    service: Service,
    remarks: Vec<Remark>,
}

impl Report {
    fn say(&mut self, kept: &[String], instances: &[&Instance]) {
        if kept.is_empty() {
            return;
        }
        let whose = if instances.is_empty() { String::new() } else { format!(" of {}", shown(instances)) };
        let message = format!("`{}`{whose}: said in the file, and not in what was imported", kept.join("`, `"));
        self.push(Remark::new(Fate::Kept, &self.source, self.service.key.name.as_str(), message));
    }

    fn goes(&mut self, message: String) {
        self.push(Remark::new(Fate::Left, &self.source, self.service.key.name.as_str(), message));
    }

    fn push(&mut self, remark: Remark) {
        self.remarks.push(remark.of(&self.service.key));
    }
}

fn shown(instances: &[&Instance]) -> String {
    let name = |instance: &&Instance| format!("{}:{}", instance.host.without_final_dot(), instance.port);
    let names: Vec<_> = instances.iter().take(SHOWN).map(name).collect();
    match instances.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

fn are(instances: &[&Instance]) -> String {
    format!("{} {}", shown(instances), if instances.len() == 1 { "is" } else { "are" })
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
