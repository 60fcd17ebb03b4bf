//! Alloy's configuration language, as far as it is written here, and read as strictly as its documentation describes it.
//!
//! grafana/alloy, `docs/sources/get-started/syntax.md` (comments, identifiers, blocks, terminators) and
//! `docs/sources/get-started/expressions/types_and_values.md` (strings, arrays, objects); for the components
//! `docs/sources/reference/components/discovery/` (`discovery.dns.md`, `discovery.http.md`, `discovery.relabel.md`) and
//! `docs/sources/reference/components/prometheus/` (`prometheus.scrape.md`, `prometheus.remote_write.md`), and
//! `docs/sources/shared/reference/components/rule-block.md`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// A block with what is in it. Numbers are not written here; a reference is told from a string by its key `reference`.
#[derive(Debug)]
pub(super) struct Block {
    name: String,
    label: Option<String>,
    attributes: BTreeMap<String, Value>,
    blocks: Vec<Block>,
}

/// Components with their attributes and blocks; those that end in `!` are required.
const DOCUMENTED: [(&str, &[&str], &[&str]); 7] = [
    ("discovery.dns", &["names!", "type", "port", "refresh_interval"], &[]),
    ("discovery.http", &["url!", "refresh_interval"], &[]),
    ("discovery.relabel", &["targets!"], &["rule"]),
    (
        "prometheus.scrape",
        &[
            "targets!",
            "forward_to!",
            "job_name",
            "honor_labels",
            "params",
            "scrape_interval",
            "scrape_timeout",
            "scheme",
            "metrics_path",
        ],
        &[],
    ),
    ("prometheus.remote_write", &["external_labels"], &["endpoint"]),
    ("endpoint", &["url!"], &[]),
    ("rule", &["source_labels", "separator", "regex", "modulus", "target_label", "replacement", "action"], &[]),
];

/// A whole file.
///
/// # Panics
/// When it is none.
pub(super) fn parse(text: &str) -> Vec<Block> {
    let mut reader = Reader { rest: text, whole: text };
    let mut blocks = Vec::new();
    loop {
        reader.skip_lines();
        if reader.rest.is_empty() {
            return blocks;
        }
        let name = reader.reference();
        blocks.push(reader.block(name));
    }
}

struct Reader<'t> {
    rest: &'t str,
    whole: &'t str,
}

impl Reader<'_> {
    fn fail(&self, wanted: &str) -> ! {
        let line = self.whole[..self.whole.len() - self.rest.len()].lines().count();
        panic!("line {line}: {wanted} expected, not {:?}\n{}", self.rest.lines().next(), self.whole)
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        if self.rest.starts_with("//") {
            self.rest = &self.rest[self.rest.find('\n').unwrap_or(self.rest.len())..];
        }
    }

    /// Spaces, comments and ends of lines.
    fn skip_lines(&mut self) {
        loop {
            let before = self.rest.len();
            self.skip_spaces();
            self.rest = self.rest.trim_start_matches('\n');
            if self.rest.len() == before {
                return;
            }
        }
    }

    fn take(&mut self, sign: &str) -> bool {
        self.skip_spaces();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, sign: &str) {
        if !self.take(sign) {
            self.fail(sign);
        }
    }

    fn identifier(&mut self) -> String {
        let end = self.rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() || word.starts_with(|first: char| first.is_ascii_digit()) {
            self.fail("an identifier");
        }
        self.rest = rest;
        word.to_owned()
    }

    /// Identifiers with dots between.
    fn reference(&mut self) -> String {
        self.skip_spaces();
        let mut words = vec![self.identifier()];
        while self.rest.starts_with('.') {
            self.rest = &self.rest[1..];
            words.push(self.identifier());
        }
        words.join(".")
    }

    fn block(&mut self, name: String) -> Block {
        self.skip_spaces();
        let label = self.rest.starts_with('"').then(|| self.string());
        let mut block = Block { name, label, attributes: BTreeMap::new(), blocks: Vec::new() };
        self.expect("{");
        self.expect("\n");
        loop {
            self.skip_lines();
            if self.take("}") {
                break;
            }
            let name = self.reference();
            if self.take("=") {
                let value = self.value();
                assert!(block.attributes.insert(name.clone(), value).is_none(), "{name} twice");
                self.expect("\n");
            } else {
                block.blocks.push(self.block(name));
            }
        }
        self.expect("\n");
        block
    }

    fn value(&mut self) -> Value {
        self.skip_spaces();
        match self.rest.chars().next() {
            Some('"') => Value::String(self.string()),
            Some('[') => {
                self.expect("[");
                let mut values = Vec::new();
                self.each("]", |reader| values.push(reader.value()));
                Value::Array(values)
            }
            Some('{') => {
                self.expect("{");
                let mut map = Map::new();
                self.each("}", |reader| {
                    let key = if reader.rest.starts_with('"') { reader.string() } else { reader.identifier() };
                    reader.expect("=");
                    let value = reader.value();
                    map.insert(key, value);
                });
                Value::Object(map)
            }
            _ => match &*self.reference() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                reference => json!({ "reference": reference }),
            },
        }
    }

    /// What is between brackets: commas between, and one after the last when the bracket is on a line of its own.
    fn each(&mut self, end: &str, mut one: impl FnMut(&mut Self)) {
        loop {
            self.skip_lines();
            if self.take(end) {
                return;
            }
            one(self);
            if !self.take(",") {
                return self.expect(end);
            }
        }
    }

    fn string(&mut self) -> String {
        self.expect("\"");
        let mut text = String::new();
        loop {
            let mut letters = self.rest.chars();
            let Some(letter) = letters.next() else { self.fail("the end of a string") };
            self.rest = letters.as_str();
            match letter {
                '"' => return text,
                '\n' => self.fail("the end of a string"),
                '\\' => text.push(self.escaped()),
                other => text.push(other),
            }
        }
    }

    fn escaped(&mut self) -> char {
        let mut letters = self.rest.chars();
        let Some(letter) = letters.next() else { self.fail("an escape") };
        self.rest = letters.as_str();
        let digits = match letter {
            'n' => return '\n',
            'r' => return '\r',
            't' => return '\t',
            '\\' | '"' | '\'' => return letter,
            'u' => 4,
            'U' => 8,
            _ => self.fail("an escape that is documented"),
        };
        let number = self.rest.get(..digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let Some(letter) = number.and_then(char::from_u32) else { self.fail("a character's number") };
        self.rest = &self.rest[digits..];
        letter
    }
}

