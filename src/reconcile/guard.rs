//! What must not happen without a person: plans that remove too much.
//!
//! An answer that empties a name makes Prometheus drop its targets at once, and no alert fires; so a plan that
//! would remove much is held until somebody accepts that very plan. The guard is a pure function of the plan:
//! it remembers nothing, and so it holds after a restart what it held before.

use std::fmt;
use std::str::FromStr;

use super::browse;
use super::desired::Desired;
use super::ownership::is_marker;
use super::reconciler::Reconciler;
use super::{shards, verdict};
use crate::model::{Change, MAX_SHARDS, Marker, Name, Rdata, RecordType, Rrset, RrsetKey};
use crate::protocol::update::{self, NameUpdate};
use crate::protocol::wire;

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
    MissingSource(MissingSource),
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMuch { removed, owned, percent } => write!(
                f,
                "it would remove {removed} of {owned} owned records, more than max_delete_percent = {percent} allows"
            ),
            Self::NothingDesired => f.write_str("no service is desired in this zone any more"),
            Self::MissingSource(source) => write!(f, "{source}"),
        }
    }
}

/// A source of services that may have gone missing: then removals are for a person to accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MissingSource {
    /// A pattern that no file matches.
    Files(String),
    /// Registrations that cannot be read, and why.
    Registrations(String),
    /// Registrations of which nothing has been published in this zone yet, because their database is new.
    NewRegistrations,
}

impl fmt::Display for MissingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(pattern) => write!(
                f,
                "no file matches `{pattern}`: perhaps the source has gone missing, so every removal waits until a file \
                 is there or the plan is accepted by its id; if nothing belongs there, remove the pattern from \
                 `services`"
            ),
            Self::Registrations(why) => write!(f, "what is registered is not known, so every removal waits: {why}"),
            Self::NewRegistrations => f.write_str(
                "the database of registrations is new, and something is published that neither it nor a service file \
                 has: perhaps an older database has gone missing, so every removal waits until that is back or \
                 imported, or the plan is accepted by its id",
            ),
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
    /// Names whose additions wait all the same: there is no room for them beside what is to go.
    pub full: Vec<Name>,
}

impl Held {
    /// Why it is held, in one line.
    pub fn why(&self) -> String {
        self.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }
}

/// What may be done of a plan now, and what is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    allowed: Allowed,
    /// Held back, when anything is.
    pub held: Option<Held>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Everything,
    Additions,
    Nothing,
}

impl Guarded {
    /// The names at which something may be done now, in canonical order.
    pub fn names(&self, reconciler: &Reconciler) -> Vec<Name> {
        match self.allowed {
            Allowed::Everything => reconciler.pending(),
            Allowed::Additions => self.due(reconciler).map(|update| update.name).collect(),
            Allowed::Nothing => Vec::new(),
        }
    }

    /// What may be done now at a name.
    pub fn update(&self, reconciler: &Reconciler, name: &Name) -> Option<NameUpdate> {
        match self.allowed {
            Allowed::Everything => reconciler.update(name),
            Allowed::Additions => After(reconciler).without_removals(reconciler.update(name)?),
            Allowed::Nothing => None,
        }
    }

    /// What may be done now, in canonical order of names, made one by one as it is asked for.
    pub fn due<'r>(&'r self, reconciler: &'r Reconciler) -> impl Iterator<Item = NameUpdate> + 'r {
        reconciler.pending().into_iter().filter_map(|name| self.update(reconciler, &name))
    }
}

/// Judges what is to do. `accepted` is the id that a person gave, if any.
///
/// Additions of a held plan proceed only when the rest would be held after them just the same: more owned
/// records make the same removals a smaller share, and a guard that its own additions open is none.
///
/// An instance of a spread service that leaves one name and is at another is moved, not removed.
pub fn guard(reconciler: &Reconciler, accepted: Option<PlanId>) -> Guarded {
    let everything = Guarded { allowed: Allowed::Everything, held: None };
    let (mut removed, mut gives_up, mut digest) = (0, false, Digest::new());
    let is_missing = After(reconciler).is_missing();
    for update in reconciler.deleting() {
        let records = After(reconciler).removed_by(&update);
        removed += records;
        // What is there for who browses does not count, and is not to go with a source either.
        let is_given_up = is_missing && After(reconciler).gives_up(&update);
        gives_up |= is_given_up;
        if records > 0 || is_given_up {
            digest.eat_removals(&update);
        }
    }
    if removed == 0 && !gives_up {
        return everything;
    }
    let (owned, desired) = (reconciler.guarded_records(), reconciler.desired());
    let reasons = reasons(owned, removed, desired);
    let id = PlanId(digest.0);
    if reasons.is_empty() || accepted == Some(id) {
        return everything;
    }
    let additions = Guarded { allowed: Allowed::Additions, held: None };
    let zone = reconciler.live().origin();
    let added: usize = additions.due(reconciler).map(|update| growth(&update, zone)).sum();
    let additions_proceed = !self::reasons(owned + added, removed, desired).is_empty();
    let allowed = if additions_proceed { Allowed::Additions } else { Allowed::Nothing };
    let full = if additions_proceed { After(reconciler).full() } else { Vec::new() };
    Guarded { allowed, held: Some(Held { id, reasons, removed, additions_proceed, full }) }
}

