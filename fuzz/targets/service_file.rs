//! Any text as a service file: services that can be published, or errors that can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use srvctl::model::{Marker, Name, browse};
use srvctl::sources;

fuzz_target!(|text: &str| {
    let zones: Vec<Name> = ["internal.local", "sub.internal.local"].map(|zone| zone.parse().expect("a name")).into();
    // With one zone `zone` is optional.
    for zones in [&zones[..], &zones[..1]] {
        match sources::parse(&"fuzz.toml".into(), &text.into(), zones) {
            Ok(services) => {
                for service in services {
                    assert!(service.key.owner_name().is_ok_and(|name| name.is_within(&service.key.zone)));
                    assert!(!service.instances.is_empty());
                    if service.is_browsed() {
                        let own_name = service.key.owner_name().expect("it was there before");
                        for name in service.instance_names() {
                            let name = name.expect("instances are told apart");
                            assert!(browse::instance_name(&own_name, &name).is_ok_and(|full| Marker::name_for(&full).is_ok()));
                        }
                    }
                    for check in service.instances.iter().flat_map(|instance| service.checks_of(instance)) {
                        assert!(check.timeout <= check.interval && check.rise > 0 && check.fall > 0);
                    }
                    let (checked, floor) = (service.instances.len(), service.health.floor(service.instances.len()));
                    assert!(floor.is_none_or(|floor| floor > 0 && (floor <= checked || service.is_checked())));
                }
            }
            Err(errors) => {
                assert!(!errors.is_empty());
                for error in errors {
                    assert!(!error.to_string().is_empty());
                    let _ = error.place();
                }
            }
        }
    }
});
