//! The record of a lookup: each attempt, what came of it, and why the lookup went on.

use std::fmt;
use std::time::Duration;

use super::suspicion::Suspicion;
use super::unpack::UnpackError;
use crate::model::{NameError, Server};
use crate::protocol::rcode::Rcode;

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// One datagram each way.
    Udp,
    /// A connection of its own.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        })
    }
}

/// Where and how an attempt was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// The server asked.
    pub server: Server,
    /// UDP, or TCP after a cut reply.
    pub transport: Transport,
    /// Whether the query had an OPT record.
    pub edns: bool,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let opt = if self.edns { "" } else { " without EDNS" };
        write!(f, "{} over {}{opt}", self.server, self.transport)
    }
}

/// One step of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The name tried, as a text: it may be one that cannot be sent.
    pub candidate: String,
    /// Where it was sent; none when it could not be.
    pub via: Option<Via>,
    /// What came of it.
    pub outcome: Outcome,
    /// What the lookup did next.
    pub then: Then,
    /// What Prometheus overlooked in the reply.
    pub suspicions: Vec<Suspicion>,
    /// How long it took, as the shell measured.
    pub took: Duration,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A whole reply.
    Answered {
        /// Its response code.
        rcode: Rcode,
        /// How many records its answer section has, of whatever type.
        answers: usize,
        /// Its size in bytes.
        size: usize,
    },
    /// A reply with TC set; what it holds is not used, whatever its response code.
    Truncated {
        /// Its size in bytes.
        size: usize,
    },
    /// To Go alone: no records, from a server that is neither authoritative nor recursive (go.dev/issue/15434).
    Lame {
        /// Its size in bytes.
        size: usize,
    },
    /// No reply to speak of.
    Failed(Failure),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { rcode, answers, size } => {
                let plural = if *answers == 1 { "" } else { "s" };
                write!(f, "{rcode}, {answers} record{plural}, {size} bytes")
            }
            Self::Truncated { size } => write!(f, "truncated at {size} bytes"),
            Self::Lame { size } => write!(f, "NOERROR, 0 records, {size} bytes: lame referral"),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The candidate is not a name that a message can hold.
    #[error("the name cannot be sent: it {0}")]
    Unsendable(NameError),
    /// The system refused, or the other side: unreachable, connection refused, closed early, unknown host.
    #[error("{0}")]
    Io(String),
    /// No connection within [`super::DIAL_TIMEOUT`].
    #[error("no connection within 2 s")]
    DialTimeout,
    /// No acceptable reply within [`super::EXCHANGE_TIMEOUT`].
    #[error("no answer within 2 s")]
    Timeout,
    /// The bytes received end the exchange, even when a good reply would follow.
    #[error(transparent)]
    Unpack(UnpackError),
    /// Over TCP another ID is an error; over UDP such a reply is ignored.
    #[error("the reply has ID {got}, the query {sent}")]
    IdMismatch {
        /// The ID of the query.
        sent: u16,
        /// The ID of the reply.
        got: u16,
    },
    /// To Go: no acceptable reply within the time that resolv.conf or the consumer allows, connecting included.
    #[error("no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// To Go: a reply that cannot be read as far as it has to be.
    #[error("cannot unmarshal DNS message")]
    Unreadable,
    /// To Go: not a reply to this question, over TCP, or one with several questions.
    #[error("invalid DNS response")]
    NotOurs,
    /// To Go: the connection was closed before a whole reply, which is no temporary error.
    #[error("the connection was closed before a reply")]
    Closed,
}

/// What a lookup does after an attempt, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// NOERROR ends the lookup, even without records, and even when earlier candidates failed.
    Stopped,
    /// The reply was cut: the same server is asked over TCP, by Prometheus without OPT.
    AskedOverTcp,
    /// Not an answer: the next server is asked for the same name.
    NextServer,
    /// Not an answer, and no server is left: the name counts as failed, and the next name is tried.
    Failed,
    /// The name does not exist: the next name is tried.
    Absent,
    /// To Go: the answer holds a record of the type asked for, which ends the lookup, readable or not.
    Found,
    /// To Go: not an answer, and no server is left: the first is asked once more (`attempts:`).
    NextRound,
    /// To Go: no such host, and the next name is tried, were the name only without records of the type.
    NoSuchHost,
    /// To Go with `StrictErrors`: a temporary error, which ends the lookup though there are more names.
    StoppedStrictly,
    /// To Go: what time its caller gave is over.
    OutOfTime,
}

impl fmt::Display for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "NOERROR ends the lookup",
            Self::AskedOverTcp => "asks the same server over TCP",
            Self::NextServer => "no answer, asks the next server",
            Self::Failed => "no server left, the name counts as failed",
            Self::Absent => "the name does not exist, goes on in the search list",
            Self::Found => "the answer ends the lookup",
            Self::NextRound => "no answer, asks the servers once more",
            Self::NoSuchHost => "no such host, goes on in the search list",
            Self::StoppedStrictly => "a temporary error ends the lookup (StrictErrors)",
            Self::OutOfTime => "no time is left, ends the lookup",
        })
    }
}
