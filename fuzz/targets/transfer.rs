//! Any sequence of messages as a zone transfer: never a zone unless it began and ended with the same SOA record.
#![no_main]

use libfuzzer_sys::fuzz_target;
use srvctl::model::{Name, Rdata, RecordType};
use srvctl::protocol::transfer::Transfer;
use srvctl::protocol::wire::{self, Header, Message, RecordRef};

const ID: u16 = 9;

fuzz_target!(|bytes: &[u8]| {
    let origin: Name = "internal.local".parse().expect("a name");
    let mut transfer = Transfer::new(ID, origin.clone());
    let (mut records, mut whole, mut failed) = (Vec::new(), false, false);
    for part in bytes.split(|&byte| byte == 0xff) {
        // An odd first byte: bytes as they are. An even one: a proper message, every byte a record.
        let message = match part.split_first() {
            Some((kind, raw)) if kind % 2 == 1 => raw.to_vec(),
            Some((_, choices)) => composed(&origin, choices),
            None => continue,
        };
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

fn composed(origin: &Name, choices: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let answers = u16::try_from(choices.len()).unwrap_or(u16::MAX);
    wire::write_header(&mut out, Header { id: ID, flags: 0x8400, counts: [1, answers, 0, 0] });
    wire::write_question(&mut out, origin, RecordType::AXFR);
    for &choice in choices {
        let below = origin.prepend(&[choice]).unwrap_or_else(|_| origin.clone());
        let (name, rdata) = match choice % 8 {
            0..=2 => (origin.clone(), soa(choice / 64)),
            3 => (below, soa(0)),
            4 => (Name::root(), Rdata::a([10, 0, 0, choice].into())),
            5 => (below, Rdata::txt([&[choice; 3]])),
            6 => (origin.clone(), Rdata::from_wire(RecordType::SOA, [choice])),
            _ => (below, Rdata::a([10, 0, 0, choice].into())),
        };
        let class = if choice == 0xfe { wire::CLASS_NONE } else { wire::CLASS_IN };
        let record =
            RecordRef { name: &name, record_type: rdata.record_type(), class, ttl: 300, rdata: rdata.as_wire() };
        wire::write_record(&mut out, origin, &record);
    }
    out
}

fn soa(serial: u8) -> Rdata {
    let mut wire = vec![0, 0, 0, 0, 0, serial];
    wire.extend([0; 16]);
    Rdata::from_wire(RecordType::SOA, wire)
}
