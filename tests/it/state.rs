//! What is registered survives what machines do: a lost database, a damaged one, a full disk. Nothing that went wrong
//! there removes anything from DNS.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Api, Daemon, JENKINS, Named, Workspace, find, free_address, in_private_network, outcome, run};

fn api(workspace: &Workspace) -> Api {
    Api::connect(&workspace.socket()).unwrap()
}

fn instance(host: &str, port: u16) -> Value {
    json!({ "host": host, "port": port, "addresses": ["10.0.0.1"], "metadata": { "team": "a" } })
}

/// Registers hosts h0, h1, … of a service, and waits until DNS shows it.
fn register(workspace: &Workspace, service: &str, hosts: u16) {
    let mut api = api(workspace);
    for host in 0..hosts {
        let path = format!("/v1/services/{service}/instances?wait=30");
        let answer = api.expect(200, "POST", &path, Some(&instance(&format!("h{host}"), 8080)));
        assert_eq!(answer["verified"]["ok"], true, "{answer}");
    }
}

fn srv_count(named: &Named) -> usize {
    named.zone_text().iter().filter(|line| line.contains(" SRV ")).count()
}

fn database(workspace: &Workspace) -> PathBuf {
    workspace.path().join("state/registrations.db")
}

fn remove_database(workspace: &Workspace) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(database(workspace).with_file_name(format!("registrations.db{suffix}")));
    }
}

fn started(workspace: &Workspace) -> Daemon {
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    daemon
}

/// The example with so many hosts registered, a daemon that has ended since, and its database removed; and what was
/// registered.
fn without_database(named: &Named, hosts: u16) -> (Workspace, Value) {
    let workspace = Workspace::example(named);
    let daemon = started(&workspace);
    register(&workspace, "web", hosts);
    let exported = api(&workspace).expect(200, "GET", "/v1/catalogue", None);
    assert_eq!(daemon.stop(), 0);
    remove_database(&workspace);
    (workspace, exported)
}

#[test]
fn what_is_registered_is_there_after_a_restart_and_for_commands_beside_the_daemon() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    let daemon = started(&workspace);
    register(&workspace, "web", 3);
    let published = named.zone_text();
    workspace.expect(0, &["plan"]);
    workspace.expect(0, &["verify"]);
    assert_eq!(daemon.stop(), 0);
    workspace.expect(0, &["plan"]);
    workspace.expect(0, &["apply"]);
    assert_eq!(named.zone_text(), published);
    let mut daemon = started(&workspace);
    let status = daemon.wait_in_sync();
    assert_eq!((&status["services"], &status["instances"]), (&json!(3), &json!(7)));
    assert_eq!(named.zone_text(), published);
}

#[test]
fn a_lost_database_removes_nothing() {
    let named = Named::start();
    let (workspace, exported) = without_database(&named, 3);
    let held = workspace.expect(4, &["apply"]);
    assert!(held.stdout.contains("the database of registrations is new"), "{held:?}");
    assert_eq!(srv_count(&named), 7, "not even before the daemon has made a new one");
    let mut daemon = workspace.daemon();
    let status = daemon.wait_until("held", |status| outcome(status) == "held");
    let reason = status["zones"][0]["held"]["reasons"][0].as_str().unwrap();
    assert!(reason.contains("the database of registrations is new"), "{reason}");
    assert_eq!(srv_count(&named), 7);
    workspace.expect(4, &["apply"]);
    assert_eq!(srv_count(&named), 7, "commands beside the daemon hold it too");
    // What is new is published meanwhile.
    register(&workspace, "db", 1);
    assert_eq!(srv_count(&named), 8);
    let imported = api(&workspace).expect(200, "POST", "/v1/catalogue", Some(&exported));
    assert_eq!(imported["written"], 3);
    daemon.wait_in_sync();
    assert_eq!(srv_count(&named), 8);
    // Once everything is known again, removals are ordinary.
    daemon.wait_until("confirmed", |_| {
        let path = "/v1/services/db/instances/h0:8080?wait=1";
        api(&workspace).expect(200, "DELETE", path, None);
        srv_count(&named) == 7
    });
}

