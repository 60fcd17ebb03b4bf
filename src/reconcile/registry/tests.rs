//! A registry with all that a decision depends on around it. Whatever is asked of it, some things have to hold: see
//! [`World::make`].

mod check_tests;
mod grant_tests;
mod import_tests;
mod lease_tests;
mod merge_tests;
mod property_tests;
mod request_tests;

use std::num::NonZeroU16;

use super::*;
use crate::model::{Access, Catalogue, Grant, Instance, Offer, Pattern, Place, Principal, Service, Settings, Shards};
use crate::reconcile::ZonePolicy;

fn zone() -> Name {
    "internal.local".parse().unwrap()
}

fn policy() -> ZonePolicy {
    ZonePolicy { name: zone(), ttl: 300, max_records_per_rrset: 100, max_delete_percent: 30 }
}

fn host(text: &str) -> Name {
    Name::parse_relative(text, &zone()).unwrap()
}

fn service(name: &str) -> ServiceKey {
    ServiceKey { name: name.into(), proto: "tcp".into(), zone: zone() }
}

fn id(text: &str) -> InstanceId {
    text.parse().unwrap()
}

fn port(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

fn offer(host_name: &str, number: u16) -> Offer {
    let (addresses, metadata) = (Vec::new(), BTreeMap::new());
    Offer { host: host(host_name), port: port(number), priority: 0, weight: 0, addresses, metadata, lease: None }
}

fn leased(host_name: &str, lease: u32) -> Offer {
    Offer { lease: Some(lease), ..offer(host_name, 80) }
}

fn addressed(host_name: &str, address: &str) -> Offer {
    Offer { addresses: vec![address.parse().unwrap()], ..offer(host_name, 80) }
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    text.split_whitespace().filter_map(pair).collect()
}

fn told(offer: Offer, text: &str) -> Offer {
    Offer { metadata: pairs(text), ..offer }
}

fn register(name: &str, id: &str, offer: Offer) -> Request {
    register_if(Expected::Anything, name, id, offer)
}

fn register_if(expected: Expected, name: &str, text: &str, offer: Offer) -> Request {
    Request::Register { service: service(name), id: id(text), offer, expected }
}

fn set(name: &str, id: &str, amendment: Amendment) -> Request {
    set_if(Expected::Anything, name, id, amendment)
}

fn set_if(expected: Expected, name: &str, text: &str, amendment: Amendment) -> Request {
    Request::Set { service: service(name), id: id(text), amendment, expected }
}

fn weight(weight: u16) -> Amendment {
    Amendment { weight: Some(weight), ..Amendment::default() }
}

fn deregister(name: &str, id: &str) -> Request {
    deregister_if(Expected::Anything, name, id)
}

fn deregister_if(expected: Expected, name: &str, text: &str) -> Request {
    Request::Deregister { service: service(name), id: id(text), expected }
}

fn renew(name: &str, text: &str) -> Request {
    Request::Renew { service: service(name), id: id(text) }
}

fn remove(name: &str) -> Request {
    Request::Remove { service: service(name) }
}

fn configure(name: &str, settings: Settings) -> Request {
    Request::Configure { service: service(name), settings, expected: Expected::Anything }
}

fn ttl(seconds: u32) -> Settings {
    Settings { ttl: Some(seconds), ..Settings::default() }
}

fn spread(shards: Shards) -> Settings {
    Settings { shards, ..Settings::default() }
}

fn imported(name: &str, settings: Settings, instances: &[(&str, Offer)]) -> Imported {
    let instances = instances.iter().map(|(text, offer)| (id(text), offer.clone())).collect();
    Imported { service: service(name), settings, instances }
}

/// A file's service with these hosts, all on port 80.
fn in_file(name: &str, hosts: &[(&str, Option<&str>)]) -> (ServiceKey, Arc<Service>) {
    let place = Place { file: "services.toml".into(), line: 1, column: 1 };
    let instance = |(name, address): &(&str, Option<&str>)| Instance {
        priority: 1,
        weight: 1,
        addresses: address.iter().map(|address| address.parse().unwrap()).collect(),
        ..Instance::new(host(name), port(80), place.clone())
    };
    let mut instances: Vec<_> = hosts.iter().map(instance).collect();
    instances.sort_by(|one, other| one.host.cmp(&other.host));
    let key = service(name);
    let file = Service { instances, ..Service::new(key.clone(), place) };
    (key, Arc::new(file))
}

fn grant(services: &str, hosts: &str, access: Access) -> Grant {
    Grant { services: vec![Pattern::new(services)], hosts: vec![Pattern::new(hosts)], zones: Vec::new(), access }
}

/// Whose services and hosts start with `ci`, and who may look at everything.
fn team() -> Principal {
    let grants = [grant("ci*", "ci*.internal.local", Access::Write), grant("*", "*", Access::Read)];
    Principal { name: "team".into(), grants: Some(grants.into()) }
}

/// All that a registry says of itself, its indexes too.
fn contents(registry: &Registry) -> impl PartialEq + std::fmt::Debug + use<> {
    let service = |(key, registered): (&ServiceKey, &Registered)| {
        (key.clone(), registered.settings.clone(), registered.instances.clone(), registered.endpoints.clone())
    };
    let services: Vec<_> = registry.services().map(service).collect();
    (services, registry.addresses.clone(), registry.leases.clone(), registry.ended.clone())
}

/// The indexes are those that the instances come to, nothing is without content, and no revision is above the highest.
fn assert_consistent(registry: &Registry) {
    let mut addresses = BTreeMap::<IpAddr, BTreeMap<Name, usize>>::new();
    let mut leases = BTreeSet::new();
    for (key, registered) in registry.services() {
        assert!(registered.settings.is_some() || !registered.instances.is_empty(), "{key} is empty");
        assert!(registered.settings.iter().all(|configured| configured.revision <= registry.revision));
        let mut endpoints = BTreeMap::new();
        for (id, registration) in &registered.instances {
            let offer = &registration.offer;
            assert!(registration.revision <= registry.revision, "{id}");
            assert_eq!(registration.due.is_some(), offer.lease.is_some(), "{id}");
            leases.extend(registration.due.map(|due| (due, key.clone(), id.clone())));
            for address in &offer.addresses {
                *addresses.entry(*address).or_default().entry(offer.host.clone()).or_default() += 1;
            }
            let other = endpoints.insert((offer.host.clone(), offer.port.get()), id.clone());
            assert_eq!(other, None, "{id} has the same host and port");
        }
        assert_eq!(registered.endpoints, endpoints, "{key}");
    }
    assert_eq!(registry.addresses, addresses);
    assert_eq!(registry.leases, leases);
}

/// The revision of what an edit leaves; none when it only renews, or leaves nothing.
fn new_revision(edit: &Edit) -> Option<u64> {
    match edit {
        Edit::Service { after, .. } => after.as_ref().map(|after| after.revision),
        Edit::Instance { after, .. } => after.as_ref().filter(|_| !edit.is_renewal()).map(|after| after.revision),
    }
}

/// What a decision comes to, in a word.
fn outcome(decided: &Result<Decision, Refused>) -> &'static str {
    match decided {
        Ok(decision) if !decision.changed() => {
            if decision.edits.is_empty() {
                "same"
            } else {
                "renewed"
            }
        }
        Ok(decision) => match (&decision.before, &decision.after) {
            (None, None) => "done",
            (None, Some(_)) => "new",
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "gone",
        },
        Err(Refused::Invalid(_)) => "invalid",
        Err(Refused::Denied(_)) => "denied",
        Err(Refused::NotFound(_)) => "missing",
        Err(Refused::Conflict(_)) => "conflict",
        Err(Refused::Unexpected(_)) => "unexpected",
        Err(Refused::Unavailable(_)) => "unavailable",
    }
}

