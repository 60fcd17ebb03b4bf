//! The zone as a server holds it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::delta::Change;
use super::marker::Marker;
use super::name::Name;
use super::rdata::{Rdata, RecordType};
use super::rrset::{Record, Rrset};
use super::sets::Sets;
use super::table::Table;

/// What a server holds for one zone: every RRset by owner name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    origin: Name,
    serial: u32,
    names: Table,
    records: usize,
    /// How many names below the apex have an NS or DNAME set, and hide what is below them.
    hiding: usize,
}

/// A server that the zone's NS set names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameServer {
    /// Its host name.
    pub name: Name,
    /// Its addresses, when it lies in the zone; then there may also be none, and that is a mistake in the zone.
    pub addresses: Option<Vec<IpAddr>>,
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
        Self { origin, serial: 0, names: Table::default(), records: 0, hiding: 0 }
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

    /// For how long a cache may say that something is not in the zone, seconds (RFC 2308 section 5).
    pub fn negative_ttl(&self) -> Option<u32> {
        let soa = self.rrset(&self.origin, RecordType::SOA)?;
        Some(soa.rdatas().first()?.soa_minimum()?.min(soa.ttl))
    }

    /// The servers that the NS set at the apex names, the primary mostly among them.
    pub fn name_servers(&self) -> Vec<NameServer> {
        let named = self.rrset(&self.origin, RecordType::NS);
        let names = named.iter().flat_map(Rrset::rdatas).filter_map(Rdata::as_name);
        let server = |name: Name| {
            let addresses = name.is_within(&self.origin).then(|| self.addresses_of(&name));
            NameServer { name, addresses }
        };
        names.map(server).collect()
    }

    fn addresses_of(&self, name: &Name) -> Vec<IpAddr> {
        let sets = [RecordType::A, RecordType::AAAA].map(|record_type| self.rrset(name, record_type));
        sets.iter().flatten().flat_map(Rrset::rdatas).filter_map(Rdata::as_address).collect()
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

    /// What is at the ownership marker of a name.
    pub fn marker_of(&self, name: &Name) -> Option<&Sets> {
        self.names.marker_of(name)
    }

    /// All owner names in canonical order, with their RRsets. For people and for small zones: it sorts.
    pub fn names(&self) -> impl Iterator<Item = (Name, &Sets)> {
        self.names.sorted().into_iter()
    }

    /// Every name that exists or that has a marker, in no order, and the markers' own names not among them.
    pub fn unmarked_names(&self) -> impl Iterator<Item = &Name> {
        self.names.names()
    }

    /// Whether there are delegations or DNAMEs, which hide what is below them.
    pub fn hides_names(&self) -> bool {
        self.hiding > 0
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
        self.put(&name, |sets| sets.with(record_type, set));
    }

    /// Makes one change, as a server would: the RRset becomes `after`.
    pub fn apply(&mut self, change: &Change) {
        for rdata in change.after.iter().flat_map(Rrset::rdatas) {
            self.note_serial(&change.key.name, rdata);
        }
        self.put(&change.key.name, |sets| sets.with(change.key.record_type, change.after.clone()));
    }

    /// Makes one difference sequence of an incremental transfer (RFC 1995 section 4): first everything in `deleted`
    /// goes, then everything in `added` comes, and `soa` becomes the apex SOA.
    ///
    /// # Errors
    /// When it does not fit. The zone is a mixture then, and must not be used any more.
    pub fn advance(&mut self, deleted: &[Record], added: &[Record], soa: &Record) -> Result<(), Mismatch> {
        let (deleted, added) = (by_name(deleted), by_name(added));
        let (mut deletes, mut adds) = (deleted.chunk_by(same_name).peekable(), added.chunk_by(same_name).peekable());
        while let Some(name) = first_name(deletes.peek(), adds.peek()) {
            let gone = deletes.next_if(|records| records[0].name == *name).unwrap_or_default();
            let come = adds.next_if(|records| records[0].name == *name).unwrap_or_default();
            let sets = changed(self.names.get(name), gone, come)?;
            self.put(name, |_| sets);
        }
        let soa_set = Rrset::new(soa.ttl, [soa.rdata.clone()]);
        self.note_serial(&soa.name, &soa.rdata);
        self.put(&soa.name, |sets| sets.with(RecordType::SOA, soa_set));
        Ok(())
    }

    fn note_serial(&mut self, name: &Name, rdata: &Rdata) {
        if *name == self.origin
            && let Some(serial) = rdata.soa_serial()
        {
            self.serial = serial;
        }
    }

    /// Exchanges what is at a name.
    fn put(&mut self, name: &Name, exchange: impl FnOnce(&Sets) -> Sets) {
        let after = exchange(self.names.get(name).unwrap_or(&Sets::none()));
        let hides = |sets: &Sets| sets.contains(RecordType::NS) || sets.contains(RecordType::DNAME);
        let (more, hiding) = (after.record_count(), hides(&after));
        let before = self.names.put(name, after);
        self.records = self.records + more - before.record_count();
        if *name != self.origin {
            self.hiding = self.hiding + usize::from(hiding) - usize::from(hides(&before));
        }
    }
}

