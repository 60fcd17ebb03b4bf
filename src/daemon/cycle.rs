//! The one path to DNS: read the zone, compare, push, read back. `plan`, `apply` and the daemon all come here.
//!
//! Decides nothing about records: that is [`crate::reconcile`].

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::dns::{DnsError, Pushed, RefusedName, Session};
use crate::model::{Change, Mismatch, Name, OwnerId, RecordType};
use crate::protocol::rcode::Rcode;
use crate::protocol::transfer::{Refreshed, Step};
use crate::protocol::update::NameUpdate;
use crate::reconcile::{Desired, Guarded, PlanId, Reconciler, guard};

/// How many rounds a cycle may take: one, one more for instances that move to another shard (published at the new
/// name first, taken from the old one then) and for what a service has for who browses (its lists are claimed first and
/// given up last), and others because somebody else changed a name under it.
const ROUNDS: usize = 4;
/// Names that are sent before the zone is read back: what comes back of so many has room in memory.
const NAMES_AT_ONCE: usize = 40_000;

/// Reads a whole zone and compares it with what it shall hold.
///
/// # Errors
/// When the zone cannot be read whole.
pub async fn survey(session: &mut Session, owner: OwnerId, desired: Desired) -> Result<Reconciler, DnsError> {
    Ok(Reconciler::new(owner, desired, session.transfer().await?))
}

/// How a zone was brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Nothing had changed.
    Unchanged,
    /// By what had changed.
    Changes,
    /// As a whole.
    Whole,
}

/// Brings what is known of a zone up to date: by what has changed since, or as a whole when that is not to be had.
///
/// # Errors
/// When the zone cannot be read. What is known of it stays as it was, or is known to be good for nothing any more: then
/// the next call reads the whole zone.
pub async fn refresh(session: &mut Session, reconciler: &mut Reconciler) -> Result<Reading, DnsError> {
    if reconciler.is_torn() {
        return reread(session, reconciler).await;
    }
    let held = reconciler.live().serial();
    match session.refresh(held).await? {
        Refreshed::UpToDate => return Ok(Reading::Unchanged),
        Refreshed::Steps(steps) => match advance(reconciler, &steps) {
            Ok(()) => return Ok(Reading::Changes),
            Err(mismatch) => tracing::error!(
                zone = %session.primary().zone(), held, to = steps.last().map(|step| step.to),
                "the difference that the primary sent does not fit the zone as it was known: {mismatch}. The whole zone \
                 is read anew"
            ),
        },
        Refreshed::Whole(zone) => {
            reconciler.replace_zone(zone);
            return Ok(Reading::Whole);
        }
        Refreshed::Behind(serial) => tracing::warn!(
            zone = %session.primary().zone(), held, serial,
            "the primary's serial went back: somebody set it anew, or restored an older zone. The whole zone is read anew"
        ),
        Refreshed::NotAvailable(_) => {}
    }
    reread(session, reconciler).await
}

async fn reread(session: &mut Session, reconciler: &mut Reconciler) -> Result<Reading, DnsError> {
    reconciler.replace_zone(session.transfer().await?);
    Ok(Reading::Whole)
}

fn advance(reconciler: &mut Reconciler, steps: &[Step]) -> Result<(), Mismatch> {
    for step in steps {
        reconciler.advance(&step.deleted, &step.added, &step.soa)?;
    }
    reconciler.examine();
    Ok(())
}

/// What a cycle did. What is still to do, the reconciler knows.
#[derive(Debug)]
pub struct Converged {
    /// What was sent, over all rounds.
    pub pushed: Pushed,
    /// What may be done of what is left, and what is held for a person.
    pub guarded: Guarded,
    /// Why it is still to do, name by name; names that were skipped or held are not here.
    pub unmet: Vec<Unmet>,
}

/// A name that did not reach its desired state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// What was to be done.
    pub update: NameUpdate,
    /// Why not.
    pub reason: Reason,
}

