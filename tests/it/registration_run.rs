//! Leases, and commands that are registered for as long as they run.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::registration::{Site, web};
use crate::support::{find, run};

/// `run web` on port 80 of `web1`, with a lease of five seconds.
fn command(site: &Site, more: &[&str], program: &[&str]) -> Command {
    let run = ["run", "web", "--host", "web1", "--port", "80", "--lease", "5s"];
    site.workspace.command(&[&run[..], more, &["--"], program].concat())
}

fn started(site: &Site, program: &[&str]) -> Child {
    let mut command = command(site, &["--wait"], program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    let kill = find("kill", "procps");
    assert_eq!(run(Command::new(kill).args(["-s", name, &child.id().to_string()]), "").code, 0);
}

/// Exit code and what was printed.
fn ended(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn actions(site: &Site) -> Vec<String> {
    let history = site.workspace.json(&["history", "web", "--json"]);
    let events = history["events"].as_array().unwrap();
    events.iter().rev().map(|event| event["action"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn who_does_not_renew_goes_and_who_does_stays() {
    let mut site = Site::impatient();
    site.expect(0, &web("web1", &["--lease", "5s"]));
    site.expect(0, &web("web2", &["--lease", "5s", "--id", "kept"]));
    site.expect(0, &web("web3", &["--wait"]));
    assert_eq!(site.web().len(), 3);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(8) {
        let renewed = site.expect(0, &["renew", "web", "--id", "kept"]);
        assert_eq!(renewed.stdout, "renewed kept in _web._tcp.internal.local. for 5 s\n");
        sleep(Duration::from_secs(1));
    }
    let Site { daemon, workspace, named } = &mut site;
    daemon
        .wait_for("the lease ends", || named.dig(&["+short", "_web._tcp.internal.local.", "SRV"]).lines().count() == 2);
    let left = workspace.json(&["list", "web", "--json"]);
    let ids: Vec<_> = left["instances"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!(ids, ["kept", "web3.internal.local:80"]);
    assert_eq!(actions(&site).last().map(String::as_str), Some("expire"));
    let gone = site.expect(1, &["renew", "web", "--host", "web1", "--port", "80"]);
    assert!(gone.stderr.contains("`web1.internal.local:80` is not registered"), "{gone:?}");
    let lasting = site.expect(0, &["renew", "web", "--host", "web3", "--port", "80"]);
    assert!(lasting.stdout.contains("has no lease"), "{lasting:?}");
}

#[test]
fn what_is_overdue_can_be_deregistered_at_once() {
    let site = Site::start(); // with 30 s of grace
    site.expect(0, &web("web1", &["--lease", "5s"]));
    site.expect(0, &web("web2", &["--wait"]));
    let nothing = site.expect(0, &["deregister", "web", "--overdue"]);
    assert_eq!(nothing.stdout, "nothing is overdue in _web._tcp.internal.local.\n");
    sleep(Duration::from_secs(7));
    let listed = site.expect(0, &["list", "--overdue"]);
    assert!(listed.stdout.contains("overdue for ") && listed.stdout.lines().count() == 2, "{listed:?}");
    site.expect(3, &["deregister", "web", "--overdue", "--check"]);
    let output = site.expect(0, &["deregister", "web", "--overdue", "--wait", "--diff"]);
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(lines[0], "- _web._tcp.internal.local. IN SRV 0 0 80 web1.internal.local.");
    assert!(lines.contains(&"1 instance of _web._tcp.internal.local. deregistered"), "{output:?}");
    assert_eq!(site.web(), ["0 0 80 web2.internal.local."]);
}

#[test]
fn a_command_is_registered_while_it_runs_and_its_exit_code_is_ours() {
    let site = Site::impatient();
    let mut child = started(&site, &["sh", "-c", "echo ready; sleep 9; exit 42"]);
    assert_eq!(next(&mut BufReader::new(child.stdout.take().unwrap())), "ready\n");
    sleep(Duration::from_secs(7));
    assert_eq!(site.web(), ["0 0 80 web1.internal.local."], "longer than the lease and its grace");
    let (code, text) = ended(child);
    assert_eq!((code, text.as_str()), (Some(42), ""));
    assert_eq!(actions(&site), ["register", "deregister"]);
}

#[test]
fn signals_reach_the_command() {
    let site = Site::start();
    let script = "trap 'echo hup' HUP; trap 'echo term; exit 7' TERM; echo ready; while :; do sleep 0.1; done";
    let mut child = started(&site, &["sh", "-c", script]);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(next(&mut output), "ready\n");
    assert_eq!(site.web().len(), 1);
    signal(&child, "HUP");
    assert_eq!(next(&mut output), "hup\n");
    signal(&child, "TERM");
    assert_eq!(next(&mut output), "term\n");
    assert_eq!(ended(child), (Some(7), String::new()));
    assert_eq!(actions(&site), ["register", "deregister"]);
    // A command that a signal ends.
    let mut child = started(&site, &["sh", "-c", "echo ready; exec sleep 60"]);
    assert_eq!(next(&mut BufReader::new(child.stdout.take().unwrap())), "ready\n");
    signal(&child, "INT");
    assert_eq!(ended(child), (Some(130), String::new()));
}

fn next(output: &mut impl BufRead) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line
}

#[test]
fn a_command_that_cannot_start_leaves_nothing_behind() {
    let site = Site::start();
    let output = run(&mut command(&site, &[], &["/nonexistent/program"]), "");
    assert_eq!(output.code, 127, "{output:?}");
    assert!(output.stderr.starts_with("error: /nonexistent/program cannot be run: "), "{output:?}");
    let output = run(&mut command(&site, &[], &["/etc/passwd"]), "");
    assert_eq!(output.code, 126, "{output:?}");
    assert_eq!(actions(&site), ["register", "deregister", "register", "deregister"]);
    // What cannot be registered is not started.
    let output = run(&mut command(&site, &["--meta", "=x"], &["echo", "started"]), "");
    assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{output:?}");
}

#[test]
fn a_command_outlives_the_daemon_and_is_registered_again() {
    let mut site = Site::impatient();
    let stop = site.workspace.path().join("stop");
    let script = "echo ready; while [ ! -e \"$0\" ]; do sleep 0.1; done; exit 3";
    let mut child = started(&site, &["sh", "-c", script, stop.to_str().unwrap()]);
    assert_eq!(next(&mut BufReader::new(child.stdout.take().unwrap())), "ready\n");
    assert_eq!(site.web().len(), 1);
    let Site { daemon, workspace, named } = site;
    assert_eq!(daemon.stop(), 0);
    sleep(Duration::from_secs(3));
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    site = Site { daemon, workspace, named };
    site.expect(0, &["deregister", "web", "--all"]);
    let Site { daemon, workspace, .. } = &mut site;
    daemon.wait_for("it is registered again", || {
        let listed = workspace.run(&["list", "web"]);
        listed.code == 0 && listed.stdout.contains("web1")
    });
    site.workspace.write_file("stop", "");
    let (code, text) = ended(child);
    assert_eq!(code, Some(3), "{text}");
    for word in ["could not be renewed", "is renewed again", "was not registered any more, and is again"] {
        assert_eq!(text.matches(word).count(), 1, "{word} in\n{text}");
    }
    let listed: Value = site.workspace.json(&["list", "--json"]);
    assert!(!listed.to_string().contains("web1"), "{listed}");
}
