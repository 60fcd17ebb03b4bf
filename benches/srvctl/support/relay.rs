//! A relay in front of a server, TCP and UDP, that counts what passes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::harness::free_address;

/// What a signed message contains: the algorithm of its TSIG record.
const SIGNED: &[u8] = b"\x0bhmac-sha256";
const PATIENCE: Duration = Duration::from_secs(2);
const BUFFER: usize = 65_536;

/// Runs until the program ends.
pub(crate) struct Relay {
    address: SocketAddr,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    bytes: AtomicU64,
    requests: AtomicU32,
    signed: AtomicBool,
}

impl Relay {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let address = free_address();
        let (listener, socket) = (TcpListener::bind(address).unwrap(), UdpSocket::bind(address).unwrap());
        let counters = Arc::new(Counters::default());
        let (for_streams, for_datagrams) = (Arc::clone(&counters), Arc::clone(&counters));
        thread::spawn(move || accept(&listener, server, &for_streams));
        thread::spawn(move || relay_datagrams(&socket, server, &for_datagrams));
        Self { address, counters }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What passed since the last call, both ways, as DNS messages: without the headers of IP, UDP and TCP.
    pub(crate) fn take_bytes(&self) -> u64 {
        self.counters.bytes.swap(0, Ordering::Relaxed)
    }

    /// How many requests have come since the last call; several that a client writes at once count as one.
    pub(crate) fn take_requests(&self) -> u32 {
        self.counters.requests.swap(0, Ordering::Relaxed)
    }

    /// Whether a signed message has come from the client since the last call.
    pub(crate) fn take_signed(&self) -> bool {
        self.counters.signed.swap(false, Ordering::Relaxed)
    }
}

impl Counters {
    fn add_request(&self, message: &[u8]) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.add(message);
    }

    fn add(&self, message: &[u8]) {
        self.bytes.fetch_add(message.len() as u64, Ordering::Relaxed);
        if message.windows(SIGNED.len()).any(|bytes| bytes == SIGNED) {
            self.signed.store(true, Ordering::Relaxed);
        }
    }
}

/// One at a time: pollers wait for their answers.
fn relay_datagrams(socket: &UdpSocket, server: SocketAddr, counters: &Counters) {
    let mut buffer = vec![0; BUFFER];
    while let Ok((length, client)) = socket.recv_from(&mut buffer) {
        let upstream = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        upstream.set_read_timeout(Some(PATIENCE)).unwrap();
        upstream.connect(server).unwrap();
        counters.add_request(&buffer[..length]);
        let sent = upstream.send(&buffer[..length]);
        if let Ok(length) = sent.and_then(|_| upstream.recv(&mut buffer)) {
            counters.add(&buffer[..length]);
            let _ = socket.send_to(&buffer[..length], client);
        }
    }
}

fn accept(listener: &TcpListener, server: SocketAddr, counters: &Arc<Counters>) {
    while let Ok((client, _)) = listener.accept() {
        let Ok(upstream) = TcpStream::connect(server) else { continue };
        relay_stream(&client, &upstream, counters, Counters::add_request);
        relay_stream(&upstream, &client, counters, Counters::add);
    }
}

/// In a thread of its own.
fn relay_stream(from: &TcpStream, to: &TcpStream, counters: &Arc<Counters>, count: fn(&Counters, &[u8])) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let counters = Arc::clone(counters);
    thread::spawn(move || {
        let _ = to.set_nodelay(true);
        let mut buffer = vec![0; BUFFER];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            count(&counters, &buffer[..length]);
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
