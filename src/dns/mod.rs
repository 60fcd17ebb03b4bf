//! The DNS servers: keys, transfers, updates and look-ups over the network.

mod key;
mod lookup;

pub use key::{Algorithm, TsigKey};
pub use lookup::{LookupReport, Options, Resolver, lookup};
