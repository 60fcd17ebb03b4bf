//! Secondaries that really transfer the zone from a primary, and the two ways in which one can be left behind: it does
//! not hear of a change and answers from an old version, or it does not answer.

use std::collections::BTreeSet;

use serde_json::Value;
use srvctl::dns::{self, DnsError, Secondary};
use srvctl::model::{Name, Serial, Server};

use crate::support::{
    EXAMPLE_RECORDS, JENKINS, Kind, NameServer, Replicas, Settings, Workspace, assert_lines, in_private_network,
    primary, runtime,
};

fn zone() -> Name {
    "internal.local".parse().unwrap()
}

/// What a server says of its version, by srvctl's own question.
fn serial(server: &dyn NameServer) -> Serial {
    let answer = runtime().block_on(dns::soa(&Server::from(server.address()), &zone())).unwrap();
    assert!(answer.authoritative, "{answer:?}");
    assert_eq!((answer.refresh, answer.negative_ttl), (3600, 60));
    Serial(answer.serial)
}

fn lines_of_ours(server: &dyn NameServer) -> Vec<String> {
    let mut zone = server.zone_text();
    zone.retain(|line| !line.contains(" IN NS ") && !line.starts_with("ns"));
    zone
}

#[test]
fn every_kind_of_secondary_shows_a_change_and_the_one_that_lags_says_by_how_much() {
    let test = "secondaries::every_kind_of_secondary_shows_a_change_and_the_one_that_lags_says_by_how_much";
    in_private_network(test, || {
        let replicas = Replicas::start_named_by_the_zone(&[Kind::Bind, Kind::Knot, Kind::PowerDns], Kind::Bind);
        let workspace = Workspace::example(&replicas.primary);
        workspace.converge();
        replicas.wait_for_transfers();
        workspace.write_service("jenkins.toml", &JENKINS.replace("8080", "8443"));
        workspace.converge();
        replicas.wait_for_transfers();

        let ours = EXAMPLE_RECORDS[2..].iter().map(|line| line.replace("8080", "8443"));
        let newest = serial(&replicas.primary);
        for secondary in &replicas.following {
            assert_lines("a secondary", &lines_of_ours(&**secondary), ours.clone());
            assert_eq!(serial(&**secondary), newest);
        }
        assert!(lines_of_ours(&*replicas.lagging).is_empty(), "the zone as it was");
        assert_eq!(newest.ahead_of(serial(&*replicas.lagging)), Some(2));

        // As the NS set has them: everybody but the primary.
        let live = runtime().block_on(primary(&replicas.primary, replicas.primary.address()).transfer()).unwrap();
        let by_address = Server::from(replicas.primary.address());
        let found = runtime().block_on(dns::secondaries(&zone(), live.name_servers(), &by_address));
        let shown = found.into_iter().map(|Secondary { name, servers }| format!("{name} {}", servers.unwrap()[0]));
        let mut shown: Vec<_> = shown.collect();
        shown.sort();
        let expected = [2, 3, 4, 5].map(|host| format!("ns{host}.internal.local. 127.0.0.{host}:53"));
        assert_eq!(shown, expected);
    });
}

#[test]
fn a_paused_secondary_gives_no_answer_and_catches_up_afterwards() {
    let replicas = Replicas::start(&[Kind::Bind], Kind::Bind);
    let paused = &*replicas.following[0];
    let workspace = Workspace::example(&replicas.primary);
    paused.pause();
    workspace.converge();
    let asked = runtime().block_on(dns::soa(&Server::from(paused.address()), &zone()));
    assert!(matches!(asked, Err(DnsError::Timeout { .. })), "{asked:?}");
    paused.resume();
    replicas.wait_for_transfers();
    assert_eq!(serial(paused), serial(&replicas.primary));
}

/// What is told of a server, in `verify --json` or in the status.
fn told<'v>(servers: &'v Value, server: &str) -> &'v Value {
    servers.as_array().unwrap().iter().find(|told| told["server"] == server).unwrap_or(&Value::Null)
}

#[test]
fn verify_finds_the_secondaries_in_the_zone_and_names_the_one_that_lags_with_the_gap() {
    let test = "secondaries::verify_finds_the_secondaries_in_the_zone_and_names_the_one_that_lags_with_the_gap";
    in_private_network(test, || {
        let replicas = Replicas::start_named_by_the_zone(&[Kind::Bind, Kind::Knot, Kind::PowerDns], Kind::Bind);
        let verify = vec!["127.0.0.1:53".to_owned(), "secondaries".to_owned()];
        let workspace = Workspace::with(&Settings { verify, ..Settings::for_server(&replicas.primary) });
        workspace.write_example();
        workspace.converge();
        replicas.wait_for_transfers();
        let lagging = "127.0.0.5:53";
        let report = workspace.json(&["verify", "--json"]);
        for server in ["127.0.0.1:53", "127.0.0.2:53", "127.0.0.3:53", "127.0.0.4:53", lagging] {
            let behind = told(&report["servers"], server)["behind"].as_u64();
            assert_eq!(behind, (server == lagging).then_some(1), "{server} in {report}");
            let checks = report["checks"].as_array().unwrap().iter().filter(|check| check["server"] == server);
            let states: BTreeSet<_> = checks.map(|check| check["state"].as_str().unwrap()).collect();
            let expected = if server == lagging { "stale" } else { "in_sync" };
            assert_eq!(states, BTreeSet::from([expected]), "{server} in {report}");
        }
        let shown = workspace.expect(3, &["verify"]).stdout;
        let gap = "127.0.0.5:53 has zone internal.local. with serial 1, 1 behind the primary";
        assert!(shown.contains(gap), "{shown}");

        let mut daemon = workspace.daemon();
        let status = daemon.wait_until("all of them to be seen", |status| {
            let verification = &status["zones"][0]["verification"];
            let servers = verification["servers"].as_array().unwrap();
            servers.len() == 5
                && servers.iter().all(|server| server["in_sync"] == 6 || server["stale"] == 6)
                && told(&verification["servers"], lagging)["stale"] == 6
        });
        assert_eq!(told(&status["zones"][0]["verification"]["servers"], lagging)["behind"], 1, "{status}");
        // A change is followed until each of them has it, and what each took is told.
        workspace.write_service("jenkins.toml", &JENKINS.replace("8080", "8443"));
        daemon.wait_until("the change to be seen everywhere else", |status| {
            let servers = &status["zones"][0]["verification"]["servers"];
            let has_seen = |server: &str| told(servers, server)["propagation_ms"].is_u64();
            ["127.0.0.2:53", "127.0.0.3:53", "127.0.0.4:53"].into_iter().all(has_seen)
                && told(servers, lagging)["behind"] == 2
        });
        replicas.following[0].pause();
        workspace.write_service("jenkins.toml", JENKINS);
        let status = daemon.wait_until("the paused one to be unknown", |status| {
            told(&status["zones"][0]["verification"]["servers"], "127.0.0.2:53")["unknown"] == 1
        });
        let problems = status["zones"][0]["verification"]["problems"].as_array().unwrap();
        assert!(problems.iter().any(|problem| problem["server"] == "127.0.0.2:53" && problem["state"] == "unknown"));
        replicas.following[0].resume();
        daemon.wait_until("it to have caught up", |status| {
            told(&status["zones"][0]["verification"]["servers"], "127.0.0.2:53")["in_sync"] == 6
        });
    });
}
