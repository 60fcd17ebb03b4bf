//! What a check finds: an HTTP server that is well until somebody says otherwise.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::harness::free_address;
use super::program::poll;

const LIMIT: Duration = Duration::from_secs(30);

/// A server of this process. Its threads end with it.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// What it answers; nothing at all when 0.
    status: AtomicU16,
    requests: AtomicUsize,
    is_open: AtomicBool,
    is_over: AtomicBool,
    last: Mutex<String>,
}

impl Backend {
    /// One that answers 200.
    pub(crate) fn start() -> Self {
        let address = free_address();
        let shared = Arc::new(Shared {
            status: AtomicU16::new(200),
            requests: AtomicUsize::new(0),
            is_open: AtomicBool::new(true),
            is_over: AtomicBool::new(false),
            last: Mutex::default(),
        });
        let backend = Self { address, shared: Arc::clone(&shared) };
        let (opened, is_open) = std::sync::mpsc::channel();
        thread::spawn(move || shared.serve(address, || opened.send(()).unwrap()));
        is_open.recv_timeout(LIMIT).unwrap();
        backend
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers this from now on; 0 for none, with the connection held open.
    pub(crate) fn answers(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    /// Refuses connections from now on, or takes them again.
    pub(crate) fn is_open(&self, is_open: bool) {
        self.shared.is_open.store(is_open, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes who waits for one
        let reached = || (TcpStream::connect(self.address).is_ok() == is_open).then_some(());
        assert!(poll(LIMIT, reached).is_some(), "{} is not open: {is_open}", self.address);
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Waits until so many more requests have come.
    pub(crate) fn wait_for_requests(&self, more: usize) {
        let wanted = self.requests() + more;
        let reached = || (self.requests() >= wanted).then_some(());
        assert!(poll(LIMIT, reached).is_some(), "nobody asks {}", self.address);
    }

    /// The last request's line and headers.
    pub(crate) fn last_request(&self) -> String {
        self.shared.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, address: SocketAddr, opened: impl FnOnce()) {
        let mut opened = Some(opened);
        while !self.is_over.load(Ordering::SeqCst) {
            if !self.is_open.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(5));
                continue;
            }
            let listener = TcpListener::bind(address).unwrap();
            opened.take().into_iter().for_each(|opened| opened());
            while self.is_open.load(Ordering::SeqCst) && !self.is_over.load(Ordering::SeqCst) {
                let Ok((stream, _)) = listener.accept() else { break };
                let shared = Arc::clone(self);
                thread::spawn(move || drop(shared.answer(stream)));
            }
        }
    }

    /// One request, and its answer.
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(LIMIT))?;
        let mut lines = BufReader::new(stream.try_clone()?);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if lines.read_line(&mut head)? == 0 {
                return Ok(()); // who only wanted to see whether somebody is there
            }
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = head;
        self.requests.fetch_add(1, Ordering::SeqCst);
        match self.status.load(Ordering::SeqCst) {
            0 => lines.read_line(&mut String::new()).map(drop), // until the other side has had enough
            status => write!(stream, "HTTP/1.1 {status} Said\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"),
        }
    }
}
