//! What has changed in a zone since a serial (RFC 1995), or whatever else the server answers instead.
//!
//! ```text
//!   SOA(new)                                                            nothing is newer, or ask for the zone
//!   SOA(new) { SOA(held) deleted… SOA added… } { … } … SOA(new)         steps, each from the serial before it
//!   SOA(new) anything else… SOA(new)                                    the whole zone, as RFC 5936 has it
//! ```
//! Steps of which one is missing, and a zone that is not whole, are never given out.

use std::mem;

use super::axfr::Content;
use super::envelope::{Envelope, TransferError, is_apex_soa};
use crate::model::{Name, Record, RecordType, Serial, Zone};
use crate::protocol::wire::{self, CLASS_IN, HEADER_LEN, Header, RecordRef};

/// A query for the changes of a zone since a serial (RFC 1995 section 3). The other fields of the SOA record that
/// carries it tell the server nothing, and are empty.
pub fn ixfr_query(id: u16, zone: &Name, held: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LEN + zone.len() + 4 + 34);
    wire::write_header(&mut out, Header { id, flags: 0, counts: [1, 0, 1, 0] });
    wire::write_question(&mut out, zone, RecordType::IXFR);
    let mut soa = vec![0, 0]; // two root names
    soa.extend(held.to_be_bytes());
    soa.extend([0; 16]);
    let record = RecordRef { name: zone, record_type: RecordType::SOA, class: CLASS_IN, ttl: 0, rdata: &soa };
    wire::write_record(&mut out, zone, &record);
    out
}

/// How one version of a zone became the next (a difference sequence of RFC 1995 section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The serial before.
    pub from: u32,
    /// The serial after, which is newer.
    pub to: u32,
    /// What went, without the zone's SOA record.
    pub deleted: Vec<Record>,
    /// What came after that, without the zone's SOA record.
    pub added: Vec<Record>,
    /// The zone's SOA record after.
    pub soa: Record,
}

/// What a refresh brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// The server has what we hold.
    UpToDate,
    /// The server has a serial that is not newer than ours, and another one: it went back, or somebody set it anew.
    /// What we hold says nothing about its zone.
    Behind(u32),
    /// What happened since, from the serial that we hold to the server's; at least one step.
    Steps(Vec<Step>),
    /// The whole zone: the server does not know any more what happened since, or found it too long to tell.
    Whole(Zone),
    /// The server has this newer serial, and says no more: the zone has to be asked for as a whole.
    NotAvailable(u32),
}

/// An IXFR under way.
#[derive(Debug)]
pub struct Refresh {
    envelope: Envelope,
    origin: Name,
    held: Serial,
    records: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Start,
    /// The first SOA record, which says what the server has.
    First {
        soa: Record,
        serial: Serial,
    },
    Incremental(Chain),
    Whole(Content),
    Over(Refreshed),
    Broken,
}

/// Steps that end at the serial of `newest`.
#[derive(Debug)]
struct Chain {
    newest: Record,
    /// What is added goes into the last one.
    steps: Vec<Step>,
    /// The next step as long as only what it deletes has come: its serial before, and the records.
    deleting: Option<(Serial, Vec<Record>)>,
}

impl Refresh {
    /// Waits for the answers to the [`ixfr_query`] `id` for the zone at `origin`, of which we hold a version.
    pub fn new(id: u16, origin: Name, held: u32) -> Self {
        Self { envelope: Envelope::new(id), origin, held: Serial(held), records: 0, state: State::Start }
    }

    /// How many records have come so far, and in how many messages.
    pub fn progress(&self) -> (usize, usize) {
        (self.records, self.envelope.messages())
    }

    /// Whether the server sends the whole zone: what we hold of it can be dropped.
    pub fn is_whole(&self) -> bool {
        matches!(self.state, State::Whole(_) | State::Over(Refreshed::Whole(_)))
    }

    /// Whether nothing but a newer SOA record has come.
    ///
    /// It may be all there is: [`Refreshed::NotAvailable`]. It may also be the first message of many, since BIND's
    /// `transfer-format one-answer` sends every record in one of its own. Only waiting tells, so do not wait long.
    pub fn may_be_over(&self) -> bool {
        matches!(self.state, State::First { .. })
    }

