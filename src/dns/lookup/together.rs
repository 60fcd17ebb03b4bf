//! Many lookups at once, the first exchange of each over one socket.
//!
//! Prometheus opens a socket for every exchange, so whatever arrives there is about that exchange. A shared socket
//! cannot tell, and is believed in two cases only: a reply that repeats the question asked under its ID, and silence.
//! What came in another form is asked for again over a socket of its own, and judged as it comes there; so are the
//! later exchanges of a lookup. That leaves the verdicts as they are, and a port in use for a few hundred questions
//! only.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinSet, coop};
use tokio::time::{Instant, sleep_until};

use super::{Options, Resolver, begin, exchange, go_on, make, without_servers};
use crate::model::{RrsetKey, Server};
use crate::protocol::lookup::{
    EXCHANGE_TIMEOUT, Exchange, Failure, Lookup, Received, Response, Step, Transport, UDP_PAYLOAD, Verdict,
};

/// Questions over one socket: then another port is to be guessed.
const PER_SOCKET: usize = 512;

pub(super) async fn look_up_all(resolver: &Resolver, questions: &[RrsetKey], permits: &Arc<Semaphore>) -> Vec<Verdict> {
    let mut verdicts = Vec::with_capacity(questions.len());
    for questions in questions.chunks(PER_SOCKET) {
        verdicts.extend(over_one_socket(resolver, questions, permits).await);
    }
    verdicts
}

async fn over_one_socket(resolver: &Resolver, questions: &[RrsetKey], permits: &Arc<Semaphore>) -> Vec<Verdict> {
    let mut lookups = Lookups::of(questions.len());
    for (index, question) in questions.iter().enumerate() {
        let permit = lookups.permit(permits).await;
        lookups.start(index, resolver, question, permit).await;
    }
    while lookups.are_under_way() {
        lookups.advance().await;
    }
    lookups.verdicts.into_iter().map(|verdict| verdict.expect("every lookup ends with a verdict")).collect()
}

struct Lookups {
    shared: Option<Shared>,
    /// Those whose reply is to come over the shared socket, the longest waiting first.
    waiting: VecDeque<Waiting>,
    /// Those that have sockets of their own.
    alone: JoinSet<Ended>,
    verdicts: Vec<Option<Verdict>>,
}

/// Which lookup, and its verdict.
type Ended = (usize, Verdict);

/// The socket that is shared, opened once: what cannot be reached is found out again by each lookup for itself.
struct Shared {
    server: Server,
    socket: Option<UdpSocket>,
    buffer: Box<[u8; UDP_PAYLOAD as usize]>,
}

struct Waiting {
    index: usize,
    machine: Lookup,
    exchange: Exchange,
    sent: Instant,
    permit: OwnedSemaphorePermit,
}

impl Lookups {
    fn of(questions: usize) -> Self {
        let mut verdicts = Vec::new();
        verdicts.resize_with(questions, || None);
        Self { shared: None, waiting: VecDeque::new(), alone: JoinSet::new(), verdicts }
    }

    fn are_under_way(&self) -> bool {
        !(self.waiting.is_empty() && self.alone.is_empty())
    }

    /// To start one more: while there is none, those under way go on.
    async fn permit(&mut self, permits: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        loop {
            match Arc::clone(permits).try_acquire_owned() {
                Ok(permit) => return permit,
                Err(_none_left) if self.are_under_way() => self.advance().await,
                Err(_none_left) => {
                    return Arc::clone(permits).acquire_owned().await.expect("nobody closes the semaphore");
                }
            }
        }
    }

    async fn start(&mut self, index: usize, resolver: &Resolver, question: &RrsetKey, permit: OwnedSemaphorePermit) {
        let name = question.name.to_string();
        let mut machine = match begin(resolver, &name, question.record_type, &Options::default()).await {
            Ok(machine) => machine,
            Err(error) => {
                self.verdicts[index] = Some(without_servers(&error));
                return;
            }
        };
        match machine.next(self.unused_id()) {
            Step::Done(verdict) => self.verdicts[index] = Some(verdict),
            Step::Exchange(exchange) => {
                let waiting = Waiting { index, machine, exchange, sent: Instant::now(), permit };
                if self.send(&waiting.exchange).await {
                    self.waiting.push_back(waiting);
                } else {
                    self.again(waiting);
                }
            }
        }
    }

    /// Random, and not the ID of another query over the same socket.
    fn unused_id(&self) -> u16 {
        loop {
            let id = rand::random();
            if self.waiting.iter().all(|waiting| waiting.exchange.id != id) {
                return id;
            }
        }
    }

