//! Who manages which name, as the zone itself says it.

use std::collections::{BTreeMap, BTreeSet};

use super::obstacle::Obstacle;
use crate::model::{Marker, Name, OwnerId, RecordType, Rrset, Zone};

/// What the zone says about who manages a name.
pub(super) enum Ownership<'a> {
    /// There is no marker.
    Nobody,
    /// Our marker: the types that it names, and the marker itself.
    Ours(BTreeSet<RecordType>, &'a Rrset),
    /// Somebody else's marker, or a damaged one.
    InTheWay(Obstacle, &'a Rrset),
}

/// Reads the marker of a name.
pub(super) fn of<'a>(owner: &OwnerId, live: &'a Zone, name: &Name) -> Ownership<'a> {
    let Ok(marker_name) = Marker::name_for(name) else { return Ownership::Nobody };
    let Some(rrset) = live.rrset(&marker_name, RecordType::TXT) else { return Ownership::Nobody };
    let damaged = |what: String| Ownership::InTheWay(Obstacle::DamagedMarker(what), rrset);
    match rrset.rdatas() {
        [one] => match Marker::from_rdata(one) {
            Ok(marker) if marker.owner == *owner => Ownership::Ours(marker.types, rrset),
            Ok(marker) => Ownership::InTheWay(Obstacle::OtherOwner(marker.owner), rrset),
            Err(error) => damaged(error.to_string()),
        },
        several => damaged(format!("there are {} TXT records at {marker_name}", several.len())),
    }
}

/// Every name that carries our marker.
pub(super) fn owned_names(owner: &OwnerId, live: &Zone) -> BTreeSet<Name> {
    let marked = live.names().filter_map(|(name, _)| Marker::marked_name(name));
    marked.filter(|name| matches!(of(owner, live, name), Ownership::Ours(..))).collect()
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

/// What is ours in a zone, in canonical order.
pub fn owned(owner: &OwnerId, live: &Zone) -> Vec<OwnedName> {
    let describe = |name: Name| match of(owner, live, &name) {
        Ownership::Ours(types, _) => {
            let count = |record_type: &RecordType| live.rrset(&name, *record_type).map_or(0, |set| set.rdatas().len());
            let records = types.iter().map(count).sum();
            Some(OwnedName { name, types, records })
        }
        _ => None,
    };
    owned_names(owner, live).into_iter().filter_map(describe).collect()
}

/// Each name that is ours with the SRV records at it, when these are ours.
pub(super) fn owned_srv<'a>(owner: &OwnerId, live: &'a Zone) -> BTreeMap<Name, Option<&'a Rrset>> {
    let srv = |name: &Name| {
        let srv = live.rrset(name, RecordType::SRV)?;
        matches!(of(owner, live, name), Ownership::Ours(types, _) if types.contains(&RecordType::SRV)).then_some(srv)
    };
    owned_names(owner, live).into_iter().map(|name| (name.clone(), srv(&name))).collect()
}
