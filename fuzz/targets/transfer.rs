//! Any sequence of messages as a zone transfer: never a zone unless it began and ended with the same SOA record.
#![no_main]

mod answers;

use answers::ID;
use libfuzzer_sys::fuzz_target;
use srvctl::model::{Name, Rdata, RecordType};
use srvctl::protocol::transfer::Transfer;
use srvctl::protocol::wire::Message;

fuzz_target!(|bytes: &[u8]| {
    let origin: Name = "internal.local".parse().expect("a name");
    let mut transfer = Transfer::new(ID, origin.clone());
    let (mut records, mut whole, mut failed) = (Vec::new(), false, false);
    for message in answers::messages(bytes, &origin, RecordType::AXFR, |choice, below| chosen(&origin, choice, below)) {
        match transfer.message(&message) {
            Ok(is_whole) => whole = is_whole,
            Err(_) => failed = true,
        }
        if failed {
            break;
        }
        records.extend(Message::parse(&message).expect("it was accepted").answers);
        assert_eq!(transfer.progress().0 > 0, !records.is_empty());
    }
    let zone = transfer.into_zone();
    assert_eq!(zone.is_some(), whole && !failed);
    if let (Some(zone), [first, .., last]) = (&zone, &records[..]) {
        assert!(first.record_type() == RecordType::SOA && first.name == origin);
        assert!(first.rdata == last.rdata && last.name == origin);
        assert_eq!(first.rdata.soa_serial(), Some(zone.serial()));
        assert!(zone.names().all(|(name, _)| name.is_within(&origin)));
    } else {
        assert!(zone.is_none(), "a zone of less than two records");
    }
});

/// The record that a byte stands for.
fn chosen(origin: &Name, choice: u8, below: Name) -> (Name, Rdata) {
    match choice % 8 {
        0..=2 => (origin.clone(), soa(choice / 64)),
        3 => (below, soa(0)),
        4 => (Name::root(), Rdata::a([10, 0, 0, choice].into())),
        5 => (below, Rdata::txt([&[choice; 3]])),
        6 => (origin.clone(), Rdata::from_wire(RecordType::SOA, [choice])),
        _ => (below, Rdata::a([10, 0, 0, choice].into())),
    }
}

fn soa(serial: u8) -> Rdata {
    let mut wire = vec![0, 0, 0, 0, 0, serial];
    wire.extend([0; 16]);
    Rdata::from_wire(RecordType::SOA, wire)
}
