//! Leases: who does not renew goes, and never too many at once.
//!
//! The service clock counts the seconds in which somebody could have renewed, and stands still in all others: while the
//! daemon is down, and while nothing can be written.
//!
//! When many leases run out at about the same time, it is more likely that nobody could reach the daemon than that all
//! of them are dead. So the share of leases that may end within [`WINDOW`] is the share of records that a plan may remove,
//! and when more have run out, all of them stay until they are renewed or a person deregisters them.

use std::fmt;
use std::sync::Arc;

use super::Registry;
use crate::model::{Edit, InstanceId, Name, Registration, ServiceKey};
use crate::reconcile::ZonePolicy;

/// Over so many seconds of the service clock the ended leases are counted together.
pub const WINDOW: u64 = 3_600;

/// Below so many leases in a zone, a share says nothing.
pub const MIN_LEASED: usize = crate::reconcile::MIN_OWNED_RECORDS;

/// Leases that ran out, and are kept because they are too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLeases {
    /// In which zone.
    pub zone: Name,
    /// How many have run out.
    pub overdue: usize,
    /// How many leases there are.
    pub leased: usize,
    /// How many may end now.
    pub allowed: usize,
}

impl fmt::Display for HeldLeases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} leases in {} have run out, and {} may end within an hour (max_delete_percent): perhaps nobody \
             could reach the daemon, so all of them stay until they are renewed or deregistered \
             (`srvctl list --overdue`)",
            self.overdue, self.leased, self.zone, self.allowed
        )
    }
}

/// What became of leases that ran out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expiry {
    /// What ended. Already carried out.
    pub edits: Vec<Edit>,
    /// What is kept.
    pub held: Vec<HeldLeases>,
}

impl Registry {
    /// Ends the leases that ran out more than `grace` seconds ago.
    pub fn expire(&mut self, clock: u64, grace: u64, zones: &[ZonePolicy]) -> Expiry {
        while self.ended.front().is_some_and(|(when, _)| when + WINDOW <= clock) {
            self.ended.pop_front();
        }
        let mut expiry = Expiry::default();
        let overdue: Vec<_> = self.overdue(clock, grace).map(|(service, id)| (service.clone(), id.clone())).collect();
        if overdue.is_empty() {
            return expiry;
        }
        for zone in zones {
            let in_zone: Vec<_> = overdue.iter().filter(|(service, _)| service.zone == zone.name).collect();
            let leased = self.leases.iter().filter(|(_, service, _)| service.zone == zone.name).count();
            let ended = self.ended.iter().filter(|(_, ended)| *ended == zone.name).count();
            let allowed = allowed(leased, ended, zone.max_delete_percent);
            if in_zone.len() > allowed {
                expiry.held.push(HeldLeases { zone: zone.name.clone(), overdue: in_zone.len(), leased, allowed });
                continue;
            }
            for (service, id) in in_zone {
                let edit = Edit::Instance {
                    service: service.clone(),
                    id: id.clone(),
                    before: self.instance(service, id).cloned(),
                    after: None,
                };
                self.enact(&edit);
                self.ended.push_back((clock, zone.name.clone()));
                expiry.edits.push(edit);
            }
        }
        expiry
    }

    /// Gives every lease that has run out another term. Whoever opens the book does not know whether they could have been
    /// renewed: their zone may not have been managed.
    pub fn renew_overdue(&mut self, clock: u64) {
        let overdue: Vec<_> = self.overdue(clock, 0).map(|(service, id)| (service.clone(), id.clone())).collect();
        for (service, id) in overdue {
            let Some(before) = self.instance(&service, &id).cloned() else { continue };
            let due = before.offer.lease.map(|lease| clock + u64::from(lease));
            let after = Some(Arc::new(Registration { due, ..Registration::clone(&before) }));
            self.enact(&Edit::Instance { service, id, before: Some(before), after });
        }
    }

    /// Forgets that leases ended, since it could not be made durable.
    pub fn forget_ended(&mut self, count: usize) {
        self.ended.truncate(self.ended.len().saturating_sub(count));
    }

    /// Leases that ended before a restart: when, on the service clock, and in which zone, the oldest first.
    pub fn remember_ended(&mut self, ended: impl IntoIterator<Item = (u64, Name)>) {
        self.ended.extend(ended);
    }

    /// What should have been renewed more than `grace` seconds ago, the longest first.
    pub fn overdue(&self, clock: u64, grace: u64) -> impl Iterator<Item = (&ServiceKey, &InstanceId)> {
        let limit = clock.checked_sub(grace);
        let over = self.leases.iter().take_while(move |(due, ..)| limit.is_some_and(|limit| *due < limit));
        over.map(|(_, service, id)| (service, id))
    }
}

fn allowed(leased: usize, ended: usize, percent: u8) -> usize {
    let all = leased + ended;
    if all < MIN_LEASED {
        return usize::MAX;
    }
    (all * usize::from(percent) / 100).saturating_sub(ended)
}
