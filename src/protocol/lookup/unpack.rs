//! Which bytes the consumers' library accepts as a message.
//!
//! [`Message::parse`] reads leniently, for transfers. Prometheus' library takes known record data apart while
//! reading, and one malformed record loses the whole message (miekg/dns `msg.go`, `UnpackRRWithHeader`).
//! Known here are the types that a look-up meets; all others are opaque, where the library would also take
//! apart, for example, an RRSIG. Nobody asked for DNSSEC in these queries, so none is expected.

use crate::model::{Rdata, RecordType};
use crate::protocol::wire::{Message, RawRecord, WireError};

/// Why Prometheus' library would refuse the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// Not a DNS message at all.
    #[error("the reply cannot be read: {0}")]
    Wire(#[from] WireError),
    /// Record data that is not of the form its type has.
    #[error("the reply has malformed {0} data")]
    Rdata(RecordType),
    /// A TSIG record in reply to a query without one: the library has no secret to verify it with.
    #[error("the reply is signed, but the query was not")]
    Signed,
}

/// Reads a message with the library's strictness.
///
/// Data of length 0 is well-formed for every type, and numbers may be missing from the end of SRV, MX and SOA
/// data: the library leaves fields that it finds no bytes for empty.
///
/// # Errors
/// When the library would refuse the message.
pub(super) fn unpack(bytes: &[u8]) -> Result<Message, UnpackError> {
    let message = Message::parse(bytes)?;
    let sections = [&message.answers, &message.authorities, &message.additionals];
    if let Some(bad) = sections.into_iter().flatten().find(|record| !is_well_formed(&record.rdata)) {
        return Err(UnpackError::Rdata(bad.record_type()));
    }
    if message.additionals.last().map(RawRecord::record_type) == Some(RecordType::TSIG) {
        return Err(UnpackError::Signed);
    }
    Ok(message)
}

/// The names inside were already checked by the parser, which had to decompress them.
fn is_well_formed(rdata: &Rdata) -> bool {
    let wire = rdata.as_wire();
    match rdata.record_type() {
        RecordType::A => matches!(wire.len(), 0 | 4),
        RecordType::AAAA => matches!(wire.len(), 0 | 16),
        RecordType::SRV => matches!(wire.len(), 0 | 2 | 4 | 6..),
        RecordType::MX => matches!(wire.len(), 0 | 2..),
        RecordType::TXT => rdata.as_txt().is_some(),
        RecordType::SOA => wire.is_empty() || soa_numbers(wire).is_some_and(|rest| rest % 4 == 0 && rest <= 20),
        RecordType::OPT => are_options(wire),
        _ => true,
    }
}

/// How many bytes follow SOA's two names.
fn soa_numbers(wire: &[u8]) -> Option<usize> {
    let mut at = 0;
    for _ in 0..2 {
        while *wire.get(at)? != 0 {
            at += 1 + usize::from(wire[at]);
        }
        at += 1;
    }
    wire.len().checked_sub(at)
}

/// Whether EDNS options fill their announced lengths (RFC 6891 section 6.1.2).
fn are_options(mut wire: &[u8]) -> bool {
    while !wire.is_empty() {
        let Some((&[_, _, high, low], rest)) = wire.split_first_chunk() else {
            return false;
        };
        let Some(rest) = rest.get(usize::from(u16::from_be_bytes([high, low]))..) else {
            return false;
        };
        wire = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply with one answer of the type and data, its owner the root.
    fn reply(record_type: RecordType, rdata: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0];
        bytes.extend(record_type.0.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 0, 0]);
        bytes.extend(u16::try_from(rdata.len()).unwrap().to_be_bytes());
        bytes.extend(rdata);
        bytes
    }

    fn accepted(record_type: RecordType, rdata: &[u8]) -> bool {
        unpack(&reply(record_type, rdata)).is_ok()
    }

    #[test]
    fn data_of_the_wrong_length_loses_the_message() {
        for (record_type, bad) in [
            (RecordType::A, &b"\x7f\0\0"[..]),
            (RecordType::A, b"\x7f\0\0\x01\0"),
            (RecordType::AAAA, b"\0\0\0\x01"),
            (RecordType::SRV, b"\0"),
            (RecordType::SRV, b"\0\0\0\0\0"),
            (RecordType::SRV, b"\0\0\0\0\0\x01\x05hos"),
            (RecordType::SRV, b"\0\0\0\0\0\x01\x04host\0\0"),
            (RecordType::MX, b"\0"),
            (RecordType::MX, b"\0\0\x04host\0\0"),
            (RecordType::NS, b"\x04host"),
            (RecordType::NS, b"\x04host\0\0"),
            (RecordType::CNAME, b"\x40"),
            (RecordType::PTR, b"\xc0\xff"),
            (RecordType::TXT, b"\x05hi"),
            (RecordType::SOA, b"\0\0\0\0\0"),
            (RecordType::SOA, b"\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05\0\0\0\x06"),
            (RecordType::OPT, b"\0\x0a\0\x08abc"),
            (RecordType::OPT, b"\0\x0a\0"),
        ] {
            assert!(!accepted(record_type, bad), "{record_type} {bad:?}");
        }
    }

    #[test]
    fn well_formed_data_passes() {
        for (record_type, good) in [
            (RecordType::A, &b"\x7f\0\0\x01"[..]),
            (RecordType::AAAA, &[0; 16]),
            (RecordType::SRV, b"\0\0\0\0\0\x01\x04host\0"),
            (RecordType::SRV, b"\0\0\0\0\0\x01\0"),
            (RecordType::MX, b"\0\0\x04host\0"),
            (RecordType::NS, b"\x04host\0"),
            (RecordType::CNAME, b"\0"),
            (RecordType::TXT, b"\x02hi\0"),
            (RecordType::SOA, b"\x01a\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05"),
            (RecordType::OPT, b"\0\x0a\0\x03abc\0\x03\0\0"),
        ] {
            assert!(accepted(record_type, good), "{record_type} {good:?}");
        }
    }

    #[test]
    fn absent_fields_are_forgiven_at_their_boundaries() {
        let types = [RecordType::A, RecordType::AAAA, RecordType::SRV, RecordType::MX, RecordType::NS];
        let more = [RecordType::CNAME, RecordType::PTR, RecordType::TXT, RecordType::SOA, RecordType::OPT];
        for record_type in types.into_iter().chain(more) {
            assert!(accepted(record_type, b""), "{record_type}");
        }
        for length in [2, 4, 6] {
            assert!(accepted(RecordType::SRV, &[0; 6][..length]), "{length}");
        }
        assert!(accepted(RecordType::MX, &[0; 2]));
        assert!(accepted(RecordType::SOA, b"\0\0\0\0\0\x01"));
    }

    #[test]
    fn unknown_types_are_opaque() {
        assert!(accepted(RecordType(65280), b"\xff\xff\xff"));
        assert!(accepted(RecordType::RRSIG, b"\xff"));
    }

    #[test]
    fn a_signed_reply_is_refused() {
        let mut bytes = reply(RecordType::TSIG, b"");
        assert!(unpack(&bytes).is_ok(), "only the end of the additional section counts");
        bytes[7] = 0;
        bytes[11] = 1;
        assert_eq!(unpack(&bytes), Err(UnpackError::Signed));
    }

    proptest::proptest! {
        #[test]
        fn any_data_is_accepted_or_refused(number in 0u16..60, rdata in proptest::collection::vec(0u8..=255, 0..60)) {
            let _ = accepted(RecordType(number), &rdata);
        }
    }
}
