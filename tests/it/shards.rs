//! Services that are larger than one RRset may be, against BIND with its default limits.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{NODE_EXPORTER, Named, Prometheus, Workspace, in_private_network, strings};

const SERVICE: &str = "_node-exporter._tcp.internal.local.";

/// Lets the server tell a history that is longer than the zone itself.
const WHOLE_HISTORY: &str = "max-ixfr-ratio unlimited;";

/// A service file with `count` instances from number `first` on; `line` stands in the service.
fn service(name: &str, line: &str, first: usize, count: usize) -> String {
    let mut text = format!("[[service]]\nname = \"{name}\"\n{line}\nmetadata = {{ team = \"infrastructure\" }}\n");
    for host in first..first + count {
        let _ = write!(text, "[[service.instance]]\nhost = \"{}\"\nport = 9100\n", host_name(host));
    }
    text
}

fn host_name(host: usize) -> String {
    format!("node-{host:05}")
}

fn targets(first: usize, count: usize) -> BTreeSet<String> {
    (first..first + count).map(|host| format!("{}.internal.local:9100", host_name(host))).collect()
}

/// The names that `srvctl names` prints, and their JSON says the same.
fn listed(workspace: &Workspace, service: &str) -> Vec<String> {
    let printed: Vec<_> = workspace.expect(0, &["names", service]).stdout.lines().map(str::to_owned).collect();
    assert_eq!(workspace.json(&["names", service, "--json"]), json!({ "names": printed }));
    printed
}

/// Every SRV record of the zone as (name, data).
fn srv(lines: &[String]) -> impl Iterator<Item = (&str, &str)> {
    lines.iter().filter_map(|line| {
        let (name, data) = line.split_once(" 300 IN SRV ")?;
        Some((name, data))
    })
}

/// The SRV data at all names of a service together.
fn union_of(lines: &[String], service: &str) -> BTreeSet<String> {
    let of_service = srv(lines).filter(|(name, _)| name.starts_with(&format!("_{service}._tcp.")));
    of_service.map(|(_, data)| data.to_owned()).collect()
}

/// The one check of the SRV records in what `verify` reports.
fn srv_check(report: &Value) -> Value {
    let checks = report["checks"].as_array().unwrap();
    let mut srv = checks.iter().filter(|check| check["type"] == "SRV");
    let (first, second) = (srv.next(), srv.next());
    assert!(second.is_none(), "one check for all names together: {report}");
    first.cloned().unwrap()
}

fn assert_all_discovered(count: usize) {
    let named = Named::builder().listen(([127, 0, 0, 1], 53).into()).start();
    let workspace = Workspace::new(&named);
    workspace.write_service("nodes.toml", &service("node-exporter", "shards = \"auto\"", 0, count));
    workspace.converge();
    let zone = named.zone_text();
    let shards = listed(&workspace, "node-exporter");
    for name in &shards {
        let records = srv(&zone).filter(|(at, _)| at == name).count();
        assert!((1..=100).contains(&records), "{name} has {records} records");
        for beside in [format!("{name} 300 IN TXT \"team=infrastructure\""), format!("_srvctl.{name} 300 IN TXT ")] {
            assert!(zone.iter().any(|line| line.starts_with(&beside)), "no {beside}");
        }
    }
    assert_eq!(srv(&zone).count(), count);
    workspace.expect(0, &["verify"]);
    let check = srv_check(&workspace.json(&["verify", "--json"]));
    assert_eq!((&check["verdict"], strings(&check["names"])), (&json!("in_sync"), shards.clone()));
    assert_eq!(strings(&check["targets"]).into_iter().collect::<BTreeSet<_>>(), targets(0, count));
    let mut prometheus = Prometheus::start_scraping("1h", &[("nodes", &shards.join(", "))]);
    prometheus.wait_until(&[("nodes".to_owned(), targets(0, count))].into());
}

#[test]
fn prometheus_discovers_250_instances() {
    in_private_network("shards::prometheus_discovers_250_instances", || assert_all_discovered(250));
}

#[test]
fn prometheus_discovers_5000_instances() {
    in_private_network("shards::prometheus_discovers_5000_instances", || assert_all_discovered(5000));
}

