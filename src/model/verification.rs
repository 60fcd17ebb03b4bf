//! How what is published stands at the servers through which it is looked up. Part of the stable JSON.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::name::Name;

/// How one RRset stands at one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Prometheus gets there what shall be there.
    InSync,
    /// The server still gives what was there before, and it is known why and until when: a cache, or a secondary that
    /// has not transferred the zone yet. No drift.
    Stale,
    /// The server gives something else, and nothing explains it.
    Wrong,
    /// The server gives no answer that Prometheus would take.
    Unknown,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::InSync, Self::Stale, Self::Wrong, Self::Unknown];

    /// As in JSON and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::Stale => "stale",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::InSync => "in sync",
            other => other.as_str(),
        })
    }
}

/// Continuous verification of one zone since the daemon started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerificationStatus {
    /// RRsets of ours that are looked up.
    pub rrsets: usize,
    /// When a round over all of them ended last at any server, seconds since 1970. Slower servers may be in it still.
    pub last_round: Option<u64>,
    /// In how long everything is looked up once, as the daemon means to, seconds; 0: only what has changed.
    #[serde(default)]
    pub round_seconds: u64,
    /// Every server, in the configuration's order; secondaries of the zone after the others.
    pub servers: Vec<ServerStatus>,
    /// What is not in sync, the worst first; at most a hundred of them.
    pub problems: Vec<Unverified>,
}

/// How a zone's RRsets stand at one server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerStatus {
    /// `host:port`; `resolv.conf` for the system's resolvers.
    pub server: String,
    /// The zone's serial there when it was last asked for; none of a server that does not say.
    pub serial: Option<u32>,
    /// How many serials it is behind the primary.
    pub behind: Option<u32>,
    /// RRsets by state. Those that were not looked up yet are in none.
    pub in_sync: usize,
    /// See [`State::Stale`].
    pub stale: usize,
    /// See [`State::Wrong`].
    pub wrong: usize,
    /// See [`State::Unknown`].
    pub unknown: usize,
    /// Look-ups since the daemon started.
    pub lookups: u64,
    /// When an answer came last that Prometheus would take, seconds since 1970.
    pub last_answer: Option<u64>,
    /// How long the last change took from when it was read back from the primary until it was seen here, milliseconds.
    pub propagation_ms: Option<u64>,
    /// Why the server cannot be asked, or its serial.
    #[serde(default)]
    pub error: Option<String>,
}

/// One RRset that a server does not give as it shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unverified {
    /// The server, as in [`ServerStatus`].
    pub server: String,
    /// Owner name.
    #[schema(value_type = String, example = "_jenkins._tcp.internal.local.")]
    pub name: Name,
    /// Record type.
    #[serde(rename = "type")]
    #[schema(example = "SRV")]
    pub record_type: String,
    /// How it stands.
    pub state: State,
    /// Since when, seconds since 1970.
    pub since: u64,
    /// When a cache will have let go of it, seconds since 1970.
    pub clears: Option<u64>,
    /// What is seen there, and why.
    pub reason: String,
}
