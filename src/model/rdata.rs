//! Record types and record data, kept as the wire has them.
//!
//! Only the types that srvctl publishes or must understand are taken apart here; every other type travels
//! as opaque bytes, so that a record nobody foresaw can neither stop a transfer nor be changed by us.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::name::Name;

/// A resource record type (RFC 1035 section 3.2.2, IANA registry).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u16);

macro_rules! record_types {
    ($($name:ident = $value:literal),* $(,)?) => {
        #[allow(missing_docs, reason = "the names are IANA's")]
        impl RecordType {
            $(pub const $name: Self = Self($value);)*
        }
        const MNEMONICS: &[(&str, RecordType)] = &[$((stringify!($name), RecordType::$name)),*];
    };
}

record_types! {
    A = 1, NS = 2, CNAME = 5, SOA = 6, PTR = 12, HINFO = 13, MX = 15, TXT = 16, RP = 17, AFSDB = 18,
    AAAA = 28, LOC = 29, SRV = 33, NAPTR = 35, KX = 36, CERT = 37, DNAME = 39, OPT = 41, DS = 43,
    SSHFP = 44, IPSECKEY = 45, RRSIG = 46, NSEC = 47, DNSKEY = 48, DHCID = 49, NSEC3 = 50,
    NSEC3PARAM = 51, TLSA = 52, SMIMEA = 53, CDS = 59, CDNSKEY = 60, OPENPGPKEY = 61, ZONEMD = 63,
    SVCB = 64, HTTPS = 65, SPF = 99, TSIG = 250, IXFR = 251, AXFR = 252, ANY = 255, URI = 256, CAA = 257,
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match MNEMONICS.iter().find(|(_, value)| value == self) {
            Some((mnemonic, _)) => f.pad(mnemonic),
            None => f.pad(&format!("TYPE{}", self.0)), // RFC 3597 section 5
        }
    }
}

impl fmt::Debug for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not the name of a record type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a record type")]
pub struct UnknownType(String);

impl FromStr for RecordType {
    type Err = UnknownType;

    /// A mnemonic in any case, or `TYPE123` (RFC 3597).
    fn from_str(text: &str) -> Result<Self, UnknownType> {
        let upper = text.to_ascii_uppercase();
        let generic = || upper.strip_prefix("TYPE")?.parse().ok().map(Self);
        MNEMONICS
            .iter()
            .find(|(mnemonic, _)| *mnemonic == upper)
            .map(|&(_, value)| value)
            .or_else(generic)
            .ok_or_else(|| UnknownType(text.to_owned()))
    }
}

impl serde::Serialize for RecordType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for RecordType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Record data: a type and its uncompressed wire bytes.
///
/// Compared as DNS compares: the names inside SRV, CNAME, NS, PTR, MX, DNAME and SOA without case
/// (RFC 4034 section 6.2; BIND keeps one spelling of targets that differ only in case), all else bytewise.
#[derive(Clone)]
pub struct Rdata {
    record_type: RecordType,
    wire: Box<[u8]>,
}

/// The fields of an SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Srv {
    /// Lower is tried first. Prometheus ignores it.
    pub priority: u16,
    /// Share among equal priorities. Prometheus ignores it.
    pub weight: u16,
    /// The port the service listens on.
    pub port: u16,
    /// The host that offers the service.
    pub target: Name,
}

/// Longest character-string (RFC 1035 section 3.3).
pub const MAX_STRING: usize = 255;

impl Rdata {
    /// Data of any type from uncompressed wire bytes, taken as they are.
    pub fn from_wire(record_type: RecordType, wire: impl Into<Box<[u8]>>) -> Self {
        Self { record_type, wire: wire.into() }
    }

    /// An IPv4 address.
    pub fn a(address: Ipv4Addr) -> Self {
        Self::from_wire(RecordType::A, address.octets())
    }

    /// An IPv6 address (RFC 3596).
    pub fn aaaa(address: Ipv6Addr) -> Self {
        Self::from_wire(RecordType::AAAA, address.octets())
    }

