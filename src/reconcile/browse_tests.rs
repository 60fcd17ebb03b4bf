use std::num::NonZeroU16;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{Browse, Instance, Place, Record, ServiceKey, Shards};
use crate::protocol::update::Batches;
use crate::reconcile::{AdoptMode, Conflict, Desired, Reconciler, ZonePolicy, adopt, guard, records_of};

const ZONE: &str = "internal.local";

fn name(text: &str) -> Name {
    format!("{text}.{ZONE}").parse().unwrap()
}

fn owner() -> OwnerId {
    "me".parse().unwrap()
}

fn policy(percent: u8) -> ZonePolicy {
    ZonePolicy { name: ZONE.parse().unwrap(), ttl: 300, max_records_per_rrset: 100, max_delete_percent: percent }
}

fn own_name() -> Name {
    name("_jenkins._tcp")
}

/// A service with these hosts; those with an even weight are of the subtype `ci`, and the weight is in the text too.
fn service(hosts: &[(u8, u8)], browse: bool, ttl: Option<u32>) -> Arc<Service> {
    let key = ServiceKey { name: "jenkins".into(), proto: "tcp".into(), zone: ZONE.parse().unwrap() };
    let place = Place { file: "s.toml".into(), line: 1, column: 1 };
    let instance = |&(host, weight): &(u8, u8)| Instance {
        weight: weight.into(),
        metadata: [("weight".to_owned(), weight.to_string())].into(),
        name: Some(format!("Host {host}. of all")),
        subtypes: (weight.is_multiple_of(2)).then(|| "ci".to_owned()).into_iter().collect(),
        ..Instance::new(name(&format!("h{host}")), NonZeroU16::new(8080).unwrap(), place.clone())
    };
    let browse = browse.then(|| Arc::new(Browse::default()));
    let instances = hosts.iter().map(instance).collect();
    Arc::new(Service { ttl, browse, instances, ..Service::new(key, place.clone()) })
}

fn soa(serial: u32) -> Record {
    let mut wire = vec![0, 0];
    wire.extend(serial.to_be_bytes());
    wire.extend([0; 16]);
    Record { name: ZONE.parse().unwrap(), ttl: 300, rdata: Rdata::from_wire(RecordType::SOA, wire) }
}

fn zone(records: &[(Name, Rdata)]) -> Zone {
    let mut zone = Zone::empty(ZONE.parse().unwrap());
    zone.insert(soa(1));
    for (name, rdata) in records {
        zone.insert(Record { name: name.clone(), ttl: 300, rdata: rdata.clone() });
    }
    zone
}

fn nothing(percent: u8) -> Desired {
    Desired::nothing([policy(percent)].into(), 0)
}

/// The zone as a server that takes the updates as messages of so many has it, refusing what must not be done: `each` sees
/// every version of it.
fn serve(live: &Zone, updates: &[NameUpdate], at_once: usize, mut each: impl FnMut(&Zone)) -> (Zone, usize) {
    let (mut zone, mut refused) = (live.clone(), 0);
    for message in updates.chunks(at_once) {
        let required = message.iter().flat_map(|update| &update.prerequisites);
        let holds = |prerequisite: &Prerequisite| match prerequisite {
            Prerequisite::Absent(key) => zone.rrset(&key.name, key.record_type).is_none(),
            Prerequisite::Unused(name) => zone.at(name).is_none(),
            Prerequisite::Exactly(key, set) => {
                zone.rrset(&key.name, key.record_type).is_some_and(|there| there.rdatas() == set.rdatas())
            }
        };
        if !required.into_iter().all(holds) {
            refused += 1;
            continue;
        }
        for Change { key, before, after } in message.iter().flat_map(|update| &update.changes) {
            let there = zone.rrset(&key.name, key.record_type);
            let gone: Vec<_> = before.iter().flat_map(|set| set.minus(after.as_ref())).cloned().collect();
            let staying = there.iter().flat_map(Rrset::rdatas).filter(|rdata| !gone.contains(rdata)).cloned();
            let all: Vec<_> = staying.chain(after.iter().flat_map(Rrset::rdatas).cloned()).collect();
            let ttl = after.as_ref().or(there.as_ref()).map_or(0, |set| set.ttl);
            let change = Change::between(key.clone(), there.as_ref(), Rrset::new(ttl, all).as_ref());
            change.iter().for_each(|change| zone.apply(change));
        }
        zone.apply(&Change {
            key: RrsetKey::new(ZONE.parse().unwrap(), RecordType::SOA),
            before: None,
            after: Rrset::new(300, [soa(zone.serial() + 1).rdata]),
        });
        each(&zone);
    }
    (zone, refused)
}

