//! Why no TLS connection came about, in the user's words.

use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

/// What went wrong in a TLS handshake. `Display` says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    /// No trusted authority signed it.
    #[error(
        "its certificate is not trusted: nobody in `tls_ca_file` has signed it. Put the certificate of the CA that \
         signed it there (or its own, when it is self-signed); if you did, somebody else answers"
    )]
    NotTrusted,
    /// The certificate was valid once.
    #[error(
        "its certificate has expired: renew it on the server and reload the server (if it is new, look at the clock here)"
    )]
    Expired,
    /// The certificate will be valid.
    #[error("its certificate is not valid yet: look at the clocks here and where the certificate was made")]
    NotYetValid,
    /// Trusted, and for another server.
    #[error(
        "its certificate is not for {expected} but for {presented}: set `tls_server_name` to a name in the \
         certificate, or make a certificate with that name as subjectAltName"
    )]
    WrongName {
        /// What `tls_server_name`, or `primary`, says.
        expected: String,
        /// What the certificate says.
        presented: String,
    },
    /// A CA's certificate used as a server's, as `openssl req -x509` makes it unless told otherwise.
    #[error(
        "its certificate is one for a CA and not for a server: make it with `basicConstraints=CA:FALSE` (openssl req \
         -x509 … -addext basicConstraints=CA:FALSE -addext subjectAltName=DNS:NAME)"
    )]
    IsAuthority,
    /// Something else speaks there.
    #[error(
        "what answers does not speak TLS: does `primary` name the port for plain DNS? TLS has its own, usually 853"
    )]
    NotTls,
    /// Nobody says anything.
    #[error(
        "no TLS handshake within {0} s: does `primary` name the port for plain DNS? TLS has its own, usually 853, and a \
         plain port waits for a question that never comes"
    )]
    Silent(u64),
    /// Closed in the middle.
    #[error(
        "it closed the connection in the TLS handshake: does `primary` name its port for DNS over TLS, and does its \
         `tls` statement allow TLS 1.3 (`protocols`), which RFC 9103 demands? See the server's log"
    )]
    Closed,
    /// Closed before the first answer.
    #[error(
        "it closed the connection right after the TLS handshake: if its `tls` statement has `ca-file`, it wants a \
         client certificate, and srvctl has none but its TSIG key; otherwise see the server's log"
    )]
    ClosedAfterwards,
    /// No common version.
    #[error("it does not offer TLS 1.3, which RFC 9103 demands: look at `protocols` in the server's `tls` statement")]
    OldVersion,
    /// Another protocol's server.
    #[error(
        "it speaks TLS but does not say that it is for DNS (ALPN \"dot\", RFC 9103): does `primary` name the port of \
         DNS over HTTPS, or of a TLS proxy that knows no ALPN?"
    )]
    OtherProtocol,
    /// Mutual TLS.
    #[error(
        "it wants a client certificate, and srvctl has none but its TSIG key: remove `ca-file` from the server's `tls` \
         statement for this listener"
    )]
    WantsClientCertificate,
    /// Anything else, in the TLS library's words.
    #[error("{0}; see the server's log")]
    Other(String),
}

impl TlsProblem {
    /// What an error on a TLS stream means; none when it is not about TLS.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        let tls = error.get_ref()?.downcast_ref::<Error>()?;
        Some(match tls {
            Error::InvalidCertificate(certificate) => Self::of_certificate(certificate),
            Error::InvalidMessage(_) => Self::NotTls,
            Error::PeerIncompatible(_) | Error::AlertReceived(AlertDescription::ProtocolVersion) => Self::OldVersion,
            Error::NoApplicationProtocol | Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
                Self::OtherProtocol
            }
            Error::AlertReceived(AlertDescription::CertificateRequired) => Self::WantsClientCertificate,
            other => Self::Other(other.to_string()),
        })
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::NotTrusted,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::NotValidForNameContext { expected, presented } => {
                Self::WrongName { expected: expected.to_str().into_owned(), presented: names(presented) }
            }
            // The only way to this one that the library offers.
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => Self::IsAuthority,
            other => Self::Other(format!("its certificate is not valid: {other}")),
        }
    }
}

/// The library gives `DnsName("ns1.example")` and `IpAddress(127.0.0.1)`.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let inside = name.split_once('(').map_or(name.as_str(), |(_, inside)| inside.trim_end_matches(')'));
        inside.trim_matches('"').to_owned()
    };
    let names: Vec<_> = presented.iter().map(bare).collect();
    if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") }
}
