//! Reads TOML tables field by field, so that everything wrong in a file is told at once, each with its place.
//!
//! Knows neither services nor configuration: both read their files through it.

mod document;

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::rules::Refusal;
use crate::model::{Diagnostic, Place};

use super::duration::parse_duration;
use document::Document;

/// How alike two keys must be for "did you mean" (Jaro similarity, 0 to 1); the measure and the bar of clap.
const ALIKE: f64 = 0.7;

/// Reads one TOML text: `read` takes the fields it knows, and what it leaves is reported as unknown keys.
///
/// # Errors
/// Every syntax error that the parser can recover from, and everything that `read` and [`Fields`] reported, in
/// the order of the text. What a syntax error may have caused is left out: other complaints about the same
/// line, keys that seem missing, and everything when a table header itself is broken.
pub fn read<T>(
    file: &Arc<str>,
    text: &Arc<str>,
    read: impl FnOnce(&mut Fields<'_, '_>) -> Option<T>,
) -> Result<T, Vec<Diagnostic>> {
    let (table, syntax_errors) = DeTable::parse_recoverable(text);
    let document = Document::new(file, text, &syntax_errors);
    let mut root = Fields::new(&document, "this file".to_owned(), 0..0, table.into_inner());
    let value = read(&mut root);
    root.report_leftovers();
    let mut problems = document.into_problems();
    problems.sort_by_key(|problem| problem.excerpt.as_ref().map(|(_, span)| span.start));
    match value {
        Some(value) if problems.is_empty() => Ok(value),
        None if problems.is_empty() => Err(vec![Diagnostic::about_file(Arc::clone(file), "cannot be understood")]),
        _ => Err(problems),
    }
}

/// The fields of one table that nobody took yet.
pub struct Fields<'d, 't> {
    document: &'d Document<'t>,
    /// The table as a person would call it: `` `[[service]]` ``.
    called: String,
    header: Range<usize>,
    table: DeTable<'t>,
    known: Vec<&'static str>,
}

impl<'d, 't> Fields<'d, 't> {
    fn new(document: &'d Document<'t>, called: String, header: Range<usize>, table: DeTable<'t>) -> Self {
        Self { document, called, header, table, known: Vec::new() }
    }

    /// Where the table begins: its header, or the opening brace.
    pub fn place(&self) -> Place {
        self.document.place(self.header.start)
    }

    /// The table's header in the text.
    pub fn header(&self) -> Range<usize> {
        self.header.clone()
    }

    /// Reports something wrong at a place.
    pub fn report(&self, span: Range<usize>, message: impl Into<String>) {
        self.document.report(span, message.into(), None);
    }

    /// Reports something wrong at a place, with what to do about it.
    pub fn report_with_help(&self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.document.report(span, message.into(), Some(help.into()));
    }

    /// Reports what a rule refuses, at a place.
    pub fn refuse(&self, span: Range<usize>, Refusal { message, help }: Refusal) {
        self.document.report(span, message, help);
    }

    /// Reports at the table's header what is not there; silent after a syntax error, which may have hidden it.
    pub fn report_missing(&self, message: impl Into<String>, help: impl Into<String>) {
        if self.document.is_well_formed() {
            self.report_with_help(self.header.clone(), message, help);
        }
    }