/// Fails unless every component and attribute is documented, no label is there twice, and what is referred to exists or
/// is a receiver of somebody else's.
pub(super) fn assert_documented(blocks: &[Block]) {
    let mut known = BTreeSet::new();
    for block in blocks {
        let label = block.label.as_ref().unwrap_or_else(|| panic!("{} has no label", block.name));
        assert!(label.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_'), "{label}");
        assert!(known.insert(format!("{}.{label}", block.name)), "{} {label} twice", block.name);
        assert_block(block);
    }
    for (key, reference) in blocks.iter().flat_map(|block| &block.attributes).filter(|(key, _)| *key == "targets") {
        let (component, field) = reference["reference"].as_str().unwrap().rsplit_once('.').unwrap();
        let expected = if component.starts_with("discovery.relabel.") { "output" } else { "targets" };
        assert!(known.contains(component) && field == expected, "{key}: {reference}");
    }
}

fn assert_block(block: &Block) {
    let documented = DOCUMENTED.iter().find(|(name, ..)| *name == block.name);
    let (_, attributes, blocks) = documented.unwrap_or_else(|| panic!("{} is not documented", block.name));
    let all: BTreeSet<_> = attributes.iter().map(|name| name.trim_end_matches('!')).collect();
    for name in block.attributes.keys() {
        assert!(all.contains(&**name), "{} has no `{name}`", block.name);
    }
    for required in attributes.iter().filter_map(|name| name.strip_suffix('!')) {
        assert!(block.attributes.contains_key(required), "{} needs `{required}`", block.name);
    }
    for inner in &block.blocks {
        assert!(blocks.contains(&&*inner.name), "{} has no block `{}`", block.name, inner.name);
        assert_block(inner);
    }
}

/// What the components come to, in the words of Prometheus' `scrape_configs`.
pub(super) fn jobs(blocks: &[Block]) -> Vec<Value> {
    let of = |reference: &Value| {
        let reference = reference["reference"].as_str().unwrap();
        let is = |block: &&Block| {
            reference.starts_with(&format!("{}.{}.", block.name, block.label.as_deref().unwrap_or_default()))
        };
        blocks.iter().find(is).unwrap_or_else(|| panic!("{reference} is nowhere"))
    };
    let scrapes = blocks.iter().filter(|block| block.name == "prometheus.scrape");
    let job = |scrape: &Block| {
        assert_eq!(
            scrape.attributes["forward_to"],
            json!([{ "reference": "prometheus.remote_write.default.receiver" }])
        );
        let mut job: Map<String, Value> = scrape.attributes.clone().into_iter().collect();
        job.remove("forward_to");
        let mut source = of(&job.remove("targets").unwrap());
        if source.name == "discovery.relabel" {
            let rules: Vec<_> = source.blocks.iter().map(|rule| json!(rule.attributes)).collect();
            job.insert("relabel_configs".to_owned(), json!(rules));
            source = of(&source.attributes["targets"]);
        }
        assert_eq!(source.name, "discovery.dns");
        job.insert("dns_sd_configs".to_owned(), json!([source.attributes]));
        // Prometheus shortens its time-out by itself.
        if job.get("scrape_interval") == Some(&json!("5s")) {
            assert_eq!(job.remove("scrape_timeout"), Some(json!("5s")));
        }
        Value::Object(job)
    };
    scrapes.map(job).collect()
}

/// Where metrics are written to.
pub(super) fn remote_writes(blocks: &[Block]) -> impl Iterator<Item = &str> {
    let endpoints =
        blocks.iter().filter(|block| block.name == "prometheus.remote_write").flat_map(|block| &block.blocks);
    endpoints.map(|endpoint| endpoint.attributes["url"].as_str().unwrap())
}
