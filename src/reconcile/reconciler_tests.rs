use std::num::NonZeroU16;

use proptest::prelude::*;

use super::*;
use crate::model::{Change, Instance, Place, Rdata, ServiceKey, Shards};
use crate::protocol::update::NameUpdate;
use crate::reconcile::{AdoptMode, ZonePolicy, adopt, guard};

const ZONE: &str = "internal.local";

fn name(text: &str) -> Name {
    format!("{text}.{ZONE}").parse().unwrap()
}

fn owner() -> OwnerId {
    "me".parse().unwrap()
}

fn place() -> Place {
    Place { file: "s.toml".into(), line: 1, column: 1 }
}

fn instance(host: &str, weight: u16, address: Option<u32>) -> Instance {
    Instance {
        weight,
        addresses: address.map(|address| std::net::Ipv4Addr::from(address).into()).into_iter().collect(),
        ..Instance::new(name(host), NonZeroU16::new(9100).unwrap(), place())
    }
}

fn service(service: &str, shards: Shards, mut instances: Vec<Instance>) -> Arc<Service> {
    instances.sort_by(|one, other| one.host.cmp(&other.host));
    let key = ServiceKey { name: service.into(), proto: "tcp".into(), zone: ZONE.parse().unwrap() };
    Arc::new(Service { shards, instances, ..Service::new(key, place()) })
}

fn nothing(limit: usize) -> Desired {
    let policy =
        ZonePolicy { name: ZONE.parse().unwrap(), ttl: 300, max_records_per_rrset: limit, max_delete_percent: 100 };
    Desired::nothing([policy].into(), 0)
}

fn soa(serial: u32) -> Record {
    let mut wire = vec![0, 0];
    wire.extend(serial.to_be_bytes());
    wire.extend([0; 16]);
    Record { name: ZONE.parse().unwrap(), ttl: 300, rdata: Rdata::from_wire(RecordType::SOA, wire) }
}

fn empty_zone() -> Zone {
    let mut zone = Zone::empty(ZONE.parse().unwrap());
    zone.insert(soa(1));
    zone
}

/// What a server would tell of an update in an incremental transfer.
fn effect(update: &NameUpdate) -> (Vec<Record>, Vec<Record>) {
    let side = |sets: fn(&Change) -> &Option<crate::model::Rrset>| {
        update
            .changes
            .iter()
            .flat_map(|change| sets(change).iter().flat_map(|set| set.records(&change.key.name)))
            .collect()
    };
    (side(|change| &change.before), side(|change| &change.after))
}

/// Makes everything that is to do, as a server would.
fn make(reconciler: &mut Reconciler) {
    let updates: Vec<_> = reconciler.plan().updates;
    for update in updates {
        let (deleted, added) = effect(&update);
        let serial = reconciler.live().serial() + 1;
        reconciler.advance(&deleted, &added, &soa(serial)).unwrap();
    }
    reconciler.examine();
}

fn settle(reconciler: &mut Reconciler) {
    for _ in 0..4 {
        make(reconciler);
    }
    assert_eq!(reconciler.pending(), []);
}

/// 330 services with 100 instances each: 99,330 records of ours and 33,330 markers.
fn large() -> Reconciler {
    let mut reconciler = Reconciler::new(owner(), nothing(100), empty_zone());
    for index in 0..330 {
        reconciler.set_service(&name(&format!("_s{index}._tcp")), Some(large_service(index, None)));
    }
    reconciler.examine();
    make(&mut reconciler);
    assert!(reconciler.is_in_sync() && reconciler.live().record_count() > 99_000);
    reconciler
}

fn large_service(index: u32, heavy: Option<u32>) -> Arc<Service> {
    let one = |host| instance(&format!("h{index}-{host}"), u16::from(heavy == Some(host)), Some(index << 8 | host));
    service(&format!("s{index}"), Shards::Off, (0..100).map(one).collect())
}

