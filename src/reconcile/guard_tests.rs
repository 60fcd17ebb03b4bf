use std::collections::BTreeMap;

use super::*;
use crate::model::{OwnerId, Rdata, Record, Zone};
use crate::reconcile::{Desired, plan};

fn owner() -> OwnerId {
    "me".parse().unwrap()
}

fn host(index: usize) -> Name {
    format!("h{index}.internal.local").parse().unwrap()
}

fn address(index: usize) -> Rdata {
    let [.., high, low] = index.to_be_bytes();
    Rdata::a([10, 0, high, low].into())
}

/// Hosts with one address each, owned by us.
fn zone(hosts: impl IntoIterator<Item = usize>) -> Zone {
    let mut zone = Zone::empty("internal.local".parse().unwrap());
    for index in hosts {
        zone.insert(Record { name: host(index), ttl: 300, rdata: address(index) });
        let marker = Marker { owner: owner(), types: [RecordType::A].into() };
        zone.insert(Record { name: Marker::name_for(&host(index)).unwrap(), ttl: 300, rdata: marker.to_rdata() });
    }
    zone
}

/// Nothing is desired, in a zone with this rule.
fn nothing(percent: u8) -> Desired {
    let name = "internal.local".parse().unwrap();
    let policy =
        crate::reconcile::ZonePolicy { name, ttl: 300, max_records_per_rrset: 100, max_delete_percent: percent };
    Desired::nothing([policy].into(), 0)
}

fn desired(hosts: impl IntoIterator<Item = usize>) -> Desired {
    let mut desired = nothing(100);
    for index in hosts {
        let sets = BTreeMap::from([(RecordType::A, Rrset::new(300, [address(index)]).unwrap())]);
        desired.fixed.insert(host(index), sets);
    }
    desired
}

/// What the guard lets through, and what it holds.
struct Judged {
    updates: Vec<NameUpdate>,
    held: Option<Held>,
}

/// The plan for that wish, guarded at a share.
fn judge(wanted: &Desired, live: &Zone, percent: u8, accepted: Option<PlanId>) -> Judged {
    let mut desired = nothing(percent);
    desired.fixed.clone_from(&wanted.fixed);
    desired.missing_sources.clone_from(&wanted.missing_sources);
    let reconciler = Reconciler::new(owner(), desired, live.clone());
    let guarded = guard(&reconciler, accepted);
    Judged { updates: guarded.due(&reconciler).collect(), held: guarded.held }
}

fn apply(live: &Zone, updates: &[NameUpdate]) -> Zone {
    let mut after = live.clone();
    updates.iter().flat_map(|update| &update.changes).for_each(|change| after.apply(change));
    after
}

#[test]
fn a_small_removal_passes_and_a_large_one_is_held() {
    let live = zone(0..10);
    let passes = judge(&desired(0..7), &live, 30, None);
    assert_eq!((passes.updates.len(), passes.held), (3, None));
    let held = judge(&desired(0..6), &live, 30, None);
    assert!(held.updates.is_empty());
    let held = held.held.unwrap();
    assert_eq!(held.reasons, [HoldReason::TooMuch { removed: 4, owned: 10, percent: 30 }]);
}

#[test]
fn below_ten_owned_records_a_share_says_nothing() {
    let guarded = judge(&desired(0..1), &zone(0..9), 30, None);
    assert_eq!((guarded.updates.len(), guarded.held), (8, None));
}

#[test]
fn nothing_desired_and_missing_sources_hold_whatever_the_share() {
    let live = zone(0..2);
    assert!(judge(&desired([]), &live, 100, None).held.is_some());
    let missing = |mut wanted: Desired| {
        wanted.missing_sources = vec![MissingSource::Files("a/*.toml".into())];
        wanted
    };
    let guarded = judge(&missing(desired([0, 5])), &live, 100, None);
    assert!(guarded.held.as_ref().unwrap().additions_proceed);
    assert_eq!(guarded.updates.len(), 1, "the new host, and no removal");
    assert!(judge(&missing(desired([0, 1, 5])), &live, 100, None).held.is_none());
}

#[test]
fn only_that_very_plan_is_accepted() {
    let live = zone(0..10);
    let id = judge(&desired(0..5), &live, 30, None).held.unwrap().id;
    assert_eq!(id.to_string().parse::<PlanId>(), Ok(id));
    assert_eq!(judge(&desired(0..5), &live, 30, Some(id)).updates.len(), 5);
    let guarded = judge(&desired(0..4), &live, 30, Some(id));
    assert!(guarded.updates.is_empty() && guarded.held.unwrap().id != id);
}

