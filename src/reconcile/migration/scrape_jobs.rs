//! Scrape jobs with targets that somebody wrote down, as services: one per job, or per value of a label.

mod relabelling;
mod target;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::drafts::{Drafts, Outcome};
use super::remark::{Fate, Remark, Source};
use super::terms::{Terms, is_local};
use crate::model::prometheus::{Configuration, FileSd, Job, Target, TargetGroup};
use crate::model::{Diagnostic, Instance, Place, Scrape, ServiceKey};

use target::Own;

/// How the targets of a file without a job are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sorting {
    /// The service that all of them are of.
    pub service: Option<String>,
    /// The label whose value names the service.
    pub label: String,
}

/// Where Prometheus itself mostly listens.
const PROMETHEUS_PORT: u16 = 9090;

fn at(place: &Place) -> Source {
    Source::line(&place.file, place.line)
}

fn problem(drafts: &mut Drafts<'_>, fate: Fate, subject: &str, problem: &Diagnostic) {
    let source = problem.place().map_or_else(|| Source::file(Arc::clone(&problem.file)), |place| at(&place));
    let remark = Remark::new(fate, &source, subject, problem.message.clone());
    drafts.say(Remark { help: problem.help.clone(), ..remark });
}

/// Maps the jobs of a configuration: those of `jobs`, or all when it is empty.
pub fn map(terms: &Terms, file: &Source, configuration: &Configuration, jobs: &[String]) -> Outcome {
    let mut drafts = Drafts::new(terms);
    for wrong in &configuration.problems {
        problem(&mut drafts, Fate::Refused, "configuration", wrong);
    }
    for wanted in jobs {
        if !configuration.jobs.iter().any(|job| job.name == *wanted) {
            let known: Vec<_> = configuration.jobs.iter().map(|job| format!("`{}`", job.name)).collect();
            let remark = Remark::new(Fate::Refused, file, wanted.as_str(), "there is no job of that name");
            drafts.say(remark.help(format!("the jobs are {}", known.join(", "))));
        }
    }
    for one in &configuration.jobs {
        if jobs.is_empty() || jobs.contains(&one.name) {
            job(&mut drafts, one, !jobs.is_empty());
        }
    }
    drafts.finish()
}

fn job(drafts: &mut Drafts<'_>, job: &Job, is_chosen: bool) {
    let source = at(&job.place);
    if !is_whole(drafts, job) {
        let message = "gives no service: a part of its targets would take the others out of DNS";
        drafts.say(Remark::new(Fate::Refused, &source, job.name.as_str(), message).help("mend it first"));
        return drafts.withhold(&job.name);
    }
    for (how, why, help) in elsewhere(job) {
        let fate = if is_chosen && job.groups.is_empty() { Fate::Refused } else { Fate::Left };
        drafts.say(Remark { help, ..Remark::new(fate, &source, job.name.as_str(), format!("`{how}`: {why}")) });
    }
    if job.groups.iter().all(|group| group.targets.is_empty()) {
        return;
    }
    if job.relabel.iter().any(|rule| rule.target_label == "__address__") {
        let message = "`relabel_configs` sets `__address__`: what is scraped is not what the job lists";
        let help = "leave the job as it is, and import the exporter that it asks";
        return drafts.say(Remark::new(Fate::Refused, &source, job.name.as_str(), message).help(help));
    }
    let Some(key) = drafts.named(&source, &job.name, &job.name) else { return };
    left_in_prometheus(drafts, (&key, &source), job);
    let scrape = fitting(drafts, (&key, &source), job);
    drafts.open(&key, &source, format!("{source}, job `{}`", job.name));
    unite(drafts, (&key, &source), &job.name, &scrape);
    let set = relabelling::constants(&job.relabel).into_iter().map(|(name, value)| (name, value.to_owned()));
    let set = drafts.metadata(&source, &job.name, &key, set);
    offer_all(drafts, &key, job.groups.iter().collect(), (&scrape, &set));
}

