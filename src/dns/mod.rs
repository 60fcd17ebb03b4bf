//! The DNS servers: keys, transfers, updates and look-ups over the network. Moves bytes and decides nothing.
//!
//! The DNS library's types stay in this room. It computes the MACs of TSIG, presents record types that srvctl
//! does not publish, and polls serials; transfers and updates run over our own `connection`, whose docs and
//! [`crate::protocol::tsig`]'s say why.

mod connection;
mod error;
mod key;
mod lookup;
mod present;
mod primary;
mod tsig;

pub use error::{DnsError, TsigProblem};
pub use key::{Algorithm, TsigKey};
pub use lookup::{LookupReport, Options, Resolver, lookup};
pub use present::presentation;
pub use primary::{Primary, Pushed, RefusedName};
