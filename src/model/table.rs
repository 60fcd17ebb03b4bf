//! The owner names of a zone, each with the RRsets at it and those at its marker.
//!
//! Nearly every name of ours has a marker, and whoever looks at one looks at both: they are one entry, found by one
//! look-up, and the marker's name is not kept. A hash table, since names are looked up by the million when a zone is
//! compared, and told in order only to people.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::marker::{MARKER_LABEL, Marker};
use super::name::{MAX_NAME, Name};
use super::sets::Sets;

/// The names, and the RRsets at them.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    entries: HashTable<Entry>,
    hashing: DefaultHashBuilder,
}

/// A name of which it or its marker has RRsets.
#[derive(Debug, Clone)]
struct Entry {
    name: Name,
    own: Sets,
    marker: Sets,
}

/// Where in the table a name's RRsets are.
#[derive(Clone, Copy)]
struct Spot<'n> {
    /// The wire bytes of the entry's name.
    wire: &'n [u8],
    is_marker: bool,
}

impl<'n> Spot<'n> {
    fn of(name: &'n Name) -> Self {
        let wire = name.as_wire();
        let (label, rest) = wire.split_at((1 + MARKER_LABEL.len()).min(wire.len()));
        let is_marker = label.len() > MARKER_LABEL.len()
            && usize::from(label[0]) == MARKER_LABEL.len()
            && label[1..].eq_ignore_ascii_case(MARKER_LABEL.as_bytes());
        Self { wire: if is_marker { rest } else { wire }, is_marker }
    }
}

impl Entry {
    fn is(&self, wire: &[u8]) -> bool {
        self.name.as_wire().eq_ignore_ascii_case(wire)
    }

    fn side(&self, is_marker: bool) -> &Sets {
        if is_marker { &self.marker } else { &self.own }
    }
}

impl Table {
    /// Makes room for so many names, their markers apart.
    pub(super) fn reserve(&mut self, names: usize) {
        let hashing = &self.hashing;
        self.entries.reserve(names, |entry| hash(hashing, entry.name.as_wire()));
    }

    /// The RRsets at a name; none when there are none.
    pub(super) fn get(&self, name: &Name) -> Option<&Sets> {
        let Spot { wire, is_marker } = Spot::of(name);
        self.find(wire).map(|entry| entry.side(is_marker)).filter(|sets| !sets.is_empty())
    }

    /// The RRsets at the marker of a name.
    pub(super) fn marker_of(&self, name: &Name) -> Option<&Sets> {
        self.find(name.as_wire()).map(|entry| &entry.marker).filter(|sets| !sets.is_empty())
    }

    /// Exchanges what is at a name; nothing at all takes it away. Says what was there.
    pub(super) fn put(&mut self, name: &Name, sets: Sets) -> Sets {
        let Spot { wire, is_marker } = Spot::of(name);
        let hashing = &self.hashing;
        let hash_of = |entry: &Entry| hash(hashing, entry.name.as_wire());
        match self.entries.find_entry(hash(hashing, wire), |entry| entry.is(wire)) {
            Ok(mut found) => {
                let entry = found.get_mut();
                let side = if is_marker { &mut entry.marker } else { &mut entry.own };
                let before = std::mem::replace(side, sets);
                if entry.own.is_empty() && entry.marker.is_empty() {
                    found.remove();
                }
                before
            }
            Err(_) if sets.is_empty() => sets,
            Err(_) => {
                let (name, own, marker) = if is_marker {
                    let name = Name::from_wire(wire).expect("a name without its first label is a name");
                    (name, Sets::none(), sets)
                } else {
                    (name.clone(), sets, Sets::none())
                };
                self.entries.insert_unique(hash(hashing, wire), Entry { name, own, marker }, hash_of);
                Sets::none()
            }
        }
    }

    /// Every name that has RRsets or whose marker has some, in no order.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.entries.iter().map(|entry| &entry.name)
    }

    /// Every name with its RRsets, markers as names of their own, in canonical order.
    pub(super) fn sorted(&self) -> Vec<(Name, &Sets)> {
        let mut all = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            if !entry.own.is_empty() {
                all.push((entry.name.clone(), &entry.own));
            }
            if let (false, Ok(marker)) = (entry.marker.is_empty(), Marker::name_for(&entry.name)) {
                all.push((marker, &entry.marker));
            }
        }
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    fn find(&self, wire: &[u8]) -> Option<&Entry> {
        self.entries.find(hash(&self.hashing, wire), |entry| entry.is(wire))
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        let same = |entry: &Entry| {
            let twin = other.find(entry.name.as_wire());
            twin.is_some_and(|twin| twin.own == entry.own && twin.marker == entry.marker)
        };
        self.entries.len() == other.entries.len() && self.entries.iter().all(same)
    }
}

impl Eq for Table {}

/// The hash of a name's wire bytes, without case.
fn hash(hashing: &DefaultHashBuilder, wire: &[u8]) -> u64 {
    let mut folded = [0; MAX_NAME];
    let folded = &mut folded[..wire.len()];
    folded.copy_from_slice(wire);
    folded.make_ascii_lowercase();
    hashing.hash_one(&*folded)
}
