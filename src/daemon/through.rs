//! Through whom a zone is verified: what the configuration names, and with "secondaries" whom the zone itself names.

use std::sync::Arc;

use crate::config::{Config, VerifyThrough, ZoneConfig};
use crate::dns::{self, Options, Resolver};
use crate::model::{Name, NameServer, RecordType, Server};
use crate::protocol::lookup::Verdict;

/// One who is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Through {
    /// The resolvers of `/etc/resolv.conf`.
    System,
    /// One server.
    Server(Server),
}

/// How resolv.conf is called where a server's address stands otherwise.
pub const SYSTEM: &str = "resolv.conf";
/// How those whom the zone names are called while nobody knows them.
pub const SECONDARIES: &str = "secondaries";

impl Through {
    /// Who makes the look-up.
    pub fn resolver(&self) -> Resolver {
        match self {
            Self::System => Resolver::System,
            Self::Server(server) => Resolver::Servers(vec![server.clone()]),
        }
    }

    /// The server; none for resolv.conf.
    pub fn server(&self) -> Option<&Server> {
        match self {
            Self::System => None,
            Self::Server(server) => Some(server),
        }
    }

    /// As people and metrics have it.
    pub fn label(&self) -> String {
        self.server().map_or_else(|| SYSTEM.to_owned(), ToString::to_string)
    }
}

impl std::str::FromStr for Through {
    type Err = crate::model::ServerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "system" => Ok(Self::System),
            server => server.parse().map(Self::Server),
        }
    }
}

/// Everybody through whom a zone is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifiers {
    /// Those who can be asked, each once, in the configuration's order.
    pub asked: Vec<Arc<Through>>,
    /// Secondaries that cannot, with their names and why. When nobody at all can be asked, it says so.
    pub lost: Vec<(String, String)>,
    /// Whether it is known who the secondaries are, if anybody asks for them.
    pub knows_secondaries: bool,
}

impl Default for Verifiers {
    fn default() -> Self {
        Self { asked: Vec::new(), lost: Vec::new(), knows_secondaries: true }
    }
}

/// Finds them. Whom "secondaries" stands for, the primary is asked: nobody else knows better.
pub async fn verifiers(zone: &ZoneConfig) -> Verifiers {
    let mut verifiers = Verifiers::default();
    for through in &zone.verify {
        match through {
            VerifyThrough::System => verifiers.add(Through::System),
            VerifyThrough::Server(server) => verifiers.add(Through::Server(server.clone())),
            VerifyThrough::Secondaries => match name_servers(zone).await {
                Ok(named) => {
                    for secondary in dns::secondaries(&zone.name, named, &zone.primary).await {
                        match secondary.servers {
                            Ok(servers) => servers.into_iter().map(Through::Server).for_each(|one| verifiers.add(one)),
                            Err(error) => verifiers.lost.push((secondary.name.to_string(), error.to_string())),
                        }
                    }
                }
                Err(why) => {
                    verifiers.knows_secondaries = false;
                    verifiers.lost.push((SECONDARIES.to_owned(), why));
                }
            },
        }
    }
    // That nobody looked is no proof of anything.
    if verifiers.asked.is_empty() && verifiers.lost.is_empty() {
        let why = format!("the NS records of zone {} name no other server than the primary", zone.name);
        verifiers.lost.push((SECONDARIES.to_owned(), why));
    }
    verifiers
}

impl Verifiers {
    fn add(&mut self, through: Through) {
        if !self.asked.iter().any(|known| **known == through) {
            self.asked.push(Arc::new(through));
        }
    }
}

/// Everybody through whom each zone is verified, in the configuration's order.
pub async fn of_every_zone(config: &Config) -> Vec<(Name, Verifiers)> {
    let mut all = Vec::with_capacity(config.zones.len());
    for zone in &config.zones {
        all.push((zone.name.clone(), verifiers(zone).await));
    }
    all
}

/// The servers that the zone's NS set names, as the primary has it.
async fn name_servers(zone: &ZoneConfig) -> Result<Vec<NameServer>, String> {
    let primary = Resolver::Servers(vec![zone.plain_primary()]);
    let look = async |name: &Name, record_type| {
        let report = dns::lookup(&primary, &name.to_string(), record_type, Options::default()).await;
        match report.verdict {
            Verdict::Unknown { reason, .. } => {
                Err(format!("the primary does not say who the secondaries are: {name} {record_type}: {reason}"))
            }
            verdict => {
                let answers = verdict.reply().map_or(&[][..], |reply| &reply.message.answers);
                let of_type = answers.iter().filter(|record| record.record_type() == record_type);
                Ok(of_type.map(|record| record.rdata.clone()).collect::<Vec<_>>())
            }
        }
    };
    let mut servers = Vec::new();
    for name in look(&zone.name, RecordType::NS).await?.iter().filter_map(crate::model::Rdata::as_name) {
        let mut addresses = None;
        if name.is_within(&zone.name) {
            let mut found = look(&name, RecordType::A).await?;
            found.extend(look(&name, RecordType::AAAA).await?);
            addresses = Some(found.iter().filter_map(crate::model::Rdata::as_address).collect());
        }
        servers.push(NameServer { name, addresses });
    }
    Ok(servers)
}
