use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::model::health::{Check, HealthStatus, Maintained, Maintenance, TcpCheck};
use crate::model::{
    CheckKind, Condition, Instance, Name, Outcome, Place, Scheme, Scrape, Service, ServiceKey, ZoneStatus, rules,
};
use crate::reconcile::MissingSource;

fn zone() -> Name {
    "internal.local".parse().unwrap()
}

fn key(name: &str) -> ServiceKey {
    ServiceKey { name: name.into(), proto: "tcp".into(), zone: zone() }
}

fn place() -> Place {
    Place { file: "x.toml".into(), line: 1, column: 1 }
}

fn instance(host: &str, port: u16) -> Instance {
    Instance::new(rules::host(host, &zone(), &[zone()]).unwrap(), NonZeroU16::new(port).unwrap(), place())
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn service(name: &str, instances: Vec<Instance>) -> Service {
    Service { instances, ..Service::new(key(name), place()) }
}

fn unremarkable(maintenance: &BTreeMap<Maintained, Maintenance>) -> Circumstances<'_> {
    Circumstances { registered: None, health: None, maintenance }
}

fn plain(service: &Service) -> Vec<Target> {
    described(service, unremarkable(&BTreeMap::new()))
}

fn one(service: &Service) -> Target {
    let mut targets = plain(service);
    assert_eq!(targets.len(), 1);
    targets.remove(0)
}

fn roster(services: &[Service]) -> Roster {
    let mut roster = Roster::default();
    for service in services {
        roster.set(&service.key, plain(service));
    }
    roster
}

fn addresses(roster: &Roster) -> Vec<String> {
    let everything = Selection::default();
    let listing = roster.listing();
    listing.selected(&everything, |_| true).map(|target| target.address.clone()).collect()
}

/// What Prometheus takes, and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    targets: Vec<String>,
    labels: BTreeMap<String, String>,
}

fn is_label_name(name: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    name.chars().all(allowed) && name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
}

fn seen_by_prometheus(json: &[u8]) -> Vec<Group> {
    let groups: Vec<Group> = serde_json::from_slice(json).unwrap();
    for Group { targets, labels } in &groups {
        assert!(targets.iter().all(|target| !target.is_empty() && !target.contains('/')), "{targets:?}");
        assert!(labels.keys().all(|name| is_label_name(name)), "{labels:?}");
    }
    groups
}

#[test]
fn metadata_of_the_instance_comes_before_that_of_the_service() {
    let mut own = instance("a", 1);
    own.metadata = pairs(&[("team", "ops"), ("a.b", "dot"), ("a b", "blank")]);
    let mut service = service("web", vec![own]);
    service.metadata = pairs(&[("team", "devops"), ("env", "prod"), ("a_b", "service"), ("x-y", "1"), ("x_y", "2")]);
    let target = one(&service);
    let meta = |key: &str| target.label(&format!("__meta_srvctl_meta_{key}"));
    assert_eq!((meta("team"), meta("env")), (Some("ops"), Some("prod")));
    assert_eq!(meta("a_b"), Some("blank"), "the instance's, and of its two the first");
    assert_eq!(meta("x_y"), Some("2"), "the one that is spelt like the label");
}

