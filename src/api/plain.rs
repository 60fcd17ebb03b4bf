//! Ports of their own over plain HTTP, without credentials: `[metrics] listen` and `[discovery] listen`.

use std::future::ready;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::access::Peer;
use super::serve::{Connections, Seats, accept};

/// Connections at once: a few Prometheus servers, and people who look.
const MAX_CONNECTIONS: usize = 64;
/// Connections of one address at once, so that nobody keeps all others out.
const MAX_PER_ADDRESS: usize = 16;

/// Serves these routes to anybody who connects until told to stop, then lets running answers finish.
pub(super) async fn serve_plain(listener: TcpListener, routes: Router, stop: watch::Receiver<bool>) {
    let (connections, seats) = (Connections::new(routes, stop, MAX_CONNECTIONS), Seats::default());
    accept(connections, |context| {
        let accepted = listener.poll_accept(context);
        accepted.map_ok(|(stream, address)| {
            let peer = Peer::Remote { address, certificate: Arc::default() };
            ready(seats.take(address.ip(), MAX_PER_ADDRESS).map(|seat| (peer, stream, seat)))
        })
    })
    .await;
}
