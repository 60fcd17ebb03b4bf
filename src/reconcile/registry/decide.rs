//! What becomes of a request: the changes that it makes, or why it is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::request::{Amendment, Expected, Imported, Refused, Request};
use super::{Registered, Registry};
use crate::model::rules::{self, Refusal};
use crate::model::{
    Access, Action, Catalogue, Configured, Edit, Instance, InstanceId, MAX_SHARDS, Name, Offer, Place, Principal,
    Registration, Service, ServiceKey, Settings, Shards,
};
use crate::reconcile::{ZonePolicy, desired};

/// So many SRV records fit into one message whatever they are called: 273 bytes each at most.
const ALWAYS_FIT: usize = 100;

/// Everything that a decision depends on besides what is registered.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Who asks.
    pub who: &'a Principal,
    /// Seconds since 1970.
    pub now: u64,
    /// Seconds on the service clock.
    pub clock: u64,
    /// The services of the service files.
    pub files: &'a Catalogue,
    /// The managed zones.
    pub zones: &'a [ZonePolicy],
}

impl Circumstances<'_> {
    /// The managed zone that a host lies in.
    fn zone_of(&self, host: &Name) -> Option<&Name> {
        desired::zone_of(host, self.zones).map(|index| &self.zones[index].name)
    }

    fn has_host(&self, host: &Name) -> bool {
        self.who.has_host(host, self.zone_of(host))
    }
}

/// What a request comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// For the journal.
    pub action: Action,
    /// What changes, in order. Already carried out.
    pub edits: Vec<Edit>,
    /// The instance that was asked for, as it was.
    pub before: Option<Arc<Registration>>,
    /// As it is now.
    pub after: Option<Arc<Registration>>,
}

impl Decision {
    /// Whether anything changes other than the time until which something has to be renewed.
    pub fn changed(&self) -> bool {
        self.edits.iter().any(|edit| !edit.is_renewal())
    }
}

type Found<'a> = Option<&'a Arc<Registration>>;

/// Which instance.
#[derive(Clone, Copy)]
struct Key<'a> {
    service: &'a ServiceKey,
    id: &'a InstanceId,
}

impl Registry {
    /// Makes what is asked for, all of it or nothing.
    ///
    /// # Errors
    /// When it may not be, cannot be, or is not expected to be made.
    pub fn make(&mut self, request: &Request, at: Circumstances<'_>) -> Result<Decision, Refused> {
        match request {
            Request::Register { service, id, offer, expected } => {
                self.register(Key { service, id }, offer, *expected, at)
            }
            Request::Set { service, id, amendment, expected } => {
                self.set(Key { service, id }, amendment, *expected, at)
            }
            Request::Deregister { service, id, expected } => {
                permit_change(at.who, service)?;
                let edits = self.deregistration(Key { service, id }, *expected, at)?.into_iter().collect();
                Ok(self.made(Action::Deregister, edits))
            }
            Request::Remove { service } => {
                permit_change(at.who, service)?;
                let edits = self.removal(service, at)?;
                Ok(self.made(Action::Deregister, edits))
            }
            Request::Renew { service, id } => {
                permit_change(at.who, service)?;
                let found = self.instance(service, id).cloned().ok_or_else(|| not_registered(service, id))?;
                permit_host(at, service, &found.offer.host)?;
                let edit = renewal(Key { service, id }, &found, at);
                Ok(self.made_of(Action::Register, found, edit))
            }
            Request::Configure { service, settings, expected } => {
                permit_change(at.who, service)?;
                let edits = self.configuration(service, settings, *expected, at)?.into_iter().collect();
                Ok(self.made(Action::Configure, edits))
            }
            Request::Import { services, replace } => {
                let mut edits = Vec::new();
                match self.import(services, *replace, at, &mut edits) {
                    Ok(()) => Ok(Decision { action: Action::Import, edits, before: None, after: None }),
                    Err(refused) => {
                        self.take_back(edits);
                        Err(refused)
                    }
                }
            }
        }
    }

    /// Carries out what was decided.
    fn made(&mut self, action: Action, edits: Vec<Edit>) -> Decision {
        for edit in &edits {
            self.enact(edit);
        }
        let (before, after) = match &edits[..] {
            [Edit::Instance { before, after, .. }] => (before.clone(), after.clone()),
            _ => (None, None),
        };
        Decision { action, edits, before, after }
    }

