//! What can be asked for, as it is written and as it is understood, and why it is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::rules::Refusal;
use crate::model::{InstanceId, Offer, ServiceKey, Settings};

/// An instance as somebody registers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The SRV target: relative to the zone, or absolute with a final dot.
    #[schema(example = "centos9-vm")]
    pub host: String,
    /// The port that it listens on.
    #[schema(minimum = 1, example = 8080)]
    pub port: u16,
    /// SRV priority.
    #[serde(default)]
    pub priority: u16,
    /// SRV weight.
    #[serde(default)]
    pub weight: u16,
    /// IPv4 and IPv6 addresses to publish for the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["192.168.188.142"]))]
    pub addresses: Vec<String>,
    /// What is known of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Seconds within which it has to be renewed, from 5 to 2,592,000; without, it stays until it is deregistered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<u32>,
}

/// What to change of a running instance; what is not named stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    /// SRV priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u16>,
    /// SRV weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// Keys to set; one with `null` is removed (RFC 7396).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Option<String>>,
}

/// All that is registered, as it is exported and imported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Every service with what is registered of it.
    #[serde(default, rename = "service")]
    pub services: Vec<WrittenService>,
}

/// One service of a [`Document`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenService {
    /// Its owner name, or a shorter name of it.
    #[schema(example = "_jenkins._tcp.internal.local.")]
    pub name: String,
    /// As [`Settings::ttl`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
    /// As [`Settings::shards`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub shards: Option<crate::model::Shards>,
    /// As [`Settings::metadata`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Its registered instances.
    #[serde(default, rename = "instance", skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<WrittenInstance>,
}

/// One instance of a [`Document`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenInstance {
    /// Its id, when somebody chose one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it offers.
    #[serde(flatten)]
    pub offer: Proposal,
}

/// What has to be true for a change to be made (RFC 9110 section 13.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expected {
    /// Nothing in particular.
    #[default]
    Anything,
    /// Nothing is there yet.
    Absent,
    /// What is there has this revision.
    Revision(u64),
    /// Its lease has run out; otherwise there is nothing to do.
    Overdue,
}

/// What is asked for, checked against every rule that does not depend on what is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// To register an instance, or to renew or change the one that is there.
    Register {
        /// Of which service.
        service: ServiceKey,
        /// Under which id.
        id: InstanceId,
        /// What it offers.
        offer: Offer,
        /// Condition.
        expected: Expected,
    },
    /// To change a running instance.
    Set {
        /// Of which service.
        service: ServiceKey,
        /// Which.
        id: InstanceId,
        /// What to change.
        amendment: Amendment,
        /// Condition.
        expected: Expected,
    },
    /// To deregister an instance.
    Deregister {
        /// Of which service.
        service: ServiceKey,
        /// Which.
        id: InstanceId,
        /// Condition.
        expected: Expected,
    },
    /// To deregister all instances of a service, and to forget its settings.
    Remove {
        /// Which.
        service: ServiceKey,
    },
    /// To renew a lease.
    Renew {
        /// Of which service.
        service: ServiceKey,
        /// Of which instance.
        id: InstanceId,
    },
    /// To change what holds for a service as a whole.
    Configure {
        /// Which.
        service: ServiceKey,
        /// What shall hold.
        settings: Settings,
        /// Condition.
        expected: Expected,
    },
    /// To take in what was exported, all of it or nothing.
    Import {
        /// Services with their instances.
        services: Vec<Imported>,
        /// Whether what is registered and not among them goes.
        replace: bool,
    },
}

/// One service of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Which.
    pub service: ServiceKey,
    /// What holds for it.
    pub settings: Settings,
    /// Its instances.
    pub instances: Vec<(InstanceId, Offer)>,
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It breaks a rule, whoever asks for it.
    #[error("{}", .0.message)]
    Invalid(Refusal),
    /// Whoever asks may not.
    #[error("{0}")]
    Denied(String),
    /// It is not there.
    #[error("{0}")]
    NotFound(String),
    /// Something else stands in the way.
    #[error("{}", .0.message)]
    Conflict(Refusal),
    /// What was expected is not so.
    #[error("{0}")]
    Unexpected(String),
    /// It could not be made durable.
    #[error("{0}")]
    Unavailable(String),
}

impl Refused {
    /// The way out, where there is one to tell.
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Invalid(refusal) | Self::Conflict(refusal) => refusal.help.as_deref(),
            _ => None,
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Invalid(refusal)
    }
}
