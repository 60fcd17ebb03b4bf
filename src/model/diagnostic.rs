//! What is wrong in a text that a person wrote, with the place, shown the way rustc shows it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A place in a file: where a desired thing was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file as the person named it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Place {
    /// The place of a byte offset in a text.
    pub fn at(file: &Arc<str>, text: &str, offset: usize) -> Self {
        LineIndex::new(text).place(file, text, offset)
    }
}

/// Where the lines of a text begin: for many places in one text without reading it again for each.
#[derive(Debug, Clone)]
pub struct LineIndex(Vec<usize>);

impl LineIndex {
    /// Reads a text once.
    pub fn new(text: &str) -> Self {
        let after_newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(after_newlines).collect())
    }

    /// The line of a byte offset, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|&start| start <= offset)
    }

    /// The place of a byte offset in the text that was read.
    pub fn place(&self, file: &Arc<str>, text: &str, offset: usize) -> Place {
        let line = self.line(offset);
        let before = text.get(self.0[line - 1]..offset).unwrap_or_default();
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Place { file: Arc::clone(file), line: number(line), column: number(before.chars().count() + 1) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong in a file.
///
/// `Display` shows message, file, line, column, the line itself with a caret, and the help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, one sentence without a final dot.
    pub message: String,
    /// The file as the person named it.
    pub file: Arc<str>,
    /// The file's text and the byte range in it; none when the file as a whole is meant.
    pub excerpt: Option<(Arc<str>, Range<usize>)>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// About the file as a whole.
    pub fn about_file(file: impl Into<Arc<str>>, message: impl Into<String>) -> Self {
        Self { message: message.into(), file: file.into(), excerpt: None, help: None }
    }

    /// About a byte range of the file's text.
    pub fn at(file: &Arc<str>, text: &Arc<str>, span: Range<usize>, message: impl Into<String>) -> Self {
        let excerpt = Some((Arc::clone(text), span));
        Self { message: message.into(), file: Arc::clone(file), excerpt, help: None }
    }

    /// With a word on what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Where it is, when a place is known.
    pub fn place(&self) -> Option<Place> {
        self.excerpt.as_ref().map(|(text, span)| Place::at(&self.file, text, span.start))
    }

    fn report(&self) -> Vec<Group<'_>> {
        let title = Level::ERROR.primary_title(self.message.as_str());
        let group = match &self.excerpt {
            None => Group::with_title(title).element(annotate_snippets::Origin::path(&*self.file)),
            Some((text, span)) => {
                let annotation = AnnotationKind::Primary.span(span.clone());
                let snippet = Snippet::source(&**text).path(&*self.file).annotation(annotation);
                title.element(snippet)
            }
        };
        match &self.help {
            None => vec![group],
            Some(help) => vec![group.element(Level::HELP.message(help.as_str()))],
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Renderer::plain().render(&self.report()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_file_line_column_caret_and_help() {
        let text: Arc<str> = "[[service]]\nname = \"jenkins\"\nprot = \"tcp\"\n".into();
        let file: Arc<str> = "services.d/jenkins.toml".into();
        let span = text.find("prot").unwrap();
        let shown = Diagnostic::at(&file, &text, span..span + 4, "unknown key `prot`")
            .help("did you mean `proto`?")
            .to_string();
        assert!(shown.starts_with("error: unknown key `prot`\n"), "{shown}");
        assert!(shown.contains("services.d/jenkins.toml:3:1"), "{shown}");
        assert!(shown.contains("prot = \"tcp\"\n  | ^^^^"), "{shown}");
        assert!(shown.contains("help: did you mean `proto`?"), "{shown}");
    }

    #[test]
    fn a_place_counts_characters() {
        let file: Arc<str> = "f".into();
        assert_eq!(Place::at(&file, "a\nüb", 4).to_string(), "f:2:2");
    }

    #[test]
    fn a_whole_file_has_no_excerpt() {
        let shown = Diagnostic::about_file("srvctl.toml", "cannot be read: no such file").to_string();
        assert!(shown.contains("srvctl.toml") && shown.contains("no such file"), "{shown}");
    }
}
