//! The way to an instance: its addresses, and a TCP connection to one of them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::outcome::{Stop, is_ours};
use super::progress::{Progress, Step};

/// How long an answer of the system's resolver is taken for true. One that nobody can connect to is forgotten at once.
const FRESH: Duration = Duration::from_secs(30);
/// Questions to the system's resolver at once. It cannot be interrupted, and each takes a thread for as long as it likes.
const QUESTIONS: usize = 8;
/// Names that are remembered. More than that are asked for each time.
const MOST_NAMES: usize = 20_000;

/// Addresses, and when they were asked for.
type Known = (Instant, Arc<[IpAddr]>);

/// Finds addresses, and remembers them for a while.
#[derive(Debug)]
pub(super) struct Resolver {
    questions: Arc<Semaphore>,
    known: Mutex<HashMap<String, Known>>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self { questions: Arc::new(Semaphore::new(QUESTIONS)), known: Mutex::default() }
    }
}

impl Resolver {
    /// The addresses of a host name or address, at least one.
    pub(super) async fn addresses(&self, host: &str, progress: &Progress) -> Result<Arc<[IpAddr]>, Stop> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Arc::new([address]));
        }
        if let Some(addresses) = self.remembered(host) {
            return Ok(addresses);
        }
        let permit = Arc::clone(&self.questions).acquire_owned().await.expect("it is never closed");
        progress.at(Step::Resolving);
        // The one before us may have asked the same.
        if let Some(addresses) = self.remembered(host) {
            return Ok(addresses);
        }
        let name = host.to_owned();
        // The permit goes with the thread: a check whose time is over leaves the question behind, and it still counts.
        let asking = spawn_blocking(move || {
            let _permit = permit;
            (name.as_str(), 0).to_socket_addrs().map(|found| found.map(|it| it.ip()).collect::<Vec<_>>())
        });
        let found =
            asking.await.map_err(|error| Stop::ours(format!("the system's resolver was not asked: {error}")))?;
        let found: Arc<[IpAddr]> = found.map_err(|error| unresolved(host, &error))?.into();
        if found.is_empty() {
            return Err(Stop::failing(format!("no addresses for {host}")));
        }
        self.remember(host, &found);
        Ok(found)
    }

    fn remembered(&self, host: &str) -> Option<Arc<[IpAddr]>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(host).filter(|(since, _)| since.elapsed() < FRESH).map(|(_, addresses)| Arc::clone(addresses))
    }

    fn remember(&self, host: &str, addresses: &Arc<[IpAddr]>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_NAMES {
            known.retain(|_, (since, _)| since.elapsed() < FRESH);
        }
        if known.len() < MOST_NAMES {
            known.insert(host.to_owned(), (Instant::now(), Arc::clone(addresses)));
        }
    }

    /// The addresses of this host lead nowhere: perhaps it has moved.
    pub(super) fn forget(&self, host: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(host);
    }
}

/// A name that does not exist is the instance's trouble. A resolver that does not answer is not.
fn unresolved(host: &str, error: &io::Error) -> Stop {
    let why = error.to_string();
    let why = why.trim_start_matches("failed to lookup address information: ");
    let text = format!("no addresses for {host}: {why}");
    // EAI_AGAIN, for which the standard library has no name.
    if why.starts_with("Temporary failure") || is_ours(error) { Stop::Ours(text) } else { Stop::Failing(text) }
}

/// Connects to the first address that can be connected to. Each gets its share of the time until the deadline, so that
/// one that swallows everything does not hide the others.
pub(super) async fn connect(
    addresses: &[IpAddr],
    port: u16,
    deadline: Instant,
    progress: &Progress,
) -> Result<(TcpStream, SocketAddr), Stop> {
    let mut last = Stop::failing("the host has no address");
    for (index, &ip) in addresses.iter().enumerate() {
        let address = SocketAddr::new(ip, port);
        progress.at(Step::Connecting(address));
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        let stop = match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true); // slower without, and right all the same
                return Ok((stream, address));
            }
            Ok(Err(error)) if is_ours(&error) => {
                Stop::ours(format!("no connection to {address} can be made from here: {error}"))
            }
            Ok(Err(error)) => Stop::failing(format!("no connection to {address}: {}", explain(&error))),
            Err(_) if left == 1 => std::future::pending().await, // the whole check's limit says it
            Err(_) => Stop::failing(format!("no connection to {address}: no answer")),
        };
        // A machine without IPv6 says nothing of a host that has it; what its IPv4 address does, does.
        if index == 0 || matches!(stop, Stop::Failing(_)) {
            last = stop;
        }
    }
    Err(last)
}

/// Without the system's numbers.
pub(super) fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused (nobody listens there)".to_owned(),
        io::ErrorKind::ConnectionReset => "the connection was reset".to_owned(),
        io::ErrorKind::BrokenPipe => "the connection was closed".to_owned(),
        io::ErrorKind::UnexpectedEof => "the connection was closed too early".to_owned(),
        io::ErrorKind::HostUnreachable => "the host cannot be reached".to_owned(),
        io::ErrorKind::NetworkUnreachable => "there is no route to its network".to_owned(),
        _ => error.to_string(),
    }
}