#[test]
fn one_change_in_a_large_zone_looks_at_a_handful_of_names() {
    let mut reconciler = large();
    let effort = |before: Effort, reconciler: &Reconciler| {
        let now = reconciler.effort();
        (now.names_examined - before.names_examined, now.records_compared - before.records_compared)
    };

    // A service file: another weight.
    let before = reconciler.effort();
    reconciler.set_service(&name("_s7._tcp"), Some(large_service(7, Some(42))));
    reconciler.examine();
    assert_eq!(reconciler.pending(), [name("_s7._tcp")]);
    assert_eq!(effort(before, &reconciler), (1, 200));

    // Its effect, as the zone shows it.
    let before = reconciler.effort();
    make(&mut reconciler);
    assert!(reconciler.is_in_sync());
    assert_eq!(effort(before, &reconciler), (1, 200));

    // Drift: somebody deletes a host's address.
    let before = reconciler.effort();
    let address = Record { name: name("h9-3"), ttl: 300, rdata: Rdata::a([0, 0, 9, 3].into()) };
    reconciler.advance(&[address], &[], &soa(reconciler.live().serial() + 1)).unwrap();
    reconciler.examine();
    assert_eq!(reconciler.pending(), [name("h9-3")]);
    assert_eq!(effort(before, &reconciler), (1, 1));

    // A foreign record costs as much.
    let before = reconciler.effort();
    let foreign = Record { name: name("printer"), ttl: 300, rdata: Rdata::a([10, 9, 9, 9].into()) };
    reconciler.advance(&[], &[foreign], &soa(reconciler.live().serial() + 1)).unwrap();
    reconciler.examine();
    assert_eq!(effort(before, &reconciler), (1, 1));
}

/// A host's number, its weight, and whether the service gives its address.
type Host = (u8, u16, bool);

/// A step in the life of a small site.
#[derive(Debug, Clone)]
enum Event {
    Service(u8, Option<(Shards, Vec<Host>)>),
    /// Somebody adds or deletes an address, a marker, an alias or a delegation.
    Foreign(u8, u8),
    /// What is to do is done.
    Make,
}

fn any_event() -> impl Strategy<Value = Event> {
    let shards = prop_oneof![Just(Shards::Off), Just(Shards::Auto), Just(Shards::Fixed(2))];
    let instances = proptest::collection::vec((0u8..8, 0u16..2, any::<bool>()), 1..7);
    prop_oneof![
        (0u8..3, proptest::option::of((shards, instances))).prop_map(|(index, wish)| Event::Service(index, wish)),
        (0u8..8, 0u8..11).prop_map(|(host, kind)| Event::Foreign(host, kind)),
        Just(Event::Make),
    ]
}

fn wish(index: u8, shards: Shards, hosts: &[Host]) -> Arc<Service> {
    let mut hosts: Vec<_> = hosts.to_vec();
    hosts.sort_unstable();
    hosts.dedup_by_key(|(host, ..)| *host);
    let one =
        |&(host, weight, addressed): &Host| instance(&format!("h{host}"), weight, addressed.then_some(u32::from(host)));
    let wish = service(title(index), shards, hosts.iter().map(one).collect());
    let ttl = hosts.first().filter(|(_, weight, _)| *weight > 0).map(|(host, ..)| 60 + u32::from(*host));
    Arc::new(Service { ttl, ..(*wish).clone() })
}

fn title(index: u8) -> &'static str {
    ["s0", "S1", "srvctl"][usize::from(index)]
}