/// The records sorted by name, otherwise in their order; a server tells them by name already.
fn by_name(records: &[Record]) -> Vec<&Record> {
    let mut sorted: Vec<_> = records.iter().collect();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    sorted
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as chunk_by wants it")]
fn same_name(one: &&Record, other: &&Record) -> bool {
    one.name == other.name
}

fn first_name<'r>(deletes: Option<&&[&'r Record]>, adds: Option<&&[&'r Record]>) -> Option<&'r Name> {
    let name = |records: &&[&'r Record]| &records[0].name;
    deletes.map(name).into_iter().chain(adds.map(name)).min()
}

/// The sets of one name after a difference.
fn changed(before: Option<&Sets>, deleted: &[&Record], added: &[&Record]) -> Result<Sets, Mismatch> {
    let there = before.into_iter().flat_map(Sets::iter);
    let mut sets: BTreeMap<_, _> = there.map(|set| (set.record_type(), (set.ttl, set.rdatas().to_vec()))).collect();
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
        let mut zone = Zone { serial: self.serial, ..Zone::empty(self.origin) };
        let is_marker = |(name, _): &&(Name, Sets)| Marker::marked_name(name).is_some();
        zone.names.reserve(self.names.len() - self.names.iter().filter(is_marker).count());
        for (name, sets) in self.names {
            // A name comes in one piece from every server that we know.
            zone.put(&name, |there| if there.is_empty() { sets } else { merged(there, &sets) });
        }
        zone
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
        let before = live.clone();
        live.advance(&deleted, &added, &soa(2)).unwrap();
        assert!([1, 2, 3].map(|host| record(host, 0, 0).name).iter().all(|name| live.at(name) != before.at(name)));
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

    #[test]
    fn the_servers_of_the_ns_set_with_what_the_zone_says_of_their_addresses() {
        let record = |name: &str, rdata| Record { name: name.parse().unwrap(), ttl: 300, rdata };
        let ns = |host: &str| {
            let host: Name = host.parse().unwrap();
            record("internal.local", Rdata::from_wire(RecordType::NS, host.as_wire()))
        };
        let live = zone(&[
            ns("ns1.internal.local"),
            ns("ns2.internal.local"),
            ns("ns.example.net"),
            record("ns1.internal.local", Rdata::a([192, 0, 2, 1].into())),
            record("ns1.internal.local", Rdata::aaaa("2001:db8::1".parse().unwrap())),
        ]);
        let mut found: Vec<_> =
            live.name_servers().into_iter().map(|server| (server.name.to_string(), server.addresses)).collect();
        found.sort();
        let of_ns1 = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().unwrap()).to_vec();
        let expected =
            [("ns.example.net.", None), ("ns1.internal.local.", Some(of_ns1)), ("ns2.internal.local.", Some(vec![]))];
        assert_eq!(found, expected.map(|(name, addresses)| (name.to_owned(), addresses)));
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
        fn a_table_is_what_a_map_is(puts in proptest::collection::vec(("(_srvctl\\.){0,2}[ab]", any::<bool>()), 0..30)) {
            let (mut live, mut model) = (zone(&[]), BTreeMap::new());
            for (host, there) in puts {
                let name: Name = format!("{host}.internal.local").parse().unwrap();
                let set = there.then(|| Rrset::new(300, [Rdata::a([10, 0, 0, 1].into())])).flatten();
                live.put(&name, |sets| sets.with(RecordType::A, set));
                model.remove(&name);
                if there {
                    model.insert(name, 1);
                }
                let found: BTreeMap<_, _> = live.names().map(|(name, sets)| (name, sets.record_count())).collect();
                prop_assert_eq!(&found, &model);
                prop_assert_eq!(live.record_count(), model.len());
                for name in model.keys() {
                    prop_assert!(live.at(name).is_some());
                    let marker = Marker::name_for(name).unwrap();
                    prop_assert_eq!(live.marker_of(name), live.at(&marker));
                }
            }
        }
    }
}
