//! A service as a service file has it: what is written here is read back the same.

mod checks;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};
use std::path::Path;

use crate::model::health::MinHealthy;
use crate::model::{Browse, HealthPolicy, Instance, Name, Scrape, Service, Shards, rules};
use crate::sources::duration::show_duration;

/// The `[[service]]` table of a service with all that belongs to it. `comments` stand before it, a line each; `file` is
/// where it is to stand, which tells what paths are relative to; `zones` are the managed zones.
pub fn write(service: &Service, comments: &[String], file: &Path, zones: &[Name]) -> String {
    // In full, so that what a service says more one day cannot be forgotten here.
    let Service { key, ttl, metadata, agreed: _, scrape, shards, browse, instances, checks, health, place: _ } =
        service;
    let mut page = Page { text: String::new(), directory: file.parent().unwrap_or(Path::new("")) };
    comments.iter().for_each(|comment| page.comment(comment));
    page.header("[[service]]");
    page.text("name", &key.name);
    if key.proto != "tcp" {
        page.text("proto", &key.proto);
    }
    if zones.len() != 1 {
        page.text("zone", &key.zone.without_final_dot());
    }
    page.optional("ttl", *ttl);
    match shards {
        Shards::Off => {}
        Shards::Fixed(count) => page.value("shards", count),
        Shards::Auto => page.text("shards", "auto"),
    }
    page.metadata(metadata);
    if let Some(scrape) = scrape {
        page.scrape(scrape);
    }
    if let Some(Browse { subtypes, health }) = browse.as_deref() {
        page.header("\n[service.browse]");
        page.other_than(&false, "health", health);
        page.subtypes(subtypes);
    }
    page.health(*health);
    for check in checks {
        page.header("\n[[service.check]]");
        checks::write(&mut page, check);
    }
    for instance in instances {
        page.instance(instance, &key.zone, zones);
    }
    page.text
}

/// The text in the making.
struct Page<'p> {
    text: String,
    /// Where the file is to be.
    directory: &'p Path,
}

impl Page<'_> {
    fn comment(&mut self, comment: &str) {
        for line in comment.lines() {
            let shown: String = line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
            let _ = writeln!(self.text, "# {shown}");
        }
    }

    fn header(&mut self, header: &str) {
        let _ = writeln!(self.text, "{header}");
    }

    /// A value that is written as it is shown.
    fn value(&mut self, key: &str, value: impl Display) {
        let _ = writeln!(self.text, "{key} = {value}");
    }

    fn text(&mut self, key: &str, text: &str) {
        self.value(key, quoted(text));
    }

    fn optional(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.value(key, value);
        }
    }

    /// A value that is not the default.
    fn other_than<T: PartialEq + Display>(&mut self, default: &T, key: &str, value: &T) {
        if value != default {
            self.value(key, value);
        }
    }

    /// A path, relative to the file when it lies below.
    fn path(&mut self, key: &str, path: Option<&Path>) {
        if let Some(path) = path {
            self.text(key, &path.strip_prefix(self.directory).unwrap_or(path).to_string_lossy());
        }
    }

    fn metadata(&mut self, metadata: &BTreeMap<String, String>) {
        if !metadata.is_empty() {
            self.value("metadata", table(metadata.iter().map(|(key, value)| (key, quoted(value)))));
        }
    }

    fn subtypes(&mut self, subtypes: &BTreeSet<String>) {
        if !subtypes.is_empty() {
            self.value("subtypes", list(subtypes.iter().map(|subtype| quoted(subtype))));
        }
    }

    fn scrape(&mut self, scrape: &Scrape) {
        let Scrape { job_name, scheme, metrics_path, interval, timeout, honor_labels, params } = scrape;
        self.header("\n[service.scrape]");
        self.optional("job_name", job_name.as_deref().map(quoted));
        self.optional("scheme", scheme.map(|scheme| quoted(scheme.as_str())));
        self.optional("metrics_path", metrics_path.as_deref().map(quoted));
        self.optional("scrape_interval", interval.map(|interval| quoted(&show_duration(interval))));
        self.optional("scrape_timeout", timeout.map(|timeout| quoted(&show_duration(timeout))));
        self.other_than(&false, "honor_labels", honor_labels);
        if !params.is_empty() {
            self.value(
                "params",
                table(params.iter().map(|(key, values)| (key, list(values.iter().map(|v| quoted(v)))))),
            );
        }
    }

    fn health(&mut self, health: HealthPolicy) {
        match health {
            HealthPolicy::Publish => return,
            HealthPolicy::Withdraw { .. } | HealthPolicy::Deprioritise { .. } => self.header("\n[service.health]"),
        }
        self.text("policy", health.as_str());
        match health {
            HealthPolicy::Publish => {}
            HealthPolicy::Withdraw { min_healthy: share @ MinHealthy::Percent(_) } => {
                self.text("min_healthy", &share.to_string());
            }
            HealthPolicy::Withdraw { min_healthy: MinHealthy::Count(count) } => self.value("min_healthy", count),
            HealthPolicy::Deprioritise { priority, weight } => {
                self.optional("priority", priority);
                self.optional("weight", weight);
            }
        }
    }

    fn instance(&mut self, instance: &Instance, zone: &Name, zones: &[Name]) {
        let Instance {
            host,
            port,
            priority,
            weight,
            addresses,
            metadata,
            name,
            subtypes,
            checks,
            withdrawn: _,
            condition: _,
            place: _,
        } = instance;
        self.header("\n[[service.instance]]");
        self.text("host", &host_in(host, zone, zones));
        self.value("port", port);
        self.other_than(&0, "priority", priority);
        self.other_than(&0, "weight", weight);
        if !addresses.is_empty() {
            self.value("addresses", list(addresses.iter().map(|address| quoted(&address.to_string()))));
        }
        self.metadata(metadata);
        self.optional("name", name.as_deref().map(quoted));
        self.subtypes(subtypes);
        match checks.as_deref() {
            None => {}
            Some([]) => self.value("check", "[]"),
            Some(checks) => {
                for check in checks {
                    self.header("\n[[service.instance.check]]");
                    checks::write(self, check);
                }
            }
        }
    }
}

/// Relative to the zone where that is read as the same.
fn host_in(host: &Name, zone: &Name, zones: &[Name]) -> String {
    let absolute = host.to_string();
    let relative = host.prefix_len(zone).map(|_| absolute.len().saturating_sub(zone.to_string().len() + 1));
    let relative = relative.and_then(|length| absolute.get(..length));
    match relative {
        Some(relative) if rules::host(relative, zone, zones).as_ref() == Ok(host) => relative.to_owned(),
        _ => absolute,
    }
}

fn table<'k>(entries: impl Iterator<Item = (&'k String, String)>) -> String {
    let entries: Vec<_> = entries.map(|(name, value)| format!("{} = {value}", key(name))).collect();
    format!("{{ {} }}", entries.join(", "))
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}

fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.is_empty() && name.bytes().all(is_bare) { name.to_owned() } else { quoted(name) }
}

/// A TOML string: literal where that saves escapes, basic otherwise.
fn quoted(text: &str) -> String {
    let has_control = text.chars().any(char::is_control);
    if text.contains(['"', '\\']) && !text.contains('\'') && !has_control {
        return format!("'{text}'");
    }
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => written.extend(['\\', letter]),
            '\n' => written.push_str("\\n"),
            '\t' => written.push_str("\\t"),
            control if control.is_control() => {
                let _ = write!(written, "\\u{:04X}", u32::from(control));
            }
            other => written.push(other),
        }
    }
    written.push('"');
    written
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
