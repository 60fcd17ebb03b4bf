//! Hosts of groups, and variables of hosts with the templates in them that need no Ansible to be filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use serde_json::Value;

use super::{Group, Inventory};

/// Templates that name variables with templates in them, at most.
const DEPTH: usize = 8;

impl Inventory {
    /// All hosts.
    pub(super) fn hosts(&self) -> BTreeSet<&str> {
        let grouped = self.groups.values().flat_map(|group| &group.hosts);
        grouped.chain(self.hostvars.keys()).map(String::as_str).collect()
    }

    /// The hosts of a group and of the groups below it.
    pub(super) fn hosts_of(&self, group: &str) -> BTreeSet<&str> {
        let (mut hosts, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut open = vec![group];
        while let Some(name) = open.pop() {
            if let Some(group) = self.groups.get(name).filter(|_| seen.insert(name)) {
                hosts.extend(group.hosts.iter().map(String::as_str));
                open.extend(group.children.iter().map(String::as_str));
            }
        }
        hosts
    }

    /// A variable of a host: its own, else that of the deepest group.
    pub(super) fn variable(&self, host: &str, name: &str) -> Option<&Value> {
        if let Some(value) = self.hostvars.get(host).and_then(|variables| variables.get(name)) {
            return Some(value);
        }
        let having: Vec<_> = self.groups.iter().filter(|(_, group)| group.vars.contains_key(name)).collect();
        if having.is_empty() {
            return None;
        }
        let depths = self.depths();
        let groups = having.into_iter().filter(|(group, _)| self.hosts_of(group).contains(host));
        let deepest = groups.max_by_key(|(group, _)| depths.get(group.as_str()).copied().unwrap_or(0));
        deepest.and_then(|(_, group): (_, &Group)| group.vars.get(name))
    }

    /// How far below `all` each group is.
    fn depths(&self) -> BTreeMap<&str, usize> {
        let mut depths = BTreeMap::new();
        let mut level = vec!["all"];
        for depth in 0.. {
            level.retain(|group| !depths.contains_key(group));
            if level.is_empty() {
                break;
            }
            depths.extend(level.iter().map(|group| (*group, depth)));
            let groups = level.iter().filter_map(|group| self.groups.get(*group));
            level = groups.flat_map(|group| &group.children).map(String::as_str).collect();
        }
        depths
    }

    /// A variable as text; nothing when it is not there or null.
    pub(super) fn text(&self, host: &str, name: &str) -> Result<Option<String>, String> {
        match self.variable(host, name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => self.filled(host, value).map(Some).map_err(|why| format!("`{name}` {why}")),
        }
    }

    /// A variable as a port.
    pub(super) fn port(&self, host: &str, name: &str) -> Result<NonZeroU16, String> {
        let text =
            self.text(host, name)?.ok_or_else(|| format!("has no variable `{name}`, which is to be its port"))?;
        text.parse().map_err(|_| format!("`{name}` is `{text}`, which is no port"))
    }

    /// A value as text, with what its templates stand for.
    pub(super) fn filled(&self, host: &str, value: &Value) -> Result<String, String> {
        self.filled_at(host, value, DEPTH)
    }

    fn filled_at(&self, host: &str, value: &Value, depth: usize) -> Result<String, String> {
        match value {
            Value::String(text) => self.template(host, text, depth),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(truth) => Ok(truth.to_string()),
            Value::Object(object) => match object.get("__ansible_unsafe") {
                Some(Value::String(text)) => Ok(text.clone()),
                _ if object.contains_key("__ansible_vault") => Err("is in a vault, and stays there".to_owned()),
                _ => Err("is a table, not a text".to_owned()),
            },
            Value::Array(_) => Err("is a list, not a text".to_owned()),
            Value::Null => Err("is null".to_owned()),
        }
    }

    fn template(&self, host: &str, text: &str, depth: usize) -> Result<String, String> {
        let only_ansible = || "is a template that only Ansible can fill in".to_owned();
        if text.contains("{%") || text.contains("{#") {
            return Err(only_ansible());
        }
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            filled.push_str(before);
            let (expression, after) = after.split_once("}}").ok_or_else(only_ansible)?;
            let name = expression.trim();
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let depth = depth.checked_sub(1).filter(|_| is_name).ok_or_else(only_ansible)?;
            if name == "inventory_hostname" {
                filled.push_str(host);
            } else {
                let value = self.variable(host, name).ok_or_else(only_ansible)?;
                filled.push_str(&self.filled_at(host, value, depth)?);
            }
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}
