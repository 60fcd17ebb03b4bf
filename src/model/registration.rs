//! Registrations: instances that announced themselves through the API, and what holds for their service. Part of the
//! stable JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::name::Name;
use super::rules::Refusal;
use super::service::{ServiceKey, Shards};

/// Longest id that somebody may choose, bytes.
const MAX_ID: usize = 128;

/// Tells an instance from the others of its service: what whoever registered it chose, or its host and port as
/// Prometheus writes a target, `centos9-vm.internal.local:8080`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, example = "centos9-vm.internal.local:8080")]
pub struct InstanceId(Arc<str>);

impl InstanceId {
    /// The id of an instance for which nobody chose one.
    pub fn of(host: &Name, port: NonZeroU16) -> Self {
        Self(format!("{}:{port}", host.without_final_dot().to_ascii_lowercase()).into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and port, when it is made of them.
    pub fn endpoint(&self) -> Option<(&str, NonZeroU16)> {
        let (host, port) = self.0.rsplit_once(':')?;
        Some((host, port.parse().ok()?))
    }
}

impl FromStr for InstanceId {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let id = Self(text.into());
        let is_chosen = (1..=MAX_ID).contains(&text.len()) && text.bytes().all(allowed) && !matches!(text, "." | "..");
        let is_endpoint = || id.endpoint().is_some_and(|(host, _)| host.parse::<Name>().is_ok() && text.is_ascii());
        if is_chosen || is_endpoint() {
            return Ok(id);
        }
        Err(Refusal::with_help(
            format!("`{text}` is not the id of an instance"),
            format!("write host:port, or 1 to {MAX_ID} letters, digits, `-`, `_` or `.`"),
        ))
    }
}

impl TryFrom<String> for InstanceId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|refusal: Refusal| refusal.message)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an instance offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Offer {
    /// The SRV target, absolute.
    #[schema(value_type = String, example = "centos9-vm.internal.local.")]
    pub host: Name,
    /// The port it listens on.
    #[schema(value_type = u16, minimum = 1, example = 8080)]
    pub port: NonZeroU16,
    /// SRV priority.
    pub priority: u16,
    /// SRV weight.
    pub weight: u16,
    /// Addresses to publish for the host, sorted; empty when somebody else publishes them.
    #[schema(value_type = Vec<String>, example = json!(["192.168.188.142"]))]
    pub addresses: Vec<IpAddr>,
    /// What is known of it. What all instances of a service agree on is published as the service's TXT record.
    pub metadata: BTreeMap<String, String>,
    /// Seconds within which it has to be renewed; without, it stays until it is deregistered.
    pub lease: Option<u32>,
}

/// What holds for a service as a whole, when no service file describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// TTL of its records in seconds; the zone's when absent.
    #[schema(minimum = 1, maximum = 604_800)]
    pub ttl: Option<u32>,
    /// Over how many names it is spread: a number, "auto", or nothing.
    #[schema(value_type = Option<String>, example = "auto")]
    pub shards: Shards,
    /// Published as TXT strings `key=value` at the service's owner name.
    pub metadata: BTreeMap<String, String>,
}

/// One registered instance: what it offers, and how that came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// What it offers.
    pub offer: Offer,
    /// Grows with every change of any registration; the `ETag`.
    pub revision: u64,
    /// Who changed it last.
    pub by: Arc<str>,
    /// When it was registered, seconds since 1970.
    pub created: u64,
    /// When its offer changed last, seconds since 1970.
    pub updated: u64,
    /// Until when it has to be renewed, in seconds of the service clock, which stands still while nobody could.
    pub due: Option<u64>,
}

/// A service's settings, and how they came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    /// What holds.
    pub settings: Settings,
    /// As that of a [`Registration`].
    pub revision: u64,
}

/// One change of what is registered. Its reverse is the same with the two sides exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Of a service's settings.
    Service {
        /// Which service.
        service: ServiceKey,
        /// What held.
        before: Option<Arc<Configured>>,
        /// What holds.
        after: Option<Arc<Configured>>,
    },
    /// Of an instance.
    Instance {
        /// Of which service.
        service: ServiceKey,
        /// Which instance.
        id: InstanceId,
        /// What was registered.
        before: Option<Arc<Registration>>,
        /// What is registered.
        after: Option<Arc<Registration>>,
    },
}

