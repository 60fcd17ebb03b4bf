//! What an examination finds: how bad it is, what shows it, and what to do. Part of the stable JSON.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad a finding is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Examined, and as it should be.
    Ok,
    /// Worth knowing; nothing to do.
    Note,
    /// Works today, and will surprise somebody.
    Warning,
    /// Somebody does not find what they look for, or will not soon.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One thing that was examined, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was examined, for scripts: lower-case words with `-` between, and never another meaning.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Whom it is about, as the configuration calls it: a zone, a server, an owner name, a file.
    pub subject: String,
    /// What was found, in one sentence.
    pub problem: String,
    /// What shows it: answers, lines of files, numbers.
    pub evidence: Vec<String>,
    /// What to do, exactly; none when there is nothing to do.
    pub remedy: Option<String>,
}

impl Finding {
    /// A finding without evidence and remedy yet.
    pub fn new(code: &'static str, severity: Severity, subject: impl fmt::Display, problem: impl Into<String>) -> Self {
        let (subject, problem) = (subject.to_string(), problem.into());
        Self { code, severity, subject, problem, evidence: Vec::new(), remedy: None }
    }

    /// The same with one more thing that shows it.
    #[must_use]
    pub fn seen(mut self, evidence: impl fmt::Display) -> Self {
        self.evidence.push(evidence.to_string());
        self
    }

    /// The same with what to do.
    #[must_use]
    pub fn remedy(self, remedy: impl fmt::Display) -> Self {
        Self { remedy: Some(remedy.to_string()), ..self }
    }
}
