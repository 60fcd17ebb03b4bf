use proptest::prelude::*;

use super::*;
use crate::model::{Rdata, Srv};

fn name(text: &str) -> Name {
    format!("{text}.internal.local").parse().unwrap()
}

fn owner() -> OwnerId {
    "me".parse().unwrap()
}

fn record(owner_name: &str, ttl: u32, rdata: Rdata) -> Record {
    Record { name: name(owner_name), ttl, rdata }
}

fn srv(port: u16, host: &str) -> Rdata {
    Rdata::srv(&Srv { priority: 0, weight: 0, port, target: name(host) })
}

fn a(host: u8) -> Rdata {
    Rdata::a([10, 0, 0, host].into())
}

fn marker(owner: &str, types: &str) -> Rdata {
    Rdata::txt([format!("v=1 owner={owner} types={types}")])
}

fn zone(records: impl IntoIterator<Item = Record>) -> Zone {
    let mut zone = Zone::empty("internal.local".parse().unwrap());
    records.into_iter().for_each(|record| zone.insert(record));
    zone
}

/// Nothing is desired, in a zone with these rules.
fn nothing() -> Desired {
    let name = "internal.local".parse().unwrap();
    let policy = crate::reconcile::ZonePolicy { name, ttl: 300, max_records_per_rrset: 100, max_delete_percent: 100 };
    Desired::nothing([policy].into(), 0)
}

fn wanting(records: impl IntoIterator<Item = Record>) -> Desired {
    let mut desired = nothing();
    for Record { name, ttl, rdata } in records {
        let sets = desired.fixed.entry(name).or_default();
        let mut rdatas: Vec<_> = sets.get(&rdata.record_type()).map_or_else(Vec::new, |set| set.rdatas().to_vec());
        let record_type = rdata.record_type();
        rdatas.push(rdata);
        sets.insert(record_type, Rrset::new(ttl, rdatas).unwrap());
    }
    desired
}

fn apply(live: &Zone, plan: &Plan) -> Zone {
    let mut after = live.clone();
    plan.changes().for_each(|change| after.apply(change));
    after
}

fn lines(plan: &Plan) -> Vec<String> {
    plan.changes().flat_map(Change::lines).map(|line| line.to_string()).collect()
}

#[test]
fn claims_a_free_name_with_its_marker() {
    let desired = wanting([record("_j._tcp", 300, srv(80, "h")), record("_j._tcp", 300, Rdata::txt(["a=b"]))]);
    let plan = plan(&owner(), &desired, &zone([]));
    assert_eq!(
        lines(&plan),
        [
            r#"+ _j._tcp.internal.local. 300 IN TXT "a=b""#,
            "+ _j._tcp.internal.local. 300 IN SRV 0 0 80 h.internal.local.",
            r#"+ _srvctl._j._tcp.internal.local. 300 IN TXT "v=1 owner=me types=SRV,TXT""#,
        ]
    );
    assert_eq!(
        plan.updates[0].prerequisites,
        [
            Prerequisite::Absent(RrsetKey::new(name("_srvctl._j._tcp"), RecordType::TXT)),
            Prerequisite::Unused(name("_j._tcp"))
        ]
    );
    let beside = zone([record("_j._tcp", 300, Rdata::from_wire(RecordType::HINFO, [0, 0]))]);
    let absent = |owner_name: &str, record_type| Prerequisite::Absent(RrsetKey::new(name(owner_name), record_type));
    assert_eq!(
        super::plan(&owner(), &desired, &beside).updates[0].prerequisites,
        [
            absent("_srvctl._j._tcp", RecordType::TXT),
            absent("_j._tcp", RecordType::TXT),
            absent("_j._tcp", RecordType::SRV),
            absent("_j._tcp", RecordType::CNAME)
        ]
    );
}

