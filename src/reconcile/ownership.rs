//! Who manages which name, as the zone itself says it.

use std::collections::BTreeSet;

use super::obstacle::Obstacle;
use crate::model::{Change, Marker, Name, OwnerId, RecordType, Rrset, Zone};

/// What the zone says about who manages a name.
pub(super) enum Ownership {
    /// There is no marker.
    Nobody,
    /// Our marker: the types that it names, and the marker itself.
    Ours(BTreeSet<RecordType>, Rrset),
    /// Somebody else's marker, or a damaged one.
    InTheWay(Obstacle, Rrset),
}

/// Reads the marker of a name. Markers themselves have none: whoever forged one would have us delete our own.
pub(super) fn of(owner: &OwnerId, live: &Zone, name: &Name) -> Ownership {
    if Marker::is_only_marker(name) {
        return Ownership::Nobody;
    }
    let Some(rrset) = live.marker_of(name).and_then(|marker| marker.get(RecordType::TXT)) else {
        return Ownership::Nobody;
    };
    let obstacle = match rrset.rdatas() {
        [one] => match Marker::from_rdata(one) {
            Ok(marker) if marker.owner == *owner => return Ownership::Ours(marker.types, rrset),
            Ok(marker) => Obstacle::OtherOwner(marker.owner),
            Err(error) => Obstacle::DamagedMarker(error.to_string()),
        },
        several => {
            let marker_name = Marker::name_for(name).unwrap_or_else(|_| name.clone());
            Obstacle::DamagedMarker(format!("there are {} TXT records at {marker_name}", several.len()))
        }
    };
    Ownership::InTheWay(obstacle, rrset)
}

/// Whether a change is one of a marker.
pub(super) fn is_marker(change: &Change) -> bool {
    Marker::is_only_marker(&change.key.name) && change.key.record_type == RecordType::TXT
}

/// The marker's RRset as it shall be. One that says the same in other words stays as it is.
pub(super) fn marker_rrset(wanted: &Marker, ttl: u32, live: Option<&Rrset>) -> Option<Rrset> {
    if let Some(live) = live
        && live.ttl == ttl
        && let [one] = live.rdatas()
        && Marker::from_rdata(one).as_ref() == Ok(wanted)
    {
        return Some(live.clone());
    }
    Rrset::new(ttl, [wanted.to_rdata()])
}

/// A name that is ours, and what is ours at it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OwnedName {
    /// The owner name.
    pub name: Name,
    /// The types that our marker names.
    pub types: BTreeSet<RecordType>,
    /// How many records of these types there are.
    pub records: usize,
}

/// What is ours at a name, when it carries our marker.
pub(super) fn owned_at(owner: &OwnerId, live: &Zone, name: &Name) -> Option<OwnedName> {
    let Ownership::Ours(types, _) = of(owner, live, name) else { return None };
    let sets = live.at(name);
    let records = types.iter().map(|&record_type| sets.map_or(0, |sets| sets.count(record_type))).sum();
    Some(OwnedName { name: name.clone(), types, records })
}

/// What is ours in a zone, in canonical order.
pub fn owned(owner: &OwnerId, live: &Zone) -> Vec<OwnedName> {
    let mut owned: Vec<_> = live.unmarked_names().filter_map(|name| owned_at(owner, live, name)).collect();
    owned.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    owned
}