/// That every instance in the zone is there wholly or not at all.
fn assert_whole(zone: &Zone) {
    let list = |list: &str| {
        let set = zone.rrset(&name(list), RecordType::PTR);
        set.iter().flat_map(Rrset::rdatas).filter_map(Rdata::as_name).collect::<BTreeSet<_>>()
    };
    let (all, of_subtype) = (list("_jenkins._tcp"), list("_ci._sub._jenkins._tcp"));
    let has = |name: &Name, record_type| zone.rrset(name, record_type).is_some();
    let there: BTreeSet<_> = zone.unmarked_names().filter(|name| name.parent() == Some(own_name())).cloned().collect();
    assert_eq!(all, there, "what is listed is there, and what is there is listed");
    for instance in &all {
        assert!(has(instance, RecordType::SRV) && has(instance, RecordType::TXT) && zone.marker_of(instance).is_some());
        let weight = zone.rrset(instance, RecordType::SRV).unwrap().rdatas()[0].as_srv().unwrap().weight;
        let text = zone.rrset(instance, RecordType::TXT).unwrap().rdatas()[0].to_string();
        assert_eq!(text, format!("\"weight={weight}\""), "SRV and TXT change together");
        assert_eq!(of_subtype.contains(instance), weight.is_multiple_of(2), "and the subtypes with them");
    }
    assert!(of_subtype.is_subset(&all));
}

/// Brings the zone to what is wanted, message after message. The name servers' own rounds are a cycle's.
fn converge(live: Zone, wish: Option<Arc<Service>>, at_once: usize, each: impl Fn(&Zone)) -> Reconciler {
    let mut desired = nothing(100);
    desired.set(&own_name(), wish);
    let mut reconciler = Reconciler::new(owner(), desired, live);
    for _ in 0..4 {
        let due = reconciler.pending().into_iter().filter(|name| !reconciler.waits(name));
        let updates: Vec<_> = due.filter_map(|name| reconciler.update(&name)).collect();
        let (zone, refused) = serve(reconciler.live(), &updates, at_once, &each);
        assert_eq!(refused, 0, "what is due can be done");
        reconciler.replace_zone(zone);
    }
    reconciler
}

fn lines(reconciler: &Reconciler) -> Vec<String> {
    reconciler.plan().changes().flat_map(Change::lines).map(|line| line.to_string()).collect()
}

