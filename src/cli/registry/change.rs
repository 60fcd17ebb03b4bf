//! `srvctl register`, `deregister`, `set` and `renew`.

use std::path::PathBuf;
use std::time::Duration;

use super::args::{DeregisterArgs, Described, Manner, RegisterArgs, RenewArgs, SetArgs};
use super::values::{Seconds, Ttl};
use super::{Failure, client, ended, id, list, shown};
use crate::api::{Ask, Changed, Client, InstanceView, ServiceView, Verified, Word};
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::model::Settings;
use crate::reconcile::registry::{Amendment, Proposal};

/// How often what holds for a service is read again because somebody else has changed it meanwhile.
const ATTEMPTS: u32 = 8;
/// How long to leave off before that, each time longer: what made the difference may still be on its way to the disk.
const LEAVE_OFF: Duration = Duration::from_millis(20);

/// Registers an instance.
pub(in crate::cli) async fn register(flag: Option<PathBuf>, args: &RegisterArgs) -> Exit {
    let asked = async {
        let ask = registration(&args.described, args.lease)?;
        let changed: Changed = client(flag, &args.remote)?.ask(in_manner(ask, &args.manner)).await?;
        let (service, id) = (&changed.service, name(&changed, &args.described.host));
        let words = match (changed.changed, changed.before.is_some(), changed.dry_run) {
            (false, ..) => format!("already registered {id} in {service}"),
            (true, false, false) => format!("registered {id} in {service}"),
            (true, false, true) => format!("would register {id} in {service}"),
            (true, true, false) => format!("changed {id} in {service}"),
            (true, true, true) => format!("would change {id} in {service}"),
        };
        Ok(show(&changed, &args.manner, &words))
    };
    ended(asked.await)
}

/// The request that registers.
pub(super) fn registration(described: &Described, lease: Option<Seconds>) -> Result<Ask, Failure> {
    let Described { service, host, port, addresses, priority, weight, metadata, id } = described;
    let proposal = Proposal {
        host: host.clone(),
        port: *port,
        priority: *priority,
        weight: *weight,
        addresses: addresses.clone(),
        metadata: metadata.iter().cloned().collect(),
        lease: lease.map(|Seconds(lease)| lease),
    };
    let ask = match id {
        Some(id) => Ask::put(&["v1", "services", service, "instances", id]),
        None => Ask::post(&["v1", "services", service, "instances"]),
    };
    Ok(ask.json(&proposal)?)
}

fn in_manner(ask: Ask, manner: &Manner) -> Ask {
    let ask = ask.query("dry_run", manner.check.then_some(true));
    ask.waiting(manner.wait.filter(|_| !manner.check).map(|Seconds(wait)| wait))
}

fn name(changed: &Changed, otherwise: &str) -> String {
    changed.id.as_ref().map_or_else(|| otherwise.to_owned(), ToString::to_string)
}

fn show(changed: &Changed, manner: &Manner, words: &str) -> Exit {
    let before = shown::offer(&changed.service, changed.before.as_ref());
    let after = shown::offer(&changed.service, changed.after.as_ref());
    shown::change(changed, manner, words, &(before, after))
}

/// Deregisters one instance, all of a service, or those whose lease has run out.
pub(in crate::cli) async fn deregister(flag: Option<PathBuf>, args: &DeregisterArgs) -> Exit {
    let asked = async {
        let mut client = client(flag, &args.remote)?;
        let (service, manner) = (args.service.as_str(), &args.manner);
        if args.overdue {
            return deregister_overdue(&mut client, service, manner).await;
        }
        let would = if manner.check { "would be " } else { "" };
        if args.all {
            let changed: Changed = client.ask(in_manner(Ask::delete(&["v1", "services", service]), manner)).await?;
            return Ok(show(&changed, manner, &all_gone(&changed, would)));
        }
        let id = id(&args.which)?;
        let ask = Ask::delete(&["v1", "services", service, "instances", &id]);
        let changed: Changed = client.ask(in_manner(ask, manner)).await?;
        let (service, id) = (&changed.service, name(&changed, &id));
        let words = match (changed.changed, changed.dry_run) {
            (false, _) => format!("not registered: {id} in {service}"),
            (true, false) => format!("deregistered {id} in {service}"),
            (true, true) => format!("would deregister {id} in {service}"),
        };
        Ok(show(&changed, manner, &words))
    };
    ended(asked.await)
}

fn all_gone(changed: &Changed, would: &str) -> String {
    let service = &changed.service;
    match changed.removed.unwrap_or(0) {
        0 if changed.changed => format!("the settings of {service} {would}removed"),
        0 => format!("nothing is registered in {service}"),
        1 => format!("1 instance of {service} {would}deregistered"),
        count => format!("{count} instances of {service} {would}deregistered"),
    }
}

/// One after the other, each as it is decided: what was renewed meanwhile is not overdue any more.
async fn deregister_overdue(client: &mut Client, service: &str, manner: &Manner) -> Result<Exit, Failure> {
    let overdue = list::instances(client, Some(service), None, true).await?;
    let view: Option<ServiceView> = found(client.ask(Ask::get(&["v1", "services", service])).await)?;
    let mut all = Changed {
        changed: false,
        dry_run: manner.check,
        service: view.map_or_else(|| service.to_owned(), |view| view.service),
        id: None,
        before: None,
        after: None,
        revision: None,
        removed: Some(0),
        verified: None,
    };
    let mut gone = Vec::new();
    for InstanceView { service, id, .. } in &overdue {
        let path = ["v1", "services", service, "instances", id.as_str()];
        // It may be renewed at any moment.
        let ask = Ask::delete(&path).query("overdue", Some(true));
        let changed: Changed = client.ask(in_manner(ask, manner)).await?;
        all.changed |= changed.changed;
        all.removed = all.removed.map(|removed| removed + usize::from(changed.changed));
        all.verified = both(all.verified, changed.verified);
        gone.extend(shown::offer(&changed.service, changed.before.as_ref()));
    }
    let would = if manner.check { "would be " } else { "" };
    let words =
        if overdue.is_empty() { format!("nothing is overdue in {}", all.service) } else { all_gone(&all, would) };
    Ok(shown::change(&all, manner, &words, &(gone, Vec::new())))
}