impl Edit {
    /// The service that changes.
    pub fn service(&self) -> &ServiceKey {
        match self {
            Self::Service { service, .. } | Self::Instance { service, .. } => service,
        }
    }

    /// The revision of what is there afterwards.
    pub fn revision(&self) -> Option<u64> {
        match self {
            Self::Service { after, .. } => after.as_ref().map(|after| after.revision),
            Self::Instance { after, .. } => after.as_ref().map(|after| after.revision),
        }
    }

    /// What takes it back.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Service { service, before, after } => Self::Service { service, before: after, after: before },
            Self::Instance { service, id, before, after } => {
                Self::Instance { service, id, before: after, after: before }
            }
        }
    }

    /// Whether only the time until which it has to be renewed is another.
    pub fn is_renewal(&self) -> bool {
        match self {
            Self::Instance { before: Some(before), after: Some(after), .. } => before.offer == after.offer,
            _ => false,
        }
    }
}

/// Why something was changed, for the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// An instance was registered, or registered again with another offer.
    Register,
    /// A running instance was changed.
    Set,
    /// An instance was deregistered.
    Deregister,
    /// A lease was not renewed.
    Expire,
    /// A service's settings were changed.
    Configure,
    /// A catalogue was imported.
    Import,
    /// Somebody works on a service or a host, or does not any more.
    Maintain,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Register => "register",
            Self::Set => "set",
            Self::Deregister => "deregister",
            Self::Expire => "expire",
            Self::Configure => "configure",
            Self::Import => "import",
            Self::Maintain => "maintain",
        })
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let registrations = [Self::Register, Self::Set, Self::Deregister, Self::Expire];
        let others = [Self::Configure, Self::Import, Self::Maintain];
        let mut all = registrations.into_iter().chain(others);
        all.find(|action| action.to_string() == text).ok_or_else(|| format!("`{text}` is no action"))
    }
}

/// One line of the journal: who changed what, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Grows with every line.
    pub sequence: u64,
    /// Seconds since 1970.
    pub at: u64,
    /// Who.
    pub by: String,
    /// What was done.
    pub action: Action,
    /// The service's owner name.
    #[schema(value_type = String, example = "_jenkins._tcp.internal.local.")]
    pub service: Name,
    /// The instance; none when the service as a whole is meant.
    pub id: Option<InstanceId>,
    /// The offer, the settings or the maintenance before.
    #[schema(value_type = Option<Object>)]
    pub before: Option<serde_json::Value>,
    /// The offer, the settings or the maintenance after.
    #[schema(value_type = Option<Object>)]
    pub after: Option<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_host_and_port_or_what_somebody_chose() {
        let id = InstanceId::of(&"Centos9-VM.internal.local".parse().unwrap(), NonZeroU16::new(8080).unwrap());
        assert_eq!(id.as_str(), "centos9-vm.internal.local:8080");
        assert_eq!(id.endpoint().map(|(host, port)| (host, port.get())), Some(("centos9-vm.internal.local", 8080)));
        for good in ["web-1", "a.b_c", "centos9-vm.internal.local:8080"] {
            assert_eq!(good.parse::<InstanceId>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "a b", "h:0", "h:", "h:70000", "h:x", "ü", "ü:1", &"x".repeat(129)] {
            assert!(bad.parse::<InstanceId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn shards_are_a_number_auto_or_nothing() {
        for (shards, json) in [(Shards::Off, "null"), (Shards::Fixed(4), "4"), (Shards::Auto, "\"auto\"")] {
            assert_eq!(serde_json::to_string(&shards).unwrap(), json);
            assert_eq!(serde_json::from_str::<Shards>(json).unwrap(), shards);
        }
        for bad in ["0", "129", "\"4\"", "true", "\"many\""] {
            assert!(serde_json::from_str::<Shards>(bad).is_err(), "{bad}");
        }
    }
}
