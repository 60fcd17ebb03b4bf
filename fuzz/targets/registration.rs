//! Any request of the API, a part per line: what passes the checks can be published, exported, and imported again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use srvctl::model::{InstanceId, Name, rules};
use srvctl::reconcile::registry::{self, Document, Proposal, WrittenInstance, WrittenService};

fuzz_target!(|text: &str| {
    let zones: Vec<Name> = ["internal.local", "sub.internal.local"].map(|zone| zone.parse().expect("a name")).into();
    let mut lines = text.splitn(3, '\n');
    let (service, id, body) = (lines.next(), lines.next(), lines.next());
    for zones in [&zones[..], &zones[..1]] {
        let Ok(key) = rules::service(service.unwrap_or_default(), zones) else { continue };
        assert!(key.owner_name().is_ok_and(|name| name.is_within(&key.zone)));
        assert_eq!(rules::service(&key.to_string(), zones).as_ref(), Ok(&key));
        if let Ok(id) = registry::check_id(id.unwrap_or_default(), &key.zone, zones) {
            assert_eq!(id.as_str().parse::<InstanceId>().as_ref(), Ok(&id));
        }
        let Ok(proposal) = serde_json::from_str::<Proposal>(body.unwrap_or_default()) else { continue };
        let Ok(offer) = registry::check_offer(&proposal, &key.zone, zones) else { continue };
        assert!(offer.addresses.is_empty() || zones.iter().any(|zone| offer.host.is_within(zone)));
        // As it is shown it can be registered again, and is the same.
        let shown = Proposal { host: offer.host.to_string(), ..proposal };
        assert_eq!(registry::check_offer(&shown, &key.zone, zones).as_ref(), Ok(&offer));
        let instances = vec![WrittenInstance { id: None, offer: shown }];
        let written = WrittenService { name: key.to_string(), ttl: None, shards: None, metadata: [].into(), instances };
        let document = Document { services: vec![written] };
        let read: Document = toml::from_str(&toml::to_string(&document).expect("it is TOML")).expect("it can be read");
        assert_eq!(read, document);
        assert!(registry::check_import(&read, false, zones).is_ok());
    }
});
