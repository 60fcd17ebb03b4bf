//! A primary's word that a zone has changed, and the answer to it (RFC 1996).
//!
//! A NOTIFY is a hint and no more: it moves somebody to ask the primary. Whether to listen to it is decided by who
//! sent it and how it is signed, see [`crate::dns::NotifyListener`].

use std::fmt;

use super::rcode::Rcode;
use super::tsig::{BADKEY, BADSIG, BADTIME};
use super::wire::{self, CLASS_IN, Header, Message, Reader};
use crate::model::{Name, RecordType};

const OPCODE: u8 = 4;
/// The UDP size that answers announce to who speaks EDNS: more than any NOTIFY needs.
const UDP_SIZE: u16 = 1232;
const QR: u16 = 0x8000;
const AA: u16 = 0x0400;

/// What a NOTIFY says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The zone that has changed.
    pub zone: Name,
    /// The serial that it has now, as an unproven hint (section 3.7).
    pub serial: Option<u32>,
}

/// Why a request is not listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Another opcode than NOTIFY.
    OtherOpcode(u8),
    /// It cannot be read, or does not ask for one zone's SOA record.
    Malformed,
    /// A zone that we do not have.
    UnknownZone(Name),
    /// Without a signature, and from an address that is not the primary's.
    Sender,
    /// Without a signature where one is demanded.
    Unsigned,
    /// With a signature that does not hold: the TSIG error.
    Tsig(u16),
}

impl Refusal {
    /// The response code that tells the sender.
    pub fn rcode(&self) -> Rcode {
        match self {
            Self::OtherOpcode(_) => Rcode::NOTIMP,
            Self::Malformed => Rcode::FORMERR,
            Self::UnknownZone(_) | Self::Tsig(_) => Rcode::NOTAUTH, // RFC 8945 section 5.2 has it for the latter
            Self::Sender | Self::Unsigned => Rcode::REFUSED,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherOpcode(opcode) => write!(f, "a message with opcode {opcode}, not a NOTIFY"),
            Self::Malformed => f.write_str("not a readable NOTIFY"),
            Self::UnknownZone(zone) => write!(f, "zone {zone} is not in the configuration"),
            Self::Sender => f.write_str("without a signature, and not from the zone's primary"),
            Self::Unsigned => f.write_str("without a signature, which this zone demands"),
            Self::Tsig(BADKEY) => f.write_str("signed with a key that is not this zone's (BADKEY)"),
            Self::Tsig(BADSIG) => f.write_str("the signature is wrong, the secrets differ (BADSIG)"),
            Self::Tsig(BADTIME) => f.write_str("signed too long ago or in the future, the clocks differ (BADTIME)"),
            Self::Tsig(error) => write!(f, "TSIG error {error}"),
        }
    }
}

/// The opcode of a request. None for a response, which is never answered lest two servers answer each other without
/// end, and for what has no header.
pub fn opcode(bytes: &[u8]) -> Option<u8> {
    let header = Reader::new(bytes).header().ok()?;
    (!header.is_response()).then(|| header.opcode())
}

/// Reads a request, its signature taken off.
///
/// # Errors
/// When it is no NOTIFY or not a proper one (section 3).
pub fn read(bytes: &[u8]) -> Result<Notification, Refusal> {
    let message = Message::parse(bytes).map_err(|_| Refusal::Malformed)?;
    let Message { header, questions, answers, authorities, additionals } = message;
    if header.opcode() != OPCODE {
        return Err(Refusal::OtherOpcode(header.opcode()));
    }
    let sections = [questions.len(), answers.len(), authorities.len(), additionals.len()];
    let is_whole = sections == header.counts.map(usize::from) && !header.is_truncated();
    // A signature that is still there stood in the wrong place (RFC 8945 section 5.1).
    let is_signed = additionals.iter().any(|record| record.record_type() == RecordType::TSIG);
    let [question] = <[_; 1]>::try_from(questions).map_err(|_| Refusal::Malformed)?;
    if !is_whole || is_signed || (question.record_type, question.class) != (RecordType::SOA, CLASS_IN) {
        return Err(Refusal::Malformed);
    }
    let mut soas = answers.iter().filter(|record| record.name == question.name && record.class == CLASS_IN);
    let serial = soas.find_map(|record| record.rdata.soa_serial());
    Ok(Notification { zone: question.name, serial })
}