/// Why a name did not reach its desired state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The server refused the name's update.
    Refused {
        /// Its code.
        rcode: Rcode,
        /// Whether PTR records were to change: a key may be held to other types.
        has_pointers: bool,
    },
    /// The server said NOERROR and did something else.
    NotDone(Vec<String>),
    /// Every try met another state of the zone.
    Contested(Vec<String>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { rcode, has_pointers } => {
                write!(f, "{rcode}: {}", rcode.explain_update())?;
                if *has_pointers && *rcode == Rcode::REFUSED {
                    f.write_str(
                        ". PTR records are part of it, for `[service.browse]`: the key must be allowed that type too \
                         (`update-policy` of BIND, `update-type` of Knot DNS), or remove `[service.browse]`",
                    )?;
                }
                Ok(())
            }
            Self::NotDone(lines) => write!(
                f,
                "the server accepted the update (NOERROR), but the zone read back still needs: {}. Look at \
                 `max-zone-ttl` (shortens TTLs), a quota in `update-policy` (skips records), or another writer",
                lines.join("; ")
            ),
            Self::Contested(lines) => write!(
                f,
                "somebody else changed the name again and again while it was updated; it still needs: {}. Look for \
                 another writer: a second srvctl with the same owner, a DHCP server, a script",
                lines.join("; ")
            ),
        }
    }
}

/// How a cycle goes on: everything that is not the zone itself.
#[derive(Clone, Copy)]
pub struct Orders<'a> {
    /// The held plan that a person accepted.
    pub accepted: Option<PlanId>,
    /// Updates that are left for another time.
    pub skip: Option<&'a (dyn Fn(&NameUpdate) -> bool + Sync)>,
    /// Whether to leave off at the next good moment, because there is news or an end.
    pub interrupted: &'a (dyn Fn() -> bool + Sync),
    /// Told how the zone was read back, each time, before it is compared.
    pub has_read: &'a (dyn Fn(Reading, &mut Reconciler) + Sync),
    /// Told every update that was to be made at the start, before it is sent.
    pub sending: &'a (dyn Fn(&NameUpdate) + Sync),
}

impl Orders<'_> {
    /// Everything that the guard lets pass.
    pub fn all(accepted: Option<PlanId>) -> Self {
        Self { accepted, skip: None, interrupted: &|| false, has_read: &|_, _| (), sending: &|_| () }
    }

    fn skips(&self, update: &NameUpdate) -> bool {
        self.skip.is_some_and(|skip| skip(update))
    }
}

/// Brings a zone to its desired state, as far as guard and server let us, and reads it back.
///
/// # Errors
/// When an exchange fails. A time-out or a broken connection means "maybe done": the zone is read again,
/// and only what is then still missing makes it an error.
pub async fn converge(
    session: &mut Session,
    reconciler: &mut Reconciler,
    orders: Orders<'_>,
) -> Result<Converged, DnsError> {
    let mut pushed = Pushed::default();
    let mut sent = Sent::default();
    let mut guarded = guard(reconciler, orders.accepted);
    let mut unseen: BTreeSet<Name> = reconciler.pending().into_iter().collect();
    for _ in 0..ROUNDS {
        let mut names = guarded.names(reconciler);
        names.retain(|name| !reconciler.waits(name));
        if orders.skip.is_some() || !sent.0.is_empty() {
            let is_due = |update: NameUpdate| !orders.skips(&update) && sent.is_worth_sending(&update, &pushed);
            names.retain(|name| guarded.update(reconciler, name).is_some_and(is_due));
        }
        if names.is_empty() {
            break;
        }
        let mut sending = |update: &NameUpdate| {
            sent.note(update);
            if unseen.remove(&update.name) {
                (orders.sending)(update);
            }
        };
        let due = Due { guarded: &guarded, names: &names, orders };
        add(&mut pushed, due.send(session, reconciler, &mut sending).await?, &names);
        guarded = guard(reconciler, orders.accepted);
        if (orders.interrupted)() {
            return Ok(Converged { pushed, guarded, unmet: Vec::new() });
        }
    }
    let unmet = unmet(reconciler, &guarded, orders, &sent, &pushed);
    Ok(Converged { pushed, guarded, unmet })
}