#[test]
fn how_it_is_scraped_becomes_labels_that_prometheus_can_take() {
    let scrape = Scrape {
        scheme: Some(Scheme::Https),
        metrics_path: Some("/prometheus".into()),
        interval: Some(Duration::from_secs(5)),
        params: [("module".into(), vec!["http_2xx".into(), "other".into()]), ("match[]".into(), vec!["up".into()])]
            .into(),
        ..Scrape::default()
    };
    let labels = |scrape: Scrape| {
        one(&Service { scrape: Some(Arc::new(scrape)), ..service("web", vec![instance("a", 1)]) }).labels
    };
    let said = labels(scrape.clone());
    for (name, value) in [
        ("__scheme__", "https"),
        ("__metrics_path__", "/prometheus"),
        ("__scrape_interval__", "5s"),
        ("__scrape_timeout__", "5s"),
        ("__param_module", "http_2xx"),
        ("__meta_srvctl_job", "web"),
    ] {
        assert_eq!(said.get(name).map(|value| &**value), Some(value), "{name}");
    }
    assert!(!said.keys().any(|name| name.contains("match")), "{said:?}");
    // A time-out that is longer than the interval of the job would cost the target.
    let alone =
        labels(Scrape { timeout: Some(Duration::from_mins(1)), job_name: Some("j".into()), ..Scrape::default() });
    assert!(
        !alone.contains_key("__scrape_timeout__") && alone.get("__meta_srvctl_job").is_some_and(|job| &**job == "j")
    );
    let slow = labels(Scrape {
        interval: Some(Duration::from_mins(2)),
        timeout: Some(Duration::from_millis(1500)),
        ..Scrape::default()
    });
    assert_eq!((&*slow["__scrape_interval__"], &*slow["__scrape_timeout__"]), ("120s", "1500ms"));
}

#[test]
fn who_is_worked_on_says_so() {
    let service = service("web", vec![instance("a", 1), instance("b", 1)]);
    let work = Maintenance { until: 1, why: String::new(), by: String::new() };
    let labelled = |whom: Maintained| {
        let maintenance = [(whom, work.clone())].into();
        let targets = described(&service, unremarkable(&maintenance));
        let is_labelled = |target: &Target| target.label("__meta_srvctl_maintenance") == Some("true");
        targets.iter().map(is_labelled).collect::<Vec<_>>()
    };
    assert_eq!(labelled(Maintained::Host("b.internal.local".parse().unwrap())), [false, true]);
    assert_eq!(labelled(Maintained::Service(service.key.owner_name().unwrap())), [true, true]);
    assert_eq!(labelled(Maintained::Host("c.internal.local".parse().unwrap())), [false, false]);
}

#[test]
fn what_is_not_understood_is_an_error_and_never_an_empty_list() {
    let zones = [zone(), "other.local".parse().unwrap()];
    let read = |query: &[(&str, &str)]| {
        let pairs: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Selection::of_request(&pairs, &zones)
    };
    for wrong in [
        [("servcie", "jenkins")],
        [("service", "")],
        [("service", "_jenkins")],
        [("service", "_jenkins._sctp")],
        [("service", "_jenkins._tcp.elsewhere.local")],
        [("zone", "elsewhere.local")],
        [("proto", "sctp")],
        [("host", "a..b")],
        [("health", "well")],
        [("published", "yes")],
        [("meta.", "x")],
        [("meta.a=b", "x")],
        [("metadata.team", "x")],
    ] {
        assert!(read(&wrong).is_err(), "{wrong:?}");
    }
    assert!(read(&[]).unwrap().is_everything());
    let nobody = read(&[("service", "nobody")]).unwrap();
    assert!(roster(&[service("web", vec![instance("a", 1)])]).listing().json(&nobody, |_| true) == b"[]\n");
}

