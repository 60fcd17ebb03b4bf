//! Records and RRsets, as they are worked with.

use std::fmt;

use super::name::Name;
use super::rdata::{Rdata, RecordType};

/// One resource record of class IN.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    /// Owner name.
    pub name: Name,
    /// Time to live, seconds.
    pub ttl: u32,
    /// Type and data.
    pub rdata: Rdata,
}

impl fmt::Display for Record {
    /// One line of a master file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} IN {} {}", self.name, self.ttl, self.rdata.record_type(), self.rdata)
    }
}

/// What identifies an RRset: owner name and type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct RrsetKey {
    /// Owner name.
    pub name: Name,
    /// Record type.
    #[serde(rename = "type")]
    pub record_type: RecordType,
}

impl RrsetKey {
    /// A key of its two parts.
    pub fn new(name: Name, record_type: RecordType) -> Self {
        Self { name, record_type }
    }
}

/// The data of one RRset: one TTL (RFC 2181 section 5.2) and a set of records' data, never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Rrset {
    /// Time to live, seconds, of every record in the set.
    pub ttl: u32,
    /// The data, sorted and without duplicates.
    rdatas: Vec<Rdata>,
}

impl Rrset {
    /// A set of the given data; order and duplicates do not matter. None when there is no data:
    /// an empty RRset does not exist.
    pub fn new(ttl: u32, rdatas: impl IntoIterator<Item = Rdata>) -> Option<Self> {
        let mut rdatas: Vec<_> = rdatas.into_iter().collect();
        rdatas.sort_unstable();
        rdatas.dedup();
        (!rdatas.is_empty()).then_some(Self { ttl, rdatas })
    }

    /// A set of data that is sorted and without duplicates already.
    pub(super) fn sorted(ttl: u32, rdatas: Vec<Rdata>) -> Option<Self> {
        debug_assert!(rdatas.is_sorted_by(|one, next| one < next), "{rdatas:?}");
        (!rdatas.is_empty()).then_some(Self { ttl, rdatas })
    }

    /// The type of all its records.
    pub fn record_type(&self) -> RecordType {
        self.rdatas[0].record_type()
    }

    /// The data, sorted.
    pub fn rdatas(&self) -> &[Rdata] {
        &self.rdatas
    }

    /// Whether the set holds exactly this data.
    pub fn contains(&self, rdata: &Rdata) -> bool {
        self.rdatas.binary_search(rdata).is_ok()
    }

    /// The data that is here and not in `other`.
    pub fn minus<'a>(&'a self, other: Option<&'a Self>) -> impl Iterator<Item = &'a Rdata> {
        self.rdatas.iter().filter(move |rdata| other.is_none_or(|other| !other.contains(rdata)))
    }

    /// The records of the set, when it stands at `name`.
    pub fn records(&self, name: &Name) -> Vec<Record> {
        let record = |rdata: &Rdata| Record { name: name.clone(), ttl: self.ttl, rdata: rdata.clone() };
        self.rdatas.iter().map(record).collect()
    }
}
