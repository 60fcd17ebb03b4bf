//! Waiting until a change is seen by whoever looks, through every server that the zone is verified through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use super::through::{SECONDARIES, Verifiers, verifiers};
use crate::api::{Goal, Proof};
use crate::config::{Config, VerifyThrough, ZoneConfig};
use crate::model::{DaemonStatus, MAX_SHARDS, Name, Outcome, Rdata, RecordType, RrsetKey, Service, ServiceKey, Shards};
use crate::protocol::lookup::Verdict;

/// Waits between two looks: the first, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// A plan that is held so long after the change is held for a person, who may take longer than anybody waits.
const HELD: Duration = Duration::from_secs(2);
/// Look-ups under way at once, for each who waits.
const CONCURRENT: usize = 8;

/// What shall be seen of one type, by everybody through whom the zone is verified.
struct Wanted<'a> {
    zone: &'a ZoneConfig,
    /// Under which names; what shall be there is under one of them.
    names: Vec<Name>,
    record_type: RecordType,
    goals: Vec<Goal>,
}

/// Through whom each zone is verified.
type Who = BTreeMap<Name, Verifiers>;

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
        let wanted = self.wanted(&goals);
        let mut who = Who::new();
        let mut wait = FIRST_WAIT;
        let mut proofs = unseen(&wanted, "not looked up in time");
        loop {
            let look = async {
                find(&wanted, &mut who).await;
                look_at_all(&wanted, &who).await
            };
            match timeout_at(deadline, look).await {
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

    /// What is said when nobody looks any more. Asks nobody: who stops has no time for it.
    pub(super) fn unseen(&self, goals: &[Goal], why: &str) -> Vec<Proof> {
        unseen(&self.wanted(goals), why)
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

    fn wanted(&self, goals: &[Goal]) -> Vec<Wanted<'_>> {
        let mut wanted = Vec::new();
        if let Some(zone) = self.zone(|zone| zone.name == self.service.zone) {
            wanted.push(Wanted { zone, names: self.names(), record_type: RecordType::SRV, goals: goals.to_vec() });
        }
        for goal in goals.iter().filter(|goal| goal.present) {
            let Some(zone) = self.zone(|zone| goal.offer.host.is_within(&zone.name)) else { continue };
            for record_type in [RecordType::A, RecordType::AAAA] {
                if rdatas(goal, record_type).next().is_some() {
                    let (names, goals) = (vec![goal.offer.host.clone()], vec![goal.clone()]);
                    wanted.push(Wanted { zone, names, record_type, goals });
                }
            }
        }
        wanted
    }

    /// The longest of those that fit.
    fn zone(&self, fits: impl Fn(&&ZoneConfig) -> bool) -> Option<&ZoneConfig> {
        self.config.zones.iter().filter(fits).max_by_key(|zone| zone.name.len())
    }
}

/// Finds whom to ask, and again those who could not be found yet.
async fn find(wanted: &[Wanted<'_>], who: &mut Who) {
    for Wanted { zone, .. } in wanted {
        if who.get(&zone.name).is_none_or(|known| !known.lost.is_empty()) {
            who.insert(zone.name.clone(), verifiers(zone).await);
        }
    }
}

/// As the configuration names those who shall see it.
fn unseen(wanted: &[Wanted<'_>], why: &str) -> Vec<Proof> {
    let of_one = |wanted: &Wanted<'_>| {
        let server = |through: &VerifyThrough| match through {
            VerifyThrough::System => None,
            VerifyThrough::Secondaries => Some(SECONDARIES.to_owned()),
            VerifyThrough::Server(server) => Some(server.to_string()),
        };
        let proof = |through| wanted.proof(server(through), Some(why.to_owned()));
        wanted.zone.verify.iter().map(proof).collect::<Vec<_>>()
    };
    wanted.iter().flat_map(of_one).collect()
}

async fn look_at_all(wanted: &[Wanted<'_>], who: &Who) -> Vec<Proof> {
    let permits = Arc::new(Semaphore::new(CONCURRENT));
    let mut proofs = Vec::new();
    for wanted in wanted {
        let Verifiers { asked, lost, .. } = &who[&wanted.zone.name];
        let question = |name: &Name| RrsetKey::new(name.clone(), wanted.record_type);
        let questions: Vec<_> = wanted.names.iter().map(question).collect();
        for server in asked {
            let verdicts = server.resolver().look_up_all(&questions, &permits).await;
            proofs.push(wanted.proof(server.server().map(ToString::to_string), wanted.missing(&verdicts)));
        }
        let lost = lost.iter().map(|(name, why)| (name.clone(), format!("cannot be asked: {why}")));
        proofs.extend(lost.map(|(name, why)| wanted.proof(Some(name), Some(why))));
    }
    proofs
}

impl Wanted<'_> {
    fn proof(&self, server: Option<String>, reason: Option<String>) -> Proof {
        Proof {
            server,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// A zone whose primary is nobody, at a port that is closed.
    fn config(verify: &str) -> Config {
        let directory = tempfile::tempdir().unwrap();
        let primary = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let key = "key \"k\" { algorithm hmac-sha256; secret \"c2VjcmV0LXNlY3JldC1zZWNyZXQ=\"; };";
        std::fs::write(directory.path().join("k.key"), key).unwrap();
        let zone = format!("name = \"x\"\nprimary = \"{primary}\"\nkey_file = \"k.key\"\nverify = {verify}");
        let text = format!("owner = \"o\"\nservices = [\"*.toml\"]\n[[zone]]\n{zone}\n");
        let path = directory.path().join("srvctl.toml");
        std::fs::write(&path, text).unwrap();
        config::load(&path).unwrap()
    }

    fn goal() -> Goal {
        let offer = crate::model::Offer {
            host: "h.x".parse().unwrap(),
            port: std::num::NonZeroU16::MIN,
            priority: 0,
            weight: 0,
            addresses: vec!["192.0.2.9".parse().unwrap()],
            metadata: BTreeMap::new(),
            lease: None,
        };
        Goal { offer, present: true }
    }

    fn service() -> ServiceKey {
        ServiceKey { name: "web".into(), proto: "tcp".into(), zone: "x".parse().unwrap() }
    }

    fn told(proofs: Vec<Proof>) -> Vec<(Option<String>, String, bool)> {
        proofs.into_iter().map(|proof| (proof.server, proof.record_type, proof.verified)).collect()
    }

    #[tokio::test]
    async fn whom_nobody_finds_has_not_seen_it() {
        let (config, service) = (config("[\"secondaries\"]"), service());
        let prover = Prover { config: &config, service: &service, in_force: None };
        let proofs = prover.prove(vec![goal()], Duration::from_millis(200), DaemonStatus::default).await;
        let secondaries = |record_type: &str| (Some(SECONDARIES.to_owned()), record_type.to_owned(), false);
        assert_eq!(told(proofs), [secondaries("SRV"), secondaries("A")]);
    }

    #[test]
    fn who_stops_says_what_was_not_seen_and_asks_nobody() {
        let (config, service) = (config("[\"system\", \"192.0.2.1\", \"secondaries\"]"), service());
        let prover = Prover { config: &config, service: &service, in_force: None };
        let servers = [None, Some("192.0.2.1:53".to_owned()), Some(SECONDARIES.to_owned())];
        let of = |record_type: &str| servers.clone().map(|server| (server, record_type.to_owned(), false));
        assert_eq!(told(prover.unseen(&[goal()], "stopped")), [of("SRV"), of("A")].concat());
    }
}
