//! What was found by browsing, for people and for programs.

use std::net::IpAddr;

use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::output::{self, Paint};
use crate::model::Name;
use crate::protocol::dnssd;

/// The JSON of `browse`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// Where it was looked for.
    pub(super) domains: Vec<Name>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) types: Vec<Type>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) instances: Vec<Instance>,
    /// Look-ups that told nothing, and why.
    pub(super) failures: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Type {
    /// `_jenkins._tcp`.
    #[serde(rename = "type")]
    pub(super) name: String,
    pub(super) domain: Name,
}

#[derive(Debug, Serialize)]
pub(super) struct Instance {
    /// For people.
    pub(super) name: String,
    /// For DNS, escaped.
    pub(super) full_name: Name,
    /// `_jenkins._tcp`.
    #[serde(rename = "type")]
    pub(super) service: String,
    /// In which domain it was found.
    pub(super) domain: Name,
    pub(super) host: Option<Name>,
    pub(super) port: u16,
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) text: Vec<Text>,
    pub(super) problems: Vec<String>,
}

impl Instance {
    /// One of which nothing is known but that it is listed.
    pub(super) fn listed(full_name: Name, service: String, domain: Name) -> Self {
        let name = dnssd::readable(full_name.labels().next().unwrap_or_default());
        let (host, port, priority, weight) = (None, 0, 0, 0);
        let (addresses, text, problems) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, full_name, service, domain, host, port, priority, weight, addresses, text, problems }
    }
}

/// One pair of a TXT record.
#[derive(Debug, Serialize)]
pub(super) struct Text {
    key: String,
    /// None when there is no `=`.
    value: Option<String>,
}

impl From<dnssd::Pair> for Text {
    fn from(pair: dnssd::Pair) -> Self {
        Self { key: pair.key, value: pair.value.as_deref().map(dnssd::readable) }
    }
}

impl Report {
    pub(super) fn exit(&self) -> Exit {
        let is_empty = self.types.is_empty() && self.instances.is_empty();
        match () {
            () if !self.failures.is_empty() => Exit::Failed,
            () if is_empty || self.instances.iter().any(|instance| !instance.problems.is_empty()) => Exit::Differences,
            () => Exit::Done,
        }
    }

    pub(super) fn show(&self) {
        let paint = Paint::for_stdout();
        if !self.types.is_empty() {
            let rows = self.types.iter().map(|found| vec![found.name.clone(), found.domain.without_final_dot()]);
            table(paint, &["TYPE", "DOMAIN"], &rows.collect::<Vec<_>>());
        }
        if !self.instances.is_empty() {
            table(
                paint,
                &["INSTANCE", "TYPE", "HOST", "PORT", "ADDRESSES", "TXT"],
                &self.instances.iter().map(row).collect::<Vec<_>>(),
            );
        }
        for instance in &self.instances {
            let Instance { name, service, problems, .. } = instance;
            for problem in problems {
                output::line(paint.bad(format_args!("! {name} ({service}): {problem}")));
            }
        }
        if self.types.is_empty() && self.instances.is_empty() && self.failures.is_empty() {
            let domains: Vec<_> = self.domains.iter().map(Name::without_final_dot).collect();
            output::line(paint.doubtful(format_args!("nothing found in {}", domains.join(", "))));
        }
        self.failures.iter().for_each(output::error);
    }
}

fn row(instance: &Instance) -> Vec<String> {
    let addresses: Vec<_> = instance.addresses.iter().map(ToString::to_string).collect();
    let text =
        |Text { key, value }: &Text| value.as_ref().map_or_else(|| key.clone(), |value| format!("{key}={value}"));
    let port = if instance.port == 0 { String::new() } else { instance.port.to_string() };
    vec![
        instance.name.clone(),
        instance.service.clone(),
        instance.host.as_ref().map_or_else(String::new, Name::without_final_dot),
        port,
        addresses.join(" "),
        instance.text.iter().map(text).collect::<Vec<_>>().join(" "),
    ]
}

/// Columns as wide as their longest cell.
fn table(paint: Paint, head: &[&str], rows: &[Vec<String>]) {
    let head: Vec<String> = head.iter().map(|&word| word.to_owned()).collect();
    let width = |text: &String| text.chars().count();
    let widths: Vec<_> =
        (0..head.len()).map(|at| rows.iter().chain([&head]).map(|row| width(&row[at])).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &wide)| format!("{cell}{}", " ".repeat(wide - width(cell))));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    output::line(paint.strong(line(&head)));
    rows.iter().for_each(|row| output::line(line(row)));
}
