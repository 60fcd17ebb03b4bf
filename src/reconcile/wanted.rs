//! What every name shall hold, seen against the live zone: spread services go where the zone has room for them.

use std::collections::BTreeMap;

use super::desired::{Desired, Refusal};
use super::ownership;
use super::shards::{self, Resolved};
use crate::model::{Name, OwnerId, Rdata, RecordType, Rrset, Zone};

/// The RRsets wanted at one name.
pub(super) type Sets = BTreeMap<RecordType, Rrset>;

/// The desired set of a zone with its spread services resolved.
pub(super) struct Wanted<'a> {
    desired: &'a Desired,
    spread: Resolved,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(owner: &OwnerId, desired: &'a Desired, live: &Zone) -> Self {
        let spread = shards::resolve(live.origin(), desired, &ownership::owned_srv(owner, live));
        Self { desired, spread }
    }

    /// The same, seen as if `name` were ours already: what a spread service has there can stay there.
    pub(super) fn adopting(owner: &OwnerId, desired: &'a Desired, live: &Zone, name: &Name) -> Self {
        let mut ours = ownership::owned_srv(owner, live);
        ours.insert(name.clone(), live.rrset(name, RecordType::SRV));
        Self { desired, spread: shards::resolve(live.origin(), desired, &ours) }
    }

    /// Whether a record of a spread service is at another of the service's names, and stays there.
    pub(super) fn is_elsewhere(&self, live: &Zone, name: &Name, rdata: &Rdata) -> bool {
        let own_name = |name: &Name| shards::own_name_of(name, live.origin());
        let holds = |set: Option<&Rrset>| set.is_some_and(|set| set.contains(rdata));
        let siblings =
            self.spread.names.iter().filter(|(other, _)| *other != name && own_name(other) == own_name(name));
        siblings
            .filter(|(_, sets)| holds(sets.get(&RecordType::SRV)))
            .any(|(other, _)| holds(live.rrset(other, RecordType::SRV)))
    }

    /// Every name at which something is wanted or refused.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        let by_services = self.desired.names.keys().chain(self.desired.refused.keys());
        by_services.chain(self.spread.names.keys()).chain(self.spread.refused.keys())
    }

    /// What is wanted at a name; nothing when no service asks for anything there.
    pub(super) fn at(&self, name: &Name) -> &Sets {
        const NOTHING: &Sets = &BTreeMap::new();
        self.spread.names.get(name).or_else(|| self.desired.names.get(name)).unwrap_or(NOTHING)
    }

    /// Why nothing is published at a name that a service asks for.
    pub(super) fn refusal(&self, name: &Name) -> Option<&Refusal> {
        self.spread.refused.get(name).or_else(|| self.desired.refused.get(name))
    }

    /// Whether a name belongs to a refused service and stays as it is.
    pub(super) fn is_untouched(&self, name: &Name) -> bool {
        self.spread.untouched.contains(name)
    }
}
