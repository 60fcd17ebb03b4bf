//! The look-ups of a DNS-SD client, one after the other: domains, types, instances, and what each of these is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::report::{Instance, Report, Type};
use crate::dns::Resolver;
use crate::model::{MetaNames, Name, Rdata, RecordType, RrsetKey, Srv};
use crate::protocol::dnssd;
use crate::reconcile::Sight;

/// Look-ups under way at once.
const AT_ONCE: usize = 16;

/// What is looked for.
pub(super) enum Wanted {
    /// The types of service that there are.
    Types,
    /// The instances of a service or of a subtype of it: the labels before the domain, as people write them.
    Instances(String),
}

/// Whom to ask, and what has been found.
pub(super) struct Browser {
    resolver: Resolver,
    permits: Arc<Semaphore>,
    pub(super) report: Report,
}

impl Browser {
    pub(super) fn new(resolver: Resolver) -> Self {
        Self { resolver, permits: Arc::new(Semaphore::new(AT_ONCE)), report: Report::default() }
    }

    /// Looks for it in the domains that those given say are to be browsed (RFC 6763 section 11).
    pub(super) async fn browse(&mut self, from: &[Name], wanted: &Wanted) {
        let domains = self.domains(from).await;
        match wanted {
            Wanted::Types => self.types(&domains).await,
            Wanted::Instances(service) => self.instances(&domains, service).await,
        }
        self.report.domains = domains;
    }

    /// The data at each name; what cannot be known is noted and missing.
    async fn look_up(&mut self, keys: &[RrsetKey]) -> BTreeMap<RrsetKey, Vec<Rdata>> {
        let verdicts = self.resolver.look_up_all(keys, &self.permits).await;
        let mut found = BTreeMap::new();
        for (key, verdict) in keys.iter().zip(verdicts) {
            match Sight::of(&verdict, key.record_type) {
                Sight::Answer { rdatas, .. } => {
                    found.insert(key.clone(), rdatas);
                }
                Sight::Nothing(why) => self.report.failures.push(format!("{} {}: {why}", key.name, key.record_type)),
            }
        }
        found
    }

    /// What PTR records point to.
    async fn pointers(&mut self, names: impl IntoIterator<Item = Name>) -> BTreeMap<Name, BTreeSet<Name>> {
        let keys: Vec<_> = names.into_iter().map(|name| RrsetKey::new(name, RecordType::PTR)).collect();
        let found = self.look_up(&keys).await.into_iter();
        found.map(|(key, rdatas)| (key.name, rdatas.iter().filter_map(Rdata::as_name).collect())).collect()
    }

    /// A domain that names none to browse is browsed itself: many zones have no such records.
    async fn domains(&mut self, from: &[Name]) -> Vec<Name> {
        let ask = |domain: &Name| Some((MetaNames::of(domain).ok()?.domains[0].clone(), domain.clone()));
        let asked: BTreeMap<Name, Name> = from.iter().filter_map(ask).collect();
        let listed = self.pointers(asked.keys().cloned()).await;
        let of_domain = |(name, domain): (&Name, &Name)| match listed.get(name) {
            Some(domains) if !domains.is_empty() => domains.clone(),
            _ => BTreeSet::from([domain.clone()]),
        };
        asked.iter().flat_map(of_domain).collect::<BTreeSet<_>>().into_iter().collect()
    }

    async fn types(&mut self, domains: &[Name]) {
        let ask = |domain: &Name| Some((MetaNames::of(domain).ok()?.types, domain.clone()));
        let asked: BTreeMap<Name, Name> = domains.iter().filter_map(ask).collect();
        let listed = self.pointers(asked.keys().cloned()).await;
        for (name, types) in listed {
            // The domain in the answer says nothing; only the first two labels count (RFC 6763 section 9).
            let domain = asked[&name].clone();
            self.report
                .types
                .extend(types.iter().map(|name| Type { name: first_labels(name, 2), domain: domain.clone() }));
        }
    }

