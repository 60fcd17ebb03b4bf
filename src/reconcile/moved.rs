//! What of ours changed in a zone since somebody last asked: what verification has to look up again at once.

use std::collections::{BTreeMap, BTreeSet};

use super::ownership::{self, Ownership};
use crate::model::{Marker, Name, OwnerId, Record, RecordType, Rrset, RrsetKey, Zone};

/// More than this many RRsets are not told one by one: looking at everything is then as good.
const MOST: usize = 10_000;

/// RRsets of ours that changed, came or went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moved {
    /// Which, with what was ours there at first; without [`too_many`](Self::too_many) all of them.
    pub rrsets: BTreeMap<RrsetKey, Option<Rrset>>,
    /// There were more than are told.
    pub too_many: bool,
    /// By how many RRsets of ours the zone grew, as far as they are told.
    pub growth: isize,
}

/// Which of two versions of a zone is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Before,
    After,
}

impl Moved {
    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        self.rrsets.is_empty() && !self.too_many
    }

    /// Notes those RRsets of a difference that are ours in a zone: call it with the zone before and after.
    pub(super) fn note(&mut self, owner: &OwnerId, zone: &Zone, version: Version, records: &[&Record]) {
        if self.too_many || records.len() > MOST {
            self.overflow();
            return;
        }
        let mut touched: BTreeMap<Name, BTreeSet<RecordType>> = BTreeMap::new();
        for Record { name, rdata, .. } in records {
            touched.entry(name.clone()).or_default().insert(rdata.record_type());
            // A marker that comes or goes makes other records ours, or nobody's.
            if let Some(marked) = Marker::marked_name(name) {
                let types = types_at(owner, zone, &marked);
                touched.entry(marked).or_default().extend(types);
            }
        }
        for (name, types) in touched {
            let ours = types_at(owner, zone, &name);
            for record_type in types.intersection(&ours) {
                self.see(zone, version, RrsetKey::new(name.clone(), *record_type));
            }
        }
        self.limit();
    }

    fn see(&mut self, zone: &Zone, version: Version, key: RrsetKey) {
        let there = zone.rrset(&key.name, key.record_type);
        match version {
            Version::Before => self.growth -= isize::from(there.is_some()),
            Version::After => self.growth += isize::from(there.is_some()),
        }
        self.rrsets.entry(key).or_insert(there.filter(|_| version == Version::Before));
    }

    /// Notes what differs between a zone and the one that was known before.
    pub(super) fn note_replaced(&mut self, owner: &OwnerId, before: &Zone, after: &Zone) {
        for (zone, other, version) in [(before, after, Version::Before), (after, before, Version::After)] {
            let is_other =
                |name: &&Name| zone.at(name) != other.at(name) || zone.marker_of(name) != other.marker_of(name);
            for name in zone.unmarked_names().filter(is_other) {
                let (here, there) = (types_at(owner, zone, name), types_at(owner, other, name));
                let differs = |record_type: &RecordType| {
                    !there.contains(record_type) || before.rrset(name, *record_type) != after.rrset(name, *record_type)
                };
                for record_type in here.iter().copied().filter(differs) {
                    self.see(zone, version, RrsetKey::new(name.clone(), record_type));
                }
            }
            self.limit();
        }
    }

    fn limit(&mut self) {
        if self.rrsets.len() > MOST {
            self.overflow();
        }
    }

    fn overflow(&mut self) {
        self.too_many = true;
        self.rrsets.clear();
    }
}

/// The types that are ours at a name.
pub(super) fn types_at(owner: &OwnerId, zone: &Zone, name: &Name) -> BTreeSet<RecordType> {
    match ownership::of(owner, zone, name) {
        Ownership::Ours(types, _) => types,
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
#[path = "moved_tests.rs"]
mod tests;
