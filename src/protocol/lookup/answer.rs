//! What a lookup comes to: a verdict, and the targets that Prometheus forms from an answer
//! (prometheus `discovery/dns/dns.go`, `refreshOne`).

use std::collections::BTreeMap;
use std::fmt;

use super::consumer::Consumer;
use super::go::GoError;
use super::trace::Via;
use crate::model::{Name, Rdata, RecordType};
use crate::protocol::rcode::Rcode;
use crate::protocol::wire::{Message, RawRecord};

/// The three things that a lookup can mean to Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Records: the targets become these.
    Records(Answer),
    /// Definitely nothing: the targets are removed.
    Empty {
        /// In which way there is nothing.
        why: Emptiness,
        /// The reply that decided; none when Go refuses to ask for the name.
        reply: Option<Reply>,
    },
    /// Nobody knows: Prometheus keeps the targets that it has.
    Unknown {
        /// Why nobody knows.
        reason: Unknown,
        /// The last reply, were there any.
        reply: Option<Reply>,
    },
}

impl Verdict {
    /// The reply to show for this verdict.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Records(answer) => Some(&answer.reply),
            Self::Empty { reply, .. } | Self::Unknown { reply, .. } => reply.as_ref(),
        }
    }

    /// The verdict on a reply with NOERROR. Prometheus does not tell the second from the third case.
    pub(super) fn of_noerror(name: &str, reply: Reply) -> Self {
        let answers = &reply.message.answers;
        if answers.iter().any(|record| makes_target(record.record_type())) {
            return Self::Records(Answer { name: name.to_owned(), reply, consumer: Consumer::Prometheus });
        }
        let why = if answers.is_empty() { Emptiness::NoData } else { Emptiness::NoTarget };
        Self::Empty { why, reply: Some(reply) }
    }
}

/// The ways of there being nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emptiness {
    /// No candidate exists.
    NxDomain,
    /// The name exists, and the answer is empty. This stops the search list.
    NoData,
    /// The answer has only records that Prometheus forms no target from: a CNAME alone, TXT.
    NoTarget,
    /// Go's one word for all of these, and for a name that it refuses to ask for.
    NoSuchHost,
}

impl fmt::Display for Emptiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NxDomain => "the name does not exist",
            Self::NoData => "the answer is empty",
            Self::NoTarget => "the answer has no record that makes a target",
            Self::NoSuchHost => "no such host",
        })
    }
}

/// Why a lookup ended without knowledge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// The resolver configuration cannot be read.
    #[error("could not load resolv.conf: {0}")]
    NoResolvConf(String),
    /// The resolver configuration names no server, and there is no default one.
    #[error("no nameserver is configured")]
    NoServers,
    /// Prometheus' own words: some candidate got no answer from any server.
    #[error("could not resolve {0:?}: all servers responded with errors to at least one search domain")]
    NoAnswer(String),
    /// Go's error, in Go's own words.
    #[error(transparent)]
    Go(#[from] GoError),
}

/// A reply, and how it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The message.
    pub message: Message,
    /// Its size in bytes.
    pub size: usize,
    /// Who sent it, over which transport.
    pub via: Via,
    /// The candidate that was asked for.
    pub candidate: String,
}

impl Reply {
    /// The response code, EDNS' upper bits included.
    pub fn rcode(&self) -> Rcode {
        Rcode(self.message.rcode())
    }
}

/// An answer with at least one record that makes a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The name as it was configured, case and trailing dot kept.
    pub name: String,
    /// The reply that holds the records.
    pub reply: Reply,
    /// Who takes them.
    pub consumer: Consumer,
}

impl Answer {
    /// The targets that Prometheus discovers, in the order of the answer section, duplicates included.
    ///
    /// Every record there counts, whatever type was asked for and whosever it is; the other sections never
    /// do. `port` is the configured one: it goes with addresses, MX and NS, while SRV brings its own.
    ///
    /// To Go only records of the type asked for count. It shuffles them by priority and weight, which nobody can
    /// foresee; here they stay in order. The labels are Prometheus' ones.
    pub fn targets(&self, port: u16) -> Vec<Target> {
        self.found().map(|found| found.into_target(&self.name, port)).collect()
    }

    /// The addresses of these targets.
    pub fn addresses(&self, port: u16) -> impl Iterator<Item = String> {
        self.found().map(move |found| found.address(port))
    }

    fn found(&self) -> impl Iterator<Item = Found> {
        let message = &self.reply.message;
        let asked = message.questions.first().map(|question| question.record_type);
        let counts =
            move |record: &&RawRecord| self.consumer == Consumer::Prometheus || Some(record.record_type()) == asked;
        message.answers.iter().filter(counts).filter_map(|record| Found::in_record(&record.rdata))
    }