#[test]
fn changing_and_releasing_require_our_marker() {
    let ours = [record("h", 300, a(1)), record("_srvctl.h", 300, marker("me", "A"))];
    for desired in [wanting([record("h", 300, a(2))]), wanting([])] {
        let plan = plan(&owner(), &desired, &zone(ours.clone()));
        let expected = Rrset::new(300, [marker("me", "A")]).unwrap();
        let key = RrsetKey::new(name("_srvctl.h"), RecordType::TXT);
        assert_eq!(plan.updates[0].prerequisites, [Prerequisite::Exactly(key, expected)]);
    }
}

#[test]
fn a_stray_record_inside_an_owned_set_is_drift() {
    let live = zone([record("h", 300, a(1)), record("h", 300, a(9)), record("_srvctl.h", 300, marker("me", "A"))]);
    let plan = plan(&owner(), &wanting([record("h", 300, a(1))]), &live);
    assert_eq!(lines(&plan), ["- h.internal.local. 300 IN A 10.0.0.9"]);
}

#[test]
fn another_type_at_an_owned_name_stays() {
    let sshfp = Rdata::from_wire(RecordType::SSHFP, [1, 1, 0xab]);
    let live =
        zone([record("h", 300, a(1)), record("h", 300, sshfp.clone()), record("_srvctl.h", 300, marker("me", "A"))]);
    let after = apply(&live, &plan(&owner(), &wanting([]), &live));
    assert_eq!(after, zone([record("h", 300, sshfp)]));
}

#[test]
fn foreign_records_in_the_way_are_conflicts() {
    let desired = wanting([record("h", 300, a(1)), record("_j._tcp", 300, srv(80, "h"))]);
    let live = zone([record("h", 300, a(2))]);
    let plan = plan(&owner(), &desired, &live);
    assert_eq!(plan.conflicts.len(), 1);
    assert!(plan.conflicts[0].obstacle.to_string().contains("`h.internal.local. 300 IN A 10.0.0.2`"));
    assert_eq!(plan.updates.len(), 1, "the other name still converges");
}

#[test]
fn a_foreign_address_that_says_the_same_satisfies() {
    let desired = wanting([record("h", 300, a(1))]);
    for other in [vec![], vec![record("_srvctl.h", 300, marker("you", "A"))]] {
        let live = zone([record("h", 60, a(1))].into_iter().chain(other));
        assert!(plan(&owner(), &desired, &live).is_in_sync());
    }
}

#[test]
fn other_owners_and_damaged_markers_are_left_alone() {
    let desired = wanting([record("h", 300, a(1))]);
    for (in_the_way, said) in [
        (vec![marker("you", "A")], "owner \"you\""),
        (vec![Rdata::txt(["hello"])], "cannot be read"),
        (vec![marker("me", "A"), marker("me", "AAAA")], "2 TXT records"),
    ] {
        let live = zone(in_the_way.into_iter().map(|rdata| record("_srvctl.h", 300, rdata)));
        let plan = plan(&owner(), &desired, &live);
        assert!(plan.updates.is_empty() && plan.conflicts[0].obstacle.to_string().contains(said));
    }
}

#[test]
fn aliases_and_delegations_hide_a_name() {
    let target = |record_type| Rdata::from_wire(record_type, name("x").as_wire());
    let desired = wanting([record("h.sub", 300, a(1))]);
    for in_the_way in [
        record("h.sub", 300, target(RecordType::CNAME)),
        record("sub", 300, target(RecordType::NS)),
        record("sub", 300, target(RecordType::DNAME)),
    ] {
        let plan = plan(&owner(), &desired, &zone([in_the_way]));
        assert_eq!((plan.updates.len(), plan.conflicts.len()), (0, 1));
    }
}

#[test]
fn a_marker_in_other_words_is_not_rewritten() {
    let desired = wanting([record("_j._tcp", 300, srv(80, "h")), record("_j._tcp", 300, Rdata::txt(["a=b"]))]);
    let live = zone(
        [srv(80, "h"), Rdata::txt(["a=b"])].map(|rdata| record("_j._tcp", 300, rdata)).into_iter().chain([record(
            "_srvctl._j._tcp",
            300,
            marker("me", "TXT,SRV"),
        )]),
    );
    assert!(plan(&owner(), &desired, &live).is_in_sync());
}

