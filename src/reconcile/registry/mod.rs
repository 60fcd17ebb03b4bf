//! What has been registered, and what may become of it: pure, so that the one who writes it down decides nothing.
//!
//! Every change is a list of [`Edit`]s, which can be taken back by exchanging their sides: what could not be made
//! durable is taken back, and so is what was only asked for.

mod check;
mod decide;
mod lease;
mod merge;
mod request;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use crate::model::{Configured, Edit, InstanceId, Name, Registration, ServiceKey};

pub use check::{check_amendment, check_id, check_import, check_offer, check_settings};
pub use decide::{Circumstances, Decision};
pub use lease::{Expiry, HeldLeases, MIN_LEASED, WINDOW};
pub use request::{
    Amendment, Document, Expected, Imported, Proposal, Refused, Request, WrittenInstance, WrittenService,
};

/// Everything that is registered.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    services: BTreeMap<ServiceKey, Registered>,
    /// Hosts that registrations give an address to, with how many do.
    addresses: BTreeMap<IpAddr, BTreeMap<Name, usize>>,
    /// What has to be renewed, by when.
    leases: BTreeSet<(u64, ServiceKey, InstanceId)>,
    /// Leases that ended of late: when on the service clock, and in which zone.
    ended: VecDeque<(u64, Name)>,
    /// The highest that was ever given out.
    revision: u64,
}

/// What is registered of one service.
#[derive(Debug, Clone, Default)]
pub struct Registered {
    /// What holds for all of it.
    pub settings: Option<Arc<Configured>>,
    /// Who offers it.
    pub instances: BTreeMap<InstanceId, Arc<Registration>>,
    endpoints: BTreeMap<(Name, u16), InstanceId>,
}

impl Registered {
    /// The instance with this host and port.
    pub fn at(&self, host: &Name, port: u16) -> Option<&InstanceId> {
        self.endpoints.get(&(host.clone(), port))
    }
}

impl Registry {
    /// What is registered of a service.
    pub fn service(&self, key: &ServiceKey) -> Option<&Registered> {
        self.services.get(key)
    }

    /// One instance.
    pub fn instance(&self, key: &ServiceKey, id: &InstanceId) -> Option<&Arc<Registration>> {
        self.services.get(key)?.instances.get(id)
    }

    /// Every service, in order.
    pub fn services(&self) -> impl Iterator<Item = (&ServiceKey, &Registered)> {
        self.services.iter()
    }

    /// Whether nothing is registered.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Whether anything has to be renewed.
    pub fn has_leases(&self) -> bool {
        !self.leases.is_empty()
    }

    /// How many have to be renewed.
    pub fn leased(&self) -> usize {
        self.leases.len()
    }

    /// Notes that revisions up to this one have been given out.
    pub fn has_given(&mut self, revision: u64) {
        self.revision = self.revision.max(revision);
    }

    /// Carries out a change that was decided.
    pub fn enact(&mut self, edit: &Edit) {
        match edit {
            Edit::Service { service, after, .. } => {
                self.revision = self.revision.max(after.as_ref().map_or(0, |after| after.revision));
                self.entry(service).settings.clone_from(after);
            }
            Edit::Instance { service, id, before, after } => {
                if let Some(before) = before {
                    self.leave(service, id, before);
                }
                if let Some(after) = after {
                    self.join(service, id, after);
                }
            }
        }
        let is_over = |registered: &Registered| registered.settings.is_none() && registered.instances.is_empty();
        if self.services.get(edit.service()).is_some_and(is_over) {
            self.services.remove(edit.service());
        }
    }

    /// Carries out the opposite.
    pub fn take_back(&mut self, edits: Vec<Edit>) {
        for edit in edits.into_iter().rev() {
            self.enact(&edit.reversed());
        }
    }

    fn entry(&mut self, service: &ServiceKey) -> &mut Registered {
        self.services.entry(service.clone()).or_default()
    }

    fn join(&mut self, service: &ServiceKey, id: &InstanceId, registration: &Arc<Registration>) {
        self.revision = self.revision.max(registration.revision);
        let offer = &registration.offer;
        for address in &offer.addresses {
            *self.addresses.entry(*address).or_default().entry(offer.host.clone()).or_default() += 1;
        }
        if let Some(due) = registration.due {
            self.leases.insert((due, service.clone(), id.clone()));
        }
        let registered = self.entry(service);
        registered.endpoints.insert((offer.host.clone(), offer.port.get()), id.clone());
        registered.instances.insert(id.clone(), Arc::clone(registration));
    }

    fn leave(&mut self, service: &ServiceKey, id: &InstanceId, registration: &Registration) {
        let offer = &registration.offer;
        for address in &offer.addresses {
            let Some(hosts) = self.addresses.get_mut(address) else { continue };
            if let Some(count) = hosts.get_mut(&offer.host) {
                *count -= 1;
                if *count == 0 {
                    hosts.remove(&offer.host);
                }
            }
            if hosts.is_empty() {
                self.addresses.remove(address);
            }
        }
        if let Some(due) = registration.due {
            self.leases.remove(&(due, service.clone(), id.clone()));
        }
        if let Some(registered) = self.services.get_mut(service) {
            registered.endpoints.remove(&(offer.host.clone(), offer.port.get()));
            registered.instances.remove(id);
        }
    }
}

#[cfg(test)]
mod tests;
