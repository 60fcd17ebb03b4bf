//! Bytes as the messages of a transfer, for the targets that read one; no target itself.

use srvctl::model::{Name, Rdata, RecordType};
use srvctl::protocol::wire::{self, Header, RecordRef};

/// The ID of the query that is answered.
pub const ID: u16 = 9;

/// The messages that the bytes stand for: after an odd byte as they are, after an even one a proper answer to a query
/// of that type. `record` makes the record that a byte stands for, and is given a name of its own below the origin.
pub fn messages<'a>(
    bytes: &'a [u8],
    origin: &'a Name,
    query_type: RecordType,
    record: impl Fn(u8, Name) -> (Name, Rdata) + 'a,
) -> impl Iterator<Item = Vec<u8>> + 'a {
    let parts = bytes.split(|&byte| byte == 0xff).filter_map(<[u8]>::split_first);
    parts.map(move |(kind, rest)| match kind % 2 {
        0 => composed(origin, query_type, rest, &record), // every byte a record
        _ => rest.to_vec(),
    })
}

fn composed(
    origin: &Name,
    query_type: RecordType,
    choices: &[u8],
    record: impl Fn(u8, Name) -> (Name, Rdata),
) -> Vec<u8> {
    let mut out = Vec::new();
    let answers = u16::try_from(choices.len()).unwrap_or(u16::MAX);
    wire::write_header(&mut out, Header { id: ID, flags: 0x8400, counts: [1, answers, 0, 0] });
    wire::write_question(&mut out, origin, query_type);
    for &choice in choices {
        let below = origin.prepend(&[choice]).unwrap_or_else(|_| origin.clone());
        let (name, rdata) = record(choice, below);
        let class = if choice == 0xfe { wire::CLASS_NONE } else { wire::CLASS_IN };
        let record =
            RecordRef { name: &name, record_type: rdata.record_type(), class, ttl: 300, rdata: rdata.as_wire() };
        wire::write_record(&mut out, origin, &record);
    }
    out
}
