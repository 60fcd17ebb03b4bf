//! Dynamic updates: what belongs to one name, packed into messages by bytes (RFC 2136).
//!
//! A name is never split over two messages, and inside a name every delete precedes every add: BIND checks
//! its limit of records per RRset record by record.

use std::collections::BTreeSet;

use super::wire::{self, CLASS_ANY, CLASS_IN, CLASS_NONE, Header, RecordRef};
use crate::model::{Change, Name, Rdata, RecordType, Rrset, RrsetKey};

/// Where a message is cut: BIND was measured to take 57,110 bytes, and TSIG needs room of its own.
pub const MESSAGE_BYTES: usize = 56_000;
/// What one name may take when it stands alone: the message limit less room for TSIG.
pub const MAX_NAME_BYTES: usize = wire::MAX_MESSAGE - 1_000;

/// UPDATE's opcode in the header's flags.
const OPCODE_UPDATE: u16 = 5 << 11;

/// What must be true in the zone for an update to be done at all (RFC 2136 section 2.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prerequisite {
    /// No RRset of this name and type exists (section 2.4.3).
    Absent(RrsetKey),
    /// No record of any type is at the name (section 2.4.5): one question in place of one for each type.
    Unused(Name),
    /// The RRset exists and holds exactly this data, TTL apart (section 2.4.2).
    Exactly(RrsetKey, Rrset),
}

/// Everything that happens to one owner name and its marker, and to what points to it from other names: done as a whole or
/// not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameUpdate {
    /// The name that carries the data; the marker's name follows from it.
    pub name: Name,
    /// What must hold.
    pub prerequisites: Vec<Prerequisite>,
    /// What changes.
    pub changes: Vec<Change>,
}

impl NameUpdate {
    /// How many records it deletes and adds.
    pub fn record_counts(&self) -> (usize, usize) {
        self.changes.iter().fold((0, 0), |(deletes, adds), change| {
            let (deleted, added) = change.operations();
            (deletes + deleted.len(), adds + added.len())
        })
    }

    /// What shall be afterwards, RRset by RRset; two updates with the same wish differ at most in what they found.
    pub fn wish(&self) -> Vec<(&RrsetKey, Option<&Rrset>)> {
        self.changes.iter().map(|change| (&change.key, change.after.as_ref())).collect()
    }

    /// Bytes it takes in a message for `zone`.
    pub fn wire_len(&self, zone: &Name) -> usize {
        let mut length = 0;
        self.for_each_record(|_, record| length += record_len(zone, &record));
        length
    }

