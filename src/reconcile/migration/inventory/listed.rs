//! `srvctl_services`: what a host says of itself, in the terms of the role in `config/ansible`.

use std::num::NonZeroU16;

use serde_json::{Map, Value};

use super::{Inventory, instance, said};
use crate::model::Instance;
use crate::reconcile::migration::drafts::Drafts;
use crate::reconcile::migration::remark::{Fate, Remark};
use crate::reconcile::migration::terms::Located;

const VARIABLE: &str = "srvctl_services";

/// Whether the host has the variable, and then maps what it lists.
pub(super) fn map(drafts: &mut Drafts<'_>, inventory: &Inventory, host: &str) -> bool {
    let Some(value) = inventory.variable(host, VARIABLE) else { return false };
    let Value::Array(items) = value else {
        let message =
            format!("`{VARIABLE}` is no list as it stands; templates that make one are for Ansible to fill in");
        drafts.say(Remark::new(Fate::Refused, &inventory.source, host, message));
        return true;
    };
    for (index, item) in items.iter().enumerate() {
        let result = match item {
            Value::Object(item) => one(drafts, inventory, host, item),
            _ => Err("is not a table".to_owned()),
        };
        if let Err(why) = result {
            let message = format!("entry {} of `{VARIABLE}` {why}", index + 1);
            drafts.say(Remark::new(Fate::Refused, &inventory.source, host, message));
        }
    }
    true
}

fn one(drafts: &mut Drafts<'_>, inventory: &Inventory, host: &str, item: &Map<String, Value>) -> Result<(), String> {
    let source = &inventory.source;
    let text = |key: &str| {
        let value = item.get(key).filter(|value| !value.is_null());
        value.map(|value| inventory.filled(host, value).map_err(|why| format!("has a `{key}` that {why}"))).transpose()
    };
    let number = |key: &str| -> Result<Option<u16>, String> {
        let Some(text) = text(key)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("has the {key} `{text}`, which is no number up to 65535"))
    };
    let name = text("name")?.ok_or("has no `name`")?;
    let port = number("port")?.and_then(NonZeroU16::new).ok_or("has no `port` from 1 to 65535")?;
    let Some(key) = drafts.named(source, host, &name) else { return Ok(()) };
    if text("state")?.as_deref() == Some("absent") {
        let message = format!("`{name}` has the state absent");
        drafts.say(Remark::new(Fate::Left, source, host, message).of(&key));
        return Ok(());
    }
    drafts.open(&key, source, format!("`{VARIABLE}` of {source}"));
    let (host_text, default) = (text("host")?, inventory.text(host, "srvctl_host")?);
    let called = host_text.or(default).unwrap_or_else(|| host.to_owned());
    // As the role has it.
    let Some(located) = drafts.locate_in_zone(source, &key, &called) else { return Ok(()) };
    let located = Located { address: located.address.or_else(|| connects_to(inventory, host)), ..located };
    let mut pairs = Vec::new();
    if let Some(Value::Object(metadata)) = item.get("metadata") {
        for (name, value) in metadata {
            match inventory.filled(host, value) {
                Ok(value) => pairs.push((name.as_str(), value)),
                Err(why) => drafts.say(said(source, host, &key, format!("metadata `{name}` {why}"))),
            }
        }
    }
    let metadata = drafts.metadata(source, host, &key, pairs);
    let plain = instance(drafts.terms(), &located, port, source);
    let (priority, weight) = (number("priority")?.unwrap_or(0), number("weight")?.unwrap_or(0));
    let mut made = Instance { priority, weight, metadata, ..plain };
    addresses(drafts, inventory, (host, item), &mut made)?;
    if item.contains_key("lease") {
        let message = format!("the lease of `{name}` was left out: what is in a file needs none");
        drafts.say(Remark::new(Fate::Guessed, source, host, message).of(&key));
    }
    drafts.offer(source, &key, made);
    Ok(())
}

/// The address that Ansible connects to.
fn connects_to(inventory: &Inventory, host: &str) -> Option<std::net::IpAddr> {
    inventory.text(host, "ansible_host").ok().flatten()?.parse().ok()
}

/// Addresses that the entry lists, or that hold for the host.
fn addresses(
    drafts: &Drafts<'_>,
    inventory: &Inventory,
    (host, item): (&str, &Map<String, Value>),
    made: &mut Instance,
) -> Result<(), String> {
    let listed = item.get("addresses").or_else(|| inventory.variable(host, "srvctl_default_addresses"));
    let Some(Value::Array(listed)) = listed.filter(|_| drafts.terms().addresses) else { return Ok(()) };
    let mut addresses = smallvec::SmallVec::new();
    for value in listed {
        let text = inventory.filled(host, value).map_err(|why| format!("has an address that {why}"))?;
        addresses.push(
            crate::model::rules::address(&text).map_err(|refusal| format!("has addresses: {}", refusal.message))?,
        );
    }
    if !addresses.is_empty() {
        crate::model::rules::addressed_host(&made.host, &drafts.terms().zones).map_err(|refusal| refusal.message)?;
    }
    made.addresses = addresses;
    Ok(())
}
