//! Continuous verification: what the daemon sees through a primary, a cache, a server that lags, one that says
//! something else, and one that is dead.

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::{Daemon, JENKINS, Named, Settings, Workspace, free_address};

/// The example's service with a TTL, at this port.
fn jenkins(ttl: u32, port: u16) -> String {
    JENKINS.replacen("[[service]]", &format!("[[service]]\nttl = {ttl}"), 1).replacen("8080", &port.to_string(), 1)
}

fn workspace(named: &Named, verify: &[String], more: &str) -> Workspace {
    let settings = Settings { verify: verify.to_vec(), more: more.to_owned(), ..Settings::for_server(named) };
    Workspace::with(&settings)
}

fn verification(status: &Value) -> &Value {
    &status["zones"][0]["verification"]
}

fn at<'s>(status: &'s Value, server: &str) -> &'s Value {
    let servers = verification(status)["servers"].as_array().unwrap();
    servers.iter().find(|told| told["server"] == server).unwrap_or(&Value::Null)
}

/// The problem of a name at a server.
fn problem<'s>(status: &'s Value, server: &str, name: &str) -> &'s Value {
    let problems = verification(status)["problems"].as_array().unwrap();
    problems.iter().find(|told| told["server"] == server && told["name"] == name).unwrap_or(&Value::Null)
}

fn wait_verified(daemon: &mut Daemon, server: &str) -> Value {
    daemon.wait_until(&format!("everything to be seen at {server}"), |status| {
        let (all, here) = (&verification(status)["rrsets"], at(status, server));
        all != 0 && here["in_sync"] == *all && here["lookups"] != 0 && verification(status)["last_round"] != Value::Null
    })
}

const JENKINS_NAME: &str = "_jenkins._tcp.internal.local.";

#[test]
fn everything_published_is_looked_up_and_every_change_is_followed() {
    let named = Named::start();
    let workspace = workspace(&named, &[named.address().to_string()], "");
    workspace.write_example();
    let mut daemon = workspace.daemon();
    let server = named.address().to_string();
    let status = wait_verified(&mut daemon, &server);
    // Two services with SRV and TXT each, and two addresses: markers are nobody's business.
    assert_eq!(verification(&status)["rrsets"], 6, "{status}");
    assert_eq!(at(&status, &server)["serial"], status["zones"][0]["serial"]);
    assert_eq!(
        (&at(&status, &server)["behind"], &verification(&status)["problems"]),
        (&0.into(), &Value::Array(vec![]))
    );
    workspace.write_service("jenkins.toml", &jenkins(300, 8443));
    daemon.wait_until("the change to be seen", |status| at(status, &server)["propagation_ms"] != Value::Null);
    workspace.remove_service("jenkins.toml");
    daemon.wait_until("what is gone to be gone", |status| {
        verification(status)["rrsets"] == 4 && at(status, &server)["in_sync"] == 4
    });
    let shown = workspace.expect(0, &["status"]).stdout;
    assert!(shown.contains(&format!("  verified at {server}: 4 of 4 in sync")), "{shown}");
}

#[test]
fn a_cache_with_an_old_answer_is_stale_until_its_ttl_is_over() {
    let named = Named::start();
    let resolver = Named::builder().resolves_through(named.address()).start();
    let server = resolver.address().to_string();
    let workspace = workspace(&named, std::slice::from_ref(&server), "");
    workspace.write_service("jenkins.toml", &jenkins(5, 8080));
    let mut daemon = workspace.daemon();
    wait_verified(&mut daemon, &server);
    resolver.dig(&["+short", JENKINS_NAME, "SRV"]);
    workspace.write_service("jenkins.toml", &jenkins(5, 8443));
    let status = daemon.wait_until("the old answer to be seen", |status| at(status, &server)["stale"] != 0);
    let problem = problem(&status, &server, JENKINS_NAME);
    assert_eq!((&problem["state"], &problem["type"]), (&"stale".into(), &"SRV".into()), "{status}");
    let (since, clears) = (problem["since"].as_u64().unwrap(), problem["clears"].as_u64().unwrap());
    assert!(clears <= since + 6, "{problem}");
    let reason = problem["reason"].as_str().unwrap();
    assert!(reason.starts_with("from a cache that lets go of it within "), "{reason}");
    assert!(reason.contains("missing: 10 10 8443 centos9-vm.internal.local."), "{reason}");
    let shown = workspace.expect(0, &["status"]).stdout;
    assert!(
        shown.contains("1 stale") && shown.contains(&format!("{JENKINS_NAME} SRV at {server} is stale")),
        "{shown}"
    );
    assert_eq!(at(&status, &server)["wrong"], 0, "a cached answer is no drift");
    let status = wait_verified(&mut daemon, &server);
    let took = at(&status, &server)["propagation_ms"].as_u64().unwrap();
    assert!((500..30_000).contains(&took), "as long as the cache had it, not as long as we looked: {status}");
}