    /// Reports each of these keys that the table does not have. `keys` pairs a key with an example of its line.
    pub fn require(&self, keys: &[(&'static str, &str)]) {
        for (key, example) in keys {
            if !self.table.contains_key(*key) {
                self.report_missing(format!("{} needs the key `{key}`", self.called), format!("add `{example}`"));
            }
        }
    }

    /// Whether the key is there and was not taken yet.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether a string stands there, for keys that may be of several types.
    pub fn is_string(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().is_str())
    }

    /// A string.
    pub fn string(&mut self, key: &'static str) -> Option<Spanned<String>> {
        let value = self.take(key)?;
        let span = value.span();
        match value.into_inner() {
            DeValue::String(text) => Some(Spanned::new(span, text.into_owned())),
            other => self.wrong_type(&span, key, "a string in quotes", &other),
        }
    }

    /// A string that `parse` understands; its error is shown as it is.
    pub fn parsed<T, E: Into<Refusal>>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Spanned<T>> {
        let text = self.string(key)?;
        self.parse(&text, parse)
    }

    /// Parses a string taken before.
    pub fn parse<T, E: Into<Refusal>>(
        &self,
        text: &Spanned<String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Spanned<T>> {
        match parse(text.get_ref()) {
            Ok(value) => Some(Spanned::new(text.span(), value)),
            Err(error) => {
                self.refuse(text.span(), error.into());
                None
            }
        }
    }

    /// An integer within a range.
    pub fn integer(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = self.take(key)?;
        let span = value.span();
        let DeValue::Integer(integer) = value.get_ref() else {
            return self.wrong_type(&span, key, "an integer without quotes", value.get_ref());
        };
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (low, high) = (range.start(), range.end());
            self.report(span, format!("`{key}` must be from {low} to {high}, not {integer}"));
        }
        number
    }

    /// A length of time within a range, which `in_words` tells.
    pub fn duration(&mut self, key: &'static str, range: RangeInclusive<Duration>, in_words: &str) -> Option<Duration> {
        let parse = |text: &str| {
            let duration = parse_duration(text)?;
            let fits = range.contains(&duration);
            fits.then_some(duration).ok_or_else(|| format!("`{key}` must be {in_words}, not {text}"))
        };
        self.parsed(key, parse).map(Spanned::into_inner)
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let value = self.take(key)?;
        let span = value.span();
        match value.into_inner() {
            DeValue::Boolean(yes) => Some(yes),
            other => self.wrong_type(&span, key, "true or false without quotes", &other),
        }
    }

    /// A list of strings.
    pub fn strings(&mut self, key: &'static str) -> Option<Spanned<Vec<Spanned<String>>>> {
        let value = self.take(key)?;
        let span = value.span();
        let DeValue::Array(array) = value.into_inner() else {
            self.report(span, format!("`{key}` must be a list of strings: [\"…\"]"));
            return None;
        };
        let mut strings = Vec::new();
        for element in array {
            let element_span = element.span();
            match element.into_inner() {
                DeValue::String(text) => strings.push(Spanned::new(element_span, text.into_owned())),
                other => {
                    let is = kind(&other);
                    self.report(element_span, format!("`{key}` must be a list of strings, and this is {is}"));
                }
            }
        }
        Some(Spanned::new(span, strings))
    }

    /// One string, or a list of strings.
    pub fn string_or_strings(&mut self, key: &'static str) -> Option<Spanned<Vec<Spanned<String>>>> {
        if self.is_string(key) {
            let text = self.string(key)?;
            return Some(Spanned::new(text.span(), vec![text]));
        }
        self.strings(key)
    }

    /// A list of words: strings, and integers as their text.
    pub fn word_list(&mut self, key: &'static str) -> Option<Spanned<Vec<Spanned<String>>>> {
        let value = self.take(key)?;
        let span = value.span();
        let DeValue::Array(array) = value.into_inner() else {
            self.report(span, format!("`{key}` must be a list: [\"…\"]"));
            return None;
        };
        let mut words = Vec::new();
        for element in array {
            match element.get_ref() {
                DeValue::String(_) | DeValue::Integer(_) => {
                    words.extend(word(element.get_ref()).map(|word| Spanned::new(element.span(), word)));
                }
                other => {
                    let message = format!("`{key}` must be a list of strings or integers, and this is {}", kind(other));
                    self.report(element.span(), message);
                }
            }
        }
        Some(Spanned::new(span, words))
    }

    /// A table of any keys whose values are words: strings, and integers and booleans as their text.
    /// In the order of the text.
    pub fn words(&mut self, key: &'static str) -> Option<Spanned<Words>> {
        let value = self.take(key)?;
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            self.report(span, format!("`{key}` must be a table: {{ name = \"value\" }}"));
            return None;
        };
        let mut words = Vec::new();
        for (name, value) in table {
            let name = Spanned::new(name.span(), name.into_inner().into_owned());
            if let Some(word) = word(value.get_ref()) {
                words.push((name, Spanned::new(value.span(), word)));
            } else {
                let message = format!("`{}` must be a string, not {}", name.get_ref(), kind(value.get_ref()));
                self.report_with_help(value.span(), message, "write the value in quotes");
            }
        }
        words.sort_by_key(|(name, _)| name.span().start);
        Some(Spanned::new(span, words))
    }

