//! An Ansible inventory as services: by rules that say what the hosts of a group offer, and by `srvctl_services`, the
//! host variable of the role that is shipped with srvctl, which needs no rules.

mod listed;
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use serde::Deserialize;
use serde_json::Value;

use super::drafts::{Drafts, Outcome};
use super::remark::{Fate, Remark, Source};
use super::terms::{Located, Terms};
use crate::model::{Instance, ServiceKey};

/// Variables by their names.
pub type Variables = BTreeMap<String, Value>;

/// What `ansible-inventory --list` tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Inventory {
    /// Where it came from.
    pub source: Source,
    /// What holds for each host.
    pub hostvars: BTreeMap<String, Variables>,
    /// The groups.
    pub groups: BTreeMap<String, Group>,
}

/// A group of hosts.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Group {
    /// Its own hosts.
    pub hosts: Vec<String>,
    /// Groups whose hosts are its too.
    pub children: Vec<String>,
    /// What holds for its hosts, with `--export`.
    pub vars: Variables,
}

/// What the hosts of a group offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The group.
    pub group: String,
    /// The service.
    pub service: String,
    /// The port.
    pub port: Port,
    /// The variable with the name of the host in DNS; its name in the inventory when absent.
    pub host_variable: Option<String>,
    /// The variable with its address; `ansible_host` when absent.
    pub address_variable: Option<String>,
    /// Keys of metadata, and the variables that they come from.
    pub metadata: Vec<(String, String)>,
    /// Where the rule was written.
    pub source: Source,
}

/// A port, as a rule says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Port {
    /// The same for all hosts.
    Number(NonZeroU16),
    /// In a variable of each host.
    Variable(String),
}

/// `team`, or `team=team_name`: a key of metadata and the variable that it comes from.
pub fn metadata_word(word: &str) -> (String, String) {
    let (key, variable) = word.split_once('=').unwrap_or((word, word));
    (key.to_owned(), variable.to_owned())
}

/// Maps an inventory.
pub fn map(terms: &Terms, inventory: &Inventory, rules: &[Rule]) -> Outcome {
    let mut drafts = Drafts::new(terms);
    let mut spoken_for: BTreeSet<&str> = BTreeSet::new();
    for rule in rules {
        let hosts = inventory.hosts_of(&rule.group);
        if hosts.is_empty() {
            let message = format!("the inventory has no hosts in the group `{}`", rule.group);
            drafts.say(Remark::new(Fate::Refused, &rule.source, rule.group.as_str(), message));
        }
        for host in hosts {
            spoken_for.insert(host);
            by_rule(&mut drafts, inventory, rule, host);
        }
    }
    for host in inventory.hosts() {
        if listed::map(&mut drafts, inventory, host) {
            spoken_for.insert(host);
        }
    }
    let silent: BTreeSet<_> = inventory.hosts().into_iter().filter(|host| !spoken_for.contains(host)).collect();
    for (name, group) in &inventory.groups {
        let hosts: Vec<_> = group.hosts.iter().filter(|host| silent.contains(host.as_str())).collect();
        if !hosts.is_empty() {
            let shown = hosts.iter().map(|host| host.as_str()).collect::<Vec<_>>().join("`, `");
            let message = format!("nothing says what `{shown}` offer");
            let help = format!(
                "say what the hosts of the group offer: `--group {name}=SERVICE:PORT`, a [[rule]] in a file for --rules, \
                 or `srvctl_services` in the inventory"
            );
            drafts.say(Remark::new(Fate::Refused, &inventory.source, format!("group {name}"), message).help(help));
        }
    }
    drafts.finish()
}

fn by_rule(drafts: &mut Drafts<'_>, inventory: &Inventory, rule: &Rule, host: &str) {
    let source = &inventory.source;
    let Some(key) = drafts.named(&rule.source, &rule.group, &rule.service) else { return };
    let port = match &rule.port {
        Port::Number(port) => Ok(*port),
        Port::Variable(variable) => inventory.port(host, variable),
    };
    let port = match port {
        Ok(port) => port,
        Err(why) => return drafts.say(Remark::new(Fate::Refused, source, host, why).of(&key)),
    };
    drafts.open(&key, &rule.source, format!("group `{}` of {source}, by the rule at {}", rule.group, rule.source));
    let name = match rule.host_variable.as_deref().map(|variable| inventory.text(host, variable)) {
        None => host.to_owned(),
        Some(Ok(Some(name))) => name,
        Some(Ok(None)) => {
            let message = format!("has no variable `{}`", rule.host_variable.as_deref().unwrap_or_default());
            return drafts.say(Remark::new(Fate::Refused, source, host, message).of(&key));
        }
        Some(Err(why)) => return drafts.say(Remark::new(Fate::Refused, source, host, why).of(&key)),
    };
    let Some(located) = drafts.locate(source, &key, &name) else { return };
    let mut pairs = Vec::new();
    for (name, variable) in &rule.metadata {
        match inventory.text(host, variable) {
            Ok(value) => pairs.extend(value.map(|value| (name.as_str(), value))),
            Err(why) => drafts.say(Remark::new(Fate::Refused, source, host, why).of(&key)),
        }
    }
    let metadata = drafts.metadata(source, host, &key, pairs);
    let variable = rule.address_variable.as_deref().unwrap_or("ansible_host");
    let address = inventory.text(host, variable).ok().flatten().and_then(|text| text.parse().ok());
    let located = Located { address: located.address.or(address), ..located };
    let plain = instance(drafts.terms(), &located, port, source);
    drafts.offer(source, &key, Instance { metadata, ..plain });
}

/// An instance with the addresses of its host, where they are wanted.
fn instance(terms: &Terms, located: &Located, port: NonZeroU16, source: &Source) -> Instance {
    let addresses =
        if terms.addresses || located.guess.is_some() { located.addresses(terms) } else { [].into_iter().collect() };
    Instance { addresses, ..Instance::new(located.host.clone(), port, source.place()) }
}

/// The same name wherever it is said, for a service of the inventory.
fn said(source: &Source, host: &str, key: &ServiceKey, message: impl Into<String>) -> Remark {
    Remark::new(Fate::Refused, source, host, message).of(key)
}

#[cfg(test)]
mod tests;