#[test]
fn a_plan_shows_all_that_a_service_publishes() {
    let mut desired = nothing(100);
    desired.set(&own_name(), Some(service(&[(1, 2)], true, None)));
    let reconciler = Reconciler::new(owner(), desired, zone(&[]));
    let expected = [
        "+ b._dns-sd._udp.internal.local. 300 IN PTR internal.local.",
        "+ _srvctl.b._dns-sd._udp.internal.local. 300 IN TXT \"v=1 owner=me types=PTR\"",
        "+ lb._dns-sd._udp.internal.local. 300 IN PTR internal.local.",
        "+ _srvctl.lb._dns-sd._udp.internal.local. 300 IN TXT \"v=1 owner=me types=PTR\"",
        "+ _services._dns-sd._udp.internal.local. 300 IN PTR _jenkins._tcp.internal.local.",
        "+ _srvctl._services._dns-sd._udp.internal.local. 300 IN TXT \"v=1 owner=me types=PTR\"",
        "+ _jenkins._tcp.internal.local. 300 IN SRV 0 2 8080 h1.internal.local.",
        "+ _srvctl._jenkins._tcp.internal.local. 300 IN TXT \"v=1 owner=me types=PTR,SRV\"",
        "+ _srvctl._ci._sub._jenkins._tcp.internal.local. 300 IN TXT \"v=1 owner=me types=PTR\"",
        r#"+ Host\ 1\.\ of\ all._jenkins._tcp.internal.local. 300 IN TXT "weight=2""#,
        r"+ Host\ 1\.\ of\ all._jenkins._tcp.internal.local. 300 IN SRV 0 2 8080 h1.internal.local.",
        r#"+ _srvctl.Host\ 1\.\ of\ all._jenkins._tcp.internal.local. 300 IN TXT "v=1 owner=me types=SRV,TXT""#,
        r"+ _ci._sub._jenkins._tcp.internal.local. 300 IN PTR Host\ 1\.\ of\ all._jenkins._tcp.internal.local.",
        r"+ _jenkins._tcp.internal.local. 300 IN PTR Host\ 1\.\ of\ all._jenkins._tcp.internal.local.",
    ];
    let mut shown = lines(&reconciler);
    shown.sort();
    let mut expected = expected.map(str::to_owned);
    expected.sort();
    assert_eq!(shown, expected);
}

#[test]
fn without_browse_nothing_is_published_for_it() {
    let plain = service(&[(1, 2)], false, None);
    let keys: Vec<_> = records_of(&plain, &[policy(100)]).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [RrsetKey::new(own_name(), RecordType::SRV)]);
    let reconciler = converge(zone(&[]), Some(plain), 1, |_| ());
    assert!(reconciler.is_in_sync());
    assert_eq!(reconciler.live().record_count(), 3, "SOA, SRV and its marker");
}

#[test]
fn drift_is_repaired_as_the_instance_that_it_is_of() {
    let wish = service(&[(1, 2), (2, 4)], true, None);
    let good = converge(zone(&[]), Some(Arc::clone(&wish)), 100, assert_whole).live().clone();
    let instance = name(r"Host\ 1\.\ of\ all._jenkins._tcp");
    let stray =
        Rrset::new(300, [pointer(&instance), pointer(&name(r"Host\ 2\.\ of\ all._jenkins._tcp")), pointer(&name("x"))]);
    let cases = [
        (own_name(), RecordType::PTR, None),
        (own_name(), RecordType::PTR, stray),
        (name("_ci._sub._jenkins._tcp"), RecordType::PTR, None),
        (instance.clone(), RecordType::SRV, None),
        (instance, RecordType::TXT, Rrset::new(60, [Rdata::txt(["x=y"])])),
        (name("b._dns-sd._udp"), RecordType::PTR, None),
        (name("_services._dns-sd._udp"), RecordType::PTR, Rrset::new(300, [pointer(&name("x"))])),
    ];
    for (name, record_type, after) in cases {
        let mut live = good.clone();
        let key = RrsetKey::new(name.clone(), record_type);
        let before = live.rrset(&name, record_type);
        live.apply(&Change { key, before, after });
        let repaired = converge(live, Some(Arc::clone(&wish)), 100, |_| ());
        assert!(repaired.is_in_sync(), "{name} {record_type}: {:?}", lines(&repaired));
        let serial = Change {
            key: RrsetKey::new(ZONE.parse().unwrap(), RecordType::SOA),
            before: None,
            after: Rrset::new(300, [soa(good.serial()).rdata]),
        };
        let mut zone = repaired.live().clone();
        zone.apply(&serial);
        assert_eq!(zone, good, "{name} {record_type}");
    }
}

