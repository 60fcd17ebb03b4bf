//! Taking a foreign name over, and giving one up: only ever because a person said so, name by name.

use std::collections::BTreeSet;
use std::fmt;

use super::desired::{Desired, Wanted};
use super::obstacle::{self, Obstacle};
use super::ownership::{self, Ownership};
use super::shards::{self, Joint};
use crate::model::browse::browsed_service;
use crate::model::{
    Change, MAX_SHARDS, Marker, Name, NameError, OwnerId, Rdata, Record, RecordType, Rrset, RrsetKey, Zone, shard_of,
};
use crate::protocol::update::{NameUpdate, Prerequisite};

/// How to take a name over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdoptMode {
    /// Delete the records at the name that no service asks for. Without it, such records are an error: ours is
    /// what the services say, so a record that was merely kept would be removed by the next run.
    pub replace: bool,
    /// Take it from this other srvctl.
    pub from: Option<OwnerId>,
}

/// Why a name is not taken over, or not given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TakeoverError {
    /// Adopting it would delete it with the next run.
    #[error("no service asks for anything at {0}: add it to a service file first")]
    NotDesired(Name),
    /// Records would be lost.
    #[error(
        "these records at {name} are in no service file, and would be lost: {}. Add them to a service file, or \
         delete them with --replace", shown(.extra)
    )]
    WouldLose {
        /// The owner name.
        name: Name,
        /// What no service asks for.
        extra: Vec<Record>,
    },
    /// Another srvctl's, and that one was not named.
    #[error("{name} belongs to owner \"{owner}\": say `--from {owner}` to take it from that one")]
    OtherOwner {
        /// The owner name.
        name: Name,
        /// Whose it is.
        owner: OwnerId,
    },
    /// `--from` names somebody else than the marker does.
    #[error("{name} does not belong to owner \"{expected}\"")]
    NotFrom {
        /// The owner name.
        name: Name,
        /// Who was named.
        expected: OwnerId,
    },
    /// Something that adopting does not cure.
    #[error("{name}: {obstacle}")]
    Obstacle {
        /// The owner name.
        name: Name,
        /// What is in the way.
        obstacle: Box<Obstacle>,
    },
    /// Not ours to give up.
    #[error("{0} is not ours: no marker of this owner stands at it")]
    NotOurs(Name),
    /// Too long to carry a marker.
    #[error("{name} {why}")]
    Name {
        /// The owner name.
        name: Name,
        /// What is wrong with it.
        why: NameError,
    },
}

fn shown(records: &[Record]) -> String {
    records.iter().map(|record| format!("`{record}`")).collect::<Vec<_>>().join(", ")
}

/// The update that makes a name ours, with everything that the services ask for there; none when it is already.
///
/// It is guarded by the very records that were read: what nobody saw is never overwritten.
///
/// # Errors
/// When nothing is desired there or what is cannot be published, when records would be lost without `replace`, when it belongs to another
/// owner that was not named, and when something else is in the way.
pub fn adopt(
    owner: &OwnerId,
    desired: &Desired,
    live: &Zone,
    name: &Name,
    mode: &AdoptMode,
) -> Result<Option<NameUpdate>, TakeoverError> {
    let service = Adopted::new(owner, desired, live, name);
    let mut wanted = service.wanted(desired, name);
    let in_the_way = |obstacle| TakeoverError::Obstacle { name: name.clone(), obstacle: Box::new(obstacle) };
    if wanted.is_empty() {
        let refused = service.0.refused.clone().map(|refusal| in_the_way(Obstacle::Refused(refusal)));
        return Err(refused.unwrap_or_else(|| TakeoverError::NotDesired(name.clone())));
    }
    if let Some(obstacle) = obstacle::unpublishable(live, name) {
        return Err(in_the_way(obstacle));
    }
    let (owned, marker) = standing(owner, live, name, mode)?;
    let types: BTreeSet<_> = wanted.keys().copied().collect();
    let foreign: Vec<_> = wanted.keys().filter(|wanted| !owned.contains(wanted)).copied().collect();
    if !mode.replace {
        service.refuse_losses(live, name, &wanted, &foreign)?;
    }
    leave_instances_out(desired, live, name, &mut wanted);
    let marker_key = marker_key(name)?;
    let mut prerequisites = vec![as_seen(&marker_key, marker.as_ref())];
    let mut changes = Vec::new();
    for &record_type in owned.iter().chain(&foreign) {
        let key = RrsetKey::new(name.clone(), record_type);
        let before = live.rrset(name, record_type);
        if foreign.contains(&record_type) {
            prerequisites.push(as_seen(&key, before.as_ref()));
        }
        changes.extend(Change::between(key, before.as_ref(), wanted.get(&record_type)));
    }
    if !foreign.is_empty() {
        // BIND drops what is added beside an alias and says NOERROR; the marker would then stand alone.
        prerequisites.push(Prerequisite::Absent(RrsetKey::new(name.clone(), RecordType::CNAME)));
    }
    let wanted_marker = Marker { owner: owner.clone(), types };
    let marker_after = ownership::marker_rrset(&wanted_marker, desired.policy().ttl, marker.as_ref());
    changes.extend(Change::between(marker_key, marker.as_ref(), marker_after.as_ref()));
    Ok((!changes.is_empty()).then(|| NameUpdate { name: name.clone(), prerequisites, changes }))
}