    /// The same for an instance that is there already, and perhaps stays as it is.
    fn made_of(&mut self, action: Action, found: Arc<Registration>, edit: Option<Edit>) -> Decision {
        match edit {
            Some(edit) => self.made(action, vec![edit]),
            None => Decision { action, edits: Vec::new(), before: Some(Arc::clone(&found)), after: Some(found) },
        }
    }

    fn register(
        &mut self,
        key: Key<'_>,
        offer: &Offer,
        expected: Expected,
        at: Circumstances<'_>,
    ) -> Result<Decision, Refused> {
        let Key { service, id } = key;
        let found = self.instance(service, id).cloned();
        let edit = self.registration(key, offer, expected, at)?;
        Ok(match found {
            Some(found) => self.made_of(Action::Register, found, edit),
            None => self.made(Action::Register, edit.into_iter().collect()),
        })
    }

    fn registration(
        &self,
        key: Key<'_>,
        offer: &Offer,
        expected: Expected,
        at: Circumstances<'_>,
    ) -> Result<Option<Edit>, Refused> {
        let Key { service, id } = key;
        permit_change(at.who, service)?;
        permit_host(at, service, &offer.host)?;
        let found = self.instance(service, id);
        if let Some(found) = found {
            permit_host(at, service, &found.offer.host)?;
        }
        meets(expected, found.map(|found| found.revision), id.as_str())?;
        if id.endpoint().is_some() && *id != InstanceId::of(&offer.host, offer.port) {
            let message = format!("`{id}` is the id of another host or port than `{}` and {}", offer.host, offer.port);
            let help = "register it under an id of its own choice, or under none";
            return Err(Refused::Invalid(Refusal::with_help(message, help)));
        }
        if let Some(found) = found.filter(|found| found.offer == *offer) {
            return Ok(renewal(key, found, at));
        }
        self.permit_addresses(service, offer, at)?;
        self.check_endpoint(key, offer, at.files)?;
        if found.is_none() {
            let count = self.count(service, at.files) + 1;
            let shards = self.shards(service, at.files);
            let room = |count| check_room(service, count, shards, at.zones);
            room(count).or_else(|_| room(count - self.count_twice(service, at.files)))?;
        }
        let edit = self.edit(key, found, offer.clone(), at);
        self.check_size(&edit, at)?;
        Ok(Some(edit))
    }

    /// The change of an instance to another offer.
    fn edit(&self, key: Key<'_>, before: Found<'_>, offer: Offer, at: Circumstances<'_>) -> Edit {
        let Key { service, id } = key;
        let after = Registration {
            revision: self.revision + 1,
            by: Arc::clone(&at.who.name),
            created: before.map_or(at.now, |before| before.created),
            updated: at.now,
            due: offer.lease.map(|lease| at.clock + u64::from(lease)),
            offer,
        };
        let (service, id) = (service.clone(), id.clone());
        Edit::Instance { service, id, before: before.cloned(), after: Some(Arc::new(after)) }
    }

    fn set(
        &mut self,
        key: Key<'_>,
        amendment: &Amendment,
        expected: Expected,
        at: Circumstances<'_>,
    ) -> Result<Decision, Refused> {
        let Key { service, id } = key;
        permit_change(at.who, service)?;
        let found = self.instance(service, id).cloned();
        let Some(found) = found else {
            let listed = listed_id(at.files, key);
            return Err(listed.map_or_else(|| not_registered(service, id), |place| in_file(service, id, place)));
        };
        permit_host(at, service, &found.offer.host)?;
        meets(expected, Some(found.revision), id.as_str())?;
        let mut offer = found.offer.clone();
        offer.priority = amendment.priority.unwrap_or(offer.priority);
        offer.weight = amendment.weight.unwrap_or(offer.weight);
        for (key, value) in &amendment.metadata {
            offer.metadata.remove(key);
            offer.metadata.extend(value.clone().map(|value| (key.clone(), value)));
        }
        rules::metadata(&offer.metadata)?;
        if offer == found.offer {
            return Ok(self.made_of(Action::Set, found, None));
        }
        let mut edit = self.edit(key, Some(&found), offer, at);
        if let Edit::Instance { after: Some(after), .. } = &mut edit {
            // Who sets a weight does not speak for the instance.
            Arc::make_mut(after).due = found.due;
        }
        Ok(self.made(Action::Set, vec![edit]))
    }

