//! The lookup that Prometheus' `dns_sd_configs` makes, as a state machine without sockets.
//!
//! srvctl has to say what Prometheus will see, so this is its algorithm rather than a good one; Alloy and the
//! OpenTelemetry collector run the same code. A lookup goes through these files:
//!
//! 1. [`ResolvConf`] says whom to ask and which suffixes to try;
//! 2. [`NameList`] turns the configured name into candidates, and packs one into wire bytes;
//! 3. [`Lookup`] walks candidates and servers, and gives out one [`Exchange`] at a time;
//! 4. the exchange judges the bytes that come back, which `unpack` reads as strictly as the Go library does;
//! 5. at the end stands a [`Verdict`]: records, definitely nothing, or unknown; an [`Answer`] forms [`Target`]s.
//!
//! On the way every [`Attempt`] is noted, and every [`Suspicion`]: what Prometheus accepted and should not have.
//! The shell that moves the bytes is `crate::dns`; it brings the IDs and the clock.
//!
//! vmagent and some others make another lookup, [`GoLookup`]; the two share the exchanges' form, the trace and the
//! verdicts. What a service's targets become with each consumer is said by [`Views`].

#[cfg(test)]
mod any_reply_tests;

mod answer;
mod candidates;
mod consumer;
mod exchange;
mod go;
mod machine;
mod resolv_conf;
mod suspicion;
mod trace;
mod unpack;
mod views;

use std::time::Duration;

pub use answer::{
    ADDRESS_LABEL, Answer, Emptiness, MX_TARGET_LABEL, NAME_LABEL, NS_TARGET_LABEL, Reply, SRV_PORT_LABEL,
    SRV_TARGET_LABEL, Target, Unknown, Verdict,
};
pub use candidates::{DEFAULT_NDOTS, NameList};
pub use consumer::Consumer;
pub use exchange::{Exchange, Received, Response};
pub use go::{GO_UDP_PAYLOAD, GoConf, GoError, GoLookup, GoProblem, Profile, Release, VMAGENT_BUDGET};
pub use machine::{Lookup, Step};
pub use resolv_conf::ResolvConf;
pub use suspicion::Suspicion;
pub use trace::{Attempt, Failure, Outcome, Then, Transport, Via};
pub use unpack::UnpackError;
pub use views::{Fate, View, Views};

/// Where a system's resolver configuration is; Prometheus reads no other (`discovery/dns/dns.go`).
pub const RESOLV_CONF: &str = "/etc/resolv.conf";

/// How long resolving a server's name and connecting may take (miekg/dns `client.go`, `dnsTimeout`).
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(2);

/// How long writing the query and reading the reply may take together, from the moment of being connected. It
/// is not renewed by datagrams that are passed over, and `timeout:` in resolv.conf does not change it
/// (miekg/dns `client.go`, `ExchangeWithConn`).
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(2);

/// The UDP size that the query's OPT announces, and the size of the buffer for a datagram: a longer one is cut,
/// and then cannot be unpacked (miekg/dns `types.go`, `DefaultMsgSize`).
pub const UDP_PAYLOAD: u16 = 4096;