/// What is to be added to a list of instances comes with the instances: here it keeps what it has.
fn leave_instances_out(desired: &Desired, live: &Zone, name: &Name, wanted: &mut Wanted) {
    let own_name = browsed_service(name, live.origin()).unwrap_or_else(|| name.clone());
    if desired.is_browsed(&own_name)
        && let Some(list) = wanted.remove(&RecordType::PTR)
    {
        let now = live.rrset(name, RecordType::PTR);
        let staying = now.iter().flat_map(Rrset::rdatas).filter(|rdata| list.contains(rdata)).cloned();
        wanted.extend(Rrset::new(list.ttl, staying).map(|staying| (RecordType::PTR, staying)));
    }
}

/// What is owned there (by us, or by the one it is taken from), and the marker as it stands.
fn standing(
    owner: &OwnerId,
    live: &Zone,
    name: &Name,
    mode: &AdoptMode,
) -> Result<(BTreeSet<RecordType>, Option<Rrset>), TakeoverError> {
    let not_from = |expected: &OwnerId| TakeoverError::NotFrom { name: name.clone(), expected: expected.clone() };
    match (ownership::of(owner, live, name), &mode.from) {
        (Ownership::Ours(types, marker), None) => Ok((types, Some(marker))),
        (Ownership::Nobody, None) => Ok((BTreeSet::new(), None)),
        (Ownership::InTheWay(Obstacle::OtherOwner(theirs), marker), Some(from)) if theirs == *from => {
            // Nothing there is ours yet: every RRset is guarded and judged as foreign.
            Ok((BTreeSet::new(), Some(marker)))
        }
        (Ownership::InTheWay(Obstacle::OtherOwner(owner), _), None) => {
            Err(TakeoverError::OtherOwner { name: name.clone(), owner })
        }
        (Ownership::InTheWay(Obstacle::DamagedMarker(_), marker), None) => Ok((BTreeSet::new(), Some(marker))),
        (_, Some(from)) => Err(not_from(from)),
        (Ownership::InTheWay(obstacle, _), None) => {
            Err(TakeoverError::Obstacle { name: name.clone(), obstacle: Box::new(obstacle) })
        }
    }
}

/// The service that a name belongs to, seen as if the name were ours already: what it has there can stay there.
struct Adopted(Joint);

impl Adopted {
    fn new(owner: &OwnerId, desired: &Desired, live: &Zone, name: &Name) -> Self {
        let own_name = shards::own_name_of(name, live.origin());
        let mut published = shards::published(owner, live, &own_name, 0..MAX_SHARDS);
        let shard = shard_of(name, live.origin()).map_or(0, |(_, shard)| shard);
        published.insert(shard, live.rrset(name, RecordType::SRV));
        Self(shards::joint(desired, &own_name, &published))
    }

    fn wanted(&self, desired: &Desired, name: &Name) -> Wanted {
        self.0.names.get(name).cloned().unwrap_or_else(|| desired.at(name))
    }

    /// Whether a record is at another of the service's names, and stays there.
    fn is_elsewhere(&self, live: &Zone, name: &Name, rdata: &Rdata) -> bool {
        let holds = |set: Option<&Rrset>| set.is_some_and(|set| set.contains(rdata));
        let siblings = self.0.names.iter().filter(|(other, _)| *other != name);
        siblings
            .filter(|(_, sets)| holds(sets.get(&RecordType::SRV)))
            .any(|(other, _)| holds(live.rrset(other, RecordType::SRV).as_ref()))
    }

    fn refuse_losses(
        &self,
        live: &Zone,
        name: &Name,
        wanted: &Wanted,
        foreign: &[RecordType],
    ) -> Result<(), TakeoverError> {
        let mut extra = Vec::new();
        for record_type in foreign {
            let there = live.rrset(name, *record_type).map_or_else(Vec::new, |set| set.records(name));
            let is_lost = |record: &Record| {
                !wanted[record_type].contains(&record.rdata) && !self.is_elsewhere(live, name, &record.rdata)
            };
            extra.extend(there.into_iter().filter(is_lost));
        }
        if extra.is_empty() { Ok(()) } else { Err(TakeoverError::WouldLose { name: name.clone(), extra }) }
    }
}