    async fn instances(&mut self, domains: &[Name], service: &str) {
        let mut lists = BTreeMap::new();
        for domain in domains {
            match Name::parse_relative(service, domain) {
                Ok(name) => drop(lists.insert(name, domain.clone())),
                Err(error) => self.report.failures.push(format!("`{service}` in {domain} {error}")),
            }
        }
        let listed = self.pointers(lists.keys().cloned()).await;
        let all: BTreeMap<Name, Name> = listed
            .into_iter()
            .flat_map(|(list, names)| names.into_iter().map(move |name| (name, list.clone())))
            .map(|(name, list)| (name, lists[&list].clone()))
            .collect();
        let of_each = all.keys().flat_map(|name| {
            [RecordType::SRV, RecordType::TXT].map(|record_type| RrsetKey::new(name.clone(), record_type))
        });
        let records = self.look_up(&of_each.collect::<Vec<_>>()).await;
        let targets = records.values().flatten().filter_map(Rdata::as_srv).map(|srv| srv.target);
        let targets: BTreeSet<Name> = targets.filter(|target| !target.is_root()).collect();
        let hosts = targets.iter().flat_map(|host| {
            [RecordType::A, RecordType::AAAA].map(|record_type| RrsetKey::new(host.clone(), record_type))
        });
        let addresses = self.look_up(&hosts.collect::<Vec<_>>()).await;
        for (name, domain) in all {
            self.report.instances.push(instance(&name, domain, &records, &addresses));
        }
    }
}

type Found = BTreeMap<RrsetKey, Vec<Rdata>>;

/// What was found of one instance. What is not known is no problem of its own: it is told as a failure.
fn instance(name: &Name, domain: Name, records: &Found, addresses: &Found) -> Instance {
    let of = |record_type| records.get(&RrsetKey::new(name.clone(), record_type));
    let service = name.parent().map(|parent| first_labels(&parent, 2)).unwrap_or_default();
    let mut found = Instance::listed(name.clone(), service, domain);
    if let Some(srv) = of(RecordType::SRV) {
        let all: Vec<Srv> = srv.iter().filter_map(Rdata::as_srv).collect();
        match &all[..] {
            [] => found.problems.push("it is listed and has no SRV record".to_owned()),
            [_] => {}
            several => found.problems.push(format!("it has {} SRV records, and should have one", several.len())),
        }
        if let Some(srv) = all.into_iter().next() {
            locate(&mut found, srv, addresses);
        }
    }
    if let Some(text) = of(RecordType::TXT) {
        match &text[..] {
            [] => found.problems.push("it has no TXT record, and one is required even with nothing to say".to_owned()),
            [_] => {}
            several => found.problems.push(format!("it has {} TXT records, and should have one", several.len())),
        }
        if let Some(text) = text.first() {
            let (pairs, problems) = dnssd::pairs(text);
            found.text = pairs.into_iter().map(Into::into).collect();
            found.problems.extend(problems);
        }
    }
    found
}

fn locate(found: &mut Instance, srv: Srv, addresses: &Found) {
    if srv.target.is_root() {
        found.problems.push("its SRV record says that it is not available (RFC 2782)".to_owned());
    } else {
        let of = |record_type| addresses.get(&RrsetKey::new(srv.target.clone(), record_type));
        let sets = [RecordType::A, RecordType::AAAA].map(of);
        found.addresses = sets.iter().flatten().flat_map(|set| set.iter().filter_map(Rdata::as_address)).collect();
        if found.addresses.is_empty() && sets.iter().all(Option::is_some) {
            found.problems.push(format!("its host {} has no address", srv.target));
        }
    }
    (found.priority, found.weight, found.port, found.host) = (srv.priority, srv.weight, srv.port, Some(srv.target));
}

/// The first labels of a name, as people write them.
fn first_labels(name: &Name, count: usize) -> String {
    name.labels().take(count).map(dnssd::readable).collect::<Vec<_>>().join(".")
}
