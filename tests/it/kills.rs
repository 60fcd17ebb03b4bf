//! Dying at any moment: no name is left half done, and nothing that was lost here is missed there.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Instant;

use srvctl::model::{Name, Zone};

use crate::support::{
    Api, EXAMPLE, JENKINS, Named, State, Workspace, outcome, owner_name, primary, runtime, service, state_of,
};

const SERVICES: u16 = 250;
const KILLS: u16 = 100;

/// All services in one state. Every fifth is missing in every other one, so that names are released as well;
/// not more of them, since a guard might hold that.
fn generation(number: u16) -> String {
    let state = State { owner: "test1".to_owned(), port: 8000 + number };
    let here = |index: &u16| number.is_multiple_of(2) || !index.is_multiple_of(5);
    (0..SERVICES).filter(here).map(|index| service(&long_name(index), &state)).collect()
}

/// So long that one message does not take all of them.
fn long_name(index: u16) -> String {
    format!("s{index}-{}", "x".repeat(50))
}

/// Every name is wholly in one state; says in how many different ones, absence counted.
fn states(zone: &Zone, published: &[Name]) -> usize {
    let mut states: Vec<_> = published.iter().map(|name| state_of(zone, name)).collect();
    states.sort();
    states.dedup();
    states.len()
}

#[test]
fn apply_killed_at_any_moment() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    let (runtime, primary) = (runtime(), primary(&named, named.address()));
    let all: Vec<_> = (0..SERVICES).map(|index| owner_name(&long_name(index))).collect();
    workspace.write_service("all.toml", &generation(0));
    let started = Instant::now();
    workspace.expect(0, &["apply"]);
    let whole_run = started.elapsed();
    named.nsupdate(&all.iter().fold("zone internal.local".to_owned(), |text, name| {
        format!("{text}\nupdate delete {name} ANY\nupdate delete _srvctl.{name} ANY")
    }));
    let mut between = 0;
    for number in 1..=KILLS {
        workspace.write_service("all.toml", &generation(number));
        let mut command = workspace.command(&["apply"]);
        let mut apply = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The moment is the point here; there is no state to wait for.
        thread::sleep(whole_run.mul_f64(rand::random::<f64>()));
        apply.kill().unwrap();
        apply.wait().unwrap();
        // What it sent, the server may read later than what the next one sends; only who is killed again and again within
        // milliseconds meets that. Here it would look as if one run had mixed two states.
        named.wait_until_nobody_is_connected();
        let live = runtime.block_on(primary.transfer()).unwrap();
        let usual = if number.is_multiple_of(2) { 1 } else { 2 };
        between += usize::from(states(&live, &all) > usual);
    }
    println!("{between} of {KILLS} kills left some names in the old state and some in the new one");
    workspace.write_service("all.toml", &generation(KILLS + 2));
    workspace.converge();
    assert_eq!(states(&runtime.block_on(primary.transfer()).unwrap(), &all), 1);
}

#[test]
fn a_lost_state_directory_loses_no_ownership() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    for (file, text) in EXAMPLE {
        workspace.write_service(file, text);
    }
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    assert_eq!(daemon.stop(), 0);
    fs::remove_dir_all(workspace.path().join("state")).unwrap();
    workspace.expect(0, &["plan"]);
    workspace.write_service("jenkins.toml", &JENKINS.replace("8080", "8443"));
    workspace.converge();
    workspace.write_service("jenkins.toml", &JENKINS.replace("8080", "8444"));
    // What goes may have been registered in the database that is lost, so a person is asked, once.
    let mut daemon = workspace.daemon();
    let status = daemon.wait_until("held", |status| outcome(status) == "held");
    let id = status["zones"][0]["held"]["id"].as_str().unwrap();
    let accept = format!("/v1/plans/{id}/accept");
    Api::connect(&workspace.socket()).unwrap().expect(204, "POST", &accept, None);
    daemon.wait_in_sync();
    assert!(named.zone_text().iter().any(|line| line.contains(" IN SRV 10 10 8444 ")), "{:#?}", named.zone_text());
}
