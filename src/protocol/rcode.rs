//! Response codes, and what each of them means to the person whose update or transfer met it.

use std::fmt;

/// A response code, EDNS' extension included (RFC 1035 section 4.1.1, RFC 2136 section 2.2, RFC 6895).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rcode(pub u16);

#[allow(missing_docs, reason = "the names are IANA's")]
impl Rcode {
    pub const NOERROR: Self = Self(0);
    pub const FORMERR: Self = Self(1);
    pub const SERVFAIL: Self = Self(2);
    pub const NXDOMAIN: Self = Self(3);
    pub const NOTIMP: Self = Self(4);
    pub const REFUSED: Self = Self(5);
    pub const YXDOMAIN: Self = Self(6);
    pub const YXRRSET: Self = Self(7);
    pub const NXRRSET: Self = Self(8);
    pub const NOTAUTH: Self = Self(9);
    pub const NOTZONE: Self = Self(10);
}

/// The mnemonics of codes 0 to 10.
const MNEMONICS: [&str; 11] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
    "NOTZONE",
];

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, MNEMONICS.get(usize::from(self.0))) {
            (_, Some(mnemonic)) => f.pad(mnemonic),
            (16, None) => f.pad("BADVERS"),
            (23, None) => f.pad("BADCOOKIE"),
            (other, None) => f.pad(&format!("RCODE{other}")),
        }
    }
}

impl serde::Serialize for Rcode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Rcode {
    /// Whether Prometheus takes a reply with this code as an answer; any other sends it to the next server
    /// (prometheus `discovery/dns/dns.go`, `lookupFromAnyServer`).
    pub fn is_viable(self) -> bool {
        self == Self::NOERROR || self == Self::NXDOMAIN
    }

    /// Whether the code speaks about the whole exchange, not about a name in it: then there is no offending
    /// name to look for.
    pub fn concerns_whole_message(self) -> bool {
        matches!(self, Self::FORMERR | Self::NOTIMP | Self::NOTAUTH | Self::NOTZONE)
    }

    /// Whether a prerequisite was not met: somebody else changed the name between our reading and our update.
    pub fn is_lost_race(self) -> bool {
        matches!(self, Self::NXDOMAIN | Self::YXDOMAIN | Self::YXRRSET | Self::NXRRSET)
    }

    /// What the code says about an UPDATE, measured on BIND 9.18, and where to look.
    pub fn explain_update(self) -> &'static str {
        match self {
            Self::NOERROR => "the server accepted the update",
            Self::FORMERR => "the server could not read the update message",
            Self::SERVFAIL => {
                "the server failed; most often the RRset would pass `max-records-per-type` (100 by default), or the \
                 server cannot write its journal: look into the server's log (PowerDNS with SQLite says so when its \
                 `database is locked` for a moment: try again)"
            }
            Self::NOTIMP => "the server does not do dynamic updates",
            Self::REFUSED => {
                "the server refuses: look at (1) the key: the zone's `allow-update` or `update-policy` must name it \
                 (PowerDNS: `TSIG-ALLOW-DNSUPDATE`, and `allow-dnsupdate-from` our address); (2) the policy: \
                 `update-policy` (Knot DNS: the `acl`) may not grant this name or type; (3) `check-names`: an SRV target or \
                 the owner of an A record with an underscore is refused with this code too"
            }
            Self::YXDOMAIN | Self::YXRRSET => "somebody else created this name since the zone was read",
            Self::NXDOMAIN | Self::NXRRSET => {
                "somebody else changed or removed this name's ownership marker since the zone was read"
            }
            Self::NOTAUTH => "the server is not authoritative for the zone: check the zone's name and the primary",
            Self::NOTZONE => "a name in the update is outside the zone",
            _ => "the server answered with a code that updates do not know",
        }
    }

    /// What the code says about a zone transfer, and where to look.
    pub fn explain_transfer(self) -> &'static str {
        match self {
            Self::REFUSED => "the server refuses to transfer the zone: name the key in the zone's `allow-transfer`",
            Self::NOTAUTH => {
                "the server is not authoritative for the zone, it does not serve it: check the zone's name and the \
                 primary"
            }
            Self::SERVFAIL => {
                "the server has the zone configured but cannot serve it (not loaded, or expired): see its log"
            }
            Self::FORMERR | Self::NOTIMP => "the server does not do zone transfers",
            _ => "the server answered with a code that transfers do not know",
        }
    }
}