fn reasons(owned: usize, removed: usize, desired: &Desired) -> Vec<HoldReason> {
    let mut reasons: Vec<_> = desired.missing_sources.iter().cloned().map(HoldReason::MissingSource).collect();
    if desired.is_empty() {
        reasons.push(HoldReason::NothingDesired);
    }
    let percent = desired.policy().max_delete_percent;
    if owned >= MIN_OWNED_RECORDS && removed * 100 > usize::from(percent) * owned {
        reasons.push(HoldReason::TooMuch { removed, owned, percent });
    }
    reasons
}

fn size(rrset: Option<&Rrset>) -> usize {
    rrset.map_or(0, |set| set.rdatas().len())
}

/// Whether a change counts neither as a removal nor as an addition. Beside markers that is what a service has for who
/// browses: it comes and goes with the SRV record of the instance, which counts, and counted with it a small service
/// would seem large and every removal four.
fn is_uncounted(change: &Change, zone: &Name) -> bool {
    is_marker(change) || browse::is_uncounted(&change.key.name, change.key.record_type, zone)
}

/// By how many records more a name holds afterwards.
fn growth(update: &NameUpdate, zone: &Name) -> usize {
    let grows = |change: &Change| size(change.after.as_ref()).saturating_sub(size(change.before.as_ref()));
    update.changes.iter().filter(|change| !is_uncounted(change, zone)).map(grows).sum()
}

/// The zone as it will be when the plan is made.
struct After<'r>(&'r Reconciler);

