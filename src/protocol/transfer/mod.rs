//! Zones as transfers bring them, message by message (RFC 5936).

mod axfr;
mod envelope;
#[cfg(test)]
mod samples;

pub use axfr::Transfer;
pub use envelope::TransferError;