#[test]
fn a_person_may_accept_that_a_database_is_lost() {
    let named = Named::start();
    let (workspace, _) = without_database(&named, 2);
    let mut daemon = workspace.daemon();
    daemon.wait_until("held", |status| outcome(status) == "held");
    let plans = api(&workspace).expect(200, "GET", "/v1/plans", None);
    let id = plans["plans"][0]["id"].as_str().unwrap();
    api(&workspace).expect(404, "POST", "/v1/plans/0123456789abcdef/accept", None);
    api(&workspace).expect(204, "POST", &format!("/v1/plans/{id}/accept"), None);
    daemon.wait_in_sync();
    assert_eq!(srv_count(&named), 4);
}

#[test]
fn a_damaged_database_removes_nothing_and_says_what_to_do() {
    let named = Named::start();
    let (workspace, exported) = without_database(&named, 3);
    fs::write(database(&workspace), "what a disk gives back after a bad day".repeat(300)).unwrap();
    let mut daemon = workspace.daemon();
    let status = daemon.wait_until("held", |status| outcome(status) == "held");
    let error = status["store_error"].as_str().unwrap();
    assert!(error.contains("damaged") && error.contains("srvctl import"), "{error}");
    assert_eq!(srv_count(&named), 7);
    let refused = api(&workspace).expect(503, "POST", "/v1/services/web/instances", Some(&instance("h9", 80)));
    assert!(refused["detail"].as_str().unwrap().contains("damaged"), "{refused}");
    let apply = workspace.expect(1, &["apply"]);
    assert!(apply.stderr.contains("damaged"), "{}", apply.stderr);
    assert_eq!(srv_count(&named), 7);
    remove_database(&workspace);
    daemon.wait_until("tried again", |status| status["store_error"].is_null());
    api(&workspace).expect(200, "POST", "/v1/catalogue", Some(&exported));
    daemon.wait_in_sync();
    assert_eq!(srv_count(&named), 7);
}

#[test]
fn a_second_daemon_does_not_write_in_the_same_directory() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    let _first = started(&workspace);
    let socket = workspace.path().join("other.sock");
    let config = fs::read_to_string(workspace.config()).unwrap();
    let other = config.replace("srvctl.sock", "other.sock");
    fs::write(workspace.config(), other).unwrap();
    let mut second = workspace.daemon();
    let status = second.wait_until("refused", |status| !status["store_error"].is_null());
    assert!(status["store_error"].as_str().unwrap().contains("another srvctl daemon"), "{status}");
    let mut api = Api::connect(&socket).unwrap();
    api.expect(503, "POST", "/v1/services/web/instances", Some(&instance("h1", 80)));
}

fn succeed(program: &str, package: &str, arguments: &[&str]) {
    let output = run(Command::new(find(program, package)).args(arguments), "");
    assert_eq!(output.code, 0, "{program} {arguments:?}: {output:?}");
}