    /// An address, as A or AAAA.
    pub fn address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::a(address),
            IpAddr::V6(address) => Self::aaaa(address),
        }
    }

    /// A service location (RFC 2782).
    pub fn srv(srv: &Srv) -> Self {
        let mut wire = Vec::with_capacity(6 + srv.target.len());
        for number in [srv.priority, srv.weight, srv.port] {
            wire.extend_from_slice(&number.to_be_bytes());
        }
        wire.extend_from_slice(srv.target.as_wire());
        Self::from_wire(RecordType::SRV, wire)
    }

    /// A text record of the given character-strings.
    ///
    /// Each must fit [`MAX_STRING`] bytes; the callers check that where a person can be told. No strings
    /// at all become one empty string, since TXT data cannot be empty (RFC 6763 section 6.1).
    pub fn txt<S: AsRef<[u8]>>(strings: impl IntoIterator<Item = S>) -> Self {
        let mut wire = Vec::new();
        for string in strings {
            let string = string.as_ref();
            let length = u8::try_from(string.len()).expect("callers checked that the string fits 255 bytes");
            wire.push(length);
            wire.extend_from_slice(string);
        }
        if wire.is_empty() {
            wire.push(0);
        }
        Self::from_wire(RecordType::TXT, wire)
    }

    /// The type.
    pub fn record_type(&self) -> RecordType {
        self.record_type
    }

    /// The uncompressed wire bytes.
    pub fn as_wire(&self) -> &[u8] {
        &self.wire
    }

    /// The SRV fields, when this is well-formed SRV data.
    pub fn as_srv(&self) -> Option<Srv> {
        if self.record_type != RecordType::SRV || self.wire.len() < 7 {
            return None;
        }
        let number = |at: usize| u16::from_be_bytes([self.wire[at], self.wire[at + 1]]);
        let target = Name::from_wire(&self.wire[6..]).ok()?;
        Some(Srv { priority: number(0), weight: number(2), port: number(4), target })
    }

    /// The wire bytes of the target, when this is SRV data: for comparing many, without case, at no cost of memory.
    pub fn srv_target(&self) -> Option<&[u8]> {
        (self.record_type == RecordType::SRV).then(|| self.wire.get(6..))?
    }

    /// The character-strings, when this is well-formed TXT data.
    pub fn as_txt(&self) -> Option<Vec<&[u8]>> {
        if self.record_type != RecordType::TXT {
            return None;
        }
        let mut strings = Vec::new();
        let mut rest = &*self.wire;
        while let Some((&length, tail)) = rest.split_first() {
            let (string, tail) = tail.split_at_checked(usize::from(length))?;
            strings.push(string);
            rest = tail;
        }
        Some(strings)
    }

    /// The IPv4 address, when this is A data.
    pub fn as_a(&self) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = (*self.wire).try_into().ok()?;
        (self.record_type == RecordType::A).then(|| octets.into())
    }

    /// The IPv6 address, when this is AAAA data.
    pub fn as_aaaa(&self) -> Option<Ipv6Addr> {
        let octets: [u8; 16] = (*self.wire).try_into().ok()?;
        (self.record_type == RecordType::AAAA).then(|| octets.into())
    }

    /// The single name that CNAME, NS, PTR and DNAME data consist of.
    pub fn as_name(&self) -> Option<Name> {
        let one_name = [RecordType::CNAME, RecordType::NS, RecordType::PTR, RecordType::DNAME];
        one_name.contains(&self.record_type).then(|| Name::from_wire(&self.wire).ok())?
    }

    /// The serial, when this is SOA data: the fifth number from the end (RFC 1035 section 3.3.13).
    pub fn soa_serial(&self) -> Option<u32> {
        self.soa_number(20)
    }

    /// EXPIRE in seconds, when this is SOA data: how long a secondary may believe the zone without hearing from its
    /// primary (RFC 1035 section 3.3.13).
    pub fn soa_expire(&self) -> Option<u32> {
        self.soa_number(8)
    }

    /// REFRESH in seconds, when this is SOA data: how often a secondary asks its primary by itself.
    pub fn soa_refresh(&self) -> Option<u32> {
        self.soa_number(16)
    }

    /// MINIMUM in seconds, when this is SOA data: how long a "no" may be cached, at most (RFC 2308 section 4).
    pub fn soa_minimum(&self) -> Option<u32> {
        self.soa_number(4)
    }

    fn soa_number(&self, from_end: usize) -> Option<u32> {
        let start = self.wire.len().checked_sub(20).filter(|_| self.record_type == RecordType::SOA)? + 20 - from_end;
        self.wire[start..].first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// Where in the wire bytes case does not matter: from here to the end.
    ///
    /// SOA's numbers come after its names, and no byte of them is compared through this: a serial that
    /// looked like a letter would be folded, so SOA is compared bytewise apart from its identity.
    fn folded_from(&self) -> usize {
        match self.record_type {
            RecordType::CNAME | RecordType::NS | RecordType::PTR | RecordType::DNAME => 0,
            RecordType::MX => 2,
            RecordType::SRV => 6,
            _ => usize::MAX,
        }
        .min(self.wire.len())
    }

    fn folded_bytes(&self) -> impl Iterator<Item = u8> {
        let (exact, folded) = self.wire.split_at(self.folded_from());
        exact.iter().copied().chain(folded.iter().map(u8::to_ascii_lowercase))
    }
}

