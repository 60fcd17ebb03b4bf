//! How far a check has come: when its time is over, that is what there is to say.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::outcome::Said;
use crate::model::health::Verdict;

/// What a check is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Step {
    /// Reading what the check needs, and waiting for others that do.
    #[default]
    Preparing,
    /// Asking for the host's addresses.
    Resolving,
    /// TCP.
    Connecting(SocketAddr),
    /// TLS on top of it.
    ShakingHands(SocketAddr),
    /// Everything is sent.
    Waiting(SocketAddr),
    /// The answer has begun; so many bytes of its body have come.
    Body(usize),
    /// A command runs.
    Running,
}

/// The step that a check is at, and whom it has spoken to last, or tried to.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<(Step, Option<IpAddr>)>);

impl Progress {
    pub(super) fn at(&self, step: Step) {
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        progress.0 = step;
        if let Step::Connecting(address) | Step::Waiting(address) = step {
            progress.1 = Some(address.ip());
        }
    }

    /// The address that it has spoken to last, or tried to; none when it has not come so far.
    pub(super) fn whom(&self) -> Option<IpAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Why nothing came of it within the limit.
    pub(super) fn overtime(&self, limit: Duration) -> Said {
        let (step, _) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = format!("{step} within {limit:?}");
        // What we did not get to do for ourselves is nobody else's failure.
        let verdict =
            if matches!(step, Step::Preparing | Step::Resolving) { Verdict::Unknown } else { Verdict::Failing };
        Said { verdict, text }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preparing => f.write_str("the check could not begin"),
            Self::Resolving => f.write_str("no addresses for the host"),
            Self::Connecting(address) => write!(f, "no connection to {address}"),
            Self::ShakingHands(address) => write!(f, "connected to {address}, but no TLS handshake"),
            Self::Waiting(address) => write!(f, "connected to {address}, but no answer"),
            Self::Body(bytes) => write!(f, "the answer began, but did not end after {bytes} bytes of its body"),
            Self::Running => f.write_str("the command did not end"),
        }
    }
}
