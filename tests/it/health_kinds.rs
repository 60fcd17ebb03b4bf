//! Health through one daemon: every kind of check at once, what it may take of the machine, and what it leaves behind.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::Value;
use tonic_health::ServingStatus;

use crate::probes::{Grpc, is_gone, mute};
use crate::support::{Backend, Daemon, Named, Settings, Workspace, free_address, poll, send_local};

const OFTEN: &str = "interval = \"100ms\"\ntimeout = \"100ms\"\nrise = 2\nfall = 2\n";

/// A service with one instance that is checked like this.
fn service(name: &str, port: u16, check: &str) -> String {
    format!(
        "[[service]]\nname = \"{name}\"\n[[service.check]]\n{check}\n\
         [[service.instance]]\nhost = \"{name}\"\nport = {port}\naddresses = [\"127.0.0.1\"]\n"
    )
}

/// Takes connections and closes them, for as long as it is there; then the same again at the same address.
struct Door {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Door {
    fn open(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let serving = std::thread::spawn(move || {
            let streams = listener.incoming();
            streams.take_while(|_| !over.load(Ordering::SeqCst)).for_each(drop);
        });
        Self { address, is_over, serving: Some(serving) }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes it
        drop(self.serving.take().map(JoinHandle::join));
    }
}

fn write_plugin(workspace: &Workspace, script: &str) -> String {
    let plugin = workspace.path().join("check_it");
    fs::write(&plugin, format!("#!/bin/sh\ncd \"${{0%/*}}\"\n{script}\n")).unwrap();
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
    plugin.display().to_string()
}

fn allowing_commands(named: &Named) -> Settings {
    Settings { daemon: "commands = true".to_owned(), ..Settings::for_server(named) }
}

/// Why each service failed and came back, by the type of its check.
fn reasons(workspace: &Workspace) -> BTreeMap<String, Vec<String>> {
    let history = workspace.json(&["health", "--history", "--json"]);
    let mut reasons = BTreeMap::<String, Vec<String>>::new();
    for line in history["transitions"].as_array().unwrap() {
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        let service = text("service").trim_start_matches('_').split('.').next().unwrap().to_owned();
        reasons.entry(service).or_default().push(format!("{}: {}", text("to"), text("reason")));
    }
    reasons
}

#[test]
fn every_kind_of_check_fails_and_recovers() {
    let named = Named::start();
    let (web, grpc, door) = (Backend::start(), Grpc::start(None), Door::open(free_address()));
    let workspace = Workspace::with(&allowing_commands(&named));
    workspace.write_file("says", "0");
    let plugin = write_plugin(&workspace, "echo \"for $1\"\nexit \"$(cat says)\"");
    named.nsupdate("update add probe.internal.local. 60 TXT there");
    grpc.set("shop", ServingStatus::Serving);
    let at = named.address();
    for (name, port, check) in [
        ("http", web.port(), format!("type = \"http\"\n{OFTEN}")),
        ("tcp", door.address.port(), format!("type = \"tcp\"\n{OFTEN}")),
        ("dns", at.port(), format!("type = \"dns\"\nname = \"probe.internal.local\"\nrecord = \"TXT\"\n{OFTEN}")),
        ("grpc", grpc.address.port(), format!("type = \"grpc\"\nservice = \"shop\"\n{OFTEN}")),
        (
            "command",
            1,
            format!("type = \"command\"\ncommand = [\"{plugin}\", \"{{host}}\"]\n{OFTEN}").replace("100ms", "1s"),
        ),
        ("lease", 2, "type = \"lease\"\nttl = \"1h\"\n".to_owned()),
    ] {
        workspace.write_service(&format!("{name}.toml"), &service(name, port, &check));
    }
    let renew = |status: &str| {
        let arguments = ["renew", "lease", "--host", "lease", "--port", "2", "--output", "itself", "--status", status];
        workspace.expect(0, &arguments);
    };
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let seen = |daemon: &mut Daemon, verdict: &str| {
        daemon.wait_for(&format!("all are seen {verdict}"), || {
            let kinds = ["http", "tcp", "dns", "grpc", "command", "lease"];
            kinds.iter().all(|kind| {
                let shown = workspace.json(&["health", kind, "--json"]);
                let check = &shown["instances"][0]["checks"][0];
                check["type"] == *kind && check["result"]["verdict"] == verdict
            })
        });
    };
    renew("passing");
    seen(&mut daemon, "passing");
    daemon.wait_until("all pass", |status| status["health"]["passing"] == 6);

    web.answers(503);
    let address = door.address;
    drop(door);
    named.nsupdate("update delete probe.internal.local. TXT");
    grpc.set("shop", ServingStatus::NotServing);
    workspace.write_file("says", "2");
    renew("failing");
    daemon.wait_until("all fail", |status| status["health"]["failing"] == 6);

    web.answers(200);
    let _door = Door::open(address);
    named.nsupdate("update add probe.internal.local. 60 TXT there");
    grpc.set("shop", ServingStatus::Serving);
    workspace.write_file("says", "0");
    renew("passing");
    daemon.wait_until("all pass again", |status| status["health"]["passing"] == 6);

    let reasons = reasons(&workspace);
    for (kind, failed, passed) in [
        ("http", "failing: http failed 2 times in a row: 503", "passing: http passed 2 times in a row: 200"),
        ("tcp", "failing: tcp failed 2 times in a row: no connection to 127.0.0.1:", "passing: tcp passed 2 times"),
        ("dns", "failing: dns failed 2 times in a row: NXDOMAIN for TXT probe", "in a row: 1 TXT record at probe"),
        ("grpc", "failing: grpc failed 2 times in a row: NOT_SERVING for shop", "in a row: SERVING for shop"),
        ("command", "failing: command failed 2 times in a row: for command.internal.local", "passing: command passed"),
        ("lease", "failing: lease failed once: itself", "passing: lease passed once: itself"),
    ] {
        let [back, gone, ..] = &reasons[kind][..] else { panic!("{kind}: {reasons:?}") };
        assert!(gone.contains(failed) && back.contains(passed), "{kind}: {reasons:?}");
    }
}

/// How many files a process has open.
fn open_files(pid: u32) -> usize {
    fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")).map_or(0, Iterator::count)
}

#[test]
fn a_thousand_that_hang_take_no_more_than_their_share() {
    let (named, hanging) = (Named::start(), mute());
    let workspace = Workspace::new(&named);
    let check = "type = \"http\"\ninterval = \"1s\"\ntimeout = \"400ms\"\nfall = 1\n";
    let mut text = format!("[[service]]\nname = \"web\"\nshards = \"auto\"\n[[service.check]]\n{check}");
    for index in 0..1000 {
        let (host, port) = (format!("h{index}"), hanging.port());
        let _ = write!(text, "[[service.instance]]\nhost = \"{host}\"\nport = {port}\naddresses = [\"127.0.0.1\"]\n");
    }
    workspace.write_service("web.toml", &text);
    let mut daemon = workspace.daemon();
    let (pid, mut most) = (daemon.pid(), 0);
    daemon.wait_until("all fail", |status| {
        most = most.max(open_files(pid));
        status["health"]["failing"] == 1000
    });
    // 256 checks, and what a daemon has beside them.
    assert!((200..256 + 100).contains(&most), "{most}");
    let metrics = send_local(&workspace.socket(), "GET", "/metrics", None).text;
    let late = metrics.lines().find_map(|line| line.strip_prefix("srvctl_probe_late_seconds_total "));
    assert!(
        late.is_some_and(|late| late.parse::<f64>().unwrap() > 1.0),
        "nobody is told that it is too much: {late:?}"
    );
}

#[test]
fn a_daemon_that_ends_leaves_no_command_behind() {
    let named = Named::start();
    let mut workspace = Workspace::with(&allowing_commands(&named));
    let plugin = write_plugin(&workspace, "sleep 1000 &\necho \"$$ $!\" >> pids\nsleep 1000");
    let check = format!("type = \"command\"\ncommand = [\"{plugin}\"]\ninterval = \"1s\"\ntimeout = \"1s\"\n");
    workspace.write_service("web.toml", &(service("web", 1, &check) + &service("db", 2, &check)));
    let pids = |workspace: &Workspace| -> Vec<u32> {
        let read = fs::read_to_string(workspace.path().join("pids")).unwrap_or_default();
        read.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    };
    let mut daemon = workspace.daemon();
    daemon.wait_for("both run", || pids(&workspace).len() >= 4);
    // A reload gives them up, too.
    let before = pids(&workspace);
    workspace.configure(&Settings { interval: "20s".to_owned(), ..allowing_commands(&named) });
    daemon.signal("HUP");
    daemon.wait_for("they run again", || pids(&workspace).len() >= before.len() + 4);
    daemon.wait_for("the first are gone", || before.iter().all(|pid| is_gone(*pid)));
    assert_eq!(daemon.stop(), 0);
    let all = pids(&workspace);
    assert!(poll(std::time::Duration::from_secs(30), || all.iter().all(|pid| is_gone(*pid)).then_some(())).is_some());
}

#[test]
fn a_check_that_cannot_be_made_is_told_before_it_is_needed() {
    let named = Named::start();
    let mut workspace = Workspace::new(&named);
    let plugin = workspace.path().join("nothing");
    workspace.write_file("services.d/open.headers", "Authorization: Bearer SECRET\n");
    let http = "type = \"http\"\nurl = \"https://{host}/\"\nheaders_file = \"open.headers\"\n[[service.check]]\n\
                type = \"http\"\nurl = \"https://{host}/\"\ntls_ca_file = \"/dev/zero\"";
    let command = format!("type = \"command\"\ncommand = [\"{}\"]", plugin.display());
    workspace.write_service("web.toml", &service("web", 1, http));
    workspace.write_service("db.toml", &service("db", 1, &command));
    let warnings = |workspace: &Workspace| -> Vec<String> {
        let report = workspace.json(&["check", "--json"]);
        let text = |warning: &Value| warning.as_str().unwrap().to_owned();
        report["warnings"].as_array().unwrap().iter().map(text).collect()
    };
    let said = warnings(&workspace);
    assert_eq!(said.len(), 3, "{said:?}");
    for (service, words) in [
        ("_web._tcp", "every user of this machine has access to the headers file"),
        ("_web._tcp", "the CA file /dev/zero is not a file"),
        ("_db._tcp", "commands are not run without `commands = true` in `[daemon]`"),
    ] {
        assert!(said.iter().any(|line| line.contains(service) && line.contains(words)), "{words}: {said:?}");
    }
    assert!(!said.concat().contains("SECRET"));
    workspace.configure(&allowing_commands(&named));
    let said = warnings(&workspace);
    assert!(said.iter().any(|line| line.contains("nothing` cannot be run: No such file")), "{said:?}");
}
