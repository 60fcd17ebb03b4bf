//! Tells when service files may have changed.
//!
//! Only a hint: whoever is woken reads everything again. What watching cannot see, such as a change behind a
//! symbolic link, on a network file system, or while the kernel's queue overflows, the interval finds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::pattern::Pattern;

/// Silence that ends a change: nobody writes a file in pieces, or removes and makes it, with longer pauses.
const QUIET: Duration = Duration::from_millis(200);
/// Silence after which it is worth a look: if nothing goes, there is nothing to wait for.
const QUIET_ENOUGH: Duration = Duration::from_millis(10);
/// Longest wait for silence, so that a file written without pause cannot hold back the others.
const PATIENCE: Duration = Duration::from_secs(2);

/// Files cannot be watched here; the interval still finds every change.
#[derive(Debug, thiserror::Error)]
#[error("service files cannot be watched, so changes wait for the next interval")]
pub struct WatchError(#[source] notify::Error);

/// Watches the directories of service files.
#[derive(Debug)]
pub struct Watcher {
    system: RecommendedWatcher,
    signal: Arc<Notify>,
    /// Whether the last that was told of is a file in the middle of being written.
    unfinished: Arc<AtomicBool>,
    directories: Directories,
    /// When the change that is being waited out began; kept here so that dropping the future loses nothing.
    began: Option<Instant>,
    /// When something was told last.
    told: Arc<Mutex<Option<Instant>>>,
}

impl Watcher {
    /// Starts watching. Waits for the file system.
    ///
    /// # Errors
    /// When the system gives no watcher. A directory that cannot be watched, perhaps because it does not exist
    /// yet, is no error: its parents are watched too, and [`Self::watch`] tries again.
    pub fn new(patterns: &[Pattern]) -> Result<Self, WatchError> {
        let signal = Arc::new(Notify::new());
        let directories = directories(patterns);
        let interest = Interest { patterns: patterns.to_vec(), directories: directories.keys().cloned().collect() };
        let unfinished = Arc::new(AtomicBool::new(false));
        let told = Arc::new(Mutex::new(None));
        let (bell, writing, last) = (Arc::clone(&signal), Arc::clone(&unfinished), Arc::clone(&told));
        let system = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.as_ref().is_ok_and(|event| !interest.in_event(event)) {
                return;
            }
            writing.store(event.is_ok_and(|event| is_unfinished(event.kind)), Ordering::Relaxed);
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            bell.notify_one();
        })
        .map_err(WatchError)?;
        let mut watcher = Self { system, signal, unfinished, directories, began: None, told };
        watcher.watch();
        Ok(watcher)
    }

    /// Returns when something may have changed and then stayed quiet for a moment.
    ///
    /// Safe to drop and call again: a change that was noticed meanwhile is not lost.
    pub async fn changed(&mut self) {
        if self.began.is_none() {
            self.signal.notified().await;
        }
        let began = *self.began.get_or_insert_with(Instant::now);
        let quiet = || if self.unfinished.load(Ordering::Relaxed) { QUIET } else { QUIET_ENOUGH };
        while began.elapsed() < PATIENCE && timeout(quiet(), self.signal.notified()).await.is_ok() {}
        self.began = None;
    }

    /// Whether a reading that began then may have met the files in the middle of a change: something was told shortly
    /// before or has been since.
    pub fn was_restless(&self, began: Instant) -> bool {
        let told = *self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.is_some_and(|told| told + QUIET > began)
    }

    /// Whether there was no end of changes since then: waiting longer would hold back the others.
    pub fn is_hopeless(began: Instant) -> bool {
        began.elapsed() >= PATIENCE
    }

    /// Waits, on a thread that may, until nothing has been told for long enough to take the files for whole.
    pub fn wait_for_rest(&self) {
        let began = Instant::now();
        while self.was_restless(Instant::now()) && !Self::is_hopeless(began) {
            std::thread::sleep(QUIET / 10);
        }
    }

    /// Watches what is there now. To be called before every reading, so that nothing falls between: a directory made
    /// anew has no watch yet. Waits for the file system.
    pub fn watch(&mut self) {
        let mut wanted = self.directories.clone();
        for directory in self.directories.keys() {
            // The nearest directory above tells when this one is made, removed or replaced.
            if let Some(above) = directory.ancestors().skip(1).find(|above| above.is_dir()) {
                wanted.entry(above.to_owned()).or_insert(RecursiveMode::NonRecursive);
            }
        }
        for (directory, mode) in wanted {
            // An old watch may belong to a directory that was replaced under the same name.
            self.system.unwatch(&directory).ok();
            if let Err(error) = self.system.watch(&directory, mode) {
                tracing::debug!(directory = %directory.display(), %error, "not watched");
            }
        }
    }
}

/// Whether more will be told about the same file: one that is made or written is closed later, one that is renamed or
/// removed is not.
fn is_unfinished(kind: EventKind) -> bool {
    matches!(kind, EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any))
}

/// Absolute paths, and whether what is below them matters too.
type Directories = BTreeMap<PathBuf, RecursiveMode>;

fn directories(patterns: &[Pattern]) -> Directories {
    let mut directories = Directories::new();
    for pattern in patterns {
        let Ok(directory) = std::path::absolute(pattern.directory()) else {
            continue;
        };
        let mode = directories.entry(directory).or_insert(RecursiveMode::NonRecursive);
        if pattern.is_deep() {
            *mode = RecursiveMode::Recursive;
        }
    }
    directories
}

/// Which events matter.
struct Interest {
    patterns: Vec<Pattern>,
    directories: Vec<PathBuf>,
}

impl Interest {
    fn in_event(&self, event: &notify::Event) -> bool {
        let only_read = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
            EventKind::Access(_) => true, // our own reading among them
            _ => false,
        };
        // Without paths, events were lost.
        !only_read && (event.paths.is_empty() || event.paths.iter().any(|path| self.in_path(path)))
    }

    fn in_path(&self, path: &Path) -> bool {
        // Kubernetes replaces a mounted directory's files at once by renaming the link `..data`.
        let swapped = path.file_name().is_some_and(|name| name == "..data");
        let is_ours = |pattern: &Pattern| pattern.matches_file_name(path) || (pattern.is_deep() && path.is_dir());
        swapped
            || self.directories.iter().any(|directory| directory.starts_with(path))
            || self.patterns.iter().any(is_ours)
    }
}
