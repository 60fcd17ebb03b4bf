//! Waiting until a change is seen by whoever looks, through every server that the zone is verified through.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use super::through::{Through, verifiers};
use crate::api::{Goal, Proof};
use crate::config::{Config, ZoneConfig};
use crate::model::{DaemonStatus, MAX_SHARDS, Name, Outcome, Rdata, RecordType, RrsetKey, Service, ServiceKey, Shards};
use crate::protocol::lookup::Verdict;

/// Waits between two looks: the first, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// A plan that is held so long after the change is held for a person, who may take longer than anybody waits.
const HELD: Duration = Duration::from_secs(2);
/// Look-ups under way at once, for each who waits.
const CONCURRENT: usize = 8;

/// What is looked at: one name and type through one server.
struct Look {
    server: Arc<Through>,
    /// Under which names; what shall be there is under one of them.
    names: Vec<Name>,
    record_type: RecordType,
    goals: Vec<Goal>,
}

/// What the waiting needs to know of the rest.
pub(super) struct Prover<'a> {
    pub(super) config: &'a Config,
    pub(super) service: &'a ServiceKey,
    /// As it is in force after the change; none when nobody offers it any more.
    pub(super) in_force: Option<Arc<Service>>,
}

impl Prover<'_> {
    /// Looks until everything is seen, or the time is up, or a plan is held. Says what was seen last.
    pub(super) async fn prove(
        &self,
        goals: Vec<Goal>,
        limit: Duration,
        status: impl Fn() -> DaemonStatus,
    ) -> Vec<Proof> {
        let (began, deadline) = (Instant::now(), Instant::now() + limit);
        let looks = self.looks(&self.names(), &goals).await;
        let mut wait = FIRST_WAIT;
        let mut proofs = unseen(&looks, "not looked up in time");
        loop {
            match timeout_at(deadline, look_at_all(&looks)).await {
                Ok(seen) => proofs = seen,
                Err(_) => return proofs,
            }
            let is_held = || {
                let status = status();
                let zone = status.zones.into_iter().find(|zone| zone.zone == self.service.zone);
                zone.is_some_and(|zone| zone.outcome == Outcome::Held)
            };
            let done = proofs.iter().all(|proof| proof.verified);
            let left = deadline.saturating_duration_since(Instant::now());
            if done || left < FIRST_WAIT || (began.elapsed() > HELD && is_held()) {
                return proofs;
            }
            sleep(wait.min(left / 2)).await;
            wait = (wait * 3 / 2).min(LONGEST_WAIT);
        }
    }

    /// What is said when nobody looks any more.
    pub(super) async fn unseen(&self, goals: &[Goal], why: &str) -> Vec<Proof> {
        let name = self.service.owner_name().into_iter().collect::<Vec<_>>();
        unseen(&self.looks(&name, goals).await, why)
    }

    /// Under which names the service is looked up.
    fn names(&self) -> Vec<Name> {
        let shards = self.in_force.as_ref().map_or(Shards::Off, |service| service.shards);
        let several = |count: usize| (0..count).filter_map(|shard| self.service.shard_name(shard).ok()).collect();
        match (shards, &self.in_force) {
            (Shards::Off, _) | (_, None) => several(1),
            (Shards::Fixed(count), _) => several(count),
            // Reading the zone to know how many would cost more than asking for all of them.
            (Shards::Auto, _) => several(MAX_SHARDS),
        }
    }

    async fn looks(&self, names: &[Name], goals: &[Goal]) -> Vec<Look> {
        let mut looks = Vec::new();
        for server in self.asked(|zone| zone.name == self.service.zone).await {
            looks.push(Look { server, names: names.to_vec(), record_type: RecordType::SRV, goals: goals.to_vec() });
        }
        for goal in goals.iter().filter(|goal| goal.present) {
            let asked = self.asked(|zone| goal.offer.host.is_within(&zone.name)).await;
            for record_type in [RecordType::A, RecordType::AAAA] {
                if rdatas(goal, record_type).next().is_none() {
                    continue;
                }
                looks.extend(asked.iter().map(|server| Look {
                    server: Arc::clone(server),
                    names: vec![goal.offer.host.clone()],
                    record_type,
                    goals: vec![goal.clone()],
                }));
            }
        }
        looks
    }

    /// Through whom the zone is verified: the longest of those that fit.
    async fn asked(&self, fits: impl Fn(&&ZoneConfig) -> bool) -> Vec<Arc<Through>> {
        let zone = self.config.zones.iter().filter(fits).max_by_key(|zone| zone.name.len());
        match zone {
            Some(zone) => verifiers(zone).await.asked,
            None => Vec::new(),
        }
    }
}

fn unseen(looks: &[Look], why: &str) -> Vec<Proof> {
    looks.iter().map(|look| look.proof(Some(why.to_owned()))).collect()
}

async fn look_at_all(looks: &[Look]) -> Vec<Proof> {
    let permits = Arc::new(Semaphore::new(CONCURRENT));
    let mut proofs = Vec::new();
    for look in looks {
        let questions: Vec<_> = look.names.iter().map(|name| RrsetKey::new(name.clone(), look.record_type)).collect();
        let verdicts = look.server.resolver().look_up_all(&questions, &permits).await;
        proofs.push(look.proof(look.missing(&verdicts)));
    }
    proofs
}

impl Look {
    fn proof(&self, reason: Option<String>) -> Proof {
        Proof {
            server: self.server.server().map(ToString::to_string),
            name: self.names[0].clone(),
            record_type: self.record_type.to_string(),
            verified: reason.is_none(),
            reason,
        }
    }

    /// Why what was seen is not what shall be.
    fn missing(&self, verdicts: &[Verdict]) -> Option<String> {
        let mut found = BTreeSet::new();
        for verdict in verdicts {
            if let Verdict::Unknown { reason, .. } = verdict {
                return Some(reason.to_string());
            }
            let answers = verdict.reply().map_or(&[][..], |reply| &reply.message.answers);
            let of_type = answers.iter().filter(|record| record.record_type() == self.record_type);
            found.extend(of_type.map(|record| record.rdata.clone()));
        }
        self.goals.iter().find_map(|goal| self.unmet(goal, &found))
    }

    fn unmet(&self, goal: &Goal, found: &BTreeSet<Rdata>) -> Option<String> {
        let offer = &goal.offer;
        if self.record_type != RecordType::SRV {
            let mut missing = rdatas(goal, self.record_type).filter(|rdata| !found.contains(rdata));
            return missing.next().map(|address| format!("the address {address} is not there"));
        }
        let is_there =
            |rdata: &&Rdata| rdata.as_srv().is_some_and(|srv| srv.target == offer.host && srv.port == offer.port.get());
        let seen = found.iter().find(is_there).and_then(Rdata::as_srv);
        let target = format!("{} port {}", offer.host, offer.port);
        match (goal.present, seen) {
            (true, None) => Some(format!("{target} is not there")),
            (false, Some(_)) => Some(format!("{target} is still there")),
            (true, Some(srv)) if (srv.priority, srv.weight) != (offer.priority, offer.weight) => {
                Some(format!("{target} is there with priority {} and weight {}", srv.priority, srv.weight))
            }
            _ => None,
        }
    }
}

/// The addresses of this type that shall be published.
fn rdatas(goal: &Goal, record_type: RecordType) -> impl Iterator<Item = Rdata> {
    let all = goal.offer.addresses.iter().copied().map(Rdata::address);
    all.filter(move |rdata| rdata.record_type() == record_type)
}
