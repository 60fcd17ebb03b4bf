//! The nouns: names, records, the zone, changes, services. Pure data and its algebra; no async, clock, log,
//! file or randomness, and nothing of how any of it travels.

pub mod browse;
mod delta;
mod diagnostic;
mod finding;
pub mod health;
mod marker;
mod name;
mod name_map;
mod principal;
pub mod prometheus;
mod rdata;
mod registration;
mod rrset;
pub mod rules;
mod scrape;
mod serial;
mod server;
mod service;
mod sets;
mod status;
mod table;
pub mod time_units;
mod verification;
mod zone;

pub use browse::{Browse, MetaNames};
pub use delta::{Change, Line};
pub use diagnostic::{Diagnostic, LineIndex, Place};
pub use finding::{Finding, Severity};
pub use health::{Check, CheckKind, Checks, Condition, HealthPolicy, Publication};
pub use marker::{MARKER_LABEL, Marker, MarkerError, OwnerId};
pub use name::{MAX_LABEL, MAX_NAME, Name, NameError};
pub use name_map::NameMap;
pub use principal::{Access, Grant, Pattern, Principal};
pub use rdata::{MAX_STRING, Rdata, RecordType, Srv, UnknownType};
pub use registration::{Action, Configured, Edit, Event, InstanceId, Offer, Registration, Settings};
pub use rrset::{Record, Rrset, RrsetKey};
pub use scrape::{Scheme, Scrape};
pub use serial::Serial;
pub use server::{DNS_PORT, Server, ServerError};
pub use service::{Catalogue, Instance, MAX_SHARDS, Service, ServiceKey, Shards, shard_of};
pub use sets::Sets;
pub use status::{
    DaemonStatus, DiscoveryStatus, HealthSummary, HeldStatus, LeaseStatus, NotifyStatus, Outcome, TargetFileStatus,
    ZoneStatus,
};
pub use verification::{ServerStatus, State, Unverified, VerificationStatus};
pub use zone::{Mismatch, NameServer, Zone, ZoneBuilder};
