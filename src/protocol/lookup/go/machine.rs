//! Go's lookup itself, one exchange at a time.

use std::time::Duration;

use super::conf::GoConf;
use super::error::{GoError, GoProblem};
use super::reading::{Extent, Reading};
use super::{Profile, Release, names};
use crate::model::{NameError, RecordType, Server};
use crate::protocol::lookup::exchange::GoQuery;
use crate::protocol::lookup::suspicion::question;
use crate::protocol::lookup::{
    Answer, Attempt, Consumer, Emptiness, Exchange, Failure, Outcome, Reply, Response, Step, Then, Transport, Unknown,
    Verdict, Via,
};
use crate::protocol::rcode::Rcode;

/// More rounds than this are not made. Go would make sixteen million of them, were it told to in resolv.conf.
const MAX_ROUNDS: u32 = 16;

/// A lookup in progress (`net/lookup.go`, `LookupSRV`, and `net/dnsclient_unix.go`, `lookup` and `tryOneName`).
///
/// Ask [`GoLookup::next`] what to do, carry the exchange out, report through [`GoLookup::finish`], repeat. For each
/// candidate all servers are asked, several times over, until one has records or says that there are none. Then it is
/// the next candidate's turn, whatever the reason; what the last one came to is what the lookup comes to.
///
/// Another type than SRV is looked up in the same way, as `LookupMX`, `LookupNS` and `LookupTXT` do. For addresses Go
/// does more, which is not done here: /etc/hosts, both families at once.
#[derive(Debug, Clone)]
pub struct GoLookup {
    conf: GoConf,
    profile: Profile,
    first_server: usize,
    candidates: Vec<String>,
    name: String,
    record_type: RecordType,
    position: Position,
    spent: Duration,
    pending: Option<Exchange>,
    last_reply: Option<Reply>,
    last_error: Option<GoError>,
    verdict: Option<Verdict>,
    attempts: Vec<Attempt>,
}

/// Which exchange comes next.
#[derive(Debug, Clone, Copy, Default)]
struct Position {
    candidate: usize,
    round: u32,
    server: usize,
    /// The ID of a query whose reply was cut: it goes out again over TCP.
    cut: Option<u16>,
}

/// What a result is to Go.
enum Judged {
    Records,
    Cut,
    Problem(GoProblem),
}

impl GoLookup {
    /// Begins a lookup of a name, as it was configured.
    ///
    /// `first_server` is where `rotate` begins; Go counts it up with every name that any lookup tries.
    pub fn new(conf: GoConf, profile: Profile, first_server: usize, name: &str, record_type: RecordType) -> Self {
        let is_name = names::is_domain_name(name.as_bytes());
        let candidates = if is_name { names::name_list(name, &conf.search, conf.ndots) } else { Vec::new() };
        // Nothing to try, as for `.onion`: Go then reads a reply that there is not.
        let nothing = if is_name { GoProblem::CannotUnmarshal } else { GoProblem::NoSuchHost };
        let last_error = Some(GoError { problem: nothing, name: name.to_owned(), server: None });
        Self {
            conf,
            profile,
            first_server,
            candidates,
            name: name.to_owned(),
            record_type,
            position: Position::default(),
            spent: Duration::ZERO,
            pending: None,
            last_reply: None,
            last_error,
            verdict: None,
            attempts: Vec::new(),
        }
    }

    /// The next exchange, or the verdict. `id` is the query's ID, a fresh random one at each call; the repetition of a
    /// query over TCP keeps its own.
    pub fn next(&mut self, id: u16) -> Step {
        loop {
            if let Some(verdict) = &self.verdict {
                return Step::Done(verdict.clone());
            }
            let Some(candidate) = self.candidates.get(self.position.candidate) else {
                self.end_of_list();
                continue;
            };
            match names::pack(candidate) {
                Ok(name) => {
                    let query = GoQuery {
                        id: self.position.cut.unwrap_or(id),
                        trust_ad: self.conf.trust_ad,
                        release: self.profile.release,
                        limit: self.limit(),
                    };
                    let exchange = Exchange::of_go(self.via(), candidate, question(name, self.record_type), query);
                    self.pending = Some(exchange.clone());
                    return Step::Exchange(exchange);
                }
                Err(error) => self.cannot_be_sent(error),
            }
        }
    }

