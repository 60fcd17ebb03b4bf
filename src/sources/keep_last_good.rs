//! Which version of each service file is in force.
//!
//! Stale beats partial: a service that leaves the catalogue leaves DNS, and Prometheus drops its targets, so
//! nothing leaves because something else broke.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{Catalogue, Diagnostic, Service};

use super::files::{FileRead, Snapshot, catalogue};

/// Remembers the last good version of every file.
///
/// It judges files by their paths, so a changed list of patterns or zones wants a new one.
#[derive(Debug, Clone, Default)]
pub struct KeepLastGood {
    /// None until everything was good once.
    in_force: Option<Arc<InForce>>,
}

#[derive(Debug)]
struct InForce {
    files: BTreeMap<PathBuf, FileRead>,
    catalogue: Arc<Catalogue>,
}

/// What to act on, and what to complain about.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The services in force; none as long as there never was a read without errors, because acting on the
    /// readable rest would remove what the broken files publish.
    pub catalogue: Option<Arc<Catalogue>>,
    /// What is wrong now.
    pub errors: Vec<Diagnostic>,
    /// Patterns that no file matches now.
    pub silent: Vec<String>,
}

impl KeepLastGood {
    /// Takes a new reading.
    ///
    /// - A good file counts as it is, and a broken or unreadable one as it last was.
    /// - A file that is gone counts no more, except when its directory cannot be read, or when some file is
    ///   broken of which no good version is known: that may be the same file under a new name.
    /// - When files that are good each for itself contradict each other, everything stays as it last was.
    pub fn take(&mut self, snapshot: Snapshot) -> Loaded {
        let mut errors = snapshot.errors();
        let silent = snapshot.silent.clone();
        let Some(before) = &self.in_force else {
            if errors.is_empty() {
                match catalogue(snapshot.files.values()) {
                    Ok(catalogue) => {
                        self.in_force = Some(Arc::new(InForce { files: snapshot.files, catalogue: catalogue.into() }));
                    }
                    Err(contradictions) => errors = contradictions,
                }
            }
            return self.loaded(errors, silent);
        };
        let files = merged(&before.files, snapshot);
        let is_known = |((path, file), (before, known)): ((&PathBuf, &FileRead), (&PathBuf, &FileRead))| {
            path == before && file.is(known)
        };
        if files.len() == before.files.len() && files.iter().zip(&before.files).all(is_known) {
            return self.loaded(errors, silent);
        }
        match catalogue(files.values()) {
            Ok(catalogue) => self.in_force = Some(Arc::new(InForce { files, catalogue: catalogue.into() })),
            Err(contradictions) => errors.extend(contradictions),
        }
        self.loaded(errors, silent)
    }

    /// Whether something of what is in force is in force no more after this reading: a service, an instance, an
    /// address, a key of the metadata. What is only half written does that.
    pub fn loses(&self, loaded: &Loaded) -> bool {
        let (Some(before), Some(after)) = (&self.in_force, &loaded.catalogue) else { return false };
        let lost = |(key, old): (_, &Arc<Service>)| {
            after.get(key).is_none_or(|new| !Arc::ptr_eq(old, new) && !new.has_all_of(old))
        };
        !Arc::ptr_eq(&before.catalogue, after) && before.catalogue.iter().any(lost)
    }

    /// The files in force.
    pub fn files(&self) -> &BTreeMap<PathBuf, FileRead> {
        static NOTHING: BTreeMap<PathBuf, FileRead> = BTreeMap::new();
        self.in_force.as_ref().map_or(&NOTHING, |in_force| &in_force.files)
    }

    fn loaded(&self, errors: Vec<Diagnostic>, silent: Vec<String>) -> Loaded {
        Loaded { catalogue: self.in_force.as_ref().map(|in_force| Arc::clone(&in_force.catalogue)), errors, silent }
    }
}

fn merged(before: &BTreeMap<PathBuf, FileRead>, snapshot: Snapshot) -> BTreeMap<PathBuf, FileRead> {
    let Snapshot { files: read, unknown, silent: _ } = snapshot;
    let unheard_of = |(path, file): (&PathBuf, &FileRead)| file.services.is_err() && !before.contains_key(path);
    let keep_all = read.iter().any(unheard_of);
    let is_kept = |path: &PathBuf| {
        let broken = read.get(path).is_some_and(|file| file.services.is_err());
        let gone = !read.contains_key(path);
        broken || (gone && (keep_all || unknown.keys().any(|directory| path.starts_with(directory))))
    };
    let kept: BTreeMap<_, _> =
        before.iter().filter(|(path, _)| is_kept(path)).map(|(p, f)| (p.clone(), f.clone())).collect();
    let good = read.into_iter().filter(|(_, file)| file.services.is_ok());
    good.chain(kept).collect()
}
