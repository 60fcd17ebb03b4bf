//! What came of something that was taken in: for the zones, the store, the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::decide::{Decision, Standing};
use super::track::Turn;
use super::{Track, Watched};
use crate::model::health::{Publication, Transition};
use crate::model::{InstanceId, Name, Service};

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// Changes of condition, in order.
    pub transitions: Vec<Transition>,
    /// Services that shall be published otherwise than before, and every checked one that was [`set`](super::Health::set).
    pub effective: BTreeMap<Name, Arc<Service>>,
    /// Services of which something else has to be remembered now.
    pub touched: BTreeSet<Name>,
    /// Instances that are not watched any more.
    pub forgotten: Vec<(Name, InstanceId)>,
    /// What people should read in the log.
    pub happenings: Vec<Happening>,
}

/// Something that changes what is published, or that keeps it from changing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// Something else became of an instance.
    Moved {
        /// Owner name of its service.
        service: Name,
        /// Which.
        instance: InstanceId,
        /// What had become of it.
        from: Publication,
        /// What became of it.
        to: Publication,
        /// Why it is as it is.
        reason: String,
    },
    /// Too few are healthy: everything of the service is published as it is offered.
    FloorHeld {
        /// Owner name of the service.
        service: Name,
        /// How many are healthy.
        healthy: usize,
        /// How many have to be.
        floor: usize,
        /// How many are checked.
        checked: usize,
    },
    /// The floor keeps nothing any more.
    FloorReleased {
        /// Owner name of the service.
        service: Name,
    },
}

impl News {
    /// Takes in what else came.
    pub fn extend(&mut self, other: Self) {
        self.transitions.extend(other.transitions);
        self.effective.extend(other.effective);
        self.touched.extend(other.touched);
        self.forgotten.extend(other.forgotten);
        self.happenings.extend(other.happenings);
    }

    pub(super) fn turned(&mut self, own_name: &Name, instance: &InstanceId, turn: Turn, at: u64) {
        let Turn { from, to, reason, latency_ms } = turn;
        let (service, instance) = (own_name.clone(), instance.clone());
        self.touched.insert(service.clone());
        self.transitions.push(Transition { at, service, instance, from, to, reason, latency_ms });
    }

    /// Compares what is decided with what `watched` had decided before.
    pub(super) fn decided(&mut self, own_name: &Name, watched: &Watched, standings: &[Standing], decision: &Decision) {
        let pairs = watched.instances.iter().zip(standings).zip(&decision.outcomes);
        let moved = pairs.filter(|(((_, track), _), outcome)| track.publication != outcome.publication);
        for (((id, track), standing), outcome) in moved {
            self.touched.insert(own_name.clone());
            let reason = if standing.maintained { "somebody works on its host" } else { Track::reason(track) };
            self.happenings.push(Happening::Moved {
                service: own_name.clone(),
                instance: id.clone(),
                from: track.publication,
                to: outcome.publication,
                reason: reason.to_owned(),
            });
        }
        let was_held = watched.any(|track| track.publication == Publication::HeldByFloor);
        let service = own_name.clone();
        match decision.floor {
            Some(floor) if decision.floor_held() && !was_held => {
                let Decision { healthy, checked, .. } = *decision;
                self.happenings.push(Happening::FloorHeld { service, healthy, floor, checked });
            }
            _ if was_held && !decision.floor_held() => self.happenings.push(Happening::FloorReleased { service }),
            _ => {}
        }
    }
}