#[derive(Clone)]
struct World {
    registry: Registry,
    files: Catalogue,
    zones: Vec<ZonePolicy>,
    who: Principal,
    now: u64,
    clock: u64,
}

impl World {
    /// Nothing is registered, and somebody asks who may do everything.
    fn new() -> Self {
        let (registry, files, who) = (Registry::default(), Catalogue::new(), Principal::unrestricted("root"));
        Self { registry, files, zones: vec![policy()], who, now: 1_000_000, clock: 1_000 }
    }

    fn with_file(mut self, (key, file): (ServiceKey, Arc<Service>)) -> Self {
        self.files.insert(key, file);
        self
    }

    /// Makes it, and sees that what is refused changes nothing, that what is made can be taken back, that revisions
    /// grow, and that the indexes fit.
    fn make(&mut self, request: &Request) -> Result<Decision, Refused> {
        let before = self.registry.clone();
        let Self { registry, files, zones, who, now, clock } = self;
        let decided = registry.make(request, Circumstances { who, now: *now, clock: *clock, files, zones });
        assert_consistent(&self.registry);
        match &decided {
            Ok(decision) => {
                let mut highest = before.revision;
                for revision in decision.edits.iter().filter_map(new_revision) {
                    assert!(revision > highest, "revision {revision} after {highest}");
                    highest = revision;
                }
                let mut without = self.registry.clone();
                without.take_back(decision.edits.clone());
                assert_consistent(&without);
                assert_eq!(contents(&without), contents(&before));
            }
            Err(_) => assert_eq!(contents(&self.registry), contents(&before)),
        }
        decided
    }

    /// Asks for one after the other, and compares what becomes of each.
    fn outcomes<const N: usize>(&mut self, expected: [(Request, &str); N]) {
        for (request, expected) in expected {
            let decided = self.make(&request);
            assert_eq!(outcome(&decided), expected, "{request:?} became {decided:?}");
        }
    }

    fn having<const N: usize>(mut self, requests: [Request; N]) -> Self {
        for request in requests {
            self.make(&request).unwrap();
        }
        self
    }

    fn asked_by(self, who: Principal) -> Self {
        Self { who, ..self }
    }

    fn instance(&self, name: &str, text: &str) -> Arc<Registration> {
        Arc::clone(self.registry.instance(&service(name), &id(text)).unwrap())
    }

    fn settings(&self, name: &str) -> Option<Settings> {
        self.registry.service(&service(name))?.settings.as_ref().map(|configured| configured.settings.clone())
    }

    /// Service and id of all that is registered.
    fn ids(&self) -> Vec<String> {
        let ids = |(key, registered): (&ServiceKey, &Registered)| {
            registered.instances.keys().map(|id| format!("{} {id}", key.name)).collect::<Vec<_>>()
        };
        self.registry.services().flat_map(ids).collect()
    }

    fn expire(&mut self, grace: u64) -> Expiry {
        let before = self.registry.clone();
        let expiry = self.registry.expire(self.clock, grace, &self.zones);
        assert_consistent(&self.registry);
        let mut without = self.registry.clone();
        without.take_back(expiry.edits.clone());
        without.forget_ended(expiry.edits.len());
        let mut forgotten = before;
        forgotten.ended.retain(|(when, _)| when + WINDOW > self.clock);
        assert_eq!(contents(&without), contents(&forgotten));
        expiry
    }
}
