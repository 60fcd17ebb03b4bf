//! Who wants to hear how long exchanges took and how much came.

use std::time::Duration;

/// Told of every exchange of a [`Session`](super::Session) that came to its end.
pub trait Observer: Send + Sync {
    /// An UPDATE message was answered, whatever the answer, so long after it was sent. Several are under way at once, so
    /// this contains the time in which the server worked on those before.
    fn updated(&self, took: Duration);

    /// The zone, or what changed in it, came whole.
    fn transferred(&self, kind: TransferKind, bytes: u64);
}

/// What came in a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferKind {
    /// The whole zone: AXFR (RFC 5936), or an IXFR answered with everything.
    Whole,
    /// What changed in it: IXFR (RFC 1995).
    Incremental,
}

impl TransferKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Whole, Self::Incremental];

    /// As in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Incremental => "incremental",
        }
    }
}
