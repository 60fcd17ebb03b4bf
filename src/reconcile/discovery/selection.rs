//! Which targets somebody wants: the parameters of a request, or the keys of a `[[discovery.file]]`.
//!
//! What cannot be understood is an error and never an empty list: Prometheus keeps its targets on an error, and drops them
//! on an empty list. A service that nobody offers is no error, since it may be gone on purpose.

use std::collections::{BTreeMap, BTreeSet};

use super::label;
use super::target::Target;
use crate::model::rules::{self, Refusal};
use crate::model::{Condition, Name, Publication, ServiceKey};

/// A service by as much of its name as somebody gave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// In lower case, without underscore.
    name: String,
    proto: Option<&'static str>,
    zone: Option<Name>,
}

impl Wanted {
    /// `jenkins` (whatever its protocol, in any zone), `_jenkins._tcp` (in any zone) or `_jenkins._tcp.internal.local.`.
    ///
    /// # Errors
    /// When no service could be called so, or the zone is not managed.
    pub fn new(text: &str, zones: &[Name]) -> Result<Self, Refusal> {
        let Some(rest) = text.strip_prefix('_') else {
            return Ok(Self { name: rules::service_name(text)?.to_ascii_lowercase(), proto: None, zone: None });
        };
        let (labels, zone) = match rest.split_once("._") {
            Some((name, rest)) => {
                let (proto, zone) = rest.split_once('.').unwrap_or((rest, ""));
                ((name, proto), zone)
            }
            None => {
                let help = "write `jenkins`, `_jenkins._tcp` or `_jenkins._tcp.internal.local.`";
                return Err(Refusal::with_help(format!("`{text}` is not the name of a service"), help));
            }
        };
        let zone = if zone.is_empty() { None } else { Some(rules::zone(zone, zones)?) };
        let name = rules::service_name(labels.0)?.to_ascii_lowercase();
        Ok(Self { name, proto: Some(rules::proto(labels.1)?), zone })
    }

    /// The one service that is meant; none when it may be several.
    pub fn only(&self) -> Option<ServiceKey> {
        let (proto, zone) = (self.proto?.to_owned(), self.zone.clone()?);
        Some(ServiceKey { name: self.name.clone(), proto, zone })
    }

    fn is(&self, key: &ServiceKey) -> bool {
        self.name.eq_ignore_ascii_case(&key.name)
            && self.proto.is_none_or(|proto| proto == key.proto)
            && self.zone.as_ref().is_none_or(|zone| *zone == key.zone)
    }
}

/// Whether an instance is among the SRV records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It is, or would be if nothing stood in the way.
    Published,
    /// Its health has withdrawn it.
    Withdrawn,
}

/// What is wanted. Of several values of one filter one is enough; of several filters each has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Services; all when none is named.
    pub services: BTreeSet<Wanted>,
    /// Zones; all when none is named.
    pub zones: Vec<Name>,
    /// Protocols, `tcp` or `udp`; both when none is named.
    pub protos: BTreeSet<&'static str>,
    /// Hosts in full, without the final dot and in lower case; any when none is named.
    pub hosts: BTreeSet<String>,
    /// Values of the label for health; any when none is named.
    pub health: BTreeSet<String>,
    /// Whether DNS has them; both when nothing is said.
    pub reach: BTreeSet<Reach>,
    /// Labels of metadata, each with the values that it may have.
    pub metadata: BTreeMap<String, BTreeSet<String>>,
}

/// Before the key of metadata, in a request.
const META: &str = "meta.";
const KNOWN: &str = "service, zone, proto, host, health, published and meta.KEY";

impl Selection {
    /// What the parameters of a request ask for.
    ///
    /// # Errors
    /// When a parameter is not known, or its value makes no sense.
    pub fn of_request(pairs: &[(String, String)], zones: &[Name]) -> Result<Self, Refusal> {
        let mut selection = Self::default();
        for (parameter, value) in pairs {
            if value.is_empty() && !parameter.starts_with(META) {
                let help = "leave the parameter out to get everything";
                return Err(Refusal::with_help(format!("`{parameter}` has no value"), help));
            }
            match parameter.as_str() {
                "service" => selection.services.extend([Wanted::new(value, zones)?]),
                "zone" => selection.zones.push(rules::zone(value, zones)?),
                "proto" => selection.protos.extend([rules::proto(value)?]),
                "host" => selection.add_host(value, zones)?,
                "health" => selection.add_health(value)?,
                "published" => selection.reach.extend([reach(value)?]),
                _ => match parameter.strip_prefix(META) {
                    Some(key) => selection.add_metadata(key, value)?,
                    None => return Err(unknown(parameter)),
                },
            }
        }
        Ok(selection)
    }

