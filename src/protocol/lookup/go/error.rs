//! Go's errors, in its own words.

use std::fmt;

use crate::model::Server;

/// A `net.DNSError`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoError {
    /// What is wrong.
    pub problem: GoProblem,
    /// The name that was asked for, without a suffix.
    pub name: String,
    /// The last server asked, if any was.
    pub server: Option<Server>,
}

impl std::error::Error for GoError {}

impl fmt::Display for GoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lookup {}", self.name)?;
        if let Some(server) = &self.server {
            write!(f, " on {server}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// What can be wrong to Go's resolver (`net/dnsclient_unix.go`, `net/lookup.go`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GoProblem {
    /// NXDOMAIN, or no record of the type, or a name that is none: `IsNotFound`.
    #[error("no such host")]
    NoSuchHost,
    /// SERVFAIL, which is temporary.
    #[error("server misbehaving")]
    TemporarilyMisbehaving,
    /// Any other response code, which is not.
    #[error("server misbehaving")]
    Misbehaving,
    /// An empty reply of a server that is neither authoritative nor recursive.
    #[error("lame referral")]
    LameReferral,
    /// A reply that cannot be read, or record data in it.
    #[error("cannot unmarshal DNS message")]
    CannotUnmarshal,
    /// A name that cannot be sent.
    #[error("cannot marshal DNS message")]
    CannotMarshal,
    /// A reply to another question or ID over TCP, or one with several questions.
    #[error("invalid DNS response")]
    InvalidResponse,
    /// TC over TCP, to Go 1.19.
    #[error("no answer from DNS server")]
    NoAnswer,
    /// No reply in time.
    #[error("i/o timeout")]
    Timeout,
    /// The connection was closed before a reply.
    #[error("EOF")]
    Closed,
    /// The system's word: unreachable, connection refused.
    #[error("{0}")]
    Io(String),
    /// The answer has targets that are no names to Go. The other records are returned beside the error; neither
    /// vmagent nor Thanos takes them.
    #[error("DNS response contained records which contain invalid names")]
    InvalidNames {
        /// The targets that are refused.
        invalid: Vec<String>,
        /// How many records are left.
        remaining: usize,
    },
    /// The owner of the first record is no name to Go.
    #[error("SRV header name is invalid")]
    InvalidHeaderName,
}

impl GoProblem {
    /// Whether Go says that it may go away: SERVFAIL, and what happens to sockets.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::TemporarilyMisbehaving | Self::Timeout | Self::Io(_))
    }
}