/// Few names and few values, so that overlaps are common.
fn any_record() -> impl Strategy<Value = Record> {
    let hosts = prop::sample::select(vec!["h1", "h2", "H1", "_j._tcp"]);
    let rdata = prop_oneof![
        (1u8..4).prop_map(a),
        (80u16..83).prop_map(|port| srv(port, "h1")),
        (0u8..3).prop_map(|text| Rdata::txt([text.to_string()])),
        Just(Rdata::from_wire(RecordType::SSHFP, [1, 1, 7])),
    ];
    (hosts, prop::sample::select(vec![60u32, 300]), rdata).prop_map(|(host, ttl, rdata)| record(host, ttl, rdata))
}

fn any_marker() -> impl Strategy<Value = Record> {
    let hosts = prop::sample::select(vec!["_srvctl.h1", "_srvctl.h2", "_srvctl._j._tcp", "_srvctl.gone"]);
    let owners = prop::sample::select(vec!["me", "me", "me", "you"]);
    let types = prop::sample::select(vec!["A", "SRV", "TXT", "A,SRV", "SRV,TXT", "SSHFP"]);
    (hosts, owners, types).prop_map(|(host, owner, types)| record(host, 300, marker(owner, types)))
}

/// Desired are only the types that srvctl publishes.
fn any_desired() -> impl Strategy<Value = Desired> {
    prop::collection::vec(any_record(), 0..12).prop_map(|records| {
        wanting(records.into_iter().filter(|record| record.rdata.record_type() != RecordType::SSHFP))
    })
}

fn any_zone() -> impl Strategy<Value = Zone> {
    let markers = prop::collection::vec(any_marker(), 0..4);
    (prop::collection::vec(any_record(), 0..12), markers)
        .prop_map(|(records, markers)| zone(records.into_iter().chain(markers)))
}

/// The RRsets that are ours by the zone's own markers, and the markers themselves.
fn owned_keys(live: &Zone) -> BTreeSet<RrsetKey> {
    let mut keys = BTreeSet::new();
    for owned in ownership::owned(&owner(), live) {
        keys.extend(owned.types.into_iter().map(|record_type| RrsetKey::new(owned.name.clone(), record_type)));
        keys.insert(RrsetKey::new(Marker::name_for(&owned.name).unwrap(), RecordType::TXT));
    }
    keys
}

proptest! {
    #[test]
    fn applied_plans_give_the_desired_set_on_owned_names_and_leave_the_rest(
        desired in any_desired(),
        live in any_zone(),
    ) {
        let planned = plan(&owner(), &desired, &live);
        let after = apply(&live, &planned);
        let in_conflict: BTreeSet<_> = planned.conflicts.iter().map(|conflict| &conflict.name).collect();
        for (name, sets) in desired.fixed.iter().filter(|(name, _)| !in_conflict.contains(name)) {
            for (record_type, wanted) in sets {
                let found = after.rrset(name, *record_type).unwrap();
                prop_assert_eq!(found.rdatas(), wanted.rdatas());
            }
        }
        let was_ours = owned_keys(&live);
        let is_ours = owned_keys(&after);
        for key in &is_ours {
            if key.name.labels().next() != Some(b"_srvctl") {
                let wanted = desired.fixed.get(&key.name).and_then(|sets| sets.get(&key.record_type));
                prop_assert_eq!(after.rrset(&key.name, key.record_type), wanted.cloned());
            }
        }
        for (name, sets) in live.names() {
            for rrset in sets.iter() {
                let key = RrsetKey::new(name.clone(), rrset.record_type());
                if !was_ours.contains(&key) {
                    prop_assert_eq!(after.rrset(&name, rrset.record_type()), Some(rrset), "foreign {:?}", key);
                }
            }
        }
    }

    #[test]
    fn a_plan_after_its_application_is_empty(desired in any_desired(), live in any_zone()) {
        let first = plan(&owner(), &desired, &live);
        let second = plan(&owner(), &desired, &apply(&live, &first));
        prop_assert!(second.updates.is_empty(), "{:?}", second.updates);
        prop_assert_eq!(second.conflicts, first.conflicts);
    }
}