#[test]
fn a_full_disk_and_a_read_only_one_are_errors_of_the_write() {
    in_private_network("state::a_full_disk_and_a_read_only_one_are_errors_of_the_write", || {
        let named = Named::start();
        let workspace = Workspace::example(&named);
        let state = workspace.path().join("state");
        let directory = state.to_str().unwrap();
        succeed("mount", "mount", &["-t", "tmpfs", "-o", "size=1m", "tmpfs", directory]);
        let mut daemon = started(&workspace);
        register(&workspace, "web", 2);
        let published = named.zone_text();
        let mut api = api(&workspace);

        let filler = state.join("filler");
        let _ = fs::write(&filler, vec![0; 2 << 20]);
        let full = (0..200)
            .find_map(|host| {
                let body = instance(&format!("full{host}"), 80);
                let answer = api.ask("POST", "/v1/services/web/instances", Some(&body));
                (answer.status != 200).then_some((host, answer))
            })
            .expect("the disk is never full");
        let (written, answer) = full;
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.body["detail"].as_str().unwrap().contains("no room left"), "{}", answer.body);
        daemon.wait_until("told", |status| !status["store_error"].is_null());
        fs::remove_file(&filler).unwrap();
        let again = instance(&format!("full{written}"), 80);
        api.expect(200, "POST", "/v1/services/web/instances?wait=30", Some(&again));
        for host in 0..=written {
            api.expect(200, "DELETE", &format!("/v1/services/web/instances/full{host}:80?wait=30"), None);
        }
        daemon.wait_in_sync();
        assert_eq!(named.zone_text(), published);

        assert_eq!(daemon.stop(), 0);
        succeed("mount", "mount", &["-o", "remount,ro", directory]);
        let mut daemon = workspace.daemon();
        daemon.wait_until("read", |status| status["instances"] == 6);
        let mut api = self::api(&workspace);
        let answer = api.expect(503, "POST", "/v1/services/web/instances", Some(&instance("h7", 80)));
        assert!(answer["detail"].as_str().unwrap().contains("cannot be written"), "{answer}");
        assert_eq!(named.zone_text(), published, "what is registered stays published");
        succeed("mount", "mount", &["-o", "remount,rw", directory]);
        api.expect(200, "POST", "/v1/services/web/instances?wait=30", Some(&instance("h7", 80)));
        let status = daemon.wait_in_sync();
        assert_eq!(status["store_error"], Value::Null);
    });
}

#[test]
fn who_waits_does_not_hold_up_a_reload() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    let mut daemon = started(&workspace);
    let mut api = api(&workspace);
    // Nobody answers there: what is published is never seen.
    let config = fs::read_to_string(workspace.config()).unwrap();
    let silent = free_address().to_string();
    let deaf = config.replace(&format!("verify = [\"{}\"]", named.address()), &format!("verify = [\"{silent}\"]"));
    assert_ne!(deaf, config);
    fs::write(workspace.config(), deaf).unwrap();
    daemon.signal("HUP");
    daemon.wait_until("the new configuration", |_| {
        api = self::api(&workspace);
        let answer = api.ask("POST", "/v1/services/web/instances?wait=1", Some(&instance("h1", 80)));
        answer.body["verified"]["ok"] == false
    });
    let waiting =
        thread::spawn(move || api.ask("POST", "/v1/services/web/instances?wait=300", Some(&instance("h2", 80))));
    daemon.wait_until("the second one", |status| status["instances"] == 6);
    fs::write(workspace.config(), config).unwrap();
    daemon.signal("HUP");
    let answer = waiting.join().unwrap();
    assert_eq!((answer.status, &answer.body["changed"]), (200, &json!(true)));
    let reason = answer.body["verified"]["proofs"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("read its configuration anew"), "{reason}");
    register(&workspace, "web", 3);
}

#[test]
fn no_lease_ends_while_nobody_could_renew_it() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    let config = fs::read_to_string(workspace.config()).unwrap();
    fs::write(workspace.config(), config.replace("[api]\n", "[api]\nlease_grace = \"1s\"\n")).unwrap();
    let daemon = started(&workspace);
    let leased = json!({ "host": "h1", "port": 80, "lease": 5 });
    api(&workspace).expect(200, "POST", "/v1/services/web/instances?wait=30", Some(&leased));
    assert_eq!(daemon.stop(), 0);
    workspace.write_service("jenkins.toml", "[[service]]\n");
    let mut daemon = workspace.daemon();
    daemon.wait_until("broken", |status| !status["source_errors"].as_array().unwrap().is_empty());
    let renew = "/v1/services/web/instances/h1:80/renew";
    api(&workspace).expect(503, "POST", renew, None);
    // Longer than the lease and its grace; there is nothing to wait for.
    thread::sleep(Duration::from_secs(9));
    workspace.write_service("jenkins.toml", JENKINS);
    daemon.wait_in_sync();
    api(&workspace).expect(200, "POST", renew, None);
    assert_eq!(srv_count(&named), 5);
    daemon.wait_for("its end", || srv_count(&named) == 4);
}
