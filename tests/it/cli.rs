//! The command line: what it prints, and its exit codes.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{JENKINS, Key, Named, Settings, Workspace, assert_golden, bare, free_address};

/// Output with what differs from run to run named instead.
fn neutral(text: &str, named: &Named, workspace: &Workspace) -> String {
    text.replace(&named.address().to_string(), "<primary>").replace(workspace.path().to_str().unwrap(), "<directory>")
}

#[test]
fn plans_as_in_the_golden_files() {
    let named = Named::builder().records("_srvctl.old TXT \"v=1 owner=test1 types=A\"\nold A 192.0.2.9").start();
    let workspace = Workspace::example(&named);
    let first = workspace.expect(3, &["plan"]);
    assert_golden("plan-of-an-empty-zone.txt", &neutral(&first.stdout, &named, &workspace));
    workspace.expect(0, &["apply"]);
    let in_sync = workspace.expect(0, &["plan"]);
    assert_golden("plan-in-sync.txt", &neutral(&in_sync.stdout, &named, &workspace));
    workspace.write_service("jenkins.toml", &JENKINS.replacen("8080", "8443", 1).replace("devops", "pla\\\"t;form"));
    let change = workspace.expect(3, &["plan"]);
    assert_golden("plan-of-a-change.txt", &neutral(&change.stdout, &named, &workspace));
}

#[test]
fn plan_lines_are_zone_file_lines_grouped_by_name() {
    let named = Named::start();
    let plan = Workspace::example(&named).expect(3, &["plan"]);
    let owners: Vec<_> = plan
        .stdout
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix('+'))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| name.ends_with(".internal.local."))
        .collect();
    assert_eq!(owners.iter().filter(|name| **name == "_jenkins._tcp.internal.local.").count(), 3, "{}", plan.stdout);
    let mut grouped = owners.clone();
    grouped.dedup();
    let runs = grouped.len();
    grouped.sort_unstable();
    grouped.dedup();
    assert_eq!(grouped.len(), runs, "a name comes back after another one:\n{}", plan.stdout);
}

#[test]
fn check_passes_good_files() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    workspace.expect(0, &["check"]);
    assert_eq!(named.serial(), 1);
}

#[test]
fn check_passes_the_shipped_configuration() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let directory = tempfile::tempdir().unwrap();
    let services = directory.path().join("services.d");
    fs::create_dir(&services).unwrap();
    let config = directory.path().join("srvctl.toml");
    fs::copy(shipped.join("srvctl.toml"), &config).unwrap();
    for file in fs::read_dir(shipped.join("services.d")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), services.join(file.file_name())).unwrap();
    }
    // Each site makes its own key; the repository has none.
    fs::write(directory.path().join("internal.local.key"), Key::random("srvctl").text()).unwrap();
    let output = bare(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(output.code, 0, "{output:?}");
}

#[test]
fn check_tells_all_errors_at_once_with_their_places() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service(
        "a.toml",
        "[[service]]\nname = \"jenkins\"\nprotocol = \"tcp\"\n[[service.instance]]\nhost = \"a\"\nport = 80\n",
    );
    workspace
        .write_service("b.toml", "[[service]]\nname = \"web\"\n[[service.instance]]\nhost = \"b\"\nport = 99999\n");
    workspace.write_service("c.toml", "[[service]\nname = 1\n");
    workspace.write_service(
        "d.toml",
        "[[service]]\nname = \"d\"\n[[service.instance]]\nhost = \"d\"\nport = 80\naddresses = [\"1.2.3\"]\n",
    );
    let output = workspace.expect(1, &["check"]);
    for place in ["a.toml:3:1", "b.toml:5:8", "c.toml:1:", "d.toml:6:"] {
        assert!(output.stderr.contains(place), "{place} is not in\n{}", output.stderr);
    }
    assert!(output.stderr.contains('^'), "a caret shows where:\n{}", output.stderr);
}

#[test]
fn check_fails_without_the_key_file() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    fs::remove_file(workspace.path().join("zone.key")).unwrap();
    let output = workspace.expect(1, &["check"]);
    assert!(output.stderr.contains("zone.key"), "{output:?}");
}

