//! What the RFCs say, sans-IO: bytes and events in, decisions out. No socket, clock or randomness.

pub mod dnssd;
pub mod lookup;
pub mod notify;
pub mod rcode;
pub mod transfer;
pub mod tsig;
pub mod update;
pub mod uri;
pub mod wire;
