//! The ownership marker: who manages which RRsets of a name, said in the zone itself.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::name::{Name, NameError};
use super::rdata::{Rdata, RecordType};

/// First label of every marker's owner name: `_srvctl.<owner-name>`.
pub const MARKER_LABEL: &str = "_srvctl";

/// The identity of one srvctl (`owner = "dns1"`): 1 to 63 letters, digits, `-`, `_` or `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct OwnerId(String);

impl FromStr for OwnerId {
    type Err = MarkerError;

    fn from_str(text: &str) -> Result<Self, MarkerError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if (1..=63).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(MarkerError::Owner(text.to_owned()))
        }
    }
}

impl TryFrom<String> for OwnerId {
    type Error = MarkerError;

    fn try_from(text: String) -> Result<Self, MarkerError> {
        text.parse()
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a TXT RRset at a marker's name is not a marker, or a text no owner id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MarkerError {
    /// Not usable as an owner id.
    #[error("`{0}` is not an owner id: use 1 to 63 letters, digits, `-`, `_` or `.`")]
    Owner(String),
    /// Not of the form `v=1 owner=<id> types=<types>`.
    #[error("the marker {0} is damaged: expected \"v=1 owner=<id> types=<types>\"")]
    Damaged(String),
}

/// What one marker says: `v=1 owner=<id> types=SRV,TXT`.
///
/// Owned are the RRsets of these types at the marked name, and nothing else there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// Whose.
    pub owner: OwnerId,
    /// Which RRsets at the name.
    pub types: BTreeSet<RecordType>,
}

impl Marker {
    /// The owner name of the marker for `name`.
    ///
    /// # Errors
    /// When the name is too long to carry a marker.
    pub fn name_for(name: &Name) -> Result<Name, NameError> {
        name.prepend(MARKER_LABEL.as_bytes())
    }

    /// The name that a marker at `marker_name` is about; none when that is no marker's name.
    pub fn marked_name(marker_name: &Name) -> Option<Name> {
        let first = marker_name.labels().next()?;
        first.eq_ignore_ascii_case(MARKER_LABEL.as_bytes()).then(|| marker_name.parent())?
    }

    /// Whether a name can be a marker's only, and so is never marked itself. `_srvctl._tcp` is not: a service may be
    /// called `srvctl`, and nothing of ours is at `_tcp`.
    pub fn is_only_marker(name: &Name) -> bool {
        let mut labels = name.labels();
        let mut is = |words: &[&str]| {
            let label = labels.next();
            label.is_some_and(|label| words.iter().any(|word| label.eq_ignore_ascii_case(word.as_bytes())))
        };
        is(&[MARKER_LABEL]) && !is(&["_tcp", "_udp"])
    }

    /// The marker as TXT data.
    pub fn to_rdata(&self) -> Rdata {
        let mut types: Vec<_> = self.types.iter().map(ToString::to_string).collect();
        types.sort_unstable();
        Rdata::txt([format!("v=1 owner={} types={}", self.owner, types.join(","))])
    }

    /// Reads a marker back.
    ///
    /// # Errors
    /// When the data is not a version 1 marker.
    pub fn from_rdata(rdata: &Rdata) -> Result<Self, MarkerError> {
        let damaged = || MarkerError::Damaged(rdata.to_string());
        let strings = rdata.as_txt().ok_or_else(damaged)?;
        let [string] = strings[..] else {
            return Err(damaged());
        };
        let text = std::str::from_utf8(string).map_err(|_| damaged())?;
        let fields: Vec<_> = text.split(' ').collect();
        let ["v=1", owner, types] = fields[..] else {
            return Err(damaged());
        };
        let owner = owner.strip_prefix("owner=").ok_or_else(damaged)?;
        let types = types.strip_prefix("types=").ok_or_else(damaged)?;
        let types: Result<BTreeSet<RecordType>, _> = types.split(',').map(str::parse).collect();
        Ok(Self { owner: owner.parse().map_err(|_| damaged())?, types: types.map_err(|_| damaged())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote() {
        let marker = Marker { owner: "dns1".parse().unwrap(), types: [RecordType::TXT, RecordType::SRV].into() };
        assert_eq!(marker.to_rdata().to_string(), r#""v=1 owner=dns1 types=SRV,TXT""#);
        assert_eq!(Marker::from_rdata(&marker.to_rdata()), Ok(marker));
    }

    #[test]
    fn damage_is_seen() {
        for text in [
            "",
            "v=2 owner=a types=A",
            "v=1 owner= types=A",
            "v=1 owner=a types=",
            "v=1 owner=a",
            "v=1  owner=a types=A",
        ] {
            assert!(Marker::from_rdata(&Rdata::txt([text])).is_err(), "{text:?}");
        }
        assert!(Marker::from_rdata(&Rdata::txt(["v=1 owner=a types=A", ""])).is_err());
    }

    #[test]
    fn owner_ids_are_plain_words() {
        assert!("dns1.example-a_b".parse::<OwnerId>().is_ok());
        for bad in ["", "two words", "a,b", "ü", &"x".repeat(64)] {
            assert!(bad.parse::<OwnerId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn marker_names() {
        let name: Name = "_jenkins._tcp.internal.local".parse().unwrap();
        let marker = Marker::name_for(&name).unwrap();
        assert_eq!(marker.to_string(), "_srvctl._jenkins._tcp.internal.local.");
        assert_eq!(Marker::marked_name(&marker), Some(name.clone()));
        assert_eq!(Marker::marked_name(&name), None);
        assert!(Marker::is_only_marker(&marker) && !Marker::is_only_marker(&name));
        assert!(!Marker::is_only_marker(&"_srvctl._tcp.internal.local".parse().unwrap()), "a service of that name");
    }
}