    /// Wants those on a host: in full, or relative to a zone.
    ///
    /// # Errors
    /// When it is no name.
    pub fn add_host(&mut self, text: &str, zones: &[Name]) -> Result<(), Refusal> {
        let host: Name = text.parse().map_err(|error| Refusal::from(format!("host `{text}` {error}")))?;
        let plain = host.without_final_dot().to_ascii_lowercase();
        let below = |zone: &Name| format!("{plain}.{}", zone.without_final_dot().to_ascii_lowercase());
        self.hosts.extend(zones.iter().map(below));
        self.hosts.insert(plain);
        Ok(())
    }

    /// Wants those that are so: `passing`, `failing`, `unknown` (checked, and not known yet) or `unchecked`.
    ///
    /// # Errors
    /// When it is another word.
    pub fn add_health(&mut self, word: &str) -> Result<(), Refusal> {
        if word != "unchecked" && word.parse::<Condition>().is_err() {
            return Err(Refusal::from(format!("`{word}` is none of passing, failing, unknown and unchecked")));
        }
        self.health.insert(word.to_owned());
        Ok(())
    }

    /// Wants those with this metadata, of their own or of their service.
    ///
    /// # Errors
    /// When no key is like that.
    pub fn add_metadata(&mut self, key: &str, value: &str) -> Result<(), Refusal> {
        rules::metadata_key(key)?;
        self.metadata.entry(label::of_metadata(key)).or_default().insert(value.to_owned());
        Ok(())
    }

    /// The services that are named in full.
    pub fn named(&self) -> impl Iterator<Item = ServiceKey> {
        self.services.iter().filter_map(Wanted::only)
    }

    /// Every service that the names given could mean; none when no name is given.
    pub fn possible<'s>(&'s self, zones: &'s [Name]) -> impl Iterator<Item = ServiceKey> + 's {
        let keys = move |wanted: &'s Wanted| {
            let protos = ["tcp", "udp"].into_iter();
            protos.flat_map(move |proto| {
                let key = move |zone: &Name| ServiceKey {
                    name: wanted.name.clone(),
                    proto: proto.to_owned(),
                    zone: zone.clone(),
                };
                zones.iter().map(key)
            })
        };
        self.services.iter().flat_map(keys).filter(|key| self.takes_service(key))
    }

    /// Whether everything is wanted.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether instances of a service may be wanted.
    pub fn takes_service(&self, key: &ServiceKey) -> bool {
        (self.services.is_empty() || self.services.iter().any(|wanted| wanted.is(key)))
            && (self.zones.is_empty() || self.zones.contains(&key.zone))
            && (self.protos.is_empty() || self.protos.contains(&*key.proto))
    }

    /// Whether a target of such a service is wanted.
    pub fn takes(&self, target: &Target) -> bool {
        let value = |label| target.label(label).unwrap_or_default();
        let is_withdrawn = value(label::PUBLICATION) == Publication::Withdrawn.as_str();
        let reach = if is_withdrawn { Reach::Withdrawn } else { Reach::Published };
        (self.hosts.is_empty() || self.hosts.contains(&value(label::HOST).to_ascii_lowercase()))
            && (self.health.is_empty() || self.health.contains(value(label::HEALTH)))
            && (self.reach.is_empty() || self.reach.contains(&reach))
            && self.metadata.iter().all(|(label, values)| values.contains(value(label)))
    }
}

fn reach(text: &str) -> Result<Reach, Refusal> {
    match text {
        "true" => Ok(Reach::Published),
        "false" => Ok(Reach::Withdrawn),
        other => Err(Refusal::from(format!("`published` must be true or false, not `{other}`"))),
    }
}

fn unknown(parameter: &str) -> Refusal {
    let message = format!("there is no parameter `{parameter}`");
    Refusal::with_help(message, format!("the parameters are {KNOWN}"))
}
