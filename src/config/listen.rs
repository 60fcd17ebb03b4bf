//! `[api] listen` and the files that belong to it.

use std::net::SocketAddr;

use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use toml::Spanned;

use super::Listen;
use super::read::Keys;
use crate::api::ServerTls;
use crate::dns::{Authorities, TsigKey};
use crate::sources::toml_fields::Fields;

/// Where the API listens over TCP; none when it does not, or something is wrong.
pub(super) fn listen(fields: &mut Fields<'_, '_>, keys: &mut Keys<'_>) -> Option<Listen> {
    let has_listen = fields.has("listen");
    keys.believes_certificates = has_listen && fields.has("client_ca_file");
    if has_listen {
        fields.require(&[
            ("tls_cert_file", "tls_cert_file = \"server.pem\""),
            ("tls_key_file", "tls_key_file = \"server.key\""),
        ]);
    }
    let address = fields.parsed("listen", address);
    let has_authorities = fields.has("client_ca_file");
    let files = ["tls_cert_file", "tls_key_file", "client_ca_file"].map(|key| fields.string(key));
    if !has_listen {
        for unused in files.iter().flatten() {
            let message = "this has no effect without `listen`: the API is reached over its socket only";
            fields.report_with_help(unused.span(), message, "add `listen = \"0.0.0.0:8443\"`, or remove this");
        }
        return None;
    }
    let [chain, key_file, authorities] = files;
    let chain = chain.and_then(|file| certificates(fields, &file, keys));
    let key = key_file.as_ref().and_then(|file| private_key(fields, file, keys));
    let authorities = authorities.map(|file| certificates(fields, &file, keys));
    if has_authorities && authorities.as_ref().is_none_or(Option::is_none) {
        return None;
    }
    let (chain, key) = (chain?, key?);
    match ServerTls::new(chain, key, authorities.flatten()) {
        Ok(tls) => Some(Listen { address: address?.into_inner(), tls }),
        Err(error) => {
            let file = key_file?;
            fields.report(file.span(), format!("{}: {error}", keys.directory.join(file.get_ref()).display()));
            None
        }
    }
}

/// An address that somebody can connect to.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = || format!("`{text}` is not an address to listen on: write `127.0.0.1:5301` or `[::1]:5301`");
    text.parse::<SocketAddr>().ok().filter(|address| address.port() != 0).ok_or_else(wrong)
}

fn certificates(
    fields: &Fields<'_, '_>,
    file: &Spanned<String>,
    keys: &Keys<'_>,
) -> Option<Vec<CertificateDer<'static>>> {
    let loaded = fields.parse(file, |file| Authorities::load(&keys.directory.join(file)));
    loaded.map(|loaded| loaded.into_inner().into_certificates())
}

fn private_key(fields: &Fields<'_, '_>, file: &Spanned<String>, keys: &mut Keys<'_>) -> Option<PrivateKeyDer<'static>> {
    let path = keys.directory.join(file.get_ref());
    let shown = path.display();
    let key = fields.parse(file, |_| {
        PrivateKeyDer::from_pem_file(&path).map_err(|error| match error {
            pem::Error::Io(error) => format!("{shown} cannot be read: {error}"),
            // The library's words quote the content.
            _ => format!("{shown} holds no private key (`-----BEGIN PRIVATE KEY-----`)"),
        })
    })?;
    keys.warnings.extend(TsigKey::warning_for_permissions(&path));
    Some(key.into_inner())
}
