//! The names that the experiments use: nobody else's, marked like all of ours, and gone afterwards.

use crate::model::{Change, Marker, Name, OwnerId, Rdata, RecordType, Rrset, RrsetKey, Srv, Zone};
use crate::protocol::update::{NameUpdate, Prerequisite};

/// What a scratch service's name begins with, under `_tcp`; 16 hexadecimal digits follow.
const SERVICE: &str = "_srvctl-doctor-";
/// What a scratch host's name begins with.
const HOST: &str = "srvctl-doctor-";
/// Appended to the owner id, so that a running daemon takes the scratch names for somebody else's.
const SUFFIX: &str = ".doctor";
/// Longest owner id.
const MAX_OWNER: usize = 63;
/// What no name of ours can have more of.
const TYPES: [RecordType; 4] = [RecordType::SRV, RecordType::TXT, RecordType::A, RecordType::AAAA];

/// One run's scratch names in one zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scratch {
    /// Carries SRV and TXT.
    pub service: Name,
    /// Carries A and AAAA.
    pub host: Name,
    owner: OwnerId,
    ttl: u32,
}

impl Scratch {
    /// Names that end in this number. None when the zone's name is so long that they do not fit.
    pub fn new(zone: &Name, owner: &OwnerId, ttl: u32, number: u64) -> Option<Self> {
        let service = zone.prepend(b"_tcp").ok()?.prepend(format!("{SERVICE}{number:016x}").as_bytes()).ok()?;
        let host = zone.prepend(format!("{HOST}{number:016x}").as_bytes()).ok()?;
        Marker::name_for(&service).ok()?;
        Some(Self { service, host, owner: owner_of_scratch(owner), ttl })
    }

    /// So many SRV records.
    pub fn services(&self, count: u16) -> Vec<Rdata> {
        let srv = |port| Rdata::srv(&Srv { priority: 0, weight: 0, port, target: self.host.clone() });
        (1..=count).map(srv).collect()
    }

    /// The TXT record of the service.
    pub fn text() -> Rdata {
        Rdata::txt(["srvctl=doctor"])
    }

    /// The host's addresses (RFC 5737, RFC 3849: nobody has them).
    pub fn addresses() -> [Rdata; 2] {
        [Rdata::a([192, 0, 2, 1].into()), Rdata::address("2001:db8::1".parse().expect("an address"))]
    }

    /// Every RRset that there can be, markers last.
    pub fn keys(&self) -> Vec<RrsetKey> {
        let of = |name: &Name, types: &[RecordType]| -> Vec<_> {
            types.iter().map(|&record_type| RrsetKey::new(name.clone(), record_type)).collect()
        };
        let mut keys = of(&self.service, &TYPES[..2]);
        keys.extend(of(&self.host, &TYPES[2..]));
        keys.extend([&self.service, &self.host].map(|name| RrsetKey::new(marker_name(name), RecordType::TXT)));
        keys
    }

    /// Claims a name with these types, which must be free: see [`crate::reconcile::plan()`] for the same of services.
    fn claim(&self, name: &Name, sets: Vec<(RecordType, Vec<Rdata>)>) -> NameUpdate {
        let types = sets.iter().map(|(record_type, _)| *record_type).collect();
        let marker = Marker { owner: self.owner.clone(), types }.to_rdata();
        let change = |key, rdatas: Vec<Rdata>| Change::between(key, None, Rrset::new(self.ttl, rdatas).as_ref());
        let mut changes: Vec<_> = sets
            .into_iter()
            .filter_map(|(record_type, rdatas)| change(RrsetKey::new(name.clone(), record_type), rdatas))
            .collect();
        let marker_key = RrsetKey::new(marker_name(name), RecordType::TXT);
        changes.extend(change(marker_key.clone(), vec![marker]));
        let prerequisites = vec![Prerequisite::Absent(marker_key), Prerequisite::Unused(name.clone())];
        NameUpdate { name: name.clone(), prerequisites, changes }
    }

    /// Publishes the service with one SRV record.
    pub fn publish_service(&self) -> NameUpdate {
        self.claim(&self.service, vec![(RecordType::SRV, self.services(1)), (RecordType::TXT, vec![Self::text()])])
    }

    /// Publishes the host.
    pub fn publish_host(&self) -> NameUpdate {
        let [ipv4, ipv6] = Self::addresses();
        self.claim(&self.host, vec![(RecordType::A, vec![ipv4]), (RecordType::AAAA, vec![ipv6])])
    }

