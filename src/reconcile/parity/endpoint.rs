//! Host and port of a target, whatever way it is spelt.

use std::net::IpAddr;

use crate::model::Scheme;

/// What is scraped, so that two spellings of the same are equal: lower case, no final dot, the port that is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Endpoint {
    pub(super) host: String,
    /// As text: not everything that is written is a port.
    pub(super) port: String,
}

impl Endpoint {
    /// Of `host:port`; without a port it is that of the scheme.
    pub(super) fn of(address: &str, scheme: Option<Scheme>) -> Self {
        let is_bare_ipv6 = address.parse::<std::net::Ipv6Addr>().is_ok();
        let split = if is_bare_ipv6 { None } else { address.rsplit_once(':').filter(|(host, _)| closed(host)) };
        let usual = if scheme == Some(Scheme::Https) { "443" } else { "80" };
        let (host, port) = split.unwrap_or((address, usual));
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        Self { host: host.to_ascii_lowercase(), port: port.to_owned() }
    }

    /// The address, where the host is one.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether this is a host of one label, and the other the same host with its domain.
    pub(super) fn is_short_for(&self, other: &Self) -> bool {
        let first = other.host.split_once('.').map(|(first, _)| first);
        !self.host.contains('.') && self.ip().is_none() && first == Some(&self.host) && self.port == other.port
    }
}

/// What is before a port: a host, or an IPv6 address in brackets.
fn closed(host: &str) -> bool {
    !host.starts_with('[') || host.ends_with(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> String {
        let Endpoint { host, port } = Endpoint::of(address, None);
        format!("{host} {port}")
    }

    #[test]
    fn spellings_of_the_same_are_equal() {
        for (address, endpoint) in [
            ("Web1.Example:80", "web1.example 80"),
            ("web1.example.:8080", "web1.example 8080"),
            ("web1.example", "web1.example 80"),
            ("[2001:DB8::1]:9100", "2001:db8::1 9100"),
            ("[2001:db8::1]", "2001:db8::1 80"),
            ("2001:db8::1", "2001:db8::1 80"),
            ("10.0.0.1:9100", "10.0.0.1 9100"),
            ("", " 80"),
            (":", " "),
        ] {
            assert_eq!(of(address), endpoint, "{address}");
        }
        assert_eq!(Endpoint::of("web1", Some(Scheme::Https)).port, "443");
    }

    #[test]
    fn a_host_without_its_domain_is_short_for_it() {
        let short = |one: &str, other: &str| Endpoint::of(one, None).is_short_for(&Endpoint::of(other, None));
        assert!(short("VM1:8080", "vm1.internal.local:8080"));
        for (one, other) in
            [("vm1:8080", "vm1.internal.local:8081"), ("vm1:1", "vm1:1"), ("vm1.a:1", "vm1.a.b:1"), ("10:1", "1.0:1")]
        {
            assert!(!short(one, other), "{one} {other}");
        }
    }
}
