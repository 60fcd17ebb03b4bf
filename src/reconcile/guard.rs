//! What must not happen without a person: plans that remove too much.
//!
//! An answer that empties a name makes Prometheus drop its targets at once, and no alert fires; so a plan that
//! would remove much is held until somebody accepts that very plan. The guard is a pure function of the plan:
//! it remembers nothing, and so it holds after a restart what it held before.

use std::fmt;
use std::str::FromStr;

use super::desired::Desired;
use super::plan::Plan;
use super::{shards, verdict};
use crate::model::{Change, MAX_SHARDS, Marker, Name, Rdata, RecordType, Rrset, RrsetKey, Zone};
use crate::protocol::update::NameUpdate;

/// Below so many owned records, a share says nothing: two of three are a small site's ordinary change.
pub const MIN_OWNED_RECORDS: usize = 10;

/// Identifies what a held plan would remove, so that accepting it accepts nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanId(u64);

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for PlanId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16);
        id.map(Self)
            .ok_or_else(|| format!("`{text}` is not a plan's id: 16 hexadecimal digits, as `srvctl plan` shows"))
    }
}

/// Why a plan is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldReason {
    /// It removes too large a share of what is ours.
    TooMuch {
        /// Records it removes.
        removed: usize,
        /// Records that are ours.
        owned: usize,
        /// The share allowed, percent.
        percent: u8,
    },
    /// Nothing is desired any more, and something is published.
    NothingDesired,
    /// A source brought nothing at all.
    MissingSource(String),
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMuch { removed, owned, percent } => write!(
                f,
                "it would remove {removed} of {owned} owned records, more than max_delete_percent = {percent} allows"
            ),
            Self::NothingDesired => f.write_str("no service is desired in this zone any more"),
            Self::MissingSource(source) => write!(f, "no file matches `{source}`: the source has gone missing"),
        }
    }
}

/// What is held back of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What to accept.
    pub id: PlanId,
    /// Why it is held.
    pub reasons: Vec<HoldReason>,
    /// How many records would be removed.
    pub removed: usize,
    /// Whether the plan's additions are made all the same.
    pub additions_proceed: bool,
}

/// What may be done of a plan now, and what is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// To be sent now.
    pub updates: Vec<NameUpdate>,
    /// Held back, when anything is.
    pub held: Option<Held>,
}

/// Judges a plan. `accepted` is the id that a person gave, if any.
///
/// Additions of a held plan proceed only when the rest would be held after them just the same: more owned
/// records make the same removals a smaller share, and a guard that its own additions open is none.
///
/// An instance of a spread service that leaves one name and is at another is moved, not removed.
pub fn guard(plan: &Plan, desired: &Desired, live: &Zone, accepted: Option<PlanId>) -> Guarded {
    let all = || Guarded { updates: plan.updates.clone(), held: None };
    let after = After { plan, live };
    let removals: Vec<_> = plan.updates.iter().filter_map(|update| after.removal(update)).collect();
    let removed: usize = removals.iter().map(|removal| removal.records).sum();
    if removed == 0 {
        return all();
    }
    let reasons = reasons(plan.owned_records, removed, desired);
    let id = id(&removals);
    if reasons.is_empty() || accepted == Some(id) {
        return all();
    }
    let additive: Vec<_> = plan.updates.iter().filter_map(|update| after.without_removals(update)).collect();
    let added: usize = additive.iter().flat_map(|update| &update.changes).map(growth).sum();
    let additions_proceed = !self::reasons(plan.owned_records + added, removed, desired).is_empty();
    let updates = if additions_proceed { additive } else { Vec::new() };
    Guarded { updates, held: Some(Held { id, reasons, removed, additions_proceed }) }
}

fn reasons(owned: usize, removed: usize, desired: &Desired) -> Vec<HoldReason> {
    let mut reasons: Vec<_> = desired.missing_sources.iter().cloned().map(HoldReason::MissingSource).collect();
    if desired.is_empty() {
        reasons.push(HoldReason::NothingDesired);
    }
    let percent = desired.max_delete_percent;
    if owned >= MIN_OWNED_RECORDS && removed * 100 > usize::from(percent) * owned {
        reasons.push(HoldReason::TooMuch { removed, owned, percent });
    }
    reasons
}

fn is_marker(change: &Change) -> bool {
    Marker::marked_name(&change.key.name).is_some() && change.key.record_type == RecordType::TXT
}

fn size(rrset: Option<&Rrset>) -> usize {
    rrset.map_or(0, |set| set.rdatas().len())
}

fn growth(change: &Change) -> usize {
    if is_marker(change) { 0 } else { size(change.after.as_ref()).saturating_sub(size(change.before.as_ref())) }
}

/// What one name loses.
struct Removal<'a> {
    update: &'a NameUpdate,
    records: usize,
}

