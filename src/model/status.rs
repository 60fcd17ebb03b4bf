//! How each zone stands, as the daemon tells it and `srvctl status` shows it. Part of the stable JSON.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::name::Name;
use super::verification::VerificationStatus;

/// How the daemon stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DaemonStatus {
    /// The daemon's version.
    pub version: String,
    /// Its identity in the ownership markers of zones that name no other.
    pub owner: String,
    /// When it started, seconds since 1970.
    pub started: u64,
    /// What is wrong with the configuration since the last reload; the old one stays in force.
    pub config_error: Option<String>,
    /// What is wrong with service files now; their last good content is in force.
    pub source_errors: Vec<String>,
    /// Why registrations cannot be read or written; what is registered stays published.
    #[serde(default)]
    pub store_error: Option<String>,
    /// Registrations that have to be renewed.
    #[serde(default)]
    pub leases: LeaseStatus,
    /// What the checks say of all zones together, and what follows from it.
    #[serde(default)]
    pub health: HealthSummary,
    /// What Prometheus is told past DNS; none without `[discovery]`.
    #[serde(default)]
    pub discovery: Option<DiscoveryStatus>,
    /// Services in force.
    pub services: usize,
    /// Instances of all services in force.
    pub instances: usize,
    /// Every zone, in the configuration's order.
    pub zones: Vec<ZoneStatus>,
}

impl DaemonStatus {
    /// Whether every zone is in sync and no source is broken.
    pub fn is_in_sync(&self) -> bool {
        self.config_error.is_none()
            && self.store_error.is_none()
            && self.leases.held.is_empty()
            && !self.health.is_held()
            && self.source_errors.is_empty()
            && self.discovery.iter().all(DiscoveryStatus::is_well)
            && self.zones.iter().all(|zone| zone.outcome == Outcome::InSync)
    }
}

/// How the list of targets stands that Prometheus is given over HTTP and in files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiscoveryStatus {
    /// Why there is no list yet, and everybody who asks is refused; none when there is one.
    pub waits_for: Option<String>,
    /// How many targets are listed.
    pub targets: usize,
    /// Those of them that are not in force any more, and stay until the plan that removes them was let pass.
    pub kept: usize,
    /// Why they stay in zones in which no plan is held.
    #[serde(default)]
    pub held: Vec<String>,
    /// Every `[[discovery.file]]`, in the configuration's order.
    pub files: Vec<TargetFileStatus>,
}

impl DiscoveryStatus {
    /// Whether there is a list, nobody is held in it, and every file has it.
    pub fn is_well(&self) -> bool {
        self.waits_for.is_none() && self.held.is_empty() && self.files.iter().all(|file| file.error.is_none())
    }
}

/// How a file with targets stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetFileStatus {
    /// Which file.
    pub path: String,
    /// How many targets it has.
    pub targets: usize,
    /// When it was written last, seconds since 1970; none when what it has was there already.
    pub written: Option<u64>,
    /// Why it could not be written; it is tried again.
    pub error: Option<String>,
}

/// How the leases stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeaseStatus {
    /// Registrations with a lease.
    pub leased: usize,
    /// Those of them that should have been renewed.
    pub overdue: usize,
    /// Zones in which so many ran out that none of them ends, and why.
    pub held: Vec<String>,
}

/// What the checks of instances say, and what follows from it for what is published. `srvctl health` has the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthSummary {
    /// Instances that are checked and pass.
    pub passing: usize,
    /// Instances that fail.
    pub failing: usize,
    /// Instances that are checked, and of which it is not known yet.
    pub unknown: usize,
    /// Instances that are worked on, by their host or their service.
    pub in_maintenance: usize,
    /// Failing instances that are left out of the SRV records.
    pub withdrawn: usize,
    /// Failing instances that are published with another priority or weight.
    pub deprioritised: usize,
    /// Services of which so much fails that nothing of it is withdrawn.
    #[schema(value_type = Vec<String>)]
    pub floor_held: Vec<Name>,
    /// Whether most of what is checked fails at once: then the daemon's own network is at fault rather than everybody
    /// else, and nothing more is withdrawn.
    pub isolated: bool,
}

