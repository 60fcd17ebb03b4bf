use super::*;

#[test]
fn asking_twice_changes_nothing_more() {
    let told_twice = || told(offer("h1", 80), "team=infra");
    World::new().outcomes([
        (register("web", "web-1", offer("h1", 80)), "new"),
        (register("web", "web-1", offer("h1", 80)), "same"),
        (register("web", "web-1", offer("H1", 80)), "same"),
        (register("WEB", "web-1", offer("h1", 80)), "same"),
        (register("web", "web-1", told_twice()), "changed"),
        (register("web", "web-1", told_twice()), "same"),
        (set("web", "web-1", weight(5)), "changed"),
        (set("web", "web-1", weight(5)), "same"),
        (configure("web", ttl(60)), "done"),
        (configure("web", ttl(60)), "same"),
        (configure("web", Settings::default()), "done"),
        (configure("web", Settings::default()), "same"),
        (deregister("web", "web-1"), "gone"),
        (deregister("web", "web-1"), "same"),
        (remove("web"), "same"),
        (set("web", "web-1", weight(5)), "missing"),
        (renew("web", "web-1"), "missing"),
    ]);
}

#[test]
fn a_lease_is_renewed_by_who_registers_again() {
    let mut world = World::new();
    world.outcomes([(register("web", "a", leased("h1", 30)), "new"), (renew("web", "a"), "same")]);
    world.clock += 1;
    world.outcomes([
        (register("web", "a", leased("h1", 30)), "renewed"),
        (register("web", "a", leased("h1", 30)), "same"),
        (register("web", "a", leased("h1", 60)), "changed"),
    ]);
    world.clock += 1;
    world.outcomes([
        (renew("web", "a"), "renewed"),
        (renew("web", "a"), "same"),
        (register("web", "a", offer("h1", 80)), "changed"),
        (renew("web", "a"), "same"),
    ]);
    assert!(!world.registry.has_leases());
}

#[test]
fn who_asks_is_told_what_was_and_what_is() {
    let mut world = World::new();
    let made = world.make(&register("web", "a", leased("h1", 30))).unwrap();
    assert_eq!(made.before, None);
    assert_eq!(made.after, Some(world.instance("web", "a")));
    for request in [register("web", "a", leased("h1", 30)), set("web", "a", weight(0)), renew("web", "a")] {
        let same = world.make(&request).unwrap();
        assert_eq!(same.before, same.after, "{request:?}");
        assert_eq!(same.after, Some(world.instance("web", "a")), "{request:?}");
    }
    let before = world.instance("web", "a");
    world.clock += 5;
    for request in [renew("web", "a"), set("web", "a", weight(7))] {
        let made = world.make(&request).unwrap();
        assert_eq!(made.after, Some(world.instance("web", "a")), "{request:?}");
        assert_ne!(made.after, made.before);
    }
    let gone = world.make(&deregister("web", "a")).unwrap();
    assert_eq!((gone.before.unwrap().created, gone.after), (before.created, None));
    assert!(world.registry.is_empty());
}

#[test]
fn every_change_says_who_and_when() {
    let mut world = World::new().having([register("ci", "a", offer("ci1", 80))]).asked_by(team());
    world.now += 60;
    world.outcomes([(register("ci", "a", offer("ci1", 80)), "same"), (renew("ci", "a"), "same")]);
    let first = world.instance("ci", "a");
    assert_eq!((&*first.by, first.created, first.updated, first.revision), ("root", 1_000_000, 1_000_000, 1));
    world.outcomes([(set("ci", "a", weight(1)), "changed")]);
    let second = world.instance("ci", "a");
    assert_eq!((&*second.by, second.created, second.updated, second.revision), ("team", 1_000_000, 1_000_060, 2));
}

#[test]
fn a_renewal_is_no_new_revision() {
    let mut world = World::new().having([register("web", "a", leased("h1", 30))]);
    world.clock += 10;
    let renewal = world.make(&renew("web", "a")).unwrap();
    assert!(!renewal.changed() && renewal.edits.iter().all(Edit::is_renewal));
    let after = world.instance("web", "a");
    assert_eq!((after.revision, after.due), (1, Some(1_040)));
}