    fn deregistration(&self, key: Key<'_>, expected: Expected, at: Circumstances<'_>) -> Result<Option<Edit>, Refused> {
        let Key { service, id } = key;
        let found = self.instance(service, id);
        meets(expected, found.map(|found| found.revision), id.as_str())?;
        let Some(found) = found else {
            return listed_id(at.files, key).map_or(Ok(None), |place| Err(in_file(service, id, place)));
        };
        let is_overdue = found.due.is_some_and(|due| due < at.clock);
        if expected == Expected::Overdue && !is_overdue {
            return Ok(None);
        }
        permit_host(at, service, &found.offer.host)?;
        let (service, id) = (service.clone(), id.clone());
        Ok(Some(Edit::Instance { service, id, before: Some(Arc::clone(found)), after: None }))
    }

    fn removal(&self, service: &ServiceKey, at: Circumstances<'_>) -> Result<Vec<Edit>, Refused> {
        let Some(registered) = self.service(service) else { return Ok(Vec::new()) };
        let mut edits = Vec::new();
        for id in registered.instances.keys() {
            edits.extend(self.deregistration(Key { service, id }, Expected::Anything, at)?);
        }
        edits.extend(self.without_settings(service));
        Ok(edits)
    }

    fn configuration(
        &self,
        service: &ServiceKey,
        settings: &Settings,
        expected: Expected,
        at: Circumstances<'_>,
    ) -> Result<Option<Edit>, Refused> {
        if let Some(file) = at.files.get(service) {
            let message = format!("the service file {} says what holds for `{service}`", file.place);
            return Err(Refused::Conflict(Refusal::with_help(message, "change it there")));
        }
        let before = self.service(service).and_then(|registered| registered.settings.clone());
        meets(expected, before.as_ref().map(|before| before.revision), "the service")?;
        let held = before.as_ref().map(|before| before.settings.clone()).unwrap_or_default();
        if held == *settings {
            return Ok(None);
        }
        check_room(service, self.count(service, at.files), settings.shards, at.zones)?;
        let revision = self.revision + 1;
        let after =
            (*settings != Settings::default()).then(|| Arc::new(Configured { settings: settings.clone(), revision }));
        Ok(Some(Edit::Service { service: service.clone(), before, after }))
    }

    fn import(
        &mut self,
        services: &[Imported],
        replace: bool,
        at: Circumstances<'_>,
        edits: &mut Vec<Edit>,
    ) -> Result<(), Refused> {
        if replace {
            self.forget_others(services, at, edits)?;
        }
        for Imported { service, settings, instances } in services {
            permit_change(at.who, service)?;
            if replace || *settings != Settings::default() {
                let edit = self.imported_settings(service, settings, at)?;
                self.enact_into(edit, edits);
            }
            for (id, offer) in instances {
                let edit = self.registration(Key { service, id }, offer, Expected::Anything, at)?;
                self.enact_into(edit, edits);
            }
        }
        Ok(())
    }

    /// Deregisters what an import that replaces does not have, and forgets the settings of services that it does not have.
    /// What it has at another host or port goes too, to come back: somebody else in it may have the old one.
    fn forget_others(
        &mut self,
        services: &[Imported],
        at: Circumstances<'_>,
        edits: &mut Vec<Edit>,
    ) -> Result<(), Refused> {
        let instances =
            services.iter().flat_map(|one| one.instances.iter().map(move |(id, offer)| ((&one.service, id), offer)));
        let kept: BTreeMap<_, _> = instances.collect();
        let stays = |key: (&ServiceKey, &InstanceId), found: &Offer| {
            kept.get(&key).is_some_and(|offer| offer.host == found.host && offer.port == found.port)
        };
        let gone = self.services().flat_map(|(service, registered)| {
            let moves = registered.instances.iter().filter(|(id, found)| !stays((service, id), &found.offer));
            moves.map(move |(id, _)| (service.clone(), id.clone()))
        });
        for (service, id) in gone.collect::<Vec<_>>() {
            permit_change(at.who, &service)?;
            let edit = self.deregistration(Key { service: &service, id: &id }, Expected::Anything, at)?;
            self.enact_into(edit, edits);
        }
        let named: BTreeSet<_> = services.iter().map(|one| &one.service).collect();
        let unnamed: Vec<_> =
            self.services().map(|(service, _)| service.clone()).filter(|key| !named.contains(key)).collect();
        for service in unnamed {
            permit_change(at.who, &service)?;
            let edit = self.without_settings(&service);
            self.enact_into(edit, edits);
        }
        Ok(())
    }

