//! Connections, whatever they come over: each is served by itself, and finished when the daemon stops.

use std::collections::HashMap;
use std::future::{Future, poll_fn, ready};
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::access::{Access, Peer};
use super::backend::Backend;
use super::routes::{Site, served};

/// Connections to the socket at once; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1_024;
/// How long a request's head may take to come.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// How long to leave off after the system had no room for another connection.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// How long a connection may last, so that nobody keeps one for ever.
const LIFETIME: Duration = Duration::from_mins(10);
/// How long it may take after that, or after the daemon was told to stop, to finish what it is doing; longer than any
/// request takes.
const LAST_WORDS: Duration = Duration::from_mins(6);

/// How long a handshake, and then a first request, may take after the daemon was told to stop; longer than it takes
/// whoever means it.
const LATE: Duration = Duration::from_secs(1);

/// Serves the socket until told to stop, then lets running answers finish.
pub async fn serve(
    listener: UnixListener,
    backend: Arc<dyn Backend>,
    access: Arc<Access>,
    stop: watch::Receiver<bool>,
) {
    let connections = Connections::new(served(Site::new(backend, access)), stop, MAX_CONNECTIONS);
    let next = |accepted: io::Result<(UnixStream, _)>| accepted.and_then(|(stream, _)| Ok((local(&stream)?, stream)));
    accept(connections, |context| {
        let accepted = listener.poll_accept(context).map(next);
        accepted.map_ok(|(peer, stream)| ready(Some((peer, stream, Seat::default()))))
    })
    .await;
}

/// Serves whoever `poll` accepts until told to stop, then lets running answers finish. What `poll` gives is a
/// connection in the making.
pub(super) async fn accept<P, H, S>(mut connections: Connections, mut poll: P)
where
    P: FnMut(&mut Context<'_>) -> Poll<io::Result<H>>,
    H: Future<Output = Option<(Peer, S, Seat)>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stop = connections.stop.clone();
    loop {
        let room = connections.room().await;
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            accepted = poll_fn(&mut poll) => match accepted {
                Ok(handshake) => connections.start(handshake, room),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(EXHAUSTED).await;
                }
            }
        }
    }
    connections.finish().await;
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|&stop| stop).await;
}

fn local(stream: &UnixStream) -> io::Result<Peer> {
    Ok(Peer::Local { uid: stream.peer_cred()?.uid() })
}

/// Every connection of one listener.
pub(super) struct Connections {
    routes: Router,
    stop: watch::Receiver<bool>,
    permits: Arc<Semaphore>,
    running: JoinSet<()>,
}

/// Room for one connection.
pub(super) type Room = tokio::sync::OwnedSemaphorePermit;

/// How many connections each address has.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection of an address, given back when dropped; of nobody in particular by default.
#[derive(Debug, Default)]
pub(super) struct Seat(Option<(Seats, IpAddr)>);

impl Seats {
    /// A seat for one more connection; none when the address has `most`.
    pub(super) fn take(&self, address: IpAddr, most: usize) -> Option<Seat> {
        let mut taken = self.lock();
        let count = taken.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Seat(Some((self.clone(), address))))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((seats, address)) = &self.0 else { return };
        let mut taken = seats.lock();
        let left = taken.get(address).map_or(0, |count| count - 1);
        if left == 0 {
            taken.remove(address);
        } else {
            taken.insert(*address, left);
        }
    }
}

impl Connections {
    pub(super) fn new(routes: Router, stop: watch::Receiver<bool>, most: usize) -> Self {
        Self { routes, stop, permits: Arc::new(Semaphore::new(most)), running: JoinSet::new() }
    }

    /// Waits until there is room for another.
    pub(super) async fn room(&mut self) -> Room {
        while self.running.try_join_next().is_some() {}
        Arc::clone(&self.permits).acquire_owned().await.expect("nobody closes it")
    }

    /// Serves a connection that `handshake` makes; none when it comes to nothing.
    pub(super) fn start<S>(
        &mut self,
        handshake: impl Future<Output = Option<(Peer, S, Seat)>> + Send + 'static,
        room: Room,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (routes, mut stop) = (self.routes.clone(), self.stop.clone());
        self.running.spawn(async move {
            let late = async {
                stopped(&mut stop).await;
                sleep(LATE).await;
            };
            let made = tokio::select! {
                made = handshake => made,
                () = late => None,
            };
            if let Some((peer, stream, seat)) = made {
                connection(stream, routes.layer(Extension(peer)), stop).await;
                drop(seat);
            }
            drop(room);
        });
    }

    /// Lets every one finish what it is doing.
    pub(super) async fn finish(&mut self) {
        while self.running.join_next().await.is_some() {}
    }
}

async fn connection<S>(stream: S, routes: Router, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (ask, mut asked) = watch::channel(false);
    let routes = routes.layer(middleware::from_fn(move |request: Request, next: Next| {
        ask.send_replace(true);
        next.run(request)
    }));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Ok(ended),
        () = stopped(&mut stop) => Err(()),
        () = sleep(LIFETIME) => Err(()),
    };
    let ended = match ended {
        Ok(ended) => ended,
        Err(()) => {
            // Who has come in before the door was closed is heard; who says nothing holds up nobody.
            let first = async { timeout(LATE, asked.wait_for(|&asked| asked)).await.is_ok_and(|heard| heard.is_ok()) };
            let heard = tokio::select! {
                ended = connection.as_mut() => Err(ended),
                heard = first => Ok(heard),
            };
            match heard {
                Err(ended) => ended,
                Ok(heard) => {
                    connection.as_mut().graceful_shutdown();
                    timeout(if heard { LAST_WORDS } else { LATE }, connection).await.unwrap_or(Ok(()))
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

#[cfg(test)]
mod tests;
