//! What can go wrong with a database file, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why registrations cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process writes it.
    #[error("another srvctl daemon has {}: stop it first, or give this one another `[daemon] state_dir`", .0.display())]
    InUse(PathBuf),
    /// It is damaged.
    #[error(
        "the database of registrations {} is damaged ({why}). Nothing is removed from DNS meanwhile. Move it away \
         together with its -wal and -shm files, and `srvctl import` what was exported",
        .path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A newer srvctl made it.
    #[error(
        "the database of registrations {} has version {version}, and this srvctl knows versions up to {known}: use the \
         srvctl that made it, or a newer one",
        .path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// Ours.
        known: u32,
    },
    /// It was there a moment ago.
    #[error("the database of registrations {} has gone while it was in use; nothing more is changed", .0.display())]
    Gone(PathBuf),
    /// It cannot be written.
    #[error("{} cannot be written: {why}. Nothing was changed; what is registered stays published", .path.display())]
    ReadOnly {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// There is no room for it.
    #[error(
        "there is no room left on the file system of {}. Nothing was changed; what is registered stays published",
        .0.display()
    )]
    Full(PathBuf),
    /// Anything else.
    #[error("{} cannot be used: {why}", .path.display())]
    Other {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl StoreError {
    #[expect(clippy::needless_pass_by_value, reason = "what `map_err` has is the error itself")]
    pub(super) fn of(path: &Path, error: rusqlite::Error) -> Self {
        let (path, why) = (path.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { path, why },
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::ReadOnly { path, why }
            }
            Some(ErrorCode::DiskFull) => Self::Full(path),
            // A row that does not say what it should.
            None if matches!(error, rusqlite::Error::FromSqlConversionFailure(..)) => Self::Damaged { path, why },
            _ => Self::Other { path, why },
        }
    }

    pub(super) fn of_file(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Self::ReadOnly { path, why: error.to_string() }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path),
            _ => Self::Other { path, why: error.to_string() },
        }
    }
}
