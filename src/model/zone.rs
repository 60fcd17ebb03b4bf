//! The zone as a server holds it.

use std::collections::BTreeMap;

use super::delta::Change;
use super::name::Name;
use super::rdata::{Rdata, RecordType};
use super::rrset::{Record, Rrset};
use super::sets::Sets;

/// What a server holds for one zone: every RRset by owner name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    origin: Name,
    serial: u32,
    names: BTreeMap<Name, Sets>,
    records: usize,
}

/// A difference that does not fit the zone that it is applied to: one of them is wrong, and nobody knows which.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// A record is to go that is not there.
    #[error("`{0}` is to be deleted and is not there")]
    Absent(Record),
    /// A record is to come that is there already.
    #[error("`{0}` is to be added and is there already")]
    Present(Record),
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

    /// How long the content may be believed when the server cannot be asked, seconds: the SOA record's EXPIRE.
    pub fn expire(&self) -> Option<u32> {
        self.rrset(&self.origin, RecordType::SOA)?.rdatas().first()?.soa_expire()
    }

    /// How many records there are.
    pub fn record_count(&self) -> usize {
        self.records
    }

    /// One RRset.
    pub fn rrset(&self, name: &Name, record_type: RecordType) -> Option<Rrset> {
        self.names.get(name)?.get(record_type)
    }

    /// All RRsets at a name, packed; none when the name does not exist.
    pub fn at(&self, name: &Name) -> Option<&Sets> {
        self.names.get(name)
    }

    /// All owner names in canonical order, with their RRsets.
    pub fn names(&self) -> impl Iterator<Item = (&Name, &Sets)> {
        self.names.iter()
    }

    /// Every name at or below one, in canonical order.
    pub fn names_within(&self, ancestor: &Name) -> impl Iterator<Item = &Name> {
        let below = self.names.range(ancestor..).map(|(name, _)| name);
        below.take_while(move |name| name.is_within(ancestor))
    }

    /// Adds one record. The apex SOA sets the serial. The first TTL of a set counts: servers send one TTL per RRset
    /// (RFC 2181 section 5.2).
    pub fn insert(&mut self, record: Record) {
        let Record { name, ttl, rdata } = record;
        self.note_serial(&name, &rdata);
        let record_type = rdata.record_type();
        let there = self.rrset(&name, record_type);
        let ttl = there.as_ref().map_or(ttl, |set| set.ttl);
        let rdatas = there.iter().flat_map(Rrset::rdatas).cloned().chain([rdata]);
        let set = Rrset::new(ttl, rdatas);
        self.put(name, |sets| sets.with(record_type, set));
    }

    /// Makes one change, as a server would: the RRset becomes `after`.
    pub fn apply(&mut self, change: &Change) {
        for rdata in change.after.iter().flat_map(Rrset::rdatas) {
            self.note_serial(&change.key.name, rdata);
        }
        self.put(change.key.name.clone(), |sets| sets.with(change.key.record_type, change.after.clone()));
    }

    /// Makes one difference sequence of an incremental transfer (RFC 1995 section 4): first everything in `deleted`
    /// goes, then everything in `added` comes, and `soa` becomes the apex SOA. Says which names it touched.
    ///
    /// # Errors
    /// When it does not fit. The zone is a mixture then, and must not be used any more.
    pub fn advance(&mut self, deleted: &[Record], added: &[Record], soa: &Record) -> Result<Vec<Name>, Mismatch> {
        let mut by_name: BTreeMap<&Name, [Vec<&Record>; 2]> = BTreeMap::new();
        for (side, records) in [deleted, added].into_iter().enumerate() {
            for record in records {
                by_name.entry(&record.name).or_default()[side].push(record);
            }
        }
        let mut touched = Vec::with_capacity(by_name.len());
        for (name, [deleted, added]) in by_name {
            let sets = changed(self.names.get(name).unwrap_or(&Sets::none()), &deleted, &added)?;
            self.put(name.clone(), |_| sets);
            touched.push(name.clone());
        }
        let soa_set = Rrset::new(soa.ttl, [soa.rdata.clone()]);
        self.note_serial(&soa.name, &soa.rdata);
        self.put(soa.name.clone(), |sets| sets.with(RecordType::SOA, soa_set));
        Ok(touched)
    }

    fn note_serial(&mut self, name: &Name, rdata: &Rdata) {
        if *name == self.origin
            && let Some(serial) = rdata.soa_serial()
        {
            self.serial = serial;
        }
    }

    /// Exchanges what is at a name.
    fn put(&mut self, name: Name, exchange: impl FnOnce(&Sets) -> Sets) {
        let before = self.names.get(&name);
        let after = exchange(before.unwrap_or(&Sets::none()));
        self.records -= before.map_or(0, Sets::record_count);
        self.records += after.record_count();
        if after.is_empty() {
            self.names.remove(&name);
        } else if let Some(slot) = self.names.get_mut(&name) {
            *slot = after;
        } else {
            self.names.insert(name, after);
        }
    }
}

