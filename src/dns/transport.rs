//! Which way messages travel to a primary: bare TCP, or TLS (RFC 7858, and RFC 9103 for transfers).

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The port of DNS over TLS (RFC 7858 section 3.1).
pub const TLS_PORT: u16 = 853;

/// What both sides must agree on (RFC 9103 section 7.1), so that no other protocol's server can be talked into
/// playing this one's.
pub(super) const ALPN: &[u8] = b"dot";

/// How a primary is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// DNS over TCP.
    Tcp,
    /// DNS over TLS. Nothing goes to the server outside of it, not even a poll of the serial.
    Tls(Tls),
}

/// Whose certificates are believed, and for which name.
///
/// Never the system's authorities unasked: any of a hundred public ones could then vouch for the server that
/// takes our updates. Who wants them names their file.
#[derive(Clone)]
pub struct Tls {
    authorities: Authorities,
    server: ServerIdentity,
    config: Arc<ClientConfig>,
}

/// The certificates of a CA file, at least one.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorities(Vec<CertificateDer<'static>>);

/// The name or address that a server's certificate must carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerIdentity(ServerName<'static>);

impl Tls {
    /// Trusts `authorities` to vouch for `server`.
    ///
    /// TLS 1.3 and nothing older, as RFC 9103 section 7.2 demands; BIND offers it since it offers TLS.
    pub fn new(authorities: Authorities, server: ServerIdentity) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.0.iter().cloned());
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .expect("ring offers TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        Self { authorities, server, config: Arc::new(config) }
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    pub(super) fn server_name(&self) -> ServerName<'static> {
        self.server.0.clone()
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.authorities == other.authorities && self.server == other.server // the rest follows from these
    }
}

impl Eq for Tls {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Authorities {
    /// Reads a PEM file. Other sections than certificates are passed over.
    ///
    /// # Errors
    /// Why it cannot be used, in words; nothing of the file's content is shown.
    pub fn load(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let sections = CertificateDer::pem_file_iter(path).map_err(|error| explain(&error));
        let certificates: Result<Vec<_>, _> =
            sections.and_then(|sections| sections.collect::<Result<_, _>>().map_err(|error| explain(&error)));
        let certificates = certificates.map_err(|why| format!("{shown} {why}"))?;
        if certificates.is_empty() {
            return Err(format!("{shown} holds no certificate (`-----BEGIN CERTIFICATE-----`)"));
        }
        let (_, unusable) = RootCertStore::empty().add_parsable_certificates(certificates.iter().cloned());
        if unusable > 0 {
            return Err(format!("{shown} holds {unusable} sections that are called certificates and are none"));
        }
        Ok(Self(certificates))
    }

    /// The certificates, in the order of the file.
    pub fn into_certificates(self) -> Vec<CertificateDer<'static>> {
        self.0
    }
}

fn explain(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => format!("cannot be read: {error}"),
        _ => "is not a PEM file".to_owned(), // the library's words quote the content
    }
}

impl std::str::FromStr for ServerIdentity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.strip_suffix('.').unwrap_or(text); // certificates spell names without the final dot
        let wrong = |_| format!("`{text}` is neither a host name nor an IP address, so no certificate can be for it");
        ServerName::try_from(name.to_owned()).map(Self).map_err(wrong)
    }
}

impl fmt::Display for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ServerName::IpAddress(address) => IpAddr::from(*address).fmt(f),
            other => f.write_str(&other.to_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_that_a_certificate_can_carry() {
        for (text, shown) in [("ns1.example.", "ns1.example"), ("127.0.0.1", "127.0.0.1"), ("::1", "::1")] {
            assert_eq!(text.parse::<ServerIdentity>().unwrap().to_string(), shown);
        }
        for bad in ["", "fe80::1%eth0", "a b", "-"] {
            assert!(bad.parse::<ServerIdentity>().unwrap_err().contains("neither a host name"), "{bad:?}");
        }
    }

    #[test]
    fn a_file_without_certificates_says_so_and_shows_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        for (content, expected) in [
            ("key k { secret \"SECRET\"; };", "holds no certificate"),
            ("-----BEGIN SECRET", "is not a PEM file"),
            ("-----BEGIN CERTIFICATE-----\nSECRET?\n-----END CERTIFICATE-----\n", "is not a PEM file"),
            ("-----BEGIN CERTIFICATE-----\nU0VDUkVU\n-----END CERTIFICATE-----\n", "are none"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = Authorities::load(&path).err().unwrap();
            assert!(error.contains(expected) && !error.contains("SECRET"), "{content}: {error}");
        }
        let missing = Authorities::load(&directory.path().join("none")).err().unwrap();
        assert!(missing.contains("cannot be read: No such file"), "{missing}");
    }
}