    /// Reports what came of the exchange that [`GoLookup::next`] gave, and how long it took.
    ///
    /// Without such an exchange the report is ignored.
    pub fn finish(&mut self, result: Result<Response, Failure>, took: Duration) {
        let Some(exchange) = self.pending.take() else { return };
        self.spent += took;
        let Exchange { candidate, via, id, .. } = exchange;
        let (outcome, judged) = self.judge(&via, &result);
        let reading = match result {
            Ok(Response { message, size, reading }) => {
                self.last_reply = Some(Reply { message, size, via: via.clone(), candidate: candidate.clone() });
                reading
            }
            Err(_) => None,
        };
        let then = match judged {
            Judged::Records => self.found(&via.server, reading),
            Judged::Cut => self.cut(&via.server, id),
            Judged::Problem(problem) => self.go_on(problem, &via.server),
        };
        self.attempts.push(Attempt { candidate, via: Some(via), outcome, then, suspicions: Vec::new(), took });
    }

    /// Every attempt so far, in order.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Every attempt, once the lookup is over.
    pub fn into_attempts(self) -> Vec<Attempt> {
        self.attempts
    }

    fn via(&self) -> Via {
        let Position { server, cut, .. } = self.position;
        let servers = &self.conf.servers;
        let start = if self.conf.rotate { self.first_server.wrapping_add(self.position.candidate) } else { 0 };
        let server = servers[start.wrapping_add(server) % servers.len()].clone();
        let transport = if cut.is_some() || self.conf.use_tcp { Transport::Tcp } else { Transport::Udp };
        Via { server, transport, edns: true }
    }

    fn limit(&self) -> Duration {
        self.remaining().map_or(self.conf.timeout, |remaining| remaining.min(self.conf.timeout))
    }

    fn remaining(&self) -> Option<Duration> {
        self.profile.budget.map(|budget| budget.saturating_sub(self.spent))
    }

    fn judge(&self, via: &Via, result: &Result<Response, Failure>) -> (Outcome, Judged) {
        let response = match result {
            Ok(response) => response,
            Err(failure) => return (Outcome::Failed(failure.clone()), Judged::Problem(problem_of(failure))),
        };
        let size = response.size;
        let Some(reading) = &response.reading else {
            return (Outcome::Failed(Failure::Unreadable), Judged::Problem(GoProblem::CannotUnmarshal));
        };
        let header = response.message.header;
        if header.is_truncated() && via.transport == Transport::Udp {
            return (Outcome::Truncated { size }, Judged::Cut);
        }
        if header.is_truncated() && self.profile.release == Release::Go1_19 {
            return (Outcome::Truncated { size }, Judged::Problem(GoProblem::NoAnswer));
        }
        let answered = Outcome::Answered { rcode: reading.rcode, answers: response.message.answers.len(), size };
        let is_lame = || {
            let Reading { answers, has_additional, .. } = reading;
            answers.extent == Extent::Empty
                && !has_additional
                && !header.is_authoritative()
                && !header.recursion_available()
        };
        // In this order: `checkHeader`, then `skipToAnswer`.
        let problem = match reading.rcode {
            Rcode::NXDOMAIN => GoProblem::NoSuchHost,
            _ if reading.answers.extent == Extent::Nowhere => GoProblem::CannotUnmarshal,
            Rcode::NOERROR if is_lame() => return (Outcome::Lame { size }, Judged::Problem(GoProblem::LameReferral)),
            Rcode::SERVFAIL => GoProblem::TemporarilyMisbehaving,
            Rcode::NOERROR if reading.answers.found => return (answered, Judged::Records),
            Rcode::NOERROR if reading.answers.extent == Extent::Partly => GoProblem::CannotUnmarshal,
            Rcode::NOERROR => GoProblem::NoSuchHost,
            _ => GoProblem::Misbehaving,
        };
        if problem == GoProblem::CannotUnmarshal {
            return (Outcome::Failed(Failure::Unreadable), Judged::Problem(problem));
        }
        (answered, Judged::Problem(problem))
    }

    /// The same server is asked over TCP, if there is time.
    fn cut(&mut self, server: &Server, id: u16) -> Then {
        if self.is_out_of_time() {
            return self.go_on(GoProblem::Timeout, server);
        }
        self.position.cut = Some(id);
        Then::AskedOverTcp
    }

