//! A zone transfer, message by message, until the zone is whole (RFC 5936).
//!
//! ```text
//!   Start ──SOA──▶ Inside ──any record──▶ Inside ──the same SOA──▶ Whole
//! ```
//! Anything else is an error; a zone that is not whole is never given out.

use super::rcode::Rcode;
use super::wire::{CLASS_IN, Message, WireError};
use crate::model::{Name, Rdata, Record, RecordType, Zone};

/// Why a transfer brought no zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// A message could not be read.
    #[error("message {message} of the transfer cannot be read: {source}")]
    Unreadable {
        /// Which message, from 1.
        message: usize,
        /// Why.
        source: WireError,
    },
    /// The server said no.
    #[error("{} ({})", .0.explain_transfer(), .0)]
    Refused(Rcode),
    /// A message that answers another query.
    #[error("message {0} of the transfer does not belong to our query")]
    Foreign(usize),
    /// The content breaks the form of a transfer.
    #[error("message {message} of the transfer {what}")]
    Malformed {
        /// Which message, from 1.
        message: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// An AXFR under way.
#[derive(Debug)]
pub struct Transfer {
    id: u16,
    zone: Zone,
    messages: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Start,
    Inside { soa: Rdata },
    Whole,
    Broken,
}

impl Transfer {
    /// Waits for the answers to the query `id` for the zone at `origin`.
    pub fn new(id: u16, origin: Name) -> Self {
        Self { id, zone: Zone::empty(origin), messages: 0, state: State::Start }
    }

    /// How many records have come so far, and in how many messages.
    pub fn progress(&self) -> (usize, usize) {
        (self.zone.record_count(), self.messages)
    }

    /// Takes the next message; says whether the zone is whole now.
    ///
    /// # Errors
    /// When the message is no part of a proper transfer; the transfer is over then.
    pub fn message(&mut self, bytes: &[u8]) -> Result<bool, TransferError> {
        let taken = self.take(bytes);
        if taken.is_err() {
            self.state = State::Broken;
        }
        taken
    }

    fn take(&mut self, bytes: &[u8]) -> Result<bool, TransferError> {
        self.messages += 1;
        let message = self.messages;
        let parsed = Message::parse(bytes).map_err(|source| TransferError::Unreadable { message, source })?;
        let header = parsed.header;
        if header.id != self.id || !header.is_response() || header.opcode() != 0 {
            return Err(TransferError::Foreign(message));
        }
        if parsed.rcode() != 0 {
            return Err(TransferError::Refused(Rcode(parsed.rcode())));
        }
        if header.is_truncated() || parsed.answers.len() != usize::from(header.counts[1]) {
            return Err(TransferError::Malformed { message, what: "is cut short" });
        }
        if parsed.answers.is_empty() {
            return Err(TransferError::Malformed { message, what: "has no records" });
        }
        for raw in parsed.answers {
            if raw.class != CLASS_IN {
                return Err(TransferError::Malformed { message, what: "has a record of another class" });
            }
            self.record(Record { name: raw.name, ttl: raw.ttl, rdata: raw.rdata }, message)?;
        }
        Ok(matches!(self.state, State::Whole))
    }

    fn record(&mut self, record: Record, message: usize) -> Result<(), TransferError> {
        let malformed = |what| TransferError::Malformed { message, what };
        let is_apex_soa = record.rdata.record_type() == RecordType::SOA && record.name == *self.zone.origin();
        match &self.state {
            State::Start if is_apex_soa && record.rdata.soa_serial().is_some() => {
                self.state = State::Inside { soa: record.rdata.clone() };
                self.zone.insert(record);
            }
            State::Start => return Err(malformed("does not begin with the zone's SOA record")),
            State::Inside { soa } if is_apex_soa => {
                if *soa != record.rdata {
                    return Err(malformed("ends with another SOA record than it began with"));
                }
                self.state = State::Whole;
            }
            State::Inside { .. } if record.name.is_within(self.zone.origin()) => self.zone.insert(record),
            State::Inside { .. } => {} // RFC 5936 section 2.2.6 lets a zone's glue lie outside; it is not ours to manage
            State::Whole => return Err(malformed("goes on after the zone's last record")),
            State::Broken => return Err(malformed("comes after one that was refused")),
        }
        Ok(())
    }

    /// The zone, when it is whole and no message was refused.
    pub fn into_zone(self) -> Option<Zone> {
        matches!(self.state, State::Whole).then_some(self.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::wire::{self, Header, RecordRef};

    const ID: u16 = 9;

    fn origin() -> Name {
        "internal.local".parse().unwrap()
    }

    fn soa(serial: u8) -> Record {
        let mut wire = vec![0, 0];
        wire.extend([0, 0, 0, serial]);
        wire.extend([0; 16]);
        Record { name: origin(), ttl: 300, rdata: Rdata::from_wire(RecordType::SOA, wire) }
    }

    fn a(host: &str) -> Record {
        let name = format!("{host}.internal.local").parse().unwrap();
        Record { name, ttl: 300, rdata: Rdata::a([10, 0, 0, 1].into()) }
    }

    fn message(id: u16, flags: u16, records: &[Record]) -> Vec<u8> {
        let mut out = Vec::new();
        let answers = u16::try_from(records.len()).unwrap();
        wire::write_header(&mut out, Header { id, flags, counts: [1, answers, 0, 0] });
        wire::write_question(&mut out, &origin(), RecordType::AXFR);
        for Record { name, ttl, rdata } in records {
            let record =
                RecordRef { name, record_type: rdata.record_type(), class: 1, ttl: *ttl, rdata: rdata.as_wire() };
            wire::write_record(&mut out, &origin(), &record);
        }
        out
    }

    fn run(messages: &[Vec<u8>]) -> Result<Option<Zone>, TransferError> {
        let mut transfer = Transfer::new(ID, origin());
        for message in messages {
            if transfer.message(message)? {
                return Ok(transfer.into_zone());
            }
        }
        Ok(transfer.into_zone())
    }

    #[test]
    fn whole_in_one_or_many_messages() {
        let records = [soa(7), a("a"), a("b"), soa(7)];
        let one = run(&[message(ID, 0x8400, &records)]).unwrap().unwrap();
        let many: Vec<_> = records.iter().map(|record| message(ID, 0x8400, std::slice::from_ref(record))).collect();
        assert_eq!(run(&many).unwrap().unwrap(), one);
        assert_eq!((one.serial(), one.record_count()), (7, 3));
    }

    #[test]
    fn cut_short_is_never_a_zone() {
        assert_eq!(run(&[message(ID, 0x8400, &[soa(7), a("a")])]), Ok(None));
        let mut lying = message(ID, 0x8400, &[soa(7), a("a"), soa(7)]);
        let without_last = lying.len() - message(ID, 0x8400, &[soa(7)]).len() + message(ID, 0x8400, &[]).len();
        lying.truncate(without_last);
        assert!(matches!(run(&[lying]), Err(TransferError::Malformed { .. })));
    }

    #[test]
    fn a_refused_message_ends_it_for_good() {
        for wrong in [message(ID, 0x8400, &[a("a")]), message(ID, 0x8405, &[])] {
            let mut transfer = Transfer::new(ID, origin());
            assert_eq!(transfer.message(&message(ID, 0x8400, &[soa(7), soa(7)])), Ok(true));
            assert!(transfer.message(&wrong).is_err());
            assert!(transfer.message(&message(ID, 0x8400, &[soa(7), soa(7)])).is_err());
            assert_eq!(transfer.into_zone(), None);
        }
    }

    #[test]
    fn refuses_what_is_not_a_transfer() {
        for wrong in [
            message(ID, 0x8400, &[a("a"), soa(7)]),
            message(ID, 0x8400, &[soa(7), a("a"), soa(8)]),
            message(ID, 0x8400, &[soa(7), soa(7), a("a")]),
            message(ID, 0x8400, &[]),
            message(ID, 0x8600, &[soa(7), soa(7)]),
            message(ID + 1, 0x8400, &[soa(7), soa(7)]),
            message(ID, 0x0400, &[soa(7), soa(7)]),
        ] {
            assert!(run(&[wrong]).is_err());
        }
        assert_eq!(run(&[message(ID, 0x8405, &[])]), Err(TransferError::Refused(Rcode::REFUSED)));
    }
}