/// What is to be sent in one round.
struct Due<'a> {
    guarded: &'a Guarded,
    names: &'a [Name],
    orders: Orders<'a>,
}

impl Due<'_> {
    /// Sends it in portions, and reads each back before the next. Updates are made as there is room for them under way,
    /// while the server works on those before. Leaves off when interrupted.
    ///
    /// # Errors
    /// As [`converge`].
    async fn send(
        &self,
        session: &mut Session,
        reconciler: &mut Reconciler,
        sending: &mut (dyn FnMut(&NameUpdate) + Send),
    ) -> Result<Pushed, DnsError> {
        let mut pushed = Pushed::default();
        for names in self.names.chunks(NAMES_AT_ONCE) {
            let updates = names.iter().filter_map(|name| self.guarded.update(reconciler, name));
            let result = session.push(updates.inspect(|update| sending(update))).await;
            if result.is_err() {
                session.settle().await?;
            }
            let reading = refresh(session, reconciler).await?;
            (self.orders.has_read)(reading, reconciler);
            match result {
                Ok(part) => pushed.extend(part),
                Err(error) if names.iter().any(|name| self.guarded.update(reconciler, name).is_some()) => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(zone = %session.primary().zone(), %error, "the update was made all the same");
                }
            }
            if (self.orders.interrupted)() {
                break;
            }
        }
        Ok(pushed)
    }
}

fn unmet(reconciler: &Reconciler, guarded: &Guarded, orders: Orders<'_>, sent: &Sent, pushed: &Pushed) -> Vec<Unmet> {
    // What waits for another name is told of by that.
    let left = guarded.due(reconciler).filter(|update| !orders.skips(update) && !reconciler.waits(&update.name));
    let unmet = |update: NameUpdate| {
        let refused = pushed.refused.iter().find(|refused| refused.name == update.name);
        let lines = || update.changes.iter().flat_map(Change::lines).map(|line| line.to_string()).collect();
        let reason = match refused {
            Some(refused) => Reason::Refused { rcode: refused.rcode, has_pointers: has_pointers(&update) },
            None if sent.was_sent(&update) => Reason::NotDone(lines()),
            None => Reason::Contested(lines()),
        };
        Unmet { update, reason }
    };
    left.map(unmet).collect()
}

fn has_pointers(update: &NameUpdate) -> bool {
    update.changes.iter().any(|change| change.key.record_type == RecordType::PTR)
}

/// The wishes that were sent, as digests: of a large plan they take little room.
#[derive(Default)]
struct Sent(HashMap<Name, u64>);

impl Sent {
    fn note(&mut self, update: &NameUpdate) {
        self.0.insert(update.name.clone(), digest(update));
    }

    fn was_sent(&self, update: &NameUpdate) -> bool {
        self.0.get(&update.name) == Some(&digest(update))
    }

    /// What was sent and is still to do in the same way will not be done by sending it again, unless somebody else
    /// got in between. What is to do in another way is the second half of a move.
    fn is_worth_sending(&self, update: &NameUpdate, pushed: &Pushed) -> bool {
        let lost_race = |refused: &RefusedName| refused.name == update.name && refused.rcode.is_lost_race();
        !self.was_sent(update) || pushed.refused.iter().any(lost_race)
    }
}

fn digest(update: &NameUpdate) -> u64 {
    let mut hasher = DefaultHasher::new();
    update.wish().hash(&mut hasher);
    hasher.finish()
}

fn add(total: &mut Pushed, round: Pushed, names: &[Name]) {
    // The last word about a name is that of the last round that sent it. They come in canonical order.
    total.refused.retain(|refused| names.binary_search(&refused.name).is_err());
    total.extend(round);
}
