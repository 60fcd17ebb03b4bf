//! Looking every desired record up as Prometheus would, through every configured server.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{names, policies};
use crate::config::{Config, VerifyThrough, ZoneConfig};
use crate::dns::Resolver;
use crate::model::{Catalogue, Name, Rdata, RecordType, Rrset, RrsetKey, Server, Service, Shards};
use crate::protocol::lookup::Verdict;
use crate::reconcile::{Check, Comparison, Standing, compare, desired, published, records_of};

/// Look-ups under way at once.
const CONCURRENT: usize = 32;

/// Blocks of records under way at once, which share these look-ups. Each has a socket, so that the processors on both
/// sides have something to do.
const BLOCKS: usize = 4;

/// Records in a block. What lies between a record and its check is kept for the blocks under way only.
const BLOCK: usize = 256;

/// Every desired RRset of the given services, checked through every server of its zone's `verify` list. A service
/// that is spread over several names is looked up under all of them, and what they hold together counts: an
/// instance may be at two names while it moves.
///
/// The checks come in the order of services, then of names, then of the configuration's servers.
pub async fn verify(config: &Config, catalogue: &Catalogue, services: &[&Service]) -> Vec<Check> {
    let policies = policies(config);
    let nothing = Catalogue::new();
    let others = if services.iter().any(|service| depends_on_others(service)) { catalogue } else { &nothing };
    let zones = desired(others, &policies, &[]);
    let lists = names::list(config, &zones, services).await;
    let verifiers = Verifiers::of(config);
    let mut blocks = Blocks::new();
    let mut block = Vec::new();
    for (service, list) in services.iter().zip(lists) {
        for (key, own) in records_of(service, &policies) {
            let is_service = matches!(key.record_type, RecordType::SRV | RecordType::TXT);
            // Addresses belong to a host that other services may name too.
            let rrset = if is_service { own } else { published(&zones, &key).unwrap_or(own) };
            let names = match &list {
                Ok(names) if is_service => Ok(names.clone()),
                Err(error) if is_service => Err(error.to_string()),
                _ => Ok(vec![key.name.clone()]),
            };
            for server in verifiers.through(service, &key) {
                let (key, names, rrset) = (key.clone(), names.clone(), rrset.clone());
                block.push(Wanted { service: service.key.to_string(), server: Arc::clone(server), key, names, rrset });
            }
            if block.len() >= BLOCK {
                blocks.start(mem::take(&mut block)).await;
            }
        }
    }
    blocks.start(block).await;
    blocks.finish().await
}

/// Whether more than the service itself says what it publishes: other services can name its hosts, and what it is
/// spread over depends on the zone.
fn depends_on_others(service: &Service) -> bool {
    service.shards != Shards::Off || service.instances.iter().any(|instance| !instance.addresses.is_empty())
}

struct Wanted {
    service: String,
    server: Arc<VerifyThrough>,
    key: RrsetKey,
    /// Where to look; one that is spread has several. Or why that is not known.
    names: Result<Vec<Name>, String>,
    rrset: Rrset,
}

impl Wanted {
    fn questions(&self) -> impl Iterator<Item = RrsetKey> {
        self.names.iter().flatten().map(|name| RrsetKey::new(name.clone(), self.key.record_type))
    }
}

/// Through whom a zone is verified.
pub(super) fn verifiers_of<'c>(config: &'c Config, zone: &Name) -> &'c [VerifyThrough] {
    config.zones.iter().find(|one| one.name == *zone).map_or(&[], |zone| &zone.verify)
}

/// Through whom each zone is verified.
struct Verifiers(Vec<(Name, Vec<Arc<VerifyThrough>>)>);

impl Verifiers {
    fn of(config: &Config) -> Self {
        let shared = |zone: &ZoneConfig| zone.verify.iter().cloned().map(Arc::new).collect();
        Self(config.zones.iter().map(|zone| (zone.name.clone(), shared(zone))).collect())
    }

    /// Those of the zone that holds the record: a host's addresses can be in another zone than the service.
    fn through(&self, service: &Service, key: &RrsetKey) -> &[Arc<VerifyThrough>] {
        let around = self.0.iter().filter(|(zone, _)| match key.record_type {
            RecordType::A | RecordType::AAAA => key.name.is_within(zone),
            _ => *zone == service.key.zone,
        });
        around.max_by_key(|(zone, _)| zone.len()).map_or(&[], |(_, verify)| verify)
    }
}

