//! What holds for every message of a transfer, whatever its records mean.

use crate::model::{Name, Record, RecordType};
use crate::protocol::rcode::Rcode;
use crate::protocol::wire::{CLASS_IN, Message, WireError};

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

/// The messages of one transfer so far.
#[derive(Debug)]
pub(super) struct Envelope {
    id: u16,
    messages: usize,
}

impl Envelope {
    /// Of the answers to the query `id`.
    pub(super) fn new(id: u16) -> Self {
        Self { id, messages: 0 }
    }

    /// How many messages were opened, the refused one among them.
    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    /// The records of the next message, of which there is at least one.
    pub(super) fn open(&mut self, bytes: &[u8]) -> Result<impl Iterator<Item = Record> + use<>, TransferError> {
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
            return Err(self.malformed("is cut short"));
        }
        if parsed.answers.is_empty() {
            return Err(self.malformed("has no records"));
        }
        if parsed.answers.iter().any(|raw| raw.class != CLASS_IN) {
            return Err(self.malformed("has a record of another class"));
        }
        Ok(parsed.answers.into_iter().map(|raw| Record { name: raw.name, ttl: raw.ttl, rdata: raw.rdata }))
    }

    /// Something is wrong with the records of the message that was opened last.
    pub(super) fn malformed(&self, what: &'static str) -> TransferError {
        TransferError::Malformed { message: self.messages, what }
    }
}

/// Whether it is an SOA record of the zone itself: these divide a transfer into its parts.
pub(super) fn is_apex_soa(record: &Record, origin: &Name) -> bool {
    record.rdata.record_type() == RecordType::SOA && record.name == *origin
}
