//! The DNS servers: keys, transfers, updates and look-ups over the network.
//!
//! The DNS library's message and transport types stay in this room.

mod key;

pub use key::{Algorithm, TsigKey};
