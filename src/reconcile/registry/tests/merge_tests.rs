use super::*;

fn in_force(world: &World, name: &str) -> Arc<Service> {
    let key = service(name);
    world.registry.in_force(&key, world.files.get(&key)).unwrap()
}

fn endpoints(service: &Service) -> Vec<String> {
    let endpoint =
        |instance: &Instance| format!("{}:{}", instance.host.labels().next().unwrap()[0] as char, instance.port);
    service.instances.iter().map(endpoint).collect()
}

#[test]
fn what_nobody_registered_is_the_file_itself() {
    let world = World::new().with_file(in_file("web", &[("h1", None)])).having([register("db", "a", offer("h1", 80))]);
    assert!(Arc::ptr_eq(&in_force(&world, "web"), &world.files[&service("web")]));
    assert_eq!(world.registry.in_force(&service("nobody"), None), None);
}

#[test]
fn settings_alone_offer_nothing() {
    let mut world = World::new().having([configure("web", ttl(60))]);
    assert_eq!(world.registry.in_force(&service("web"), None), None);
    world.outcomes([(register("web", "a", offer("h1", 80)), "new"), (deregister("web", "a"), "gone")]);
    assert_eq!(world.registry.in_force(&service("web"), None), None);
    let world = world.with_file(in_file("web", &[("h1", None)]));
    assert!(Arc::ptr_eq(&in_force(&world, "web"), &world.files[&service("web")]));
}

#[test]
fn settings_hold_where_no_file_describes_the_service() {
    let settings = Settings { ttl: Some(60), shards: Shards::Fixed(3), metadata: pairs("team=infra") };
    let world = World::new().having([configure("web", settings), register("web", "a", offer("h1", 80))]);
    let alone = in_force(&world, "web");
    assert_eq!((alone.ttl, alone.shards, &alone.metadata), (Some(60), Shards::Fixed(3), &pairs("team=infra")));
    let world = world.with_file(in_file("web", &[("h2", None)]));
    let with_file = in_force(&world, "web");
    assert_eq!((with_file.ttl, with_file.shards, with_file.metadata.len()), (None, Shards::Off, 0));
}

#[test]
fn instances_of_all_sources_are_sorted_by_host() {
    let world = World::new().having([
        register("web", "z", offer("a", 80)),
        register("web", "y", offer("c", 81)),
        register("web", "x", Offer { weight: 9, ..offer("d", 80) }),
        register("web", "w", offer("e", 80)),
    ]);
    let world = world.with_file(in_file("web", &[("d", Some("10.0.0.4")), ("c", None), ("b", None)]));
    let service = in_force(&world, "web");
    assert_eq!(endpoints(&service), ["a:80", "b:80", "c:80", "c:81", "d:80", "e:80"]);
    // What the file says of an instance is not changed by who registers it.
    assert_eq!((service.instances[4].weight, service.instances[4].addresses.len()), (1, 1));
}

#[test]
fn an_instance_is_what_it_offers() {
    let offered = Offer { priority: 3, weight: 4, ..addressed("h1", "10.0.0.1") };
    let world = World::new().having([register("web", "a", offered.clone())]);
    let found = in_force(&world, "web").instances[0].clone();
    assert_eq!((found.host, found.port, found.priority, found.weight), (offered.host, offered.port, 3, 4));
    assert_eq!(found.addresses.to_vec(), offered.addresses);
}

#[test]
fn what_all_instances_say_is_said_of_the_service() {
    let mut world = World::new().having([
        register("web", "a", told(offer("h1", 80), "team=infra env=prod rack=b1")),
        register("web", "b", told(offer("h2", 80), "team=infra env=test")),
    ]);
    let both = in_force(&world, "web");
    assert_eq!((&both.metadata, both.agreed.len()), (&pairs("team=infra"), 1));
    let said: Vec<_> = both.instances.iter().map(|instance| both.instance_text(instance).join(" ")).collect();
    assert_eq!(said, ["env=prod rack=b1 team=infra", "env=test team=infra"]);
    world.outcomes([(register("web", "c", offer("h3", 80)), "new")]);
    let all = in_force(&world, "web");
    assert_eq!(all.metadata, pairs(""));
    assert_eq!(all.instance_text(&all.instances[1]).join(" "), "env=test team=infra", "as before");
}

#[test]
fn what_was_said_of_the_service_wins_whatever_its_case() {
    let settings = Settings { metadata: pairs("Team=web"), ..Settings::default() };
    let requests = [configure("web", settings), register("web", "a", told(offer("h1", 80), "team=infra env=prod"))];
    let world = World::new().having(requests);
    assert_eq!(in_force(&world, "web").metadata, pairs("Team=web env=prod"));
    let (key, file) = in_file("web", &[("h2", None)]);
    let file = Service { metadata: pairs("ENV=test"), ..Service::clone(&file) };
    let world = world.with_file((key, Arc::new(file)));
    assert_eq!(in_force(&world, "web").metadata, pairs("ENV=test team=infra"));
}

#[test]
fn metadata_of_all_sources_fits_into_one_record() {
    let many = |prefix: char| (0..40).map(|n| (format!("{prefix}{n}"), "x".repeat(200))).collect::<BTreeMap<_, _>>();
    let settings = Settings { metadata: many('s'), ..Settings::default() };
    let requests = [configure("web", settings), register("web", "a", Offer { metadata: many('o'), ..offer("h1", 80) })];
    let service = in_force(&World::new().having(requests), "web");
    assert_eq!(crate::model::rules::metadata(&service.metadata), Ok(()));
    assert!(many('s').keys().all(|key| service.metadata.contains_key(key)), "what was said of the service is left out");
}

#[test]
fn a_file_that_does_not_speak_of_addresses_takes_none_away() {
    let registered =
        [register("web", "a", addressed("h1", "10.0.0.1")), register("web", "b", addressed("h2", "10.0.0.2"))];
    let world = World::new().having(registered);
    let world = world.with_file(in_file("web", &[("h1", None), ("h2", Some("10.0.0.9"))]));
    let service = in_force(&world, "web");
    let addresses: Vec<_> = service.instances.iter().map(|instance| instance.addresses[0].to_string()).collect();
    assert_eq!(addresses, ["10.0.0.1", "10.0.0.9"]);
}

#[test]
fn what_the_file_checks_is_checked_of_registered_instances_too() {
    use crate::model::health::TcpCheck;
    use crate::model::{Check, CheckKind, Condition, HealthPolicy};
    let world = World::new().having([register("web", "a", offer("h1", 80)), register("web", "b", offer("h2", 80))]);
    assert!(!in_force(&world, "web").is_checked(), "only files say what is checked");
    let (interval, timeout) = (std::time::Duration::from_secs(10), std::time::Duration::from_secs(3));
    let kind = CheckKind::Tcp(TcpCheck { port: None });
    let check = Check { kind, interval, timeout, rise: 2, fall: 3, initial: Condition::Passing };
    let (key, file) = in_file("web", &[("h2", None), ("h3", None)]);
    let mut file = Service { checks: [Arc::new(check)].into(), ..Service::clone(&file) };
    file.health = HealthPolicy::Deprioritise { priority: Some(100), weight: None };
    file.instances[0].checks = Some(Box::default());
    let health = file.health;
    let world = world.with_file((key, Arc::new(file)));
    let service = in_force(&world, "web");
    let checks: Vec<_> = service.instances.iter().map(|instance| service.checks_of(instance).len()).collect();
    assert_eq!((endpoints(&service).len(), checks), (3, vec![1, 0, 1]), "what the file says of an instance holds");
    assert_eq!(service.health, health);
}
