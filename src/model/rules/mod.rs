//! What may be published, whoever asks for it: service files and the API refuse the same things in the same words.

mod browse;
mod host;
mod metadata;
mod service;

pub use browse::{instance_name, subtype};
pub use host::{address, addressed_host, host};
pub use metadata::{metadata, metadata_key, metadata_pair, metadata_size, txt_len};
pub use service::{TTL_RANGE, auto_shards, managed, owner_names, proto, service, service_name, shards, zone};

/// Why a value is refused, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong with it.
    pub message: String,
    /// The way out, where there is one to tell.
    pub help: Option<String>,
}

impl Refusal {
    /// A reason with a way out.
    pub fn with_help(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: Some(help.into()) }
    }
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self { message, help: None }
    }
}
