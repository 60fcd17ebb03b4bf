//! Any sequence of messages as an answer to an IXFR query: steps only when they lead from the held serial to the
//! server's, a zone only when it began and ended with the same SOA record.
#![no_main]

mod answers;

use answers::ID;
use libfuzzer_sys::fuzz_target;
use srvctl::model::{Name, Rdata, Record, RecordType, Serial};
use srvctl::protocol::transfer::{Refresh, Refreshed, Step};
use srvctl::protocol::wire::{Message, RawRecord};

const HELD: u32 = 1;

fuzz_target!(|bytes: &[u8]| {
    let origin: Name = "internal.local".parse().expect("a name");
    let mut refresh = Refresh::new(ID, origin.clone(), HELD);
    let (mut records, mut over, mut failed) = (Vec::new(), false, false);
    for message in answers::messages(bytes, &origin, RecordType::IXFR, |choice, below| chosen(&origin, choice, below)) {
        match refresh.message(&message) {
            Ok(is_over) => over = is_over,
            Err(_) => failed = true,
        }
        if failed {
            break;
        }
        records.extend(Message::parse(&message).expect("it was accepted").answers);
        assert_eq!(refresh.progress().0, records.len());
    }
    let is_apex_soa = |record: &&RawRecord| record.record_type() == RecordType::SOA && record.name == origin;
    let (may_be_over, is_whole) = (refresh.may_be_over(), refresh.is_whole());
    let refreshed = refresh.into_refreshed();
    assert_eq!(refreshed.is_some(), (over || may_be_over) && !failed);
    let Some(refreshed) = refreshed else { return };
    let (first, last) = (&records[0], &records[records.len() - 1]);
    assert!(is_apex_soa(&first) && first.rdata == last.rdata && is_apex_soa(&last));
    let newest = first.rdata.soa_serial().expect("the first record has a serial");
    assert_eq!(is_whole, matches!(refreshed, Refreshed::Whole(_)));
    match refreshed {
        Refreshed::UpToDate => assert_eq!((newest, records.len()), (HELD, 1)),
        Refreshed::Behind(serial) => assert!(serial == newest && !Serial(newest).is_newer_than(Serial(HELD))),
        Refreshed::NotAvailable(serial) => assert!(may_be_over && serial == newest && records.len() == 1),
        Refreshed::Whole(zone) => {
            assert_eq!(zone.serial(), newest);
            assert!(zone.names().all(|(name, _)| name.is_within(&origin)));
        }
        Refreshed::Steps(steps) => {
            check_chain(&steps, newest);
            let soas = records.iter().filter(is_apex_soa).count();
            assert_eq!(soas, 2 + 2 * steps.len());
            let inside: Vec<_> = records.iter().filter(|record| !is_apex_soa(record)).collect();
            let told: Vec<_> = steps.iter().flat_map(|step| step.deleted.iter().chain(&step.added)).collect();
            let mut inside = inside.into_iter().filter(|record| record.name.is_within(&origin));
            assert!(told.iter().all(|record| inside.next().is_some_and(|raw| is_same(raw, record))));
            assert!(inside.next().is_none());
        }
    }
});

fn check_chain(steps: &[Step], newest: u32) {
    assert_eq!(steps.first().map(|step| step.from), Some(HELD));
    assert_eq!(steps.last().map(|step| step.to), Some(newest));
    assert!(steps.windows(2).all(|pair| pair[0].to == pair[1].from));
    for step in steps {
        assert!(Serial(step.to).is_newer_than(Serial(step.from)));
        assert_eq!(step.soa.rdata.soa_serial(), Some(step.to));
    }
}

fn is_same(raw: &RawRecord, record: &Record) -> bool {
    (&raw.name, raw.ttl, &raw.rdata) == (&record.name, record.ttl, &record.rdata)
}

/// The record that a byte stands for.
fn chosen(origin: &Name, choice: u8, below: Name) -> (Name, Rdata) {
    match choice % 8 {
        0..=3 => (origin.clone(), soa(choice / 8 % 5)),
        4 => (below, soa(0)),
        5 => (Name::root(), Rdata::a([10, 0, 0, choice].into())),
        6 if choice > 0xf0 => (origin.clone(), Rdata::from_wire(RecordType::SOA, [choice])),
        _ => (below, Rdata::a([10, 0, 0, choice].into())),
    }
}

/// 4 stands for a serial that is not newer than the held one, over the wrap.
fn soa(serial: u8) -> Rdata {
    let serial = if serial == 4 { u32::MAX } else { u32::from(serial) };
    let mut wire = vec![0, 0];
    wire.extend(serial.to_be_bytes());
    wire.extend([0; 16]);
    Rdata::from_wire(RecordType::SOA, wire)
}
