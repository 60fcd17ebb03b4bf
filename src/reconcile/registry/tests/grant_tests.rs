use super::*;

/// Asked by the team, after somebody else registered something of their own and of the team's.
fn world() -> World {
    let foreign = register("ci", "foreign", addressed("db1", "10.0.0.9"));
    let requests =
        [register("ci", "own", addressed("ci1", "10.0.0.1")), register("db", "db", offer("db1", 80)), foreign];
    World::new().having(requests).asked_by(team())
}

#[test]
fn only_their_services_are_changed() {
    world().outcomes([
        (register("ci-runner", "a", offer("ci1", 80)), "new"),
        (register("db", "a", offer("ci1", 80)), "denied"),
        (register("db", "db", offer("db1", 80)), "denied"),
        (set("db", "db", weight(1)), "denied"),
        (set("db", "nobody", weight(1)), "denied"),
        (renew("db", "db"), "denied"),
        (deregister("db", "db"), "denied"),
        (deregister("db", "nobody"), "denied"),
        (remove("db"), "denied"),
        (configure("db", ttl(60)), "denied"),
        (configure("ci", ttl(60)), "done"),
    ]);
}

#[test]
fn only_their_hosts_are_named() {
    world().outcomes([
        (register("ci", "a", offer("db1", 81)), "denied"),
        (register("ci", "own", offer("db1", 81)), "denied"),
        (register("ci", "foreign", offer("ci2", 80)), "denied"),
        (set("ci", "foreign", weight(1)), "denied"),
        (renew("ci", "foreign"), "denied"),
        (deregister("ci", "foreign"), "denied"),
        (remove("ci"), "denied"),
        (set("ci", "own", weight(1)), "changed"),
        (renew("ci", "own"), "same"),
        (deregister("ci", "own"), "gone"),
    ]);
}

#[test]
fn service_and_host_are_in_one_grant() {
    let grants = [grant("ci", "ci*", Access::Write), grant("web", "web*", Access::Write)];
    World::new().asked_by(Principal { name: "both".into(), grants: Some(grants.into()) }).outcomes([
        (register("ci", "a", offer("web1", 80)), "denied"),
        (register("web", "a", offer("web1", 80)), "new"),
    ]);
}

#[test]
fn an_address_of_a_registered_host_is_not_given_to_another() {
    world().outcomes([
        (register("ci", "a", addressed("ci2", "10.0.0.9")), "denied"),
        (register("ci", "own", addressed("ci1", "10.0.0.9")), "denied"),
        // Theirs to share.
        (register("ci", "a", addressed("ci2", "10.0.0.1")), "new"),
        (register("ci", "a", addressed("ci2", "10.0.0.2")), "changed"),
    ]);
    let mut world = world().asked_by(Principal::unrestricted("root"));
    world.outcomes([(register("ci", "a", addressed("ci2", "10.0.0.9")), "new")]);
}

#[test]
fn an_address_is_free_when_its_last_host_is_gone() {
    let mut world = world().asked_by(Principal::unrestricted("root"));
    let second = Offer { port: port(81), ..addressed("db1", "10.0.0.9") };
    world.outcomes([(register("db", "second", second), "new"), (remove("ci"), "done")]);
    let mut world = world.asked_by(team());
    world.outcomes([(register("ci", "a", addressed("ci2", "10.0.0.9")), "denied")]);
    let mut world = world.asked_by(Principal::unrestricted("root"));
    world.outcomes([(deregister("db", "second"), "gone")]);
    world.asked_by(team()).outcomes([(register("ci", "a", addressed("ci2", "10.0.0.9")), "new")]);
}

#[test]
fn an_address_of_a_files_host_is_not_given_to_another() {
    let hosts = [("ci1", Some("10.0.0.1")), ("db1", Some("10.0.0.9"))];
    World::new().with_file(in_file("other", &hosts)).asked_by(team()).outcomes([
        (register("ci", "a", addressed("ci2", "10.0.0.9")), "denied"),
        (register("ci", "a", addressed("ci2", "10.0.0.1")), "new"),
        (register("ci", "b", addressed("ci1", "10.0.0.1")), "new"),
    ]);
}

#[test]
fn who_may_look_may_not_change() {
    let reader = Principal { name: "reader".into(), grants: Some([grant("*", "*", Access::Read)].into()) };
    let nobody = Principal { name: "nobody".into(), grants: Some([].into()) };
    for who in [reader, nobody] {
        let requests = [
            register("ci", "own", addressed("ci1", "10.0.0.1")),
            register_if(Expected::Absent, "ci", "own", offer("ci1", 80)),
            set("ci", "own", weight(1)),
            set_if(Expected::Revision(9), "ci", "own", weight(1)),
            renew("ci", "own"),
            deregister("ci", "own"),
            deregister_if(Expected::Revision(9), "ci", "own"),
            remove("ci"),
            remove("nothing"),
            configure("ci", ttl(1)),
            Request::Import { services: vec![imported("ci", ttl(1), &[])], replace: false },
            Request::Import { services: Vec::new(), replace: true },
        ];
        let mut world = world().asked_by(who);
        requests.into_iter().for_each(|request| world.outcomes([(request, "denied")]));
    }
}
