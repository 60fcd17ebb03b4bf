//! The lookup itself, one exchange at a time.

use std::time::Duration;

use super::answer::{Emptiness, Reply, Unknown, Verdict};
use super::candidates::{self, NameList};
use super::exchange::{Exchange, Response};
use super::suspicion::suspicions;
use super::trace::{Attempt, Failure, Outcome, Then, Transport, Via};
use crate::model::{NameError, RecordType, Server};
use crate::protocol::rcode::Rcode;

/// A lookup in progress (prometheus `discovery/dns/dns.go`, `lookupWithSearchPath` and what it calls).
///
/// Ask [`Lookup::next`] what to do, carry the exchange out, report through [`Lookup::finish`], repeat. For each
/// candidate the servers are asked one after the other, once each, until one says NOERROR or NXDOMAIN.
#[derive(Debug, Clone)]
pub struct Lookup {
    servers: Vec<Server>,
    candidates: NameList,
    name: String,
    record_type: RecordType,
    first_transport: Transport,
    position: Position,
    some_candidate_failed: bool,
    pending: Option<Exchange>,
    last_reply: Option<Reply>,
    verdict: Option<Verdict>,
    attempts: Vec<Attempt>,
}

/// Which exchange comes next.
#[derive(Debug, Clone)]
struct Position {
    candidate: usize,
    server: usize,
    /// Once a reply was cut, TCP serves all later servers of the same candidate: the Go code switches the
    /// client that they share.
    transport: Transport,
    /// Only the repetition of a cut exchange goes without OPT.
    edns: bool,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Carry this out and report it through [`Lookup::finish`].
    Exchange(Exchange),
    /// It is over.
    Done(Verdict),
}

impl Lookup {
    /// Begins a lookup of a name, as it was configured.
    ///
    /// `search` and `ndots` make the candidates; an explicit list of servers goes with an empty search list and
    /// [`super::DEFAULT_NDOTS`].
    pub fn new(servers: Vec<Server>, search: &[String], ndots: usize, name: &str, record_type: RecordType) -> Self {
        let no_servers = Verdict::Unknown { reason: Unknown::NoServers, reply: None };
        let verdict = servers.is_empty().then_some(no_servers);
        Self {
            servers,
            candidates: NameList::new(name, search, ndots),
            name: name.to_owned(),
            record_type,
            first_transport: Transport::Udp,
            position: Position { candidate: 0, server: 0, transport: Transport::Udp, edns: true },
            some_candidate_failed: false,
            pending: None,
            last_reply: None,
            verdict,
            attempts: Vec::new(),
        }
    }

    /// Uses TCP from the start, which Prometheus never does.
    #[must_use]
    pub fn over_tcp(mut self) -> Self {
        self.first_transport = Transport::Tcp;
        self.position.transport = Transport::Tcp;
        self
    }

    /// The next exchange, or the verdict. `id` is the query's ID, a fresh random one at each call.
    pub fn next(&mut self, id: u16) -> Step {
        loop {
            if let Some(verdict) = &self.verdict {
                return Step::Done(verdict.clone());
            }
            let Some(candidate) = self.candidates.get(self.position.candidate) else {
                self.end_of_list();
                continue;
            };
            match self.exchange(id, candidate) {
                Ok(exchange) => {
                    self.pending = Some(exchange.clone());
                    return Step::Exchange(exchange);
                }
                Err(error) => self.cannot_be_sent(error),
            }
        }
    }

    /// Reports what came of the exchange that [`Lookup::next`] gave, and how long it took.
    ///
    /// Without such an exchange the report is ignored.
    pub fn finish(&mut self, result: Result<Response, Failure>, took: Duration) {
        let Some(exchange) = self.pending.take() else { return };
        let (outcome, then) = self.judge(&exchange.via, &result);
        let suspicions = match &result {
            Ok(response) if then == Then::AskedOverTcp || then == Then::Stopped || then == Then::Absent => {
                suspicions(&exchange.question, &response.message)
            }
            _ => Vec::new(),
        };
        let Exchange { candidate, via, .. } = exchange;
        self.attempts.push(Attempt {
            candidate: candidate.clone(),
            via: Some(via.clone()),
            outcome,
            then,
            suspicions,
            took,
        });
        if let Ok(Response { message, size, .. }) = result {
            self.last_reply = Some(Reply { message, size, via, candidate });
        }
        self.follow(then);
    }

    /// Every attempt so far, in order.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Every attempt, once the lookup is over.
    pub fn into_attempts(self) -> Vec<Attempt> {
        self.attempts
    }

    fn exchange(&self, id: u16, candidate: &str) -> Result<Exchange, NameError> {
        let name = candidates::pack(candidate)?;
        let Position { server, transport, edns, .. } = self.position;
        let via = Via { server: self.servers[server].clone(), transport, edns };
        Ok(Exchange::new(via, candidate, id, name, self.record_type))
    }

    /// What a result is, and what it leads to. TC counts before the response code.
    fn judge(&self, via: &Via, result: &Result<Response, Failure>) -> (Outcome, Then) {
        let or_next = if self.position.server + 1 < self.servers.len() { Then::NextServer } else { Then::Failed };
        let (message, size) = match result {
            Ok(response) => (&response.message, response.size),
            Err(failure) => return (Outcome::Failed(failure.clone()), or_next),
        };
        if message.header.is_truncated() {
            let then = if via.transport == Transport::Udp { Then::AskedOverTcp } else { or_next };
            return (Outcome::Truncated { size }, then);
        }
        let rcode = Rcode(message.rcode());
        let then = match rcode {
            Rcode::NOERROR => Then::Stopped,
            Rcode::NXDOMAIN => Then::Absent,
            _ => or_next,
        };
        (Outcome::Answered { rcode, answers: message.answers.len(), size }, then)
    }

    fn follow(&mut self, then: Then) {
        match then {
            Then::Stopped => self.verdict = self.last_reply.take().map(|reply| Verdict::of_noerror(&self.name, reply)),
            Then::AskedOverTcp => {
                self.position.transport = Transport::Tcp;
                self.position.edns = false;
            }
            Then::NextServer => {
                self.position.server += 1;
                self.position.edns = true;
            }
            Then::Failed => {
                self.some_candidate_failed = true;
                self.next_candidate();
            }
            Then::Absent => self.next_candidate(),
            // Go's, which `judge` never gives.
            Then::Found | Then::NextRound | Then::NoSuchHost | Then::StoppedStrictly | Then::OutOfTime => {}
        }
    }

    fn next_candidate(&mut self) {
        let candidate = self.position.candidate + 1;
        self.position = Position { candidate, server: 0, transport: self.first_transport, edns: true };
    }

    /// The Go code would open a socket to each server before it fails to pack; nothing reaches any of them.
    fn cannot_be_sent(&mut self, error: NameError) {
        self.attempts.push(Attempt {
            candidate: self.candidates.get(self.position.candidate).unwrap_or_default().to_owned(),
            via: None,
            outcome: Outcome::Failed(Failure::Unsendable(error)),
            then: Then::Failed,
            suspicions: Vec::new(),
            took: Duration::ZERO,
        });
        self.follow(Then::Failed);
    }

    /// No candidate had NOERROR. Only if all were answered with NXDOMAIN is it known that there is nothing.
    fn end_of_list(&mut self) {
        let reply = self.last_reply.take();
        self.verdict = Some(match reply {
            Some(reply) if !self.some_candidate_failed => {
                Verdict::Empty { why: Emptiness::NxDomain, reply: Some(reply) }
            }
            reply => Verdict::Unknown { reason: Unknown::NoAnswer(self.name.clone()), reply },
        });
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