#[test]
fn without_shards_an_oversized_service_is_refused_whole() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service("many.toml", &service("many", "", 0, 90));
    workspace.converge();
    let before = union_of(&named.zone_text(), "many");
    workspace.write_service("many.toml", &service("many", "", 10, 101));
    workspace.write_service("node-exporter.toml", NODE_EXPORTER);
    for arguments in [["apply"], ["check"]] {
        let output = workspace.run(&arguments);
        assert_eq!(output.code, i32::from(arguments == ["apply"]), "{output:?}");
        for said in ["101 instances", "`shards = \"auto\"`", "on the primary, every secondary and every resolver"] {
            assert!(output.stderr.contains(said), "{said:?} is not in {output:?}");
        }
    }
    let zone = named.zone_text();
    assert_eq!(union_of(&zone, "many"), before, "neither added nor removed");
    assert_eq!(union_of(&zone, "node-exporter").len(), 2, "the other service converges");
}

#[test]
fn too_few_shards_are_refused_whole_with_the_number_it_takes() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service("many.toml", &service("many", "shards = 2", 0, 150));
    workspace.converge();
    let before = named.zone_text();
    for count in [201, 350] {
        workspace.write_service("many.toml", &service("many", "shards = 2", 0, count));
        let output = workspace.expect(1, &["apply"]);
        let needed = format!("`shards = {}`", count.div_ceil(100));
        assert!(output.stderr.contains(&needed) && output.stderr.contains("may have 2"), "{output:?}");
        assert_eq!(named.zone_text(), before);
    }
    // The same when the number was larger: what is in the shards that are too many stays, too.
    workspace.write_service("many.toml", &service("many", "shards = 1", 0, 150));
    workspace.expect(1, &["apply"]);
    workspace.write_service("many.toml", &service("many", "", 0, 150));
    workspace.expect(1, &["apply"]);
    assert_eq!(named.zone_text(), before);
}

#[test]
fn growing_into_shards_moves_nobody() {
    let named = Named::builder().options(WHOLE_HISTORY).start();
    let workspace = Workspace::new(&named);
    workspace.write_service("nodes.toml", &service("node-exporter", "", 0, 90));
    workspace.converge();
    assert_eq!(listed(&workspace, "node-exporter"), [SERVICE]);
    let (first, serial) = (named.zone_text(), named.serial());
    workspace.write_service("nodes.toml", &service("node-exporter", "shards = \"auto\"", 0, 250));
    workspace.converge();
    assert_eq!(listed(&workspace, "node-exporter").len(), 3);
    let zone = named.zone_text();
    assert!(first.iter().all(|line| zone.contains(line)), "the 90 are where they were");
    assert!(named.versions_since(serial).iter().all(|version| version.lost.is_empty()), "at every moment");

    let serial = named.serial();
    workspace.write_service("nodes.toml", &service("node-exporter", "shards = \"auto\"", 1, 250));
    workspace.converge();
    let versions = named.versions_since(serial);
    let lost: Vec<_> = versions.iter().flat_map(|version| &version.lost).collect();
    let gained: Vec<_> = versions.iter().flat_map(|version| &version.gained).collect();
    assert_eq!((lost.len(), gained.len()), (1, 1), "one goes and one comes: {lost:?} {gained:?}");
    workspace.expect(0, &["verify"]);
}

/// Converges from four shards to what `change` asks for, and replays every version that the zone ever had.
fn shrink(line: &str, converge: impl FnOnce(&Named, &Workspace, &dyn Fn())) -> (Named, Workspace) {
    const SERVICES: usize = 8;
    const INSTANCES: usize = 90;
    let named = Named::builder().options(WHOLE_HISTORY).start();
    let workspace = Workspace::new(&named);
    let write = |line: &str| {
        for number in 0..SERVICES {
            let text = service(&format!("nodes{number}"), line, 0, INSTANCES)
                .replace("host = \"", &format!("host = \"{}.", ["x".repeat(60), "y".repeat(60)].join(".")));
            workspace.write_service(&format!("nodes{number}.toml"), &text);
        }
    };
    write("shards = 4");
    workspace.converge();
    let (before, serial) = (named.zone_text(), named.serial());
    converge(&named, &workspace, &|| write(line));
    let versions = named.versions_since(serial);
    assert!(versions.len() >= 4, "two rounds, of several messages each: {}", versions.len());
    let mut zone: BTreeSet<String> = before.iter().cloned().collect();
    for version in versions {
        version.lost.iter().for_each(|line| assert!(zone.remove(line), "{line} was not there"));
        zone.extend(version.gained);
        let lines: Vec<_> = zone.iter().cloned().collect();
        for number in 0..SERVICES {
            assert_eq!(union_of(&lines, &format!("nodes{number}")).len(), INSTANCES, "somebody was lost");
        }
    }
    assert_eq!(zone.into_iter().collect::<Vec<_>>(), named.zone_text(), "the replay came to the end");
    (named, workspace)
}