    /// A table of any keys whose values are a word, or lists of words.
    pub fn lists(&mut self, key: &'static str) -> Option<BTreeMap<String, Vec<String>>> {
        let value = self.take(key)?;
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            self.report(span, format!("`{key}` must be a table: {{ name = [\"value\"] }}"));
            return None;
        };
        let mut lists = BTreeMap::new();
        for (name, value) in table {
            let words = match value.get_ref() {
                DeValue::Array(array) => array.iter().map(|element| word(element.get_ref())).collect(),
                other => word(other).map(|word| vec![word]),
            };
            if let Some(words) = words {
                lists.insert(name.into_inner().into_owned(), words);
            } else {
                let message = format!("`{}` must be a string, or a list of strings", name.get_ref());
                self.report(value.span(), message);
            }
        }
        Some(lists)
    }

    /// A `[key]` table, read by `read`.
    pub fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Fields<'_, '_>) -> Option<T>) -> Option<T> {
        self.table_at(key, key, read)
    }

    /// The same below another table: `path` is the header as people write it, `service.health`.
    pub fn table_at<T>(
        &mut self,
        key: &'static str,
        path: &str,
        read: impl FnOnce(&mut Fields<'_, '_>) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(key)?;
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            self.report(span, format!("`{key}` must be a table: write `[{path}]` on a line of its own"));
            return None;
        };
        let mut fields = Fields::new(self.document, format!("`[{path}]`"), span, table);
        let value = read(&mut fields);
        fields.report_leftovers();
        value
    }

    /// Every `[[key]]` table, each read by `read`; in the answer are also those that `read` gave up on.
    /// None when there is no such key, or something else stands there.
    ///
    /// `path` is the header as people write it: `service.instance` for the key `instance` of a service.
    pub fn each<T>(
        &mut self,
        key: &'static str,
        path: &str,
        mut read: impl FnMut(&mut Fields<'_, '_>) -> Option<T>,
    ) -> Option<Vec<Option<T>>> {
        let value = self.take(key)?;
        let wrong = format!("`{key}` must be tables: write `[[{path}]]` on a line of its own before each");
        let span = value.span();
        let DeValue::Array(array) = value.into_inner() else {
            self.report(span, wrong);
            return None;
        };
        let mut values = Vec::new();
        for element in array {
            let span = element.span();
            let DeValue::Table(table) = element.into_inner() else {
                self.report(span, wrong.clone());
                values.push(None);
                continue;
            };
            let mut fields = Fields::new(self.document, format!("`[[{path}]]`"), span, table);
            values.push(read(&mut fields));
            fields.report_leftovers();
        }
        Some(values)
    }

    /// Leaves the rest of the table alone, when nobody can tell what belongs into it.
    pub fn ignore_the_rest(&mut self) {
        self.table.clear();
    }

    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'t>>> {
        self.known.push(key);
        self.table.remove(key)
    }

    fn wrong_type<T>(&self, span: &Range<usize>, key: &str, wanted: &str, value: &DeValue<'_>) -> Option<T> {
        self.report(span.clone(), format!("`{key}` must be {wanted}, not {}", kind(value)));
        None
    }

    fn report_leftovers(self) {
        for key in self.table.keys() {
            let name = key.get_ref();
            let message = format!("unknown key `{name}` in {}", self.called);
            let similar = |known: &&&str| strsim::jaro(name, known);
            let alike = self.known.iter().filter(|known| similar(known) > ALIKE);
            let help = match alike.max_by(|a, b| similar(a).total_cmp(&similar(b))) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("the keys here are `{}`", self.known.join("`, `")),
            };
            self.report_with_help(key.span(), message, help);
        }
    }
}

/// Names and values of a table of words.
pub type Words = Vec<(Spanned<String>, Spanned<String>)>;

/// A scalar's text; none for what has several spellings or none.
fn word(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Integer(integer) => {
            i128::from_str_radix(integer.as_str(), integer.radix()).ok().map(|number| number.to_string())
        }
        _ => None,
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
