//! The scratch names go, however the examination ends.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::site::{Findings, assert_gone, with_lines};
use crate::support::{Named, Workspace, find, free_address, notify_listen, poll, run};

/// An examination that waits for a NOTIFY that never comes, its scratch names in the zone.
fn under_way(named: &Named, workspace: &Workspace) -> Child {
    let mut command = workspace.command(&["doctor", "--json"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let is_there = || named.zone_text().iter().filter(|line| line.contains("doctor")).count() >= 6;
    let found = poll(Duration::from_secs(30), || is_there().then_some(()));
    assert!(found.is_some(), "no scratch names come; ended: {:?}", child.try_wait());
    child
}

fn told_nothing(named: &Named) -> Workspace {
    with_lines(named, &notify_listen(free_address()))
}

#[test]
fn after_a_kill_the_next_run_removes_them() {
    let named = Named::start();
    let workspace = told_nothing(&named);
    let mut child = under_way(&named, &workspace);
    child.kill().unwrap();
    child.wait().unwrap();
    let left = named.zone_text();
    assert!(left.iter().any(|line| line.contains("owner=test1.doctor types=SRV,TXT")), "{left:?}");
    // Those of others stay, be their names like ours.
    let others = "srvctl-doctor-0123456789abcdef.internal.local";
    named.nsupdate(&format!(
        "zone internal.local\nupdate add {others} 60 A 192.0.2.1\n\
         update add _srvctl.{others} 60 TXT \"v=1 owner=test2.doctor types=A\""
    ));
    let findings = Findings::of(&with_lines(&named, ""), &[]);
    findings.only("leftovers", "note", &["_srvctl-doctor-", "were removed"]);
    let left: Vec<_> = named.zone_text().into_iter().filter(|line| line.contains("doctor")).collect();
    assert!(left.len() == 2 && left.iter().all(|line| line.contains(others)), "{left:?}");
    assert!(!Findings::of(&with_lines(&named, ""), &[]).has("leftovers"));
}

#[test]
fn a_signal_removes_them() {
    let named = Named::start();
    let workspace = told_nothing(&named);
    for signal in ["TERM", "INT"] {
        let child = under_way(&named, &workspace);
        let sent = run(Command::new(find("kill", "procps")).args(["-s", signal, &child.id().to_string()]), "");
        assert_eq!(sent.code, 0, "{sent:?}");
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("interrupted; the scratch names are removed"), "{stderr}");
        assert_gone(&named);
    }
}

#[test]
fn what_cannot_be_removed_is_told() {
    let mut named = Named::start();
    let workspace = told_nothing(&named);
    let child = under_way(&named, &workspace);
    named.stop();
    let output = child.wait_with_output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let cleanup = findings.iter().find(|finding| finding["code"] == "cleanup").unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!(cleanup["severity"], "error");
    assert!(cleanup["remedy"].as_str().unwrap().contains("update delete _srvctl-doctor-"), "{cleanup:#}");
    named.start_again();
    Findings::of(&with_lines(&named, ""), &[]).only("leftovers", "note", &[]);
    assert_gone(&named);
}

#[test]
fn only_one_at_a_time() {
    let named = Named::start();
    let workspace = told_nothing(&named);
    let mut child = under_way(&named, &workspace);
    let second = workspace.expect(1, &["doctor"]);
    assert!(second.stderr.contains("another `srvctl doctor` is running"), "{second:?}");
    assert!(child.try_wait().unwrap().is_none(), "the first one goes on");
    child.wait_with_output().unwrap();
    assert_gone(&named);
}

#[test]
fn a_daemon_leaves_them_alone() {
    let named = Named::start();
    let workspace = told_nothing(&named);
    workspace.write_example();
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let before = named.zone_text();
    let child = under_way(&named, &workspace);
    daemon.signal("HUP"); // reads the whole zone
    child.wait_with_output().unwrap();
    daemon.wait_in_sync();
    assert_eq!(named.zone_text(), before);
    let plan = workspace.expect(0, &["plan"]);
    assert!(!plan.stdout.contains("doctor"), "{plan:?}");
}

#[test]
fn whoever_takes_them_away_meanwhile_is_no_limit() {
    let named = Named::start();
    let child = under_way(&named, &told_nothing(&named));
    let marker = named.zone_text().into_iter().find(|line| line.starts_with("_srvctl._srvctl-doctor-")).unwrap();
    let name = marker.split_whitespace().next().unwrap();
    named.nsupdate(&format!("zone internal.local\nupdate delete {name} TXT"));
    let output = child.wait_with_output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let of_code = |code: &str| findings.iter().find(|finding| finding["code"] == code);
    assert_eq!(of_code("limit-primary"), None, "{report:#}");
    let stored = of_code("stored").unwrap();
    assert!(stored["severity"] == "error" && stored["problem"].as_str().unwrap().contains("somebody else"), "{stored}");
    assert!(stored["evidence"].to_string().contains("NXRRSET"), "{stored}");
    assert_gone(&named);
}