    /// From so many SRV records to so many others.
    pub fn resize(&self, from: u16, to: u16) -> NameUpdate {
        let key = RrsetKey::new(self.service.clone(), RecordType::SRV);
        let set = |count| Rrset::new(self.ttl, self.services(count));
        let changes = Change::between(key, set(from).as_ref(), set(to).as_ref()).into_iter().collect();
        let marker = Marker { owner: self.owner.clone(), types: [RecordType::SRV, RecordType::TXT].into() };
        let marker_key = RrsetKey::new(marker_name(&self.service), RecordType::TXT);
        let is_ours = Rrset::new(self.ttl, [marker.to_rdata()]).map(|set| Prerequisite::Exactly(marker_key, set));
        NameUpdate { name: self.service.clone(), prerequisites: is_ours.into_iter().collect(), changes }
    }

    /// An update that does nothing, whatever becomes of it: the server says whether it would let us change such a record.
    ///
    /// Deletes a record that is not there. BIND judges deletes of SRV and PTR records by those that are, so these are to be
    /// added, on a condition that is not met; BIND looks at its policy first.
    pub fn ask(&self, name: &Name, rdata: Rdata) -> NameUpdate {
        let record_type = rdata.record_type();
        let (key, set) = (RrsetKey::new(name.clone(), record_type), Rrset::new(self.ttl, [rdata]));
        let by_content = [RecordType::SRV, RecordType::PTR].contains(&record_type);
        let (before, after) = if by_content { (None, set) } else { (set, None) };
        let never = (RrsetKey::new(name.clone(), RecordType::A), Rrset::new(0, [Self::addresses()[0].clone()]));
        let condition = never.1.filter(|_| after.is_some()).map(|set| Prerequisite::Exactly(never.0, set));
        let changes = Change::between(key, before.as_ref(), after.as_ref()).into_iter().collect();
        NameUpdate { name: name.clone(), prerequisites: condition.into_iter().collect(), changes }
    }

    /// A name's marker as publishing writes it, for [`Self::ask`].
    pub fn marker_of(&self, name: &Name, types: [RecordType; 2]) -> (Name, Rdata) {
        (marker_name(name), Marker { owner: self.owner.clone(), types: types.into() }.to_rdata())
    }

    /// Removes what was found at the scratch names.
    pub fn remove(&self, found: &[(RrsetKey, Rrset)]) -> Vec<NameUpdate> {
        [&self.service, &self.host].into_iter().filter_map(|name| removal(name, found)).collect()
    }

    /// For a person who has to do it: what to give to `nsupdate`.
    pub fn nsupdate_lines(&self) -> Vec<String> {
        let markers = [&self.service, &self.host].map(marker_name);
        let names = [&self.service, &self.host].into_iter().chain(&markers);
        names.map(|name| format!("update delete {name}")).collect()
    }
}

fn marker_name(name: &Name) -> Name {
    Marker::name_for(name).expect("the longer of the two was tried")
}

fn removal(name: &Name, found: &[(RrsetKey, Rrset)]) -> Option<NameUpdate> {
    let marker_name = Marker::name_for(name).ok()?;
    let of_name = found.iter().filter(|(key, _)| key.name == *name || key.name == marker_name);
    let changes: Vec<_> = of_name.filter_map(|(key, set)| Change::between(key.clone(), Some(set), None)).collect();
    (!changes.is_empty()).then(|| NameUpdate { name: name.clone(), prerequisites: Vec::new(), changes })
}

fn owner_of_scratch(owner: &OwnerId) -> OwnerId {
    let owner = owner.to_string();
    let kept = owner.len().min(MAX_OWNER - SUFFIX.len()); // owner ids are ASCII
    format!("{}{SUFFIX}", &owner[..kept]).parse().expect("an owner id with a suffix that fits")
}

