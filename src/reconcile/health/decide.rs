//! What follows from the health of a service for what is published.
//!
//! Leaving an instance out is the dangerous step: whoever checks may be the one that is cut off, and then everything
//! seems to fail, at once or one after the other. So
//!
//! 1. Nothing follows from failures unless at least [`floor`](HealthPolicy::floor) checked instances are healthy. When
//!    fewer are, everything is published as it is offered, and what had been withdrawn comes back.
//! 2. An instance that failed `fall` times goes when so many others have passed *after* that (every check of theirs, in a
//!    probe that began later, and none failed since), and it then fails once more in a probe that began after these. Who is
//!    cut off sees nobody pass any more, in whatever order the probes come, and withdraws nobody at all; and when that
//!    is over, nobody is withdrawn for failures that came of it.
//! 3. When most of what is checked anywhere is in trouble at the same time, nobody else is withdrawn.
//! 4. What passes on the machine of whoever checks passes when that is cut off, too. So what fails elsewhere goes only when
//!    anything elsewhere, of whatever service, has passed after it was sure to fail. Of a pair with one here and one there,
//!    the one there never goes for want of a network.
//!
//! Who is withdrawn stays so until it passes again, or rule 1 brings it back. Instances that are not checked, or of which
//! nothing is known, are published, and are nobody's reason to leave another out.

use std::sync::Arc;

use crate::model::health::Publication;
use crate::model::{Condition, HealthPolicy, Service};

/// One instance as the decision sees it. Times are milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether anything is checked of it.
    pub checked: bool,
    /// How it is.
    pub condition: Condition,
    /// Why it may be withdrawn. None when it was not seen failing often enough since the daemon started.
    pub grounds: Option<Grounds>,
    /// When enough others were known to have passed since it was sure to fail; what [`Outcome`] said last.
    pub seconded: Option<u64>,
    /// When the oldest of its checks' last results began, when they all passed.
    pub firm_at: Option<u64>,
    /// Whether somebody works on its host: it goes as if it failed, without waiting for failures.
    pub maintained: bool,
    /// What was decided last.
    pub before: Publication,
}

/// The failures in a row that make an instance failing. Times are milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grounds {
    /// When there were enough of them.
    pub sure_at: u64,
    /// When the probe began that failed last.
    pub failed_from: u64,
    /// Whether one of them is known not to have left the machine of whoever checks: no network explains it.
    pub is_near: bool,
}

impl Grounds {
    /// Whether a network that is down may be all there is to it. `reached` is when the last probe began that passed elsewhere.
    pub(super) fn may_be_the_network(&self, reached: Option<u64>) -> bool {
        !self.is_near && reached.is_none_or(|reached| reached <= self.sure_at)
    }

    /// Of an instance that was to count as failing from the start, and never passed: others have to pass, and that is all.
    pub(super) const INITIAL: Self = Self { sure_at: 0, failed_from: u64::MAX, is_near: true };
}

/// What becomes of one instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// In what is published.
    pub publication: Publication,
    /// For the next decision about it, see `Standing::seconded`.
    pub seconded: Option<u64>,
    /// How it is, where that is told to who browses.
    pub told: Option<Condition>,
}

/// What holds for a service beside its instances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Whether most of what is checked anywhere is in trouble at the same time.
    pub isolated: bool,
    /// Whether somebody works on the service as a whole: nobody is newly withdrawn meanwhile.
    pub maintained: bool,
    /// When the last probe began that passed elsewhere than on the machine of whoever checks, milliseconds since 1970.
    pub reached: Option<u64>,
    /// What time it is, milliseconds since 1970.
    pub now: u64,
}

/// What was decided for a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of each instance, in their order.
    pub outcomes: Vec<Outcome>,
    /// How many are checked.
    pub checked: usize,
    /// How many of these are healthy.
    pub healthy: usize,
    /// How many have to be; none when nothing ever follows.
    pub floor: Option<usize>,
}

impl Decision {
    /// Whether the floor keeps something published that fails.
    pub fn floor_held(&self) -> bool {
        self.count(Publication::HeldByFloor) > 0
    }

    /// How many instances this became of.
    pub fn count(&self, publication: Publication) -> usize {
        self.outcomes.iter().filter(|found| found.publication == publication).count()
    }
}

