//! `prometheus.yml` and what belongs to it: the files of `scrape_config_files` and of `file_sd_configs`.
//!
//! What Prometheus has that is not about targets is passed over. A file that cannot be read, or an entry that Prometheus
//! would refuse, is told beside the rest.

mod document;
mod duration;
mod file_sd;
mod globs;
mod job;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;

use crate::model::prometheus::Configuration;
use crate::model::{Diagnostic, Place};
use document::{Document, Keys};
use yaml::Yaml;

pub use file_sd::{parse as parse_file_sd, read as read_file_sd};

/// Reads a configuration, and the files that it names, relative to it.
///
/// # Errors
/// When it cannot be read, or is not YAML of this form. What is wrong deeper inside is among its `problems`.
pub fn read(path: &Path) -> Result<Configuration, Diagnostic> {
    let yaml = Yaml::read(path)?;
    assemble(&yaml, Some(path.parent().unwrap_or(Path::new(""))))
}

/// Takes a text for a configuration, and reads no other file.
///
/// # Errors
/// As [`read`].
pub fn parse(file: &str, text: &str) -> Result<Configuration, Diagnostic> {
    assemble(&Yaml::new(file, text), None)
}

fn assemble(yaml: &Yaml, directory: Option<&Path>) -> Result<Configuration, Diagnostic> {
    let (document, keys): (Document, Keys) = (yaml.parse()?, yaml.parse()?);
    let mut configuration = Configuration::default();
    let global = document.global.unwrap_or_default();
    let problems = &mut configuration.problems;
    configuration.interval = global.scrape_interval.and_then(|text| duration::read(yaml, &text, problems));
    configuration.timeout = global.scrape_timeout.and_then(|text| duration::read(yaml, &text, problems));
    let jobs = document.scrape_configs.unwrap_or_default();
    add_jobs(&mut configuration, yaml, (jobs, keys), directory);
    let patterns = document.scrape_config_files.unwrap_or_default();
    for (pattern, directory) in patterns.iter().zip(directory.into_iter().cycle()) {
        match globs::expand(directory, &pattern.value) {
            Err(why) => configuration.problems.push(yaml.about(&pattern.referenced, why)),
            // A directory for what may come is empty at first.
            Ok(files) if files.is_empty() && !globs::has_directory(directory, &pattern.value) => {
                let problem = job::without_files(yaml, pattern, directory);
                configuration.problems.push(problem);
            }
            Ok(files) => files.iter().for_each(|file| add_file(&mut configuration, file)),
        }
    }
    refuse_doubles(&mut configuration);
    Ok(configuration)
}

/// One of the `scrape_config_files`, whose names are relative to itself.
fn add_file(configuration: &mut Configuration, path: &Path) {
    let read = || {
        let yaml = Yaml::read(path)?;
        let (document, keys): (Document, Keys) = (yaml.parse()?, yaml.parse()?);
        Ok((yaml, document.scrape_configs.unwrap_or_default(), keys))
    };
    match read() {
        Err(problem) => configuration.problems.push(problem),
        Ok((yaml, jobs, keys)) => {
            add_jobs(configuration, &yaml, (jobs, keys), Some(path.parent().unwrap_or(Path::new(""))));
        }
    }
}

fn add_jobs(
    configuration: &mut Configuration,
    yaml: &Yaml,
    (jobs, keys): (Vec<document::WrittenJob>, Keys),
    directory: Option<&Path>,
) {
    for (written, keys) in jobs.into_iter().zip(keys.of_jobs()) {
        match job::job(yaml, written, keys, directory) {
            Ok(job) => configuration.jobs.push(job),
            Err(problem) => configuration.problems.push(problem),
        }
    }
}

/// Prometheus takes a name only once.
fn refuse_doubles(configuration: &mut Configuration) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for job in &mut configuration.jobs {
        if !seen.insert(job.name.clone()) {
            let Place { file, line, .. } = &job.place;
            let message =
                format!("line {line}: there is a job `{}` already, and Prometheus refuses a second", job.name);
            job.problems.push(Diagnostic::about_file(file.clone(), message));
        }
    }
}