#[test]
fn check_refuses_hosts_that_the_server_would_refuse() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    for (what, host) in [("underscore", "bad_host"), ("label of 64", &"x".repeat(64)), ("empty label", "a..b")] {
        workspace.write_service(
            "bad.toml",
            &format!("[[service]]\nname = \"bad\"\n[[service.instance]]\nhost = \"{host}\"\nport = 80\n"),
        );
        let output = workspace.run(&["check"]);
        assert_eq!(output.code, 1, "{what}: {output:?}");
        assert!(output.stderr.contains("bad.toml"), "{what}: {output:?}");
    }
}

#[test]
fn a_missing_configuration_is_named() {
    let output = bare(&["plan", "--config", "/nonexistent/srvctl.toml"]);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("/nonexistent/srvctl.toml"), "{output:?}");
}

#[test]
fn usage_errors_exit_2() {
    for arguments in [vec![], vec!["no-such-command"], vec!["plan", "--no-such-option"], vec!["dig"]] {
        let output = bare(&arguments);
        assert_eq!(output.code, 2, "{arguments:?}: {output:?}");
        assert!(output.stderr.contains("Usage"), "{arguments:?}: {output:?}");
    }
}

#[test]
fn help_and_version_succeed() {
    for arguments in [["--help"], ["--version"]] {
        let output = bare(&arguments);
        assert_eq!(output.code, 0, "{arguments:?}: {output:?}");
        assert!(output.stdout.contains("srvctl"), "{output:?}");
    }
}

#[test]
fn dig_short_prints_the_data() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    workspace.expect(0, &["apply"]);
    let server = format!("@{}", named.address());
    let both = ["10 10 8080 centos9-vm.internal.local.", "10 20 8080 centos9-vm2.internal.local."];
    for (question, lines) in [
        (vec!["_jenkins._tcp.internal.local", "SRV"], both.as_slice()),
        (vec!["_jenkins._tcp.internal.local", "SRV", "+tcp"], &both),
        (vec!["centos9-vm.internal.local", "A"], &["192.168.188.142"]),
        (vec!["_jenkins._tcp.internal.local", "TXT"], &[r#""environment=production" "team=devops""#]),
    ] {
        let output = bare(&[["dig", server.as_str(), "+short"].as_slice(), &question].concat());
        assert_eq!(output.code, 0, "{question:?}: {output:?}");
        let mut printed: Vec<_> = output.stdout.lines().collect();
        printed.sort_unstable();
        assert_eq!(printed, lines, "{question:?}: {output:?}");
    }
}

#[test]
fn dig_shows_the_targets_that_prometheus_would_scrape() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    workspace.expect(0, &["apply"]);
    let server = format!("@{}", named.address());
    let output = bare(&["dig", "_jenkins._tcp.internal.local", &server]);
    assert_eq!(output.code, 0, "{output:?}");
    for target in ["centos9-vm.internal.local:8080", "centos9-vm2.internal.local:8080"] {
        assert!(output.stdout.contains(target), "{target} is not in\n{}", output.stdout);
    }
    let json: serde_json::Value =
        serde_json::from_str(&bare(&["dig", "_jenkins._tcp.internal.local", &server, "--json"]).stdout).unwrap();
    assert!(json.to_string().contains("centos9-vm2.internal.local:8080"), "{json}");
}

#[test]
fn verify_of_one_service_looks_at_that_one_only() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    workspace.expect(0, &["apply"]);
    named.nsupdate("zone internal.local\nupdate delete _jenkins._tcp.internal.local SRV");
    workspace.expect(0, &["verify", "node-exporter"]);
    workspace.expect(3, &["verify", "jenkins"]);
    let report = workspace.json(&["verify", "--json", "jenkins"]);
    let checks = report["checks"].as_array().unwrap();
    let srv = checks.iter().find(|check| check["type"] == "SRV").unwrap();
    assert_eq!(srv["verdict"], json!("missing"), "{report}");
    assert_eq!(srv["missing"].as_array().map(Vec::len), Some(2), "{report}");
}

#[test]
fn verify_of_a_silent_server_is_unknown_and_not_missing() {
    let named = Named::start();
    let silent = free_address().to_string();
    let workspace = Workspace::with(&Settings { verify: vec![silent], ..Settings::for_server(&named) });
    workspace.write_service("jenkins.toml", JENKINS);
    let output = workspace.run(&["verify", "--json"]);
    assert_eq!(output.code, 3, "{output:?}");
    let report: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    for check in report["checks"].as_array().unwrap() {
        assert_eq!(check["verdict"], json!("unknown"), "{report}");
    }
}
