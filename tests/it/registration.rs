//! Registering, changing and deregistering instances, as somebody at a shell does it.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{
    Authority, Daemon, EXAMPLE_RECORDS, Named, Output, Settings, Workspace, assert_golden, assert_lines, bare,
};

/// A daemon that publishes the example, and registrations beside it.
pub(crate) struct Site {
    pub(crate) daemon: Daemon,
    pub(crate) workspace: Workspace,
    pub(crate) named: Named,
}

impl Site {
    pub(crate) fn start() -> Self {
        Self::with(|settings| settings)
    }

    pub(crate) fn with(change: impl FnOnce(Settings) -> Settings) -> Self {
        let named = Named::start();
        // A handful of records: the share that one instance has of them is large.
        let more = "max_delete_percent = 50\n".to_owned();
        let workspace = Workspace::with(&change(Settings { more, ..Settings::for_server(&named) }));
        workspace.write_example();
        let mut daemon = workspace.daemon();
        daemon.wait_in_sync();
        Self { daemon, workspace, named }
    }

    /// With leases that end soon after they have run out.
    pub(crate) fn impatient() -> Self {
        Self::with(|settings| Settings { api: "lease_grace = \"1s\"\n".to_owned(), ..settings })
    }

    pub(crate) fn expect(&self, code: i32, arguments: &[&str]) -> Output {
        self.workspace.expect(code, arguments)
    }

    pub(crate) fn lookup(&self, name: &str, record_type: &str) -> Vec<String> {
        let mut lines: Vec<_> = self.named.dig(&["+short", name, record_type]).lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    }

    /// The targets of the service `web`.
    pub(crate) fn web(&self) -> Vec<String> {
        self.lookup(WEB, "SRV")
    }
}

pub(crate) const WEB: &str = "_web._tcp.internal.local.";

/// `register web` of this host on port 80.
pub(crate) fn web<'a>(host: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["register", "web", "--host", host, "--port", "80"], more].concat()
}

