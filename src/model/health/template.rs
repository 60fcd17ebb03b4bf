//! Texts of a check in which an instance's host, port and address are filled in.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::model::rules::Refusal;

/// A text with `{host}`, `{port}` and `{address}` in it; `{{` and `}}` stand for the braces themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    written: Box<str>,
    parts: Box<[Part]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Host,
    Port,
    Address,
}

/// What is filled in for one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filling<'a> {
    /// The host's name without the dot at its end.
    pub host: &'a str,
    /// The instance's port.
    pub port: u16,
    /// The address that is checked; none when it is not known.
    pub address: Option<IpAddr>,
}

impl Template {
    /// The text for one instance; none when it needs an address and there is none.
    pub fn fill(&self, filling: Filling<'_>) -> Option<String> {
        self.filled(filling, false)
    }

    /// The same for a URL, in which an IPv6 address stands in brackets (RFC 3986 section 3.2.2).
    pub fn fill_url(&self, filling: Filling<'_>) -> Option<String> {
        self.filled(filling, true)
    }

    /// Whether it cannot be filled in without an address.
    pub fn needs_address(&self) -> bool {
        self.parts.contains(&Part::Address)
    }

    /// Whether it is the same for every instance.
    pub fn is_fixed(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    fn filled(&self, Filling { host, port, address }: Filling<'_>, in_url: bool) -> Option<String> {
        let mut text = String::with_capacity(self.written.len() + host.len());
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Host => text.push_str(host),
                Part::Port => text.push_str(&port.to_string()),
                Part::Address => match address? {
                    IpAddr::V6(address) if in_url => text.extend(["[", &address.to_string(), "]"]),
                    address => text.push_str(&address.to_string()),
                },
            }
        }
        Some(text)
    }
}

impl FromStr for Template {
    type Err = Refusal;

    fn from_str(written: &str) -> Result<Self, Refusal> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = written;
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                text.push_str(brace);
                rest = after;
                continue;
            }
            let name = if brace == "{" { rest.split_once('}') } else { None };
            let (part, after) = match name {
                Some(("host", after)) => (Part::Host, after),
                Some(("port", after)) => (Part::Port, after),
                Some(("address", after)) => (Part::Address, after),
                Some((other, _)) => return Err(refused(format!("there is nothing to fill in for `{{{other}}}`"))),
                None => return Err(refused(format!("`{written}` has a `{brace}` without its counterpart"))),
            };
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text).into()));
            }
            parts.push(part);
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text.into()));
        }
        Ok(Self { written: written.into(), parts: parts.into() })
    }
}

fn refused(message: String) -> Refusal {
    Refusal::with_help(message, "`{host}`, `{port}` and `{address}` are filled in; write `{{` and `}}` for braces")
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filling(address: Option<&str>) -> Filling<'static> {
        Filling { host: "vm1.internal.local", port: 8080, address: address.map(|text| text.parse().unwrap()) }
    }

    #[test]
    fn fills_in_what_is_known_of_an_instance() {
        let filled = |text: &str, address| text.parse::<Template>().unwrap().fill(filling(address));
        assert_eq!(filled("http://{host}:{port}/", None).unwrap(), "http://vm1.internal.local:8080/");
        assert_eq!(filled("{{{address}}}", Some("10.0.0.1")).unwrap(), "{10.0.0.1}");
        assert_eq!(filled("{address}", None), None);
        assert_eq!(filled("", None).unwrap(), "");
        let url: Template = "http://{address}:{port}/".parse().unwrap();
        assert_eq!(url.fill_url(filling(Some("2001:db8::1"))).unwrap(), "http://[2001:db8::1]:8080/");
        assert_eq!(url.fill(filling(Some("2001:db8::1"))).unwrap(), "http://2001:db8::1:8080/");
        assert!(url.needs_address() && !url.is_fixed() && url.to_string() == "http://{address}:{port}/");
        assert!("a{{b}}".parse::<Template>().unwrap().is_fixed());
    }

    #[test]
    fn refuses_what_cannot_be_filled_in() {
        for text in ["{", "}", "{host", "{name}", "a}b", "{}", "{host}}"] {
            assert!(text.parse::<Template>().is_err(), "{text}");
        }
    }
}
