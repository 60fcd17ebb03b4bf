use super::*;
use crate::model::{Marker, Rdata};

const ZONE: &str = "internal.local";

fn name(text: &str) -> Name {
    format!("{text}.{ZONE}").parse().unwrap()
}

fn owner() -> OwnerId {
    "me".parse().unwrap()
}

fn record(owner: &Name, rdata: Rdata) -> Record {
    Record { name: owner.clone(), ttl: 300, rdata }
}

fn address(host: &str, last: u8) -> Record {
    record(&name(host), Rdata::a([192, 0, 2, last].into()))
}

fn marker(host: &str, owner: &str, record_type: RecordType) -> Record {
    let marker = Marker { owner: owner.parse().unwrap(), types: [record_type].into() };
    record(&Marker::name_for(&name(host)).unwrap(), marker.to_rdata())
}

fn zone(records: &[Record]) -> Zone {
    let mut zone = Zone::empty(ZONE.parse().unwrap());
    records.iter().cloned().for_each(|record| zone.insert(record));
    zone
}

/// What moved from one zone to the other, told by a difference and told by the two zones: the same.
#[track_caller]
fn moved(before: &[Record], after: &[Record]) -> (Vec<String>, isize) {
    let (old, new) = (zone(before), zone(after));
    let differs = |records: &[Record], other: &[Record]| -> Vec<Record> {
        records.iter().filter(|record| !other.contains(record)).cloned().collect()
    };
    let difference = [differs(before, after), differs(after, before)].concat();
    let records: Vec<_> = difference.iter().collect();
    let mut told = Moved::default();
    told.note(&owner(), &old, Version::Before, &records);
    told.note(&owner(), &new, Version::After, &records);
    let mut compared = Moved::default();
    compared.note_replaced(&owner(), &old, &new);
    assert_eq!(told, compared);
    assert!(!told.too_many);
    (told.rrsets.keys().map(|key| format!("{} {}", key.name, key.record_type)).collect(), told.growth)
}

#[test]
fn what_is_ours_before_or_after_moves_and_nothing_else() {
    let mine = || marker("a", "me", RecordType::A);
    let came = moved(&[], &[mine(), address("a", 1)]);
    assert_eq!(came, (vec!["a.internal.local. A".to_owned()], 1));
    assert_eq!(moved(&[mine(), address("a", 1)], &[mine(), address("a", 2)]), (came.0.clone(), 0));
    assert_eq!(moved(&[mine(), address("a", 1)], &[]), (came.0.clone(), -1));
    assert_eq!(moved(&[mine(), address("a", 1)], &[mine()]), (came.0.clone(), -1), "somebody took it away");
    let came = came.0;
    assert_eq!(moved(&[], &[marker("a", "you", RecordType::A), address("a", 1)]), (vec![], 0));
    assert_eq!(moved(&[], &[address("a", 1)]), (vec![], 0));
    assert_eq!(moved(&[mine(), address("a", 1)], &[address("a", 1)]), (came.clone(), -1), "released");
    assert_eq!(moved(&[address("a", 1)], &[mine(), address("a", 1)]), (came, 1), "adopted");
    let text = record(&name("a"), Rdata::txt(["t"]));
    assert_eq!(
        moved(&[mine(), address("a", 1)], &[mine(), address("a", 1), text]),
        (vec![], 0),
        "a type of somebody else"
    );
}

#[test]
fn what_was_there_at_first_is_told() {
    let mine = || marker("a", "me", RecordType::A);
    let versions = [1, 2, 3].map(|last| zone(&[mine(), address("a", last)]));
    let mut told = Moved::default();
    for (step, pair) in versions.windows(2).enumerate() {
        let records = [address("a", 1), address("a", 2), address("a", 3)];
        let records: Vec<_> = records[step..=step + 1].iter().collect();
        told.note(&owner(), &pair[0], Version::Before, &records);
        told.note(&owner(), &pair[1], Version::After, &records);
    }
    let first = told.rrsets.values().next().unwrap().as_ref().unwrap();
    assert_eq!(first.rdatas(), [Rdata::a([192, 0, 2, 1].into())]);
}

#[test]
fn so_much_at_once_is_everything() {
    let many: Vec<_> = (0..=MOST).map(|index| address(&format!("h{index}"), 1)).collect();
    let mut told = Moved::default();
    told.note(&owner(), &zone(&[]), Version::Before, &many.iter().collect::<Vec<_>>());
    assert!(told.too_many && told.rrsets.is_empty() && !told.is_empty());
}