fn parsed(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn what_is_registered_is_in_dns() {
    let mut site = Site::start();
    let more = ["--address", "10.0.0.1", "--address", "fd00::1", "--weight", "5", "--meta", "team=a=b", "--wait"];
    let output = site.expect(0, &web("web1", &more));
    let address = site.named.address();
    let (first, second) = output.stdout.split_once('\n').unwrap();
    assert_eq!(first, "registered web1.internal.local:80 in _web._tcp.internal.local.");
    assert!(second.starts_with(&format!("verified at {address} after ")) && second.ends_with(" ms\n"), "{second}");
    assert_eq!(site.web(), ["0 5 80 web1.internal.local."]);
    assert_eq!(site.lookup("web1.internal.local.", "A"), ["10.0.0.1"]);
    assert_eq!(site.lookup("web1.internal.local.", "AAAA"), ["fd00::1"]);
    assert_eq!(site.lookup(WEB, "TXT"), ["\"team=a=b\""]);

    // Only what all instances agree on is said of the service.
    site.expect(0, &web("web2", &["--meta", "team=c", "--wait=10s"]));
    let Site { daemon, named, .. } = &mut site;
    daemon.wait_for("no text of the service", || named.dig(&["+short", WEB, "TXT"]).is_empty());
    site.expect(0, &["verify"]);

    site.expect(0, &["deregister", "web", "--host", "web2", "--port", "80", "--wait"]);
    let output = site.expect(0, &["deregister", "web", "--host", "web1", "--port", "80", "--wait"]);
    assert!(
        output.stdout.starts_with("deregistered web1.internal.local:80 in _web._tcp.internal.local.\nverified at ")
    );
    assert_lines("the example alone", &site.named.zone_text(), EXAMPLE_RECORDS);
}

#[test]
fn what_is_done_twice_changes_nothing() {
    let site = Site::start();
    let register = web("web1", &["--json", "--wait"]);
    let first = parsed(&site.expect(0, &register));
    let second = parsed(&site.expect(0, &register));
    assert_eq!((&first["changed"], &second["changed"]), (&json!(true), &json!(false)));
    assert_eq!((&first["before"], &second["before"]), (&Value::Null, &second["after"]));
    assert_eq!(first["revision"], second["revision"]);
    assert_eq!(second["verified"]["ok"], json!(true), "{second}");
    assert_eq!(
        site.expect(0, &web("web1", &[])).stdout,
        format!("already registered web1.internal.local:80 in {WEB}\n")
    );
    let output = site.expect(0, &web("web1", &["--priority", "2", "--diff"]));
    let record = |priority| format!("{WEB} IN SRV {priority} 0 80 web1.internal.local.");
    assert_eq!(output.stdout, format!("- {}\n+ {}\nchanged web1.internal.local:80 in {WEB}\n", record(0), record(2)));
    let deregister = ["deregister", "web", "--host", "web1", "--port", "80"];
    site.expect(0, &deregister);
    assert_eq!(site.expect(0, &deregister).stdout, format!("not registered: web1.internal.local:80 in {WEB}\n"));
}

#[test]
fn a_check_changes_nothing_and_tells() {
    let site = Site::start();
    let check = ["--check", "--diff", "--wait", "--address", "10.0.0.1", "--meta", "team=a"];
    let output = site.expect(3, &web("web1", &check));
    let lines = [
        "+ _web._tcp.internal.local. IN SRV 0 0 80 web1.internal.local.",
        "+ web1.internal.local. IN A 10.0.0.1",
        "+ metadata team=a",
        "would register web1.internal.local:80 in _web._tcp.internal.local.\n",
    ];
    assert_eq!(output.stdout, lines.join("\n"));
    site.expect(0, &["deregister", "web", "--all", "--check"]);
    site.expect(0, &web("web1", &["--wait"]));
    site.expect(0, &web("web1", &["--check"]));
    let json = parsed(&site.expect(3, &["deregister", "web", "--all", "--check", "--json"]));
    assert_eq!((&json["changed"], &json["dry_run"], &json["removed"]), (&json!(true), &json!(true), &json!(1)));
    site.expect(3, &["deregister", "web", "--host", "web1", "--port", "80", "--check"]);
    site.expect(3, &["set", "web", "--host", "web1", "--port", "80", "--weight", "1", "--check"]);
    site.expect(3, &["set", "web", "--ttl", "60", "--check"]);
    site.expect(0, &["set", "web", "--ttl", "zone", "--check"]);
    assert_eq!(site.web(), ["0 0 80 web1.internal.local."]);
    assert_eq!(site.workspace.json(&["history", "web", "--json"])["events"].as_array().unwrap().len(), 1);
}

#[test]
fn a_weight_of_nothing_drains() {
    let site = Site::start();
    site.expect(0, &web("web1", &["--weight", "10", "--meta", "team=a", "--meta", "tier=1"]));
    let set = ["set", "web", "--host", "web1.internal.local", "--port", "80"];
    let more = ["--weight", "0", "--meta", "state=draining", "--unset-meta", "tier", "--wait"];
    let output = site.expect(0, &[&set[..], &more].concat());
    assert!(output.stdout.starts_with("changed web1.internal.local:80 in "), "{output:?}");
    assert_eq!(site.web(), ["0 0 80 web1.internal.local."]);
    let shown = site.workspace.json(&["show", "web", "--json"]);
    assert_eq!(shown["instances"][0]["metadata"], json!({"team": "a", "state": "draining"}));
    assert!(site.expect(0, &[&set[..], &["--weight", "0"]].concat()).stdout.starts_with("unchanged: "));
    let missing = site.expect(1, &["set", "web", "--id", "other", "--weight", "0"]);
    assert_eq!(missing.stderr, format!("error: `other` is not registered in `{WEB}`\n"));
}

#[test]
fn an_id_stays_when_the_host_does_not() {
    let site = Site::start();
    site.expect(0, &web("web1", &["--id", "blue"]));
    let conflict = site.expect(1, &web("web1", &[]));
    assert!(conflict.stderr.contains("already registered") && conflict.stderr.contains("as `blue`"), "{conflict:?}");
    let moved = site.expect(0, &web("web2", &["--id", "blue", "--wait"]));
    assert!(moved.stdout.starts_with(&format!("changed blue in {WEB}\n")), "{moved:?}");
    assert_eq!(site.web(), ["0 0 80 web2.internal.local."]);
    site.expect(0, &["set", "web", "--id", "blue", "--weight", "3", "--wait"]);
    assert_eq!(site.web(), ["0 3 80 web2.internal.local."]);
    site.expect(0, &["deregister", "web", "--id", "blue", "--wait"]);
    assert_eq!(site.web(), [""; 0]);
}

#[test]
fn what_a_file_describes_is_changed_there() {
    let site = Site::start();
    let place = format!("{}/services.d/jenkins.toml:6:1", site.workspace.path().display());
    let which = ["jenkins", "--host", "centos9-vm", "--port", "8080"];
    for command in [&["register"][..], &["deregister"], &["set", "--weight", "0"]] {
        let output = site.expect(1, &[command, &which].concat());
        let lines: Vec<_> = output.stderr.lines().collect();
        assert!(lines[0].contains(&place) && lines[1] == "help: change it there", "{output:?}");
    }
    let output = site.expect(1, &["set", "jenkins", "--ttl", "60"]);
    assert!(output.stderr.contains("jenkins.toml") && output.stderr.contains("help: change it there"), "{output:?}");
    // A file and registrations may offer the same service.
    site.expect(0, &["register", "jenkins", "--host", "other", "--port", "8080", "--wait"]);
    assert_eq!(site.lookup("_jenkins._tcp.internal.local.", "SRV").len(), 3);
    site.expect(0, &["deregister", "jenkins", "--all", "--wait"]);
    assert_lines("the example alone", &site.named.zone_text(), EXAMPLE_RECORDS);
}

#[test]
fn the_101st_instance_needs_shards() {
    let site = Site::start();
    let instance = |number: usize| format!("[[service.instance]]\nhost = \"h{number}\"\nport = 80\n");
    let text = format!("[[service]]\nname = \"web\"\n{}", (1..=100).map(instance).collect::<String>());
    site.workspace.write_file("hundred.toml", &text);
    let file = site.workspace.path().join("hundred.toml");
    site.expect(0, &["import", file.to_str().unwrap()]);
    let refused = site.expect(1, &web("h101", &[]));
    assert!(refused.stderr.contains("has room for 100 instances, and would have 101"), "{refused:?}");
    let help = refused.stderr.lines().find_map(|line| line.strip_prefix("help: ")).unwrap();
    let command = help.split('`').nth(1).unwrap().strip_prefix("srvctl ").unwrap();
    site.expect(0, &command.split(' ').collect::<Vec<_>>());
    site.expect(0, &web("h101", &["--wait"]));
    let second = "_web._tcp.shard-1.internal.local.";
    assert_eq!((site.web().len(), site.lookup(second, "SRV").len()), (100, 1));
    let back = site.expect(1, &["set", "web", "--shards", "off"]);
    assert!(back.stderr.contains("would have 101"), "{back:?}");
}

#[test]
fn settings_hold_for_all_of_a_service() {
    let site = Site::start();
    // Before anybody registers, too.
    let output = site.expect(0, &["set", "web", "--ttl", "60", "--meta", "team=a", "--meta", "tier=1", "--diff"]);
    assert_eq!(output.stdout, format!("+ ttl 60\n+ metadata team=a\n+ metadata tier=1\nchanged {WEB}\n"));
    site.expect(0, &web("web1", &["--meta", "zone=north", "--wait"]));
    assert_eq!(site.lookup(WEB, "TXT"), [r#""team=a" "tier=1" "zone=north""#]);
    let output = site.expect(0, &["set", "web", "--ttl", "zone", "--unset-meta", "tier", "--diff"]);
    assert_eq!(output.stdout, format!("- ttl 60\n- metadata tier=1\nchanged {WEB}\n"));
    assert!(site.expect(0, &["set", "web", "--unset-meta", "tier"]).stdout.starts_with("unchanged: "));
    let shown = site.workspace.json(&["show", "web", "--json"]);
    assert_eq!(shown["service"]["settings"]["metadata"], json!({"team": "a"}));
    assert_eq!(shown["service"]["metadata"], json!({"team": "a", "zone": "north"}));
}

#[test]
fn two_who_set_at_once_both_get_their_way() {
    let site = Site::start();
    let setting = |key: usize| {
        site.workspace.command(&["set", "web", "--meta", &format!("k{key}=1")]).stdout(Stdio::piped()).spawn().unwrap()
    };
    let all: Vec<_> = (0..4).map(setting).collect();
    for one in all {
        assert!(one.wait_with_output().unwrap().status.success());
    }
    let shown = site.workspace.json(&["show", "web", "--json"]);
    assert_eq!(shown["service"]["settings"]["metadata"], json!({"k0": "1", "k1": "1", "k2": "1", "k3": "1"}));
}

/// Output without what differs from run to run.
fn neutral(site: &Site, text: &str) -> String {
    let text = text.replace(site.workspace.path().to_str().unwrap(), "<directory>");
    let user = site.workspace.json(&["history", "--json", "--limit", "1"])["events"][0]["by"].clone();
    text.replace(user.as_str().unwrap(), "<user>")
}

#[test]
fn lists_and_shows_as_in_the_golden_files() {
    let site = Site::start();
    site.expect(0, &web("web1", &["--address", "10.0.0.1", "--meta", "team=a", "--meta", "tier=1", "--weight", "5"]));
    site.expect(0, &web("web2", &["--id", "blue", "--meta", "team=a"]));
    site.expect(0, &["register", "jenkins", "--host", "other", "--port", "8080"]);
    site.expect(0, &["set", "web", "--shards", "2", "--ttl", "60"]);
    assert_golden("list.txt", &neutral(&site, &site.expect(0, &["list"]).stdout));
    assert_golden("list-of-a-host.txt", &neutral(&site, &site.expect(0, &["list", "--host", "centos9-vm"]).stdout));
    assert_golden("show.txt", &neutral(&site, &site.expect(0, &["show", "web"]).stdout));
    assert_golden("show-of-a-file.txt", &neutral(&site, &site.expect(0, &["show", "jenkins"]).stdout));
    assert_eq!(site.expect(0, &["list", "--overdue"]).stdout, "no instances\n");
    assert_eq!(site.workspace.json(&["list", "--json"])["instances"].as_array().unwrap().len(), 7);
}

#[test]
fn long_lists_come_whole() {
    let site = Site::start();
    let instance = |number: usize| format!("[[service.instance]]\nhost = \"h{number}\"\nport = 80\n");
    let text: String = (1..=1_500).map(instance).collect();
    let file = site.workspace.path().join("many.toml");
    fs::write(&file, format!("[[service]]\nname = \"web\"\nshards = \"auto\"\n{text}")).unwrap();
    site.expect(0, &["import", file.to_str().unwrap()]);
    assert_eq!(site.workspace.json(&["list", "web", "--json"])["instances"].as_array().unwrap().len(), 1_500);
}

#[test]
fn names_that_nobody_knows_are_errors() {
    let site = Site::start();
    for arguments in [&["show", "nosuch"][..], &["list", "nosuch"]] {
        let output = site.expect(1, arguments);
        assert_eq!(output.stderr, "error: nobody offers `_nosuch._tcp.internal.local.`\n");
    }
    for arguments in [&["register", "a_b", "--host", "h", "--port", "80"][..], &["history", "a_b"], &["list", "a_b"]] {
        let output = site.expect(1, arguments);
        assert!(output.stderr.starts_with("error: service name `a_b` may only have letters"), "{output:?}");
    }
    let output = site.expect(1, &web("web1.internal.local", &[]));
    assert!(output.stderr.contains("\nhelp: write `web1`"), "{output:?}");
    for wrong in [
        &["register", "web", "--host", "h", "--port", "0"][..],
        &["register", "web", "--host", "h"],
        &["register", "web", "--host", "h", "--port", "80", "--meta", "team"],
        &["register", "web", "--host", "h", "--port", "80", "--lease", "500ms"],
        &["register", "web", "--host", "h", "--port", "80", "--wait=6m"],
        &["deregister", "web"],
        &["deregister", "web", "--host", "h"],
        &["deregister", "web", "--all", "--id", "h"],
        &["set", "web"],
        &["set", "web", "--weight", "1"],
        &["set", "web", "--id", "h", "--ttl", "1"],
        &["renew", "web"],
        &["run", "web", "--host", "h", "--port", "80"],
    ] {
        site.expect(2, wrong);
    }
}

#[test]
fn without_a_daemon_one_line_says_what_to_do() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    for arguments in [&["list"][..], &web("web1", &["--json"]), &["history"], &["export"], &["show", "web"]] {
        let output = workspace.expect(1, arguments);
        assert_eq!((output.stdout.as_str(), output.stderr.lines().count()), ("", 1), "{output:?}");
        assert!(output.stderr.starts_with("error: no srvctl daemon answers at "), "{output:?}");
        assert!(output.stderr.contains("systemctl start srvctl"), "{output:?}");
    }
    // Nobody needs a configuration to ask; but one that is named has to be there.
    let output = bare(&["list", "--config", "/nonexistent/srvctl.toml"]);
    assert!(output.code == 1 && output.stderr.contains("/nonexistent/srvctl.toml"), "{output:?}");
}

#[test]
fn a_token_is_neither_sent_in_the_open_nor_shown() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, "s3cret-t0ken\n").unwrap();
    let file = file.to_str().unwrap();
    let ca = directory.path().join("ca.pem");
    fs::write(&ca, Authority::new().pem()).unwrap();
    for (server, why) in [
        ("http://127.0.0.1:9", "not sent over http://"),
        ("https://127.0.0.1:9", "cannot be reached"),
        ("127.0.0.1:9", "write it as https://HOST:PORT"),
    ] {
        let output = bare(&["list", "--server", server, "--token-file", file, "--ca-file", ca.to_str().unwrap()]);
        assert!(output.code == 1 && output.stderr.contains(why), "{server}: {output:?}");
        assert!(!format!("{output:?}").contains("s3cret"), "{server}: {output:?}");
    }
    let output = bare(&["list", "--server", "http://127.0.0.1:9", "--token-file", "/nonexistent"]);
    assert!(output.stderr.contains("token file /nonexistent cannot be read"), "{output:?}");
}

