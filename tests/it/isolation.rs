//! What the server refuses of one name holds up no other: the offending names are found, explained and left,
//! and everything else lands in the same run.
//!
//! `check-names` is not among the causes: what srvctl takes for a host is a host for BIND too, see
//! `no_host_that_we_take_is_refused_by_check_names`. Its REFUSED is the same code as the policy's.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{Daemon, EXAMPLE, EXAMPLE_RECORDS, Named, Settings, Workspace, assert_lines, strings};

const TRANSFER: &str = "allow-transfer { key \"srvctl-test\"; };";

fn policy(rules: &str) -> Named {
    Named::builder().zone_options(&format!("{TRANSFER} update-policy {{ {rules} }};")).start()
}

fn service(name: &str, instances: u16) -> String {
    let mut text = format!("[[service]]\nname = \"{name}\"\n");
    for host in 1..=instances {
        let _ = write!(text, "[[service.instance]]\nhost = \"h{host}\"\nport = 80\n");
    }
    text
}

/// The owner names that a report wants to change, markers counted with the name they stand for.
fn changed(report: &Value) -> BTreeSet<String> {
    let changes = report["zones"][0]["changes"].as_array().unwrap();
    let name = |change: &Value| change["name"].as_str().unwrap().trim_start_matches("_srvctl.").to_owned();
    changes.iter().map(name).collect()
}

