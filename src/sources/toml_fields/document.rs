//! One TOML text and what is wrong in it: which complaints are worth telling beside its syntax errors.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use crate::model::{Diagnostic, LineIndex, Place};

/// One text, and what was found wrong in it so far.
pub(super) struct Document<'t> {
    file: &'t Arc<str>,
    text: &'t Arc<str>,
    lines: LineIndex,
    /// Lines with a syntax error.
    broken_lines: BTreeSet<usize>,
    /// A table header is among them: which key belongs to which table is a guess.
    broken_header: bool,
    problems: RefCell<Vec<Diagnostic>>,
}

impl<'t> Document<'t> {
    pub(super) fn new(file: &'t Arc<str>, text: &'t Arc<str>, syntax_errors: &[toml::de::Error]) -> Self {
        let mut document = Self {
            file,
            text,
            lines: LineIndex::new(text),
            broken_lines: BTreeSet::new(),
            broken_header: false,
            problems: RefCell::default(),
        };
        for error in syntax_errors {
            let span = error.span().unwrap_or(0..0);
            document.broken_lines.insert(document.line(span.start));
            let line_start = text.get(..span.start).unwrap_or_default().rfind('\n').map_or(0, |newline| newline + 1);
            document.broken_header |= text[line_start..].trim_start().starts_with('[');
            let nothing_there = span.is_empty() && error.message().starts_with("string values must be quoted");
            let said = error.message().trim_end_matches(", expected literal string");
            let message = if nothing_there { "a value is missing" } else { said };
            document.problems.get_mut().push(Diagnostic::at(file, text, span, message));
        }
        document
    }

    fn line(&self, offset: usize) -> usize {
        self.lines.line(offset)
    }

    pub(super) fn place(&self, offset: usize) -> Place {
        self.lines.place(self.file, self.text, offset)
    }

    pub(super) fn report(&self, span: Range<usize>, message: String, help: Option<String>) {
        if self.broken_header || self.broken_lines.contains(&self.line(span.start)) {
            return;
        }
        let mut problem = Diagnostic::at(self.file, self.text, span, message);
        problem.help = help;
        self.problems.borrow_mut().push(problem);
    }

    /// Whether there is no syntax error.
    pub(super) fn is_well_formed(&self) -> bool {
        self.broken_lines.is_empty()
    }

    pub(super) fn into_problems(self) -> Vec<Diagnostic> {
        self.problems.into_inner()
    }
}
