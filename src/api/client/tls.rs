//! TLS as a client: whom to trust, and who we are.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};

/// The authorities that Debian and its kin trust.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What a connection over TLS needs, as files.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// PEM file with the authorities to trust; the system's when absent.
    pub ca_file: Option<PathBuf>,
    /// PEM files with the client's certificate and its private key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

pub(super) fn connector(credentials: &Credentials) -> Result<TlsConnector, String> {
    let path = credentials.ca_file.as_deref().unwrap_or(Path::new(SYSTEM_AUTHORITIES));
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates(path)?);
    if usable == 0 {
        return Err(format!("{} holds no certificate of a CA", path.display()));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .expect("ring offers TLS 1.3")
        .with_root_certificates(roots);
    let mut config = match &credentials.certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let (chain, secret) = (certificates(certificate)?, private_key(key)?);
            let unfit = |_| format!("{} is not the private key of {}", key.display(), certificate.display());
            builder.with_client_auth_cert(chain, secret).map_err(unfit)?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let sections = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let sections = sections.map_err(|error| unreadable(path, &error))?;
    if sections.is_empty() {
        return Err(format!("{} holds no certificate (`-----BEGIN CERTIFICATE-----`)", path.display()));
    }
    Ok(sections)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => format!("{} cannot be read: {error}", path.display()),
        pem::Error::NoItemsFound => format!("{} holds no private key", path.display()),
        _ => format!("{} is not a PEM file", path.display()), // the library's words quote the content
    }
}

/// What an error of a stream means, be it one of TLS or another.
pub(super) fn problem(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match tls {
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            "its certificate is not trusted: name the certificate of the CA that signed it with --ca-file".to_owned()
        }
        Some(Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, .. })) => {
            format!(
                "its certificate is for another name than {}: ask it by a name in the certificate",
                expected.to_str()
            )
        }
        Some(Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
            "its certificate has expired (or the clock here is wrong)".to_owned()
        }
        Some(Error::InvalidMessage(_)) => "what answers there does not speak TLS".to_owned(),
        Some(Error::AlertReceived(AlertDescription::CertificateRequired)) => {
            "it wants a client certificate: name yours with --cert-file and --key-file".to_owned()
        }
        Some(Error::PeerIncompatible(_)) => "it does not offer TLS 1.3".to_owned(),
        _ => error.to_string(),
    }
}
