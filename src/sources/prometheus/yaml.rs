//! One text of YAML, and places in it.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_saphyr::{Location, Options, SnippetMode, budget, options, render_options};

use crate::model::{Diagnostic, Place};

/// How many things a document may have: a hundred thousand targets with labels of their own, and more.
const MOST_NODES: usize = 4_000_000;

pub(super) struct Yaml {
    pub(super) file: Arc<str>,
    text: Arc<str>,
}

impl Yaml {
    pub(super) fn new(file: &str, text: &str) -> Self {
        Self { file: file.into(), text: text.into() }
    }

    pub(super) fn read(path: &Path) -> Result<Self, Diagnostic> {
        let file: Arc<str> = path.to_string_lossy().into();
        let wrong = |why: String| Diagnostic::about_file(Arc::clone(&file), format!("cannot be read: {why}"));
        let bytes = fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|error| wrong(error.utf8_error().to_string()))?;
        Ok(Self { file, text: text.into() })
    }

    /// The same text may be read as several things.
    pub(super) fn parse<'t, T: Deserialize<'t>>(&'t self) -> Result<T, Diagnostic> {
        serde_saphyr::from_str_with_options(&self.text, reading()).map_err(|error| {
            let message = in_our_words(&error.render_with_options(render_options! { snippets: SnippetMode::Off }));
            error.location().map_or_else(
                || Diagnostic::about_file(Arc::clone(&self.file), message.clone()),
                |location| self.about(&location, message.clone()),
            )
        })
    }

    /// JSON is read as YAML, which it is; but not everything that is YAML is JSON.
    pub(super) fn must_be_json(&self) -> Result<(), Diagnostic> {
        serde_json::from_str::<serde::de::IgnoredAny>(&self.text).map(|_| ()).map_err(|error| {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            self.at(self.offset(error.line(), error.column()), format!("is no JSON: {message}"))
        })
    }

    pub(super) fn place(&self, location: &Location) -> Place {
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Place { file: Arc::clone(&self.file), line: number(location.line()), column: number(location.column()) }
    }

    /// Something that is wrong at a place in the text.
    pub(super) fn about(&self, location: &Location, message: impl Into<String>) -> Diagnostic {
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        self.at(self.offset(number(location.line()), number(location.column())), message)
    }

    fn at(&self, offset: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(&self.file, &self.text, self.word(offset), message)
    }

    /// The byte of a line and a column in characters, both from 1.
    fn offset(&self, line: usize, column: usize) -> usize {
        let start: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let within = self.text[start..].char_indices().map(|(at, _)| at).nth(column.saturating_sub(1));
        start + within.unwrap_or(self.text.len() - start)
    }

    /// From there to the end of the line, without what is blank.
    fn word(&self, start: usize) -> Range<usize> {
        let line = self.text[start..].lines().next().unwrap_or_default();
        start..start + line.trim_end().len()
    }
}

/// The library's words are for who programs with it, and the place is shown with the line itself.
fn in_our_words(rendered: &str) -> String {
    let message = rendered.split(" at line ").next().unwrap_or_default();
    match message.split_once(", set DuplicateKeyPolicy").map_or(message, |(before, _)| before) {
        "expected sequence start" => "a list is wanted here".to_owned(),
        "expected mapping start" => "keys with values are wanted here".to_owned(),
        "expected string scalar" => "text is wanted here".to_owned(),
        "invalid boolean" => "`true` or `false` is wanted here".to_owned(),
        "invalid u16" => "a number from 0 to 65535 is wanted here".to_owned(),
        "invalid u64" => "a number is wanted here".to_owned(),
        several if several.starts_with("multiple YAML documents") => {
            "a second document begins here, which Prometheus passes over: take it out".to_owned()
        }
        other => match other.strip_prefix("duplicate mapping key: ") {
            Some(key) => format!("the key is there twice: `{key}`"),
            None => other.to_owned(),
        },
    }
}

/// As Prometheus' own library reads it, in what matters: numbers where text is wanted are text.
fn reading() -> Options {
    options! {
        with_snippet: false,
        budget: budget! { max_nodes: MOST_NODES, max_events: 2 * MOST_NODES },
    }
}
