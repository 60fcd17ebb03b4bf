//! TSIG keys from files in BIND's syntax, as `tsig-keygen` writes them.
//!
//! The secret leaves this module only through [`TsigKey::secret`]: no error and no debug output shows it.

mod parse;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::model::{Diagnostic, Name};

/// The MAC algorithms that srvctl signs with (RFC 8945 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// HMAC with SHA-1, only where [`Sha1::Allowed`].
    HmacSha1,
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-384.
    HmacSha384,
    /// HMAC with SHA-512.
    HmacSha512,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::HmacSha1 => "hmac-sha1",
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        })
    }
}

/// Whether a key may be for hmac-sha1, which RFC 8945 section 6 keeps for old servers only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sha1 {
    /// It is an error.
    Refused,
    /// Somebody has said that the server knows nothing better.
    Allowed,
}

/// A shared secret and the name that server and client know it by (RFC 8945).
#[derive(Clone, PartialEq, Eq)]
pub struct TsigKey {
    name: Name,
    algorithm: Algorithm,
    secret: Vec<u8>,
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, algorithm, secret: _ } = self;
        f.debug_struct("TsigKey").field("name", name).field("algorithm", algorithm).finish_non_exhaustive()
    }
}

impl TsigKey {
    /// A key of its parts.
    pub fn new(name: Name, algorithm: Algorithm, secret: Vec<u8>) -> Self {
        Self { name, algorithm, secret }
    }

    /// Reads exactly one `key "name" { algorithm hmac-sha256; secret "…"; };`.
    ///
    /// # Errors
    /// Everything that is wrong with it. The excerpts show the file with everything blotted out that is not
    /// known to be harmless, so neither they nor the diagnostics' debug output can leak the secret.
    pub fn parse(file: &Arc<str>, text: &str, sha1: Sha1) -> Result<Self, Vec<Diagnostic>> {
        parse::parse(file, text, sha1)
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// When it cannot be read, and everything that is wrong with its content.
    pub fn load(path: &Path, sha1: Sha1) -> Result<Self, Vec<Diagnostic>> {
        let file: Arc<str> = path.to_string_lossy().into();
        match std::fs::read(path) {
            Ok(bytes) => Self::parse(&file, &String::from_utf8_lossy(&bytes), sha1),
            Err(error) => Err(vec![Diagnostic::about_file(file, format!("the key file cannot be read: {error}"))]),
        }
    }

    /// A word of warning when everybody on this machine may read the key file, and so change the zone.
    ///
    /// The group may read it: BIND's and srvctl's users share keys through a group.
    #[cfg(unix)]
    pub fn warning_for_permissions(path: &Path) -> Option<String> {
        use std::os::unix::fs::PermissionsExt;

        let mode = std::fs::metadata(path).ok()?.permissions().mode();
        let shown = path.display();
        (mode & 0o007 != 0)
            .then(|| format!("every user of this machine has access to the key file {shown}: run `chmod o= {shown}`"))
    }

    /// The name that the server knows the key by.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The MAC algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The secret's bytes, decoded.
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }
}

#[cfg(test)]
mod tests;
