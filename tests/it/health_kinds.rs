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
use crate::support::{Backend, Named, Settings, Workspace, free_address, poll, send_local};

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

const KINDS: [&str; 6] = ["http", "tcp", "dns", "grpc", "command", "lease"];

/// One instance of each kind, all of which can be made to fail.
struct Instances {
    named: Named,
    workspace: Workspace,
    web: Backend,
    grpc: Grpc,
    door: Option<Door>,
    address: SocketAddr,
}

impl Instances {
    fn start() -> Self {
        let (named, address) = (Named::start(), free_address());
        let workspace = Workspace::with(&allowing_commands(&named));
        let (web, grpc) = (Backend::start(), Grpc::start(None));
        Self { named, workspace, web, grpc, door: None, address }
    }

    fn write_services(&self) {
        let plugin = write_plugin(&self.workspace, "echo \"for $1\"\nexit \"$(cat says)\"");
        let often = |kind: &str| format!("type = \"{kind}\"\n{OFTEN}");
        let command = format!("{}command = [\"{plugin}\", \"{{host}}\"]\n", often("command")).replace("100ms", "1s");
        for (name, port, check) in [
            ("http", self.web.port(), often("http")),
            ("tcp", self.address.port(), often("tcp")),
            ("dns", self.named.address().port(), often("dns") + "name = \"probe.internal.local\"\nrecord = \"TXT\"\n"),
            ("grpc", self.grpc.address.port(), often("grpc") + "service = \"shop\"\n"),
            ("command", 1, command),
            ("lease", 2, "type = \"lease\"\nttl = \"1h\"\n".to_owned()),
        ] {
            self.workspace.write_service(&format!("{name}.toml"), &service(name, port, &check));
        }
    }

    fn set_well(&mut self, well: bool) {
        self.web.answers(if well { 200 } else { 503 });
        self.door = well.then(|| Door::open(self.address));
        let change = if well { "add probe.internal.local. 60 TXT there" } else { "delete probe.internal.local. TXT" };
        self.named.nsupdate(&format!("update {change}"));
        self.grpc.set("shop", if well { ServingStatus::Serving } else { ServingStatus::NotServing });
        self.workspace.write_file("says", if well { "0" } else { "2" });
    }

    fn renew(&self, status: &str) {
        let arguments = ["renew", "lease", "--host", "lease", "--port", "2", "--output", "itself", "--status", status];
        self.workspace.expect(0, &arguments);
    }

    fn all_are_seen(&self, verdict: &str) -> bool {
        KINDS.iter().all(|kind| {
            let shown = self.workspace.json(&["health", kind, "--json"]);
            let check = &shown["instances"][0]["checks"][0];
            check["type"] == *kind && check["result"]["verdict"] == verdict
        })
    }
}

#[test]
fn every_kind_of_check_fails_and_recovers() {
    let mut instances = Instances::start();
    instances.set_well(true);
    instances.write_services();
    let mut daemon = instances.workspace.daemon();
    daemon.wait_in_sync();
    instances.renew("passing");
    daemon.wait_for("all are seen passing", || instances.all_are_seen("passing"));
    daemon.wait_until("all pass", |status| status["health"]["passing"] == KINDS.len());
    instances.set_well(false);
    instances.renew("failing");
    daemon.wait_until("all fail", |status| status["health"]["failing"] == KINDS.len());
    instances.set_well(true);
    instances.renew("passing");
    daemon.wait_until("all pass again", |status| status["health"]["passing"] == KINDS.len());

    let reasons = reasons(&instances.workspace);
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

/// A machine whose clock is wrong until it has asked somebody: what is meant by the time of day goes by it all the same.
#[test]
fn a_clock_that_is_set_changes_nothing_about_maintenance() {
    let (named, fleet) = (Named::start(), [Backend::start(), Backend::start(), Backend::start()]);
    let workspace = Workspace::new(&named);
    let mut text = format!(
        "[[service]]\nname = \"web\"\n[service.health]\npolicy = \"withdraw\"\n[[service.check]]\ntype = \"http\"\n{OFTEN}"
    );
    for (index, backend) in fleet.iter().enumerate() {
        let port = backend.port();
        let _ = write!(text, "[[service.instance]]\nhost = \"h{index}\"\nport = {port}\naddresses = [\"127.0.0.1\"]\n");
    }
    workspace.write_service("web.toml", &text);
    workspace.write_file("clock", "+5h");
    let mut daemon = workspace.daemon_with_clock("clock");
    daemon.wait_until("all pass", |status| status["health"]["passing"] == 3);
    workspace.write_file("clock", "+0");
    let published = || named.zone_text().iter().filter(|line| line.contains(" SRV ")).count();
    workspace.expect(0, &["maintain", "h1", "--for", "1h", "--why", "new disk"]);
    daemon.wait_for("it is out", || published() == 2);
    fleet[0].answers(503);
    daemon.wait_until("it fails", |status| status["health"]["failing"] == 1);
    let history = workspace.json(&["health", "web", "--history", "--json"]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let at = history["transitions"][0]["at"].as_u64().unwrap();
    assert!(u128::from(at) < now + 60_000, "{at} is hours ahead of {now}");
    // An hour later, for whoever looks at the clock.
    workspace.write_file("clock", "+2h");
    daemon.wait_for("it is back", || published() == 3);
}