/// Decides what becomes of each instance of a service.
pub fn decide(policy: HealthPolicy, instances: &[Standing], surroundings: Surroundings) -> Decision {
    let checked = instances.iter().filter(|instance| instance.checked).count();
    let healthy: Vec<_> = instances.iter().filter(|instance| instance.is_healthy()).collect();
    let mut decision = Decision {
        outcomes: vec![Outcome::default(); instances.len()],
        checked,
        healthy: healthy.len(),
        floor: policy.floor(checked),
    };
    let Some(floor) = decision.floor else { return decision };
    let mut seen: Vec<_> = healthy.iter().filter_map(|instance| instance.firm_at).collect();
    seen.sort_unstable();
    // So many others were seen passing at this time or later.
    let enough_since = seen.len().checked_sub(floor).map(|at| seen[at]);
    let out = if matches!(policy, HealthPolicy::Withdraw { .. }) {
        Publication::Withdrawn
    } else {
        Publication::Deprioritised
    };
    for (instance, outcome) in instances.iter().zip(&mut decision.outcomes).filter(|(instance, _)| instance.is_to_go())
    {
        outcome.publication = if healthy.len() < floor {
            Publication::HeldByFloor
        } else if instance.before == out || instance.before == Publication::Withdrawn {
            out // what was only moved behind the others is not gone by another policy alone
        } else if surroundings.isolated || surroundings.maintained {
            Publication::Awaiting
        } else if instance.maintained {
            out
        } else {
            match instance.seconded(enough_since, surroundings) {
                Seconded::Enough => out,
                Seconded::At(at) => {
                    outcome.seconded = at;
                    Publication::Awaiting
                }
            }
        };
    }
    decision
}

enum Seconded {
    /// Others have passed, and it has failed again.
    Enough,
    /// Since when others have.
    At(Option<u64>),
}

impl Standing {
    /// Whether it is a reason to leave others out.
    fn is_healthy(&self) -> bool {
        self.checked && self.condition == Condition::Passing && !self.maintained
    }

    /// Whether others have passed since it is sure that it fails, and it has failed again after that.
    fn seconded(&self, enough_since: Option<u64>, Surroundings { reached, now, .. }: Surroundings) -> Seconded {
        let is_enough =
            |(grounds, since): &(Grounds, u64)| *since > grounds.sure_at && !grounds.may_be_the_network(reached);
        let Some((grounds, since)) = self.grounds.zip(enough_since).filter(is_enough) else {
            return Seconded::At(None);
        };
        // Results may come a moment out of order.
        let seconded = self.seconded.filter(|at| *at > grounds.sure_at).unwrap_or(now.max(since));
        if grounds.failed_from > seconded { Seconded::Enough } else { Seconded::At(Some(seconded)) }
    }

    fn is_to_go(&self) -> bool {
        self.condition == Condition::Failing || self.maintained
    }
}

/// What of an outcome is seen in what is published.
fn effect(outcome: &Outcome) -> Option<Publication> {
    let publication = outcome.publication;
    matches!(publication, Publication::Withdrawn | Publication::Deprioritised).then_some(publication)
}

/// Whether a service is published the same way after two decisions.
pub(super) fn has_same_effect(one: &[Outcome], other: &[Outcome]) -> bool {
    let seen = |outcome: &Outcome| (effect(outcome), outcome.told);
    one.iter().map(seen).eq(other.iter().map(seen))
}

/// The service as it shall be published: the same one when nothing is changed about it. Withdrawn instances are still in
/// it, see [`Instance::withdrawn`](crate::model::Instance::withdrawn).
///
/// `outcomes` belong to its instances, in their order.
pub fn effective(service: &Arc<Service>, outcomes: &[Outcome]) -> Arc<Service> {
    if outcomes.iter().all(|outcome| effect(outcome).is_none() && outcome.told.is_none()) {
        return Arc::clone(service);
    }
    let mut changed = Service::clone(service);
    for (instance, outcome) in changed.instances.iter_mut().zip(outcomes) {
        instance.condition = outcome.told;
        match (outcome.publication, service.health) {
            (Publication::Withdrawn, _) => instance.withdrawn = true,
            (Publication::Deprioritised, HealthPolicy::Deprioritise { priority, weight }) => {
                instance.priority = instance.priority.max(priority.unwrap_or(0));
                instance.weight = instance.weight.min(weight.unwrap_or(u16::MAX));
            }
            _ => {}
        }
    }
    Arc::new(changed)
}