    /// Whether the query went out over the shared socket.
    async fn send(&mut self, exchange: &Exchange) -> bool {
        let via = &exchange.via;
        if self.shared.is_none() {
            self.shared = Some(Shared::with(&via.server).await);
        }
        let shared = self.shared.as_ref().filter(|shared| shared.server == via.server);
        match shared.and_then(|shared| shared.socket.as_ref()) {
            Some(socket) if via.transport == Transport::Udp => socket.send(&exchange.message).await.is_ok(),
            _ => false,
        }
    }

    /// Lets something happen: a datagram comes, a deadline passes, or a lookup on its own ends.
    async fn advance(&mut self) {
        match self.shared.as_mut().filter(|_| !self.waiting.is_empty()).and_then(Shared::try_receive) {
            Some(Ok(length)) => self.received(length).await,
            Some(Err(_about_any)) => self.all_again(),
            None if self.has_expired() => self.expire(),
            None => self.wait().await,
        }
    }

    async fn wait(&mut self) {
        let deadline = self.waiting.front().map(|oldest| oldest.sent + EXCHANGE_TIMEOUT);
        let socket = self.shared.as_ref().and_then(|shared| shared.socket.as_ref());
        tokio::select! {
            biased;
            Some(ended) = self.alone.join_next() => {
                let (index, verdict) = ended.expect("no lookup panics, and none is cut off");
                self.verdicts[index] = Some(verdict);
            }
            // An error shows when it is received.
            Some(_ready) = readable(socket), if deadline.is_some() => {}
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {}
        }
    }

    async fn received(&mut self, length: usize) {
        let Some(shared) = &self.shared else { return };
        let bytes = &shared.buffer[..length];
        let id = bytes.first_chunk().map(|&id| u16::from_be_bytes(id));
        if let Some(at) = self.waiting.iter().position(|waiting| Some(waiting.exchange.id) == id) {
            let received = self.waiting[at].exchange.receive(bytes);
            let waiting = self.waiting.remove(at).expect("a position that was just found");
            match received {
                Received::Reply(response) if response.repeats(&waiting.exchange.question) => {
                    self.finish(waiting, Ok(response));
                }
                _ => self.again(waiting),
            }
        } else if let Some(Received::Failed(_)) = self.waiting.front().map(|any| any.exchange.receive(bytes)) {
            self.all_again();
        } else {
            // Whoever sends a flood of these delays nobody's deadline and no other task.
            if self.has_expired() {
                self.expire();
            }
            coop::consume_budget().await;
        }
    }

    fn has_expired(&self) -> bool {
        self.waiting.front().is_some_and(|oldest| oldest.sent.elapsed() >= EXCHANGE_TIMEOUT)
    }

    fn expire(&mut self) {
        if let Some(oldest) = self.waiting.pop_front() {
            self.finish(oldest, Err(Failure::Timeout));
        }
    }

    fn finish(&mut self, waiting: Waiting, result: Result<Response, Failure>) {
        let Waiting { index, mut machine, sent, permit, .. } = waiting;
        machine.finish(result, sent.elapsed());
        match machine.next(rand::random()) {
            Step::Done(verdict) => self.verdicts[index] = Some(verdict),
            step @ Step::Exchange(_) => {
                self.go_alone(permit, async move { (index, go_on(&mut machine, step).await) });
            }
        }
    }

    fn all_again(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            self.again(waiting);
        }
    }

    /// Makes the exchange once more, over a socket of its own.
    fn again(&mut self, waiting: Waiting) {
        let Waiting { index, mut machine, exchange, permit, .. } = waiting;
        self.go_alone(permit, async move {
            let next = make(&mut machine, &exchange).await;
            (index, go_on(&mut machine, next).await)
        });
    }

    fn go_alone(&mut self, permit: OwnedSemaphorePermit, lookup: impl Future<Output = Ended> + Send + 'static) {
        self.alone.spawn(async move {
            let _permit = permit;
            lookup.await
        });
    }
}

impl Shared {
    async fn with(server: &Server) -> Self {
        let socket = exchange::udp_to(server).await.ok();
        Self { server: server.clone(), socket, buffer: Box::new([0; UDP_PAYLOAD as usize]) }
    }

    /// None when there is nothing yet.
    fn try_receive(&mut self) -> Option<io::Result<usize>> {
        let received = self.socket.as_ref()?.try_recv(&mut *self.buffer);
        Some(received).filter(|received| !matches!(received, Err(error) if error.kind() == io::ErrorKind::WouldBlock))
    }
}

async fn readable(socket: Option<&UdpSocket>) -> Option<io::Result<()>> {
    Some(socket?.readable().await)
}