#[test]
fn filters_that_dns_does_not_have() {
    let zones = [zone()];
    let mut ops = instance("b", 2);
    ops.metadata = pairs(&[("team", "ops")]);
    let mut web = service("Web", vec![instance("a", 1), ops]);
    web.metadata = pairs(&[("team", "devops"), ("env", "prod")]);
    let listing = roster(&[web, service("db", vec![instance("a", 3)])]).listing();
    let asked = |query: &[(&str, &str)]| {
        let pairs: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let selection = Selection::of_request(&pairs, &zones).unwrap();
        let ports = listing.selected(&selection, |_| true).map(|target| target.address.rsplit_once(':').unwrap().1);
        ports.collect::<Vec<_>>().join(" ")
    };
    for (query, ports) in [
        (&[][..], "3 1 2"),
        (&[("service", "web")], "1 2"),
        (&[("service", "_WEB._tcp.internal.local")], "1 2"),
        (&[("service", "_web._udp")], ""),
        (&[("service", "web"), ("service", "db")], "3 1 2"),
        (&[("meta.team", "ops")], "2"),
        (&[("meta.team", "ops"), ("meta.team", "devops")], "1 2"),
        (&[("meta.team", "ops"), ("meta.env", "test")], ""),
        (&[("host", "A")], "3 1"),
        (&[("host", "a.internal.local.")], "3 1"),
        (&[("host", "a"), ("service", "web")], "1"),
        (&[("health", "unchecked"), ("proto", "tcp"), ("zone", "internal.local")], "3 1 2"),
        (&[("health", "passing"), ("health", "failing")], ""),
        (&[("published", "true")], "3 1 2"),
        (&[("published", "false")], ""),
        (&[("published", "true"), ("published", "false")], "3 1 2"),
    ] {
        assert_eq!(asked(query), ports, "{query:?}");
    }
    let everything = Selection::default();
    let seen: Vec<_> = listing.selected(&everything, |key| key.name == "db").map(|target| &*target.address).collect();
    assert_eq!(seen, ["a.internal.local:3"]);
    assert!(listing.hides(&everything, |_| false) && !listing.hides(&everything, |key| key.name == "db"));
    assert!(!Listing::default().hides(&everything, |_| false), "there is nothing to hide");
}

#[test]
fn nobody_goes_before_the_guard_lets_them() {
    let both = service("web", vec![instance("a", 1), instance("c", 1)]);
    let mut roster = roster(&[both.clone(), service("db", vec![instance("d", 1)])]);
    assert!(roster.set(&key("web"), plain(&service("web", vec![instance("b", 1), instance("C", 1)]))));
    assert!(!roster.set(&key("db"), Vec::new()), "the list is the same as long as they stay");
    assert_eq!(
        addresses(&roster),
        ["d.internal.local:1", "a.internal.local:1", "b.internal.local:1", "C.internal.local:1"]
    );
    assert_eq!(roster.kept(), 2);
    let terms = |percent| move |_: &Name| Some(Terms { missing: &[], percent });
    let nobody = BTreeSet::new();
    assert!(!roster.release(&nobody, |_| false, terms(100)).0);
    // Who comes back is in force again, and what is said of them is new.
    let mut again = both.clone();
    again.metadata = pairs(&[("team", "x")]);
    roster.set(&key("web"), plain(&again));
    assert_eq!(roster.kept(), 2, "b and d");
    assert!(roster.release(&nobody, |key| key.name == "web", terms(100)).0);
    assert_eq!(addresses(&roster), ["d.internal.local:1", "a.internal.local:1", "c.internal.local:1"]);
    let restored = Roster::restored(read(&roster.listing().json(&Selection::default(), |_| true)).unwrap(), &[zone()]);
    assert_eq!((addresses(&restored), restored.kept()), (addresses(&roster), 3));
    assert_eq!(restored.listing(), roster.listing(), "with all that is said of them");
    let elsewhere = Roster::restored(read(&roster.listing().json(&Selection::default(), |_| true)).unwrap(), &[]);
    assert!(elsewhere.listing().is_empty());
}

