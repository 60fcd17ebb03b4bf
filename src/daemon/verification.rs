//! Looking every desired record up as Prometheus would, through every configured server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{names, policies};
use crate::config::{Config, VerifyThrough};
use crate::dns::{self, Options, Resolver};
use crate::model::{Catalogue, Name, Rdata, RecordType, Rrset, RrsetKey, Server, Service};
use crate::protocol::lookup::Verdict;
use crate::reconcile::{Check, Comparison, Standing, compare, desired, published, records_of};

/// Look-ups under way at once.
const CONCURRENT: usize = 32;

/// Every desired RRset of the given services, checked through every server of its zone's `verify` list. A service
/// that is spread over several names is looked up under all of them, and what they hold together counts: an
/// instance may be at two names while it moves.
///
/// The checks come in the order of services, then of names, then of the configuration's servers.
pub async fn verify(config: &Config, catalogue: &Catalogue, services: &[&Service]) -> Vec<Check> {
    let policies = policies(config);
    let zones = desired(catalogue, &policies, &[]);
    let lists = names::list(config, &zones, services).await;
    let mut wanted = Vec::new();
    for (service, list) in services.iter().zip(lists) {
        for (key, own) in records_of(service, &policies) {
            let rrset = published(&zones, &key).unwrap_or(own);
            let is_service = service.key.owner_name().is_ok_and(|own_name| own_name == key.name);
            let names = match &list {
                Ok(names) if is_service => Ok(names.clone()),
                Err(error) if is_service => Err(error.to_string()),
                _ => Ok(vec![key.name.clone()]),
            };
            for server in verifiers(config, service, &key) {
                let (key, names, rrset) = (key.clone(), names.clone(), rrset.clone());
                wanted.push(Wanted { service: service.key.to_string(), server, key, names, rrset });
            }
        }
    }
    let found = look_up_all(&wanted).await;
    wanted.into_iter().map(|wanted| check(wanted, &found)).collect()
}

struct Wanted {
    service: String,
    server: VerifyThrough,
    key: RrsetKey,
    /// Where to look; one that is spread has several. Or why that is not known.
    names: Result<Vec<Name>, String>,
    rrset: Rrset,
}

impl Wanted {
    fn questions(&self) -> impl Iterator<Item = (VerifyThrough, RrsetKey)> {
        let key = |name: &Name| (self.server.clone(), RrsetKey::new(name.clone(), self.key.record_type));
        self.names.iter().flatten().map(key)
    }
}

type Found = BTreeMap<(VerifyThrough, RrsetKey), Verdict>;

/// Those of the zone that holds the record: a host's addresses can be in another zone than the service.
fn verifiers(config: &Config, service: &Service, key: &RrsetKey) -> Vec<VerifyThrough> {
    let around = config.zones.iter().filter(|zone| match key.record_type {
        RecordType::A | RecordType::AAAA => key.name.is_within(&zone.name),
        _ => zone.name == service.key.zone,
    });
    let zone = around.max_by_key(|zone| zone.name.len());
    zone.map_or_else(Vec::new, |zone| zone.verify.clone())
}

async fn look_up_all(wanted: &[Wanted]) -> Found {
    let permits = Arc::new(Semaphore::new(CONCURRENT));
    let questions: BTreeSet<_> = wanted.iter().flat_map(Wanted::questions).collect();
    let mut lookups = JoinSet::new();
    for (server, key) in questions {
        let permits = Arc::clone(&permits);
        lookups.spawn(async move {
            let _permit = permits.acquire_owned().await;
            let name = key.name.to_string();
            let looked_up = dns::lookup(&resolver(&server), &name, key.record_type, Options::default()).await;
            ((server, key), looked_up.verdict)
        });
    }
    let mut found = Found::new();
    while let Some(done) = lookups.join_next().await {
        found.extend(done.ok());
    }
    found
}

fn resolver(server: &VerifyThrough) -> Resolver {
    match server {
        VerifyThrough::System => Resolver::System,
        VerifyThrough::Server(server) => Resolver::Servers(vec![server.clone()]),
    }
}

fn check(wanted: Wanted, found: &Found) -> Check {
    let answers: Vec<_> = wanted.questions().map(|question| (found.get(&question), question.1.name)).collect();
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
            None => check.error = Some("the look-up was cut off".to_owned()),
            // What one name holds stays unknown to Prometheus, whatever the others say.
            Some(Verdict::Unknown { reason, .. }) if check.names.is_empty() => check.error = Some(reason.to_string()),
            Some(Verdict::Unknown { reason, .. }) => check.error = Some(format!("{name}: {reason}")),
            Some(verdict) => {
                let answers = verdict.reply().map_or(&[][..], |reply| &reply.message.answers);
                let of_type = answers.iter().filter(|record| record.record_type() == key.record_type);
                rdatas.extend(of_type.map(|record| record.rdata.clone()));
                if let (Verdict::Records(answer), true) = (verdict, key.record_type == RecordType::SRV) {
                    check.targets.extend(answer.targets(0).into_iter().map(|target| target.address));
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

fn shown(server: &VerifyThrough) -> Option<Server> {
    match server {
        VerifyThrough::System => None,
        VerifyThrough::Server(server) => Some(server.clone()),
    }
}
