//! On which terms an import is made, and how names of elsewhere become names here.

use std::collections::BTreeMap;
use std::net::IpAddr;

use smallvec::SmallVec;

use crate::model::rules::{self, Refusal};
use crate::model::{MAX_LABEL, Name, ServiceKey};

/// What an import was told, and what it has to fit into.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The managed zones.
    pub zones: Vec<Name>,
    /// The one in which services are published, and below which hosts without a domain are.
    pub zone: Name,
    /// TTL in seconds of records whose service names none.
    pub ttl: u32,
    /// Records per RRset that the zone's primary accepts.
    pub max_records: u32,
    /// Names of services, by what they are called elsewhere.
    pub names: BTreeMap<String, String>,
    /// Names of hosts, by the name or address that is said elsewhere.
    pub hosts: BTreeMap<String, String>,
    /// Whether a host that is known by its address only is given a name made of it.
    pub generate_hosts: bool,
    /// Whether addresses of hosts are to be published with the services.
    pub addresses: bool,
}

/// A host of elsewhere as it is called here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) host: Name,
    /// The address that it was known by.
    pub(super) address: Option<IpAddr>,
    /// What was guessed about it.
    pub(super) guess: Option<String>,
    /// Whether it was said without a domain.
    pub(super) is_short: bool,
}

impl Located {
    /// The addresses to publish for it, as far as that can be done.
    pub(super) fn addresses(&self, terms: &Terms) -> SmallVec<[IpAddr; 1]> {
        let address = self.address.filter(|_| rules::addressed_host(&self.host, &terms.zones).is_ok());
        let address = address.filter(|address| !address.is_loopback() && rules::address(&address.to_string()).is_ok());
        address.into_iter().collect()
    }
}

impl Terms {
    /// Terms without exceptions for one zone.
    pub fn of_zone(zone: Name) -> Self {
        Self {
            zones: vec![zone.clone()],
            zone,
            ttl: 300,
            max_records: 100,
            names: BTreeMap::new(),
            hosts: BTreeMap::new(),
            generate_hosts: false,
            addresses: false,
        }
    }

    /// The service that something is to be, and what was guessed about its name.
    pub(super) fn service(&self, called: &str) -> Result<(ServiceKey, Option<String>), Refusal> {
        let (name, guess) = match self.names.get(called) {
            Some(name) => (rules::service_name(name)?, None),
            None => service_name(called)?,
        };
        let key = ServiceKey { name, proto: "tcp".to_owned(), zone: self.zone.clone() };
        rules::owner_names(&key, crate::model::Shards::Off)?;
        Ok((key, guess))
    }

    /// The host that something names or gives the address of.
    pub(super) fn locate(&self, text: &str) -> Result<Located, Refusal> {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        let address: Option<IpAddr> = bare.parse().ok();
        if let Some(name) = self.hosts.get(text).or_else(|| self.hosts.get(bare)) {
            let host = self.absolute(name)?;
            return Ok(Located { host, address, guess: None, is_short: false });
        }
        if let Some(address) = address {
            return self.generated(text, rules::address(&address.to_string())?);
        }
        if is_local(text) {
            let message = format!("`{text}` is another machine for everybody who looks it up");
            return Err(Refusal::with_help(message, format!("say which with `--host-for {text}=NAME`")));
        }
        let host = self.absolute(text)?;
        Ok(Located { host, address: None, guess: None, is_short: !text.contains('.') })
    }

    /// A name without a dot lies in the zone; with one it is whole.
    fn absolute(&self, text: &str) -> Result<Name, Refusal> {
        let whole = if text.contains('.') && !text.ends_with('.') { format!("{text}.") } else { text.to_owned() };
        rules::host(&whole, &self.zone, &self.zones)
    }

    fn generated(&self, text: &str, address: IpAddr) -> Result<Located, Refusal> {
        if !self.generate_hosts || address.is_loopback() {
            let message = format!("`{text}` is an address, and an SRV record can only point to a name");
            let help = if address.is_loopback() {
                format!("name the machine with `--host-for {text}=NAME`")
            } else {
                format!("name it with `--host-for {text}=NAME`, or have names made of addresses with --generate-hosts")
            };
            return Err(Refusal::with_help(message, help));
        }
        let label = match address {
            IpAddr::V4(address) => format!("ip-{}", address.to_string().replace('.', "-")),
            IpAddr::V6(address) => {
                let parts: Vec<_> = address.segments().iter().map(|part| format!("{part:x}")).collect();
                format!("ip-{}", parts.join("-"))
            }
        };
        let host = self.absolute(&label)?;
        let guess = Some(format!("the name `{host}` was made for the address {address}, and is published with it"));
        Ok(Located { host, address: Some(address), guess, is_short: false })
    }
}