fn conflicts(reconciler: &Reconciler) -> Vec<String> {
    reconciler.conflicts().map(|Conflict { name, .. }| name.to_string()).collect()
}

#[test]
fn what_is_foreign_stands_in_the_way_of_an_instance_as_a_whole() {
    let instance = name(r"Host\ 1\.\ of\ all._jenkins._tcp");
    let wish = || Some(service(&[(1, 2), (2, 4)], true, None));
    let foreign = zone(&[(instance.clone(), Rdata::txt(["theirs"]))]);
    let after = converge(foreign.clone(), wish(), 100, |_| ());
    assert_eq!(conflicts(&after), [instance.to_string()]);
    let list = after.live().rrset(&own_name(), RecordType::PTR).unwrap();
    assert_eq!(list.rdatas(), [pointer(&name(r"Host\ 2\.\ of\ all._jenkins._tcp"))]);

    // A person takes it over, and it is published whole.
    let mode = AdoptMode { replace: true, from: None };
    let update = adopt(&owner(), after.desired(), after.live(), &instance, &mode).unwrap().unwrap();
    let (adopted, refused) = serve(after.live(), &[update], 1, |_| ());
    assert_eq!(refused, 0);
    let after = converge(adopted, wish(), 100, assert_whole);
    assert!(after.is_in_sync());

    // A foreign list is in the way of all of them, and of nothing that Prometheus looks up at other names.
    let foreign = zone(&[(own_name(), pointer(&name("theirs")))]);
    let after = converge(foreign, wish(), 100, |_| ());
    assert_eq!(conflicts(&after), [own_name().to_string()]);
    assert!(after.live().unmarked_names().all(|name| name.parent() != Some(own_name())));
    assert_eq!(after.live().rrset(&own_name(), RecordType::SRV).unwrap().rdatas().len(), 2, "Prometheus finds it");
    // Taken over, it keeps nothing that is not wanted, and the instances come as a whole.
    let update = adopt(&owner(), after.desired(), after.live(), &own_name(), &mode).unwrap().unwrap();
    let (adopted, _) = serve(after.live(), &[update], 1, assert_whole);
    assert!(converge(adopted, wish(), 1, assert_whole).is_in_sync());

    // Domains and types that somebody else lists already need nothing from us.
    let domains = ["b", "lb"].map(|label| (name(&format!("{label}._dns-sd._udp")), pointer(&ZONE.parse().unwrap())));
    assert!(converge(zone(&domains), wish(), 100, assert_whole).is_in_sync());
}

#[test]
fn the_guard_counts_an_instance_once() {
    let published = |hosts: std::ops::Range<u8>| {
        let hosts: Vec<_> = hosts.map(|host| (host, 2)).collect();
        Some(service(&hosts, true, None))
    };
    let judged = |before: u8, after: u8| {
        let live = converge(zone(&[]), published(0..before), 100, assert_whole).live().clone();
        let mut desired = nothing(30);
        desired.set(&own_name(), published(0..after));
        Reconciler::new(owner(), desired, live)
    };
    let small = judged(3, 2);
    assert_eq!((small.guarded_records(), small.owned_records()), (3, 3 * 5 + 3));
    assert_eq!(guard(&small, None).held, None, "as without browsing");
    let large = judged(20, 10);
    let guarded = guard(&large, None);
    assert_eq!(guarded.held.as_ref().unwrap().removed, 10);
    assert_eq!(guarded.due(&large).count(), 0, "what goes with the SRV records is held with them");
}