/// Whether all of a job could be read; what could not is told.
fn is_whole(drafts: &mut Drafts<'_>, job: &Job) -> bool {
    let has_files = job.file_sd.iter().any(|file_sd| !file_sd.files.is_empty());
    let mut is_whole = true;
    for wrong in &job.problems {
        // `*.yml` beside `*.json`, in a directory that is there.
        let is_void = has_files && job.file_sd.iter().any(|file_sd| matches_nothing(file_sd, wrong));
        problem(drafts, if is_void { Fate::Guessed } else { Fate::Refused }, &job.name, wrong);
        is_whole &= is_void;
    }
    is_whole
}

/// Whether that is what is wrong, of a pattern that any number of files may match.
fn matches_nothing(FileSd { pattern, files }: &FileSd, wrong: &Diagnostic) -> bool {
    let said = format!("no file matches `{pattern}`");
    pattern.contains(['*', '?', '[']) && files.is_empty() && wrong.message.starts_with(&said)
}

/// What a job says that no service file can: who scrapes the service says it again.
fn left_in_prometheus(drafts: &mut Drafts<'_>, (key, source): (&ServiceKey, &Source), job: &Job) {
    let mut say = |fate: Fate, message: String, help: Option<&str>| {
        let remark = Remark::new(fate, source, job.name.as_str(), message).of(key);
        drafts.say(Remark { help: help.map(str::to_owned), ..remark });
    };
    for (name, value) in relabelling::constants(&job.relabel) {
        say(Fate::Guessed, format!("`relabel_configs` sets `{name}` to `{value}`: became metadata"), None);
    }
    if job.relabel.iter().any(relabelling::drops_targets) {
        say(Fate::Guessed, "`relabel_configs` may drop targets: all of them were taken".to_owned(), None);
    }
    let others = job.relabel.iter().any(|rule| relabelling::constant(rule).is_none()).then_some("relabel_configs");
    for unmapped in job.unread.iter().map(String::as_str).chain(others) {
        let message = format!("`{unmapped}` stays in Prometheus: no service file has a place for it");
        say(Fate::Left, message, Some("put it into the job that scrapes the service"));
    }
    let jobs = job.groups.iter().filter_map(|group| group.labels.get("job")).filter(|label| **label != job.name);
    if let Some(label) = jobs.map(String::as_str).next() {
        let message = format!("the label `job` of some targets, `{label}`, was left out: the service has one job name");
        say(Fate::Guessed, message, None);
    }
}

/// A service of several jobs is called as none of them.
fn unite(drafts: &mut Drafts<'_>, (key, source): (&ServiceKey, &Source), job: &str, scrape: &Scrape) {
    let Some(there) = drafts.scraped(key) else { return };
    if alike(&there, scrape) && there.job_name != scrape.job_name {
        let message = "several jobs became one service, whose `job` label is the service's name then";
        drafts.say(Remark::new(Fate::Guessed, source, job, message).of(key));
        drafts.scrape(key, Scrape { job_name: None, ..(*there).clone() });
    }
}

/// Intervals as a service file takes them.
fn fitting(drafts: &mut Drafts<'_>, (key, source): (&ServiceKey, &Source), job: &Job) -> Scrape {
    const MOST: Duration = Duration::from_hours(24);
    let (subject, mut scrape) = (job.name.as_str(), job.scrape.clone());
    scrape.job_name = Some(job.name.clone()).filter(|name| *name != key.name);
    for (name, value) in [("scrape_interval", &mut scrape.interval), ("scrape_timeout", &mut scrape.timeout)] {
        if value.is_some_and(|value| value > MOST || value.as_millis() == 0) {
            let message = format!("`{name}` was left out: it must be from 1ms to 24h");
            drafts.say(Remark::new(Fate::Refused, source, subject, message).of(key));
            *value = None;
        }
    }
    if scrape.timeout.zip(scrape.interval).is_some_and(|(timeout, interval)| timeout > interval) {
        let message = "`scrape_timeout` was left out: it is longer than `scrape_interval`";
        drafts.say(Remark::new(Fate::Guessed, source, subject, message).of(key));
        scrape.timeout = None;
    }
    let is_path = |path: &String| path.starts_with('/') && !path.contains(['?', '#']);
    if scrape.metrics_path.as_ref().is_some_and(|path| !is_path(path)) {
        let message = "`metrics_path` was left out: it has to begin with `/` and to have neither `?` nor `#`";
        drafts.say(Remark::new(Fate::Refused, source, subject, message).of(key));
        scrape.metrics_path = None;
    }
    scrape
}