#[test]
fn a_change_that_does_not_show_says_what_is_seen() {
    let mut site = Site::start();
    site.named.stop();
    let output = site.expect(1, &web("web1", &["--wait=1s"]));
    assert!(output.stdout.starts_with("registered web1.internal.local:80"), "{output:?}");
    let lines: Vec<_> = output.stderr.lines().collect();
    assert!(lines[0].starts_with("error: not verified within ") && lines[0].ends_with(" s"), "{output:?}");
    let server = site.named.address().to_string();
    assert!(lines[1].starts_with(&format!("  {WEB} SRV via {server}: ")), "{output:?}");
}

#[test]
fn a_change_that_a_held_plan_keeps_back_exits_4() {
    let site = Site::start();
    let instance = |number: usize| format!("[[service.instance]]\nhost = \"h{number}\"\nport = 80\n");
    let text: String = (1..=40).map(instance).collect();
    site.workspace.write_file("forty.toml", &format!("[[service]]\nname = \"web\"\n{text}"));
    site.expect(0, &["import", site.workspace.path().join("forty.toml").to_str().unwrap()]);
    site.expect(0, &web("h1", &["--wait"]));
    let output = site.expect(4, &["deregister", "web", "--all", "--wait"]);
    assert!(output.stderr.contains("is held") && output.stderr.contains("srvctl apply --accept "), "{output:?}");
}
