//! `transport` and the keys that belong to it.

use std::path::Path;

use toml::Spanned;

use crate::dns::{Authorities, ServerIdentity, TLS_PORT, Tls, Transport};
use crate::model::{DNS_PORT, Server};
use crate::sources::toml_fields::Fields;

/// The zone's primary and the way to it, or none when something is wrong.
pub(super) fn primary(fields: &mut Fields<'_, '_>, directory: &Path) -> Option<(Server, Transport)> {
    let has_transport = fields.has("transport");
    let over_tls = fields.parsed("transport", |text| match text {
        "tcp" => Ok(false),
        "tls" => Ok(true),
        other => Err(format!("`transport` must be \"tcp\" or \"tls\", not \"{other}\"")),
    });
    // What is misspelt is reported; the rest is then read as for TCP, without complaints that may be wrong.
    let over_tls = over_tls.map(Spanned::into_inner).or((!has_transport).then_some(false));
    let port = if over_tls == Some(true) { TLS_PORT } else { DNS_PORT };
    let primary = fields.parsed("primary", |text| Server::parse(text, port).map_err(|error| error.to_string()));
    let authorities = fields.string("tls_ca_file");
    let server_name = fields.string("tls_server_name");
    match over_tls {
        None => None,
        Some(true) => {
            let tls = tls(fields, directory, (primary.as_ref(), authorities, server_name));
            Some((primary?.into_inner(), Transport::Tls(tls?)))
        }
        Some(false) => {
            for unused in [&authorities, &server_name].into_iter().flatten() {
                let message = "this has no effect without `transport = \"tls\"`: messages go over bare TCP";
                fields.report_with_help(unused.span(), message, "add `transport = \"tls\"`, or remove this");
            }
            Some((primary?.into_inner(), Transport::Tcp))
        }
    }
}

type Given<'a> = (Option<&'a Spanned<Server>>, Option<Spanned<String>>, Option<Spanned<String>>);

fn tls(fields: &Fields<'_, '_>, directory: &Path, (primary, authorities, server_name): Given<'_>) -> Option<Tls> {
    if authorities.is_none() {
        let help = "add `tls_ca_file = \"ca.pem\"`, the certificate of the CA that signed the server's. The system's \
                    own authorities are not trusted unless you name their file, on Debian \
                    \"/etc/ssl/certs/ca-certificates.crt\"";
        fields.report_missing("`transport = \"tls\"` needs the key `tls_ca_file`", help);
    }
    let authorities = authorities.and_then(|file| fields.parse(&file, |file| Authorities::load(&directory.join(file))));
    let identity = match server_name {
        Some(name) => fields.parse(&name, str::parse::<ServerIdentity>).map(Spanned::into_inner),
        None => primary.and_then(|primary| {
            let host = primary.get_ref().host.parse();
            let help = "add `tls_server_name = \"ns1.example.org\"`, a name that the server's certificate carries";
            host.map_err(|error: String| fields.report_with_help(primary.span(), error, help)).ok()
        }),
    };
    Some(Tls::new(authorities?.into_inner(), identity?))
}