/// The sets of one name after a difference.
fn changed(before: &Sets, deleted: &[&Record], added: &[&Record]) -> Result<Sets, Mismatch> {
    let mut sets: BTreeMap<RecordType, (u32, Vec<Rdata>)> =
        before.iter().map(|set| (set.record_type(), (set.ttl, set.rdatas().to_vec()))).collect();
    for record in deleted {
        let rdatas = sets.get_mut(&record.rdata.record_type()).map(|(_, rdatas)| rdatas);
        let at = rdatas.as_ref().and_then(|rdatas| rdatas.binary_search(&record.rdata).ok());
        match (rdatas, at) {
            (Some(rdatas), Some(at)) => drop(rdatas.remove(at)),
            _ => return Err(Mismatch::Absent((*record).clone())),
        }
    }
    for record in added {
        let (ttl, rdatas) = sets.entry(record.rdata.record_type()).or_default();
        if rdatas.is_empty() {
            *ttl = record.ttl;
        }
        match rdatas.binary_search(&record.rdata) {
            Ok(_) => return Err(Mismatch::Present((*record).clone())),
            Err(at) => rdatas.insert(at, record.rdata.clone()),
        }
    }
    Ok(sets.into_values().filter_map(|(ttl, rdatas)| Rrset::sorted(ttl, rdatas)).collect())
}

/// A zone in the making, as a full transfer brings it: record by record, and mostly in order.
#[derive(Debug)]
pub struct ZoneBuilder {
    origin: Name,
    serial: u32,
    /// Whole names.
    names: Vec<(Name, Sets)>,
    /// The name that records come for now.
    current: Option<(Name, Vec<(u32, Rdata)>)>,
    records: usize,
}

impl ZoneBuilder {
    /// Nothing yet.
    pub fn new(origin: Name) -> Self {
        Self { origin, serial: 0, names: Vec::new(), current: None, records: 0 }
    }

    /// The apex name.
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// How many records have come.
    pub fn record_count(&self) -> usize {
        self.records
    }

    /// Takes one record, as [`Zone::insert`] does.
    pub fn insert(&mut self, record: Record) {
        let Record { name, ttl, rdata } = record;
        if let Some(serial) = rdata.soa_serial().filter(|_| name == self.origin) {
            self.serial = serial;
        }
        self.records += 1;
        match &mut self.current {
            Some((current, records)) if *current == name => records.push((ttl, rdata)),
            _ => {
                self.settle();
                self.current = Some((name, vec![(ttl, rdata)]));
            }
        }
    }

    /// The zone.
    pub fn finish(mut self) -> Zone {
        self.settle();
        if !self.names.is_sorted_by(|(one, _), (next, _)| one < next) {
            self.names.sort_by(|(one, _), (other, _)| one.cmp(other));
            self.names.dedup_by(|(later, more), (first, sets)| {
                let same = first == later;
                if same {
                    *sets = merged(sets, more);
                }
                same
            });
        }
        let records = self.names.iter().map(|(_, sets)| sets.record_count()).sum();
        Zone { origin: self.origin, serial: self.serial, names: self.names.into_iter().collect(), records }
    }

    fn settle(&mut self) {
        let Some((name, mut records)) = self.current.take() else { return };
        records.sort_by(|(_, one), (_, other)| one.cmp(other)); // stable: the first TTL of a set stays first
        let mut sets = Vec::new();
        for same_type in records.chunk_by(|(_, one), (_, next)| one.record_type() == next.record_type()) {
            sets.extend(Rrset::new(same_type[0].0, same_type.iter().map(|(_, rdata)| rdata.clone())));
        }
        self.names.push((name, Sets::new(sets)));
    }
}