/// Looks blocks of records up, a few at a time, and keeps their checks in order.
struct Blocks {
    permits: Arc<Semaphore>,
    running: JoinSet<(usize, Vec<Check>)>,
    checks: Vec<Vec<Check>>,
}

impl Blocks {
    fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(CONCURRENT)), running: JoinSet::new(), checks: Vec::new() }
    }

    async fn start(&mut self, block: Vec<Wanted>) {
        if self.running.len() == BLOCKS {
            self.end_one().await;
        }
        let index = self.checks.len();
        self.checks.push(Vec::new());
        let permits = Arc::clone(&self.permits);
        self.running.spawn(async move { (index, check_all(block, &permits).await) });
    }

    async fn finish(mut self) -> Vec<Check> {
        while !self.running.is_empty() {
            self.end_one().await;
        }
        self.checks.into_iter().flatten().collect()
    }

    async fn end_one(&mut self) {
        if let Some(ended) = self.running.join_next().await {
            let (index, checks) = ended.expect("no block panics, and none is cut off");
            self.checks[index] = checks;
        }
    }
}

async fn check_all(block: Vec<Wanted>, permits: &Arc<Semaphore>) -> Vec<Check> {
    let found = look_up_all(&block, permits).await;
    block.into_iter().map(|wanted| check(wanted, &found)).collect()
}

/// The questions to each server, sorted, and what came of each.
type Found = BTreeMap<Arc<VerifyThrough>, (Vec<RrsetKey>, Vec<Verdict>)>;

async fn look_up_all(block: &[Wanted], permits: &Arc<Semaphore>) -> Found {
    let mut found = Found::new();
    for wanted in block {
        let (questions, _) = found.entry(Arc::clone(&wanted.server)).or_default();
        questions.extend(wanted.questions());
    }
    for (server, (questions, verdicts)) in &mut found {
        questions.sort_unstable();
        questions.dedup();
        *verdicts = resolver(server).look_up_all(questions, permits).await;
    }
    found
}

fn verdict<'a>(found: &'a Found, server: &VerifyThrough, question: &RrsetKey) -> Option<&'a Verdict> {
    let (questions, verdicts) = found.get(server)?;
    verdicts.get(questions.binary_search(question).ok()?)
}

/// Whom to look up through.
pub(super) fn resolver(server: &VerifyThrough) -> Resolver {
    match server {
        VerifyThrough::System => Resolver::System,
        VerifyThrough::Server(server) => Resolver::Servers(vec![server.clone()]),
    }
}

fn check(wanted: Wanted, found: &Found) -> Check {
    let answers: Vec<_> =
        wanted.questions().map(|question| (verdict(found, &wanted.server, &question), question.name)).collect();
    let Wanted { service, server, key, names, rrset } = wanted;
    let mut check = Check {
        service,
        server: shown(&server),
        name: key.name.clone(),
        names: names.as_ref().ok().filter(|names| names.len() > 1).cloned().unwrap_or_default(),
        record_type: key.record_type,
        verdict: Standing::Unknown,
        comparison: Comparison::default(),
        targets: Vec::new(),
        error: names.err(),
    };
    let mut rdatas = BTreeSet::new();
    for (verdict, name) in answers {
        match verdict {
            None => check.error = Some("was not looked up".to_owned()),
            // What one name holds stays unknown to Prometheus, whatever the others say.
            Some(Verdict::Unknown { reason, .. }) if check.names.is_empty() => check.error = Some(reason.to_string()),
            Some(Verdict::Unknown { reason, .. }) => check.error = Some(format!("{name}: {reason}")),
            Some(verdict) => {
                let answers = verdict.reply().map_or(&[][..], |reply| &reply.message.answers);
                let of_type = answers.iter().filter(|record| record.record_type() == key.record_type);
                rdatas.extend(of_type.map(|record| record.rdata.clone()));
                if let (Verdict::Records(answer), true) = (verdict, key.record_type == RecordType::SRV) {
                    check.targets.extend(answer.addresses(0));
                }
            }
        }
    }
    check.targets.sort_unstable();
    if !check.names.is_empty() {
        check.targets.dedup();
    }
    if check.error.is_none() {
        let rdatas: Vec<Rdata> = rdatas.into_iter().collect();
        (check.verdict, check.comparison) = compare(&rrset, &rdatas);
    }
    check
}

/// How a server is shown; none for resolv.conf.
pub(super) fn shown(server: &VerifyThrough) -> Option<Server> {
    match server {
        VerifyThrough::System => None,
        VerifyThrough::Server(server) => Some(server.clone()),
    }
}
