//! Patterns of files, as Go expands them.

use std::path::{Path, PathBuf};

use glob::MatchOptions;

/// Unlike a shell's, a Go `*` takes a leading dot.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// The files that match, in order; relative to `directory` unless the pattern is absolute. None is no error, but a
/// directory that cannot be read is, which Go passes over: nobody knows what is in it.
pub(super) fn expand(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    // Go writes a negated class with `^`.
    let own = pattern.replace("[^", "[!");
    let full = if Path::new(&own).is_absolute() || directory.as_os_str().is_empty() {
        own
    } else {
        format!("{}/{own}", glob::Pattern::escape(&directory.to_string_lossy()))
    };
    let found = glob::glob_with(&full, OPTIONS);
    let found = found.map_err(|error| format!("`{pattern}` is not a pattern of files: {}", error.msg))?;
    let wrong =
        |error: &glob::GlobError| format!("`{pattern}`: {} cannot be read: {}", error.path().display(), error.error());
    let mut files = found.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(&error))?;
    files.sort();
    Ok(files)
}

/// Whether the directory of a pattern is there: the part of its path before the first wildcard.
pub(super) fn has_directory(directory: &Path, pattern: &str) -> bool {
    let fixed = pattern.find(['*', '?', '[']).map_or(pattern, |at| &pattern[..at]);
    let parent = fixed.rsplit_once('/').map_or("", |(parent, _)| parent);
    let parent = if parent.is_empty() && fixed.starts_with('/') { "/" } else { parent };
    let parent = directory.join(parent);
    parent.as_os_str().is_empty() || parent.is_dir()
}