/// The update that removes our marker and leaves the data to whoever wants it.
///
/// # Errors
/// When the name is not ours.
pub fn release(owner: &OwnerId, live: &Zone, name: &Name) -> Result<NameUpdate, TakeoverError> {
    let Ownership::Ours(_, marker) = ownership::of(owner, live, name) else {
        return Err(TakeoverError::NotOurs(name.clone()));
    };
    let key = marker_key(name)?;
    let prerequisites = vec![Prerequisite::Exactly(key.clone(), marker.clone())];
    let changes = Change::between(key, Some(&marker), None).into_iter().collect();
    Ok(NameUpdate { name: name.clone(), prerequisites, changes })
}

/// What a zone that was read back after an update differs in from what the update was to make of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shortfall {
    missing: Vec<Record>,
    instead: Vec<Record>,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { missing, instead } = self;
        match (missing.is_empty(), instead.is_empty()) {
            (true, _) => write!(f, "the zone read back still has {}", shown(instead)),
            (false, true) => write!(f, "the zone read back lacks {}", shown(missing)),
            (false, false) => {
                write!(f, "the zone read back lacks {}, and has {} instead", shown(missing), shown(instead))
            }
        }
    }
}

/// Judges an update by the zone read back after it, since NOERROR is not success; none when all of it was done.
pub fn shortfall(update: &NameUpdate, live: &Zone) -> Option<Shortfall> {
    let mut shortfall = Shortfall::default();
    for Change { key, after, .. } in &update.changes {
        let left = Change::between(key.clone(), live.rrset(&key.name, key.record_type).as_ref(), after.as_ref());
        for line in left.iter().flat_map(Change::lines) {
            let side = if line.sign == '+' { &mut shortfall.missing } else { &mut shortfall.instead };
            side.push(line.record);
        }
    }
    if shortfall == Shortfall::default() {
        return None;
    }
    let alias = live.rrset(&update.name, RecordType::CNAME);
    shortfall.instead.extend(alias.into_iter().flat_map(|alias| alias.records(&update.name)));
    Some(shortfall)
}

fn marker_key(name: &Name) -> Result<RrsetKey, TakeoverError> {
    let marker = Marker::name_for(name).map_err(|why| TakeoverError::Name { name: name.clone(), why })?;
    Ok(RrsetKey::new(marker, RecordType::TXT))
}