impl PartialEq for Rdata {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Rdata {}

impl Ord for Rdata {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_type = self.record_type.cmp(&other.record_type);
        by_type.then_with(|| self.folded_bytes().cmp(other.folded_bytes()))
    }
}

impl PartialOrd for Rdata {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Rdata {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.record_type.hash(state);
        self.folded_bytes().for_each(|byte| state.write_u8(byte));
    }
}

impl fmt::Display for Rdata {
    /// Master-file format: taken apart for the types above, else RFC 3597's `\# length hex`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(address) = self.as_a() {
            return write!(f, "{address}");
        }
        if let Some(address) = self.as_aaaa() {
            return write!(f, "{address}");
        }
        if let Some(srv) = self.as_srv() {
            return write!(f, "{} {} {} {}", srv.priority, srv.weight, srv.port, srv.target);
        }
        if let Some(name) = self.as_name() {
            return write!(f, "{name}");
        }
        if let Some(strings) = self.as_txt() {
            return write_strings(f, &strings);
        }
        write!(f, "\\# {}", self.wire.len())?;
        if !self.wire.is_empty() {
            f.write_str(" ")?;
        }
        self.wire.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

fn write_strings(f: &mut fmt::Formatter<'_>, strings: &[&[u8]]) -> fmt::Result {
    for (index, string) in strings.iter().enumerate() {
        f.write_str(if index == 0 { "\"" } else { " \"" })?;
        for &byte in *string {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                0x20..=0x7e => write!(f, "{}", char::from(byte))?,
                other => write!(f, "\\{other:03}")?,
            }
        }
        f.write_str("\"")?;
    }
    Ok(())
}

impl fmt::Debug for Rdata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {self}", self.record_type)
    }
}

impl serde::Serialize for Rdata {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(target: &str) -> Rdata {
        Rdata::srv(&Srv { priority: 10, weight: 10, port: 8080, target: target.parse().unwrap() })
    }

    #[test]
    fn srv_targets_differing_in_case_are_one_record() {
        assert_eq!(srv("Host.internal.local"), srv("host.INTERNAL.local"));
        assert_ne!(srv("host1.internal.local"), srv("host2.internal.local"));
    }

    #[test]
    fn a_port_that_looks_like_a_letter_is_not_folded() {
        let with_port = |port| Rdata::srv(&Srv { priority: 0, weight: 0, port, target: Name::root() });
        assert_ne!(with_port(0x4141), with_port(0x6161));
    }

    #[test]
    fn txt_case_is_data() {
        assert_ne!(Rdata::txt(["team=DevOps"]), Rdata::txt(["team=devops"]));
    }

    #[test]
    fn shown_as_in_a_zone_file() {
        assert_eq!(srv("h.internal.local").to_string(), "10 10 8080 h.internal.local.");
        assert_eq!(Rdata::txt(["a=\"b\\;", "ü"]).to_string(), r#""a=\"b\\;" "\195\188""#);
        assert_eq!(Rdata::txt::<&str>([]).to_string(), r#""""#);
        assert_eq!(Rdata::from_wire(RecordType(65280), [1, 0xab]).to_string(), r"\# 2 01AB");
        assert_eq!(Rdata::aaaa("2001:db8::1".parse().unwrap()).to_string(), "2001:db8::1");
    }

    #[test]
    fn broken_data_is_shown_raw_and_never_panics() {
        for record_type in [RecordType::A, RecordType::SRV, RecordType::TXT, RecordType::NS, RecordType::SOA] {
            let broken = Rdata::from_wire(record_type, [7, 1]);
            assert_eq!(broken.to_string(), r"\# 2 0701");
            assert_eq!(broken.soa_serial(), None);
        }
    }

    #[test]
    fn types_have_names() {
        assert_eq!("srv".parse(), Ok(RecordType::SRV));
        assert_eq!("TYPE65280".parse(), Ok(RecordType(65280)));
        assert_eq!(RecordType(65280).to_string(), "TYPE65280");
        assert!("SRVV".parse::<RecordType>().is_err());
    }
}
