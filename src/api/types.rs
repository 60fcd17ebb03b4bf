//! What the API answers. Stable: fields are added, none is taken away or changes its meaning.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::backend::Proof;
use crate::model::health::{HealthPolicy, InstanceHealth, Maintained, Maintenance, Transition, Verdict};
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

/// How a service is, without the instances that are well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthOfService {
    /// Its owner name.
    #[schema(value_type = String, example = "_jenkins._tcp.internal.local.")]
    pub service: Name,
    /// What its health changes about what is published.
    #[serde(flatten)]
    pub policy: HealthPolicy,
    /// As in `HealthStatus`.
    pub floor: Option<usize>,
    /// As in `HealthStatus`.
    pub floor_held: bool,
    /// As in `HealthStatus`.
    pub isolated: bool,
    /// Somebody works on the service as a whole.
    pub maintenance: Option<Maintenance>,
    /// How many instances there are.
    pub instances: usize,
    /// How many of them pass their checks.
    pub passing: usize,
    /// How many fail.
    pub failing: usize,
    /// Of how many nobody knows.
    pub unknown: usize,
    /// How many fail while nobody works on them.
    pub unexpected: usize,
    /// How many somebody works on, by their host or their service.
    pub in_maintenance: usize,
    /// How many are left out of what is published.
    pub withdrawn: usize,
    /// How many are published with another priority or weight.
    pub deprioritised: usize,
    /// The first twenty that fail, or are not published as they are offered.
    pub problems: Vec<InstanceHealth>,
    /// How many more of these there are.
    pub more_problems: usize,
}

/// One page of services that are checked, or worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthOfServices {
    /// In the order of their names.
    pub services: Vec<HealthOfService>,
    /// What to give as `after` for the next page; none on the last.
    pub next: Option<String>,
}

/// One change of an instance's condition, with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NumberedTransition {
    /// Grows with every change.
    pub sequence: u64,
    /// What changed.
    #[serde(flatten)]
    pub transition: Transition,
}

/// What changed about health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transitions {
    /// The newest first.
    pub transitions: Vec<NumberedTransition>,
    /// What to give as `before` for older ones; none when these are the oldest.
    pub next: Option<u64>,
}

/// Somebody is going to work on something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// For how long, seconds, from 1 to 2,592,000.
    #[serde(rename = "for")]
    #[schema(minimum = 1, maximum = 2_592_000, example = 7200)]
    pub seconds: u32,
    /// Why, 1 to 200 characters.
    #[schema(example = "new kernel")]
    pub why: String,
}

/// Who works on what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Works {
    /// A host or a service.
    pub of: Maintained,
    /// Whether anything is another than before.
    pub changed: bool,
    /// What holds now; none when nobody works on it.
    pub maintenance: Option<Maintenance>,
    /// Owner names of the services with instances there.
    pub services: Vec<String>,
}

/// One maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MaintenanceView {
    /// A host or a service.
    pub of: Maintained,
    /// Until when, why, and who said so.
    #[serde(flatten)]
    pub maintenance: Maintenance,
}

/// Everything that somebody works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Maintenances {
    /// Hosts first, then services, in the order of their names.
    pub maintenance: Vec<MaintenanceView>,
}

/// How an instance says it is, with its renewal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Word {
    /// What its `lease` check takes as the result; absent for a renewal that says nothing.
    pub status: Option<Verdict>,
    /// Why, in a line; what is longer than 200 characters is cut.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub output: String,
}

/// What Prometheus shall scrape, and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetGroup {
    /// `host:port`; one in each group.
    #[schema(example = json!(["centos9-vm.internal.local:8080"]))]
    pub targets: Vec<String>,
    /// Labels for relabelling (`__meta_srvctl_…`), and how it is to be scraped.
    pub labels: BTreeMap<String, String>,
}
