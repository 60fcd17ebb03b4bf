//! Records and messages that the tests of transfers are made of.

use crate::model::{Name, Rdata, Record, RecordType};
use crate::protocol::wire::{self, Header, RecordRef};

/// The query that the messages answer.
pub(super) const ID: u16 = 9;
/// The flags of an authoritative answer.
pub(super) const ANSWER: u16 = 0x8400;

pub(super) fn origin() -> Name {
    "internal.local".parse().unwrap()
}

pub(super) fn soa(serial: u32) -> Record {
    let mut wire = vec![0, 0];
    wire.extend(serial.to_be_bytes());
    wire.extend([0; 16]);
    Record { name: origin(), ttl: 300, rdata: Rdata::from_wire(RecordType::SOA, wire) }
}

pub(super) fn a(host: &str) -> Record {
    let name = format!("{host}.internal.local").parse().unwrap();
    Record { name, ttl: 300, rdata: Rdata::a([10, 0, 0, 1].into()) }
}

pub(super) fn message(id: u16, flags: u16, records: &[Record]) -> Vec<u8> {
    let mut out = Vec::new();
    let answers = u16::try_from(records.len()).unwrap();
    wire::write_header(&mut out, Header { id, flags, counts: [1, answers, 0, 0] });
    wire::write_question(&mut out, &origin(), RecordType::AXFR);
    for Record { name, ttl, rdata } in records {
        let record = RecordRef { name, record_type: rdata.record_type(), class: 1, ttl: *ttl, rdata: rdata.as_wire() };
        wire::write_record(&mut out, &origin(), &record);
    }
    out
}
