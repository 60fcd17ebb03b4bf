//! Patterns of files, as Go expands them.

use std::path::{Path, PathBuf};

use glob::MatchOptions;

/// Unlike a shell's, a Go `*` takes a leading dot.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// The files that match, in order; relative to `directory` unless the pattern is absolute. None is no error, and
/// neither is a directory that cannot be read: so it is to Go.
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
    let mut files: Vec<_> = found.flatten().collect();
    files.sort();
    Ok(files)
}
