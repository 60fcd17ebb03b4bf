//! Servers for checks: a well-behaved one for HTTP, and bare ones that do as they are told.

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion, version};

use crate::support::Certificate;

type Answer = dyn Fn(&Request<Incoming>) -> Response<Full<Bytes>> + Send + Sync;

/// An HTTP server on loopback that dies with this.
pub(super) struct Web {
    pub(super) address: SocketAddr,
    _runtime: Runtime,
}

impl Web {
    pub(super) fn start(answer: impl Fn(&Request<Incoming>) -> Response<Full<Bytes>> + Send + Sync + 'static) -> Self {
        Self::serve(None, Arc::new(answer))
    }

    pub(super) fn over_tls(certificate: &Certificate) -> Self {
        Self::over_tls_of(certificate, &version::TLS13)
    }

    pub(super) fn over_old_tls(certificate: &Certificate) -> Self {
        Self::over_tls_of(certificate, &version::TLS12)
    }

    fn over_tls_of(certificate: &Certificate, version: &'static SupportedProtocolVersion) -> Self {
        let chain = CertificateDer::from_pem_slice(certificate.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(&[version]).unwrap().with_no_client_auth();
        let config = builder.with_single_cert(vec![chain], key).unwrap();
        Self::serve(Some(TlsAcceptor::from(Arc::new(config))), Arc::new(|_| plain("well")))
    }

    fn serve(tls: Option<TlsAcceptor>, answer: Arc<Answer>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let handle = runtime.handle().clone();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, answer) = (tls.clone(), Arc::clone(&answer));
                handle.spawn(async move {
                    match tls {
                        None => converse(stream, answer).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, answer).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, _runtime: runtime }
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, answer: Arc<Answer>) {
    let service = service_fn(move |request| {
        let response = answer(&request);
        async move { Ok::<_, hyper::Error>(response) }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// A path of the instance that is checked.
pub(super) fn at(path: &str) -> String {
    format!("http://{{host}}:{{port}}{path}")
}

/// 200 with this body.
pub(super) fn plain(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::new(Full::new(body.into()))
}

/// Only a status, with a header.
pub(super) fn status(code: u16, header: (&str, &str)) -> Response<Full<Bytes>> {
    Response::builder().status(code).header(header.0, header.1).body(Full::default()).unwrap()
}

/// Gives each connection to `serve`, on a thread of its own.
pub(super) fn scripted(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, serve) = (listener.local_addr().unwrap(), Arc::new(serve));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Takes connections and says nothing until the other end has gone.
pub(crate) fn mute() -> SocketAddr {
    scripted(|stream| wait_for_end(&stream))
}

/// Reads and drops what comes, until the other end has gone.
pub(super) fn wait_for_end(mut stream: &TcpStream) {
    while let Ok(1..) = stream.read(&mut [0; 4096]) {}
}

/// Takes connections, and closes them with what was sent unread: the system makes a reset of that.
pub(super) fn resetting() -> SocketAddr {
    scripted(|stream| {
        let _ = stream.peek(&mut [0; 1]);
    })
}

/// As [`mute`], with how many connections there were at once at the most.
pub(super) fn counting() -> (SocketAddr, Arc<AtomicUsize>) {
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let highest = Arc::clone(&most);
    let address = scripted(move |stream| {
        highest.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        wait_for_end(&stream);
        now.fetch_sub(1, Ordering::SeqCst);
    });
    (address, most)
}

/// An address where connections are neither taken nor refused, until this is dropped.
pub(super) struct Swallower {
    pub(super) address: SocketAddr,
    _full: Mutex<(tokio::net::TcpListener, Vec<TcpStream>)>,
    _runtime: Runtime,
}

impl Swallower {
    /// At this address and port, or any when it is 0.
    pub(super) fn at(ip: IpAddr, port: u16) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::new(ip, port)).unwrap();
            socket.listen(0).unwrap()
        });
        let address = listener.local_addr().unwrap();
        // Nobody accepts: when the queue is full, the system drops what comes.
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
            waiting.push(stream);
            assert!(waiting.len() < 50, "the queue is never full");
        }
        Self { address, _full: Mutex::new((listener, waiting)), _runtime: runtime }
    }
}
