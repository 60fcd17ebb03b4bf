//! The way to an instance: its addresses, and a TCP connection to one of them.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::kept::Kept;
use super::outcome::{Stop, is_ours};
use super::progress::{Progress, Step};

/// Questions to the system's resolver at once.
const QUESTIONS: usize = 8;

/// Finds addresses, and remembers them for a while. Those that nobody can connect to are forgotten at once.
#[derive(Debug)]
pub(super) struct Resolver(Kept<String, Vec<IpAddr>>);

impl Default for Resolver {
    fn default() -> Self {
        Self(Kept::new(QUESTIONS))
    }
}

impl Resolver {
    /// The addresses of a host name or address, at least one.
    pub(super) async fn addresses(&self, host: &str, progress: &Progress) -> Result<Arc<Vec<IpAddr>>, Stop> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Arc::new(vec![address]));
        }
        progress.at(Step::Resolving);
        self.0.get(&host.to_owned(), |host| resolve(host)).await
    }

    /// The addresses of this host lead nowhere: perhaps it has moved.
    pub(super) fn forget(&self, host: &str) {
        self.0.forget(&host.to_owned());
    }
}

fn resolve(host: &str) -> Result<Vec<IpAddr>, Stop> {
    let found = (host, 0).to_socket_addrs().map_err(|error| unresolved(host, &error))?;
    let found: Vec<_> = found.map(|found| found.ip()).collect();
    if found.is_empty() { Err(Stop::failing(format!("no addresses for {host}"))) } else { Ok(found) }
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
