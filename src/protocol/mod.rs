//! What the RFCs say, sans-IO: bytes and events in, decisions out. No socket, clock or randomness.

pub mod lookup;
pub mod wire;