/// What a job takes targets from that is written nowhere: what it is, what becomes of it, and what to do.
fn elsewhere(job: &Job) -> Vec<(String, String, Option<String>)> {
    let mut told = Vec::new();
    if !job.dns_sd.is_empty() {
        let names: Vec<_> =
            job.dns_sd.iter().flat_map(|dns_sd| &dns_sd.names).map(|name| format!("`{name}`")).collect();
        let help = "`srvctl import zone` takes over records that somebody wrote by hand".to_owned();
        told.push(("dns_sd_configs".to_owned(), format!("is by DNS already: {}", names.join(", ")), Some(help)));
    }
    for url in &job.http_sd {
        let help = format!("fetch it (`curl -o targets.json '{url}'`) and import that with `srvctl import file-sd`");
        told.push(("http_sd_configs".to_owned(), format!("its targets come from {url}"), Some(help)));
    }
    for other in &job.other_sd {
        let help = match other.as_str() {
            "consul_sd_configs" => "`srvctl import consul` takes the definition files of Consul's agents",
            _ => "leave it as it is, or write what it finds into a file for `srvctl import file-sd`",
        };
        told.push((other.clone(), "its targets are written nowhere".to_owned(), Some(help.to_owned())));
    }
    told
}

/// Maps files of targets that belong to no job.
pub fn map_groups(terms: &Terms, groups: &[TargetGroup], sorting: &Sorting) -> Outcome {
    let mut drafts = Drafts::new(terms);
    let mut services: BTreeMap<ServiceKey, Vec<&TargetGroup>> = BTreeMap::new();
    let mut jobs: BTreeMap<ServiceKey, String> = BTreeMap::new();
    for group in groups.iter().filter(|group| !group.targets.is_empty()) {
        let source = at(&group.place);
        let label = group.labels.get(&sorting.label).filter(|value| !value.is_empty());
        let stem = file_stem(&group.place.file);
        let called = sorting.service.as_ref().or(label).cloned().unwrap_or_else(|| stem.to_owned());
        let Some(key) = drafts.named(&source, &called, &called) else { continue };
        drafts.open(&key, &source, source.to_string());
        if sorting.service.is_none() && label.is_none() && !services.contains_key(&key) {
            let message = format!("no label `{}`: called `{called}` after the file", sorting.label);
            let help = "--service NAME says it, or --service-label LABEL the label that does";
            drafts.say(Remark::new(Fate::Guessed, &source, called.as_str(), message).of(&key).help(help));
        }
        if let Some(job) = group.labels.get("job") {
            jobs.entry(key.clone()).or_insert_with(|| job.clone());
        }
        services.entry(key).or_default().push(group);
    }
    for (key, groups) in services {
        let job_name = jobs.remove(&key).filter(|job| !job.is_empty() && *job != key.name);
        let scrape = Scrape { job_name, ..Scrape::default() };
        offer_all(&mut drafts, &key, groups, (&scrape, &BTreeMap::new()));
    }
    drafts.finish()
}

fn file_stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split_once('.').map_or(name, |(stem, _)| stem)
}

/// One target, with what it says of how it is scraped.
struct Wanted<'g> {
    own: Own,
    target: &'g Target,
}

