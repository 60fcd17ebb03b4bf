//! The API over TCP. TLS 1.3 and nothing older, since tokio-rustls is built without the older ones.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use webpki::EndEntityCert;

use super::access::{Access, Peer};
use super::backend::Backend;
use super::routes::{Site, served};
use super::serve::{Connections, Seat, Seats, accept};
use super::socket::ListenError;

/// How long a client may take to show who it is.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Connections at once, fewer than the socket has: nobody over TCP takes the descriptors that name servers need.
const MAX_CONNECTIONS: usize = 512;
/// Connections of one address at once, so that nobody keeps all others out.
const MAX_PER_ADDRESS: usize = 64;
/// What clients that know HTTP/2 are told.
const ALPN: &[u8] = b"http/1.1";

/// What the API shows of itself over TCP, and which client certificates it believes.
#[derive(Clone)]
pub struct ServerTls {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    authorities: Option<Vec<CertificateDer<'static>>>,
    config: Arc<ServerConfig>,
}

impl ServerTls {
    /// Shows this certificate with those above it, and takes client certificates that `authorities` signed.
    ///
    /// # Errors
    /// Why they cannot be used, in words; nothing of the key is shown.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        authorities: Option<Vec<CertificateDer<'static>>>,
    ) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let clients = match &authorities {
            None => Arc::new(NoClientAuth),
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(authorities.iter().cloned());
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
                // Who shows none has a token.
                let verifier = verifier.allow_unauthenticated().build();
                verifier.map_err(|error| format!("the authorities for client certificates cannot be used: {error}"))?
            }
        };
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]);
        let builder = builder.map_err(|error| error.to_string())?.with_client_cert_verifier(clients);
        let mut config = builder.with_single_cert(chain.clone(), key.clone_key()).map_err(|error| explain(&error))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // A session that is taken up again would be believed without another look at its certificate.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { chain, key: Arc::new(key), authorities, config: Arc::new(config) })
    }
}

fn explain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => "the key does not belong to the certificate".to_owned(),
        rustls::Error::InvalidCertificate(error) => format!("the certificate cannot be used: {error:?}"),
        _ => "the key is not one that TLS can use: ECDSA (P-256, P-384), Ed25519 or RSA".to_owned(),
    }
}

impl PartialEq for ServerTls {
    fn eq(&self, other: &Self) -> bool {
        // The rest follows from these.
        self.chain == other.chain && self.key == other.key && self.authorities == other.authorities
    }
}

impl Eq for ServerTls {}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("clients", &self.authorities.is_some()).finish_non_exhaustive()
    }
}

/// A bound TCP port.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    setting: &'static str,
    listener: StdListener,
}

impl Port {
    /// Binds an address. `setting` says where it comes from, for errors.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn bind(address: SocketAddr, setting: &'static str) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Tcp { address, setting, source };
        let listener = StdListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self { address, setting, listener })
    }

    /// What was bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What [`serve_tls`] and [`serve_metrics`](super::serve_metrics) take. Who connects while nobody serves waits for the next one to do so.
    ///
    /// # Errors
    /// When the system has no file descriptors left.
    pub fn listener(&self) -> Result<TcpListener, ListenError> {
        let listener = self.listener.try_clone().and_then(TcpListener::from_std);
        listener.map_err(|source| ListenError::Tcp { address: self.address, setting: self.setting, source })
    }
}

/// Serves a port until told to stop, then lets running answers finish.
pub async fn serve_tls(
    listener: TcpListener,
    tls: ServerTls,
    backend: Arc<dyn Backend>,
    access: Arc<Access>,
    stop: watch::Receiver<bool>,
) {
    let (acceptor, seats) = (TlsAcceptor::from(tls.config), Seats::default());
    let connections = Connections::new(served(Site::new(backend, access)), stop, MAX_CONNECTIONS);
    accept(connections, |context| {
        let accepted = listener.poll_accept(context);
        accepted.map_ok(|(stream, address)| {
            let seat = seats.take(address.ip(), MAX_PER_ADDRESS);
            handshake(acceptor.clone(), stream, address, seat)
        })
    })
    .await;
}

/// The other end, once it has shown who it is; none when it does not come to that.
async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    seat: Option<Seat>,
) -> Option<(Peer, TlsStream<TcpStream>, Seat)> {
    let Some(seat) = seat else {
        tracing::debug!(peer = %address, "more than {MAX_PER_ADDRESS} connections from one address");
        return None;
    };
    let _ = stream.set_nodelay(true);
    match timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(names);
            Some((Peer::Remote { address, certificate: certificate.unwrap_or_default().into() }, stream, seat))
        }
        Ok(Err(error)) => {
            say(address, &error);
            None
        }
        Err(_) => {
            tracing::debug!(peer = %address, "no TLS handshake within {} s", HANDSHAKE_LIMIT.as_secs());
            None
        }
    }
}

/// Somebody whose certificate is refused is told to whoever reads the log; ports are tried by many others.
fn say(address: SocketAddr, error: &io::Error) {
    let cause = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(reason)) => {
            tracing::warn!(peer = %address, ?reason, "a client certificate was refused");
        }
        _ => tracing::debug!(peer = %address, %error, "a TLS handshake failed"),
    }
}

/// The DNS names that a certificate is for, in lower case.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let certificate = EndEntityCert::try_from(certificate);
    certificate.map_or_else(|_| Vec::new(), |it| it.valid_dns_names().map(str::to_ascii_lowercase).collect())
}