/// One `apply` lands everything but the offending names, and says `words` about each of them.
fn assert_isolated(workspace: &Workspace, offending: &[&str], words: &[&str]) {
    let offending: BTreeSet<_> = offending.iter().map(|name| format!("{name}.internal.local.")).collect();
    let output = workspace.expect(1, &["apply", "--json"]);
    let applied: Value = serde_json::from_str(&output.stdout).unwrap();
    let failures = applied["zones"][0]["failures"].as_array().unwrap_or_else(|| panic!("{applied}"));
    let failed: BTreeSet<_> = failures.iter().map(|failure| failure["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(failed, offending, "{applied}");
    for failure in failures {
        let reason = failure["reason"].as_str().unwrap();
        assert!(words.iter().all(|word| reason.contains(word)), "{words:?} in: {reason}");
    }
    assert_eq!(changed(&workspace.json(&["plan", "--json"])), offending, "only these are left to do");
    let shown = workspace.expect(1, &["apply"]);
    assert!(offending.iter().all(|name| shown.stderr.contains(name)), "{shown:?}");
}

/// The example without the lines that contain any of `words`.
fn example_without(words: &[&str]) -> Vec<&'static str> {
    EXAMPLE_RECORDS.iter().copied().filter(|line| !words.iter().any(|word| line.contains(word))).collect()
}

#[test]
fn a_set_past_max_records_per_type() {
    let options = format!("{TRANSFER} allow-update {{ key \"srvctl-test\"; }}; max-records-per-type 5;");
    let named = Named::builder().zone_options(&options).start();
    let workspace = Workspace::example(&named);
    workspace.write_service("many.toml", &service("many", 6));
    assert_isolated(&workspace, &["_many._tcp"], &["SERVFAIL", "max-records-per-type"]);
    assert_lines("the example alone", &named.zone_text(), EXAMPLE_RECORDS);
    workspace.write_service("many.toml", &service("many", 5));
    workspace.converge();
}

#[test]
fn a_change_that_would_pass_the_limit_leaves_the_old_set() {
    let options = format!("{TRANSFER} allow-update {{ key \"srvctl-test\"; }}; max-records-per-type 5;");
    let named = Named::builder().zone_options(&options).start();
    let workspace = Workspace::new(&named);
    workspace.write_service("many.toml", &service("many", 5));
    workspace.converge();
    let before = named.zone_text();
    // At the limit, one record for another: deletes go first, so the limit is never passed.
    workspace.write_service("many.toml", &service("many", 5).replace("\"h5\"", "\"h6\""));
    workspace.converge();
    workspace.write_service("many.toml", &service("many", 6));
    assert_isolated(&workspace, &["_many._tcp"], &["max-records-per-type"]);
    let expected: Vec<_> = before.iter().map(|line| line.replace(" h5.", " h6.")).collect();
    assert_lines("the set before the refused change", &named.zone_text(), expected);
}

#[test]
fn names_that_the_policy_does_not_grant() {
    let named = policy("grant srvctl-test subdomain _tcp.internal.local. ANY;");
    let workspace = Workspace::example(&named);
    assert_isolated(&workspace, &["centos9-vm", "centos9-vm2"], &["REFUSED", "update-policy"]);
    let hosts = ["centos9-vm.internal.local. 300", "centos9-vm2.internal.local. 300"];
    assert_lines("the services", &named.zone_text(), example_without(&hosts));
}

#[test]
fn types_that_the_policy_does_not_grant() {
    let named = policy("grant srvctl-test zonesub SRV TXT;");
    let workspace = Workspace::example(&named);
    assert_isolated(&workspace, &["centos9-vm", "centos9-vm2"], &["REFUSED", "update-policy"]);
    let hosts = ["centos9-vm.internal.local. 300", "centos9-vm2.internal.local. 300"];
    assert_lines("neither address nor marker of the hosts", &named.zone_text(), example_without(&hosts));
}

#[test]
fn many_refused_names_in_front_do_not_hide_the_good_ones() {
    let named = policy("grant srvctl-test zonesub A TXT;");
    let workspace = Workspace::example(&named);
    let many: Vec<_> = (10..40).map(|number| format!("s{number}")).collect();
    let text: String = many.iter().map(|name| service(name, 1)).collect();
    workspace.write_service("many.toml", &text);
    let services = many.iter().map(String::as_str).chain(["jenkins", "node-exporter"]);
    let refused: Vec<_> = services.map(|service| format!("_{service}._tcp")).collect();
    let refused: Vec<_> = refused.iter().map(String::as_str).collect();
    assert_isolated(&workspace, &refused, &["REFUSED", "update-policy"]);
    assert_lines("the hosts", &named.zone_text(), example_without(&["_tcp"]));
}

#[test]
fn a_key_that_may_change_nothing_costs_few_updates() {
    let options = format!("{TRANSFER} allow-update {{ none; }};");
    let named = Named::builder().zone_options(&options).start();
    let workspace = Workspace::new(&named);
    let text: String = (100..400).map(|number| service(&format!("s{number}"), 1)).collect();
    workspace.write_service("many.toml", &text);
    let output = workspace.expect(1, &["apply"]);
    assert!(output.stderr.contains("allow-update"), "{output:?}");
    let denied = named.log().matches("denied").count();
    assert!((1..100).contains(&denied), "one update per name and more: {denied}");
}

#[test]
fn a_quota_in_the_policy_skips_records_silently() {
    let named = policy("grant srvctl-test zonesub SRV(2) TXT A;");
    let workspace = Workspace::example(&named);
    workspace.write_service("many.toml", &service("many", 3));
    assert_isolated(&workspace, &["_many._tcp"], &["NOERROR", "quota", "+ _many._tcp.internal.local. 300 IN SRV"]);
}

#[test]
fn no_host_that_we_take_is_refused_by_check_names() {
    let named = Named::builder().options("check-names primary fail;").start();
    let workspace = Workspace::new(&named);
    for bad in ["bad_host", "-bad", "bad-", "b@d", "b*d"] {
        let add = format!("check-names off\nzone internal.local\nupdate add {bad}.internal.local 300 A 10.0.0.1");
        let refused = named.try_nsupdate(&add);
        assert!(refused.stderr.contains("REFUSED"), "BIND checks names: {refused:?}");
        workspace.write_service("x.toml", &service("x", 1).replace("\"h1\"", &format!("\"{bad}\"")));
        let output = workspace.expect(1, &["check"]);
        assert!(output.stderr.contains(bad), "{output:?}");
    }
    let hosts = ["h", "9", "a-b", "1a.2b", "XN--MNCHEN-3YA", &"x".repeat(63)];
    let instance = |host: &str| {
        format!("[[service.instance]]\nhost = \"{host}\"\nport = 80\naddresses = [\"10.0.0.1\", \"2001:db8::1\"]\n")
    };
    let instances: String = hosts.into_iter().map(instance).collect();
    workspace.write_service("x.toml", &format!("[[service]]\nname = \"x\"\n{instances}"));
    workspace.converge();
}

#[test]
fn a_server_that_clamps_ttls_is_not_updated_in_every_cycle() {
    let options = format!("{TRANSFER} allow-update {{ key \"srvctl-test\"; }}; max-zone-ttl 3600;");
    let named = Named::builder().zone_options(&options).start();
    let settings = Settings { ttl: 7200, interval: "1s".to_owned(), ..Settings::for_server(&named) };
    let workspace = Workspace::with(&settings);
    for (file, text) in EXAMPLE {
        workspace.write_service(file, text);
    }
    let mut daemon = workspace.daemon();
    daemon.wait_until("the clamped names are shown", |status| {
        let zone = &status["zones"][0];
        zone["outcome"] == "incomplete" && strings(&zone["problems"]).iter().any(|line| line.contains("max-zone-ttl"))
    });
    let so_far = (named.serial(), updates(&named));
    let status = some_cycles(&mut daemon);
    assert_eq!((named.serial(), updates(&named)), so_far, "cycles send nothing that was tried before");
    assert_eq!(status["zones"][0]["outcome"], json!("incomplete"), "and the problem still shows: {status}");
    assert_eq!(strings(&status["zones"][0]["problems"]).len(), 4, "{status}");
}

#[test]
fn the_daemon_leaves_a_refused_name_alone_until_it_is_wanted_otherwise() {
    let named = policy("grant srvctl-test subdomain _tcp.internal.local. ANY;");
    let workspace = Workspace::with(&Settings { interval: "1s".to_owned(), ..Settings::for_server(&named) });
    for (file, text) in EXAMPLE {
        workspace.write_service(file, text);
    }
    let mut daemon = workspace.daemon();
    let refused = |status: &Value| {
        let problems = strings(&status["zones"][0]["problems"]);
        problems.len() == 2
            && problems.iter().all(|problem| problem.contains("centos9-vm") && problem.contains("REFUSED"))
    };
    daemon.wait_until("the refused names are shown", refused);
    let so_far = updates(&named);
    assert!(refused(&some_cycles(&mut daemon)), "they still show");
    assert_eq!(updates(&named), so_far, "cycles send nothing that was refused before");
    let hosts = ["centos9-vm.internal.local. 300", "centos9-vm2.internal.local. 300"];
    assert_lines("all else", &named.zone_text(), example_without(&hosts));
    for (file, text) in EXAMPLE {
        workspace.write_service(file, &text.replace("192.168.188.142", "192.168.188.200"));
    }
    daemon.wait_for("another wish is tried at once", || updates(&named) > so_far);
    for (file, text) in EXAMPLE {
        workspace.write_service(file, &text.replace("addresses", "#addresses"));
    }
    daemon.wait_in_sync();
}

/// Waits until the daemon has run several more cycles; how it stands then.
fn some_cycles(daemon: &mut Daemon) -> Value {
    let mut cycles = BTreeSet::new();
    daemon.wait_until("some more cycles", |status| {
        cycles.insert(status["zones"][0]["last_run"].as_u64());
        cycles.len() >= 5
    })
}

fn updates(named: &Named) -> usize {
    named.log().matches("updating zone").count()
}