/// What came for one name in two places.
fn merged(first: &Sets, more: &Sets) -> Sets {
    let mut merged = first.clone();
    for set in more.iter() {
        let there = first.get(set.record_type());
        let ttl = there.as_ref().map_or(set.ttl, |there| there.ttl);
        let all = there.iter().flat_map(Rrset::rdatas).chain(set.rdatas()).cloned();
        merged = merged.with(set.record_type(), Rrset::new(ttl, all));
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(host: u8, ttl: u32, address: u8) -> Record {
        let name = format!("h{host}.internal.local").parse().unwrap();
        Record { name, ttl, rdata: Rdata::a([10, 0, 0, address].into()) }
    }

    fn soa(serial: u8) -> Record {
        let mut wire = vec![0, 0, 0, 0, 0, serial];
        wire.extend([0; 16]);
        let rdata = Rdata::from_wire(RecordType::SOA, wire);
        Record { name: "internal.local".parse().unwrap(), ttl: 300, rdata }
    }

    fn zone(records: &[Record]) -> Zone {
        let mut zone = Zone::empty("internal.local".parse().unwrap());
        records.iter().cloned().for_each(|record| zone.insert(record));
        zone
    }

    #[test]
    fn a_difference_moves_the_zone_on() {
        let mut live = zone(&[soa(1), record(1, 300, 1), record(1, 300, 2), record(2, 300, 1)]);
        let (deleted, added) = ([record(1, 300, 1), record(2, 300, 1)], [record(3, 60, 9), record(1, 300, 3)]);
        let touched = live.advance(&deleted, &added, &soa(2)).unwrap();
        assert_eq!(touched, [1, 2, 3].map(|host| record(host, 0, 0).name));
        assert_eq!(live, zone(&[soa(2), record(1, 300, 2), record(1, 300, 3), record(3, 60, 9)]));
        assert_eq!((live.serial(), live.record_count()), (2, 4));
    }

    #[test]
    fn a_new_ttl_is_a_delete_and_an_add() {
        let mut live = zone(&[soa(1), record(1, 300, 1), record(1, 300, 2)]);
        let (old, new) = ([1, 2].map(|host| record(1, 300, host)), [1, 2].map(|host| record(1, 60, host)));
        live.advance(&old, &new, &soa(2)).unwrap();
        assert_eq!(live, zone(&[soa(2), record(1, 60, 1), record(1, 60, 2)]));
    }

    #[test]
    fn a_difference_that_does_not_fit_is_an_error() {
        let live = zone(&[soa(1), record(1, 300, 1)]);
        let absent = live.clone().advance(&[record(1, 300, 2)], &[], &soa(2));
        assert_eq!(absent, Err(Mismatch::Absent(record(1, 300, 2))));
        let present = live.clone().advance(&[], &[record(1, 300, 1)], &soa(2));
        assert_eq!(present, Err(Mismatch::Present(record(1, 300, 1))));
    }

    proptest! {
        #[test]
        fn built_in_any_order_is_the_same_zone(hosts in proptest::collection::vec((0u8..6, 0u8..6), 0..20)) {
            let records: Vec<_> = hosts.into_iter().map(|(host, address)| record(host, 300, address)).collect();
            let mut builder = ZoneBuilder::new("internal.local".parse().unwrap());
            records.iter().cloned().for_each(|record| builder.insert(record));
            prop_assert_eq!(builder.finish(), zone(&records));
        }

        #[test]
        fn names_within_are_those_below(hosts in proptest::collection::vec("[ab](\\.[ab]){0,2}", 0..12)) {
            let mut live = zone(&[]);
            for host in hosts {
                let name = format!("{host}.internal.local").parse().unwrap();
                live.insert(Record { name, ..record(0, 300, 1) });
            }
            let ancestor: Name = "a.internal.local".parse().unwrap();
            let expected: Vec<_> = live.names().map(|(name, _)| name).filter(|name| name.is_within(&ancestor)).collect();
            prop_assert_eq!(live.names_within(&ancestor).collect::<Vec<_>>(), expected);
        }
    }
}
