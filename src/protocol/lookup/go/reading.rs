//! A reply as Go reads it: lazily, so that what it never comes to may be broken.

use super::Release;
use crate::model::{MAX_NAME, Name, Rdata, RecordType};
use crate::protocol::lookup::{Exchange, Failure, Received, Response, Transport};
use crate::protocol::rcode::Rcode;
use crate::protocol::wire::{HEADER_LEN, Header, Message, Question, RawRecord, Reader};

/// Go follows this many pointers in a name, wherever they point (x/net `dnsmessage`, `Name.unpack`).
const MAX_POINTERS: usize = 10;

/// What a reply says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::protocol::lookup) struct Reading {
    /// The response code, with OPT's upper bits for all but Go 1.19.
    pub(super) rcode: Rcode,
    /// Whether there is any record in the additional section; Go 1.19 does not look.
    pub(super) has_additional: bool,
    pub(super) answers: Answers,
}

/// The answer section, as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Answers {
    /// The records of the type asked for, whosever they are.
    pub(super) records: Vec<RawRecord>,
    /// Whether there is such a record, readable or not: then Go is done with servers.
    pub(super) found: bool,
    /// How far the section can be read.
    pub(super) extent: Extent,
}

/// How far a section can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Extent {
    /// There is nothing in it.
    #[default]
    Empty,
    /// To its end.
    Whole,
    /// Not even to the first record's data.
    Nowhere,
    /// Not to its end.
    Partly,
}

/// Judges a datagram, or a whole message from a TCP stream (`net/dnsclient_unix.go`, `dnsPacketRoundTrip` and
/// `dnsStreamRoundTrip`). Over UDP whatever is not a reply to this question is passed over.
pub(in crate::protocol::lookup) fn receive(bytes: &[u8], exchange: &Exchange, release: Release) -> Received {
    let Exchange { id, question, via, .. } = exchange;
    let or_ignore = |failure| match via.transport {
        Transport::Udp => Received::Ignore,
        Transport::Tcp => Received::Failed(failure),
    };
    let mut parser = Parser { bytes, at: HEADER_LEN, release };
    let Ok(header) = Reader::new(bytes).header() else { return or_ignore(Failure::Unreadable) };
    let Some(repeated) = (header.counts[0] > 0).then(|| parser.question()).flatten() else {
        return or_ignore(Failure::Unreadable);
    };
    if !header.is_response() || header.id != *id || repeated != *question {
        return or_ignore(Failure::NotOurs);
    }
    if header.counts[0] > 1 {
        return Received::Failed(Failure::NotOurs);
    }
    let (rcode, has_additional) = match release {
        Release::Go1_19 => (header.rcode(), false),
        Release::Current => parser.clone().extended_rcode(header),
    };
    let answers = parser.answers(header.counts[1], question.record_type);
    let message = shown(bytes, header, repeated, &answers.records);
    let reading = Reading { rcode: Rcode(rcode), has_additional, answers };
    Received::Reply(Response { message, size: bytes.len(), reading: Some(reading) })
}

/// The message to show: all of it, if it can be read and holds what Go has found, else what Go came to see.
fn shown(bytes: &[u8], header: Header, question: Question, found: &[RawRecord]) -> Message {
    let is_of_type = |record: &&RawRecord| record.record_type() == question.record_type;
    match Message::parse(bytes) {
        Ok(message) if message.answers.iter().filter(is_of_type).eq(found) => message,
        _ => Message {
            header,
            questions: vec![question],
            answers: found.to_vec(),
            authorities: Vec::new(),
            additionals: Vec::new(),
        },
    }
}

/// A cursor as Go's `dnsmessage.Parser`: nothing where Go has an error.
#[derive(Clone)]
struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    release: Release,
}

/// What stands before a record's data.
struct RecordHeader {
    name: Name,
    record_type: RecordType,
    class: u16,
    ttl: u32,
    length: usize,
}

