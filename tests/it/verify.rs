//! `srvctl verify` beyond what is there and what is not: caches, who else looks, and what is behind the targets.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::Value;
use srvctl::model::RecordType;

use crate::scripted::{Query, Servers, always, replying, scripted};
use crate::support::{JENKINS, Named, Settings, Workspace, in_private_network};

const JENKINS_NAME: &str = "_jenkins._tcp.internal.local.";

fn through(named: &Named, verify: &[String]) -> Workspace {
    Workspace::with(&Settings { verify: verify.to_vec(), ..Settings::for_server(named) })
}

fn check<'r>(report: &'r Value, server: &str, name: &str, record_type: &str) -> &'r Value {
    let checks = report["checks"].as_array().unwrap();
    let is = |check: &&Value| check["server"] == server && check["name"] == name && check["type"] == record_type;
    checks.iter().find(is).unwrap_or_else(|| panic!("{name} {record_type} at {server} in {report}"))
}

fn findings(report: &Value) -> Vec<(&str, &str)> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|found| (found["code"].as_str().unwrap(), found["subject"].as_str().unwrap())).collect()
}

#[test]
fn an_old_answer_in_a_cache_is_stale_and_wait_waits_for_its_end() {
    let named = Named::start();
    let resolver = Named::builder().resolves_through(named.address()).start();
    let servers = [&named, &resolver].map(|server| server.address().to_string());
    let workspace = through(&named, &servers);
    let jenkins = |port: &str| JENKINS.replacen("[[service]]", "[[service]]\nttl = 4", 1).replacen("8080", port, 1);
    workspace.write_service("jenkins.toml", &jenkins("8080"));
    workspace.converge();
    resolver.dig(&["+short", JENKINS_NAME, "SRV"]);
    workspace.write_service("jenkins.toml", &jenkins("8443"));
    workspace.converge();
    let report = workspace.json(&["verify", "--json"]);
    let stale = check(&report, &servers[1], JENKINS_NAME, "SRV");
    assert_eq!((&stale["state"], &stale["verdict"]), (&"stale".into(), &"different".into()), "{report}");
    assert!(stale["clears_within"].as_u64().unwrap() <= 4, "{stale}");
    assert_eq!(check(&report, &servers[0], JENKINS_NAME, "SRV")["state"], "in_sync");
    let shown = workspace.expect(3, &["verify", "jenkins"]).stdout;
    assert!(shown.contains("stale ") && shown.contains("from a cache that lets go of it within "), "{shown}");
    let waited = workspace.expect(0, &["verify", "--wait=60s", "--service", "jenkins", "--json"]);
    let report: Value = serde_json::from_str(&waited.stdout).unwrap();
    assert_eq!(report["in_sync"], true, "{report}");
}

