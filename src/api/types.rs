//! What the API answers. Stable: fields are added, none is taken away or changes its meaning.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::backend::Proof;
use crate::model::{Event, HeldStatus, InstanceId, Name, Offer, Settings, Shards};

/// Where something comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A service file.
    File,
    /// A registration.
    Registered,
}

/// One instance of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstanceView {
    /// The service's owner name.
    #[schema(example = "_jenkins._tcp.internal.local.")]
    pub service: String,
    /// Tells it from the others of its service.
    #[schema(value_type = String, example = "centos9-vm.internal.local:8080")]
    pub id: InstanceId,
    /// The SRV target.
    #[schema(value_type = String, example = "centos9-vm.internal.local.")]
    pub host: Name,
    /// The port that it listens on.
    pub port: u16,
    /// SRV priority.
    pub priority: u16,
    /// SRV weight.
    pub weight: u16,
    /// Addresses that are published for the host.
    #[schema(value_type = Vec<String>)]
    pub addresses: Vec<IpAddr>,
    /// What is known of it.
    pub metadata: BTreeMap<String, String>,
    /// Where it comes from.
    pub source: Source,
    /// File, line and column, of one that is in a service file.
    pub place: Option<String>,
    /// Seconds within which it has to be renewed each time.
    pub lease: Option<u32>,
    /// Seconds that are left of the lease; negative when it has run out.
    pub renew_within: Option<i64>,
    /// Grows with each change; the `ETag`.
    pub revision: Option<u64>,
    /// Who changed it last.
    pub registered_by: Option<String>,
    /// When it was registered, seconds since 1970.
    pub created: Option<u64>,
    /// When it changed last, seconds since 1970.
    pub updated: Option<u64>,
}

/// One page of instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Instances {
    /// In the order of services and ids.
    pub instances: Vec<InstanceView>,
    /// What to give as `after` for the next page; none on the last.
    pub next: Option<String>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceView {
    /// Its owner name.
    #[schema(example = "_jenkins._tcp.internal.local.")]
    pub service: String,
    /// Who says what holds for all of it.
    pub source: Source,
    /// TTL in seconds; none for the zone's.
    pub ttl: Option<u32>,
    /// Over how many names it is spread: a number, "auto", or nothing.
    #[schema(value_type = Option<String>)]
    pub shards: Shards,
    /// What is published as its TXT record: what holds for all of it, and what all registered instances agree on.
    pub metadata: BTreeMap<String, String>,
    /// How many instances there are.
    pub instances: usize,
    /// How many of them are registered.
    pub registered: usize,
    /// What was set for all of it, whether or not a file has the last word.
    #[serde(default)]
    pub settings: Settings,
    /// Revision of its settings; the `ETag`. None when they were never set.
    pub revision: Option<u64>,
}

/// One page of services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Services {
    /// In the order of their names.
    pub services: Vec<ServiceView>,
    /// What to give as `after` for the next page; none on the last.
    pub next: Option<String>,
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// Whether anything changed; with `dry_run`, whether it would.
    pub changed: bool,
    /// Whether it was only asked what would be.
    pub dry_run: bool,
    /// The service's owner name.
    #[schema(example = "_jenkins._tcp.internal.local.")]
    pub service: String,
    /// The instance; none when the service as a whole was changed.
    #[schema(value_type = Option<String>)]
    pub id: Option<InstanceId>,
    /// What was offered before.
    pub before: Option<Offer>,
    /// What is offered now.
    pub after: Option<Offer>,
    /// Revision of what is there now.
    pub revision: Option<u64>,
    /// How many instances were deregistered, when it was all of a service.
    pub removed: Option<usize>,
    /// What was seen in DNS, when it was asked to wait for that.
    pub verified: Option<Verified>,
}

/// What was seen in DNS after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    /// Whether every server shows the change.
    pub ok: bool,
    /// How long it took, or was waited for, milliseconds.
    pub milliseconds: u64,
    /// Server by server.
    pub proofs: Vec<Proof>,
    /// What stands in the way in the zone, as far as that is known: a held plan, a conflict, a server that is down.
    pub obstacles: Vec<String>,
    /// The id of the plan that is held in the zone, and that the change waits for.
    #[serde(default)]
    pub held: Option<String>,
}

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// Whether anything changed; with `dry_run`, whether it would.
    pub changed: bool,
    /// Whether it was only asked what would be.
    pub dry_run: bool,
    /// Instances and services that were added or changed.
    pub written: usize,
    /// Instances and services that were removed.
    pub removed: usize,
}

/// Lines of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Events {
    /// The newest first.
    pub events: Vec<Event>,
    /// What to give as `before` for older ones; none when these are the oldest.
    pub next: Option<u64>,
}

/// A plan that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// In which zone.
    #[schema(value_type = String)]
    pub zone: Name,
    /// What is held, and why.
    #[serde(flatten)]
    pub held: HeldStatus,
}

/// All plans that wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plans {
    /// In the configuration's order.
    pub plans: Vec<Plan>,
}
