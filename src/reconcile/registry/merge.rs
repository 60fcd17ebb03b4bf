//! What a service comes to, from its service file and from what is registered.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::decide::listed;
use super::{Registered, Registry};
use crate::model::rules;
use crate::model::{Instance, Offer, Place, Registration, Service, ServiceKey, Settings};

impl Registry {
    /// The service that is in force; none when nobody offers it.
    ///
    /// A file says what holds for the service as a whole, and its instances come first: what a person wrote is not
    /// changed by what registers itself. Where no file describes the service, its settings do.
    pub fn in_force(&self, key: &ServiceKey, file: Option<&Arc<Service>>) -> Option<Arc<Service>> {
        let registered = self.service(key).filter(|registered| !registered.instances.is_empty());
        let Some(registered) = registered else { return file.cloned() };
        let settings = registered.settings.as_ref().map(|configured| configured.settings.clone()).unwrap_or_default();
        let mut service = match file {
            Some(file) => Service::clone(file),
            None => empty(key, settings),
        };
        let mut instances = std::mem::take(&mut service.instances);
        let place = service.place.clone();
        for registration in registered.instances.values() {
            let offer = &registration.offer;
            // The API refuses to register what a file has, but the file may have come later. Then the file says how it is
            // offered; an address that it does not speak of stays.
            if file.and_then(|file| listed(file, &offer.host, offer.port.get())).is_none() {
                instances.push(instance(registration, &place));
            } else if let Some(there) = instances.iter_mut().find(|there| is_at(there, offer))
                && there.addresses.is_empty()
            {
                there.addresses = offer.addresses.iter().copied().collect();
            }
        }
        instances.sort_by(|one, other| one.host.cmp(&other.host));
        service.instances = instances;
        let mut size: usize = service.metadata.iter().map(|(key, value)| rules::txt_len(key, value)).sum();
        for (key, value) in registered.agreed() {
            let larger = size + rules::txt_len(&key, &value);
            let is_known = service.metadata.keys().any(|known| known.eq_ignore_ascii_case(&key));
            // Each source keeps to the limit, and together they may not.
            if !is_known && rules::metadata_size(larger).is_ok() {
                service.agreed.insert(key.clone());
                service.metadata.insert(key, value);
                size = larger;
            }
        }
        Some(Arc::new(service))
    }
}

impl Registered {
    /// What the metadata of all instances says alike.
    fn agreed(&self) -> BTreeMap<String, String> {
        let mut all = self.instances.values().map(|registration| &registration.offer.metadata);
        let mut agreed = all.next().cloned().unwrap_or_default();
        for metadata in all {
            if agreed.is_empty() {
                break;
            }
            agreed.retain(|key, value| metadata.get(key) == Some(value));
        }
        agreed
    }
}

fn empty(key: &ServiceKey, settings: Settings) -> Service {
    let Settings { ttl, shards, metadata } = settings;
    let place = Place { file: "registered".into(), line: 0, column: 0 };
    Service { ttl, metadata, shards, ..Service::new(key.clone(), place) }
}

fn is_at(instance: &Instance, offer: &Offer) -> bool {
    instance.port == offer.port && instance.host == offer.host
}

fn instance(registration: &Registration, place: &Place) -> Instance {
    let offer = &registration.offer;
    Instance {
        priority: offer.priority,
        weight: offer.weight,
        addresses: offer.addresses.iter().copied().collect(),
        metadata: offer.metadata.clone(),
        ..Instance::new(offer.host.clone(), offer.port, place.clone())
    }
}
