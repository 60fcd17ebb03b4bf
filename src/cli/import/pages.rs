//! The service files of an import: what each says, whether that can be read back, and how it gets to its place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use serde::Serialize;

use super::site::Site;
use crate::model::{Diagnostic, Service, ServiceKey};
use crate::reconcile::migration::{Fate, Migrated, Outcome, Remark, Source};
use crate::sources::{self, FileRead};
use crate::store;

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

/// Writes what is to be written, as text: only what `srvctl check` would accept. What is left out is told in the remarks.
///
/// # Errors
/// When a file that is there cannot be read.
pub(super) fn pages(site: &Site, outcome: &mut Outcome, out: Option<&Path>) -> Result<Vec<Page>, Diagnostic> {
    let Outcome { services, remarks, .. } = outcome;
    let mut pages = Vec::new();
    let mut taken = BTreeSet::new();
    let mut path = |service: &Service| Some(out?.join(file_name(&service.key, &site.zones, &mut taken)));
    let paths: Vec<_> = services.iter().map(|migrated| path(&migrated.service)).collect();
    let mut others = Others::of(site, &paths);
    for (Migrated { service, from }, path) in services.iter().zip(paths) {
        let comments = comments(service, from, remarks);
        let file = path.as_deref().unwrap_or(Path::new("-"));
        let text = sources::write(service, &comments, file, &site.zones);
        let fits = readable(site, service, file, &text);
        let fits = fits.and_then(|()| lost(site, service, path.as_deref())).and_then(|()| others.accept(service));
        if let Err((message, help)) = fits {
            let source = Source::line(&service.place.file, service.place.line);
            let remark = Remark::new(Fate::Refused, &source, service.key.name.as_str(), message).of(&service.key);
            remarks.retain(|remark| remark.fate != Fate::Mapped || remark.service.as_ref() != Some(&service.key));
            remarks.push(Remark { help, ..remark });
            continue;
        }
        let file = path.map(|path| state(&path, &text).map(|state| (path, state))).transpose()?;
        pages.push(Page { key: service.key.clone(), text, file });
    }
    services.retain(|migrated| pages.iter().any(|page| page.key == migrated.service.key));
    Ok(pages)
}

/// Where it came from, and what was guessed about it.
fn comments(service: &Service, from: &[String], remarks: &[Remark]) -> Vec<String> {
    let origins = from.iter().map(|from| format!("From {from}"));
    let is_guess = |remark: &&Remark| remark.fate == Fate::Guessed && remark.service.as_ref() == Some(&service.key);
    let guesses = remarks.iter().filter(is_guess);
    let guesses = guesses.map(|remark| format!("Guessed: {}: {}", remark.subject, remark.message));
    origins.chain(guesses).collect()
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

type Unfit = (String, Option<String>);

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

/// Whether nothing else goes when the file is written over.
fn lost(site: &Site, service: &Service, path: Option<&Path>) -> Result<(), Unfit> {
    let Some((path, text)) = path.and_then(|path| Some((path, fs::read_to_string(path).ok()?))) else { return Ok(()) };
    let there = sources::parse(&path.to_string_lossy().into(), &text.into(), &site.zones).unwrap_or_default();
    match there.iter().find(|other| other.key != service.key) {
        None => Ok(()),
        Some(other) => {
            let why = format!("{} has {} in it too, which would be lost", path.display(), other.key);
            Err((why, Some("move that into a file of its own, or write into another directory with --out".to_owned())))
        }
    }
}

/// The service files that stay as they are, and what was accepted so far.
struct Others<'s> {
    known: Vec<&'s FileRead>,
    accepted: Vec<FileRead>,
}

impl<'s> Others<'s> {
    fn of(site: &'s Site, replaced: &[Option<PathBuf>]) -> Self {
        let replaced: BTreeSet<_> = replaced.iter().flatten().filter_map(|path| path.canonicalize().ok()).collect();
        let stays = |path: &Path| path.canonicalize().is_ok_and(|path| !replaced.contains(&path));
        let known: Vec<_> = site.known.files.iter().filter(|(path, _)| stays(path)).map(|(_, file)| file).collect();
        // What is wrong already is for `srvctl check` to say.
        let sound = sources::catalogue(known.iter().copied()).is_ok();
        Self { known: if sound { known } else { Vec::new() }, accepted: Vec::new() }
    }

    /// Takes a service that contradicts none of them.
    fn accept(&mut self, service: &Service) -> Result<(), Unfit> {
        self.accepted.push(FileRead::of(vec![Arc::new(service.clone())]));
        let all = self.known.iter().copied().chain(&self.accepted);
        sources::catalogue(all).map(drop).map_err(|problems| {
            self.accepted.pop();
            let why = problems.first().map_or_else(String::new, |problem| problem.message.clone());
            (why, problems.first().and_then(|problem| problem.help.clone()))
        })
    }
}

fn state(path: &Path, text: &str) -> Result<State, Diagnostic> {
    match fs::read(path) {
        Ok(there) if there == text.as_bytes() => Ok(State::Unchanged),
        Ok(_) => Ok(State::Changed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::New),
        Err(error) => Err(Diagnostic::about_file(path.to_string_lossy(), format!("cannot be read: {error}"))),
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
