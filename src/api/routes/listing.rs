//! What is in force and what is registered, as it is shown.

use std::sync::Arc;

use crate::api::backend::View;
use crate::api::types::{InstanceView, ServiceView, Source};
use crate::model::{Access, Instance, InstanceId, Name, Principal, Registration, Service, ServiceKey, Shards};
use crate::reconcile::registry::{Document, Proposal, WrittenInstance, WrittenService};

/// One service; none when nobody offers it and nothing is set for it.
pub(super) fn service(view: View<'_>, key: &ServiceKey) -> Option<ServiceView> {
    let registered = view.registry.service(key);
    let configured = registered.and_then(|registered| registered.settings.as_ref());
    let in_force = view.in_force.get(key);
    if registered.is_none() && in_force.is_none() {
        return None;
    }
    let settings = configured.map(|configured| configured.settings.clone()).unwrap_or_default();
    let (ttl, shards) = in_force.map_or((settings.ttl, settings.shards), |service| (service.ttl, service.shards));
    Some(ServiceView {
        service: key.to_string(),
        source: if in_force.is_some_and(|service| is_of_file(service)) { Source::File } else { Source::Registered },
        ttl,
        shards,
        metadata: in_force.map_or_else(|| settings.metadata.clone(), |service| service.metadata.clone()),
        instances: in_force.map_or(0, |service| service.instances.len()),
        registered: registered.map_or(0, |registered| registered.instances.len()),
        settings,
        revision: configured.map(|configured| configured.revision),
    })
}

/// Every service that somebody may see, after the one with the given name.
pub(super) fn keys<'v>(view: View<'v>, who: &'v Principal) -> Vec<&'v ServiceKey> {
    let mut keys: Vec<_> = view.in_force.keys().chain(view.registry.services().map(|(key, _)| key)).collect();
    keys.retain(|key| who.may(Access::Read, key));
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// All instances of a service, sorted by id.
pub(super) fn instances(view: View<'_>, key: &ServiceKey) -> Vec<InstanceView> {
    let registered = view.registry.service(key);
    let in_force = view.in_force.get(key);
    let of_registry = registered.into_iter().flat_map(|registered| &registered.instances);
    let of_registry = of_registry.map(|(id, registration)| of_registration(view, key, id, registration));
    let is_registered = |instance: &&Instance| {
        registered.and_then(|registered| registered.at(&instance.host, instance.port.get())).is_some()
    };
    let of_file = in_force.into_iter().flat_map(|service| &service.instances);
    let of_file = of_file.filter(|instance| !is_registered(instance)).map(|instance| of_instance(key, instance));
    let mut all: Vec<_> = of_registry.chain(of_file).collect();
    all.sort_by(|one, other| one.id.cmp(&other.id));
    all
}

/// One instance.
pub(super) fn instance(view: View<'_>, key: &ServiceKey, id: &InstanceId) -> Option<InstanceView> {
    if let Some(registration) = view.registry.instance(key, id) {
        return Some(of_registration(view, key, id, registration));
    }
    instances(view, key).into_iter().find(|instance| instance.id == *id)
}

fn of_registration(
    view: View<'_>,
    key: &ServiceKey,
    id: &InstanceId,
    registration: &Arc<Registration>,
) -> InstanceView {
    let Registration { offer, revision, by, created, updated, due } = &**registration;
    let left = due.map(|due| i64::try_from(due).unwrap_or(i64::MAX) - i64::try_from(view.clock).unwrap_or(0));
    InstanceView {
        service: key.to_string(),
        id: id.clone(),
        host: offer.host.clone(),
        port: offer.port.get(),
        priority: offer.priority,
        weight: offer.weight,
        addresses: offer.addresses.clone(),
        metadata: offer.metadata.clone(),
        source: Source::Registered,
        place: None,
        lease: offer.lease,
        renew_within: left,
        revision: Some(*revision),
        registered_by: Some(by.to_string()),
        created: Some(*created),
        updated: Some(*updated),
    }
}

fn of_instance(key: &ServiceKey, instance: &Instance) -> InstanceView {
    InstanceView {
        service: key.to_string(),
        id: InstanceId::of(&instance.host, instance.port),
        host: instance.host.clone(),
        port: instance.port.get(),
        priority: instance.priority,
        weight: instance.weight,
        addresses: instance.addresses.to_vec(),
        metadata: std::collections::BTreeMap::new(),
        source: Source::File,
        place: Some(instance.place.to_string()),
        lease: None,
        renew_within: None,
        revision: None,
        registered_by: None,
        created: None,
        updated: None,
    }
}

/// Everything that is registered and that somebody may see, to be imported elsewhere.
pub(super) fn document(view: View<'_>, who: &Principal, zones: &[Name]) -> Document {
    // What is in a zone that is not managed any more could not be taken in again.
    let is_visible = |key: &ServiceKey| who.may(Access::Read, key) && zones.contains(&key.zone);
    let visible = view.registry.services().filter(|(key, _)| is_visible(key));
    let services = visible.map(|(key, registered)| {
        let settings = registered.settings.as_ref().map(|configured| configured.settings.clone()).unwrap_or_default();
        WrittenService {
            name: key.to_string(),
            ttl: settings.ttl,
            shards: Some(settings.shards).filter(|shards| *shards != Shards::Off),
            metadata: settings.metadata,
            instances: registered.instances.iter().map(|(id, registration)| written(id, registration)).collect(),
        }
    });
    Document { services: services.collect() }
}

fn written(id: &InstanceId, registration: &Registration) -> WrittenInstance {
    let offer = &registration.offer;
    let by_default = *id == InstanceId::of(&offer.host, offer.port);
    WrittenInstance {
        id: (!by_default).then(|| id.to_string()),
        offer: Proposal {
            host: offer.host.to_string(),
            port: offer.port.get(),
            priority: offer.priority,
            weight: offer.weight,
            addresses: offer.addresses.iter().map(ToString::to_string).collect(),
            metadata: offer.metadata.clone(),
            lease: offer.lease,
        },
    }
}

fn is_of_file(service: &Service) -> bool {
    service.place.line > 0
}

/// Whether an instance is on the host that somebody asks for, written in full or without the zone.
pub(super) fn is_on(instance: &InstanceView, host: &str, zones: &[Name]) -> bool {
    let wanted = host.trim_end_matches('.').to_ascii_lowercase();
    let full = instance.host.without_final_dot().to_ascii_lowercase();
    let relative = |zone: &Name| format!("{wanted}.{}", zone.without_final_dot().to_ascii_lowercase());
    full == wanted || zones.iter().any(|zone| full == relative(zone))
}