#[test]
fn nothing_is_made_that_is_not_as_expected() {
    let revision = Expected::Revision;
    let absent = || register_if(Expected::Absent, "web", "a", offer("h1", 80));
    World::new().outcomes([
        (register_if(revision(1), "web", "a", offer("h1", 80)), "unexpected"),
        (deregister_if(revision(1), "web", "a"), "unexpected"),
        (absent(), "new"),
        (absent(), "unexpected"),
        (register_if(revision(2), "web", "a", offer("h1", 80)), "unexpected"),
        (register_if(revision(1), "web", "a", offer("h1", 81)), "changed"),
        (set_if(revision(1), "web", "a", weight(3)), "unexpected"),
        (set_if(revision(2), "web", "a", weight(3)), "changed"),
        (deregister_if(revision(2), "web", "a"), "unexpected"),
        (deregister_if(Expected::Absent, "web", "a"), "unexpected"),
        (deregister_if(revision(3), "web", "a"), "gone"),
        (deregister_if(Expected::Absent, "web", "a"), "same"),
        (register_if(revision(3), "web", "a", offer("h1", 81)), "unexpected"),
    ]);
}

#[test]
fn settings_are_changed_as_expected_too() {
    let configure_if =
        |expected, seconds| Request::Configure { service: service("web"), settings: ttl(seconds), expected };
    World::new().outcomes([
        (configure_if(Expected::Revision(1), 60), "unexpected"),
        (configure_if(Expected::Absent, 60), "done"),
        (configure_if(Expected::Absent, 61), "unexpected"),
        (configure_if(Expected::Revision(1), 61), "done"),
        (configure_if(Expected::Revision(1), 62), "unexpected"),
    ]);
}

#[test]
fn a_revision_is_not_given_out_twice() {
    let mut world = World::new().having([register("web", "a", offer("h1", 80)), deregister("web", "a")]);
    let decision = world.make(&register("web", "a", offer("h1", 80))).unwrap();
    assert_eq!(world.instance("web", "a").revision, 2);
    world.registry.take_back(decision.edits);
    world.make(&register("web", "a", offer("h1", 81))).unwrap();
    assert_eq!(world.instance("web", "a").revision, 3);
}

#[test]
fn a_host_and_port_has_one_id_in_a_service() {
    World::new().outcomes([
        (register("web", "a", offer("h1", 80)), "new"),
        (register("web", "b", offer("H1", 80)), "conflict"),
        (register("web", "h1.internal.local:80", offer("h1", 80)), "conflict"),
        (register("web", "b", offer("h1", 81)), "new"),
        (register("db", "b", offer("h1", 80)), "new"),
        (register("web", "b", offer("h1", 80)), "conflict"),
        (register("web", "a", offer("h2", 80)), "changed"),
        (register("web", "b", offer("h1", 80)), "changed"),
    ]);
}

#[test]
fn an_id_of_host_and_port_is_that_of_its_own() {
    World::new().outcomes([
        (register("web", "h1.internal.local:80", offer("h2", 80)), "invalid"),
        (register("web", "h1.internal.local:80", offer("h1", 81)), "invalid"),
        (register("web", "h1.internal.local:080", offer("h1", 80)), "invalid"),
        (register("web", "h1.internal.local:80", offer("h1", 80)), "new"),
        (register("web", "h1.internal.local:80", offer("h1", 81)), "invalid"),
        (register("web", "h1.internal.local", offer("h2", 80)), "new"),
    ]);
}

#[test]
fn what_a_file_has_is_changed_there() {
    let mut world = World::new().with_file(in_file("web", &[("h1", None), ("h2", None)]));
    world.outcomes([
        (register("web", "h1.internal.local:80", offer("h1", 80)), "conflict"),
        (register("web", "mine", offer("H2", 80)), "conflict"),
        (set("web", "h1.internal.local:80", weight(2)), "conflict"),
        (deregister("web", "h1.internal.local:80"), "conflict"),
        (deregister("web", "h1.internal.local:81"), "same"),
        (configure("web", ttl(60)), "conflict"),
        (register("web", "mine", offer("h1", 81)), "new"),
        (register("web", "mine", offer("h1", 80)), "conflict"),
        (set("web", "mine", weight(2)), "changed"),
        (remove("web"), "gone"),
    ]);
}

#[test]
fn what_was_registered_before_its_file_came_can_still_go() {
    let world = World::new().having([configure("web", ttl(60)), register("web", "a", leased("h1", 30))]);
    let mut world = world.with_file(in_file("web", &[("h1", None)]));
    world.clock += 1;
    world.outcomes([
        (register("web", "a", leased("h1", 30)), "renewed"),
        (set("web", "a", weight(2)), "changed"),
        (deregister("web", "a"), "gone"),
        (remove("web"), "done"),
    ]);
    assert!(world.registry.is_empty());
}

