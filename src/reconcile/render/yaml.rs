//! YAML documents with comments above what they are about, which is why no serialiser writes them.
//!
//! Every text is quoted: Prometheus and its relatives read YAML 1.1 or 1.2, and disagree about what `on` and `1_0` are.

use super::quote;

/// A part of a document.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// A word of the format's own, or a number: never quoted.
    Word(String),
    /// What somebody wrote: always quoted.
    Text(String),
    List(Vec<Item>),
    Map(Vec<Entry>),
}

/// An item of a list.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) comment: Vec<String>,
    pub(super) node: Node,
}

/// A key and what is under it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) comment: Vec<String>,
    pub(super) key: Node,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn word(text: impl Into<String>) -> Self {
        Self::Word(text.into())
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn list(nodes: impl IntoIterator<Item = Self>) -> Self {
        Self::List(nodes.into_iter().map(|node| Item { comment: Vec::new(), node }).collect())
    }

    /// A map of the format's own words.
    pub(super) fn map<'k>(entries: impl IntoIterator<Item = (&'k str, Self)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, node)| Entry::new(key, node)).collect())
    }
}

impl Entry {
    pub(super) fn new(key: &str, node: Node) -> Self {
        Self { comment: Vec::new(), key: Node::word(key), node }
    }

    pub(super) fn commented(comment: &[&str], key: &str, node: Node) -> Self {
        Self { comment: comment.iter().map(|&line| line.to_owned()).collect(), ..Self::new(key, node) }
    }
}

/// How a consumer's own reader has to be kept from finding more in texts than YAML does.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Style {
    /// `$` is doubled: the OpenTelemetry collector replaces variables in every value.
    pub(super) doubles_dollars: bool,
    /// Characters that the file must not have: vmagent replaces `%{NAME}` before it reads YAML.
    pub(super) avoided: &'static [char],
}

impl Style {
    /// A whole document.
    pub(super) fn document(self, node: &Node) -> String {
        let mut out = String::new();
        self.write(node, 0, &mut out);
        out
    }

    fn scalar(self, node: &Node) -> Option<String> {
        match node {
            Node::Word(word) => Some(word.clone()),
            Node::Text(text) if self.doubles_dollars => Some(quote::yaml(&text.replace('$', "$$"), self.avoided)),
            Node::Text(text) => Some(quote::yaml(text, self.avoided)),
            Node::List(items) => items.is_empty().then(|| "[]".to_owned()),
            Node::Map(entries) => entries.is_empty().then(|| "{}".to_owned()),
        }
    }

    fn write(self, node: &Node, indent: usize, out: &mut String) {
        if let Some(scalar) = self.scalar(node) {
            out.push_str(&scalar);
            out.push('\n');
            return;
        }
        match node {
            Node::List(items) => items.iter().for_each(|item| self.item(item, indent, out)),
            Node::Map(entries) => entries.iter().for_each(|entry| self.entry(entry, indent, out)),
            Node::Word(_) | Node::Text(_) => {}
        }
    }

    fn item(self, item: &Item, indent: usize, out: &mut String) {
        comment(&item.comment, "#", indent, out);
        let mut inner = String::new();
        self.write(&item.node, indent + 2, &mut inner);
        out.push_str(&" ".repeat(indent));
        out.push_str("- ");
        out.push_str(inner.trim_start_matches(' '));
    }

    fn entry(self, entry: &Entry, indent: usize, out: &mut String) {
        comment(&entry.comment, "#", indent, out);
        out.push_str(&" ".repeat(indent));
        // Variables are filled in in values only.
        let keys = Self { doubles_dollars: false, ..self };
        out.push_str(&keys.scalar(&entry.key).unwrap_or_default());
        out.push(':');
        if let Some(scalar) = self.scalar(&entry.node) {
            out.push(' ');
            out.push_str(&scalar);
            out.push('\n');
        } else {
            out.push('\n');
            self.write(&entry.node, indent + 2, out);
        }
    }
}

/// Lines of comment. Whatever is in a line, it stays one.
pub(super) fn comment(lines: &[String], mark: &str, indent: usize, out: &mut String) {
    for line in lines {
        let line: String = line.chars().map(|letter| if quote::is_plain(letter) { letter } else { ' ' }).collect();
        out.push_str(&" ".repeat(indent));
        out.push_str(format!("{mark} {line}").trim_end());
        out.push('\n');
    }
}