#[test]
fn whom_dns_never_had_the_list_guards_itself() {
    let of = |count: u32| service("web", (0..count).map(|index| instance(&format!("h{index}"), 1)).collect());
    let left = |roster: &Roster| (roster.listing().len(), roster.kept());
    let too_many = |leaving, listed| Stays::TooMany { leaving, listed, percent: 20 };
    let missing = [MissingSource::Files("a/*.toml".to_owned())];
    for (before, after, missing, gone, stays) in [
        (12, 10, &[][..], 0, None),
        (12, 9, &[], 0, Some(too_many(3, 12))),
        (3, 1, &[], 0, None),
        (3, 0, &[], 0, Some(too_many(3, 3))),
        (12, 11, &missing, 0, Some(Stays::Missing(missing[0].clone()))),
        // Who was in DNS has been let go by the guard of the zone.
        (12, 0, &[], 12, None),
        (12, 9, &[], 1, None),
        (12, 11, &missing, 1, None),
        (12, 10, &missing, 1, Some(Stays::Missing(missing[0].clone()))),
    ] {
        let mut roster = roster(&[of(before)]);
        roster.set(&key("web"), plain(&of(after)));
        let gone: BTreeSet<_> =
            (after..after + gone).map(|index| (key("web"), format!("h{index}.internal.local:1"))).collect();
        let (_, held) = roster.release(&gone, |_| true, |_| Some(Terms { missing, percent: 20 }));
        let kept = if stays.is_some() { before as usize - after as usize - gone.len() } else { 0 };
        assert_eq!(held.into_values().next(), stays, "{before} {after}");
        assert_eq!(left(&roster), (after as usize + kept, kept), "{before} {after}");
    }
}

#[test]
fn failures_of_one_who_is_cut_off_are_no_news() {
    let with = |mut target: Target, health: &str| {
        target.labels.insert("__meta_srvctl_health".into(), health.into());
        target
    };
    let said = |words: &[&str]| -> Vec<Target> {
        let hosts = plain(&service("web", (0..4).map(|index| instance(&format!("h{index}"), 1)).collect()));
        hosts.into_iter().zip(words).map(|(target, word)| with(target, word)).collect()
    };
    let mut roster = Roster::default();
    roster.set(&key("web"), said(&["passing", "failing", "failing"]));
    let mut now = said(&["failing", "failing", "passing", "failing"]);
    roster.doubt_failures(&key("web"), &mut now);
    assert_eq!(now, said(&["passing", "failing", "passing", "failing"]), "but of one who is new");
}

#[test]
fn a_digit_begins_no_label() {
    let mut own = instance("a", 1);
    own.metadata = pairs(&[("2fa", "1"), ("3-d", "2"), ("_3_d", "3")]);
    let target = one(&service("web", vec![own]));
    let meta = |key: &str| target.label(&format!("__meta_srvctl_meta_{key}"));
    assert_eq!((meta("_2fa"), meta("_3_d"), meta("2fa")), (Some("1"), Some("3"), None));
}

#[test]
fn only_a_plan_that_was_let_pass_lets_go() {
    let mut zone: ZoneStatus = serde_json::from_value(serde_json::json!({
        "zone": "internal.local.", "primary": "", "owner": "", "outcome": "pending", "serial": null, "records": 0,
        "owned_names": 0, "last_in_sync": null, "last_run": null, "changes": 0, "full_transfers": 0,
        "incremental_transfers": 0, "notifies": null, "error": null, "problems": [], "held": null, "next_run": null
    }))
    .unwrap();
    for (outcome, lets_go) in [
        (Outcome::Pending, false),
        (Outcome::InSync, true),
        (Outcome::Held, false),
        (Outcome::Incomplete, true),
        (Outcome::Failed, false),
    ] {
        zone.outcome = outcome;
        assert_eq!(Roster::lets_go(&zone), lets_go, "{outcome:?}");
    }
}

