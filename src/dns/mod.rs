//! The DNS servers: keys, transfers, updates, look-ups and NOTIFYs over the network. Moves bytes and decides nothing.
//!
//! The DNS library's types stay in this room. It presents record types that srvctl does not publish, and polls
//! serials over UDP; transfers and updates run over our own `connection`, whose docs and
//! [`crate::protocol::tsig`]'s say why. The MACs of TSIG are ring's, since the library's signer knows no SHA-1.

mod connection;
mod error;
mod key;
mod lookup;
mod notify;
mod present;
mod primary;
mod push;
mod session;
mod tls_problem;
mod transport;
mod tsig;

pub use error::{DnsError, TsigProblem};
pub use key::{Algorithm, Sha1, TsigKey};
pub use lookup::{LookupReport, Options, Resolver, lookup, views};
pub use notify::{Notice, NotifiedZone, NotifyListener};
pub use present::presentation;
pub use primary::Primary;
pub use push::{Pushed, RefusedName};
pub use session::Session;
pub use tls_problem::TlsProblem;
pub use transport::{Authorities, ServerIdentity, TLS_PORT, Tls, Transport};
