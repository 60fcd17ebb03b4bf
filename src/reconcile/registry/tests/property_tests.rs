use proptest::prelude::*;

use super::import_tests::exported;
use super::*;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    Asked(Request),
    AskedByTeam(Request),
    Waited(u64),
}

fn services() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("ci"), Just("web"), Just("file")]
}

fn ids() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("b"), Just("ci1.internal.local:80"), Just("f1.internal.local:80")]
}

fn offers() -> impl Strategy<Value = Offer> {
    let hosts = prop_oneof![Just("ci1"), Just("ci2"), Just("db1"), Just("f1")];
    let address = prop_oneof![Just("10.0.0.1"), Just("10.0.0.2"), Just("10.0.0.9")];
    let leases = prop::option::of(prop_oneof![Just(10), Just(60)]);
    let addresses = prop::collection::btree_set(address.prop_map(|text| text.parse().unwrap()), 0..2);
    (hosts, 80_u16..82, 0_u16..2, addresses, leases).prop_map(|(host, port, weight, addresses, lease)| Offer {
        weight,
        addresses: addresses.into_iter().collect(),
        lease,
        ..offer(host, port)
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    prop_oneof![Just(Settings::default()), Just(ttl(60)), Just(spread(Shards::Auto)), Just(spread(Shards::Fixed(2)))]
}

fn expectations() -> impl Strategy<Value = Expected> {
    prop_oneof![
        8 => Just(Expected::Anything),
        1 => Just(Expected::Absent),
        1 => (1_u64..12).prop_map(Expected::Revision),
    ]
}

fn imports() -> impl Strategy<Value = Request> {
    let instances = prop::collection::vec((ids(), offers()), 0..3);
    let services = prop::collection::vec((services(), settings(), instances), 0..3);
    (services, any::<bool>()).prop_map(|(services, replace)| {
        let one = |(name, settings, instances): (&str, _, Vec<_>)| imported(name, settings, &instances);
        Request::Import { services: services.into_iter().map(one).collect(), replace }
    })
}

fn requests() -> impl Strategy<Value = Request> {
    prop_oneof![
        6 => (expectations(), services(), ids(), offers()).prop_map(|(e, s, i, o)| register_if(e, s, i, o)),
        2 => (expectations(), services(), ids(), 0_u16..3).prop_map(|(e, s, i, w)| set_if(e, s, i, weight(w))),
        2 => (expectations(), services(), ids()).prop_map(|(e, s, i)| deregister_if(e, s, i)),
        1 => services().prop_map(remove),
        2 => (services(), ids()).prop_map(|(s, i)| renew(s, i)),
        2 => (services(), settings()).prop_map(|(s, to)| configure(s, to)),
        2 => imports(),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => requests().prop_map(Step::Asked),
        2 => requests().prop_map(Step::AskedByTeam),
        1 => (1_u64..100).prop_map(Step::Waited),
    ];
    prop::collection::vec(step, 0..40)
}

fn world() -> World {
    let mut world = World::new().with_file(in_file("file", &[("f1", Some("10.0.0.9")), ("ci2", None)]));
    world.zones[0].max_records_per_rrset = 3;
    world
}

impl World {
    fn go(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Asked(request) => drop(self.make(request)),
                Step::AskedByTeam(request) => {
                    let root = std::mem::replace(&mut self.who, team());
                    drop(self.make(request));
                    self.who = root;
                }
                Step::Waited(seconds) => {
                    self.clock += seconds;
                    self.now += seconds;
                    self.expire(5);
                }
            }
        }
    }

    /// All that was ever registered, and expired, goes through here when it is read back.
    fn read_back(&self) -> Registry {
        let mut registry = Registry::default();
        for (service, registered) in self.registry.services() {
            let after = registered.settings.clone();
            if after.is_some() {
                registry.enact(&Edit::Service { service: service.clone(), before: None, after });
            }
            for (id, registration) in &registered.instances {
                let (service, after) = (service.clone(), Some(Arc::clone(registration)));
                registry.enact(&Edit::Instance { service, id: id.clone(), before: None, after });
            }
        }
        registry
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    // What holds after every step is in `World::make` and `World::expire`.
    #[test]
    fn whatever_is_asked_can_be_taken_back(steps in steps()) {
        let mut world = world();
        world.go(&steps);
        let mut read_back = world.read_back();
        read_back.remember_ended(world.registry.ended.clone());
        prop_assert_eq!(contents(&read_back), contents(&world.registry));
    }

    #[test]
    fn all_edits_together_can_be_taken_back(requests in prop::collection::vec(requests(), 0..20)) {
        let mut world = world();
        let edits: Vec<_> = requests.iter().filter_map(|request| world.make(request).ok()).flat_map(|made| made.edits).collect();
        world.registry.take_back(edits);
        prop_assert!(world.registry.is_empty());
        prop_assert_eq!(contents(&world.registry), contents(&Registry::default()));
    }

    #[test]
    fn what_is_made_twice_changes_nothing_more(steps in steps(), request in requests()) {
        let mut world = world();
        world.go(&steps);
        let makes_one_state = match &request {
            Request::Import { services, .. } => services.len() < 2 && services.iter().all(|one| one.instances.len() < 2),
            _ => true,
        };
        if makes_one_state && world.make(&request).is_ok() {
            let again = world.make(&request);
            prop_assert!(matches!(outcome(&again), "same" | "unexpected"), "{:?}", again);
        }
    }

    #[test]
    fn what_is_in_force_is_sorted_and_has_nothing_twice(steps in steps()) {
        let mut world = world();
        world.go(&steps);
        for name in ["ci", "web", "file"] {
            let key = service(name);
            let Some(service) = world.registry.in_force(&key, world.files.get(&key)) else { continue };
            let endpoints: Vec<_> = service.instances.iter().map(|one| (one.host.clone(), one.port)).collect();
            let unique: BTreeSet<_> = endpoints.iter().cloned().collect();
            prop_assert_eq!(unique.len(), endpoints.len());
            prop_assert!(endpoints.is_sorted_by_key(|(host, _)| host));
            prop_assert!(service.shards != Shards::Off || endpoints.len() <= 3);
        }
    }

    #[test]
    fn an_export_brings_everything_back(before in steps(), after in steps()) {
        let mut world = world();
        world.go(&before);
        let services = exported(&world.registry);
        world.go(&after);
        let restored = world.make(&Request::Import { services: services.clone(), replace: true });
        prop_assert!(restored.is_ok(), "{:?}", restored);
        prop_assert_eq!(exported(&world.registry), services);
    }
}