    /// The records of the answer section that Prometheus warns about and skips. A CNAME it skips silently.
    pub fn skipped(&self) -> impl Iterator<Item = &RawRecord> {
        let makes_nothing = |record: &&RawRecord| !makes_target(record.record_type());
        let answers = self.reply.message.answers.iter().filter(makes_nothing);
        answers.filter(|record| record.record_type() != RecordType::CNAME)
    }
}

/// The label that holds what Prometheus scrapes.
pub const ADDRESS_LABEL: &str = "__address__";
/// The configured name, not the candidate that matched.
pub const NAME_LABEL: &str = "__meta_dns_name";
/// An SRV record's target, with its trailing dot.
pub const SRV_TARGET_LABEL: &str = "__meta_dns_srv_record_target";
/// An SRV record's port.
pub const SRV_PORT_LABEL: &str = "__meta_dns_srv_record_port";
/// An MX record's host, with its trailing dot.
pub const MX_TARGET_LABEL: &str = "__meta_dns_mx_record_target";
/// An NS record's host, with its trailing dot. Since Prometheus 2.49.
pub const NS_TARGET_LABEL: &str = "__meta_dns_ns_record_target";

/// What Prometheus makes of one record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Target {
    /// Host and port, as Go joins them: no trailing dot, IPv6 in brackets.
    pub address: String,
    /// The five `__meta_dns_` labels; the ones that do not apply are empty.
    pub labels: BTreeMap<&'static str, String>,
}

/// What one record says, as the Go library's structs would have it: fields without bytes are empty.
enum Found {
    Address(String),
    Host { host: String, label: &'static str },
    Service { host: String, port: u16 },
}

impl Found {
    fn in_record(rdata: &Rdata) -> Option<Self> {
        let wire = rdata.as_wire();
        Some(match rdata.record_type() {
            RecordType::A => Self::Address(rdata.as_a().map_or_else(nil_address, |address| address.to_string())),
            RecordType::AAAA => Self::Address(rdata.as_aaaa().map_or_else(nil_address, |address| {
                // Go shows an IPv4-mapped address as the IPv4 address.
                address.to_ipv4_mapped().map_or_else(|| address.to_string(), |mapped| mapped.to_string())
            })),
            RecordType::MX => Self::Host { host: host(wire, 2), label: MX_TARGET_LABEL },
            RecordType::NS => Self::Host { host: host(wire, 0), label: NS_TARGET_LABEL },
            RecordType::SRV => {
                let port = wire.get(4..6).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
                Self::Service { host: host(wire, 6), port }
            }
            _ => return None,
        })
    }

    fn into_target(self, name: &str, configured_port: u16) -> Target {
        let meta = [NAME_LABEL, SRV_TARGET_LABEL, SRV_PORT_LABEL, MX_TARGET_LABEL, NS_TARGET_LABEL];
        let mut labels: BTreeMap<_, _> = meta.into_iter().map(|label| (label, String::new())).collect();
        labels.insert(NAME_LABEL, name.to_owned());
        let address = self.address(configured_port);
        match self {
            Self::Address(_) => {}
            Self::Host { host, label } => {
                labels.insert(label, host);
            }
            Self::Service { host, port } => {
                labels.insert(SRV_TARGET_LABEL, host);
                labels.insert(SRV_PORT_LABEL, port.to_string());
            }
        }
        Target { address, labels }
    }

    fn address(&self, configured_port: u16) -> String {
        match self {
            Self::Address(address) => join_host_port(address, configured_port),
            Self::Host { host, .. } => join_host_port(host.trim_end_matches('.'), configured_port),
            Self::Service { host, port } => join_host_port(host.trim_end_matches('.'), *port),
        }
    }
}

/// Whether [`Found::in_record`] finds something in such a record.
fn makes_target(record_type: RecordType) -> bool {
    matches!(record_type, RecordType::A | RecordType::AAAA | RecordType::MX | RecordType::NS | RecordType::SRV)
}

/// A name inside record data, in presentation form; empty when the data ends before it.
fn host(wire: &[u8], at: usize) -> String {
    let name = wire.get(at..).filter(|bytes| !bytes.is_empty()).and_then(|bytes| Name::from_wire(bytes).ok());
    name.map(|name| name.to_string()).unwrap_or_default()
}

/// How Go shows an address record without data, which it accepts.
fn nil_address() -> String {
    "<nil>".to_owned()
}

/// Go's `net.JoinHostPort`: brackets for whatever has a colon in it.
fn join_host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
