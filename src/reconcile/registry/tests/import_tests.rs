use super::*;

fn import(replace: bool, services: Vec<Imported>) -> Request {
    Request::Import { services, replace }
}

/// All that is registered, as it would be exported.
pub(super) fn exported(registry: &Registry) -> Vec<Imported> {
    let service = |(key, registered): (&ServiceKey, &Registered)| Imported {
        service: key.clone(),
        settings: registered.settings.as_ref().map(|configured| configured.settings.clone()).unwrap_or_default(),
        instances: registered.instances.iter().map(|(id, found)| (id.clone(), found.offer.clone())).collect(),
    };
    registry.services().map(service).collect()
}

fn world() -> World {
    World::new().having([
        configure("web", ttl(60)),
        register("web", "a", leased("h1", 30)),
        register("web", "b", offer("h2", 80)),
        register("db", "a", offer("h1", 80)),
        configure("empty", ttl(90)),
    ])
}

#[test]
fn an_import_adds_and_changes_and_leaves_the_rest() {
    let mut world = world();
    let services = vec![
        imported("web", Settings::default(), &[("b", offer("h2", 81)), ("c", offer("h3", 80))]),
        imported("new", ttl(5), &[]),
    ];
    world.outcomes([(import(false, services.clone()), "done"), (import(false, services), "same")]);
    assert_eq!(world.ids(), ["db a", "web a", "web b", "web c"]);
    assert_eq!((world.settings("web"), world.settings("new")), (Some(ttl(60)), Some(ttl(5))));
    assert_eq!(world.instance("web", "b").offer, offer("h2", 81));
}

#[test]
fn an_import_that_replaces_leaves_nothing_else() {
    let mut world = world();
    let services = vec![imported("web", Settings::default(), &[("b", offer("h2", 80)), ("c", offer("h3", 80))])];
    world.outcomes([(import(true, services.clone()), "done"), (import(true, services.clone()), "same")]);
    assert_eq!(exported(&world.registry), services);
    world.outcomes([(import(true, Vec::new()), "done")]);
    assert!(world.registry.is_empty());
}

#[test]
fn an_import_is_made_whole_or_not_at_all() {
    let good = || imported("web", ttl(7), &[("b", offer("h2", 81)), ("c", offer("h3", 80))]);
    let bad = [
        imported("db", Settings::default(), &[("a", offer("h1", 82)), ("b", offer("h1", 82))]),
        imported("db", Settings::default(), &[("h1.internal.local:1", offer("h1", 2))]),
        imported("file", Settings::default(), &[("f", offer("h1", 80))]),
        imported("file", ttl(4), &[]),
    ];
    for (bad, replace) in bad.into_iter().flat_map(|bad| [(bad.clone(), false), (bad, true)]) {
        let mut world = world().with_file(in_file("file", &[("h1", None)]));
        let refused = world.make(&import(replace, vec![good(), bad.clone()]));
        assert!(matches!(outcome(&refused), "conflict" | "invalid"), "{bad:?} {refused:?}");
    }
}

#[test]
fn who_imports_may_do_every_part_of_it() {
    let own = || imported("ci", Settings::default(), &[("a", offer("ci1", 80))]);
    let foreign = imported("web", Settings::default(), &[("x", offer("ci1", 80))]);
    world().asked_by(team()).outcomes([
        (import(false, vec![own(), foreign]), "denied"),
        (import(true, vec![own()]), "denied"),
        (import(false, vec![own()]), "done"),
    ]);
}

#[test]
fn what_was_exported_can_be_imported_after_a_file_came() {
    let mut world = world().with_file(in_file("web", &[("h1", None)]));
    let services = exported(&world.registry);
    world.outcomes([(import(true, services.clone()), "same"), (import(false, services), "same")]);
    // The file speaks for the service: there is nothing to import, and what was set before goes.
    let services = vec![imported("web", Settings::default(), &[("a", leased("h1", 30))])];
    world.outcomes([(import(true, services.clone()), "done"), (import(true, services), "same")]);
    assert_eq!((world.ids(), world.settings("web")), (vec!["web a".to_owned()], None));
}

#[test]
fn two_that_exchanged_their_ports_are_imported_back() {
    let mut world = world();
    let services = exported(&world.registry);
    world.outcomes([
        (deregister("web", "a"), "gone"),
        (register("web", "b", leased("h1", 30)), "changed"),
        (register("web", "a", offer("h2", 80)), "new"),
        (import(true, services.clone()), "done"),
    ]);
    assert_eq!(exported(&world.registry), services);
}

#[test]
fn an_import_may_shrink_what_it_replaces() {
    let mut world = world().having([configure("web", spread(Shards::Auto))]);
    world.zones[0].max_records_per_rrset = 2;
    world.outcomes([
        (register("web", "c", offer("h3", 80)), "new"),
        (import(true, vec![imported("web", ttl(60), &[("c", offer("h3", 80))])]), "done"),
        (import(true, vec![imported("web", ttl(60), &[("a", offer("h1", 80)), ("b", offer("h2", 80))])]), "done"),
    ]);
}
