//! The one path to DNS: read the zone, plan, push, read back. `plan`, `apply` and the daemon all come here.
//!
//! Decides nothing about records: that is [`crate::reconcile`].

use std::collections::BTreeMap;
use std::fmt;

use crate::dns::{DnsError, Primary, Pushed, RefusedName};
use crate::model::{Change, Name, OwnerId, Zone};
use crate::protocol::rcode::Rcode;
use crate::protocol::update::NameUpdate;
use crate::reconcile::{Desired, Guarded, Plan, PlanId, guard, plan};

/// How many rounds a cycle may take: one, one more for instances that move to another shard (published at the new
/// name first, taken from the old one then), and others because somebody else changed a name under it.
const ROUNDS: usize = 4;

/// A zone as it was read, and what must happen to it.
#[derive(Debug)]
pub struct Survey {
    /// The zone's content.
    pub live: Zone,
    /// What must happen.
    pub plan: Plan,
    /// What of it may be done now, and what is held for a person.
    pub guarded: Guarded,
}

impl Survey {
    fn due(&self, skip: &(dyn Fn(&NameUpdate) -> bool + Sync)) -> Vec<NameUpdate> {
        self.guarded.updates.iter().filter(|update| !skip(update)).cloned().collect()
    }
}

/// What a cycle did.
#[derive(Debug)]
pub struct Converged {
    /// What was planned at the start.
    pub planned: Plan,
    /// What was sent, over all rounds.
    pub pushed: Pushed,
    /// The zone as it was read back, and what is still to do: nothing, when all went well.
    pub left: Survey,
    /// Why it is still to do, name by name; names that were skipped or held are not here.
    pub unmet: Vec<Unmet>,
}

impl Converged {
    /// Whether everything desired is published.
    pub fn is_complete(&self) -> bool {
        self.left.plan.is_in_sync()
    }
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
    Refused(Rcode),
    /// The server said NOERROR and did something else.
    NotDone(Vec<String>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(rcode) => write!(f, "{rcode}: {}", rcode.explain_update()),
            Self::NotDone(lines) => write!(
                f,
                "the server accepted the update (NOERROR), but the zone read back still needs: {}. Look at \
                 `max-zone-ttl` (shortens TTLs), a quota in `update-policy` (skips records), or another writer",
                lines.join("; ")
            ),
        }
    }
}

/// One zone, who we are in it, and what it shall hold: everything that a cycle needs.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The zone and its server.
    pub primary: &'a Primary,
    /// Our identity in the markers.
    pub owner: &'a OwnerId,
    /// What the zone shall hold, of ours.
    pub desired: &'a Desired,
    /// The held plan that a person accepted.
    pub accepted: Option<PlanId>,
}

impl Job<'_> {
    /// Reads the zone, compares, and asks the guard.
    ///
    /// # Errors
    /// When the zone cannot be read whole.
    pub async fn survey(&self) -> Result<Survey, DnsError> {
        let live = self.primary.transfer().await?;
        let plan = plan(self.owner, self.desired, &live);
        let guarded = guard(&plan, self.desired, &live, self.accepted);
        Ok(Survey { live, plan, guarded })
    }

    /// Brings a surveyed zone to its desired state, as far as guard and server let us, and reads it back.
    /// Updates that `skip` names are left for another time.
    ///
    /// # Errors
    /// When an exchange fails. A time-out or a broken connection means "maybe done": the zone is read again,
    /// and only what is then still missing makes it an error.
    pub async fn converge(
        &self,
        first: Survey,
        skip: &(dyn Fn(&NameUpdate) -> bool + Sync),
    ) -> Result<Converged, DnsError> {
        let planned = first.plan.clone();
        let mut pushed = Pushed::default();
        let mut left = first;
        let mut sent_before = BTreeMap::new();
        for _ in 0..ROUNDS {
            let mut due = left.due(skip);
            due.retain(|update| is_worth_sending(update, &sent_before, &pushed));
            if due.is_empty() {
                break;
            }
            let sent = self.primary.push(&due).await;
            left = self.survey().await?;
            match sent {
                Ok(sent) => {
                    add(&mut pushed, sent, &due);
                    sent_before.extend(due.into_iter().map(|update| (update.name.clone(), update)));
                }
                Err(error) if !left.due(skip).is_empty() => return Err(error),
                Err(error) => {
                    tracing::warn!(zone = %self.primary.zone(), %error, "the update was made all the same");
                }
            }
        }
        let unmet = left.due(skip).iter().map(|update| unmet(update, &pushed)).collect();
        Ok(Converged { planned, pushed, left, unmet })
    }
}

/// What was sent and is still to do in the same way will not be done by sending it again, unless somebody else
/// got in between. What is to do in another way is the second half of a move.
fn is_worth_sending(update: &NameUpdate, sent_before: &BTreeMap<Name, NameUpdate>, pushed: &Pushed) -> bool {
    let lost_race = |refused: &RefusedName| refused.name == update.name && refused.rcode.is_lost_race();
    let sent = sent_before.get(&update.name);
    sent.is_none_or(|sent| sent.wish() != update.wish()) || pushed.refused.iter().any(lost_race)
}

fn add(total: &mut Pushed, round: Pushed, due: &[NameUpdate]) {
    total.messages += round.messages;
    total.deleted += round.deleted;
    total.added += round.added;
    // The last word about a name is that of the last round that sent it.
    total.refused.retain(|refused| !due.iter().any(|update| update.name == refused.name));
    total.refused.extend(round.refused);
}

fn unmet(update: &NameUpdate, pushed: &Pushed) -> Unmet {
    let refused = pushed.refused.iter().find(|refused| refused.name == update.name);
    let reason = refused.map_or_else(
        || Reason::NotDone(update.changes.iter().flat_map(Change::lines).map(|line| line.to_string()).collect()),
        |refused| Reason::Refused(refused.rcode),
    );
    Unmet { update: update.clone(), reason }
}