impl After<'_> {
    /// How many records an update removes.
    fn removed_by(&self, update: &NameUpdate) -> usize {
        update.changes.iter().map(|change| self.shrinkage(change)).sum()
    }

    /// Records that a change takes away.
    ///
    /// A target that goes is removed, whatever comes in its place: Prometheus drops it, and a list of other hosts is
    /// as good as none when the list is wrong. Another port, priority or weight on the same host is a change. Of
    /// addresses and texts only a smaller number counts: the host or the service is there afterwards.
    fn shrinkage(&self, change: &Change) -> usize {
        if is_uncounted(change, self.0.live().origin()) {
            return 0;
        }
        match change.key.record_type {
            RecordType::SRV => {}
            RecordType::A | RecordType::AAAA if self.is_missing() => return change.operations().0.len(),
            _ => return size(change.before.as_ref()).saturating_sub(size(change.after.as_ref())),
        }
        let mut unreplaced = self.unreplaced(change);
        if !unreplaced.is_empty() {
            let elsewhere = self.other_shards(&change.key);
            unreplaced.retain(|gone| !elsewhere.iter().any(|set| has_instance(set, gone)));
        }
        unreplaced.len()
    }

    fn is_missing(&self) -> bool {
        !self.0.desired().missing_sources.is_empty()
    }

    /// The SRV records that go without another in their place. Where something may have gone missing, nothing counts as
    /// come in its place.
    fn unreplaced<'c>(&self, change: &'c Change) -> Vec<&'c Rdata> {
        let (gone, mut new) = change.operations();
        let is_missing = self.is_missing();
        let mut is_replaced = |gone: &Rdata| {
            if is_missing {
                new.iter().any(|new| verdict::is_same_endpoint(new, gone))
            } else {
                takes_place(&mut new, gone)
            }
        };
        gone.into_iter().filter(|gone| !is_replaced(gone)).collect()
    }

    /// The SRV records under the other names of the same service, those that are there now and afterwards.
    fn other_shards(&self, key: &RrsetKey) -> Vec<Rrset> {
        let zone = self.0.live().origin();
        let service = shards::key_of(&shards::own_name_of(&key.name, zone), zone);
        let names = (0..MAX_SHARDS).filter_map(|shard| service.as_ref()?.shard_name(shard).ok());
        names.filter(|other| *other != key.name).filter_map(|other| self.staying(&other)).collect()
    }

    /// What a name's SRV set has now and keeps.
    fn staying(&self, name: &Name) -> Option<Rrset> {
        let now = self.0.live().rrset(name, RecordType::SRV)?;
        let Some(update) = self.0.update(name) else { return Some(now) };
        let is_srv = |change: &&Change| change.key.name == *name && change.key.record_type == RecordType::SRV;
        let Some(change) = update.changes.iter().find(is_srv) else { return Some(now) };
        let after = change.after.as_ref()?;
        Rrset::new(now.ttl, now.rdatas().iter().filter(|rdata| has_instance(after, rdata)).cloned())
    }

    /// The same update with everything kept that it would take away; none when nothing is left to do, or when there
    /// is no room for both.
    fn without_removals(&self, update: NameUpdate) -> Option<NameUpdate> {
        if self.removed_by(&update) == 0 {
            if !self.gives_up(&update) {
                return self.lists_have_room(&update).then_some(update);
            }
            // An instance stays as a whole. A list may take more, and the SRV set beside it too.
            if browse::is_instance(&update.name, self.0.live().origin()) {
                return None;
            }
        }
        let kept = additive(update)?;
        self.has_room(&kept).then_some(kept)
    }

    /// Whether an update takes an instance, or what points to it, from who browses, or has it lead elsewhere: that waits
    /// with the SRV record of the service.
    fn gives_up(&self, update: &NameUpdate) -> bool {
        let zone = self.0.live().origin();
        let is_given_up = |change: &Change| match change.key.record_type {
            _ if is_marker(change) || !browse::is_uncounted(&change.key.name, change.key.record_type, zone) => false,
            RecordType::PTR => !change.operations().0.is_empty(),
            RecordType::SRV => !self.unreplaced(change).is_empty(),
            _ => change.after.is_none(),
        };
        update.changes.iter().any(is_given_up)
    }

    /// Whether the lists that an instance is added to have room for all that shall be there beside all that is.
    fn lists_have_room(&self, update: &NameUpdate) -> bool {
        let limit = self.0.desired().policy().max_records_per_rrset;
        let together = |key: &RrsetKey| {
            let now = self.0.live().rrset(&key.name, key.record_type);
            let wanted = self.0.desired().at(&key.name).remove(&key.record_type);
            size(wanted.as_ref()) + now.map_or(0, |now| now.minus(wanted.as_ref()).count())
        };
        let lists = update.changes.iter().filter(|change| change.key.record_type == RecordType::PTR);
        lists.into_iter().all(|change| together(&change.key) <= limit)
    }

    /// Whether what an update leaves at its name can be published.
    fn has_room(&self, update: &NameUpdate) -> bool {
        let limit = self.0.desired().policy().max_records_per_rrset;
        let sets = update.changes.iter().filter_map(|change| change.after.as_ref());
        let servable = |set: &Rrset| {
            set.rdatas().len() <= limit && update::answer_len(&update.name, set.rdatas()) <= wire::MAX_MESSAGE
        };
        sets.into_iter().all(servable) && update::fits(self.0.live().origin(), update)
    }

    /// Names that wait as a whole, because what is there and what is to come do not fit together.
    fn full(&self) -> Vec<Name> {
        let removing = self.0.deleting().filter(|update| self.removed_by(update) > 0);
        removing.filter_map(additive).filter(|kept| !self.has_room(kept)).map(|kept| kept.name).collect()
    }
}

/// The update with everything kept; none when nothing is added then.
fn additive(update: NameUpdate) -> Option<NameUpdate> {
    let changes: Vec<_> = update.changes.iter().filter_map(keeping).collect();
    let grows = changes.iter().any(|change| !is_marker(change));
    grows.then_some(NameUpdate { changes, ..update })
}

/// Takes a record out of the new ones that is about the same target.
fn takes_place(new: &mut Vec<&Rdata>, gone: &Rdata) -> bool {
    let is_about = |new: &&Rdata| {
        new.srv_target().zip(gone.srv_target()).is_some_and(|(new, gone)| new.eq_ignore_ascii_case(gone))
    };
    let at = new.iter().position(is_about);
    at.map(|at| new.swap_remove(at)).is_some()
}

/// Whether a set has a record with the same target and port.
fn has_instance(set: &Rrset, rdata: &Rdata) -> bool {
    set.rdatas().iter().any(|other| verdict::is_same_endpoint(other, rdata))
}

/// A digest of every record that the removals delete (FNV-1a, 64 bits): the same removals have the same id
/// whatever else the plan adds.
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn eat(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn eat_removals(&mut self, update: &NameUpdate) {
        for change in update.changes.iter().filter(|change| !is_marker(change)) {
            let deletes = change.operations().0;
            if deletes.is_empty() {
                continue;
            }
            self.eat(change.key.name.as_wire());
            self.eat(&change.key.record_type.0.to_be_bytes());
            deletes.into_iter().for_each(|rdata| self.eat(rdata.as_wire()));
        }
    }
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

/// The names that a held plan would take records from, and how many, for people.
pub fn losing_names(reconciler: &Reconciler) -> Vec<(Name, usize)> {
    let removed = reconciler.deleting().map(|update| (After(reconciler).removed_by(&update), update.name));
    removed.filter(|(records, _)| *records > 0).map(|(records, name)| (name, records)).collect()
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