    /// Takes the next message; says whether it was the last one.
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
        for record in self.envelope.open(bytes)? {
            self.records += 1;
            let state = mem::replace(&mut self.state, State::Broken);
            self.state = self.after(state, record).map_err(|what| self.envelope.malformed(what))?;
        }
        match &self.state {
            State::First { serial, .. } if *serial == self.held => self.state = State::Over(Refreshed::UpToDate),
            State::First { serial, .. } if !serial.is_newer_than(self.held) => {
                self.state = State::Over(Refreshed::Behind(serial.0));
            }
            _ => {}
        }
        Ok(matches!(self.state, State::Over(_)))
    }

    /// The state after a record, or what is wrong with it.
    fn after(&self, state: State, record: Record) -> Result<State, &'static str> {
        match (state, self.apex_serial(&record)?) {
            (State::Start, Some(serial)) => Ok(State::First { soa: record, serial }),
            (State::Start, None) => Err("does not begin with the zone's SOA record"),
            (State::First { soa: newest, serial: new }, Some(serial)) if serial != new => {
                if serial != self.held || !new.is_newer_than(serial) {
                    return Err("has differences that do not begin at the serial that was asked for");
                }
                Ok(State::Incremental(Chain { newest, steps: Vec::new(), deleting: Some((serial, Vec::new())) }))
            }
            (State::First { soa, .. }, _) => {
                let mut content = Content::new(self.origin.clone());
                content.record(soa)?;
                whole(content, record)
            }
            (State::Incremental(chain), Some(serial)) => chain.soa(record, serial),
            (State::Incremental(mut chain), None) => {
                if record.name.is_within(&self.origin) {
                    chain.side().push(record);
                }
                Ok(State::Incremental(chain))
            }
            (State::Whole(content), _) => whole(content, record),
            (State::Over(_), _) => Err("goes on after its last record"),
            (State::Broken, _) => Err("comes after one that was refused"),
        }
    }

    /// The serial, when this is the zone's SOA record.
    fn apex_serial(&self, record: &Record) -> Result<Option<Serial>, &'static str> {
        if !is_apex_soa(record, &self.origin) {
            return Ok(None);
        }
        record.rdata.soa_serial().map(|serial| Some(Serial(serial))).ok_or("has an SOA record without a serial")
    }

    /// What the transfer brought, when it is over and no message was refused; also when it [may be
    /// over](Self::may_be_over) and the caller has decided that it is.
    pub fn into_refreshed(self) -> Option<Refreshed> {
        match self.state {
            State::Over(refreshed) => Some(refreshed),
            State::First { serial, .. } => Some(Refreshed::NotAvailable(serial.0)),
            State::Start | State::Incremental(_) | State::Whole(_) | State::Broken => None,
        }
    }
}

fn whole(mut content: Content, record: Record) -> Result<State, &'static str> {
    content.record(record)?;
    if !content.is_whole() {
        return Ok(State::Whole(content));
    }
    let zone = content.into_zone().expect("it is whole");
    Ok(State::Over(Refreshed::Whole(zone)))
}

impl Chain {
    /// An SOA record ends what a step deletes, or what it adds.
    fn soa(mut self, soa: Record, serial: Serial) -> Result<State, &'static str> {
        let newest = self.newest.rdata.soa_serial().map(Serial);
        if newest == Some(serial) && soa.rdata != self.newest.rdata {
            return Err("ends with another SOA record than it began with");
        }
        match self.deleting.take() {
            Some((from, deleted)) if serial.is_newer_than(from) => {
                self.steps.push(Step { from: from.0, to: serial.0, deleted, added: Vec::new(), soa });
            }
            Some(_) => return Err("has a difference that does not lead to a newer serial"),
            None if self.steps.last().is_none_or(|last| last.to != serial.0) => {
                return Err("has differences that do not follow one another");
            }
            None if newest == Some(serial) => return Ok(State::Over(Refreshed::Steps(self.steps))),
            None => self.deleting = Some((serial, Vec::new())),
        }
        Ok(State::Incremental(self))
    }

    /// Where the records go that come now.
    fn side(&mut self) -> &mut Vec<Record> {
        match &mut self.deleting {
            Some((_, deleted)) => deleted,
            None => &mut self.steps.last_mut().expect("a chain that deletes nothing has a step").added,
        }
    }
}
