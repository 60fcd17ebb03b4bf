//! Where a DNS server listens.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A DNS server: host (address or name) and port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Server {
    /// An IP address (IPv6 without brackets, a zone index allowed) or a host name, resolved at each use.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The port of DNS (RFC 1035 section 4.2).
pub const DNS_PORT: u16 = 53;

/// Not a server's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a server: write host, host:port, or [IPv6]:port")]
pub struct ServerError(String);

impl Server {
    /// A server of the two parts.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Reads `host`, `host:port`, `[IPv6]` or `[IPv6]:port`.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, ServerError> {
        let error = || ServerError(text.to_owned());
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self::new(text, default_port));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some(_) if text.ends_with(']') => (text, default_port),
            Some((host, port)) => (host, port.parse().ok().filter(|&port| port != 0).ok_or_else(error)?),
            None => (text, default_port),
        };
        let host = match host.strip_prefix('[') {
            Some(inside) => inside.strip_suffix(']').filter(|inside| inside.contains(':')).ok_or_else(error)?,
            None if host.contains(':') => return Err(error()),
            None => host,
        };
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:%".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_word) {
            return Err(error());
        }
        Ok(Self::new(host, port))
    }
}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        Self::parse(text, DNS_PORT)
    }
}

impl From<std::net::SocketAddr> for Server {
    fn from(address: std::net::SocketAddr) -> Self {
        let host = match address.ip() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => address.to_string(),
        };
        Self::new(host, address.port())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl serde::Serialize for Server {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, shown) in [
            ("127.0.0.1", "127.0.0.1:53"),
            ("127.0.0.1:5300", "127.0.0.1:5300"),
            ("bind:53", "bind:53"),
            ("::1", "[::1]:53"),
            ("[::1]:5300", "[::1]:5300"),
            ("[fe80::1%eth0]:53", "[fe80::1%eth0]:53"),
            ("[fe80::1%eth0]", "[fe80::1%eth0]:53"),
        ] {
            assert_eq!(text.parse::<Server>().unwrap().to_string(), shown);
        }
        assert_eq!(Server::parse("h", 853).unwrap().to_string(), "h:853");
        assert_eq!(Server::parse("h:53", 853).unwrap().to_string(), "h:53");
        for bad in ["", ":53", "host:", "host:0", "host:70000", "[::1", "::1]", "[host]", "[host]:53", "a b", "1:2:3"] {
            assert!(bad.parse::<Server>().is_err(), "{bad:?}");
        }
    }
}
