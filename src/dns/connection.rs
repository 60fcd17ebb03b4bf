//! A framed connection to a name server, bare or inside TLS (RFC 1035 section 4.2.2, RFC 7766, RFC 7858).
//!
//! Messages are read only when the caller asks for the next: a slow reader slows the server down through TCP
//! itself, and nothing is ever dropped. That is why transfers do not run over the DNS library's multiplexer,
//! which keeps eight messages per request and silently drops the rest.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::error::DnsError;
use super::tls_problem::TlsProblem;
use super::transport::{ALPN, Tls, Transport};
use crate::model::Server;

/// How long a TCP connection may take to come up, and a TLS handshake on it.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long the server may stay silent, when nothing else is said, in an exchange: BIND writes its journal to disk before it answers.
pub(super) const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// Bytes read from the socket at once.
const READ_BUFFER: usize = 128 * 1024;

/// Bytes both ways.
trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin + fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin + fmt::Debug> Stream for S {}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    server: Server,
    stream: BufReader<Box<dyn Stream>>,
    over_tls: bool,
    /// How long the server may stay silent.
    patience: Duration,
    /// Whether anything has come. BIND closes without a word what it does not want to talk to, bare connections to
    /// its TLS port and clients without the certificate that it wants.
    heard: bool,
    /// Bytes of all messages that came.
    received: u64,
}

impl Connection {
    /// # Errors
    /// When the server cannot be reached, or over TLS is not who it should be.
    pub(super) async fn open(server: &Server, transport: &Transport, patience: Duration) -> Result<Self, DnsError> {
        let bare = connect(server).await?;
        let stream: Box<dyn Stream> = match transport {
            Transport::Tcp => Box::new(bare),
            Transport::Tls(tls) => shake_hands(bare, server, tls).await?,
        };
        let stream = BufReader::with_capacity(READ_BUFFER, stream);
        let over_tls = *transport != Transport::Tcp;
        Ok(Self { server: server.clone(), stream, over_tls, patience, heard: false, received: 0 })
    }

    /// Sends one message. `doing` says what for, in the words of an error; `got` what it leaves open.
    pub(super) async fn send(&mut self, message: &[u8], doing: &'static str, got: &str) -> Result<(), DnsError> {
        let length = u16::try_from(message.len()).expect("messages are cut to fit 65535 bytes");
        let mut framed = Vec::with_capacity(2 + message.len());
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(message);
        let stream = self.stream.get_mut();
        let sent = timeout(self.patience, async {
            stream.write_all(&framed).await?;
            stream.flush().await // TLS keeps what the socket did not take
        });
        let sent = sent.await;
        self.settle(sent, doing, got)
    }

    /// Receives the next message. `got` says how far things came before, for the error.
    pub(super) async fn receive(&mut self, doing: &'static str, got: &str) -> Result<Vec<u8>, DnsError> {
        let received = timeout(self.patience, async {
            let length = self.stream.read_u16().await?;
            let mut message = vec![0; usize::from(length)];
            self.stream.read_exact(&mut message).await?;
            Ok(message)
        })
        .await;
        let received = self.settle(received, doing, got)?;
        self.heard = true;
        self.received += received.len() as u64;
        Ok(received)
    }

    /// Bytes of all messages that came so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    fn settle<T>(
        &self,
        result: Result<io::Result<T>, tokio::time::error::Elapsed>,
        doing: &'static str,
        got: &str,
    ) -> Result<T, DnsError> {
        let server = self.server.clone();
        let is_closed = |error: &io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => true,
            // A server that refuses the client while its first message is on the way; the alert that says why got lost.
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => self.over_tls && !self.heard,
            _ => false,
        };
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) if is_closed(&error) => {
                let got = got.to_owned();
                Err(match (self.heard, self.over_tls) {
                    (true, _) => DnsError::Closed { server, doing, got },
                    (false, true) => DnsError::Tls { server, problem: TlsProblem::ClosedAfterwards },
                    (false, false) => DnsError::Mute { server, doing, got },
                })
            }
            // In TLS 1.3 a server refuses the client only after the client's handshake is over.
            Ok(Err(source)) => match TlsProblem::of(&source) {
                Some(problem) => Err(DnsError::Tls { server, problem }),
                None => Err(DnsError::Broken { server, doing, got: got.to_owned(), source }),
            },
            Err(_) => Err(DnsError::Timeout { server, doing, limit: self.patience }),
        }
    }
}

/// The addresses of a server. The system's resolver has no limit of its own.
pub(super) async fn addresses(server: &Server) -> Result<Vec<SocketAddr>, DnsError> {
    let failed = |source| DnsError::Resolve { server: server.clone(), source };
    let resolving = tokio::net::lookup_host((server.host.as_str(), server.port));
    let found = match timeout(CONNECT_LIMIT, resolving).await {
        Ok(found) => found.map_err(failed)?.collect::<Vec<_>>(),
        Err(_) => return Err(failed(io::Error::new(io::ErrorKind::TimedOut, "no answer within 5 s"))),
    };
    if found.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    }
    Ok(found)
}

async fn connect(server: &Server) -> Result<TcpStream, DnsError> {
    let connect = |source| DnsError::Connect { server: server.clone(), source };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses(server).await? {
        match timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(connect)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "no answer within 5 s"),
        }
    }
    Err(connect(last))
}

async fn shake_hands(bare: TcpStream, server: &Server, tls: &Tls) -> Result<Box<dyn Stream>, DnsError> {
    let shaking = TlsConnector::from(tls.config()).connect(tls.server_name(), bare);
    let problem = match timeout(CONNECT_LIMIT, shaking).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(ALPN) => return Ok(Box::new(stream)),
        Ok(Ok(_)) => TlsProblem::OtherProtocol,
        Ok(Err(error)) => TlsProblem::of(&error).unwrap_or_else(|| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => TlsProblem::Closed,
            _ => TlsProblem::Other(error.to_string()),
        }),
        Err(_) => TlsProblem::Silent(CONNECT_LIMIT.as_secs()),
    };
    Err(DnsError::Tls { server: server.clone(), problem })
}