#[test]
fn what_is_no_list_is_refused() {
    for wrong in [
        "",
        "{}",
        "[{}]",
        "[null]",
        "[{\"targets\":[\"a:1\"],\"labels\":{},\"x\":1}]",
        "[{\"targets\":[\"a:1\"],\"labels\":{}}]",
    ] {
        assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert_eq!(read(b"[]\n"), Ok(Vec::new()));
}

fn any_service() -> impl Strategy<Value = Service> {
    let metadata = || proptest::collection::btree_map("[ -<>-~]{1,6}", any::<String>(), 0..4);
    let own = (("[a-z]{1,3}", 1..4_u16), metadata(), any::<(u16, u16)>());
    let instances = proptest::collection::vec(own, 0..6);
    let params =
        proptest::collection::btree_map("[a-z\\[\\]é]{0,5}", proptest::collection::vec(any::<String>(), 0..2), 0..3);
    ("[a-c]", instances, metadata(), params, proptest::option::of(1..100_000_u64)).prop_map(
        |(name, instances, metadata, params, interval)| {
            let mut seen = BTreeSet::new();
            let instances = instances.into_iter().filter(|(at, ..)| seen.insert(at.clone()));
            let instances = instances.map(|((host, port), metadata, (priority, weight))| Instance {
                priority,
                weight,
                metadata,
                ..instance(&host, port)
            });
            let scrape = Scrape { params, interval: interval.map(Duration::from_millis), ..Scrape::default() };
            Service { metadata, scrape: Some(Arc::new(scrape)), ..service(&name, instances.collect()) }
        },
    )
}

proptest! {
    /// Prometheus can take it, it can be read again, and it is the same whatever order things came in.
    #[test]
    fn any_catalogue_is_a_list(mut services in proptest::collection::vec(any_service(), 0..4), from in 0..4_usize) {
        services.sort_by(|one, other| one.key.cmp(&other.key));
        services.dedup_by(|one, other| one.key == other.key);
        let everything = Selection::default();
        let json = roster(&services).listing().json(&everything, |_| true);
        let groups = seen_by_prometheus(&json);
        prop_assert_eq!(groups.len(), services.iter().map(|service| service.instances.len()).sum::<usize>());
        for Group { targets, labels } in groups {
            prop_assert_eq!(targets.len(), 1);
            prop_assert_eq!(&targets[0], &format!("{}:{}", labels["__meta_srvctl_host"], labels["__meta_srvctl_port"]));
        }
        let again = Roster::restored(read(&json).unwrap(), &[zone()]);
        prop_assert_eq!(again.listing().json(&everything, |_| true), json.clone());
        let middle = from.min(services.len());
        services.rotate_left(middle);
        for service in &mut services {
            let middle = from.min(service.instances.len());
            service.instances.rotate_left(middle);
        }
        prop_assert_eq!(roster(&services).listing().json(&everything, |_| true), json);
    }
}

#[test]
fn health_is_told_where_something_is_checked() {
    let status: HealthStatus = serde_json::from_value(serde_json::json!({
        "service": "_web._tcp.internal.local.", "policy": "withdraw", "min_healthy": {"count": 1}, "floor": 1,
        "floor_held": false, "isolated": false, "maintenance": null, "instances": [{
            "instance": "a.internal.local:1", "condition": "failing", "since": null, "damped": false,
            "publication": "withdrawn", "reason": "", "maintenance": null, "checks": []
        }]
    }))
    .unwrap();
    let mut web = service("web", vec![instance("A", 1), instance("b", 1), instance("c", 1)]);
    let told = |web: &Service, health: Option<&HealthStatus>| {
        let targets = described(web, Circumstances { health, ..unremarkable(&BTreeMap::new()) });
        let label = |target: &Target, name: &str| target.label(&format!("__meta_srvctl_{name}")).unwrap().to_owned();
        targets.iter().map(|target| label(target, "health") + " " + &label(target, "publication")).collect::<Vec<_>>()
    };
    assert_eq!(told(&web, None), ["unchecked published"; 3]);
    let interval = Duration::from_secs(10);
    let kind = CheckKind::Tcp(TcpCheck { port: None });
    let check = Check { kind, interval, timeout: interval, rise: 1, fall: 1, initial: Condition::Unknown };
    web.checks = [Arc::new(check)].into();
    web.instances[2].checks = Some(Box::default());
    assert_eq!(told(&web, Some(&status)), ["failing withdrawn", "unknown published", "unchecked published"]);
}
