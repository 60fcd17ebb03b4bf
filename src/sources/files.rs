//! Reads the service files, and merges what they say into one catalogue.

use std::collections::{BTreeMap, HashMap};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::num::NonZero;
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::model::{Catalogue, Diagnostic, Instance, Name, Place, Service};

use super::pattern::Pattern;
use super::service_file;

/// One file, read.
#[derive(Debug, Clone)]
pub struct FileRead {
    /// Its services, or everything that is wrong with it.
    pub services: Result<Arc<[Arc<Service>]>, Vec<Diagnostic>>,
    /// What tells that it has not been written since.
    stamp: Option<Stamp>,
}

impl FileRead {
    /// As if a file with these services had been read.
    pub fn of(services: Vec<Arc<Service>>) -> Self {
        Self { services: Ok(services.into()), stamp: None }
    }

    /// Whether this is that very reading.
    pub(super) fn is(&self, other: &Self) -> bool {
        matches!((&self.services, &other.services), (Ok(one), Ok(other)) if Arc::ptr_eq(one, other))
    }
}

/// What the file system says of a file, when it was read so long after it was last written that another write would
/// show: time stamps are as coarse as two seconds on some file systems.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    length: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

/// As many files as are read sooner than a thread is started.
const FEW_FILES: usize = 16;
/// Coarser time stamps than this are not believed in.
const COARSEST: Duration = Duration::from_secs(2);

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            file: (found.dev(), found.ino()),
            length: found.len(),
            written: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// None for a file that was written a moment ago.
    fn settled(found: &Metadata) -> Option<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let latest = found.mtime().max(found.ctime());
        let latest = Duration::from_secs(u64::try_from(latest).ok()?);
        (now.checked_sub(latest)? > COARSEST).then(|| Self::of(found))
    }
}

/// What reading all patterns found at one time.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Every file, sorted by path.
    pub files: BTreeMap<PathBuf, FileRead>,
    /// Directories that could not be looked into, with the reason: nobody knows which files are below them.
    pub unknown: BTreeMap<PathBuf, Diagnostic>,
    /// Patterns that no file matches. That may be right; but what it removes is for a person to accept.
    pub silent: Vec<String>,
}

impl Snapshot {
    /// Everything that is wrong, file by file.
    pub fn errors(&self) -> Vec<Diagnostic> {
        let broken = self.files.values().filter_map(|file| file.services.as_ref().err());
        self.unknown.values().chain(broken.flatten()).cloned().collect()
    }

    /// All services, when nothing is wrong with any file.
    ///
    /// # Errors
    /// Everything that is wrong, contradictions between files included.
    pub fn catalogue(&self) -> Result<Catalogue, Vec<Diagnostic>> {
        let errors = self.errors();
        if errors.is_empty() { catalogue(self.files.values()) } else { Err(errors) }
    }
}

/// Reads every file that the patterns match. `zones` are the managed zones.
///
/// A file named without wildcards must exist, and so must the directory of a pattern: its absence is an error and
/// not an empty set, since a file system that is not mounted must not remove services.
pub fn read(patterns: &[Pattern], zones: &[Name]) -> Snapshot {
    read_again(patterns, zones, &BTreeMap::new())
}

/// The same, with what is known from before taken as it is where the file system says that the file is the same still.
pub fn read_again(patterns: &[Pattern], zones: &[Name], known: &BTreeMap<PathBuf, FileRead>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut paths = BTreeMap::new();
    for pattern in patterns {
        if let Some(path) = pattern.literal() {
            paths.insert(path.to_owned(), Named::ByItself);
            continue;
        }
        let directory = pattern.directory();
        if let Err(error) = std::fs::read_dir(directory) {
            snapshot.unknown.insert(directory.to_owned(), unreadable(directory, &error));
            continue;
        }
        let mut silent = true;
        for found in pattern.expand() {
            silent = false;
            match found {
                Err(error) => {
                    snapshot.unknown.insert(error.path().to_owned(), unreadable(error.path(), error.error()));
                }
                Ok(path) => {
                    paths.entry(path).or_insert(Named::ByPattern);
                }
            }
        }
        if silent {
            snapshot.silent.push(pattern.to_string());
        }
    }
    snapshot.files = read_all(paths.into_iter().collect(), zones, known);
    snapshot
}

/// How a file came to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// Then it is left alone when it is a directory.
    ByPattern,
    /// Then it must exist, and be a file.
    ByItself,
}

/// Reads files, several at once when they are many.
fn read_all(
    paths: Vec<(PathBuf, Named)>,
    zones: &[Name],
    known: &BTreeMap<PathBuf, FileRead>,
) -> BTreeMap<PathBuf, FileRead> {
    let read = |(path, named): (PathBuf, Named)| {
        let file = read_file(&path, named, zones, known.get(&path));
        let missing = || (named == Named::ByItself).then(|| broken(&path, "does not exist"));
        let file = file.or_else(missing)?;
        Some((path, file))
    };
    let readers = thread::available_parallelism().map_or(1, NonZero::get).min(paths.len() / FEW_FILES + 1);
    if readers == 1 {
        return paths.into_iter().filter_map(read).collect();
    }
    let share = paths.len().div_ceil(readers);
    let mut paths = paths.into_iter();
    thread::scope(|scope| {
        let shares = (0..readers).map(|_| paths.by_ref().take(share).collect::<Vec<_>>());
        let readers: Vec<_> =
            shares.map(|share| scope.spawn(move || share.into_iter().filter_map(read).collect::<Vec<_>>())).collect();
        let done = readers.into_iter().map(|reader| reader.join().unwrap_or_else(|panic| resume_unwind(panic)));
        done.flatten().collect()
    })
}

