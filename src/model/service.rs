//! Desired services, already checked: what cannot be published cannot be built from the sources.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use super::diagnostic::Place;
use super::name::{Name, NameError};

/// What identifies a service: its name, its protocol and its zone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// Service name without the underscore: `jenkins`.
    pub name: String,
    /// Protocol without the underscore: `tcp`.
    pub proto: String,
    /// The zone it is published in.
    pub zone: Name,
}

impl ServiceKey {
    /// The owner name of its SRV records: `_jenkins._tcp.internal.local.` (RFC 2782).
    ///
    /// # Errors
    /// When the name does not fit DNS' limits.
    pub fn owner_name(&self) -> Result<Name, NameError> {
        self.zone.prepend(format!("_{}", self.proto).as_bytes())?.prepend(format!("_{}", self.name).as_bytes())
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "_{}._{}.{}", self.name, self.proto, self.zone)
    }
}

/// One desired service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its identity.
    pub key: ServiceKey,
    /// TTL of its records in seconds; the zone's when absent.
    pub ttl: Option<u32>,
    /// Published as TXT strings `key=value` (RFC 6763 section 6) at the service's owner name.
    pub metadata: BTreeMap<String, String>,
    /// Who offers it.
    pub instances: Vec<Instance>,
    /// Where a person wrote it.
    pub place: Place,
}

/// One host and port that offers a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The SRV target, absolute.
    pub host: Name,
    /// The port it listens on.
    pub port: NonZeroU16,
    /// SRV priority.
    pub priority: u16,
    /// SRV weight.
    pub weight: u16,
    /// Addresses to publish for the host; empty when somebody else publishes them.
    pub addresses: Vec<IpAddr>,
    /// Where a person wrote it.
    pub place: Place,
}

/// All desired services, from every source, without duplicates.
pub type Catalogue = BTreeMap<ServiceKey, Service>;