#[test]
fn servers_may_be_named_and_those_that_lag_are_named_with_their_serials() {
    let named = Named::builder().serial(30).start();
    let behind = Named::builder().serial(12).start();
    let workspace = through(&named, &[named.address().to_string()]);
    workspace.write_service("jenkins.toml", JENKINS);
    workspace.converge();
    workspace.expect(0, &["verify"]);
    let server = behind.address().to_string();
    let report = workspace.json(&["verify", "--server", &server, "--json"]);
    let gap = u64::from(named.serial()) - 12;
    assert_eq!(report["servers"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!((&report["servers"][0]["serial"], &report["servers"][0]["behind"]), (&12.into(), &gap.into()));
    assert_eq!(check(&report, &server, JENKINS_NAME, "SRV")["state"], "stale");
    let shown = workspace.expect(3, &["verify", "--server", &server]).stdout;
    let told = format!("{server} has zone internal.local. with serial 12, {gap} behind the primary");
    assert!(shown.contains(&told), "{shown}");
    assert!(workspace.expect(2, &["verify", "--server", "a b"]).stderr.contains("is not a server"));
}

#[test]
fn targets_without_an_address_are_found() {
    let named = Named::builder().records("alias CNAME ns1").start();
    let workspace = through(&named, &[named.address().to_string()]);
    let instance = |host: &str| format!("[[service.instance]]\nhost = \"{host}\"\nport = 80\n");
    let hosts = ["ns1", "alias", "nobody", "elsewhere.example."].map(instance).concat();
    workspace.write_service("web.toml", &format!("[[service]]\nname = \"web\"\n{hosts}"));
    workspace.converge();
    let report: Value = serde_json::from_str(&workspace.expect(0, &["verify", "--json"]).stdout).unwrap();
    let mut found = findings(&report);
    found.sort_unstable();
    let expected = [
        ("target-address", "nobody.internal.local:80"),
        ("target-alias", "alias.internal.local:80"),
        ("target-unknown", "elsewhere.example:80"),
    ];
    assert_eq!(found, expected, "{report}");
    let shown = workspace.expect(0, &["verify"]).stdout;
    assert!(shown.contains("nobody.internal.local:80: the target has no address: Prometheus discovers it"), "{shown}");
}

#[test]
fn spellings_that_would_be_scraped_twice_are_found() {
    let named = Named::start();
    let other = Named::builder().records("_web._tcp SRV 0 0 80 NS1").start();
    let workspace = through(&named, &[&named, &other].map(|server| server.address().to_string()));
    let web = "[[service]]\nname = \"web\"\n[[service.instance]]\nhost = \"ns1\"\nport = 80\n";
    workspace.write_service("web.toml", web);
    workspace.converge();
    let report = workspace.json(&["verify", "--json"]);
    assert_eq!(findings(&report), [("target-case", "_web._tcp.internal.local.")], "{report}");
    assert_eq!(report["in_sync"], true, "DNS takes both for the same: {report}");
}

#[test]
fn consumers_that_come_to_other_targets_are_told() {
    // Its servers have to answer while srvctl runs and we wait for it.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let servers = runtime.block_on(Servers::start([
        always(2), // SERVFAIL: Prometheus keeps its targets, vmagent drops them
        // A target that is no host name to Go: Prometheus takes it, vmagent drops the whole name.
        replying(|query| query.reply().srv("10.0.0.5.", 8080)),
    ]));
    let [failing, odd] = [0, 1].map(|server| servers.addresses[server].to_string());
    let named = Named::start();
    let workspace = through(&named, &[failing.clone(), odd.clone()]);
    workspace.write_service("jenkins.toml", JENKINS);
    let report = workspace.json(&["verify", "--json"]);
    let views = report["views"].as_array().unwrap();
    let of = |server: &str| views.iter().find(|views| views["server"] == server).unwrap();
    for (server, prometheus) in [(&failing, "kept"), (&odd, "targets")] {
        let views = of(server);
        assert_eq!((&views["agree"], &views["name"]), (&false.into(), &JENKINS_NAME.into()), "{views}");
        assert_eq!(
            (&views["prometheus"]["outcome"], &views["vmagent"]["outcome"]),
            (&prometheus.into(), &"dropped".into())
        );
    }
    assert_eq!(of(&odd)["prometheus"]["targets"], serde_json::json!(["10.0.0.5:8080"]));
    let shown = workspace.expect(3, &["verify"]).stdout;
    assert!(shown.contains(&format!("{JENKINS_NAME} via {failing} is not the same to everybody:")), "{shown}");
    assert!(shown.contains("vmagent          drops its targets: "), "{shown}");
}

#[test]
fn where_nobody_is_to_look_nothing_is_verified() {
    in_private_network("verify::where_nobody_is_to_look_nothing_is_verified", || {
        // The primary is the only server that the zone names.
        let named = Named::builder().listen("127.0.0.1:53".parse().unwrap()).start();
        let workspace = through(&named, &["secondaries".to_owned()]);
        workspace.write_service("jenkins.toml", JENKINS);
        workspace.converge();
        let nobody = "the NS records of zone internal.local. name no other server than the primary";
        let report = workspace.json(&["verify", "--json"]);
        let lost = serde_json::json!([{ "name": "secondaries", "reason": nobody }]);
        assert_eq!((&report["in_sync"], &report["lost"]), (&false.into(), &lost), "{report}");
        let shown = workspace.expect(3, &["verify"]).stdout;
        assert!(shown.contains(&format!("secondaries cannot be asked: {nobody}")), "{shown}");
        let mut daemon = workspace.daemon();
        daemon.wait_in_sync();
        let register = ["register", "web", "--host", "web1", "--port", "80", "--wait=5s"];
        let told = workspace.expect(1, &register).stderr;
        assert!(told.contains(&format!("SRV via secondaries: cannot be asked: {nobody}")), "{told}");
    });
}

#[test]
fn wait_ends_with_the_last_whole_look_when_another_takes_too_long() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // Each look begins by asking for the serial, with an id of its own: the second finds a server that has gone silent.
    let looks = Mutex::new(BTreeSet::new());
    let servers = runtime.block_on(Servers::start([scripted(move |query| {
        let mut looks = looks.lock().unwrap();
        if query.question.record_type == RecordType::SOA {
            looks.insert(query.id);
        }
        if looks.len() > 1 { Vec::new() } else { vec![query.reply().srv("else.internal.local.", 1).bytes()] }
    })]));
    let named = Named::start();
    let workspace = through(&named, &[servers.addresses[0].to_string()]);
    workspace.write_service("jenkins.toml", JENKINS);
    let report: Value = serde_json::from_str(&workspace.expect(3, &["verify", "--wait=5s", "--json"]).stdout).unwrap();
    assert_eq!(
        check(&report, &servers.addresses[0].to_string(), JENKINS_NAME, "SRV")["verdict"],
        "different",
        "{report}"
    );
    let of_serials = |query: &&Query| query.question.record_type == RecordType::SOA;
    let ids: BTreeSet<_> = servers.seen(0).iter().filter(of_serials).map(|query| query.id).collect();
    assert!(ids.len() > 1, "there was another look");
}