#[test]
fn a_cached_no_is_stale_for_the_negative_ttl() {
    let named = Named::start();
    let resolver = Named::builder().resolves_through(named.address()).start();
    let server = resolver.address().to_string();
    let workspace = workspace(&named, std::slice::from_ref(&server), "");
    resolver.dig(&[JENKINS_NAME, "SRV"]);
    workspace.write_service("jenkins.toml", &jenkins(5, 8080));
    let mut daemon = workspace.daemon();
    let status = daemon.wait_until("the no", |status| problem(status, &server, JENKINS_NAME)["state"] == "stale");
    let problem = problem(&status, &server, JENKINS_NAME);
    let left = problem["clears"].as_u64().unwrap() - problem["since"].as_u64().unwrap();
    assert!(left <= 61, "the SOA's last number is 60: {problem}");
    assert!(problem["reason"].as_str().unwrap().contains("the name does not exist: missing: "), "{problem}");
    drop(daemon);
}

#[test]
fn who_speaks_for_the_zone_lags_behind_or_is_wrong() {
    let named = Named::builder().serial(10).start();
    // Copies that never transfer anything: one as a secondary that was cut off, one as somebody else's zone.
    let (behind, ahead) = (Named::builder().serial(4).start(), Named::builder().serial(900).start());
    let servers = [&behind, &ahead].map(|named| named.address().to_string());
    let workspace = workspace(&named, &servers, "");
    workspace.write_service("jenkins.toml", JENKINS);
    let mut daemon = workspace.daemon();
    let status = daemon.wait_until("both to be judged", |status| {
        at(status, &servers[0])["stale"] == verification(status)["rrsets"] && at(status, &servers[1])["wrong"] != 0
    });
    let serial = status["zones"][0]["serial"].as_u64().unwrap();
    assert_eq!(at(&status, &servers[0])["behind"], serial - 4, "{status}");
    let told = problem(&status, &servers[0], JENKINS_NAME)["reason"].as_str().unwrap();
    assert!(told.starts_with(&format!("it has serial 4, {} behind the primary's {serial}; ", serial - 4)), "{told}");
    let told = problem(&status, &servers[1], JENKINS_NAME)["reason"].as_str().unwrap();
    assert!(told.starts_with("it speaks for the zone with serial 900; "), "{told}");
    assert!(verification(&status)["problems"][0]["state"] == "wrong", "the worst first: {status}");
    let shown = workspace.expect(0, &["status"]).stdout;
    assert!(shown.contains(&format!("serial 4, {} behind", serial - 4)), "{shown}");
}

#[test]
fn a_dead_server_is_unknown_and_holds_up_nobody() {
    let named = Named::start();
    let (dead, alive) = (free_address(), named.address());
    let servers = [dead, alive].map(|address: SocketAddr| address.to_string());
    let workspace = workspace(&named, &servers, "");
    workspace.write_example();
    let mut daemon = workspace.daemon();
    wait_verified(&mut daemon, &servers[1]);
    let status = daemon.wait_until("the other to be given up", |status| at(status, &servers[0])["unknown"] == 6);
    assert_eq!(at(&status, &servers[0])["last_answer"], Value::Null);
    assert!(at(&status, &servers[0])["error"].is_string(), "{status}");
}

#[test]
fn rounds_find_what_nobody_told_of() {
    let named = Named::start();
    let other = Named::start();
    let server = other.address().to_string();
    let workspace = workspace(&named, std::slice::from_ref(&server), "verify_interval = \"1s\"");
    workspace.write_service("jenkins.toml", JENKINS);
    workspace.converge();
    // The same zone content at another server, as a secondary has it.
    let lines = named.zone_text().into_iter().filter(|line| !line.contains(" NS ") && !line.starts_with("ns1."));
    let updates: Vec<_> = lines.map(|line| format!("update add {}", line.replacen(" IN ", " ", 1))).collect();
    other.nsupdate(&format!("zone internal.local\n{}", updates.join("\n")));
    let mut daemon = workspace.daemon();
    wait_verified(&mut daemon, &server);
    other.nsupdate("zone internal.local\nupdate delete centos9-vm.internal.local A");
    let host = "centos9-vm.internal.local.";
    let status = daemon.wait_until("the loss to be found", |status| problem(status, &server, host) != &Value::Null);
    assert_eq!(problem(&status, &server, host)["type"], "A");
    other.nsupdate("zone internal.local\nupdate add centos9-vm.internal.local 300 A 192.168.188.142");
    wait_verified(&mut daemon, &server);
    daemon.wait_until("no problem to be left", |status| verification(status)["problems"] == Value::Array(vec![]));
}

#[test]
fn with_never_only_changes_are_looked_up() {
    let named = Named::start();
    let server = named.address().to_string();
    let workspace = workspace(&named, std::slice::from_ref(&server), "verify_interval = \"never\"");
    workspace.write_service("jenkins.toml", JENKINS);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let status = wait_verified(&mut daemon, &server);
    let round = verification(&status)["last_round"].as_u64().unwrap();
    workspace.write_service("jenkins.toml", &jenkins(300, 8443));
    let status =
        daemon.wait_until("the change to be seen", |status| at(status, &server)["propagation_ms"] != Value::Null);
    assert_eq!(verification(&status)["last_round"], round, "{status}");
}