    fn go_on(&mut self, problem: GoProblem, server: &Server) -> Then {
        let no_such_host = problem == GoProblem::NoSuchHost;
        let is_strict = problem.is_temporary() && self.profile.strict_errors;
        self.last_error = Some(self.error(problem, Some(server)));
        if no_such_host {
            self.next_candidate();
            return Then::NoSuchHost;
        }
        if self.is_out_of_time() {
            self.last_error = Some(self.error(GoProblem::Timeout, Some(server)));
            self.end_of_list();
            return Then::OutOfTime;
        }
        self.position.cut = None;
        self.position.server += 1;
        if self.position.server < self.conf.servers.len() {
            return Then::NextServer;
        }
        self.position.server = 0;
        self.position.round += 1;
        if self.position.round < self.conf.attempts.min(MAX_ROUNDS) {
            return Then::NextRound;
        }
        let is_last = self.position.candidate + 1 == self.candidates.len();
        self.next_candidate();
        if is_strict {
            self.end_of_list();
        }
        if is_strict && !is_last { Then::StoppedStrictly } else { Then::Failed }
    }

    fn is_out_of_time(&self) -> bool {
        self.remaining().is_some_and(|remaining| remaining.is_zero())
    }

    fn next_candidate(&mut self) {
        self.position = Position { candidate: self.position.candidate + 1, ..Position::default() };
    }

    fn error(&self, problem: GoProblem, server: Option<&Server>) -> GoError {
        GoError { problem, name: self.name.clone(), server: server.cloned() }
    }

    /// Records of the type are there. Nobody else is asked, even when they cannot be used (`goLookupSRV`).
    fn found(&mut self, server: &Server, reading: Option<Reading>) -> Then {
        let problem = reading.and_then(|reading| unusable(&reading, self.record_type));
        let reply = self.last_reply.take();
        self.verdict = Some(match (problem, reply) {
            (None, Some(reply)) => Verdict::Records(Answer { name: self.name.clone(), reply, consumer: Consumer::Go }),
            (problem, reply) => {
                let problem = problem.unwrap_or(GoProblem::CannotUnmarshal);
                Verdict::Unknown { reason: Unknown::Go(self.error(problem, Some(server))), reply }
            }
        });
        Then::Found
    }

    /// Go would fail once for each server and round; nothing reaches any of them.
    fn cannot_be_sent(&mut self, error: NameError) {
        self.attempts.push(Attempt {
            candidate: self.candidates.get(self.position.candidate).cloned().unwrap_or_default(),
            via: None,
            outcome: Outcome::Failed(Failure::Unsendable(error)),
            then: Then::Failed,
            suspicions: Vec::new(),
            took: Duration::ZERO,
        });
        self.last_error = Some(self.error(GoProblem::CannotMarshal, None));
        self.next_candidate();
    }

    /// What the last candidate came to is what the lookup comes to.
    fn end_of_list(&mut self) {
        let reply = self.last_reply.take();
        let Some(error) = self.last_error.take() else { return };
        self.verdict = Some(match error.problem {
            GoProblem::NoSuchHost => Verdict::Empty { why: Emptiness::NoSuchHost, reply },
            _ => Verdict::Unknown { reason: Unknown::Go(error), reply },
        });
    }
}

/// What makes an answer unusable as a whole (`net/lookup.go`, `goLookupSRV` and `LookupSRV`).
fn unusable(reading: &Reading, record_type: RecordType) -> Option<GoProblem> {
    if reading.answers.extent != Extent::Whole {
        return Some(GoProblem::CannotUnmarshal);
    }
    let records = &reading.answers.records;
    if record_type != RecordType::SRV {
        return None;
    }
    if records.first().is_some_and(|first| !names::is_domain_name(&names::text(&first.name))) {
        return Some(GoProblem::InvalidHeaderName);
    }
    let targets = records.iter().filter_map(|record| record.rdata.as_srv()).map(|srv| srv.target);
    let invalid: Vec<_> = targets
        .filter(|target| !names::is_domain_name(&names::text(target)))
        .map(|target| target.to_string())
        .collect();
    let remaining = records.len() - invalid.len();
    (!invalid.is_empty()).then_some(GoProblem::InvalidNames { invalid, remaining })
}

fn problem_of(failure: &Failure) -> GoProblem {
    match failure {
        Failure::Unsendable(_) => GoProblem::CannotMarshal,
        Failure::Io(text) => GoProblem::Io(text.clone()),
        Failure::DialTimeout | Failure::Timeout | Failure::TimedOut(_) => GoProblem::Timeout,
        Failure::Unpack(_) | Failure::Unreadable => GoProblem::CannotUnmarshal,
        Failure::IdMismatch { .. } | Failure::NotOurs => GoProblem::InvalidResponse,
        Failure::Closed => GoProblem::Closed,
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
