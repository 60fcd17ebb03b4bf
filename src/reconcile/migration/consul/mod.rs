//! Consul's service definitions (`{"service": {…}}`, `{"services": […]}`): name, port, tags, meta, weights and checks.
//!
//! A definition belongs to the agent of one node and mostly does not say which; whoever imports it does.

mod checks;
mod durations;

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use checks::CheckDefinition;

use super::drafts::{Drafts, Outcome};
use super::remark::{Fate, Remark, Source};
use super::terms::{Located, Terms};
use crate::model::rules::Refusal;
use crate::model::{Check, Instance, ServiceKey};

/// One file of definitions.
#[derive(Debug, Clone, PartialEq)]
pub struct DefinitionFile {
    /// Which.
    pub source: Source,
    /// The host whose agent has it, when that is known.
    pub host: Option<String>,
    /// What stands under `service` and `services`, one by one.
    pub services: Vec<Value>,
    /// The host that the file itself names (`node_name`).
    pub node_name: Option<String>,
    /// Its other keys.
    pub others: Vec<String>,
}

/// One definition, in Consul's words.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Definition {
    name: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    port: Option<u32>,
    #[serde(default)]
    address: String,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    meta: Option<BTreeMap<String, String>>,
    #[serde(default)]
    weights: Option<Weights>,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    check: Option<CheckDefinition>,
    #[serde(default)]
    checks: Option<Vec<CheckDefinition>>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// Consul's DNS gives them as SRV weights.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Weights {
    #[serde(default)]
    passing: Option<u16>,
}

/// Maps definitions.
pub fn map(terms: &Terms, files: &[DefinitionFile]) -> Outcome {
    let mut drafts = Drafts::new(terms);
    for file in files {
        if !file.others.is_empty() {
            let message = format!("`{}` defines no service", file.others.join("`, `"));
            drafts.say(Remark::new(Fate::Left, &file.source, "agent", message));
        }
        for (index, value) in file.services.iter().enumerate() {
            match Definition::deserialize(value) {
                Ok(definition) => one(&mut drafts, file, definition),
                Err(error) => {
                    let name = value.get("name").and_then(Value::as_str);
                    let subject = name.map_or_else(|| format!("service {}", index + 1), str::to_owned);
                    let message = format!("is not a service definition of Consul's: {error}");
                    drafts.say(Remark::new(Fate::Refused, &file.source, subject, message));
                }
            }
        }
    }
    drafts.finish()
}

fn one(drafts: &mut Drafts<'_>, file: &DefinitionFile, definition: Definition) {
    let source = &file.source;
    let subject = definition.id.clone().unwrap_or_else(|| definition.name.clone());
    if !definition.kind.is_empty() || definition.rest.contains_key("proxy") {
        let message = "belongs to Consul's service mesh, and is scraped by nobody";
        return drafts.say(Remark::new(Fate::Left, source, subject, message));
    }
    let port = definition.port.and_then(|port| NonZeroU16::new(u16::try_from(port).ok()?));
    let Some(port) = port else {
        let message = "has no port from 1 to 65535, which an SRV record needs";
        return drafts.say(Remark::new(Fate::Refused, source, subject, message).help("add `port` to the definition"));
    };
    let Some(key) = drafts.named(source, &subject, &definition.name) else { return };
    drafts.open(&key, source, format!("{source}, Consul's service `{}`", definition.name));
    let Some(located) = locate(drafts, file, &key, &subject, &definition.address) else { return };
    let metadata = metadata(drafts, source, &key, &subject, &definition);
    let checks = checks(drafts, source, &key, &subject, (&definition, port));
    for name in definition.rest.keys().filter(|name| !without_meaning(name)) {
        let message = format!("`{name}` has no counterpart in a service file");
        drafts.say(Remark::new(Fate::Left, source, subject.as_str(), message).of(&key));
    }
    let weight = definition.weights.and_then(|weights| weights.passing).unwrap_or(0);
    // What the definition says may be another address than the host's, so a person has to ask for it.
    let addresses = if drafts.terms().addresses || located.guess.is_some() {
        located.addresses(drafts.terms())
    } else {
        smallvec::SmallVec::new()
    };
    let checks = (!checks.is_empty()).then(|| checks.into_boxed_slice());
    let plain = Instance::new(located.host, port, source.place());
    drafts.offer(source, &key, Instance { weight, addresses, metadata, checks, ..plain });
}