    /// Every record of the message that this update needs, in the order of the sections.
    fn for_each_record(&self, mut each: impl FnMut(Section, RecordRef<'_>)) {
        for prerequisite in &self.prerequisites {
            match prerequisite {
                Prerequisite::Absent(key) => each(Section::Prerequisite, reference(key, CLASS_NONE, 0, &[])),
                Prerequisite::Unused(name) => {
                    let record_type = RecordType::ANY;
                    let nothing = RecordRef { name, record_type, class: CLASS_NONE, ttl: 0, rdata: &[] };
                    each(Section::Prerequisite, nothing);
                }
                Prerequisite::Exactly(key, rrset) => {
                    for rdata in rrset.rdatas() {
                        each(Section::Prerequisite, reference(key, CLASS_IN, 0, rdata.as_wire()));
                    }
                }
            }
        }
        for change in &self.changes {
            // Adding a record that is there sets its TTL (RFC 2136 section 3.4.2.2), but Knot DNS passes over it: for a
            // new TTL the set goes first. Nobody sees it gone, a message is one version of the zone.
            if change.retimes() {
                each(Section::Update, reference(&change.key, CLASS_ANY, 0, &[]));
                continue;
            }
            for rdata in change.operations().0 {
                each(Section::Update, reference(&change.key, CLASS_NONE, 0, rdata.as_wire()));
            }
        }
        for change in &self.changes {
            let ttl = change.after.as_ref().map_or(0, |set| set.ttl);
            for rdata in change.operations().1 {
                each(Section::Update, reference(&change.key, CLASS_IN, ttl, rdata.as_wire()));
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Prerequisite,
    Update,
}

fn reference<'a>(key: &'a RrsetKey, class: u16, ttl: u32, rdata: &'a [u8]) -> RecordRef<'a> {
    RecordRef { name: &key.name, record_type: key.record_type, class, ttl, rdata }
}

fn record_len(zone: &Name, record: &RecordRef<'_>) -> usize {
    let owner = match record.name.prefix_len(zone) {
        Some(prefix) if !zone.is_root() => prefix + 2,
        _ => record.name.len(),
    };
    owner + 10 + record.rdata.len()
}

/// Bytes of a message before its first record.
fn base_len(zone: &Name) -> usize {
    wire::HEADER_LEN + zone.len() + 4
}

/// Cuts a plan into messages of at most [`MESSAGE_BYTES`], in order, one after the other as they are asked for. A name
/// that is larger stands alone. Names past [`MAX_NAME_BYTES`] fit no message; they must be taken out first, see
/// [`fits`].
#[derive(Debug)]
pub struct Batches<'z, I> {
    zone: &'z Name,
    updates: I,
    /// The first of the next message: it did not fit the one before.
    next: Option<(NameUpdate, usize)>,
}

impl<'z, I: Iterator<Item = NameUpdate>> Batches<'z, I> {
    /// Messages for `zone`.
    pub fn new(zone: &'z Name, updates: I) -> Self {
        Self { zone, updates, next: None }
    }
}

impl<I: Iterator<Item = NameUpdate>> Iterator for Batches<'_, I> {
    type Item = Vec<NameUpdate>;

    fn next(&mut self) -> Option<Vec<NameUpdate>> {
        let mut length = base_len(self.zone);
        let mut batch = Vec::new();
        if let Some((first, bytes)) = self.next.take() {
            length += bytes;
            batch.push(first);
        }
        for update in self.updates.by_ref() {
            let bytes = update.wire_len(self.zone);
            if !batch.is_empty() && length + bytes > MESSAGE_BYTES {
                self.next = Some((update, bytes));
                break;
            }
            length += bytes;
            batch.push(update);
        }
        (!batch.is_empty()).then_some(batch)
    }
}

/// Whether a name's update fits a message at all.
pub fn fits(zone: &Name, update: &NameUpdate) -> bool {
    base_len(zone) + update.wire_len(zone) <= MAX_NAME_BYTES
}

/// One UPDATE message, unsigned (RFC 2136 section 2).
///
/// # Panics
/// When a section would hold more than 65,535 records; messages cut by [`Batches`] cannot.
pub fn encode(id: u16, zone: &Name, updates: &[NameUpdate]) -> Vec<u8> {
    let mut sections = [(0u32, Vec::new()), (0u32, Vec::new())];
    let mut required: BTreeSet<(Name, u16, u16, Vec<u8>)> = BTreeSet::new();
    for update in updates {
        update.for_each_record(|section, record| {
            // Instances of one service travel under the same marker. Said twice, a record is one too many for the RRset
            // that is to be there (RFC 2136 section 3.2.5): BIND then refuses.
            if section == Section::Prerequisite
                && !required.insert((record.name.clone(), record.record_type.0, record.class, record.rdata.to_vec()))
            {
                return;
            }
            let (count, bytes) = &mut sections[usize::from(section == Section::Update)];
            *count += 1;
            wire::write_record(bytes, zone, &record);
        });
    }
    let [prerequisites, changes] = sections;
    let count = |section: &(u32, Vec<u8>)| u16::try_from(section.0).expect("a message holds at most 65535 records");
    let mut message = Vec::with_capacity(base_len(zone) + prerequisites.1.len() + changes.1.len() + 256);
    let counts = [1, count(&prerequisites), count(&changes), 0];
    wire::write_header(&mut message, Header { id, flags: OPCODE_UPDATE, counts });
    wire::write_question(&mut message, zone, RecordType::SOA);
    message.extend_from_slice(&prerequisites.1);
    message.extend_from_slice(&changes.1);
    message
}

/// Size of an answer that holds one RRset, as a resolver would receive it over TCP with EDNS and a cookie.
///
/// Past 65,535 bytes no DNS server can answer at all, and BIND then sends TC with no records even over TCP.
pub fn answer_len(owner: &Name, rdatas: &[Rdata]) -> usize {
    const OPT_AND_COOKIE: usize = 11 + 28;
    let records: usize = rdatas.iter().map(|rdata| 12 + rdata.as_wire().len()).sum();
    wire::HEADER_LEN + owner.len() + 4 + OPT_AND_COOKIE + records
}

/// What the records of one name may take, in terms of [`rewrite_len`], so that all of them can change in one update
/// together with `beside` and the marker. No name within it is near the limit of [`answer_len`].
pub fn rewritable_bytes(beside: Option<&[Rdata]>) -> usize {
    const MARKER_AND_PREREQUISITES: usize = 2_000;
    let beside: usize =
        beside.into_iter().flatten().map(|rdata| 2 * (crate::model::MAX_NAME + 10 + rdata.as_wire().len())).sum();
    MAX_NAME_BYTES.saturating_sub(MARKER_AND_PREREQUISITES + beside)
}

/// What it takes to delete a record and to add another of its size.
pub fn rewrite_len(zone: &Name, key: &RrsetKey, rdata: &Rdata) -> usize {
    2 * record_len(zone, &reference(key, CLASS_IN, 0, rdata.as_wire()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Srv;

    fn zone() -> Name {
        "internal.local".parse().unwrap()
    }

    fn srv(host: u32) -> Rdata {
        let target = format!("host-{host:05}.internal.local").parse().unwrap();
        Rdata::srv(&Srv { priority: 0, weight: 0, port: 8080, target })
    }

    fn update(name: &str, before: std::ops::Range<u32>, after: std::ops::Range<u32>) -> NameUpdate {
        let name: Name = format!("{name}.internal.local").parse().unwrap();
        let key = RrsetKey::new(name.clone(), RecordType::SRV);
        let (before, after) = (Rrset::new(300, before.map(srv)), Rrset::new(300, after.map(srv)));
        let prerequisites = vec![match &before {
            Some(before) => Prerequisite::Exactly(key.clone(), before.clone()),
            None => Prerequisite::Absent(key.clone()),
        }];
        let changes = Change::between(key, before.as_ref(), after.as_ref()).into_iter().collect();
        NameUpdate { name, prerequisites, changes }
    }

    #[test]
    fn deletes_come_before_adds_and_sections_are_counted() {
        let message = encode(7, &zone(), &[update("_a._tcp", 0..3, 2..5)]);
        let parsed = wire::Message::parse(&message).unwrap();
        assert_eq!(parsed.header.opcode(), 5);
        assert_eq!(parsed.header.counts, [1, 3, 4, 0]);
        let classes: Vec<_> = parsed.authorities.iter().map(|record| record.class).collect();
        assert_eq!(classes, [CLASS_NONE, CLASS_NONE, CLASS_IN, CLASS_IN]);
        assert!(parsed.answers.iter().all(|record| record.ttl == 0 && record.class == CLASS_IN));
    }

    #[test]
    fn for_a_new_ttl_the_set_goes_first() {
        let mut update = update("_a._tcp", 0..2, 1..3);
        update.changes[0].after.as_mut().unwrap().ttl = 60;
        let parsed = wire::Message::parse(&encode(7, &zone(), &[update])).unwrap();
        let sent: Vec<_> = parsed.authorities.iter().map(|record| (record.class, record.ttl)).collect();
        assert_eq!(sent, [(CLASS_ANY, 0), (CLASS_IN, 60), (CLASS_IN, 60)]);
        assert!(parsed.authorities[0].rdata.as_wire().is_empty());
    }

    #[test]
    fn absence_is_class_none_without_data() {
        let parsed = wire::Message::parse(&encode(7, &zone(), &[update("_a._tcp", 0..0, 0..1)])).unwrap();
        assert_eq!((parsed.answers[0].class, parsed.answers[0].rdata.as_wire().len()), (CLASS_NONE, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn messages_concatenated_are_the_plan_and_each_fits(sizes in prop::collection::vec((0u32..40, 1u32..400), 0..16)) {
            let updates: Vec<_> = sizes
                .iter()
                .enumerate()
                .map(|(index, &(before, after))| update(&format!("_s{index}._tcp"), 0..before, 1..1 + after))
                .collect();
            let zone_name = zone();
            let messages: Vec<_> = Batches::new(&zone_name, updates.iter().cloned()).collect();
            prop_assert_eq!(messages.concat(), updates.clone());
            let (mut deletes, mut adds) = (0, 0);
            for batch in messages {
                let alone = batch.len() == 1;
                let encoded = encode(1, &zone(), &batch);
                let expected: usize = batch.iter().map(|update| update.wire_len(&zone())).sum();
                prop_assert_eq!(encoded.len(), base_len(&zone()) + expected);
                let limit = if alone { MAX_NAME_BYTES } else { MESSAGE_BYTES };
                prop_assert!(encoded.len() <= limit);
                let parsed = wire::Message::parse(&encoded).unwrap();
                prop_assert_eq!(parsed.authorities.len(), usize::from(parsed.header.counts[2]));
                deletes += parsed.authorities.iter().filter(|record| record.class == CLASS_NONE).count();
                adds += parsed.authorities.iter().filter(|record| record.class == CLASS_IN).count();
            }
            let planned = updates.iter().map(NameUpdate::record_counts);
            prop_assert_eq!(planned.fold((0, 0), |sum, next| (sum.0 + next.0, sum.1 + next.1)), (deletes, adds));
        }
    }
}