#[test]
fn additions_never_open_the_guard() {
    // Five of ten would go, and a hundred would come: together a small share, so all waits.
    let live = zone(0..10);
    let guarded = judge(&desired((0..5).chain(100..200)), &live, 30, None);
    assert!(guarded.updates.is_empty() && !guarded.held.unwrap().additions_proceed);
    // One more host does not open it: it comes, and the rest is held still.
    let wanted = desired((0..5).chain(100..101));
    let guarded = judge(&wanted, &live, 30, None);
    let id = guarded.held.unwrap().id;
    let after = apply(&live, &guarded.updates);
    let again = judge(&wanted, &after, 30, None);
    assert!(again.updates.is_empty());
    assert_eq!(again.held.unwrap().id, id, "the id speaks of the removals alone");
}

/// A service of twenty instances: at its own name in one zone state, at a shard too in another.
#[test]
fn an_instance_that_moves_to_another_shard_is_not_removed() {
    let key = crate::model::ServiceKey { name: "n".into(), proto: "tcp".into(), zone: zone([]).origin().clone() };
    let srv =
        |index: u16| Rdata::srv(&crate::model::Srv { priority: 0, weight: 0, port: 9000 + index, target: host(0) });
    let names = [key.owner_name().unwrap(), key.shard_name(1).unwrap()];
    let live_with = |at_shard: std::ops::Range<u16>| {
        let mut live = zone([]);
        for (name, instances) in names.iter().zip([0..20, at_shard]) {
            instances.for_each(|index| live.insert(Record { name: name.clone(), ttl: 300, rdata: srv(index) }));
            let marker = Marker { owner: owner(), types: [RecordType::SRV].into() };
            let marker_name = Marker::name_for(name).unwrap();
            live.insert(Record { name: marker_name, ttl: 300, rdata: marker.to_rdata() });
        }
        live
    };
    let mut wanted = desired([]);
    for (name, instances) in names.iter().zip([10..20, 0..10]) {
        let sets = BTreeMap::from([(RecordType::SRV, Rrset::new(300, instances.map(srv)).unwrap())]);
        wanted.fixed.insert(name.clone(), sets);
    }
    assert_eq!(judge(&wanted, &live_with(0..10), 30, None).held, None, "all ten are at the shard");
    let held = judge(&wanted, &live_with(0..1), 30, None).held.unwrap();
    assert_eq!(held.removed, 9, "nine are nowhere else yet");
}

#[test]
fn another_address_is_no_removal() {
    let live = zone(0..20);
    let mut wanted = desired(0..20);
    for (index, sets) in wanted.fixed.values_mut().enumerate() {
        sets.insert(RecordType::A, Rrset::new(300, [address(index + 500)]).unwrap());
    }
    assert_eq!(judge(&wanted, &live, 0, None).held, None);
}

/// One service with targets on these hosts.
fn targets(hosts: impl IntoIterator<Item = usize>, weight: u16) -> Rrset {
    let srv = |index| Rdata::srv(&crate::model::Srv { priority: 0, weight, port: 9100, target: host(index) });
    Rrset::new(300, hosts.into_iter().map(srv)).unwrap()
}

fn published(service: &Name, set: &Rrset) -> Zone {
    let mut live = zone([]);
    set.records(service).into_iter().for_each(|record| live.insert(record));
    let marker = Marker { owner: owner(), types: [RecordType::SRV].into() };
    live.insert(Record { name: Marker::name_for(service).unwrap(), ttl: 300, rdata: marker.to_rdata() });
    live
}

