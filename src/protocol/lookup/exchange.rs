//! One query to one server, and which bytes count as its reply.

use super::UDP_PAYLOAD;
use super::suspicion::question;
use super::trace::{Failure, Transport, Via};
use super::unpack::unpack;
use crate::model::{Name, RecordType};
use crate::protocol::wire::{self, Message, Question};

/// A query to be sent, and what is needed to judge what comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Server, transport, and whether the query has an OPT record.
    pub via: Via,
    /// The candidate asked for, as a text.
    pub candidate: String,
    /// The query's ID.
    pub id: u16,
    /// The question in it.
    pub question: Question,
    /// The query's bytes, without TCP's length.
    pub message: Vec<u8>,
}

/// What received bytes mean to an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// Not for this exchange: keep waiting, within the same deadline.
    Ignore,
    /// The reply; the exchange is over.
    Reply(Response),
    /// The exchange is over without one, even if a good reply would follow.
    Failed(Failure),
}

/// A reply that an exchange accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The message.
    pub message: Message,
    /// Its size in bytes.
    pub size: usize,
}

impl Response {
    /// Whether it is marked as a response to exactly this question. Prometheus does not look.
    pub fn repeats(&self, question: &Question) -> bool {
        self.message.header.is_response() && matches!(&*self.message.questions, [repeated] if repeated == question)
    }
}

impl Exchange {
    /// The query: RD, class IN, and an OPT of [`UDP_PAYLOAD`] without DO or options when EDNS is wanted.
    pub(super) fn new(via: Via, candidate: &str, id: u16, name: Name, record_type: RecordType) -> Self {
        let message = wire::query(id, &name, record_type, true, via.edns.then_some(UDP_PAYLOAD));
        let question = question(name, record_type);
        Self { via, candidate: candidate.to_owned(), id, question, message }
    }

    /// Judges a datagram, or a whole message from a TCP stream (miekg/dns `client.go`, `ExchangeWithConn`).
    ///
    /// Bytes are unpacked before their ID is looked at, so a broken datagram ends the exchange whoever it was
    /// meant for. Then only the ID counts, and over UDP another ID is passed over.
    pub fn receive(&self, bytes: &[u8]) -> Received {
        let message = match unpack(bytes) {
            Ok(message) => message,
            Err(error) => return Received::Failed(Failure::Unpack(error)),
        };
        let got = message.header.id;
        match self.via.transport {
            _ if got == self.id => Received::Reply(Response { message, size: bytes.len() }),
            Transport::Udp => Received::Ignore,
            Transport::Tcp => Received::Failed(Failure::IdMismatch { sent: self.id, got }),
        }
    }
}
