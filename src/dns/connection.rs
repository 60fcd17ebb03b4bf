//! A framed TCP connection to a name server (RFC 1035 section 4.2.2, RFC 7766).
//!
//! Messages are read only when the caller asks for the next: a slow reader slows the server down through TCP
//! itself, and nothing is ever dropped. That is why transfers do not run over the DNS library's multiplexer,
//! which keeps eight messages per request and silently drops the rest.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::error::DnsError;
use crate::model::Server;

/// How long a TCP connection may take to come up.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long the server may stay silent in an exchange: BIND writes its journal to disk before it answers.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// Bytes read from the socket at once.
const READ_BUFFER: usize = 128 * 1024;

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    server: Server,
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(super) async fn open(server: &Server) -> Result<Self, DnsError> {
        let resolve = |source| DnsError::Resolve { server: server.clone(), source };
        let connect = |source| DnsError::Connect { server: server.clone(), source };
        let addresses = tokio::net::lookup_host((server.host.as_str(), server.port)).await.map_err(resolve)?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(connect)?;
                    return Ok(Self { server: server.clone(), stream: BufReader::with_capacity(READ_BUFFER, stream) });
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "no answer within 5 s"),
            }
        }
        Err(connect(last))
    }

    /// Sends one message. `doing` says what for, in the words of an error.
    pub(super) async fn send(&mut self, message: &[u8], doing: &'static str) -> Result<(), DnsError> {
        let length = u16::try_from(message.len()).expect("messages are cut to fit 65535 bytes");
        let mut framed = Vec::with_capacity(2 + message.len());
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(message);
        let sent = timeout(SILENCE_LIMIT, self.stream.get_mut().write_all(&framed)).await;
        self.settle(sent, doing, "")
    }

    /// Receives the next message. `got` says how far things came before, for the error.
    pub(super) async fn receive(&mut self, doing: &'static str, got: &str) -> Result<Vec<u8>, DnsError> {
        let received = timeout(SILENCE_LIMIT, async {
            let length = self.stream.read_u16().await?;
            let mut message = vec![0; usize::from(length)];
            self.stream.read_exact(&mut message).await?;
            Ok(message)
        })
        .await;
        self.settle(received, doing, got)
    }

    fn settle<T>(
        &self,
        result: Result<io::Result<T>, tokio::time::error::Elapsed>,
        doing: &'static str,
        got: &str,
    ) -> Result<T, DnsError> {
        let server = self.server.clone();
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(DnsError::Closed { server, doing, got: got.to_owned() })
            }
            Ok(Err(source)) => Err(DnsError::Broken { server, doing, source }),
            Err(_) => Err(DnsError::Timeout { server, doing, limit: SILENCE_LIMIT }),
        }
    }
}