/// The zone as it will be when the plan is made.
struct After<'a> {
    plan: &'a Plan,
    live: &'a Zone,
}

impl After<'_> {
    fn removal<'u>(&self, update: &'u NameUpdate) -> Option<Removal<'u>> {
        let records = update.changes.iter().map(|change| self.shrinkage(change)).sum();
        (records > 0).then_some(Removal { update, records })
    }

    /// Records that a change takes away on balance: one that comes in the place of another is a change, no removal.
    fn shrinkage(&self, change: &Change) -> usize {
        let fewer = size(change.before.as_ref()).saturating_sub(size(change.after.as_ref()));
        if fewer == 0 || is_marker(change) {
            return 0;
        }
        let elsewhere = self.other_shards(&change.key);
        let is_moved = |rdata: &&Rdata| elsewhere.iter().any(|set| has_instance(set, rdata));
        let moved = change.operations().0.into_iter().filter(is_moved).count();
        fewer.saturating_sub(moved)
    }

    /// The SRV records under the other names of the same service, those that are there now and afterwards.
    fn other_shards(&self, key: &RrsetKey) -> Vec<Rrset> {
        let zone = self.live.origin();
        let own_name = shards::own_name_of(&key.name, zone);
        let service = shards::key_of(&own_name, zone).filter(|_| key.record_type == RecordType::SRV);
        let Some(service) = service else { return Vec::new() };
        let names = (0..MAX_SHARDS).filter_map(|shard| service.shard_name(shard).ok());
        names.filter(|other| *other != key.name).filter_map(|other| self.staying(&other)).collect()
    }

    /// What a name's SRV set has now and keeps.
    fn staying(&self, name: &Name) -> Option<Rrset> {
        let now = self.live.rrset(name, RecordType::SRV)?;
        let update = self.plan.updates.binary_search_by(|update| update.name.cmp(name)).ok();
        let changes = update.map_or(&[][..], |at| &self.plan.updates[at].changes);
        let is_srv = |change: &&Change| change.key.name == *name && change.key.record_type == RecordType::SRV;
        match changes.iter().find(is_srv) {
            None => Some(now.clone()),
            Some(change) => {
                let after = change.after.as_ref()?;
                Rrset::new(now.ttl, now.rdatas().iter().filter(|rdata| has_instance(after, rdata)).cloned())
            }
        }
    }

    /// The same update with everything kept that it would take away; none when nothing is left to do.
    fn without_removals(&self, update: &NameUpdate) -> Option<NameUpdate> {
        if self.removal(update).is_none() {
            return Some(update.clone());
        }
        let changes: Vec<_> = update.changes.iter().filter_map(keeping).collect();
        let grows = changes.iter().any(|change| !is_marker(change));
        grows.then(|| NameUpdate { changes, ..update.clone() })
    }
}

/// Whether a set has a record with the same target and port.
fn has_instance(set: &Rrset, rdata: &Rdata) -> bool {
    set.rdatas().iter().any(|other| verdict::is_same_endpoint(other, rdata))
}

/// A digest of every record that the removals delete (FNV-1a, 64 bits): the same removals have the same id
/// whatever else the plan adds.
fn id(removals: &[Removal<'_>]) -> PlanId {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            digest = (digest ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3);
        }
    };
    let loses = |change: &&Change| !is_marker(change) && size(change.before.as_ref()) > size(change.after.as_ref());
    for change in removals.iter().flat_map(|removal| &removal.update.changes).filter(loses) {
        eat(change.key.name.as_wire());
        eat(&change.key.record_type.0.to_be_bytes());
        for rdata in change.operations().0 {
            eat(rdata.as_wire());
        }
    }
    PlanId(digest)
}

/// The change with what was there before kept.
fn keeping(change: &Change) -> Option<Change> {
    let (Some(before), Some(after)) = (&change.before, &change.after) else {
        return change.before.is_none().then(|| change.clone());
    };
    let rdatas = before.rdatas().iter().chain(after.rdatas());
    let kept = if is_marker(change) { both_types(before, after)? } else { Rrset::new(after.ttl, rdatas.cloned())? };
    Change::between(change.key.clone(), Some(before), Some(&kept))
}

/// A marker that names the types of both.
fn both_types(before: &Rrset, after: &Rrset) -> Option<Rrset> {
    let read = |set: &Rrset| Marker::from_rdata(set.rdatas().first()?).ok();
    let (mut before, after_marker) = (read(before)?, read(after)?);
    before.types.extend(after_marker.types);
    Rrset::new(after.ttl, [before.to_rdata()])
}

/// The names that a held plan would take records from, for people.
pub fn losing_names<'p>(plan: &'p Plan, live: &Zone) -> Vec<(&'p Name, usize)> {
    let after = After { plan, live };
    let removals = plan.updates.iter().filter_map(|update| after.removal(update));
    removals.map(|removal| (&removal.update.name, removal.records)).collect()
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
