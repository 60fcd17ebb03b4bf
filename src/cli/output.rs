//! The only place that writes to standard output and standard error.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use crate::model::Diagnostic;

/// A line on standard output. A reader that went away is no error: it has seen what it wanted.
pub(super) fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Whole lines on standard output, in one piece.
pub(super) fn text(lines: &str) {
    let _ = std::io::stdout().lock().write_all(lines.as_bytes());
}

/// JSON on standard output: indented, one document.
pub(super) fn json(value: &impl serde::Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => line(text),
        Err(error) => self::error(format_args!("the JSON could not be written: {error}")),
    }
}

/// An error on standard error.
pub(super) fn error(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "error: {text}");
}

/// A warning on standard error.
pub(super) fn warning(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "warning: {text}");
}

/// A line of a report that goes beside the output, on standard error.
pub(super) fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// What is wrong in files, on standard error.
pub(super) fn diagnostics(all: &[Diagnostic]) {
    let mut err = std::io::stderr().lock();
    for diagnostic in all {
        let _ = writeln!(err, "{diagnostic}\n");
    }
    let plural = if all.len() == 1 { "error" } else { "errors" };
    let _ = writeln!(err, "{} {plural}", all.len());
}

/// What is going on, on standard error when a person watches.
pub(super) fn progress(text: impl Display) {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        let _ = writeln!(err, "{text}");
    }
}

/// Colours for a person, nothing for a pipe or with `NO_COLOR`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(bool);

impl Paint {
    pub(super) fn for_stdout() -> Self {
        Self(std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
    }

    fn with(self, code: u8, text: impl Display) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    pub(super) fn good(self, text: impl Display) -> String {
        self.with(32, text)
    }

    pub(super) fn bad(self, text: impl Display) -> String {
        self.with(31, text)
    }

    pub(super) fn doubtful(self, text: impl Display) -> String {
        self.with(33, text)
    }

    pub(super) fn dim(self, text: impl Display) -> String {
        self.with(2, text)
    }

    pub(super) fn strong(self, text: impl Display) -> String {
        self.with(1, text)
    }
}
