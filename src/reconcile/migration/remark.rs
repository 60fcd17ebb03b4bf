//! What an import has to say: what became of each thing that it read, where that stands, and what to do.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::model::rules::Refusal;
use crate::model::{Place, ServiceKey};

/// What became of something that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is in a service, as it was said.
    Mapped,
    /// It is in a service, and what it means there was guessed: a person should look at it.
    Guessed,
    /// It is in the file that is there and not in what was read, and stays in the service.
    Kept,
    /// It is in no service and belongs in none.
    Left,
    /// It is in no service, and a person has to decide.
    Refused,
}

impl Fate {
    /// As the report calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::Guessed => "guessed",
            Self::Kept => "kept",
            Self::Left => "left",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where something was read: a file, and the line where the format tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file as the person named it, or the zone and its server.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: Option<u32>,
}

impl Source {
    /// A file as a whole.
    pub fn file(file: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), line: None }
    }

    /// One line of it.
    pub fn line(file: &Arc<str>, line: u32) -> Self {
        Self { file: Arc::clone(file), line: Some(line) }
    }

    /// The place, for what has to have one.
    pub fn place(&self) -> Place {
        Place { file: Arc::clone(&self.file), line: self.line.unwrap_or(1), column: 1 }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// What became of it.
    pub fate: Fate,
    /// Where it was read.
    #[serde(rename = "at")]
    pub source: Source,
    /// What it is, as its own tool calls it: a job, a host, an owner name.
    pub subject: String,
    /// What was done and why, one sentence.
    pub message: String,
    /// What to do; none when there is nothing to do.
    pub help: Option<String>,
    /// The service that it is about, when there is one.
    #[serde(serialize_with = "shown")]
    pub service: Option<ServiceKey>,
}

#[expect(clippy::ref_option, reason = "as serde calls it")]
fn shown<S: serde::Serializer>(key: &Option<ServiceKey>, serializer: S) -> Result<S::Ok, S::Error> {
    match key {
        Some(key) => serializer.collect_str(key),
        None => serializer.serialize_none(),
    }
}

impl Remark {
    /// A remark that is about no service and has nothing to do in it.
    pub fn new(fate: Fate, source: &Source, subject: impl Into<String>, message: impl Into<String>) -> Self {
        let (subject, message) = (subject.into(), message.into());
        Self { fate, source: source.clone(), subject, message, help: None, service: None }
    }

    /// What a rule of ours refuses.
    pub fn refused(source: &Source, subject: impl Into<String>, Refusal { message, help }: Refusal) -> Self {
        Self { help, ..Self::new(Fate::Refused, source, subject, message) }
    }

    /// The same with what to do.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same about a service.
    #[must_use]
    pub fn of(self, service: &ServiceKey) -> Self {
        Self { service: Some(service.clone()), ..self }
    }
}
