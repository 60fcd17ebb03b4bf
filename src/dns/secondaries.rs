//! Where a zone's other name servers are.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::connection;
use super::error::DnsError;
use super::transport::TLS_PORT;
use crate::model::{DNS_PORT, Name, NameServer, Server};

/// The system's resolver has no limit of its own.
const RESOLVE_LIMIT: Duration = Duration::from_secs(5);

/// A name server of a zone beside its primary.
#[derive(Debug)]
pub struct Secondary {
    /// Its name, as in the zone's NS set.
    pub name: Name,
    /// Where it answers, at least one, on the port of DNS; or why nobody knows.
    pub servers: Result<Vec<Server>, DnsError>,
}

/// The servers that a zone's NS set names (see [`crate::model::Zone::name_servers`]), without the primary itself. The
/// addresses come from the zone, or for hosts outside of it from the system's resolver.
///
/// One that cannot be found is among them, with the reason: whoever follows the NS set does not find it either.
pub async fn secondaries(zone: &Name, named: Vec<NameServer>, primary: &Server) -> Vec<Secondary> {
    let primary = Itself::of(primary).await;
    let mut secondaries = Vec::with_capacity(named.len());
    for NameServer { name, addresses } in named {
        let found = match addresses {
            Some(addresses) if addresses.is_empty() => Err("it lies in the zone, which has no A or AAAA of it".into()),
            Some(addresses) => Ok(addresses),
            None => resolve(&name).await.map_err(|error| error.to_string()),
        };
        let servers = match found {
            Ok(addresses) => match primary.others(addresses).await {
                others if others.is_empty() => continue,
                others => Ok(others),
            },
            Err(why) => Err(DnsError::NameServer { zone: zone.clone(), name: name.clone(), why }),
        };
        secondaries.push(Secondary { name, servers });
    }
    secondaries
}

/// The primary's own addresses, as far as what answers there on the port of DNS is the primary.
struct Itself {
    addresses: Vec<IpAddr>,
}

impl Itself {
    async fn of(primary: &Server) -> Self {
        // Another server may run on the same host, on another port.
        if primary.port != DNS_PORT && primary.port != TLS_PORT {
            return Self { addresses: Vec::new() };
        }
        // Whose address cannot be found has problems that are told elsewhere.
        let addresses = connection::addresses(primary).await.unwrap_or_default();
        Self { addresses: addresses.into_iter().map(|address| address.ip()).collect() }
    }

    /// Where else somebody answers.
    async fn others(&self, mut addresses: Vec<IpAddr>) -> Vec<Server> {
        addresses.sort_unstable();
        addresses.dedup();
        let mut others = Vec::with_capacity(addresses.len());
        for address in addresses {
            if !self.is_at(address).await {
                others.push(Server::from(SocketAddr::from((address, DNS_PORT))));
            }
        }
        others
    }

    /// Also when the primary is on this machine and is spoken to through the loopback interface, while the NS set has
    /// the machine's address for the others: an address is ours when a socket can be bound to it.
    async fn is_at(&self, address: IpAddr) -> bool {
        if self.addresses.contains(&address) {
            return true;
        }
        let on_this_machine = self.addresses.iter().any(IpAddr::is_loopback);
        on_this_machine && !address.is_loopback() && UdpSocket::bind((address, 0)).await.is_ok()
    }
}

async fn resolve(host: &Name) -> io::Result<Vec<IpAddr>> {
    let host = host.to_string(); // with the final dot: no search list
    let resolving = tokio::net::lookup_host((host.as_str(), DNS_PORT));
    match timeout(RESOLVE_LIMIT, resolving).await {
        Ok(found) => Ok(found?.map(|address| address.ip()).collect()),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within 5 s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, addresses: Option<&[&str]>) -> NameServer {
        let addresses = addresses.map(|texts| texts.iter().map(|text| text.parse().unwrap()).collect());
        NameServer { name: name.parse().unwrap(), addresses }
    }

    async fn found(named: Vec<NameServer>, primary: &str) -> Vec<String> {
        let zone = "internal.local".parse().unwrap();
        let secondaries = secondaries(&zone, named, &primary.parse().unwrap()).await;
        let shown = |Secondary { name, servers }| match servers {
            Ok(servers) => format!("{name} {}", servers.iter().map(Server::to_string).collect::<Vec<_>>().join(" ")),
            Err(error) => error.to_string(),
        };
        secondaries.into_iter().map(shown).collect()
    }

    #[tokio::test]
    async fn everybody_but_the_primary() {
        let named = || {
            vec![
                host("ns1.internal.local", Some(&["192.0.2.1"])),
                host("ns2.internal.local", Some(&["192.0.2.2", "2001:db8::2", "192.0.2.2"])),
            ]
        };
        let (first, second) = ("ns1.internal.local. 192.0.2.1:53", "ns2.internal.local. 192.0.2.2:53 [2001:db8::2]:53");
        assert_eq!(found(named(), "192.0.2.1:53").await, [second]);
        assert_eq!(found(named(), "192.0.2.1:853").await, [second], "the same server over TLS");
        assert_eq!(found(named(), "192.0.2.1:5300").await, [first, second], "another server on that host");
        assert_eq!(found(named(), "192.0.2.9").await, [first, second], "a hidden primary");
    }

    #[tokio::test]
    async fn addresses_of_the_loopback_network_are_not_all_one_server() {
        let named = vec![host("ns1.x", Some(&["127.0.0.1"])), host("ns2.x", Some(&["127.0.0.2"]))];
        assert_eq!(found(named, "127.0.0.1").await, ["ns2.x. 127.0.0.2:53"]);
    }

    #[tokio::test]
    async fn who_cannot_be_found_is_told() {
        let named = vec![host("ns9.internal.local", Some(&[])), host("ns9.invalid", None)];
        let found = found(named, "192.0.2.1").await;
        assert!(found[0].contains("ns9.internal.local") && found[0].contains("has no A or AAAA"), "{found:?}");
        assert!(found[1].contains("ns9.invalid") && found[1].contains("NS set of zone internal.local"), "{found:?}");
    }
}