    /// As a configuration. What says nothing where a file speaks is no contradiction.
    fn imported_settings(
        &self,
        service: &ServiceKey,
        settings: &Settings,
        at: Circumstances<'_>,
    ) -> Result<Option<Edit>, Refused> {
        let held = self.service(service).and_then(|registered| registered.settings.as_ref());
        if held.is_some_and(|held| held.settings == *settings) {
            return Ok(None);
        }
        if at.files.contains_key(service) && *settings == Settings::default() {
            return Ok(self.without_settings(service));
        }
        self.configuration(service, settings, Expected::Anything, at)
    }

    /// The change that forgets what holds for a service.
    fn without_settings(&self, service: &ServiceKey) -> Option<Edit> {
        let before = self.service(service)?.settings.clone()?;
        Some(Edit::Service { service: service.clone(), before: Some(before), after: None })
    }

    fn enact_into(&mut self, edit: Option<Edit>, edits: &mut Vec<Edit>) {
        if let Some(edit) = edit {
            self.enact(&edit);
            edits.push(edit);
        }
    }

    /// Whether the addresses belong to nobody else's host.
    fn permit_addresses(&self, service: &ServiceKey, offer: &Offer, at: Circumstances<'_>) -> Result<(), Refused> {
        if at.who.is_unrestricted() || offer.addresses.is_empty() {
            return Ok(());
        }
        let of_files = at.files.values().flat_map(|service| &service.instances);
        let shares = |instance: &&Instance| instance.addresses.iter().any(|address| offer.addresses.contains(address));
        let mut of_files = of_files.filter(shares).filter(|instance| instance.host != offer.host);
        let others = of_files.find(|instance| !at.has_host(&instance.host));
        let registered =
            offer.addresses.iter().filter_map(|address| self.addresses.get(address)).flat_map(|hosts| hosts.keys());
        let mut registered = registered.filter(|host| **host != offer.host && !at.has_host(host));
        match others.map(|instance| &instance.host).or_else(|| registered.next()) {
            None => Ok(()),
            Some(host) => Err(Refused::Denied(format!(
                "{} may not publish an address of `{host}` for `{}` in `{service}`: that host is not theirs",
                at.who.name, offer.host
            ))),
        }
    }

    /// Whether nobody else has the host and port.
    fn check_endpoint(&self, key: Key<'_>, offer: &Offer, files: &Catalogue) -> Result<(), Refused> {
        let Key { service, id } = key;
        let (host, port) = (&offer.host, offer.port);
        if let Some(place) = files.get(service).and_then(|file| listed(file, host, port.get())) {
            return Err(in_file(service, id, place));
        }
        match self.service(service).and_then(|registered| registered.at(host, port.get())) {
            Some(other) if other != id => {
                let message = format!("`{host}` port {port} is already registered in `{service}`, as `{other}`");
                let help = "use that id, or deregister it first";
                Err(Refused::Conflict(Refusal::with_help(message, help)))
            }
            _ => Ok(()),
        }
    }

    /// Whether the service can still be published with a change. One that cannot is left as it is as a whole, with what
    /// others registered.
    fn check_size(&self, edit: &Edit, at: Circumstances<'_>) -> Result<(), Refused> {
        let key = edit.service();
        let Some(zone) = at.zones.iter().find(|zone| zone.name == key.zone) else { return Ok(()) };
        if zone.max_records_per_rrset <= ALWAYS_FIT {
            return Ok(());
        }
        let mut alone = Self::default();
        alone.services.extend(self.service(key).map(|registered| (key.clone(), registered.clone())));
        alone.enact(edit);
        let refusal = alone.in_force(key, at.files.get(key)).and_then(|service| desired::refusal(&service, zone));
        refusal.map_or(Ok(()), |refusal| Err(Refused::Conflict(Refusal::from(refusal.to_string()))))
    }

    /// How many instances a service has, from all sources, counting twice what two have.
    fn count(&self, service: &ServiceKey, files: &Catalogue) -> usize {
        let registered = self.service(service).map_or(0, |registered| registered.instances.len());
        registered + files.get(service).map_or(0, |file| file.instances.len())
    }

    /// How many instances are registered and in the service file too, which may have come later.
    fn count_twice(&self, service: &ServiceKey, files: &Catalogue) -> usize {
        let (Some(registered), Some(file)) = (self.service(service), files.get(service)) else { return 0 };
        let offers = registered.instances.values().map(|registration| &registration.offer);
        offers.filter(|offer| listed(file, &offer.host, offer.port.get()).is_some()).count()
    }

