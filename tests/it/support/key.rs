//! TSIG keys, made fresh for every server.

use data_encoding::BASE64;

/// The name of the key that the servers know.
pub(crate) const KEY_NAME: &str = "srvctl-test";

/// A TSIG key.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) algorithm: &'static str,
    /// Base64; must never be seen in anything srvctl prints.
    pub(crate) secret: String,
}

impl Key {
    /// A key of the given name with a fresh secret.
    pub(crate) fn random(name: &str) -> Self {
        Self { name: name.to_owned(), algorithm: "hmac-sha256", secret: BASE64.encode(&rand::random::<[u8; 32]>()) }
    }

    /// As tsig-keygen writes it.
    pub(crate) fn text(&self) -> String {
        let Self { name, algorithm, secret } = self;
        format!("key \"{name}\" {{\n\talgorithm {algorithm};\n\tsecret \"{secret}\";\n}};\n")
    }
}