impl HealthSummary {
    /// How many instances are checked.
    pub fn checked(&self) -> usize {
        self.passing + self.failing + self.unknown
    }

    /// Whether something that fails stays published, against what its service asks for.
    pub fn is_held(&self) -> bool {
        self.isolated || !self.floor_held.is_empty()
    }

    /// Adds another zone's.
    pub fn add(&mut self, other: &Self) {
        self.passing += other.passing;
        self.failing += other.failing;
        self.unknown += other.unknown;
        self.in_maintenance += other.in_maintenance;
        self.withdrawn += other.withdrawn;
        self.deprioritised += other.deprioritised;
        self.floor_held.extend_from_slice(&other.floor_held);
        self.isolated |= other.isolated;
    }
}

/// How the last reconciliation of a zone ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// None has ended yet.
    Pending,
    /// Everything desired is published.
    InSync,
    /// A plan that would remove too much waits for a person; see `held`.
    Held,
    /// Some names could not be brought to the desired state; the others were.
    Incomplete,
    /// The zone could not be read or nothing could be sent.
    Failed,
}

/// A plan that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldStatus {
    /// What to give to `srvctl apply --accept`.
    pub id: String,
    /// Why it is held.
    pub reasons: Vec<String>,
    /// How many records it would remove.
    pub removed: usize,
    /// From which names.
    #[schema(value_type = Vec<String>)]
    pub names: Vec<Name>,
    /// Whether the plan's additions are made all the same.
    pub additions_proceed: bool,
    /// Names whose additions wait all the same: there is no room for them beside what is to go.
    #[schema(value_type = Vec<String>)]
    pub no_room: Vec<Name>,
}

/// The NOTIFY messages (RFC 1996) of one zone since the daemon started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotifyStatus {
    /// Where they are awaited: `notify_listen`.
    pub listen: String,
    /// How many were taken.
    pub accepted: u64,
    /// How many were refused.
    pub refused: u64,
    /// When the last one was taken, seconds since 1970.
    pub last: Option<u64>,
    /// Why the last refused one was.
    pub last_refusal: Option<String>,
    /// Why none can be received.
    pub error: Option<String>,
}

/// How one zone stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ZoneStatus {
    /// The zone.
    #[schema(value_type = String)]
    pub zone: Name,
    /// Its primary.
    pub primary: String,
    /// Our identity in its ownership markers.
    pub owner: String,
    /// How the last reconciliation ended.
    pub outcome: Outcome,
    /// Serial at the last reading.
    pub serial: Option<u32>,
    /// Records in the zone at the last reading.
    pub records: usize,
    /// Owner names that carry our marker.
    pub owned_names: usize,
    /// Owner names at which something was still to do when that was last looked at.
    #[serde(default)]
    pub pending_names: usize,
    /// Obstacles that foreign records and the like put in the way; `problems` has them in words.
    #[serde(default)]
    pub conflicts: usize,
    /// When the zone was last known in sync, seconds since 1970.
    pub last_in_sync: Option<u64>,
    /// When the last reconciliation ended, seconds since 1970.
    pub last_run: Option<u64>,
    /// Records changed since the daemon started.
    pub changes: u64,
    /// How often the whole zone was read since the daemon started.
    pub full_transfers: u64,
    /// How often what had changed in it was read since then.
    pub incremental_transfers: u64,
    /// Word from the primary that the zone has changed; none when `notify_listen` is not set.
    pub notifies: Option<NotifyStatus>,
    /// Why the last reconciliation failed.
    pub error: Option<String>,
    /// What stands in the way, name by name: conflicts and refusals, each with the way out.
    pub problems: Vec<String>,
    /// The plan that waits for a person.
    pub held: Option<HeldStatus>,
    /// When the next attempt comes at the latest, seconds since 1970.
    pub next_run: Option<u64>,
    /// How what is published stands at the servers through which it is looked up.
    #[serde(default)]
    pub verification: VerificationStatus,
    /// What the checks of its services' instances say, and what follows from it.
    #[serde(default)]
    pub health: HealthSummary,
}