#[test]
fn fewer_shards_lose_nobody_at_any_moment() {
    let (named, workspace) = shrink("shards = 2", |_, workspace, change| {
        change();
        workspace.converge();
    });
    assert!(!named.zone_text().iter().any(|line| line.contains("shard-2") || line.contains("shard-3")));
    assert_eq!(listed(&workspace, "nodes0").len(), 2);
    workspace.expect(0, &["verify"]);
}

#[test]
fn no_shards_any_more_loses_nobody_either() {
    let (named, workspace) = shrink("", |_, workspace, change| {
        change();
        workspace.converge();
    });
    assert!(!named.zone_text().iter().any(|line| line.contains(".shard-")));
    workspace.expect(0, &["verify"]);
}

#[test]
fn the_daemon_moves_in_one_go() {
    shrink("shards = 2", |named, workspace, change| {
        let mut daemon = workspace.daemon();
        daemon.wait_in_sync();
        change();
        // The interval is long: without the second round at once, this would not come.
        daemon.wait_for("the end of the move", || !named.zone_text().iter().any(|line| line.contains("shard-2")));
        daemon.wait_in_sync();
    });
}

#[test]
fn verify_looks_at_the_names_together() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service("nodes.toml", &service("node-exporter", "shards = 2", 0, 20));
    workspace.converge();
    let zone = named.zone_text();
    let (own, shard): (Vec<_>, Vec<_>) = srv(&zone).partition(|(name, _)| *name == SERVICE);
    let (stays, goes) = (own[0].1, shard[0].1);
    let other = "_node-exporter._tcp.shard-1.internal.local.";
    named.nsupdate(&format!("zone internal.local\nupdate add {other} 300 SRV {stays}"));
    assert_eq!(srv_check(&workspace.json(&["verify", "--json"]))["verdict"], "in_sync", "at two names is no harm");
    named.nsupdate(&format!(
        "zone internal.local\nupdate delete {other} SRV {goes}\nupdate add {SERVICE} 300 SRV 1 1 1 stray.internal.local."
    ));
    workspace.expect(3, &["verify"]);
    let check = srv_check(&workspace.json(&["verify", "--json"]));
    assert_eq!((&check["missing"], &check["extra"]), (&json!([goes]), &json!(["1 1 1 stray.internal.local."])));
    workspace.converge();
    workspace.expect(0, &["verify"]);
}

#[test]
fn names_of_nobody_are_a_usage_error() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service("nodes.toml", &service("node-exporter", "shards = 3", 0, 1));
    let output = workspace.expect(2, &["names", "jenkins"]);
    assert!(output.stderr.contains("there is no service `jenkins`"), "{output:?}");
    assert_eq!(named.serial(), 1);
    assert_eq!(listed(&workspace, SERVICE).len(), 3, "also what is not published yet");
}

/// As [`service`], each host with an address.
fn with_addresses(name: &str, line: &str, first: usize, count: usize) -> String {
    let mut text = format!("[[service]]\nname = \"{name}\"\n{line}\n");
    for host in first..first + count {
        let _ = write!(
            text,
            "[[service.instance]]\nhost = \"{}\"\nport = 9100\naddresses = [\"10.1.0.{host}\"]\n",
            host_name(host)
        );
    }
    text
}

#[test]
fn the_hosts_of_a_refused_service_stay_as_they_are() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    for line in ["", "shards = 1"] {
        let empty = named.zone_text();
        workspace.write_service("many.toml", &with_addresses("many", line, 1, 101));
        workspace.expect(1, &["apply"]);
        assert_eq!(named.zone_text(), empty, "no address of a service that is refused");
        workspace.write_service("many.toml", &with_addresses("many", line, 1, 9));
        workspace.expect(0, &["apply"]);
        let published = named.zone_text();
        workspace.write_service("many.toml", &with_addresses("many", line, 8, 101));
        workspace.expect(1, &["apply"]);
        assert_eq!(named.zone_text(), published, "what is published keeps its addresses");
        workspace.write_service("many.toml", "# nothing");
        let id = workspace.json(&["plan", "--json"])["zones"][0]["held"]["id"].as_str().unwrap().to_owned();
        workspace.expect(0, &["apply", "--accept", &id]);
    }
}