/// The answer to a request of any kind: its ID and opcode, and its question when there is one to be read.
pub fn answer(request: &[u8], rcode: Rcode) -> Vec<u8> {
    let mut reader = Reader::new(request);
    let header = reader.header().unwrap_or(Header { id: 0, flags: 0, counts: [0; 4] });
    let question = (header.counts[0] == 1).then(|| reader.question().ok()).flatten();
    let has_opt = Message::parse(request).is_ok_and(|message| message.opt().is_some());
    let opcode = u16::from(header.opcode()) << 11;
    let flags = QR | opcode | AA | rcode.0 & 0xf;
    let counts = [u16::from(question.is_some()), 0, 0, u16::from(has_opt)];
    let mut out = Vec::with_capacity(request.len());
    wire::write_header(&mut out, Header { id: header.id, flags, counts });
    if let Some(question) = question {
        out.extend_from_slice(question.name.as_wire());
        out.extend(question.record_type.0.to_be_bytes());
        out.extend(question.class.to_be_bytes());
    }
    if has_opt {
        wire::write_opt(&mut out, UDP_SIZE); // RFC 6891 section 6.1.1: who speaks EDNS is answered in it.
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rdata;
    use crate::protocol::wire::RecordRef;

    fn unhex(text: &str) -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    /// Captured from BIND 9.18: an unsigned NOTIFY with the SOA record of serial 2.
    const NOTIFY: &str = "
        5b0a 2400 0001 0001 0000 0000 08696e7465726e616c056c6f63616c00 0006 0001
        c00c 0006 0001 00000000 0027 036e7331c00c 0a686f73746d6173746572c00c 00000002 00000e10 00000258 00093a80 0000003c";

    fn zone() -> Name {
        "internal.local".parse().unwrap()
    }

    fn request(flags: u16, record_type: RecordType) -> Vec<u8> {
        let mut out = Vec::new();
        wire::write_header(&mut out, Header { id: 0x1234, flags, counts: [1, 0, 0, 0] });
        wire::write_question(&mut out, &zone(), record_type);
        out
    }

    #[test]
    fn reads_what_bind_sends() {
        assert_eq!(read(&unhex(NOTIFY)), Ok(Notification { zone: zone(), serial: Some(2) }));
        assert_eq!(opcode(&unhex(NOTIFY)), Some(4));
    }

    #[test]
    fn the_answer_to_the_byte() {
        let question = "08696e7465726e616c056c6f63616c00 0006 0001";
        let good = unhex(&format!("5b0a a400 0001 0000 0000 0000 {question}"));
        assert_eq!(answer(&unhex(NOTIFY), Rcode::NOERROR), good);
        let refused = unhex(&format!("5b0a a405 0001 0000 0000 0000 {question}"));
        assert_eq!(answer(&unhex(NOTIFY), Rcode::REFUSED), refused);
        let update = unhex(&format!("1234 ac04 0001 0000 0000 0000 {question}"));
        assert_eq!(answer(&request(0x2800, RecordType::SOA), Rcode::NOTIMP), update);
        assert_eq!(
            answer(&unhex("1234 2400 0001 0000 0000 0000 40"), Rcode::FORMERR),
            unhex("1234a4010000000000000000")
        );
    }

    #[test]
    fn edns_is_answered_in_edns() {
        let mut with_opt = wire::query(7, &zone(), RecordType::SOA, false, Some(4096));
        with_opt[2] = 0x24;
        assert_eq!(read(&with_opt), Ok(Notification { zone: zone(), serial: None }));
        assert!(Message::parse(&answer(&with_opt, Rcode::NOERROR)).unwrap().opt().is_some());
    }

    #[test]
    fn an_answer_is_never_answered() {
        assert_eq!(opcode(&answer(&unhex(NOTIFY), Rcode::NOERROR)), None);
        assert_eq!(opcode(&unhex(NOTIFY)[..11]), None);
    }

    #[test]
    fn a_hint_about_another_name_is_none() {
        let mut message = request(0x2400, RecordType::SOA);
        message[7] = 1;
        let (name, rdata) = ("other.local".parse().unwrap(), Rdata::from_wire(RecordType::SOA, vec![0; 22]));
        let record = RecordRef { name: &name, record_type: RecordType::SOA, class: 1, ttl: 0, rdata: rdata.as_wire() };
        wire::write_record(&mut message, &zone(), &record);
        assert_eq!(read(&message), Ok(Notification { zone: zone(), serial: None }));
    }

    #[test]
    fn refuses_what_is_no_notify() {
        assert_eq!(read(&request(0x0000, RecordType::SOA)), Err(Refusal::OtherOpcode(0)));
        assert_eq!(read(&request(0x2400, RecordType::A)), Err(Refusal::Malformed));
        assert_eq!(read(&request(0x2600, RecordType::SOA)), Err(Refusal::Malformed), "cut short");
        let whole = unhex(NOTIFY);
        let end = whole.len();
        for cut in (0..end).filter(|&cut| cut != 27) {
            assert!(read(&whole[..cut]).is_err(), "cut at {cut}");
        }
        for (at, byte) in [(5, 0), (5, 2), (7, 2), (9, 1), (11, 1), (31, 3)] {
            let mut wrong = whole.clone();
            wrong[at] = byte;
            assert_eq!(read(&wrong), Err(Refusal::Malformed), "byte {at}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_answered_in_kind_or_not_at_all(bytes in proptest::collection::vec(0u8..=255, 0..300)) {
            let _ = read(&bytes);
            let answered = Message::parse(&answer(&bytes, Rcode::FORMERR)).unwrap();
            proptest::prop_assert!(answered.header.is_response());
        }
    }
}