/// Whether a name means whichever machine looks it up.
pub(super) fn is_local(host: &str) -> bool {
    let host = host.trim_end_matches('.').trim_start_matches('[').trim_end_matches(']');
    let is_loopback = || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    host.eq_ignore_ascii_case("localhost") || is_loopback()
}

/// A name that a service may have: letters, digits and single hyphens; the rest becomes hyphens.
fn service_name(called: &str) -> Result<(String, Option<String>), Refusal> {
    if rules::service_name(called).is_ok() {
        return Ok((called.to_owned(), None));
    }
    let words = called.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = words.collect::<Vec<_>>().join("-");
    name.truncate(MAX_LABEL - 1);
    let name = name.trim_end_matches('-');
    let help = || format!("say what it is to be called with `--name '{called}=SERVICE'`");
    let name = rules::service_name(name)
        .map_err(|_| Refusal::with_help(format!("no service name can be made of `{called}` (RFC 6335)"), help()))?;
    let guess = format!("service names are letters, digits and hyphens: `{called}` became `{name}`");
    Ok((name, Some(guess)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms::of_zone("internal.local".parse().unwrap())
    }

    #[test]
    fn names_of_services_are_kept_or_made() {
        let named = |called: &str| terms().service(called).map(|(key, guess)| (key.name, guess.is_some()));
        assert_eq!(named("jenkins-devops").unwrap(), ("jenkins-devops".into(), false));
        assert_eq!(named("node_exporter").unwrap(), ("node-exporter".into(), true));
        assert_eq!(named(" Jenkins (HA) / prod ").unwrap(), ("Jenkins-HA-prod".into(), true));
        assert_eq!(named(&"a_".repeat(50)).unwrap().0.len(), 61);
        for none in ["", "9100", "--", "ü"] {
            assert!(named(none).unwrap_err().help.unwrap().contains("--name"), "{none}");
        }
        let terms = Terms { names: [("jenkins-devops".into(), "jenkins".into())].into(), ..terms() };
        assert_eq!(terms.service("jenkins-devops").unwrap().0.name, "jenkins");
    }

    #[test]
    fn hosts_are_names() {
        let located = |text: &str| terms().locate(text).map(|located| (located.host.to_string(), located.is_short));
        assert_eq!(located("centos9-vm.internal.local").unwrap(), ("centos9-vm.internal.local.".into(), false));
        assert_eq!(located("db.example.com.").unwrap(), ("db.example.com.".into(), false));
        assert_eq!(located("vm1").unwrap(), ("vm1.internal.local.".into(), true));
        for refused in
            ["localhost", "127.0.0.1", "10.0.0.5", "[2001:db8::1]", "a_b.internal.local", "", "0.0.0.0", "a..b"]
        {
            assert!(located(refused).is_err(), "{refused}");
        }
        let terms = Terms {
            hosts: [("10.0.0.5".into(), "db1".into()), ("::1".into(), "prometheus.example.com".into())].into(),
            generate_hosts: true,
            ..terms()
        };
        let located = |text: &str| {
            let located = terms.locate(text).unwrap();
            (located.host.to_string(), located.address.map(|address| address.to_string()), located.guess.is_some())
        };
        assert_eq!(located("10.0.0.5"), ("db1.internal.local.".into(), Some("10.0.0.5".into()), false));
        assert_eq!(located("[::1]"), ("prometheus.example.com.".into(), Some("::1".into()), false));
        assert_eq!(located("10.0.0.6"), ("ip-10-0-0-6.internal.local.".into(), Some("10.0.0.6".into()), true));
        let v6 = ("ip-2001-db8-0-0-0-0-0-1.internal.local.".into(), Some("2001:db8::1".into()), true);
        assert_eq!(located("[2001:db8::1]"), v6);
        assert!(terms.locate("127.0.0.1").is_err());
    }
}
