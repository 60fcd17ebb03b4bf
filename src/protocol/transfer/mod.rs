//! Zones as transfers bring them, message by message: the whole zone (RFC 5936), or what has changed since a
//! serial (RFC 1995).

mod axfr;
mod envelope;
mod ixfr;
#[cfg(test)]
mod ixfr_tests;
#[cfg(test)]
mod samples;

pub use axfr::Transfer;
pub use envelope::TransferError;
pub use ixfr::{Refresh, Refreshed, Step, ixfr_query};
