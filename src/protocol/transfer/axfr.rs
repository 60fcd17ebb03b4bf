//! A whole zone, message by message, until its end has come (RFC 5936).
//!
//! ```text
//!   Start ──SOA──▶ Inside ──any record──▶ Inside ──the same SOA──▶ Whole
//! ```
//! Anything else is an error; a zone that is not whole is never given out.

use super::envelope::{Envelope, TransferError, is_apex_soa};
use crate::model::{Name, Rdata, Record, Zone, ZoneBuilder};

/// An AXFR under way.
#[derive(Debug)]
pub struct Transfer {
    envelope: Envelope,
    content: Content,
    refused: bool,
}

impl Transfer {
    /// Waits for the answers to the query `id` for the zone at `origin`.
    pub fn new(id: u16, origin: Name) -> Self {
        Self { envelope: Envelope::new(id), content: Content::new(origin), refused: false }
    }

    /// How many records have come so far, and in how many messages.
    pub fn progress(&self) -> (usize, usize) {
        (self.content.record_count(), self.envelope.messages())
    }

    /// Takes the next message; says whether the zone is whole now.
    ///
    /// # Errors
    /// When the message is no part of a proper transfer; the transfer is over then.
    pub fn message(&mut self, bytes: &[u8]) -> Result<bool, TransferError> {
        let taken = self.take(bytes);
        self.refused |= taken.is_err();
        taken
    }

    fn take(&mut self, bytes: &[u8]) -> Result<bool, TransferError> {
        let records = self.envelope.open(bytes)?;
        if self.refused {
            return Err(self.envelope.malformed("comes after one that was refused"));
        }
        for record in records {
            self.content.record(record).map_err(|what| self.envelope.malformed(what))?;
        }
        Ok(self.content.is_whole())
    }

    /// The zone, when it is whole and no message was refused.
    pub fn into_zone(self) -> Option<Zone> {
        self.content.into_zone().filter(|_| !self.refused)
    }
}

/// The records of a whole zone as they come, whatever messages they come in.
#[derive(Debug)]
pub(super) struct Content {
    zone: ZoneBuilder,
    state: State,
}

#[derive(Debug)]
enum State {
    Start,
    Inside { soa: Rdata },
    Whole,
}

impl Content {
    /// Nothing yet of the zone at `origin`.
    pub(super) fn new(origin: Name) -> Self {
        Self { zone: ZoneBuilder::new(origin), state: State::Start }
    }

    /// How many records the zone has so far.
    pub(super) fn record_count(&self) -> usize {
        self.zone.record_count()
    }

    /// Takes the next record; an error says what is wrong with it, and nothing that comes after can right that.
    pub(super) fn record(&mut self, record: Record) -> Result<(), &'static str> {
        let is_apex_soa = is_apex_soa(&record, self.zone.origin());
        match &self.state {
            State::Start if is_apex_soa && record.rdata.soa_serial().is_some() => {
                self.state = State::Inside { soa: record.rdata.clone() };
                self.zone.insert(record);
            }
            State::Start => return Err("does not begin with the zone's SOA record"),
            State::Inside { soa } if is_apex_soa => {
                if *soa != record.rdata {
                    return Err("ends with another SOA record than it began with");
                }
                self.state = State::Whole;
            }
            State::Inside { .. } if record.name.is_within(self.zone.origin()) => self.zone.insert(record),
            State::Inside { .. } => {} // RFC 5936 section 2.2.6 lets a zone's glue lie outside; it is not ours to manage
            State::Whole => return Err("goes on after the zone's last record"),
        }
        Ok(())
    }

    /// Whether the last record has come.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.state, State::Whole)
    }

    /// The zone, when it is whole.
    pub(super) fn into_zone(self) -> Option<Zone> {
        self.is_whole().then(|| self.zone.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::rcode::Rcode;
    use crate::protocol::transfer::samples::{ID, a, message, origin, soa};

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