fn foreign(host: u8, kind: u8) -> Record {
    let marker = |owner: &str| Rdata::txt([format!("v=1 owner={owner} types=A")]);
    let target = |record_type| Rdata::from_wire(record_type, name("elsewhere").as_wire());
    let (owner_name, rdata) = match kind {
        0 => (format!("h{host}"), Rdata::a([10, 1, 1, host].into())),
        1 => (format!("h{host}"), Rdata::a([0, 0, 0, host].into())),
        2 => (format!("_srvctl.h{host}"), marker("me")),
        3 => (format!("_srvctl.h{host}"), marker("you")),
        4 => (format!("h{host}"), target(RecordType::CNAME)),
        5 => (format!("_{}._tcp.shard-1", title(host % 3)), Rdata::txt(["x"])),
        8 => (format!("_srvctl._srvctl.h{host}"), Rdata::txt(["v=1 owner=me types=TXT"])),
        9 => (format!("_{}._tcp.sub", title(host % 3)), Rdata::txt(["x"])),
        10 => (format!("H{host}"), target(RecordType::DNAME)),
        6 => ("shard-1".to_owned(), target(RecordType::NS)),
        _ => (format!("h{host}"), target(RecordType::NS)),
    };
    Record { name: name(&owner_name), ttl: 300, rdata }
}

proptest! {
    /// Whatever happens in whatever order: what is known incrementally is what a fresh comparison would say.
    #[test]
    fn kept_up_to_date_is_compared_anew(events in proptest::collection::vec(any_event(), 1..24)) {
        let mut reconciler = Reconciler::new(owner(), nothing(4), empty_zone());
        for event in events {
            match event {
                Event::Service(index, wanted) => {
                    let service = wanted.map(|(shards, hosts)| wish(index, shards, &hosts));
                    reconciler.set_service(&name(&format!("_{}._tcp", title(index))), service);
                    reconciler.examine();
                }
                Event::Foreign(host, kind) => {
                    let record = foreign(host, kind);
                    let there = reconciler.live().rrset(&record.name, record.rdata.record_type());
                    let is_there = there.as_ref().is_some_and(|set| set.contains(&record.rdata));
                    let ttl = there.map_or(record.ttl, |set| set.ttl);
                    let record = [Record { ttl, ..record }];
                    let (deleted, added) = if is_there { (&record[..], &[][..]) } else { (&[][..], &record[..]) };
                    reconciler.advance(deleted, added, &soa(reconciler.live().serial() + 1)).unwrap();
                    reconciler.examine();
                }
                Event::Make => make(&mut reconciler),
            }
            is_as_compared_anew(&reconciler)?;
        }
    }
}

fn is_as_compared_anew(reconciler: &Reconciler) -> Result<(), TestCaseError> {
    let anew = Reconciler::new(owner(), reconciler.desired.clone(), reconciler.live.clone());
    prop_assert_eq!(reconciler.plan(), anew.plan());
    prop_assert_eq!(&reconciler.holdings, &anew.holdings);
    prop_assert_eq!(guard(reconciler, None), guard(&anew, None));
    Ok(())
}

/// Nothing is there yet at the name that it hides: only the plan knows it.
#[test]
fn a_delegation_appears_above_a_planned_shard() {
    let mut reconciler = Reconciler::new(owner(), nothing(4), empty_zone());
    let wanted = service("s", Shards::Fixed(2), vec![instance("h6", 0, None)]);
    reconciler.set_service(&name("_s._tcp"), Some(wanted));
    reconciler.examine();
    assert_eq!(reconciler.pending(), [name("_s._tcp.shard-1")]);
    let delegation = Rdata::from_wire(RecordType::NS, name("elsewhere").as_wire());
    let delegation = Record { name: name("shard-1"), ttl: 300, rdata: delegation };
    reconciler.advance(&[], &[delegation], &soa(2)).unwrap();
    reconciler.examine();
    assert_eq!(reconciler.pending(), []);
    assert!(reconciler.conflicts().map(|conflict| conflict.name).eq([name("_s._tcp.shard-1")]));
    is_as_compared_anew(&reconciler).unwrap();
}

