//! What can go wrong between us and the primary, in the user's words.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::tls_problem::TlsProblem;
use crate::model::{Name, RecordType, Server};
use crate::protocol::rcode::Rcode;
use crate::protocol::transfer::TransferError;
use crate::protocol::wire::WireError;

/// A failed exchange with a server. `Display` says what was tried, where, why it failed and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The server's host name has no address.
    #[error("the address of {server} cannot be found: {source}; check `primary` in the configuration")]
    Resolve {
        /// Which server.
        server: Server,
        /// Why.
        source: io::Error,
    },
    /// No TCP connection.
    #[error("cannot connect to {server} over TCP: {source}; is the name server running, and is TCP open?")]
    Connect {
        /// Which server.
        server: Server,
        /// Why.
        source: io::Error,
    },
    /// No TLS on the connection.
    #[error("cannot speak TLS with {server}: {problem}")]
    Tls {
        /// Which server.
        server: Server,
        /// Why.
        problem: TlsProblem,
    },
    /// The connection broke.
    #[error("the connection to {server} broke while {doing}: {source}{got}")]
    Broken {
        /// Which server.
        server: Server,
        /// What was going on.
        doing: &'static str,
        /// How far it came, or what that leaves open, with a leading separator; may be empty.
        got: String,
        /// Why.
        source: io::Error,
    },
    /// The server closed the connection in the middle.
    #[error("{server} closed the connection while {doing}{got}; see the server's log")]
    Closed {
        /// Which server.
        server: Server,
        /// What was going on.
        doing: &'static str,
        /// How far it came, with a leading separator; may be empty.
        got: String,
    },
    /// The server closed the connection before it ever answered on it, and there was no TLS.
    #[error(
        "{server} closed the connection without an answer while {doing}{got}; see the server's log, and if that is its \
         port for DNS over TLS, set `transport = \"tls\"`"
    )]
    Mute {
        /// Which server.
        server: Server,
        /// What was going on.
        doing: &'static str,
        /// What that leaves open, with a leading separator; may be empty.
        got: String,
    },
    /// No answer in time.
    #[error("{server} did not answer within {} s while {doing}", .limit.as_secs())]
    Timeout {
        /// Which server.
        server: Server,
        /// What was going on.
        doing: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// An answer that cannot be read.
    #[error("the answer of {server} cannot be read while {doing}: {source}")]
    Unreadable {
        /// Which server.
        server: Server,
        /// What was going on.
        doing: &'static str,
        /// Why.
        source: WireError,
    },
    /// The signatures do not match up.
    #[error("{server}, key \"{key}\": {problem}")]
    Tsig {
        /// Which server.
        server: Server,
        /// Which key, without the final dot, as BIND's configuration spells it.
        key: String,
        /// What is wrong.
        problem: TsigProblem,
    },
    /// The zone could not be transferred.
    #[error("zone {zone} cannot be read from {server}: {problem}")]
    Transfer {
        /// Which zone.
        zone: Name,
        /// Which server.
        server: Server,
        /// Why.
        problem: TransferError,
    },
    /// The server refused a whole update.
    #[error("zone {zone} cannot be updated at {server}: {} ({rcode})", .rcode.explain_update())]
    Update {
        /// Which zone.
        zone: Name,
        /// Which server.
        server: Server,
        /// Its code.
        rcode: Rcode,
    },
    /// No socket for NOTIFYs.
    #[error(
        "cannot listen for NOTIFYs on {address}, UDP and TCP: {source}; check `notify_listen` in the configuration"
    )]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A server that a zone's NS set names has no address.
    #[error(
        "the address of {name}, which the NS set of zone {zone} names, cannot be found: {why}; whoever follows the \
         NS set fails there too"
    )]
    NameServer {
        /// Which zone.
        zone: Name,
        /// The server's name.
        name: Name,
        /// Why.
        why: String,
    },
    /// Records were asked for, and the answer is none.
    #[error("{server} does not answer for {name} {record_type}: {rcode}; see the server's log")]
    Answer {
        /// Which server.
        server: Server,
        /// Which name.
        name: Name,
        /// Which type.
        record_type: RecordType,
        /// Its code.
        rcode: Rcode,
    },
    /// A polled serial did not come.
    #[error("the serial of zone {zone} cannot be read from {server}: {why}")]
    Serial {
        /// Which zone.
        zone: Name,
        /// Which server.
        server: Server,
        /// Why.
        why: String,
    },
}

/// What is wrong with a signature (RFC 8945 section 5.3.2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TsigProblem {
    /// TSIG error BADKEY.
    #[error(
        "the server does not know this key (BADKEY): the key's name and algorithm here must be the same as in the \
         server's configuration; Knot DNS says so too when no `acl` of the zone allows the key what was asked for, so \
         that it needs `action: [transfer, update]`"
    )]
    UnknownKey,
    /// TSIG error BADSIG.
    #[error("the server has another secret for this key (BADSIG): copy the key file anew from the server")]
    WrongSecret,
    /// TSIG error BADTIME.
    #[error("the clocks differ (BADTIME): {}; synchronise them with NTP, TSIG allows 300 s", skew(*.ahead))]
    Clock {
        /// By how many seconds the server's clock is ahead of ours; negative when behind.
        ahead: Option<i64>,
    },
    /// Another TSIG error.
    #[error("the server reports TSIG error {0}")]
    Other(u16),
    /// An answer without a signature.
    #[error(
        "the server answered without a signature ({0}), so the answer proves nothing: does it serve the zone, and \
         know the key, with the same name, algorithm and secret? PowerDNS says NOTAUTH also when the zone's \
         `TSIG-ALLOW-AXFR` does not name the key"
    )]
    Unsigned(Rcode),
    /// Our own check failed.
    #[error("the signature of the server's answer is wrong: somebody changed the answer, or the secrets differ")]
    BadSignature,
    /// The answer was signed too long ago or in the future.
    #[error("the answer was signed {} s away from our clock; synchronise the clocks with NTP", .0.unsigned_abs())]
    Stale(i64),
}

fn skew(ahead: Option<i64>) -> String {
    match ahead {
        Some(seconds) if seconds >= 0 => format!("the server's clock is {seconds} s ahead of ours"),
        Some(seconds) => format!("the server's clock is {} s behind ours", seconds.unsigned_abs()),
        None => "the server does not say by how much".to_owned(),
    }
}
