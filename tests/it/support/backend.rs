//! What checks find: HTTP servers of this process that are well until somebody says otherwise.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::harness::free_address;
use super::program::poll;

const LIMIT: Duration = Duration::from_secs(30);

/// A server. It ends when it is dropped.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// What it answers; nothing at all when 0.
    status: AtomicU16,
    /// What all of its group that would answer 200 answer instead, unless 0.
    of_all: Arc<AtomicU16>,
    requests: AtomicUsize,
    is_over: AtomicBool,
    last: Mutex<String>,
}

/// Several that may begin to fail in the same moment.
pub(crate) struct Fleet {
    pub(crate) backends: Vec<Backend>,
    of_all: Arc<AtomicU16>,
}

impl Fleet {
    /// So many that answer 200.
    pub(crate) fn start(count: usize) -> Self {
        let of_all = Arc::<AtomicU16>::default();
        Self { backends: (0..count).map(|_| Backend::in_group(Arc::clone(&of_all))).collect(), of_all }
    }

    /// From now on all of them that would answer 200 answer this; 0: they answer 200.
    pub(crate) fn all_answer(&self, status: u16) {
        self.of_all.store(status, Ordering::SeqCst);
    }

    /// Waits until each was asked so many more times.
    pub(crate) fn wait_for_requests(&self, more: usize) {
        let wanted: Vec<_> = self.backends.iter().map(|backend| backend.requests() + more).collect();
        for (backend, wanted) in self.backends.iter().zip(wanted) {
            backend.wait_until_asked(wanted);
        }
    }
}

impl Backend {
    /// One that answers 200.
    pub(crate) fn start() -> Self {
        Self::in_group(Arc::default())
    }

    fn in_group(of_all: Arc<AtomicU16>) -> Self {
        let address = free_address();
        let shared = Arc::new(Shared {
            status: AtomicU16::new(200),
            of_all,
            requests: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            last: Mutex::default(),
        });
        let (listener, served) = (TcpListener::bind(address).unwrap(), Arc::clone(&shared));
        thread::spawn(move || served.serve(&listener));
        Self { address, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers this from now on; 0 for nothing, with the connection held open.
    pub(crate) fn answers(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Waits until so many more requests have come.
    pub(crate) fn wait_for_requests(&self, more: usize) {
        self.wait_until_asked(self.requests() + more);
    }

    fn wait_until_asked(&self, wanted: usize) {
        let reached = || (self.requests() >= wanted).then_some(());
        assert!(poll(LIMIT, reached).is_some(), "nobody asks {} any more", self.address);
    }

    /// The last request's line and headers.
    pub(crate) fn last_request(&self) -> String {
        self.shared.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes who waits for one
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let (Ok(stream), shared) = (stream, Arc::clone(self)) else { return };
            // Who hangs up early is none of our business.
            thread::spawn(move || drop(shared.answer(stream)));
        }
    }

    /// One request, and its answer.
    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(LIMIT))?;
        let mut lines = BufReader::new(stream.try_clone()?);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if lines.read_line(&mut head)? == 0 {
                return Ok(()); // who only wanted to see whether somebody is there
            }
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = head;
        let status = match (self.status.load(Ordering::SeqCst), self.of_all.load(Ordering::SeqCst)) {
            (200, of_all @ 1..) => of_all,
            (status, _) => status,
        };
        self.requests.fetch_add(1, Ordering::SeqCst);
        if status == 0 {
            return lines.read_line(&mut String::new()).map(drop); // until the other side has had enough
        }
        write!(stream, "HTTP/1.1 {status} So\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
    }
}