impl Parser<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = *self.bytes.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn question(&mut self) -> Option<Question> {
        let name = self.name(true)?;
        Some(Question { name, record_type: RecordType(self.u16()?), class: self.u16()? })
    }

    fn header(&mut self) -> Option<RecordHeader> {
        let name = self.name(true)?;
        self.header_after(name)
    }

    fn header_after(&mut self, name: Name) -> Option<RecordHeader> {
        let (record_type, class) = (RecordType(self.u16()?), self.u16()?);
        let ttl = self.take().map(u32::from_be_bytes)?;
        Some(RecordHeader { name, record_type, class, ttl, length: self.u16()?.into() })
    }

    /// Moves over data; only what is passed over has to be there.
    fn pass(&mut self, length: usize) -> Option<()> {
        self.at += length;
        (self.at <= self.bytes.len()).then_some(())
    }

    fn answers(&mut self, count: u16, wanted: RecordType) -> Answers {
        let mut answers = Answers::default();
        let starts = self.clone().header().is_some();
        let ends = (0..count).try_for_each(|_| self.answer(wanted, &mut answers)).is_some();
        answers.extent = match (count, starts, ends) {
            (0, ..) => Extent::Empty,
            (_, false, _) => Extent::Nowhere,
            (_, _, false) => Extent::Partly,
            _ => Extent::Whole,
        };
        answers
    }

    fn answer(&mut self, wanted: RecordType, answers: &mut Answers) -> Option<()> {
        let header = self.header()?;
        if header.record_type != wanted {
            return self.pass(header.length);
        }
        answers.found = true;
        let end = self.at + header.length;
        let rdata = self.data(&header)?;
        answers.records.push(RawRecord { name: header.name, class: header.class, ttl: header.ttl, rdata });
        // What a name in the data takes is not compared with the length.
        self.at = end;
        Some(())
    }

    /// Names in the data are decompressed; data without one is taken as it is.
    fn data(&mut self, header: &RecordHeader) -> Option<Rdata> {
        let numbers = match header.record_type {
            RecordType::SRV => 6,
            RecordType::MX => 2,
            RecordType::NS | RecordType::CNAME | RecordType::PTR => 0,
            _ => return Some(Rdata::from_wire(header.record_type, self.bytes.get(self.at..self.at + header.length)?)),
        };
        let numbers_at = self.at;
        self.at += numbers;
        let compressed = header.record_type != RecordType::SRV || self.release != Release::Go1_19;
        let host = self.name(compressed)?;
        let numbers = self.bytes.get(numbers_at..numbers_at + numbers)?;
        Some(Rdata::from_wire(header.record_type, [numbers, host.as_wire()].concat()))
    }

    /// The code with its upper bits, and whether any additional record was seen (`extractExtendedRCode`).
    fn extended_rcode(mut self, header: Header) -> (u16, bool) {
        let [_, answers, authorities, additionals] = header.counts;
        let before = u32::from(answers) + u32::from(authorities);
        if (0..before).try_for_each(|_| self.skip_record()).is_none() {
            return (header.rcode(), false);
        }
        let mut seen = false;
        for _ in 0..additionals {
            let Some(record) = self.header() else { break };
            seen = true;
            if record.record_type == RecordType::OPT {
                return (((record.ttl >> 24) as u16) << 4 | header.rcode(), true);
            }
            if self.pass(record.length).is_none() {
                break;
            }
        }
        (header.rcode(), seen)
    }

    fn skip_record(&mut self) -> Option<()> {
        self.skip_name()?;
        let header = self.header_after(Name::root())?;
        self.pass(header.length)
    }

    fn skip_name(&mut self) -> Option<()> {
        loop {
            match self.take()? {
                [0] => return Some(()),
                [length @ 1..=63] => self.pass(length.into())?,
                [0xc0..=0xff] => {
                    self.at += 1; // whether or not it is there
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// Too long a name is given up at once: Go would read it to its end first.
    fn name(&mut self, compressed: bool) -> Option<Name> {
        let mut wire = Vec::with_capacity(64);
        let mut after = None;
        let mut pointers = 0;
        while wire.len() < MAX_NAME {
            match self.take()? {
                [0] => {
                    self.at = after.unwrap_or(self.at);
                    wire.push(0);
                    return Name::from_wire(&wire).ok();
                }
                [length @ 1..=63] => wire.extend_from_slice(self.label(length)?),
                [high @ 0xc0..=0xff] if compressed => {
                    let [low] = self.take()?;
                    after.get_or_insert(self.at);
                    pointers += 1;
                    if pointers > MAX_POINTERS {
                        return None;
                    }
                    self.at = usize::from(high & 0x3f) << 8 | usize::from(low);
                }
                _ => return None,
            }
        }
        None
    }

    /// A label, its length in front.
    fn label(&mut self, length: u8) -> Option<&[u8]> {
        let start = self.at - 1;
        self.at += usize::from(length);
        let label = self.bytes.get(start..self.at)?;
        let has_dot = label[1..].contains(&b'.') && self.release != Release::Go1_19;
        (!has_dot).then_some(label)
    }
}
