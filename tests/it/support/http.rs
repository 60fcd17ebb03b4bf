//! Clients of the API: one connection for each request, so that each shows who it is anew.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::certificates::{Authority, Certificate};

const LIMIT: Duration = Duration::from_secs(30);

/// Somebody who asks over TLS.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    token: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) text: String,
    /// The server's certificate.
    pub(crate) certificate: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The reason of a refusal, which has to be `application/problem+json` with this status.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        problem["detail"].as_str().unwrap().to_owned()
    }
}

impl Client {
    /// Trusts this authority, and shows a certificate if it has one.
    pub(crate) fn new(address: SocketAddr, authority: &Authority, certificate: Option<&Certificate>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let config = match certificate {
            None => builder.with_no_client_auth(),
            Some(Certificate { certificate, key }) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
            }
        };
        Self { address, config: Arc::new(config), token: None }
    }

    pub(crate) fn bearer(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub(crate) fn try_send(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Reply> {
        let stream = TcpStream::connect_timeout(&self.address, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let name = ServerName::from(self.address.ip());
        let connection = ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        let mut reply = exchange(&mut stream, &request(method, path, self.token.as_deref(), body))?;
        let certificates = stream.conn.peer_certificates().unwrap_or_default();
        reply.certificate = certificates.first().map(|certificate| certificate.to_vec()).unwrap_or_default();
        Ok(reply)
    }

    /// As [`Self::try_send`], and must be answered.
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.try_send(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, Some(body))
    }
}

/// Asks over the unix socket.
pub(crate) fn send_local(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> Reply {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    exchange(&mut stream, &request(method, path, None, body)).unwrap()
}

/// Asks for a path over plain TCP, with more lines of headers.
pub(crate) fn get_plain(address: SocketAddr, path: &str, headers: &str) -> io::Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    exchange(&mut stream, &format!("GET {path} HTTP/1.1\r\nhost: srvctl\r\nconnection: close\r\n{headers}\r\n"))
}

/// A request as it goes over the wire.
pub(crate) fn request(method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> String {
    let body = body.map(ToString::to_string).unwrap_or_default();
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: srvctl\r\nconnection: close\r\n{token}\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn exchange(stream: &mut (impl Read + Write), request: &str) -> io::Result<Reply> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    // Who closes without a word after the answer has answered.
    if let Err(error) = stream.read_to_end(&mut answer)
        && answer.is_empty()
    {
        return Err(error);
    }
    Reply::parse(&String::from_utf8_lossy(&answer))
}

impl Reply {
    /// An answer as it came over the wire.
    pub(crate) fn parse(answer: &str) -> io::Result<Self> {
        let (head, text) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { status, head: head.to_ascii_lowercase(), text: text.to_owned(), certificate: Vec::new() })
    }
}
