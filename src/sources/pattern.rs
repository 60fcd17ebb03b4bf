//! One entry of `services = ["services.d/*.toml"]`: a file, or a pattern of files.

use std::path::{Component, Path, PathBuf};

use glob::MatchOptions;

/// A pattern of service files, bound to the directory that it is relative to.
///
/// As in a shell, `*` matches neither `/` nor a leading dot: editors leave `.name.swp` and `.#name` behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// What the glob library is given.
    full: String,
    /// The longest leading directory without wildcards; the file itself for a pattern without any.
    base: PathBuf,
    /// Whether there is a wildcard at all.
    wild: bool,
    /// Whether a directory is matched by a wildcard, so that files can appear below directories not known yet.
    deep: bool,
}

/// As in a shell.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.full)
    }
}

impl Pattern {
    /// A pattern as a person wrote it, relative to `directory` unless it is absolute.
    ///
    /// # Errors
    /// When it is empty or its wildcards are malformed.
    pub fn new(directory: &Path, text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the pattern is empty".to_owned());
        }
        glob::Pattern::new(text).map_err(|error| format!("`{text}` is not a pattern of files: {}", error.msg))?;
        let is_wild = |component: &Component<'_>| component.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        let path = Path::new(text);
        let fixed: PathBuf = path.components().take_while(|component| !is_wild(component)).collect();
        let from_wild = path.components().skip_while(|component| !is_wild(component)).count();
        // Only what the person wrote is a pattern; the directory's own brackets are letters.
        let full = if path.is_absolute() || directory.as_os_str().is_empty() {
            text.to_owned()
        } else {
            format!("{}/{text}", glob::Pattern::escape(&directory.to_string_lossy()))
        };
        Ok(Self { full, base: directory.join(fixed), wild: from_wild > 0, deep: from_wild > 1 })
    }

    /// The one file meant, when there is no wildcard.
    pub(super) fn literal(&self) -> Option<&Path> {
        (!self.wild).then_some(self.base.as_path())
    }

    /// The directory under which all matching files lie.
    pub(super) fn directory(&self) -> &Path {
        let base = if self.wild { Some(self.base.as_path()) } else { self.base.parent() };
        base.filter(|base| !base.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// Whether matching files can lie deeper than directly in [`Self::directory`].
    pub(super) fn is_deep(&self) -> bool {
        self.deep
    }

    /// The matching paths that exist, and the directories that could not be read.
    pub(super) fn expand(&self) -> impl Iterator<Item = Result<PathBuf, glob::GlobError>> {
        // The pattern was checked when it was made, and escaping a directory cannot break it.
        glob::glob_with(&self.full, OPTIONS).into_iter().flatten()
    }

    /// Whether a file name could be one of ours, wherever its directory is: enough to decide on a re-read.
    pub(super) fn matches_file_name(&self, path: &Path) -> bool {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else {
            return false;
        };
        let last = self.full.rsplit('/').next().unwrap_or_default();
        glob::Pattern::new(last).is_ok_and(|pattern| pattern.matches_with(&name, OPTIONS))
    }
}