#[test]
fn a_service_that_grows_too_large_and_shrinks_again() {
    let mut reconciler = Reconciler::new(owner(), nothing(4), empty_zone());
    let of_size = |size: u8| {
        let one = |host: u8| instance(&format!("h{host}"), 0, Some(host.into()));
        service("s", Shards::Off, (0..size).map(one).collect())
    };
    let own_name = name("_s._tcp");
    reconciler.set_service(&own_name, Some(of_size(4)));
    reconciler.examine();
    settle(&mut reconciler);
    reconciler.set_service(&own_name, Some(of_size(6)));
    reconciler.examine();
    assert_eq!(reconciler.pending(), [], "nothing of it is changed, its hosts neither");
    assert!(reconciler.conflicts().map(|conflict| conflict.name).eq([own_name.clone()]));
    for name in [&own_name, &name("_s._tcp.shard-1")] {
        let adopted = adopt(&owner(), reconciler.desired(), reconciler.live(), name, &AdoptMode::default());
        assert!(adopted.unwrap_err().to_string().contains("has 6 instances"));
    }
    reconciler.set_service(&own_name, Some(of_size(3)));
    reconciler.examine();
    settle(&mut reconciler);
    assert!(reconciler.live().at(&name("h3")).is_none() && reconciler.is_in_sync());
}

/// Refused is the service as a whole, and its hosts belong to it wherever they are.
#[test]
fn hosts_of_a_refused_service_in_another_zone_are_left_alone() {
    let policy = |name: &str| ZonePolicy {
        name: name.parse().unwrap(),
        ttl: 300,
        max_records_per_rrset: 2,
        max_delete_percent: 100,
    };
    let zones: Arc<[ZonePolicy]> = [policy("example.com"), policy(ZONE)].into();
    let mut desired = Desired::nothing(zones, 1);
    let own_name = "_s._tcp.example.com".parse().unwrap();
    let elsewhere = |size: u32| {
        let instances = (0..size).map(|host| instance(&format!("h{host}"), 0, Some(host))).collect();
        let here = service("s", Shards::Off, instances);
        let key = ServiceKey { zone: "example.com".parse().unwrap(), ..here.key.clone() };
        Some(Arc::new(Service { key, ..(*here).clone() }))
    };
    desired.set(&own_name, elsewhere(2));
    let mut reconciler = Reconciler::new(owner(), desired, empty_zone());
    settle(&mut reconciler);
    reconciler.set_service(&own_name, elsewhere(3));
    reconciler.examine();
    assert!(reconciler.is_in_sync(), "neither published nor deleted: {:?}", reconciler.plan());
    reconciler.set_service(&own_name, None);
    reconciler.examine();
    assert_eq!(reconciler.pending(), [name("h0"), name("h1")]);
}

#[test]
fn a_difference_that_does_not_fit_is_told() {
    let mut reconciler = large();
    let gone = Record { name: name("nobody"), ttl: 300, rdata: Rdata::a([10, 0, 0, 1].into()) };
    assert_eq!(reconciler.advance(std::slice::from_ref(&gone), &[], &soa(9)), Err(Mismatch::Absent(gone)));
    assert!(reconciler.is_torn());
    reconciler.replace_zone(empty_zone());
    assert!(!reconciler.is_torn());
}

/// The name of a service called so looks like the marker of `_tcp`.
#[test]
fn a_service_may_be_called_srvctl() {
    let mut reconciler = Reconciler::new(owner(), nothing(4), empty_zone());
    let wish = |weight| {
        let mut wish = (*service("srvctl", Shards::Off, vec![instance("h1", weight, None)])).clone();
        wish.metadata.insert("team".into(), "devops".into());
        Some(Arc::new(wish))
    };
    for (wish, records) in [(wish(0), 2), (wish(1), 2), (None, 0)] {
        reconciler.set_service(&name("_srvctl._tcp"), wish);
        reconciler.examine();
        settle(&mut reconciler);
        let anew = Reconciler::new(owner(), reconciler.desired.clone(), reconciler.live.clone());
        assert_eq!(reconciler.plan(), anew.plan());
        assert!(reconciler.is_in_sync());
        assert_eq!(reconciler.owned_records(), records);
        assert_eq!(reconciler.live().record_count(), records + usize::from(records > 0) + 1, "marker and SOA");
    }
}