    fn shards(&self, service: &ServiceKey, files: &Catalogue) -> Shards {
        let registered = || self.service(service).and_then(|registered: &Registered| registered.settings.as_ref());
        match files.get(service) {
            Some(file) => file.shards,
            None => registered().map_or(Shards::Off, |configured| configured.settings.shards),
        }
    }
}

/// The change that puts off the end of a lease.
fn renewal(key: Key<'_>, found: &Arc<Registration>, at: Circumstances<'_>) -> Option<Edit> {
    let Key { service, id } = key;
    let due = found.offer.lease.map(|lease| at.clock + u64::from(lease))?;
    // The service clock stands for the same second many times.
    (found.due != Some(due)).then(|| Edit::Instance {
        service: service.clone(),
        id: id.clone(),
        before: Some(Arc::clone(found)),
        after: Some(Arc::new(Registration { due: Some(due), ..Registration::clone(found) })),
    })
}

fn permit_change(who: &Principal, service: &ServiceKey) -> Result<(), Refused> {
    if who.may(Access::Write, service) {
        return Ok(());
    }
    Err(Refused::Denied(format!("{} may not change the service `{service}`", who.name)))
}

fn permit_host(at: Circumstances<'_>, service: &ServiceKey, host: &Name) -> Result<(), Refused> {
    if at.who.may_place(service, host, at.zone_of(host)) {
        return Ok(());
    }
    Err(Refused::Denied(format!("{} may not name the host `{host}` in the service `{service}`", at.who.name)))
}

fn meets(expected: Expected, found: Option<u64>, what: &str) -> Result<(), Refused> {
    match (expected, found) {
        (Expected::Anything | Expected::Overdue, _) | (Expected::Absent, None) => Ok(()),
        (Expected::Revision(expected), Some(found)) if expected == found => Ok(()),
        (Expected::Absent, Some(found)) => {
            Err(Refused::Unexpected(format!("{what} is there already, in revision {found}")))
        }
        (Expected::Revision(expected), Some(found)) => Err(Refused::Unexpected(format!(
            "{what} has been changed meanwhile: it has revision {found}, not {expected}"
        ))),
        (Expected::Revision(expected), None) => {
            Err(Refused::Unexpected(format!("{what} is not there, so it does not have revision {expected}")))
        }
    }
}

fn not_registered(service: &ServiceKey, id: &InstanceId) -> Refused {
    Refused::NotFound(format!("`{id}` is not registered in `{service}`"))
}

fn in_file(service: &ServiceKey, id: &InstanceId, place: &Place) -> Refused {
    let message = format!("`{id}` of `{service}` is in the service file, at {place}");
    Refused::Conflict(Refusal::with_help(message, "change it there"))
}

/// Where a service file has an instance whose id is its host and port.
fn listed_id<'f>(files: &'f Catalogue, key: Key<'_>) -> Option<&'f Place> {
    let (host, port) = key.id.endpoint()?;
    listed(files.get(key.service)?, &host.parse().ok()?, port.get())
}

/// Where a service file has the host and port. A file's instances are sorted by host.
pub(super) fn listed<'f>(file: &'f Service, host: &Name, port: u16) -> Option<&'f Place> {
    let start = file.instances.partition_point(|instance| instance.host < *host);
    let same_host = file.instances[start..].iter().take_while(|instance| instance.host == *host);
    same_host.filter(|instance| instance.port.get() == port).map(|instance| &instance.place).next()
}

/// Whether so many instances can be published.
fn check_room(service: &ServiceKey, count: usize, shards: Shards, zones: &[ZonePolicy]) -> Result<(), Refused> {
    let Some(zone) = zones.iter().find(|zone| zone.name == service.zone) else { return Ok(()) };
    let limit = zone.max_records_per_rrset;
    let (room, help) = match shards {
        Shards::Off => (limit, format!("spread it over several names: `srvctl set {} --shards auto`", service.name)),
        Shards::Fixed(count) => (limit * count, "give it a larger number of shards".to_owned()),
        Shards::Auto => (limit * MAX_SHARDS, "register the rest as another service".to_owned()),
    };
    if count <= room {
        return Ok(());
    }
    let message = format!("`{service}` has room for {room} instances, and would have {count}");
    Err(Refused::Conflict(Refusal::with_help(message, help)))
}
