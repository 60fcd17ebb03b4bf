//! What comes of a check: a verdict about the instance, or none, when the trouble is on our side.

use std::io;

use nix::errno::Errno;

use crate::model::health::Verdict;

/// A verdict with its reason in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) verdict: Verdict,
    pub(super) text: String,
}

impl Said {
    pub(super) fn passing(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Passing, text: text.into() }
    }

    pub(super) fn failing(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failing, text: text.into() }
    }
}

/// Why a check ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// The instance is to blame.
    Failing(String),
    /// We are: nothing is known about the instance.
    Ours(String),
}

impl Stop {
    pub(super) fn failing(text: impl Into<String>) -> Self {
        Self::Failing(text.into())
    }

    pub(super) fn ours(text: impl Into<String>) -> Self {
        Self::Ours(text.into())
    }
}

/// What an exchange comes to.
pub(super) type Outcome = Result<Said, Stop>;

/// Whether an error is about this process or machine and says nothing about the other end: no file descriptors, no
/// memory, no local ports, no IPv6. A network that is down is not among these: it looks the same from here whose it is.
pub(super) fn is_ours(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(
        number,
        Some(
            Errno::EMFILE
                | Errno::ENFILE
                | Errno::ENOMEM
                | Errno::ENOBUFS
                | Errno::EADDRNOTAVAIL
                | Errno::EAFNOSUPPORT
                | Errno::EAGAIN
        )
    )
}