/// The prerequisite that an RRset still is as it was read.
fn as_seen(key: &RrsetKey, seen: Option<&Rrset>) -> Prerequisite {
    match seen {
        Some(rrset) => Prerequisite::Exactly(key.clone(), rrset.clone()),
        None => Prerequisite::Absent(key.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::reconcile::ZonePolicy;

    fn name() -> Name {
        "h.internal.local".parse().unwrap()
    }

    fn a(host: u8) -> Rdata {
        Rdata::a([10, 0, 0, host].into())
    }

    fn zone(hosts: &[u8], marker: Option<&str>) -> Zone {
        let mut zone = Zone::empty("internal.local".parse().unwrap());
        hosts.iter().for_each(|&host| zone.insert(Record { name: name(), ttl: 300, rdata: a(host) }));
        if let Some(text) = marker {
            zone.insert(Record { name: Marker::name_for(&name()).unwrap(), ttl: 300, rdata: Rdata::txt([text]) });
        }
        zone
    }

    /// Nothing is desired, in a zone with these rules.
    fn nothing() -> Desired {
        let name = "internal.local".parse().unwrap();
        let policy = ZonePolicy { name, ttl: 300, max_records_per_rrset: 100, max_delete_percent: 30 };
        Desired::nothing([policy].into(), 0)
    }

    fn take(live: &Zone, mode: &AdoptMode) -> Result<Zone, TakeoverError> {
        let mut desired = nothing();
        let wanted = Rrset::new(300, [a(1), a(2)]).unwrap();
        desired.fixed.insert(name(), BTreeMap::from([(RecordType::A, wanted)]));
        let update = adopt(&"me".parse().unwrap(), &desired, live, &name(), mode)?;
        let mut after = live.clone();
        update.iter().flat_map(|update| &update.changes).for_each(|change| after.apply(change));
        Ok(after)
    }

    fn ours() -> Zone {
        zone(&[1, 2], Some("v=1 owner=me types=A"))
    }

    #[test]
    fn merging_never_loses_a_record() {
        assert_eq!(take(&zone(&[1], None), &AdoptMode::default()), Ok(ours()));
        let error = take(&zone(&[1, 9], None), &AdoptMode::default()).unwrap_err();
        assert!(error.to_string().contains("`h.internal.local. 300 IN A 10.0.0.9`"), "{error}");
    }

    #[test]
    fn replacing_makes_it_ours_whole() {
        let replace = AdoptMode { replace: true, from: None };
        assert_eq!(take(&zone(&[9], None), &replace), Ok(ours()));
        assert_eq!(take(&zone(&[9], Some("damaged")), &replace), Ok(ours()));
    }

    #[test]
    fn another_owner_must_be_named() {
        let theirs = zone(&[1], Some("v=1 owner=you types=A"));
        assert!(matches!(take(&theirs, &AdoptMode::default()), Err(TakeoverError::OtherOwner { .. })));
        let from = |owner: &str| AdoptMode { replace: false, from: Some(owner.parse().unwrap()) };
        assert_eq!(take(&theirs, &from("you")), Ok(ours()));
        assert!(matches!(take(&theirs, &from("him")), Err(TakeoverError::NotFrom { .. })));
        assert!(matches!(take(&zone(&[1], None), &from("you")), Err(TakeoverError::NotFrom { .. })));
    }

    #[test]
    fn what_was_seen_guards_the_update() {
        let mut desired = nothing();
        desired.fixed.insert(name(), BTreeMap::from([(RecordType::A, Rrset::new(300, [a(1)]).unwrap())]));
        let live = zone(&[1], None);
        let me = "me".parse().unwrap();
        let update = adopt(&me, &desired, &live, &name(), &AdoptMode::default()).unwrap().unwrap();
        let seen = live.rrset(&name(), RecordType::A).unwrap().clone();
        let marker = RrsetKey::new(Marker::name_for(&name()).unwrap(), RecordType::TXT);
        let expected = [
            Prerequisite::Absent(marker),
            Prerequisite::Exactly(RrsetKey::new(name(), RecordType::A), seen),
            Prerequisite::Absent(RrsetKey::new(name(), RecordType::CNAME)),
        ];
        assert_eq!(update.prerequisites, expected);
        let other: Name = "other.internal.local".parse().unwrap();
        let error = adopt(&me, &desired, &live, &other, &AdoptMode::default()).unwrap_err();
        assert_eq!(error, TakeoverError::NotDesired(other));
    }

    #[test]
    fn what_was_not_done_is_said() {
        let mut desired = nothing();
        desired.fixed.insert(name(), BTreeMap::from([(RecordType::A, Rrset::new(300, [a(1), a(2)]).unwrap())]));
        let me = "me".parse().unwrap();
        let adoption = adopt(&me, &desired, &zone(&[1], None), &name(), &AdoptMode::default()).unwrap().unwrap();
        let said = |update: &NameUpdate, after: &Zone| shortfall(update, after).map(|undone| undone.to_string());
        let marked = |hosts: &[u8]| zone(hosts, Some("v=1 owner=me types=A"));
        assert_eq!(said(&adoption, &ours()), None);
        let skipped = "the zone read back lacks `h.internal.local. 300 IN A 10.0.0.2`";
        assert_eq!(said(&adoption, &marked(&[1])).unwrap(), skipped);
        let other = format!("{skipped}, and has `h.internal.local. 300 IN A 10.0.0.9` instead");
        assert_eq!(said(&adoption, &marked(&[1, 9])).unwrap(), other);
        let mut aliased = marked(&[]);
        let alias = Rdata::from_wire(RecordType::CNAME, name().as_wire());
        aliased.insert(Record { name: name(), ttl: 60, rdata: alias });
        let said_of_alias = said(&adoption, &aliased).unwrap();
        assert!(said_of_alias.ends_with("has `h.internal.local. 60 IN CNAME h.internal.local.` instead"));
        let release = release(&me, &ours(), &name()).unwrap();
        assert_eq!(said(&release, &zone(&[1, 2], None)), None);
        assert!(said(&release, &ours()).unwrap().starts_with("the zone read back still has `_srvctl.h."));
    }

    #[test]
    fn releasing_removes_the_marker_and_nothing_else() {
        let update = release(&"me".parse().unwrap(), &ours(), &name()).unwrap();
        let mut after = ours();
        update.changes.iter().for_each(|change| after.apply(change));
        assert_eq!(after, zone(&[1, 2], None));
        assert!(release(&"you".parse().unwrap(), &ours(), &name()).is_err());
    }
}