#[test]
fn other_targets_are_removals_of_those_that_were_there() {
    let service: Name = "_n._tcp.internal.local".parse().unwrap();
    let live = published(&service, &targets(0..20, 0));
    let wanting = |set: Rrset| {
        let mut wanted = desired([]);
        wanted.fixed.insert(service.clone(), BTreeMap::from([(RecordType::SRV, set)]));
        wanted
    };
    let held = judge(&wanting(targets(20..40, 0)), &live, 30, None).held.unwrap();
    assert_eq!(held.reasons, [HoldReason::TooMuch { removed: 20, owned: 20, percent: 30 }]);
    assert_eq!(judge(&wanting(targets(0..20, 7)), &live, 0, None).held, None, "another weight is no other target");
    let on = |hosts: std::ops::Range<usize>, port| {
        let srv = move |index| Rdata::srv(&crate::model::Srv { priority: 0, weight: 0, port, target: host(index) });
        hosts.map(srv)
    };
    let other_port = Rrset::new(300, on(0..20, 9200)).unwrap();
    assert_eq!(judge(&wanting(other_port), &live, 0, None).held, None, "nor is another port on the same host");
    let both = Rrset::new(300, on(0..10, 9100).chain(on(0..10, 9200))).unwrap();
    assert_eq!(judge(&wanting(both), &live, 30, None).held.unwrap().removed, 10, "ten hosts are gone");
    assert_eq!(judge(&wanting(targets(3..23, 0)), &live, 30, None).held, None, "three of twenty");
}

/// What is there and what is to come have no room together: the server would refuse the additions.
#[test]
fn a_name_without_room_for_both_waits_as_a_whole() {
    let service: Name = "_n._tcp.internal.local".parse().unwrap();
    let live = published(&service, &targets(0..80, 0));
    let mut wanted = desired([500]);
    wanted.fixed.insert(service.clone(), BTreeMap::from([(RecordType::SRV, targets(40..120, 0))]));
    let judged = judge(&wanted, &live, 30, None);
    let held = judged.held.unwrap();
    assert!(held.additions_proceed);
    assert_eq!(held.full, [service]);
    assert_eq!(judged.updates.into_iter().map(|update| update.name).collect::<Vec<_>>(), [host(500)]);
}

#[test]
fn a_name_that_loses_and_gains_keeps_what_it_has_and_gains() {
    let mut live = zone([0]);
    (1..20).for_each(|index| live.insert(Record { name: host(0), ttl: 300, rdata: address(index) }));
    let mut wanted = desired([]);
    let rdatas = [address(0), address(77)];
    wanted.fixed.insert(host(0), BTreeMap::from([(RecordType::A, Rrset::new(300, rdatas).unwrap())]));
    let guarded = judge(&wanted, &live, 30, None);
    assert!(guarded.held.is_some());
    let after = apply(&live, &guarded.updates);
    assert_eq!(after.rrset(&host(0), RecordType::A).unwrap().rdatas().len(), 21);
}

proptest::proptest! {
    #[test]
    fn what_is_sent_of_a_held_plan_removes_nothing(
        had in proptest::collection::btree_set(0usize..40, 0..30),
        wants in proptest::collection::btree_set(0usize..40, 0..30),
        percent in 0u8..=100,
    ) {
        let live = zone(had.iter().copied());
        let wanted = desired(wants.iter().copied());
        let guarded = judge(&wanted, &live, percent, None);
        if guarded.held.is_some() {
            let after = apply(&live, &guarded.updates);
            for index in &had {
                proptest::prop_assert!(after.rrset(&host(*index), RecordType::A).is_some());
            }
            let again = judge(&wanted, &after, percent, None);
            proptest::prop_assert!(again.held.is_some(), "its own additions must not open the guard");
        } else {
            proptest::prop_assert_eq!(guarded.updates, plan(&owner(), &wanted, &live).updates);
        }
    }
}

#[test]
fn what_may_have_gone_missing_is_replaced_by_nothing_else() {
    let srv = |port: u16, weight: u16| Rdata::srv(&crate::model::Srv { priority: 0, weight, port, target: host(1) });
    let name: Name = "_web._tcp.internal.local".parse().unwrap();
    let wish = |rdata: Rdata, missing: bool| {
        let mut desired = desired([1]);
        let set = Rrset::new(300, [rdata]).unwrap();
        desired.fixed.insert(name.clone(), BTreeMap::from([(RecordType::SRV, set)]));
        desired.missing_sources = missing.then_some(MissingSource::NewRegistrations).into_iter().collect();
        desired
    };
    let live = zone(1..2);
    let live = apply(&live, &judge(&wish(srv(80, 1), false), &live, 100, None).updates);
    assert!(judge(&wish(srv(81, 1), false), &live, 100, None).held.is_none(), "another port is a change");
    let held = judge(&wish(srv(81, 1), true), &live, 100, None).held.unwrap();
    assert_eq!((held.removed, held.reasons), (1, vec![HoldReason::MissingSource(MissingSource::NewRegistrations)]));
    assert!(judge(&wish(srv(80, 2), true), &live, 100, None).held.is_none(), "another weight is one all the same");
}
