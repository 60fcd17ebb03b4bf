//! The RRsets of one owner name, packed: a zone of a million records has to fit a small machine.

use super::rdata::{Rdata, RecordType};
use super::rrset::Rrset;

/// Every RRset of one name in one piece of memory.
///
/// ```text
///   type:2 records:2 ttl:4 ( length:2 rdata )*     one after the other, by type; data in order
/// ```
/// That is 10 bytes for a set's frame, and 2 for each record; taken apart ([`Rrset`], [`Rdata`]) a single address
/// takes eight times as much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sets(Box<[u8]>);

/// Bytes before a set's first record.
const FRAME: usize = 8;

/// One packed set.
#[derive(Clone, Copy)]
struct Packed<'a> {
    record_type: RecordType,
    ttl: u32,
    records: u16,
    data: &'a [u8],
}

impl<'a> Packed<'a> {
    fn wires(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.data;
        std::iter::from_fn(move || {
            let (length, tail) = rest.split_first_chunk()?;
            let (wire, tail) = tail.split_at(usize::from(u16::from_be_bytes(*length)));
            rest = tail;
            Some(wire)
        })
    }

    fn unpacked(self) -> Rrset {
        let rdatas = self.wires().map(|wire| Rdata::from_wire(self.record_type, wire));
        Rrset::sorted(self.ttl, rdatas.collect()).expect("a packed set is never empty")
    }
}

impl Sets {
    /// Packs sets of different types. Of a set past 65,535 records, which no server can hold or send, the rest is
    /// left out.
    pub fn new(sets: impl IntoIterator<Item = Rrset>) -> Self {
        let mut sets: Vec<_> = sets.into_iter().collect();
        sets.sort_unstable_by_key(Rrset::record_type);
        let mut packed = Vec::new();
        for set in sets {
            let records = u16::try_from(set.rdatas().len()).unwrap_or(u16::MAX);
            packed.extend_from_slice(&set.record_type().0.to_be_bytes());
            packed.extend_from_slice(&records.to_be_bytes());
            packed.extend_from_slice(&set.ttl.to_be_bytes());
            for rdata in &set.rdatas()[..usize::from(records)] {
                let length = u16::try_from(rdata.as_wire().len()).expect("record data of at most 65535 bytes");
                packed.extend_from_slice(&length.to_be_bytes());
                packed.extend_from_slice(rdata.as_wire());
            }
        }
        Self(packed.into_boxed_slice())
    }

    /// No set at all.
    pub fn none() -> Self {
        Self(Box::default())
    }

    /// Whether there is no set at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The set of a type.
    pub fn get(&self, record_type: RecordType) -> Option<Rrset> {
        self.find(record_type).map(Packed::unpacked)
    }

    /// Whether there is a set of a type; costs no memory.
    pub fn contains(&self, record_type: RecordType) -> bool {
        self.find(record_type).is_some()
    }

    /// How many records of a type there are; costs no memory.
    pub fn count(&self, record_type: RecordType) -> usize {
        self.find(record_type).map_or(0, |set| usize::from(set.records))
    }

    /// How many records there are.
    pub fn record_count(&self) -> usize {
        self.packed().map(|set| usize::from(set.records)).sum()
    }

    /// The types, in order.
    pub fn types(&self) -> impl Iterator<Item = RecordType> {
        self.packed().map(|set| set.record_type)
    }

    /// Every set, by type.
    pub fn iter(&self) -> impl Iterator<Item = Rrset> {
        self.packed().map(Packed::unpacked)
    }

    /// The same with one set put in, exchanged or taken out.
    #[must_use]
    pub fn with(&self, record_type: RecordType, set: Option<Rrset>) -> Self {
        let others = self.packed().filter(|packed| packed.record_type != record_type).map(Packed::unpacked);
        Self::new(others.chain(set))
    }

    fn find(&self, record_type: RecordType) -> Option<Packed<'_>> {
        self.packed().find(|set| set.record_type == record_type)
    }

    fn packed(&self) -> impl Iterator<Item = Packed<'_>> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (frame, mut tail) = rest.split_first_chunk::<FRAME>()?;
            let [type_high, type_low, count_high, count_low, ttl @ ..] = *frame;
            let records = u16::from_be_bytes([count_high, count_low]);
            let data = tail;
            for _ in 0..records {
                let (length, after) = tail.split_first_chunk().expect("a packed set is whole");
                tail = &after[usize::from(u16::from_be_bytes(*length))..];
            }
            rest = tail;
            Some(Packed {
                record_type: RecordType(u16::from_be_bytes([type_high, type_low])),
                ttl: u32::from_be_bytes(ttl),
                records,
                data: &data[..data.len() - tail.len()],
            })
        })
    }
}

impl FromIterator<Rrset> for Sets {
    fn from_iter<I: IntoIterator<Item = Rrset>>(sets: I) -> Self {
        Self::new(sets)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn any_rrset() -> impl Strategy<Value = Rrset> {
        let rdata = proptest::collection::vec(any::<u8>(), 0..12);
        (1u16..6, any::<u32>(), proptest::collection::vec(rdata, 1..5)).prop_map(|(record_type, ttl, wires)| {
            Rrset::new(ttl, wires.into_iter().map(|wire| Rdata::from_wire(RecordType(record_type), wire))).unwrap()
        })
    }

    proptest! {
        #[test]
        fn packing_loses_nothing(sets in proptest::collection::vec(any_rrset(), 0..6)) {
            let model: BTreeMap<_, _> = sets.into_iter().map(|set| (set.record_type(), set)).collect();
            let packed: Sets = model.values().cloned().collect();
            prop_assert_eq!(packed.iter().collect::<Vec<_>>(), model.values().cloned().collect::<Vec<_>>());
            prop_assert_eq!(packed.record_count(), model.values().map(|set| set.rdatas().len()).sum::<usize>());
            for record_type in (0..7).map(RecordType) {
                let expected = model.get(&record_type);
                prop_assert_eq!(packed.get(record_type), expected.cloned());
                prop_assert_eq!(packed.contains(record_type), expected.is_some());
                prop_assert_eq!(packed.count(record_type), expected.map_or(0, |set| set.rdatas().len()));
                let without = packed.with(record_type, None);
                prop_assert!(!without.contains(record_type));
                prop_assert_eq!(without.with(record_type, expected.cloned()), packed.clone());
            }
        }
    }
}
