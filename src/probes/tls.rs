//! TLS to an instance: whom to trust, and what is wrong with what was shown.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{self, CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use super::Tools;
use super::connect::explain;
use super::files::{self, READERS};
use super::kept::Kept;
use super::outcome::{Stop, is_ours};
use super::progress::Step;
use crate::model::health::CheckTls;

/// The authorities that Debian and its kin trust.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What tells one way to use TLS from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Way {
    authorities: PathBuf,
    insecure: bool,
    protocol: &'static [u8],
}

/// No collection of authorities comes near it; Debian's is a twentieth.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// What was read of certificates, for all checks.
#[derive(Debug)]
pub(super) struct Trust(Kept<Way, ClientConfig>);

impl Default for Trust {
    fn default() -> Self {
        Self(Kept::new(READERS))
    }
}

/// Speaks TLS over a connection. `host` is whose certificate it must be, unless the options say another name.
pub(super) async fn shake_hands(
    tools: &Tools<'_>,
    (stream, address): (TcpStream, SocketAddr),
    host: &str,
    options: &CheckTls,
    protocol: &'static [u8],
) -> Result<TlsStream<TcpStream>, Stop> {
    let name = options.server_name.as_deref().unwrap_or(host);
    let name = name.strip_suffix('.').unwrap_or(name);
    let no_name = |_| Stop::ours(format!("no certificate can be for `{name}`: set `tls_server_name`"));
    let server = ServerName::try_from(name.to_owned()).map_err(no_name)?;
    let authorities = options.ca_file.clone().unwrap_or_else(|| SYSTEM_AUTHORITIES.into());
    let way = Way { authorities, insecure: options.insecure, protocol };
    let config = tools.trust.0.get(&way, |way| configure(way).map_err(Stop::Ours)).await?;
    tools.progress.at(Step::ShakingHands(address));
    let shaken = TlsConnector::from(config).connect(server, stream).await;
    shaken.map_err(|error| stop(&error, address))
}

fn configure(way: &Way) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let builder = if way.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    } else {
        let roots = Arc::new(authorities(&way.authorities)?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        builder.with_webpki_verifier(verifier.map_err(|error| error.to_string())?)
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![way.protocol.to_vec()];
    // A session that is taken up again shows no certificate, and one that has expired would never be seen.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Whether a file that is named for it can be used.
pub(super) fn usable(options: &CheckTls) -> Result<(), String> {
    options.ca_file.as_ref().map_or(Ok(()), |path| authorities(path).map(drop))
}

fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let shown = path.display();
    let (bytes, _) = files::read("CA file", path, MOST_BYTES)?;
    let sections = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let mut roots = RootCertStore::empty();
    let (usable, _) =
        roots.add_parsable_certificates(sections.map_err(|_| format!("the CA file {shown} is not a PEM file"))?);
    if usable == 0 {
        return Err(format!("the CA file {shown} holds no certificate of a CA"));
    }
    Ok(roots)
}

/// Why there is no TLS connection.
fn stop(error: &io::Error, address: SocketAddr) -> Stop {
    if is_ours(error) {
        return Stop::ours(error.to_string());
    }
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let why = match tls {
        Some(rustls::Error::InvalidCertificate(error)) => of_certificate(error),
        Some(rustls::Error::InvalidMessage(_)) => "what answers there does not speak TLS".to_owned(),
        Some(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)) => {
            "it wants a client certificate, and health checks have none".to_owned()
        }
        Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            "it does not speak the protocol of the check (ALPN)".to_owned()
        }
        Some(rustls::Error::PeerIncompatible(_)) => {
            "it offers neither TLS 1.2 nor 1.3 in a way that is safe".to_owned()
        }
        Some(other) => other.to_string(),
        None => explain(error),
    };
    Stop::failing(format!("no TLS connection to {address}: {why}"))
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is not trusted: no known CA has signed it (`tls_ca_file`)".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, .. } => {
            format!("its certificate is not for {} (`tls_server_name`)", expected.to_str())
        }
        other => format!("its certificate is not valid: {other}"),
    }
}

/// Believes whoever answers, as `tls_insecure` asks for. That the other end has the key to what it shows is looked at all
/// the same.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