/// What was seen of two changes, one after the other.
fn both(one: Option<Verified>, other: Option<Verified>) -> Option<Verified> {
    let (Some(mut one), Some(other)) = (one.clone(), other.clone()) else { return one.or(other) };
    one.ok &= other.ok;
    one.milliseconds += other.milliseconds;
    one.proofs.extend(other.proofs);
    one.obstacles.extend(other.obstacles);
    one.held = one.held.or(other.held);
    Some(one)
}

/// Changes a running instance, or what holds for its service.
pub(in crate::cli) async fn set(flag: Option<PathBuf>, args: &SetArgs) -> Exit {
    let asked = async {
        let mut client = client(flag, &args.remote)?;
        if args.which.id.is_none() && args.which.host.is_none() {
            return set_service(&mut client, args).await;
        }
        let id = id(&args.which)?;
        let removed = args.unset.iter().map(|key| (key.clone(), None));
        let metadata = removed.chain(args.metadata.iter().cloned().map(|(key, value)| (key, Some(value)))).collect();
        let amendment = Amendment { priority: args.priority, weight: args.weight, metadata };
        let ask = Ask::patch(&["v1", "services", &args.service, "instances", &id]).json(&amendment)?;
        let changed: Changed = client.ask(in_manner(ask, &args.manner)).await?;
        let what = format!("{} in {}", name(&changed, &id), changed.service);
        Ok(show(&changed, &args.manner, &changed_words(&changed, &what)))
    };
    ended(asked.await)
}

fn changed_words(changed: &Changed, what: &str) -> String {
    match (changed.changed, changed.dry_run) {
        (false, _) => format!("unchanged: {what}"),
        (true, false) => format!("changed {what}"),
        (true, true) => format!("would change {what}"),
    }
}

/// Two who do this at once both get their way.
async fn set_service(client: &mut Client, args: &SetArgs) -> Result<Exit, Failure> {
    if args.manner.wait.is_some() {
        return Err("--wait goes with an instance: for a service, ask `srvctl verify` afterwards".to_owned().into());
    }
    let path = ["v1", "services", args.service.as_str()];
    let mut attempt = 1;
    loop {
        let view: Option<ServiceView> = found(client.ask(Ask::get(&path)).await)?;
        let (before, revision) = view.map_or_else(Default::default, |view| (view.settings, view.revision));
        let after = amended(before.clone(), args);
        let ask = in_manner(Ask::put(&path).json(&after)?, &args.manner).expecting(revision);
        match client.ask::<Changed>(ask).await {
            Err(error) if error.is_refused_with(412) && attempt < ATTEMPTS => {
                tokio::time::sleep(LEAVE_OFF * attempt).await;
                attempt += 1;
            }
            answer => {
                let changed = answer?;
                let lines = (shown::settings(&before), shown::settings(&after));
                return Ok(shown::change(&changed, &args.manner, &changed_words(&changed, &changed.service), &lines));
            }
        }
    }
}

fn amended(mut settings: Settings, args: &SetArgs) -> Settings {
    if let Some(Ttl(ttl)) = args.ttl {
        settings.ttl = ttl;
    }
    settings.shards = args.shards.unwrap_or(settings.shards);
    settings.metadata.retain(|key, _| !args.unset.contains(key));
    settings.metadata.extend(args.metadata.iter().cloned());
    settings
}

/// Renews a lease, and says how the instance is.
pub(in crate::cli) async fn renew(flag: Option<PathBuf>, args: &RenewArgs) -> Exit {
    let asked = async {
        let id = id(&args.which)?;
        let word = Word { status: args.status, output: args.output.clone().unwrap_or_default() };
        let ask = renewal(&args.service, &id);
        let ask = if args.status.is_some() { ask.json(&word)? } else { ask };
        let renewed: InstanceView = client(flag, &args.remote)?.ask(ask).await?;
        if args.format.json {
            output::json(&renewed);
        } else {
            let InstanceView { service, id, lease, .. } = &renewed;
            output::line(match (lease, args.status) {
                (Some(lease), None) => format!("renewed {id} in {service} for {lease} s"),
                (Some(lease), Some(status)) => format!("renewed {id} in {service} for {lease} s, as {status}"),
                (None, Some(status)) => format!("{id} in {service} says that it is {status}"),
                (None, None) => format!("{id} in {service} has no lease: it stays until it is deregistered"),
            });
        }
        Ok(Exit::Done)
    };
    ended(asked.await)
}

/// The request that renews.
pub(super) fn renewal(service: &str, id: &str) -> Ask {
    Ask::post(&["v1", "services", service, "instances", id, "renew"])
}

/// The request that deregisters, answered within this time.
pub(super) fn deregistration(service: &str, id: &str, limit: Duration) -> Ask {
    Ask::delete(&["v1", "services", service, "instances", id]).within(limit)
}

/// An answer, or none when it is not there.
fn found<T>(answer: Result<T, crate::api::ApiError>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_refused_with(404) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
