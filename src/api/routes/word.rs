//! What an instance says of itself, and who may say it.

use std::time::Duration;

use super::Site;
use crate::api::problem::Problem;
use crate::api::types::Word;
use crate::model::health::{CheckKind, ProbeResult};
use crate::model::rules::Refusal;
use crate::model::{Access, InstanceId, Name, Principal, ServiceKey};
use crate::reconcile::registry::Refused;

/// A word that is taken.
pub(super) struct Said {
    /// Host and port of the instance.
    pub(super) endpoint: InstanceId,
    /// What its `lease` check takes as the result.
    pub(super) result: ProbeResult,
    /// Whether the instance is registered, so that it has to be renewed too.
    pub(super) is_registered: bool,
}

/// What an instance says; none when it says nothing.
///
/// # Errors
/// When whoever says it may not, the instance is not there, or no check of it waits for a word.
pub(super) fn heard(
    site: &Site,
    who: &Principal,
    (key, id): (&ServiceKey, &InstanceId),
    word: Word,
) -> Result<Option<Said>, Problem> {
    let Word { status, output } = word;
    let Some(verdict) = status else {
        let without = Refusal::from("`output` goes with `status`".to_owned());
        return if output.is_empty() { Ok(None) } else { Err(without.into()) };
    };
    if !who.may(Access::Write, key) {
        return Err(Problem::denied(format!("{} may not change the service `{key}`", who.name)));
    }
    let (mut found, mut is_registered) = (None, false);
    site.backend.view(&mut |view| {
        let registered = view.registry.instance(key, id).map(|found| (found.offer.host.clone(), found.offer.port));
        is_registered = registered.is_some();
        let is_it = |host: &Name, port| match &registered {
            Some((its_host, its_port)) => host == its_host && port == *its_port,
            None => InstanceId::of(host, port) == *id,
        };
        let service = view.in_force.get(key);
        found = service.and_then(|service| {
            let one = service.instances.iter().find(|one| is_it(&one.host, one.port))?;
            let waits = service.checks_of(one).iter().any(|check| matches!(check.kind, CheckKind::Lease(_)));
            Some((one.host.clone(), one.port, waits))
        });
    });
    let Some((host, port, waits)) = found else {
        return Err(Problem::not_found(format!("`{id}` is not registered in `{key}`")));
    };
    let zone = site.backend.zones().iter().filter(|zone| host.is_within(zone)).max_by_key(|zone| zone.len());
    if !who.may_place(key, &host, zone) {
        return Err(Problem::denied(format!("{} may not speak for `{id}` in the service `{key}`", who.name)));
    }
    if !waits {
        let message = format!("no check of `{id}` in `{key}` waits for a word of it");
        let help = "give it a `[[service.check]]` with `type = \"lease\"` in the service file";
        return Err(Refused::Conflict(Refusal::with_help(message, help)).into());
    }
    let result = ProbeResult::new(verdict, Duration::ZERO, output);
    Ok(Some(Said { endpoint: InstanceId::of(&host, port), result, is_registered }))
}