/// None when the file is gone, or is a directory that a pattern found.
fn read_file(path: &Path, named: Named, zones: &[Name], known: Option<&FileRead>) -> Option<FileRead> {
    let found = std::fs::metadata(path).ok();
    if named == Named::ByPattern && found.as_ref().is_some_and(Metadata::is_dir) {
        return None;
    }
    // A pipe waits for a writer, perhaps for ever, and a device never ends.
    if found.as_ref().is_some_and(|found| !found.is_file()) {
        return Some(broken(path, "is not a regular file"));
    }
    let same = |known: &&FileRead| known.stamp.is_some() && known.stamp == found.as_ref().map(Stamp::of);
    if let Some(known) = known.filter(same) {
        return Some(known.clone());
    }
    let stamp = found.as_ref().and_then(Stamp::settled); // taken before the content: a later write shows
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        // A link to nowhere is not a file that somebody removed.
        Err(error) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => return None,
        Err(error) => return Some(broken(path, &format!("cannot be read: {}", plain(&error)))),
    };
    let file: Arc<str> = path.to_string_lossy().into();
    match String::from_utf8(bytes) {
        Ok(text) => {
            let services = service_file::parse(&file, &text.into(), zones);
            let services = services.map(|services| services.into_iter().map(Arc::new).collect());
            Some(FileRead { services, stamp })
        }
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Some(broken(path, &format!("is not UTF-8 text: byte {at} is part of no character")))
        }
    }
}

fn broken(path: &Path, reason: &str) -> FileRead {
    let shown = path.to_string_lossy();
    let error = Diagnostic::about_file(&*shown, format!("the service file {reason}"));
    FileRead { services: Err(vec![error]), stamp: None }
}

fn unreadable(directory: &Path, error: &std::io::Error) -> Diagnostic {
    let message = format!("the directory of service files cannot be read: {}", plain(error));
    Diagnostic::about_file(&*directory.to_string_lossy(), message)
}

/// The system's words, without "(os error 2)".
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Merges files into one catalogue. Files with errors count as without services.
///
/// # Errors
/// Services defined twice (names compare without case), and hosts that are given different addresses in two
/// places; both places are named. A host listed with addresses in one place and without in another is fine.
pub fn catalogue<'a>(files: impl IntoIterator<Item = &'a FileRead>) -> Result<Catalogue, Vec<Diagnostic>> {
    let mut merge = Merge::default();
    for file in files {
        for service in file.services.iter().flat_map(|services| services.iter()) {
            merge.add(service);
        }
    }
    if merge.errors.is_empty() { Ok(merge.catalogue) } else { Err(merge.errors) }
}

#[derive(Default)]
struct Merge<'a> {
    catalogue: Catalogue,
    /// By owner name, which compares without case.
    services: BTreeMap<Name, &'a Arc<Service>>,
    /// The first instance that gives addresses to the host.
    hosts: HashMap<&'a Name, &'a Instance>,
    errors: Vec<Diagnostic>,
}

impl<'a> Merge<'a> {
    fn add(&mut self, service: &'a Arc<Service>) {
        for instance in &service.instances {
            self.add_host(instance);
        }
        let Ok(owner_name) = service.key.owner_name() else {
            return; // refused when its file was parsed
        };
        if let Some(first) = self.services.get(&owner_name) {
            let message = format!("service `{}` is defined twice; first at {}", service.key, first.place);
            let help = "keep one, and move its instances there";
            self.errors.push(at_place(&service.place, &message).help(help));
        } else {
            self.services.insert(owner_name, service);
            self.catalogue.insert(service.key.clone(), Arc::clone(service));
        }
    }

    fn add_host(&mut self, instance: &'a Instance) {
        if instance.addresses.is_empty() {
            return;
        }
        let first = *self.hosts.entry(&instance.host).or_insert(instance);
        let sorted = |instance: &Instance| {
            let mut addresses = instance.addresses.clone();
            addresses.sort_unstable();
            addresses
        };
        if sorted(first) != sorted(instance) {
            let shown = |addresses: &[std::net::IpAddr]| {
                addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            let message = format!(
                "host `{}` has the addresses {} here, and {} at {}",
                instance.host,
                shown(&instance.addresses),
                shown(&first.addresses),
                first.place
            );
            let help = "give the same addresses in both places, or in one only";
            self.errors.push(at_place(&instance.place, &message).help(help));
        }
    }
}

/// A diagnostic about the rest of the line at a place. The file is read again for it: nobody keeps the text of a good
/// file, and one that was written meanwhile is told by its place alone.
fn at_place(place: &Place, message: &str) -> Diagnostic {
    let shown = || {
        let text: Arc<str> = std::fs::read_to_string(&*place.file).ok()?.into();
        let start: usize = text.split_inclusive('\n').take(place.line as usize - 1).map(str::len).sum();
        let line = text[start..].lines().next()?;
        let before = line.chars().take(place.column as usize - 1).map(char::len_utf8).sum::<usize>();
        let span = start + before..start + line.trim_end().len().max(before);
        Some(Diagnostic::at(&place.file, &text, span, message.to_owned()))
    };
    shown().unwrap_or_else(|| {
        Diagnostic::about_file(&*place.file, format!("{message} (line {}, column {})", place.line, place.column))
    })
}
