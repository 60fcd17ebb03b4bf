//! Whom to ask, and the way there.

use std::fmt;
use std::io;
use std::path::PathBuf;

use hyper::Uri;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::error::ApiError;
use super::tls::{self, Credentials};

/// Whom to ask.
pub(super) enum Target {
    /// The daemon of this machine.
    Socket(PathBuf),
    /// One elsewhere.
    Server { host: String, port: u16, tls: Option<(ServerName<'static>, TlsConnector)> },
}

/// An open connection.
pub(super) enum Stream {
    Socket(UnixStream),
    Open(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(socket) => socket.display().fmt(f),
            Self::Server { tls, .. } => {
                let scheme = if tls.is_some() { "https" } else { "http" };
                write!(f, "{scheme}://{}", self.authority())
            }
        }
    }
}

impl Target {
    /// What `https://HOST:PORT` means.
    pub(super) fn server(url: &str, credentials: &Credentials) -> Result<Self, String> {
        let wrong = || format!("`{url}` is not the address of a server: write it as https://HOST:PORT");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let has_more =
            uri.path() != "/" || uri.query().is_some() || uri.authority().is_none_or(|a| a.as_str().contains('@'));
        let host = uri.host().filter(|_| !has_more).ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        match uri.scheme_str() {
            Some("https") => {
                let name = ServerName::try_from(host.clone()).map_err(|_| wrong())?;
                let tls = Some((name, tls::connector(credentials)?));
                Ok(Self::Server { host, port: uri.port_u16().unwrap_or(443), tls })
            }
            Some("http") => Ok(Self::Server { host, port: uri.port_u16().unwrap_or(80), tls: None }),
            _ => Err(wrong()),
        }
    }

    /// Whether everybody on the way can read what is said.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Server { tls: None, .. })
    }

    /// For the `Host` header.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Socket(_) => "srvctl".to_owned(),
            Self::Server { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Server { host, port, .. } => format!("{host}:{port}"),
        }
    }

    pub(super) async fn connect(&self) -> Result<Stream, ApiError> {
        match self {
            Self::Socket(socket) => match UnixStream::connect(socket).await {
                Ok(stream) => Ok(Stream::Socket(stream)),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    Err(ApiError::NotPermitted(socket.clone()))
                }
                Err(source) => Err(ApiError::NoDaemon { socket: socket.clone(), source }),
            },
            Self::Server { host, port, tls } => {
                let failed = |why: String| ApiError::Unreachable { server: self.to_string(), why };
                let stream =
                    TcpStream::connect((host.as_str(), *port)).await.map_err(|error| failed(error.to_string()))?;
                let _ = stream.set_nodelay(true); // slower without, and right all the same
                match tls {
                    None => Ok(Stream::Open(stream)),
                    Some((name, connector)) => {
                        let stream = connector.connect(name.clone(), stream).await;
                        let stream = stream.map_err(|error| failed(tls::problem(&error)))?;
                        Ok(Stream::Tls(Box::new(stream)))
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> Result<String, String> {
        Target::server(url, &Credentials::default()).map(|target| target.to_string())
    }

    #[test]
    fn servers_are_written_as_addresses_of_the_web() {
        assert_eq!(shown("http://dns1.example:8053"), Ok("http://dns1.example:8053".to_owned()));
        assert_eq!(shown("http://[::1]:8053/"), Ok("http://[::1]:8053".to_owned()));
        for wrong in
            ["", "dns1:8053", "dns1", "https://", "ftp://dns1", "http://dns1/v1", "http://a:b@dns1", "http://dns1/?x"]
        {
            let error = shown(wrong).unwrap_err();
            assert!(error.contains("write it as https://HOST:PORT"), "{wrong}: {error}");
        }
    }
}
