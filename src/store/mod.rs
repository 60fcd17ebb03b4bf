//! Registrations on the disk, and what is known of health: an embedded SQLite database in `state_dir`, written by one,
//! durable before anybody hears that something is done. And files that others read, each replaced in one step.
//!
//! Knows rows and files. What may be registered, and what follows from it, is decided elsewhere: what comes here are
//! changes, and what goes out is everything that they came to.

mod error;
mod health;
mod journal;
mod replace;
mod rows;
mod schema;

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::model::{Action, Edit, Name};

pub use error::StoreError;
pub use health::{Announcement, HealthBatch, HealthContents, transitions};
pub use journal::{Filter, history};
pub use replace::{ReplaceError, replace};

/// The database's file in `state_dir`.
pub const FILE: &str = "registrations.db";
/// Held by the daemon that writes.
const LOCK: &str = "lock";
/// The group may read, as it may read the configuration: `srvctl plan` needs to know what is registered.
const MODE: u32 = 0o640;
/// How long a reader may hold up the writer, or the other way round; with a write-ahead log neither does for long.
const BUSY: Duration = Duration::from_secs(5);

/// The database of the one who writes it.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// Or why nothing can be written now.
    writer: Result<Writer, String>,
}

#[derive(Debug)]
struct Writer {
    connection: Connection,
    /// Released when it is closed.
    _lock: File,
}

/// Everything that the database holds, apart from the journal and the history of health.
#[derive(Debug, Default)]
pub struct Contents {
    /// As changes of an empty registry.
    pub edits: Vec<Edit>,
    /// The highest revision that was ever given out.
    pub revision: u64,
    /// Seconds in which something could be renewed, since the first start.
    pub clock: u64,
    /// Zones of which it is known that the database has what is published there.
    pub confirmed: BTreeSet<Name>,
    /// Leases that ended of late: when on the service clock, and in which zone.
    pub ended: Vec<(u64, Name)>,
    /// How instances were, and who works on what.
    pub health: HealthContents,
}

/// A change to be written, with its line for the journal.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// What changes.
    pub edit: &'a Edit,
    /// What was done.
    pub action: Action,
    /// Who did it.
    pub by: &'a str,
    /// When, seconds since 1970.
    pub at: u64,
}

impl Store {
    /// Opens the database of a state directory, or makes one. One that can be read and not written is good enough for a
    /// start: what is registered stays published, and each change is tried anew.
    ///
    /// # Errors
    /// When another process has it, it is damaged or made by a newer srvctl, or cannot be read.
    pub fn open(state_dir: &Path) -> Result<(Self, Contents), StoreError> {
        let path = state_dir.join(FILE);
        match Writer::open(&path) {
            Ok(writer) => {
                let contents = rows::read_all(&writer.connection).map_err(|error| StoreError::of(&path, error))?;
                Ok((Self { path, writer: Ok(writer) }, contents))
            }
            Err(error @ StoreError::ReadOnly { .. }) => {
                let contents = read(state_dir)?.unwrap_or_default();
                Ok((Self { path, writer: Err(error.to_string()) }, contents))
            }
            Err(error) => Err(error),
        }
    }

    /// Why nothing can be written, when that is known.
    pub fn problem(&self) -> Option<&str> {
        self.writer.as_ref().err().map(String::as_str)
    }

    /// Writes changes down, all or none of them, with their lines in the journal and the time on the service clock. They
    /// are on the disk when this returns.
    ///
    /// # Errors
    /// When they are not: a full disk, a file system that is read-only.
    pub fn commit(&mut self, entries: &[Entry<'_>], clock: u64) -> Result<(), StoreError> {
        self.write(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for entry in entries {
                rows::write(&transaction, entry.edit)?;
                rows::write_revision(&transaction, entry.edit)?;
                if !entry.edit.is_renewal() {
                    journal::write(&transaction, *entry, clock)?;
                }
            }
            rows::write_clock(&transaction, clock)?;
            transaction.commit()
        })
    }

    /// Writes down what changed about health, all of it or nothing.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_health(&mut self, batches: &[HealthBatch]) -> Result<(), StoreError> {
        self.write(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for batch in batches {
                health::write(&transaction, batch)?;
            }
            transaction.commit()
        })
    }

    /// Notes that the database has what is published in a zone.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn confirm(&mut self, zone: &Name) -> Result<(), StoreError> {
        self.write(|connection| rows::confirm(connection, zone))
    }

    fn write(&mut self, write: impl FnOnce(&mut Connection) -> rusqlite::Result<()>) -> Result<(), StoreError> {
        if self.writer.is_err() {
            match Writer::open(&self.path) {
                Ok(writer) => self.writer = Ok(writer),
                Err(error) => {
                    self.writer = Err(error.to_string());
                    return Err(error);
                }
            }
        }
        let Ok(writer) = &mut self.writer else { unreachable!("it was opened above") };
        write(&mut writer.connection).map_err(|error| StoreError::of(&self.path, error))
    }
}

impl Writer {
    fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = lock(&path.with_file_name(LOCK))?;
        let create = OpenOptions::new().create(true).append(true).mode(MODE).open(path);
        create.map_err(|error| StoreError::of_file(path, &error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).and_then(|mut connection| {
            connection.busy_timeout(BUSY)?;
            schema::prepare(&mut connection)?;
            Ok(connection)
        });
        let connection = connection.map_err(|error| StoreError::of(path, error))?;
        schema::check(&connection, path)?;
        Ok(Self { connection, _lock: lock })
    }
}

/// What is registered, for a command that runs beside the daemon or without one; none when nothing ever was.
///
/// # Errors
/// When it cannot be read.
pub fn read(state_dir: &Path) -> Result<Option<Contents>, StoreError> {
    let path = state_dir.join(FILE);
    let Some(connection) = reader(&path)? else { return Ok(None) };
    schema::check_version(&connection, &path)?;
    rows::read_all(&connection).map(Some).map_err(|error| StoreError::of(&path, error))
}

/// Whether a daemon has written in this state directory: then there was a database.
pub fn was_written(state_dir: &Path) -> bool {
    state_dir.join(LOCK).exists()
}

/// A number that grows with every change of what is registered and of what is known of health. None when there never was
/// one.
///
/// # Errors
/// When it cannot be read.
pub fn last_event(state_dir: &Path) -> Result<Option<u64>, StoreError> {
    let path = state_dir.join(FILE);
    let Some(connection) = reader(&path)? else { return Ok(None) };
    journal::last(&connection).map_err(|error| StoreError::of(&path, error))
}

/// A connection that reads; none when there is no database.
fn reader(path: &Path) -> Result<Option<Connection>, StoreError> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::of_file(path, &error)),
        Ok(found) if found.len() == 0 => return Ok(None), // made a moment ago
        Ok(_) => {}
    }
    // Without a log beside it nobody writes, and the file is all there is: then nothing has to be written for reading
    // it, which may not be possible.
    let log = path.with_file_name(format!("{FILE}-wal"));
    let immutable = if log.exists() { "" } else { "&immutable=1" };
    let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(format!("file:{escaped}?mode=ro{immutable}"), flags);
    let connection = connection.and_then(|connection| connection.busy_timeout(BUSY).map(|()| connection));
    connection.map(Some).map_err(|error| StoreError::of(path, error))
}

/// Says that this process writes the database.
fn lock(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new().create(true).append(true).mode(MODE).open(path);
    let file = file.map_err(|error| StoreError::of_file(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(StoreError::of_file(path, &error)),
    }
}

#[cfg(test)]
mod health_tests;
#[cfg(test)]
mod tests;
