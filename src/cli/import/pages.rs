//! The service files of an import: what each says, whether that can be read back, and how it gets to its place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::fit::{self, Others, There, Unfit};
use super::site::Site;
use crate::model::{Diagnostic, Service, ServiceKey};
use crate::reconcile::migration::{Fate, Migrated, Outcome, Remark, Source, Tells, keep};
use crate::{sources, store};

/// Whoever runs the daemon reads them, and there is no secret in them.
const MODE: u32 = 0o644;

/// How a file compares with what is to be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// There is none yet.
    New,
    /// It says something else.
    Changed,
    /// It says just that.
    Unchanged,
}

/// One service, as it is to be written.
pub(super) struct Page {
    pub(super) key: ServiceKey,
    pub(super) text: String,
    /// Where to; standard output when absent.
    pub(super) file: Option<(PathBuf, State)>,
}

/// Writes what is to be written, as text: only what `srvctl check` would accept. What a person added to a file that is there
/// stays in it, as far as it says what `tells` does not. What is left out is told in the remarks.
pub(super) fn pages(site: &Site, outcome: &mut Outcome, out: Option<&Path>, tells: Tells) -> Vec<Page> {
    let mut taken = BTreeSet::new();
    let mut path = |service: &Service| Some(out?.join(file_name(&service.key, &site.zones, &mut taken)));
    let paths: Vec<_> = outcome.services.iter().map(|migrated| path(&migrated.service)).collect();
    let mut others = Others::of(site, &paths);
    let guesses = guesses(&outcome.remarks);
    let (mut pages, mut refused) = (Vec::new(), BTreeSet::new());
    for (migrated, path) in outcome.services.iter_mut().zip(paths) {
        let mut comments: Vec<_> = migrated.from.iter().map(|from| format!("From {from}")).collect();
        comments.extend(guesses.get(&migrated.service.key).into_iter().flatten().cloned());
        let mut remarks = Vec::new();
        match page(site, &mut others, migrated, (path, &comments, tells), &mut remarks) {
            Ok(page) => pages.push(page),
            Err((message, help)) => {
                let service = &migrated.service;
                let source = Source::line(&service.place.file, service.place.line);
                let remark = Remark::new(Fate::Refused, &source, service.key.name.as_str(), message).of(&service.key);
                remarks = vec![Remark { help, ..remark }];
                refused.insert(service.key.clone());
            }
        }
        outcome.remarks.append(&mut remarks);
    }
    outcome.refuse(&refused);
    pages
}

/// One of them, where it can be. The service becomes what the page says.
fn page(
    site: &Site,
    others: &mut Others,
    Migrated { service, .. }: &mut Migrated,
    (path, comments, tells): (Option<PathBuf>, &[String], Tells),
    remarks: &mut Vec<Remark>,
) -> Result<Page, Unfit> {
    let there = path.as_deref().map(|path| fit::there(site, &service.key, path)).transpose()?.flatten();
    if let Some(before) = there.as_ref().and_then(|there| there.service.as_ref()) {
        remarks.append(&mut keep(service, before, tells));
    }
    for (instance, (why, help)) in others.settle(service) {
        let source = Source::line(&instance.place.file, instance.place.line);
        let subject = format!("{}:{}", instance.host.without_final_dot(), instance.port);
        let message = format!("its addresses were left out: {why}");
        remarks.push(Remark { help, ..Remark::new(Fate::Refused, &source, subject, message).of(&service.key) });
    }
    let file = path.as_deref().unwrap_or(Path::new("-"));
    let text = sources::write(service, comments, file, &site.zones);
    readable(site, service, file, &text)?;
    others.accept(service)?;
    let file = path.map(|path| {
        let state = match &there {
            None => State::New,
            Some(there) if there.text == text => State::Unchanged,
            // Whatever it looks like: somebody may have put it into order.
            Some(There { service: Some(before), .. }) if before.is_the_same(service) => State::Unchanged,
            Some(_) => State::Changed,
        };
        (path, state)
    });
    if let (Some((path, State::Changed)), Some(there)) = (&file, &there) {
        remarks.extend(comments_lost(path, &there.text, service));
    }
    Ok(Page { key: service.key.clone(), text, file })
}

/// Comments that somebody wrote: they are not read, and so cannot be kept.
fn comments_lost(path: &Path, text: &str, service: &Service) -> Option<Remark> {
    let ours = |line: &str| line.starts_with("# From ") || line.starts_with("# Guessed: ");
    let lines = text.lines().filter(|line| line.trim_start().starts_with('#') && !ours(line)).count();
    let source = Source::file(path.to_string_lossy());
    let message = format!("lines of comments in the file, which go when it is written over: {lines}");
    (lines > 0).then(|| Remark::new(Fate::Left, &source, service.key.name.as_str(), message).of(&service.key))
}

/// What was guessed about each service.
fn guesses(remarks: &[Remark]) -> BTreeMap<ServiceKey, Vec<String>> {
    let mut guesses: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for remark in remarks.iter().filter(|remark| remark.fate == Fate::Guessed) {
        if let Some(key) = &remark.service {
            let guess = format!("Guessed: {}: {}", remark.subject, remark.message);
            guesses.entry(key.clone()).or_default().push(guess);
        }
    }
    guesses
}

/// `jenkins.toml`; with protocol and zone where that could mean another one.
fn file_name(key: &ServiceKey, zones: &[crate::model::Name], taken: &mut BTreeSet<String>) -> String {
    let mut name = key.name.to_ascii_lowercase();
    if key.proto != "tcp" {
        name = format!("{name}-{}", key.proto);
    }
    if zones.len() > 1 || !taken.insert(name.clone()) {
        name = format!("{name}.{}", key.zone.without_final_dot().to_ascii_lowercase());
        taken.insert(name.clone());
    }
    name + ".toml"
}

/// Whether our own reader takes the text for that service.
fn readable(site: &Site, service: &Service, file: &Path, text: &str) -> Result<(), Unfit> {
    match sources::parse(&file.to_string_lossy().into(), &text.into(), &site.zones).as_deref() {
        Ok([read]) if read.is_the_same(service) => Ok(()),
        Ok(_) => Err(("cannot be written as a service file without becoming another service".to_owned(), None)),
        Err(problems) => {
            let first = problems.first();
            let why = first.map_or_else(String::new, |problem| problem.message.clone());
            Err((format!("no service file can say that: {why}"), first.and_then(|problem| problem.help.clone())))
        }
    }
}

/// Writes the files that are new or changed, each as a whole: nobody ever reads half of one.
///
/// # Errors
/// At the first that cannot be written; those before it stay.
pub(super) fn write(pages: &[Page]) -> Result<(), Diagnostic> {
    for page in pages {
        let Some((path, State::New | State::Changed)) = &page.file else { continue };
        let directory = path.parent().unwrap_or(Path::new(""));
        let failed = |why: String| Diagnostic::about_file(path.to_string_lossy(), why);
        fs::create_dir_all(directory).map_err(|error| failed(format!("its directory cannot be made: {error}")))?;
        store::replace(path, page.text.as_bytes(), MODE).map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}