/// Settings of Consul's own doings.
fn without_meaning(key: &str) -> bool {
    ["enable_tag_override", "token", "namespace", "partition", "connect", "locality"].contains(&key)
}

/// Where the service is: the name in its definition, else the host of the file with the address of the definition.
fn locate(
    drafts: &mut Drafts<'_>,
    file: &DefinitionFile,
    key: &ServiceKey,
    subject: &str,
    address: &str,
) -> Option<Located> {
    let source = &file.source;
    let is_name = !address.is_empty() && address.parse::<std::net::IpAddr>().is_err();
    let host = file.host.as_ref().or(file.node_name.as_ref());
    let text = match host {
        _ if is_name || drafts.terms().hosts.contains_key(address) => address,
        Some(host) => host,
        None if address.is_empty() => {
            let message = "says no address: Consul takes that of the node whose agent has the file";
            let help = format!("say which host that is: `--host HOST` for all files, or `HOST={source}`");
            drafts.say(Remark::new(Fate::Refused, source, subject, message).of(key).help(help));
            return None;
        }
        None => address,
    };
    let is_ours = file.host.as_deref() == Some(text);
    let located = if is_ours { drafts.locate_in_zone(source, key, text) } else { drafts.locate(source, key, text) }?;
    Some(Located { address: located.address.or_else(|| address.parse().ok()), ..located })
}

/// Tags of the form `key:value` or `key=value`, the other tags together, and meta, which is right where they differ.
fn metadata(
    drafts: &mut Drafts<'_>,
    source: &Source,
    key: &ServiceKey,
    subject: &str,
    definition: &Definition,
) -> BTreeMap<String, String> {
    let meta = definition.meta.clone().unwrap_or_default();
    let mut pairs: BTreeMap<&str, String> = BTreeMap::new();
    let (mut plain, mut guessed) = (Vec::new(), Vec::new());
    for tag in definition.tags.iter().flatten() {
        match pair(tag) {
            None => plain.push(tag.as_str()),
            Some((name, value)) => {
                let known = meta.get(name).or_else(|| pairs.get(name));
                if let Some(known) = known.filter(|known| *known != value) {
                    let message = format!("tag `{tag}` says something else than `{name}={known}`, which was taken");
                    drafts.say(Remark::new(Fate::Refused, source, subject, message).of(key));
                } else {
                    guessed.push(tag.as_str());
                    pairs.insert(name, value.to_owned());
                }
            }
        }
    }
    if !plain.is_empty() {
        let joined = plain.join(",");
        let message = format!("tags without a value became the metadata `tags={joined}`");
        drafts.say(Remark::new(Fate::Guessed, source, subject, message).of(key));
        pairs.entry("tags").or_insert(joined);
    }
    if !guessed.is_empty() {
        let message = format!("tags `{}` became metadata", guessed.join("`, `"));
        drafts.say(Remark::new(Fate::Guessed, source, subject, message).of(key));
    }
    pairs.extend(meta.iter().map(|(name, value)| (name.as_str(), value.clone())));
    drafts.metadata(source, subject, key, pairs)
}

/// `team:devops` and `team=devops`, but no URL.
fn pair(tag: &str) -> Option<(&str, &str)> {
    let (name, value) = tag.split_once([':', '='])?;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (!name.is_empty() && name.bytes().all(is_word) && !value.starts_with("//")).then_some((name, value))
}

fn checks(
    drafts: &mut Drafts<'_>,
    source: &Source,
    key: &ServiceKey,
    subject: &str,
    (definition, port): (&Definition, NonZeroU16),
) -> Vec<Arc<Check>> {
    let mut checks = Vec::new();
    for check in definition.check.iter().chain(definition.checks.iter().flatten()) {
        match check.mapped(port, &definition.address) {
            Ok((mapped, guesses)) => {
                for guess in guesses {
                    drafts.say(Remark::new(Fate::Guessed, source, subject, guess).of(key));
                }
                checks.push(Arc::new(mapped));
            }
            Err(Refusal { message, help }) => {
                let remark = Remark::refused(source, subject, Refusal { message: format!("check: {message}"), help });
                drafts.say(remark.of(key));
            }
        }
    }
    checks
}

#[cfg(test)]
mod tests;