#[test]
fn many_large_instances_are_cut_between_and_not_inside() {
    let mut many = Service::clone(&service(&(0..100).map(|host| (host, 2)).collect::<Vec<_>>(), true, None));
    let text = |instance: &mut Instance| {
        instance.metadata.extend((0..5).map(|key| (format!("key{key}"), "x".repeat(200))));
    };
    many.instances.iter_mut().for_each(text);
    let mut desired = nothing(100);
    desired.set(&own_name(), Some(Arc::new(many)));
    let reconciler = Reconciler::new(owner(), desired, zone(&[]));
    let zone_name: Name = ZONE.parse().unwrap();
    let waiting = reconciler.pending().into_iter().filter(|name| reconciler.waits(name));
    let messages: Vec<_> = Batches::new(&zone_name, waiting.filter_map(|name| reconciler.update(&name))).collect();
    assert!(messages.len() >= 3, "{}", messages.len());
    assert_eq!(messages.iter().flatten().count(), 100);
    for message in &messages {
        let encoded = update::encode(1, &zone_name, message);
        assert!(encoded.len() <= update::MESSAGE_BYTES);
        let parsed = crate::protocol::wire::Message::parse(&encoded).unwrap();
        let required = parsed.answers.iter().filter(|record| record.class == crate::protocol::wire::CLASS_IN).count();
        assert_eq!(required, 2, "the markers of the lists, each once");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_version_of_the_zone_has_an_instance_whole_or_not_at_all(
        wishes in prop::collection::vec(
            (prop::collection::btree_map(0u8..6, 0u8..4, 0..6), any::<bool>(), prop::option::of(60u32..62)), 1..6),
        at_once in 1usize..12,
    ) {
        let mut live = zone(&[]);
        for (hosts, browse, ttl) in wishes.into_iter().chain([(std::collections::BTreeMap::new(), true, None)]) {
            let hosts: Vec<_> = hosts.into_iter().collect();
            let wish = (!hosts.is_empty()).then(|| service(&hosts, browse, ttl));
            let after = converge(live, wish.clone(), at_once, assert_whole);
            prop_assert!(after.is_in_sync(), "{:?}", lines(&after));
            let published: BTreeMap<_, _> =
                wish.iter().flat_map(|wish| records_of(wish, &[policy(100)])).collect();
            for (key, set) in &published {
                prop_assert_eq!(after.live().rrset(&key.name, key.record_type), Some(set.clone()));
            }
            let meta = if browse && wish.is_some() { 3 } else { 0 };
            let ours: usize = published.values().map(|set| set.rdatas().len()).sum();
            prop_assert_eq!(after.owned_records(), ours + meta);
            // Followed change by change it is the same as looked at anew.
            let fresh = Reconciler::new(owner(), after.desired().clone(), after.live().clone());
            prop_assert_eq!(fresh.owned_records(), after.owned_records());
            live = after.live().clone();
        }
        prop_assert_eq!(live.record_count(), 1, "nothing is left behind");
    }

    #[test]
    fn followed_by_differences_it_is_what_a_fresh_look_sees(
        wishes in prop::collection::vec((prop::collection::btree_map(0u8..5, 0u8..4, 0..5), any::<bool>()), 1..6),
    ) {
        let mut reconciler = Reconciler::new(owner(), nothing(100), zone(&[]));
        for (hosts, browse) in wishes {
            let hosts: Vec<_> = hosts.into_iter().collect();
            let wish = (!hosts.is_empty()).then(|| service(&hosts, browse, None));
            reconciler.set_service(&own_name(), wish);
            reconciler.examine();
            for _ in 0..2 {
                let due = reconciler.pending().into_iter().filter(|name| !reconciler.waits(name));
                let updates: Vec<_> = due.filter_map(|name| reconciler.update(&name)).collect();
                for update in updates {
                    let side = |sets: fn(&Change) -> &Option<Rrset>| -> Vec<Record> {
                        let of = |change| Some((change, sets(change).as_ref()?));
                        update.changes.iter().filter_map(of).flat_map(|(change, set)| set.records(&change.key.name)).collect()
                    };
                    let serial = reconciler.live().serial() + 1;
                    let (deleted, added) = (side(|change| &change.before), side(|change| &change.after));
                    reconciler.advance(&deleted, &added, &soa(serial)).unwrap();
                }
                reconciler.examine();
                let fresh = Reconciler::new(owner(), reconciler.desired().clone(), reconciler.live().clone());
                prop_assert_eq!(reconciler.plan(), fresh.plan());
                prop_assert_eq!(reconciler.guarded_records(), fresh.guarded_records());
                let waiting = |reconciler: &Reconciler| -> Vec<Name> {
                    reconciler.pending().into_iter().filter(|name| reconciler.waits(name)).collect()
                };
                prop_assert_eq!(waiting(&reconciler), waiting(&fresh));
            }
        }
    }
}

#[test]
fn a_list_that_is_full_takes_no_more_while_removals_are_held() {
    let hosts = |range: std::ops::Range<u8>| range.map(|host| (host, 2)).collect::<Vec<_>>();
    let live = converge(zone(&[]), Some(service(&hosts(0..60), true, None)), 100, assert_whole).live().clone();
    let due = |wish: std::ops::Range<u8>| {
        let mut desired = nothing(30);
        desired.set(&own_name(), Some(service(&hosts(wish), true, None)));
        let reconciler = Reconciler::new(owner(), desired, live.clone());
        let guarded = guard(&reconciler, None);
        assert!(guarded.held.is_some());
        guarded.due(&reconciler).filter(|update| update.name.parent() == Some(own_name())).count()
    };
    assert_eq!(due(40..100), 40, "60 that stay and 40 that come have room");
    assert_eq!(due(41..110), 0, "60 that stay and 50 that come have not");
}

#[test]
fn more_types_than_their_list_may_hold_are_told_and_published_all_the_same() {
    let mut desired = nothing(100);
    for index in 0..101 {
        let key = ServiceKey { name: format!("s{index}"), proto: "tcp".into(), zone: ZONE.parse().unwrap() };
        let one = Service { key, ..Service::clone(&service(&[(1, 1)], true, None)) };
        desired.set(&one.key.owner_name().unwrap(), Some(Arc::new(one)));
    }
    let reconciler = Reconciler::new(owner(), desired, zone(&[]));
    let conflicts: Vec<_> = reconciler.conflicts().collect();
    let [Conflict { name, obstacle }] = &conflicts[..] else { panic!("{conflicts:?}") };
    assert_eq!(name.to_string(), "_services._dns-sd._udp.internal.local.");
    assert!(obstacle.to_string().starts_with("101 services can be browsed"), "{obstacle}");
    // Each service's own name and its instance, and two names that list the domain.
    assert_eq!(reconciler.pending_count(), 2 * 101 + 2);
}

#[test]
fn who_is_withdrawn_goes_as_a_whole_and_comes_back_so() {
    let good = service(&[(1, 2), (2, 4)], true, None);
    let live = converge(zone(&[]), Some(Arc::clone(&good)), 100, assert_whole).live().clone();
    let mut withdrawn = Service::clone(&good);
    withdrawn.instances[0].withdrawn = true;
    let without = converge(live.clone(), Some(Arc::new(withdrawn)), 1, assert_whole);
    let instance = name(r"Host\ 1\.\ of\ all._jenkins._tcp");
    assert!(without.is_in_sync() && without.live().at(&instance).is_none());
    let again = converge(without.live().clone(), Some(good), 1, assert_whole);
    assert_eq!(again.live().at(&instance), live.at(&instance));
}

#[test]
fn strays_among_the_pointers_do_not_hold_up_what_prometheus_looks_up() {
    let mut live = converge(zone(&[]), Some(service(&[(1, 2)], true, None)), 100, assert_whole).live().clone();
    live.insert(Record { name: own_name(), ttl: 300, rdata: pointer(&name("stray")) });
    let mut desired = nothing(100);
    desired.set(&own_name(), Some(service(&[(1, 2), (2, 4)], true, None)));
    let reconciler = Reconciler::new(owner(), desired, live.clone());
    let update = reconciler.update(&own_name()).unwrap();
    let changed: Vec<_> = update.changes.iter().map(|change| change.key.record_type).collect();
    assert_eq!(changed, [RecordType::SRV], "a server may refuse every change of PTR records");
    assert!(converge(live, Some(service(&[(1, 2), (2, 4)], true, None)), 1, |_| ()).is_in_sync());
}

#[test]
fn a_rename_has_room_in_a_list_that_is_full() {
    let full = service(&(0..100).map(|host| (host, 1)).collect::<Vec<_>>(), true, None);
    let live = converge(zone(&[]), Some(Arc::clone(&full)), 100, assert_whole).live().clone();
    let mut renamed = Service::clone(&full);
    renamed.instances[50].name = Some("A".to_owned());
    let after = converge(live, Some(Arc::new(renamed)), 1, |zone| {
        assert_whole(zone);
        assert!(zone.rrset(&own_name(), RecordType::PTR).unwrap().rdatas().len() <= 100, "a server would refuse it");
    });
    assert!(after.is_in_sync());
}

#[test]
fn who_browses_loses_nothing_while_a_plan_is_held() {
    let hosts = |hosts: std::ops::Range<u8>| hosts.map(|host| (host, 1)).collect::<Vec<_>>();
    let mut live = converge(zone(&[]), Some(service(&hosts(0..20), true, None)), 100, assert_whole).live().clone();
    live.insert(Record { name: own_name(), ttl: 300, rdata: pointer(&name("stray")) });
    live.insert(Record { name: name("_services._dns-sd._udp"), ttl: 300, rdata: pointer(&name("_other._tcp")) });
    let mut wish = Service::clone(&service(&hosts(0..11), true, None));
    wish.instances[0].host = name("elsewhere");
    wish.instances.sort_by(|one, other| one.host.cmp(&other.host));
    let mut desired = nothing(30);
    desired.set(&own_name(), Some(Arc::new(wish)));
    let reconciler = Reconciler::new(owner(), desired, live);
    let guarded = guard(&reconciler, None);
    assert_eq!(guarded.held.as_ref().unwrap().removed, 10);
    let due: Vec<_> = guarded.due(&reconciler).collect();
    let gone = due.iter().flat_map(|update| &update.changes).flat_map(|change| change.operations().0);
    assert_eq!(gone.count(), 0, "{due:?}");
    let [update] = &due[..] else { panic!("{due:?}") };
    assert_eq!(update.name, own_name(), "the new target is added beside the old one");
}

#[test]
fn with_a_missing_source_nothing_goes_that_is_there_for_who_browses() {
    let live = converge(zone(&[]), Some(service(&[(1, 2)], true, None)), 100, assert_whole).live().clone();
    let mut desired = nothing(30);
    desired.set(&own_name(), Some(service(&[(1, 2)], false, None)));
    let mut reconciler = Reconciler::new(owner(), desired, live);
    assert_eq!(guard(&reconciler, None).held, None, "a person took browsing out");
    reconciler.set_missing_sources(vec![crate::reconcile::MissingSource::NewRegistrations]);
    let guarded = guard(&reconciler, None);
    let id = guarded.held.as_ref().expect("perhaps nobody did").id;
    assert_eq!(guarded.due(&reconciler).count(), 0);
    assert_eq!(guard(&reconciler, Some(id)).held, None);
}

#[test]
fn a_service_that_grows_too_large_stays_on_the_lists() {
    let live = converge(zone(&[]), Some(service(&[(1, 2)], true, None)), 100, assert_whole).live().clone();
    let mut desired = nothing(100);
    desired.set(&own_name(), Some(service(&(0..101).map(|host| (host, 1)).collect::<Vec<_>>(), true, None)));
    let reconciler = Reconciler::new(owner(), desired, live);
    assert_eq!(conflicts(&reconciler), [own_name().to_string()]);
    assert_eq!(lines(&reconciler), Vec::<String>::new());
}

#[test]
fn a_list_of_types_that_another_has_is_told_with_what_it_lacks() {
    let types = name("_services._dns-sd._udp");
    let mut live = zone(&[(types.clone(), pointer(&name("_other._tcp")))]);
    let wish = || Some(service(&[(1, 2)], true, None));
    let told = |live: Zone| {
        let after = converge(live, wish(), 100, assert_whole);
        after.conflicts().map(|Conflict { name, obstacle }| format!("{name}: {obstacle}")).collect::<Vec<_>>()
    };
    let lacks = "lacks `_services._dns-sd._udp.internal.local. 300 IN PTR _jenkins._tcp.internal.local.`";
    let [foreign] = &told(live.clone())[..] else { panic!() };
    assert!(foreign.contains(lacks) && foreign.ends_with("satisfies all: add the record by hand"), "{foreign}");
    let marker = Marker { owner: "north".parse().unwrap(), types: [RecordType::PTR].into() };
    live.insert(Record { name: Marker::name_for(&types).unwrap(), ttl: 300, rdata: marker.to_rdata() });
    let [theirs] = &told(live.clone())[..] else { panic!() };
    assert!(theirs.contains(lacks) && theirs.contains("owner \"north\", whose it is, `release` it"), "{theirs}");
    // What is advised helps.
    let mut shared = zone(&[(types.clone(), pointer(&name("_other._tcp")))]);
    shared.insert(Record { name: types, ttl: 300, rdata: pointer(&own_name()) });
    assert_eq!(told(shared), Vec::<String>::new());
}

#[test]
fn a_list_that_no_message_holds_leaves_the_srv_set_as_it_is() {
    let long = |index: u16| Instance {
        name: Some(format!("{index:0>63}")),
        ..Instance::new(name("h1"), NonZeroU16::new(index + 1).unwrap(), Place { file: "s".into(), line: 1, column: 1 })
    };
    let many = Service { instances: (0..1000).map(long).collect(), ..Service::clone(&service(&[], true, None)) };
    let mut desired = Desired::nothing([ZonePolicy { max_records_per_rrset: 2000, ..policy(100) }].into(), 0);
    desired.set(&own_name(), Some(Arc::new(many)));
    let reconciler = Reconciler::new(owner(), desired, zone(&[]));
    let [update] = &reconciler.plan().updates[..] else { panic!() };
    assert_eq!(update.record_counts().1, 1001, "SRV records and a marker");
    let obstacles: Vec<_> = reconciler.conflicts().map(|conflict| conflict.obstacle.to_string()).collect();
    let [obstacle] = &obstacles[..] else { panic!("{obstacles:?}") };
    assert!(obstacle.starts_with("the list of the instances of _jenkins._tcp"), "{obstacle}");
}

#[test]
fn who_registered_under_too_long_a_name_is_told_of() {
    let long = format!("{0}.{0}.{0}.example", "x".repeat(60)).parse::<Name>().unwrap();
    let mut wish = Service::clone(&service(&[(1, 2)], true, None));
    let instance = |port| Instance {
        name: None,
        ..Instance::new(long.clone(), NonZeroU16::new(port).unwrap(), wish.place.clone())
    };
    let more = [instance(1), instance(1)];
    wish.instances.extend(more);
    let after = converge(zone(&[]), Some(Arc::new(wish)), 100, |_| ());
    let [Conflict { name, obstacle }] = &after.conflicts().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!(*name, own_name());
    assert!(obstacle.to_string().starts_with("1 of the instances, xxx"), "{obstacle}");
}

#[test]
fn a_service_that_is_spread_is_not_browsed() {
    let spread = Service { shards: Shards::Fixed(2), ..Service::clone(&service(&[(1, 2)], true, None)) };
    assert_eq!(Browsed::of(&spread, 300), Browsed::default());
}
