//! One scrape job, from its keys to what they mean.

use std::collections::BTreeSet;
use std::path::Path;

use serde_saphyr::Spanned;

use super::document::{DnsSdKeys, FileSdKeys, JobKeys, KNOWN_KEYS, RelabelKeys, WrittenJob};
use super::yaml::Yaml;
use super::{duration, file_sd, globs};
use crate::model::prometheus::{DnsSd, FileSd, Job, Origin, Relabel, RelabelAction};
use crate::model::{Diagnostic, RecordType, Scheme, Scrape};

/// Types of records that Prometheus' discovery takes.
const TYPES: [RecordType; 5] = [RecordType::SRV, RecordType::A, RecordType::AAAA, RecordType::MX, RecordType::NS];

/// The job; without a `directory` no file is read. One without a name is none.
pub(super) fn job(
    yaml: &Yaml,
    written: WrittenJob,
    keys: BTreeSet<String>,
    directory: Option<&Path>,
) -> Result<Job, Diagnostic> {
    let (keys_of_job, at) = (written.value, written.referenced);
    let named = keys_of_job.job_name.as_ref().filter(|name| !name.value.is_empty());
    let Some(name) = named else {
        return Err(yaml.about(&at, "the job has no `job_name`, and Prometheus refuses it").help("give it one"));
    };
    let place = yaml.place(&name.referenced);
    let (other_sd, unread) = unknown(keys);
    let mut job = Job { other_sd, unread, ..Job::new(name.value.clone(), place) };
    fill(&mut job, yaml, keys_of_job, directory);
    Ok(job)
}

/// Other discoveries, and other keys.
fn unknown(keys: BTreeSet<String>) -> (Vec<String>, Vec<String>) {
    let others = keys.into_iter().filter(|key| !KNOWN_KEYS.contains(&key.as_str()));
    others.partition(|key| key.ends_with("_sd_configs"))
}

fn fill(job: &mut Job, yaml: &Yaml, keys: JobKeys, directory: Option<&Path>) {
    let problems = &mut job.problems;
    job.scrape = Scrape {
        job_name: Some(job.name.clone()),
        scheme: keys.scheme.and_then(|text| scheme(yaml, &text, problems)),
        metrics_path: keys.metrics_path.filter(|path| !path.is_empty()),
        interval: keys.scrape_interval.and_then(|text| duration::read(yaml, &text, problems)),
        timeout: keys.scrape_timeout.and_then(|text| duration::read(yaml, &text, problems)),
        honor_labels: keys.honor_labels.unwrap_or(false),
        params: keys
            .params
            .unwrap_or_default()
            .into_iter()
            .map(|(key, list)| (key, list.unwrap_or_default()))
            .collect(),
    };
    let groups = keys.static_configs.unwrap_or_default().into_iter();
    job.groups = groups.map(|written| file_sd::group(yaml, Origin::Static, written)).collect();
    for entry in keys.file_sd_configs.unwrap_or_default() {
        files(job, yaml, entry, directory);
    }
    let dns_sd = keys.dns_sd_configs.unwrap_or_default().into_iter();
    job.dns_sd = dns_sd.filter_map(|entry| names(yaml, entry, &mut job.problems)).collect();
    job.http_sd = keys.http_sd_configs.unwrap_or_default().into_iter().filter_map(|entry| entry.url).collect();
    let rules = keys.relabel_configs.unwrap_or_default().into_iter();
    job.relabel = rules.filter_map(|written| rule(yaml, written.value, &mut job.problems)).collect();
}

fn scheme(yaml: &Yaml, text: &Spanned<String>, problems: &mut Vec<Diagnostic>) -> Option<Scheme> {
    let parsed = text.value.parse();
    parsed
        .map_err(|refusal: crate::model::rules::Refusal| problems.push(yaml.about(&text.referenced, refusal.message)))
        .ok()
}

/// To Prometheus that is no error: it waits for them. But of a configuration that was copied they are somewhere else.
pub(super) fn without_files(yaml: &Yaml, pattern: &Spanned<String>, directory: &Path) -> Diagnostic {
    let relative = !Path::new(&pattern.value).is_absolute();
    let whence = match directory.to_string_lossy() {
        _ if !relative => String::new(),
        none if none.is_empty() => " in the current directory".to_owned(),
        directory => format!(" in {directory}"),
    };
    let message = format!("no file matches `{}`{whence}", pattern.value);
    yaml.about(&pattern.referenced, message).help("names are relative to the file that has them: bring the files along")
}

/// A file that is broken stops no other.
fn files(job: &mut Job, yaml: &Yaml, entry: FileSdKeys, directory: Option<&Path>) {
    for pattern in entry.files.unwrap_or_default() {
        let mut found = FileSd { pattern: pattern.value.clone(), files: Vec::new() };
        let paths = directory.map_or(Ok(Vec::new()), |directory| globs::expand(directory, &pattern.value));
        if let Some(directory) = directory
            && paths.as_ref().is_ok_and(Vec::is_empty)
        {
            job.problems.push(without_files(yaml, &pattern, directory));
        }
        let paths = paths.unwrap_or_else(|why| {
            job.problems.push(yaml.about(&pattern.referenced, why));
            Vec::new()
        });
        for path in paths {
            found.files.push(path.to_string_lossy().into());
            match file_sd::read(&path) {
                Ok(groups) => job.groups.extend(groups),
                Err(problem) => job.problems.push(problem),
            }
        }
        job.file_sd.push(found);
    }
}

fn names(yaml: &Yaml, entry: DnsSdKeys, problems: &mut Vec<Diagnostic>) -> Option<DnsSd> {
    let record_type = match entry.record_type {
        None => RecordType::SRV,
        Some(text) => match text.value.parse().ok().filter(|record_type| TYPES.contains(record_type)) {
            Some(record_type) => record_type,
            None => {
                let message = format!("`{}` is no type that Prometheus looks up", text.value);
                let known = TYPES.map(|record_type| record_type.to_string()).join(", ");
                problems.push(yaml.about(&text.referenced, message).help(format!("there are: {known}")));
                return None;
            }
        },
    };
    Some(DnsSd { names: entry.names.unwrap_or_default(), record_type, port: entry.port })
}

fn rule(yaml: &Yaml, keys: RelabelKeys, problems: &mut Vec<Diagnostic>) -> Option<Relabel> {
    let default = Relabel::default();
    let action = match keys.action {
        None => default.action,
        Some(text) => match text.value.parse::<RelabelAction>() {
            Ok(action) => action,
            Err(refusal) => {
                let problem = yaml.about(&text.referenced, refusal.message);
                problems.push(refusal.help.into_iter().fold(problem, Diagnostic::help));
                return None;
            }
        },
    };
    Some(Relabel {
        source_labels: keys.source_labels.unwrap_or_default(),
        separator: keys.separator.unwrap_or(default.separator),
        regex: keys.regex.unwrap_or(default.regex),
        modulus: keys.modulus.unwrap_or_default(),
        target_label: keys.target_label.unwrap_or_default(),
        replacement: keys.replacement.unwrap_or(default.replacement),
        action,
    })
}
