//! A TCP proxy on loopback that does to one exchange what a bad network does: byte by byte, and on purpose.
//!
//! An exchange is what the client sends, be it several messages, and what the server answers until the client sends
//! again.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// Nothing that is awaited takes longer, on however slow a machine.
const LIMIT: Duration = Duration::from_mins(1);

/// What happens to one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The connection is closed when so many bytes of the answer have passed. With 0 the server has done what it was asked,
    /// and the client hears nothing.
    CutAnswer(usize),
    /// The byte of the answer at this offset is changed by exclusive or.
    Flip(usize, u8),
    /// The connection is closed when the request comes, and the server never sees it.
    LoseRequest,
    /// The request waits until [`Proxy::release`].
    HoldRequest,
}

/// A proxy in front of one server, gone when dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// For the next exchanges, one each; none after them.
    faults: VecDeque<Fault>,
    /// What passed to the client in the last exchange.
    answer: Vec<u8>,
    held: bool,
    released: bool,
    ended: bool,
    open: Vec<TcpStream>,
}

impl Proxy {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { server, state: Mutex::default(), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept(&listener));
        Self { address, shared }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens to the next exchanges, in order; those after them are left alone.
    pub(crate) fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.state.lock().unwrap().faults = faults.into_iter().collect();
    }

    /// What the server said in the last exchange, as far as it was passed on.
    pub(crate) fn answer(&self) -> Vec<u8> {
        self.shared.state.lock().unwrap().answer.clone()
    }

    /// Waits until a request is held.
    pub(crate) fn wait_held(&self) {
        let state = self.shared.state.lock().unwrap();
        let (_state, waited) = self.shared.changed.wait_timeout_while(state, LIMIT, |state| !state.held).unwrap();
        assert!(!waited.timed_out(), "no request came that was to be held");
    }

    /// Lets the held request go.
    pub(crate) fn release(&self) {
        self.shared.state.lock().unwrap().released = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock().unwrap();
        state.ended = true;
        for stream in &state.open {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
        let _ = TcpStream::connect(self.address); // wakes the listener, which then sees the end
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while let Ok((client, _)) = listener.accept() {
            let Ok(server) = TcpStream::connect(self.server) else { continue };
            let mut state = self.state.lock().unwrap();
            if state.ended {
                return;
            }
            state.open.retain(|stream| stream.peer_addr().is_ok());
            state.open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
            drop(state);
            let _ = client.set_nodelay(true);
            let _ = server.set_nodelay(true);
            let pair = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (up, down) = (Arc::clone(self), Arc::clone(self));
            let exchange = Arc::new(Mutex::new(Exchange { fault: Fault::None, passed: 0, answered: true }));
            let same = Arc::clone(&exchange);
            thread::spawn(move || up.requests(client, server, &exchange));
            thread::spawn(move || down.answers(pair.1, pair.0, &same));
        }
    }

    fn requests(&self, mut client: TcpStream, mut server: TcpStream, exchange: &Mutex<Exchange>) {
        let mut buffer = vec![0; 65536];
        while let Ok(length @ 1..) = client.read(&mut buffer) {
            match self.asked(exchange) {
                Fault::LoseRequest => break,
                Fault::HoldRequest => self.hold(),
                _ => {}
            }
            if server.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        close(&client, &server);
    }

    /// What happens to the exchange that the client has begun, or goes on with.
    fn asked(&self, exchange: &Mutex<Exchange>) -> Fault {
        let mut exchange = exchange.lock().unwrap();
        if exchange.answered {
            let mut state = self.state.lock().unwrap();
            state.answer.clear();
            *exchange = Exchange { fault: state.faults.pop_front().unwrap_or(Fault::None), passed: 0, answered: false };
        }
        exchange.fault
    }

    fn hold(&self) {
        let mut state = self.state.lock().unwrap();
        state.held = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| !state.released && !state.ended).unwrap());
    }

    fn answers(&self, mut server: TcpStream, mut client: TcpStream, exchange: &Mutex<Exchange>) {
        let mut buffer = vec![0; 65536];
        while let Ok(length @ 1..) = server.read(&mut buffer) {
            let mut exchange = exchange.lock().unwrap();
            let (fault, passed) = (exchange.fault, exchange.passed);
            let mut chunk = &mut buffer[..length];
            match fault {
                Fault::CutAnswer(at) => chunk = &mut chunk[..length.min(at - passed)],
                Fault::Flip(at, mask) if (passed..passed + length).contains(&at) => chunk[at - passed] ^= mask,
                _ => {}
            }
            exchange.passed += chunk.len();
            exchange.answered = true;
            let is_cut = fault == Fault::CutAnswer(exchange.passed);
            drop(exchange);
            self.state.lock().unwrap().answer.extend_from_slice(chunk);
            if client.write_all(chunk).is_err() || is_cut {
                break;
            }
        }
        close(&client, &server);
    }
}

/// The exchange under way on one connection.
struct Exchange {
    fault: Fault,
    /// Bytes of the answer that have passed.
    passed: usize,
    /// Whether an answer has begun; what the client sends next begins another exchange.
    answered: bool,
}

fn close(client: &TcpStream, server: &TcpStream) {
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
