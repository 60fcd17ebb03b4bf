//! One query to one server, and which bytes count as its reply.

use std::time::Duration;

use super::UDP_PAYLOAD;
use super::go::{self, GO_UDP_PAYLOAD, Reading, Release};
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
    rules: Rules,
}

/// Whose rules decide what a reply is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rules {
    Prometheus,
    Go { release: Release, limit: Duration },
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
    /// What Go reads in it, if Go is who asked.
    pub(super) reading: Option<Reading>,
}

impl Response {
    /// Whether it is marked as a response to exactly this question. Prometheus does not look.
    pub fn repeats(&self, question: &Question) -> bool {
        self.message.header.is_response() && matches!(&*self.message.questions, [repeated] if repeated == question)
    }
}

/// What Go's query depends on besides its question.
#[derive(Debug, Clone, Copy)]
pub(super) struct GoQuery {
    pub(super) id: u16,
    pub(super) trust_ad: bool,
    pub(super) release: Release,
    pub(super) limit: Duration,
}

impl Exchange {
    /// The query: RD, class IN, and an OPT of [`UDP_PAYLOAD`] without DO or options when EDNS is wanted.
    pub(super) fn new(via: Via, candidate: &str, id: u16, name: Name, record_type: RecordType) -> Self {
        let message = wire::query(id, &name, record_type, true, via.edns.then_some(UDP_PAYLOAD));
        let question = question(name, record_type);
        Self { via, candidate: candidate.to_owned(), id, question, message, rules: Rules::Prometheus }
    }

    /// Go's query: RD, AD where resolv.conf trusts it, class IN, and an OPT of [`GO_UDP_PAYLOAD`] over TCP too.
    pub(super) fn of_go(via: Via, candidate: &str, question: Question, query: GoQuery) -> Self {
        let GoQuery { id, trust_ad, release, limit } = query;
        let mut message = wire::query(id, &question.name, question.record_type, true, Some(GO_UDP_PAYLOAD));
        message[3] |= u8::from(trust_ad) << 5;
        let rules = Rules::Go { release, limit };
        Self { via, candidate: candidate.to_owned(), id, question, message, rules }
    }

    /// How long connecting, sending and receiving may take together; none where [`super::DIAL_TIMEOUT`] and
    /// [`super::EXCHANGE_TIMEOUT`] hold.
    pub fn limit(&self) -> Option<Duration> {
        match self.rules {
            Rules::Prometheus => None,
            Rules::Go { limit, .. } => Some(limit),
        }
    }

    /// The size of the buffer for a datagram: a longer one is cut.
    pub fn buffer(&self) -> usize {
        usize::from(match self.rules {
            Rules::Prometheus => UDP_PAYLOAD,
            Rules::Go { .. } => GO_UDP_PAYLOAD,
        })
    }

    /// Judges a datagram, or a whole message from a TCP stream.
    pub fn receive(&self, bytes: &[u8]) -> Received {
        match self.rules {
            Rules::Prometheus => self.receive_as_prometheus(bytes),
            Rules::Go { release, .. } => go::receive(bytes, self, release),
        }
    }

    /// As miekg/dns does (`client.go`, `ExchangeWithConn`).
    ///
    /// Bytes are unpacked before their ID is looked at, so a broken datagram ends the exchange whoever it was
    /// meant for. Then only the ID counts, and over UDP another ID is passed over.
    fn receive_as_prometheus(&self, bytes: &[u8]) -> Received {
        let message = match unpack(bytes) {
            Ok(message) => message,
            Err(error) => return Received::Failed(Failure::Unpack(error)),
        };
        let got = message.header.id;
        match self.via.transport {
            _ if got == self.id => Received::Reply(Response { message, size: bytes.len(), reading: None }),
            Transport::Udp => Received::Ignore,
            Transport::Tcp => Received::Failed(Failure::IdMismatch { sent: self.id, got }),
        }
    }
}
