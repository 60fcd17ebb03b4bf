//! Files that others read while they are written: replaced in one step, and only when there is something new in them.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// Why a file could not be replaced. What was there before is there still.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// Nobody has made its directory.
    #[error("the directory {} does not exist: create it, so that srvctl may write there", .0.display())]
    NoDirectory(PathBuf),
    /// The system lets nobody write there.
    #[error("{} cannot be written: {source}; under systemd, name its directory in `ReadWritePaths=` of the unit", .path.display())]
    ReadOnly {
        /// Which file.
        path: PathBuf,
        /// In the system's words.
        source: io::Error,
    },
    /// Anything else.
    #[error("{} cannot be written: {source}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// In the system's words.
        source: io::Error,
    },
}

/// Gives a file another content, on the disk when this returns. Whoever reads it meanwhile has one or the other whole.
/// Whether it was written: it is not when it has that content already.
///
/// It keeps its permissions, and its group where the process is in that; a new one gets `mode`. A link stays one, and the file
/// that it names is replaced. The file beside it that becomes it ends in `.srvctl-new`, so
/// that no pattern for `*.json` takes it for another.
///
/// # Errors
/// When it could not be written.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> Result<bool, ReplaceError> {
    if fs::read(path).is_ok_and(|there| there == content) {
        return Ok(false);
    }
    let path = &resolved(path);
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".srvctl-new");
    let fresh = directory.join(name);
    let there = fs::metadata(path).ok();
    let written = write(&fresh, content, mode, there.as_ref()).and_then(|()| fs::rename(&fresh, path));
    // The name is on the disk when the directory is.
    let written = written.and_then(|()| File::open(directory)?.sync_all());
    written.map(|()| true).map_err(|source| {
        let _ = fs::remove_file(&fresh);
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound if !directory.exists() => ReplaceError::NoDirectory(directory.to_owned()),
            io::ErrorKind::ReadOnlyFilesystem => ReplaceError::ReadOnly { path, source },
            _ => ReplaceError::Io { path, source },
        }
    })
}

/// The file that a path names, be it there or not.
fn resolved(path: &Path) -> PathBuf {
    let named = |to: PathBuf| path.parent().map_or_else(|| to.clone(), |directory| directory.join(&to));
    fs::canonicalize(path).or_else(|_| fs::read_link(path).map(named)).unwrap_or_else(|_| path.to_owned())
}

fn write(fresh: &Path, content: &[u8], mode: u32, there: Option<&Metadata>) -> io::Result<()> {
    let mode = there.map_or(mode, |there| there.permissions().mode() & 0o7777);
    // One that was left behind, or that somebody put there to have another file written through it.
    match fs::remove_file(fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(fresh)?;
    if let Some(there) = there {
        // Nobody else's group can be given to a file.
        let _ = fchown(&file, None, Some(there.gid()));
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_replaced_in_one_step() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("x.json"), directory.path().join("other"));
        fs::write(&other, "untouched").unwrap();
        symlink(&other, directory.path().join(".x.json.srvctl-new")).unwrap();
        assert!(replace(&path, b"[1]", 0o640).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(!replace(&path, b"[1]", 0o600).unwrap(), "it is there already");
        let reader = File::open(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
        assert!(replace(&path, b"[2]", 0o640).unwrap());
        assert_eq!(io::read_to_string(reader).unwrap(), "[1]", "who reads the old one reads it to its end");
        assert_eq!(fs::read(&path).unwrap(), b"[2]");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o604, "what a person has set");
        assert_eq!(fs::read_to_string(other).unwrap(), "untouched");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing is left beside it");
    }

    #[test]
    fn a_link_stays_one() {
        let directory = tempfile::tempdir().unwrap();
        let (link, file) = (directory.path().join("x.json"), directory.path().join("elsewhere.json"));
        symlink("elsewhere.json", &link).unwrap();
        for content in [&b"[1]"[..], b"[2]"] {
            assert!(replace(&link, content, 0o644).unwrap());
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read(&file).unwrap(), content);
        }
        assert!(fs::symlink_metadata(&file).unwrap().is_file());
    }

    #[test]
    fn what_cannot_be_written_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let why = replace(&directory.path().join("no/x.json"), b"", 0o644).unwrap_err().to_string();
        assert!(why.contains("/no does not exist: create it"), "{why}");
        fs::create_dir(directory.path().join("x.json")).unwrap();
        let why = replace(&directory.path().join("x.json"), b"", 0o644).unwrap_err().to_string();
        assert!(why.contains("x.json cannot be written: Is a directory"), "{why}");
    }
}