#[test]
fn a_service_is_removed_with_its_settings() {
    let mut world = World::new().having([
        configure("web", ttl(60)),
        register("web", "a", offer("h1", 80)),
        register("web", "b", offer("h2", 80)),
        register("db", "a", offer("h1", 80)),
    ]);
    let removed = world.make(&remove("web")).unwrap();
    assert_eq!((removed.edits.len(), removed.changed()), (3, true));
    assert_eq!((world.ids(), world.settings("web")), (vec!["db a".to_owned()], None));
}

#[test]
fn metadata_is_changed_key_by_key() {
    let mut world = World::new().having([register("web", "a", told(offer("h1", 80), "team=infra env=prod"))]);
    let metadata = [("team", None), ("rack", Some("b7")), ("nobody", None)];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value.map(str::to_owned)));
    let amendment = Amendment { metadata: metadata.into(), priority: Some(4), ..Amendment::default() };
    world.outcomes([(set("web", "a", amendment), "changed")]);
    let offer = &world.instance("web", "a").offer;
    assert_eq!((offer.metadata.clone(), offer.priority, offer.weight), (pairs("env=prod rack=b7"), 4, 0));
    let same_key = Amendment { metadata: [("ENV".to_owned(), Some("x".to_owned()))].into(), ..Amendment::default() };
    world.outcomes([(set("web", "a", same_key), "invalid")]);
}

fn full(settings: Settings, limit: usize, count: u16) -> World {
    let mut world = World::new();
    world.zones[0].max_records_per_rrset = limit;
    world.outcomes([(configure("web", settings), "done")]);
    for number in 1..=count {
        world.outcomes([(register("web", &format!("i{number}"), offer("h", number)), "new")]);
    }
    world
}

#[test]
fn the_hundred_and_first_instance_needs_another_name() {
    let mut world = full(ttl(60), 100, 100);
    world.outcomes([
        (register("web", "i101", offer("h", 101)), "conflict"),
        (register("web", "i100", offer("h", 101)), "changed"),
    ]);
    let refused = world.make(&register("web", "x", offer("h", 200))).unwrap_err();
    assert!(refused.help().is_some_and(|help| help.contains("--shards auto")), "{refused:?}");
    world.outcomes([(deregister("web", "i1"), "gone"), (register("web", "i101", offer("h", 1)), "new")]);
}

#[test]
fn shards_make_room_and_are_not_taken_from_who_fills_them() {
    full(spread(Shards::Fixed(3)), 2, 6).outcomes([
        (register("web", "i7", offer("h", 7)), "conflict"),
        (configure("web", spread(Shards::Fixed(2))), "conflict"),
        (configure("web", Settings::default()), "conflict"),
        (configure("web", spread(Shards::Auto)), "done"),
        (register("web", "i7", offer("h", 7)), "new"),
        (configure("web", spread(Shards::Fixed(3))), "conflict"),
        (configure("web", spread(Shards::Fixed(4))), "done"),
    ]);
    full(spread(Shards::Auto), 1, 128).outcomes([(register("web", "i129", offer("h", 129)), "conflict")]);
}

#[test]
fn a_file_says_how_much_room_there_is_and_takes_its_part() {
    let (key, file) = in_file("web", &[("f1", None), ("f2", None)]);
    let file = Arc::new(Service { shards: Shards::Fixed(2), ..Service::clone(&file) });
    let mut world = World::new().having([register("web", "f1", offer("f1", 80))]).with_file((key, file));
    world.zones[0].max_records_per_rrset = 2;
    // What a file has too is one instance.
    world.outcomes([
        (register("web", "a", offer("h1", 80)), "new"),
        (register("web", "b", offer("h2", 80)), "new"),
        (register("web", "c", offer("h3", 80)), "conflict"),
    ]);
}

#[test]
fn what_no_message_can_hold_is_refused_before_it_freezes_the_service() {
    let mut world = World::new();
    world.zones[0].max_records_per_rrset = 3_000;
    let long = |number: usize| format!("{}.{}.{}.h{number}", "a".repeat(60), "b".repeat(60), "c".repeat(60));
    let mut made = 0;
    let refused = loop {
        match world.make(&register("web", &format!("i{made}"), offer(&long(made), 80))) {
            Ok(_) => made += 1,
            Err(refused) => break refused,
        }
    };
    assert!(
        matches!(&refused, Refused::Conflict(_)) && refused.to_string().contains("DNS stops at 65535"),
        "{refused}"
    );
    assert!((200..1_000).contains(&made), "{made}");
    let published = world.registry.in_force(&service("web"), None).unwrap();
    assert_eq!(crate::reconcile::desired::refusal(&published, &world.zones[0]), None);
}
