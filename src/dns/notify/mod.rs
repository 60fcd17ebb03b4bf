//! A socket to which primaries send their NOTIFYs (RFC 1996), over UDP and TCP.
//!
//! Nobody has to be trusted for it to hold: a NOTIFY makes us ask the primary, and that is all. What strangers can
//! have us do is bounded: an answer that is about as long as what they sent, a few connections for a few seconds.

mod judge;
#[cfg(test)]
mod judge_tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use self::judge::Judge;
use super::error::DnsError;
use super::key::TsigKey;
use super::tsig::now;
use crate::model::Name;
use crate::protocol::notify::{Notification, Refusal};
use crate::protocol::wire::{HEADER_LEN, MAX_MESSAGE};

/// So many TCP connections at once; others wait to be accepted.
const MAX_CONNECTIONS: usize = 16;
/// How long a connection may take over one message, and over taking its answer.
const IDLE_LIMIT: Duration = Duration::from_secs(10);
/// How long to leave a socket alone that reports an error.
const ERROR_PAUSE: Duration = Duration::from_millis(100);
/// So often a refusal is worth a line in a log.
const LOG_PAUSE: Duration = Duration::from_secs(10);

/// A zone, and whose word about it counts.
#[derive(Debug, Clone)]
pub struct NotifiedZone {
    /// The zone's name.
    pub name: Name,
    /// Where its primary sends from: a NOTIFY without a signature has to come from one of these.
    pub senders: Vec<IpAddr>,
    /// The keys that may sign, the one for transfers and the one for updates. A NOTIFY that one of them signed may
    /// come from anywhere; one with a signature that does not hold is refused wherever it comes from.
    pub keys: Vec<TsigKey>,
    /// Whether one without a signature is refused, wherever it comes from.
    pub requires_tsig: bool,
}

/// What came of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A zone's primary says that it has changed.
    Heard {
        /// Which of the zones.
        zone: usize,
        /// The serial that it has now, when the message tells. A hint: it can be late, or a lie.
        serial: Option<u32>,
    },
    /// A message was not listened to.
    Refused {
        /// Which of the zones it was about, when it is one of them.
        zone: Option<usize>,
        /// Who sent it, or whose address was forged.
        sender: SocketAddr,
        /// Why.
        reason: Refusal,
        /// Whether that is worth a line in a log, lest somebody fills it: then how many others were not, since the
        /// last one that was.
        log: Option<u64>,
    },
}

/// The sockets, of both kinds on one address.
#[derive(Debug)]
pub struct NotifyListener {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl NotifyListener {
    /// Binds both sockets.
    ///
    /// # Errors
    /// When one of them cannot be.
    pub async fn bind(address: SocketAddr) -> Result<Self, DnsError> {
        let failed = |source| DnsError::Listen { address, source };
        let tcp = TcpListener::bind(address).await.map_err(failed)?;
        // With port 0 the system has chosen one for TCP.
        let udp = UdpSocket::bind(tcp.local_addr().map_err(failed)?).await.map_err(failed)?;
        Ok(Self { udp, tcp })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// Answers every message, and tells what came of it. Never ends by itself; when dropped, the connections end.
    pub async fn listen(self, zones: Vec<NotifiedZone>, tell: impl Fn(Notice) + Send + Sync + 'static) {
        let shared = Arc::new(Shared { judge: Judge::new(zones), tell, lines: Mutex::default() });
        tokio::join!(receive(&self.udp, &shared), accept(&self.tcp, &shared));
    }
}

struct Shared<T> {
    judge: Judge,
    tell: T,
    lines: Mutex<Lines>,
}

/// When a line was last logged, and how many were not since then.
#[derive(Default)]
struct Lines {
    last: Option<Instant>,
    passed_over: u64,
}

impl Lines {
    fn next(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < LOG_PAUSE) {
            self.passed_over += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.passed_over))
    }
}

impl<T: Fn(Notice)> Shared<T> {
    /// The answer to a message, and whether it was listened to. None for what is not to be answered.
    fn answer(&self, message: &[u8], sender: SocketAddr) -> Option<(Vec<u8>, bool)> {
        let judged = self.judge.judge(message, sender.ip(), now())?;
        let is_heard = judged.outcome.is_ok();
        (self.tell)(match judged.outcome {
            Ok((zone, Notification { serial, .. })) => Notice::Heard { zone, serial },
            Err((zone, reason)) => {
                let log = self.lines.lock().unwrap_or_else(PoisonError::into_inner).next(Instant::now());
                Notice::Refused { zone, sender, reason, log }
            }
        });
        Some((judged.answer, is_heard))
    }
}

async fn receive<T: Fn(Notice)>(socket: &UdpSocket, shared: &Shared<T>) {
    let mut buffer = vec![0; MAX_MESSAGE];
    loop {
        // An error is about a datagram that we sent, or about memory: the next one may be well.
        let Ok((length, sender)) = socket.recv_from(&mut buffer).await else {
            sleep(ERROR_PAUSE).await;
            continue;
        };
        if let Some((answer, _)) = shared.answer(&buffer[..length], sender) {
            // The sender repeats what was not answered (RFC 1996 section 3.6).
            let _ = socket.try_send_to(&answer, sender);
        }
    }
}

async fn accept<T: Fn(Notice) + Send + Sync + 'static>(listener: &TcpListener, shared: &Arc<Shared<T>>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() == MAX_CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, sender)) => {
                connections.spawn(converse(stream, sender, Arc::clone(shared)));
            }
            Err(_) => sleep(ERROR_PAUSE).await,
        }
    }
}

/// Answers what comes over one connection, until something comes that is not listened to.
async fn converse<T: Fn(Notice)>(mut stream: TcpStream, sender: SocketAddr, shared: Arc<Shared<T>>) {
    while let Ok(Ok(message)) = timeout(IDLE_LIMIT, read_message(&mut stream)).await {
        let Some((answer, is_heard)) = shared.answer(&message, sender) else { return };
        let length = u16::try_from(answer.len()).expect("an answer is a question and a signature");
        let framed = [&length.to_be_bytes()[..], &answer].concat();
        let sent = timeout(IDLE_LIMIT, stream.write_all(&framed)).await;
        if !is_heard || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length < HEADER_LEN {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_a_line_now_and_then() {
        let (mut lines, start) = (Lines::default(), Instant::now());
        assert_eq!(lines.next(start), Some(0));
        for _ in 0..1000 {
            assert_eq!(lines.next(start + LOG_PAUSE / 2), None);
        }
        assert_eq!(lines.next(start + LOG_PAUSE), Some(1000));
        assert_eq!(lines.next(start + LOG_PAUSE * 2), Some(0));
    }
}
