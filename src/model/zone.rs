//! Records, RRsets, and the zone as a server holds it.

use std::collections::BTreeMap;
use std::fmt;

use super::delta::Change;
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
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
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

    fn insert(&mut self, rdata: Rdata) -> bool {
        match self.rdatas.binary_search(&rdata) {
            Ok(_) => false,
            Err(at) => {
                self.rdatas.insert(at, rdata);
                true
            }
        }
    }
}

/// What a server holds for one zone: every RRset by owner name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    origin: Name,
    serial: u32,
    names: BTreeMap<Name, BTreeMap<RecordType, Rrset>>,
    records: usize,
}

impl Zone {
    /// A zone without records, at serial 0.
    pub fn empty(origin: Name) -> Self {
        Self { origin, serial: 0, names: BTreeMap::new(), records: 0 }
    }

    /// The apex name.
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// The SOA serial at which this content was read (RFC 1982 arithmetic applies).
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// How many records there are.
    pub fn record_count(&self) -> usize {
        self.records
    }

    /// One RRset.
    pub fn rrset(&self, name: &Name, record_type: RecordType) -> Option<&Rrset> {
        self.names.get(name)?.get(&record_type)
    }

    /// All RRsets at a name.
    pub fn at(&self, name: &Name) -> impl Iterator<Item = (RecordType, &Rrset)> {
        self.names.get(name).into_iter().flatten().map(|(record_type, rrset)| (*record_type, rrset))
    }

    /// All owner names in canonical order, with their RRsets.
    pub fn names(&self) -> impl Iterator<Item = (&Name, &BTreeMap<RecordType, Rrset>)> {
        self.names.iter()
    }

    /// Adds one record as a transfer brings it. The apex SOA sets the serial. The first TTL of a set counts:
    /// servers send one TTL per RRset (RFC 2181 section 5.2).
    pub fn insert(&mut self, record: Record) {
        let Record { name, ttl, rdata } = record;
        if name == self.origin
            && let Some(serial) = rdata.soa_serial()
        {
            self.serial = serial;
        }
        let sets = self.names.entry(name).or_default();
        let added = match sets.entry(rdata.record_type()) {
            std::collections::btree_map::Entry::Occupied(mut set) => set.get_mut().insert(rdata),
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(Rrset { ttl, rdatas: vec![rdata] });
                true
            }
        };
        self.records += usize::from(added);
    }

    /// Makes one change, as a server would: the RRset becomes `after`.
    pub fn apply(&mut self, change: &Change) {
        let sets = self.names.entry(change.key.name.clone()).or_default();
        let old = match &change.after {
            Some(after) => sets.insert(change.key.record_type, after.clone()),
            None => sets.remove(&change.key.record_type),
        };
        if sets.is_empty() {
            self.names.remove(&change.key.name);
        }
        self.records += change.after.as_ref().map_or(0, |set| set.rdatas.len());
        self.records -= old.map_or(0, |set| set.rdatas.len());
    }
}
