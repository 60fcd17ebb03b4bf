//! How instances are, why, and what follows from it. Part of the stable JSON.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::policy::HealthPolicy;
use crate::model::{InstanceId, Name};

/// The longest text that is kept of a result, characters.
pub const MAX_TEXT: usize = 200;

/// What one check saw once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Passing,
    /// It works, and somebody should look; counts as passing.
    Warning,
    /// It does not work.
    Failing,
    /// The check could not be made, through no fault of the instance: a missing file, a program that is not there,
    /// commands switched off. Counts for nothing.
    Unknown,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Passing, Self::Warning, Self::Failing, Self::Unknown];

    /// As in JSON, in metrics and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Failing => "failing",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Verdict {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|verdict| verdict.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is none of passing, warning, failing and unknown"))
    }
}

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProbeResult {
    /// What it means.
    pub verdict: Verdict,
    /// How long it took, milliseconds.
    #[serde(rename = "latency_ms", with = "milliseconds")]
    #[schema(value_type = u64)]
    pub latency: Duration,
    /// What was seen, in one line of at most [`MAX_TEXT`] characters: status, error, the plugin's output.
    pub text: String,
}

impl ProbeResult {
    /// A result; the text is cut to its first line that has something in it, and to [`MAX_TEXT`] characters.
    pub fn new(verdict: Verdict, latency: Duration, text: impl AsRef<str>) -> Self {
        let lines = text.as_ref().lines().map(str::trim);
        let line = lines.into_iter().find(|line| !line.is_empty()).unwrap_or_default();
        let printable = line.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
        Self { verdict, latency, text: printable.take(MAX_TEXT).collect() }
    }
}

mod milliseconds {
    use super::{Deserialize, Duration};

    pub(super) fn serialize<S: serde::Serializer>(latency: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// How an instance is, after so many results in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Nobody knows: nothing is checked, or not enough results came yet.
    #[default]
    Unknown,
    /// Every check passes.
    Passing,
    /// At least one check fails.
    Failing,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unknown, Self::Passing, Self::Failing];

    /// As in JSON, in metrics and in service files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Passing => "passing",
            Self::Failing => "failing",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|condition| condition.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is none of passing, failing and unknown"))
    }
}

/// One change of an instance's condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transition {
    /// When, milliseconds since 1970.
    pub at: u64,
    /// The service's owner name.
    #[schema(value_type = String, example = "_jenkins._tcp.internal.local.")]
    pub service: Name,
    /// Host and port of the instance, whatever id it was registered under.
    pub instance: InstanceId,
    /// What held.
    pub from: Condition,
    /// What holds.
    pub to: Condition,
    /// The check that decided, what it saw, and how often in a row.
    pub reason: String,
    /// How long the last probe took, milliseconds; none when no probe decided.
    pub latency_ms: Option<u64>,
}

/// Whom a maintenance is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Maintained {
    /// Every instance on a host.
    #[schema(value_type = String)]
    Host(Name),
    /// A service, by its owner name.
    #[schema(value_type = String)]
    Service(Name),
}

impl fmt::Display for Maintained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "host {}", host.without_final_dot()),
            Self::Service(service) => write!(f, "service {service}"),
        }
    }
}

/// Somebody works on it, and failures are expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Maintenance {
    /// Until when, seconds since 1970.
    pub until: u64,
    /// Why.
    pub why: String,
    /// Who said so.
    pub by: String,
}

impl Maintenance {
    /// Whether it still lasts at this time, milliseconds since 1970.
    pub fn lasts(&self, now: u64) -> bool {
        self.until.saturating_mul(1000) > now
    }
}

/// What became of an instance in what is published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Publication {
    /// Published as it is offered.
    #[default]
    Published,
    /// Left out of the SRV set. Its host's addresses stay.
    Withdrawn,
    /// Published with another priority or weight.
    Deprioritised,
    /// It should go, and stays: too few others are healthy.
    HeldByFloor,
    /// It should go, and stays until enough others were seen passing after it began to fail.
    Awaiting,
}

impl Publication {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Published, Self::Withdrawn, Self::Deprioritised, Self::HeldByFloor, Self::Awaiting];

    /// As in JSON and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Withdrawn => "withdrawn",
            Self::Deprioritised => "deprioritised",
            Self::HeldByFloor => "held_by_floor",
            Self::Awaiting => "awaiting",
        }
    }
}

impl fmt::Display for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::HeldByFloor => "held by the floor",
            Self::Awaiting => "awaiting the others",
            other => other.as_str(),
        })
    }
}

/// How a service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthStatus {
    /// Its owner name.
    #[schema(value_type = String, example = "_jenkins._tcp.internal.local.")]
    pub service: Name,
    /// What its health changes about what is published.
    #[serde(flatten)]
    pub policy: HealthPolicy,
    /// How many have to be healthy for anything to follow from the failure of others; none with `publish`.
    pub floor: Option<usize>,
    /// Whether the floor keeps something published that fails.
    pub floor_held: bool,
    /// Whether nothing new is withdrawn because most of what is checked anywhere fails at once.
    pub isolated: bool,
    /// Somebody works on the service as a whole.
    pub maintenance: Option<Maintenance>,
    /// Every instance, sorted by host and port.
    pub instances: Vec<InstanceHealth>,
}

impl HealthStatus {
    /// How many instances are in this condition.
    pub fn count(&self, condition: Condition) -> usize {
        self.instances.iter().filter(|instance| instance.condition == condition).count()
    }
}

/// How an instance is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstanceHealth {
    /// Host and port, whatever id it was registered under.
    pub instance: InstanceId,
    /// How it is.
    pub condition: Condition,
    /// Since when, milliseconds since 1970; none when it never changed.
    pub since: Option<u64>,
    /// Whether it changed so often that it counts as failing until it has been quiet.
    pub damped: bool,
    /// What became of it in what is published.
    pub publication: Publication,
    /// Why, in one sentence; empty when there is nothing to explain.
    pub reason: String,
    /// Somebody works on its host.
    pub maintenance: Option<Maintenance>,
    /// Every check of it, in the order of the file.
    pub checks: Vec<CheckHealth>,
}

impl InstanceHealth {
    /// Puts everything so many milliseconds later.
    pub fn shift(&mut self, milliseconds: i64) {
        let lasts = self.checks.iter_mut().map(|check| &mut check.last);
        for at in lasts.chain([&mut self.since]).flatten() {
            *at = at.saturating_add_signed(milliseconds);
        }
    }
}

/// How one check of one instance stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckHealth {
    /// Its type.
    #[serde(rename = "type")]
    #[schema(example = "http")]
    pub kind: String,
    /// What it says after so many results in a row.
    pub condition: Condition,
    /// Results in a row that passed, up to now.
    pub passed: u32,
    /// Results in a row that failed, up to now.
    pub failed: u32,
    /// When the last result came, milliseconds since 1970.
    pub last: Option<u64>,
    /// The last result.
    pub result: Option<ProbeResult>,
}

/// What is kept of an instance over a restart of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedHealth {
    /// The service's owner name.
    pub service: Name,
    /// Host and port.
    pub instance: InstanceId,
    /// How it was.
    pub condition: Condition,
    /// Since when, milliseconds since 1970.
    pub since: Option<u64>,
    /// Why.
    pub reason: String,
    /// When it changed lately, milliseconds since 1970, the oldest first: what flap damping counts.
    pub changes: Vec<u64>,
    /// Whether it was damped.
    pub damped: bool,
    /// What had become of it in what is published.
    pub publication: Publication,
}