/// A marker that somebody forged for a marker makes nothing ours.
#[test]
fn markers_have_no_markers() {
    let record = |owner_name: &str, text: &str| Record { name: name(owner_name), ttl: 300, rdata: Rdata::txt([text]) };
    let forged = record("_srvctl._srvctl.h1", "v=1 owner=me types=TXT");
    let marker = record("_srvctl.h1", "v=1 owner=me types=A");
    let mut reconciler = Reconciler::new(owner(), nothing(4), empty_zone());
    reconciler.set_service(&name("_s._tcp"), Some(service("s", Shards::Off, vec![instance("h1", 0, Some(1))])));
    settle(&mut reconciler);
    reconciler.advance(&[], std::slice::from_ref(&forged), &soa(90)).unwrap();
    reconciler.examine();
    assert!(reconciler.is_in_sync(), "{:?}", reconciler.plan());
    reconciler.advance(std::slice::from_ref(&marker), &[], &soa(91)).unwrap();
    reconciler.advance(std::slice::from_ref(&forged), &[marker], &soa(92)).unwrap();
    reconciler.examine();
    assert!(reconciler.is_in_sync(), "{:?}", reconciler.plan());
}

/// A spread service whose namesake in the zone below gives addresses for a host here.
#[test]
fn a_namesake_in_another_zone_takes_nothing_away() {
    let policy = |name: &str| ZonePolicy {
        name: name.parse().unwrap(),
        ttl: 300,
        max_records_per_rrset: 4,
        max_delete_percent: 30,
    };
    let zones: Arc<[ZonePolicy]> = [policy(&format!("sub.{ZONE}")), policy(ZONE)].into();
    let mut reconciler = Reconciler::new(owner(), Desired::nothing(zones, 1), empty_zone());
    let here = service("s", Shards::Auto, vec![instance("h1", 0, None), instance("h2", 0, None)]);
    let key = ServiceKey { zone: format!("sub.{ZONE}").parse().unwrap(), ..here.key.clone() };
    let below = Service { key, instances: vec![instance("h3", 0, Some(3))], ..(*here).clone() };
    reconciler.set_service(&name("_s._tcp"), Some(here));
    reconciler.set_service(&name("_s._tcp.sub"), Some(Arc::new(below)));
    reconciler.examine();
    settle(&mut reconciler);
    let stray = Record { name: name("_s._tcp.sub"), ttl: 300, rdata: Rdata::txt(["x"]) };
    reconciler.advance(&[], &[stray], &soa(90)).unwrap();
    reconciler.examine();
    assert!(reconciler.is_in_sync(), "{:?}", reconciler.plan());
}

#[test]
fn what_is_withdrawn_leaves_the_srv_set_and_its_address_stays() {
    let mut reconciler = Reconciler::new(owner(), nothing(100), empty_zone());
    let all = service("web", Shards::Off, vec![instance("h1", 0, Some(1)), instance("h2", 0, Some(2))]);
    reconciler.set_service(&name("_web._tcp"), Some(Arc::clone(&all)));
    reconciler.examine();
    settle(&mut reconciler);
    let mut one_less = Service::clone(&all);
    one_less.instances[0].withdrawn = true;
    assert!(!all.says_the_same(&one_less), "or nobody would hear of it");
    reconciler.set_service(&name("_web._tcp"), Some(Arc::new(one_less)));
    reconciler.examine();
    assert_eq!(reconciler.pending(), [name("_web._tcp")]);
    settle(&mut reconciler);
    let records = |of: &str| reconciler.live().at(&name(of)).map_or(0, crate::model::Sets::record_count);
    assert_eq!((records("_web._tcp"), records("h1"), records("h2")), (1, 1, 1));
}