/// Whether a name is one that [`Scratch::new`] makes.
fn is_scratch(name: &Name, zone: &Name) -> bool {
    let labels: Vec<_> = name.labels().map(|label| String::from_utf8_lossy(label).into_owned()).collect();
    let Some((first, rest)) = labels.split_first() else { return false };
    let depth = zone.labels().count();
    let number = match rest.len() - depth.min(rest.len()) {
        0 => first.strip_prefix(HOST),
        1 if rest[0] == "_tcp" => first.strip_prefix(SERVICE),
        _ => None,
    };
    number.is_some_and(|number| number.len() == 16 && number.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Removes what an earlier run of ours left behind because it was killed: its owner id, and a name like those. The
/// marker must still be what was read.
pub fn leftovers(owner: &OwnerId, live: &Zone) -> Vec<NameUpdate> {
    let owner = owner_of_scratch(owner);
    let mut updates = Vec::new();
    for name in live.unmarked_names().filter(|name| is_scratch(name, live.origin())) {
        let Some(set) = live.marker_of(name).and_then(|marker| marker.get(RecordType::TXT)) else { continue };
        let is_ours = |rdata: &Rdata| Marker::from_rdata(rdata).is_ok_and(|marker| marker.owner == owner);
        if !matches!(set.rdatas(), [one] if is_ours(one)) {
            continue;
        }
        let marker_key = RrsetKey::new(marker_name(name), RecordType::TXT);
        let sets = TYPES
            .into_iter()
            .filter_map(|record_type| Some((RrsetKey::new(name.clone(), record_type), live.rrset(name, record_type)?)));
        let found: Vec<_> = sets.chain([(marker_key.clone(), set.clone())]).collect();
        updates.extend(
            removal(name, &found)
                .map(|update| NameUpdate { prerequisites: vec![Prerequisite::Exactly(marker_key, set)], ..update }),
        );
    }
    updates.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    updates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Record;

    fn zone_name() -> Name {
        "internal.local".parse().unwrap()
    }

    fn scratch(owner: &str) -> Scratch {
        Scratch::new(&zone_name(), &owner.parse().unwrap(), 300, 0xab).unwrap()
    }

    fn zone(updates: &[NameUpdate]) -> Zone {
        let mut zone = Zone::empty(zone_name());
        updates.iter().flat_map(|update| &update.changes).for_each(|change| zone.apply(change));
        zone
    }

    fn published(owner: &str) -> Zone {
        let scratch = scratch(owner);
        zone(&[scratch.publish_service(), scratch.publish_host()])
    }

    #[test]
    fn names_that_nobody_has() {
        let scratch = scratch("dns1");
        assert_eq!(scratch.service.to_string(), "_srvctl-doctor-00000000000000ab._tcp.internal.local.");
        assert_eq!(scratch.host.to_string(), "srvctl-doctor-00000000000000ab.internal.local.");
        assert!(is_scratch(&scratch.service, &zone_name()) && is_scratch(&scratch.host, &zone_name()));
        for other in ["srvctl-doctor-1", "srvctl-doctor-000000000000000g", "_srvctl-doctor-00000000000000ab._udp", "a"]
        {
            let name = format!("{other}.internal.local").parse().unwrap();
            assert!(!is_scratch(&name, &zone_name()), "{other}");
        }
    }

    #[test]
    fn an_owner_id_of_its_own_whatever_the_length() {
        assert_eq!(owner_of_scratch(&"dns1".parse().unwrap()).to_string(), "dns1.doctor");
        assert_eq!(owner_of_scratch(&"x".repeat(63).parse().unwrap()).to_string().len(), 63);
    }

    #[test]
    fn what_was_published_is_removed_again() {
        let scratch = scratch("dns1");
        let live = published("dns1");
        let found = scratch.keys().into_iter().filter_map(|key| {
            let set = live.rrset(&key.name, key.record_type)?;
            Some((key, set))
        });
        let found = found.collect::<Vec<_>>();
        assert_eq!(found.len(), 6);
        let mut emptied = live.clone();
        scratch.remove(&found).iter().flat_map(|update| &update.changes).for_each(|change| emptied.apply(change));
        assert_eq!(emptied.record_count(), 0);
    }

    #[test]
    fn only_our_own_leftovers_are_removed() {
        let live = published("dns1");
        assert_eq!(leftovers(&"dns1".parse().unwrap(), &live).len(), 2);
        assert!(leftovers(&"dns2".parse().unwrap(), &live).is_empty());
        let mut live = zone(&[]);
        live.insert(Record { name: scratch("dns1").host, ttl: 300, rdata: Scratch::addresses()[0].clone() });
        assert!(leftovers(&"dns1".parse().unwrap(), &live).is_empty(), "without a marker it is somebody else's");
    }
}
