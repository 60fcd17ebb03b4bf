//! The lookup that Go's `net.Resolver.LookupSRV` makes, as a second state machine without sockets.
//!
//! vmagent and Thanos' `golang` resolver make it, always in pure Go, even where cgo is linked
//! (`net/lookup_unix.go`). It differs from Prometheus' in almost everything: servers are asked again, a reply has to
//! repeat the question, an empty answer goes on in the search list, and one odd target fails the whole name.
//!
//! The newest Go whose source was read is the rule here ([`Release::Current`]). Debian 12 builds its vmagent with
//! 1.19, which decides some replies otherwise; [`Release::Go1_19`] is that one, and says where.

mod conf;
mod error;
mod machine;
mod names;
mod reading;

use std::time::Duration;

pub use conf::GoConf;
pub use error::{GoError, GoProblem};
pub use machine::GoLookup;
pub(super) use reading::{Reading, receive};

/// The UDP size that Go's query announces, over TCP too, and the size of its buffer for a datagram
/// (`net/dnsclient_unix.go`, `maxDNSPacketSize`).
pub const GO_UDP_PAYLOAD: u16 = 1232;

/// How long vmagent gives to all names of one `dns_sd_configs` together (`VictoriaMetrics`
/// `lib/promscrape/discovery/dns/dns.go`).
pub const VMAGENT_BUDGET: Duration = Duration::from_secs(10);

/// Which Go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Release {
    /// The newest whose source was read, 1.26 or later.
    #[default]
    Current,
    /// 1.19, as in Debian 12. Unlike the newest:
    ///
    /// - TC over TCP is an error; now the cut answer is used (go.dev/issue/64896).
    /// - The upper bits of the response code, in OPT, are not looked at: BADVERS with answers is an answer.
    /// - An empty reply with neither AA nor RA is a lame referral even when it has an OPT record.
    /// - A compressed SRV target cannot be read (RFC 2782 forbids it); now it can.
    /// - `search .` is a suffix that cannot be sent; now it is skipped.
    /// - A dot inside a label is taken for a separator; now the message cannot be read.
    /// - `trust-ad` is unknown.
    Go1_19,
}

/// How a consumer uses Go's resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// The Go that it is built with.
    pub release: Release,
    /// `Resolver.StrictErrors`: whether a temporary error ends the search list.
    pub strict_errors: bool,
    /// How long all of a lookup may take.
    pub budget: Option<Duration>,
}

impl Profile {
    /// vmagent, built with the newest Go.
    pub const VMAGENT: Self = Self { release: Release::Current, strict_errors: true, budget: Some(VMAGENT_BUDGET) };

    /// Thanos with `--store.sd-dns-resolver=golang`, and whoever else calls `net.LookupSRV` without ado.
    pub const PLAIN: Self = Self { release: Release::Current, strict_errors: false, budget: None };

    /// The same, built with another Go.
    #[must_use]
    pub const fn built_with(mut self, release: Release) -> Self {
        self.release = release;
        self
    }
}