/// All targets of a service. Scraped in one way: as most of them say. `set` is what relabelling sets whatever they say.
fn offer_all(
    drafts: &mut Drafts<'_>,
    key: &ServiceKey,
    groups: Vec<&TargetGroup>,
    (scrape, set): (&Scrape, &BTreeMap<String, String>),
) {
    let mut ways: Vec<(Scrape, Vec<Wanted<'_>>)> = Vec::new();
    for group in groups {
        let own = match Own::of(&group.labels, scrape) {
            Ok(own) => own.overridden(set),
            Err(refusal) => {
                drafts.say(Remark::refused(&at(&group.place), "labels", refusal).of(key));
                continue;
            }
        };
        if own.metadata.contains_key("instance") {
            let message = "became metadata: targets from DNS have their host and port in that label";
            let help = "series get another `instance`, unless the job that looks the service up relabels it";
            drafts.say(Remark::new(Fate::Guessed, &at(&group.place), "instance", message).of(key).help(help));
        }
        for (label, became) in &own.guesses {
            let message = format!("label `{label}`, which only relabelling sees, became the metadata `{became}`");
            drafts.say(Remark::new(Fate::Guessed, &at(&group.place), label.as_str(), message).of(key));
        }
        for target in &group.targets {
            let wanted = Wanted { own: own.clone(), target };
            match ways.iter_mut().find(|(way, _)| *way == own.scrape) {
                Some((_, targets)) => targets.push(wanted),
                None => ways.push((own.scrape.clone(), vec![wanted])),
            }
        }
    }
    let most = ways.iter().map(|(_, targets)| targets.len()).max().unwrap_or(0);
    let Some((usual, _)) = ways.iter().find(|(_, targets)| targets.len() == most) else { return };
    let way = drafts.scraped(key).map_or_else(|| usual.clone(), |there| (*there).clone());
    drafts.scrape(key, way.clone());
    for (own_way, targets) in &ways {
        for wanted in targets {
            if alike(own_way, &way) {
                offer(drafts, key, wanted);
            } else {
                let message =
                    "is scraped in another way than the rest of the service (path, scheme, interval or parameters)";
                let help = "give it a job, and so a service, of its own";
                let remark =
                    Remark::new(Fate::Refused, &at(&wanted.target.place), wanted.target.address.as_str(), message);
                drafts.say(remark.of(key).help(help));
            }
        }
    }
}

fn alike(one: &Scrape, other: &Scrape) -> bool {
    let unnamed = |scrape: &Scrape| Scrape { job_name: None, ..scrape.clone() };
    unnamed(one) == unnamed(other)
}

fn offer(drafts: &mut Drafts<'_>, key: &ServiceKey, Wanted { own, target }: &Wanted<'_>) {
    let source = at(&target.place);
    let (host, port, guess) = match target::split(&target.address, own.scrape.scheme) {
        Ok(parts) => parts,
        Err(refusal) => return drafts.say(Remark::refused(&source, target.address.as_str(), refusal).of(key)),
    };
    let is_known = drafts.terms().hosts.contains_key(host);
    if is_local(host) && port.get() == PROMETHEUS_PORT && !is_known {
        let message = "is Prometheus itself, which everybody scrapes as its own localhost";
        return drafts.say(Remark::new(Fate::Left, &source, target.address.as_str(), message).of(key));
    }
    if let Some(guess) = guess {
        drafts.say(Remark::new(Fate::Guessed, &source, target.address.as_str(), guess).of(key));
    }
    let Some(located) = drafts.locate(&source, key, host) else { return };
    let pairs = own.metadata.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let metadata = drafts.metadata(&source, &target.address, key, pairs);
    let addresses = located.addresses(drafts.terms());
    let plain = Instance::new(located.host, port, source.place());
    drafts.offer(&source, key, Instance { addresses, metadata, ..plain });
}

#[cfg(test)]
#[path = "scrape_jobs_tests.rs"]
mod tests;
