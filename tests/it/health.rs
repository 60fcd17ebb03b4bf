//! Health: what checks of real servers change about a real zone, and what they must never change.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::support::{Backend, Daemon, Fleet, Named, Settings, Workspace, outcome};

/// A check that is made often, so that nobody has to wait.
const OFTEN: &str = "interval = \"100ms\"\nrise = 2\nfall = 2\n";
const WITHDRAW: &str = "[service.health]\npolicy = \"withdraw\"\n";

/// The service `web` on these ports of this machine, each on a host of its own.
fn web(health: &str, check: &str, ports: impl IntoIterator<Item = u16>) -> String {
    let mut text = format!("[[service]]\nname = \"web\"\n{health}\n{check}");
    for (index, port) in ports.into_iter().enumerate() {
        let _ = write!(text, "[[service.instance]]\nhost = \"h{index}\"\nport = {port}\naddresses = [\"127.0.0.1\"]\n");
    }
    text
}

fn http() -> String {
    format!("[[service.check]]\ntype = \"http\"\nurl = \"http://{{host}}:{{port}}/healthz\"\n{OFTEN}")
}

/// Servers, and a daemon that has published them and knows that all are well.
struct Scene {
    named: Named,
    workspace: Workspace,
    daemon: Daemon,
    fleet: Fleet,
}

impl Scene {
    fn start(health: &str, servers: usize) -> Self {
        Self::with(health, servers, |settings| settings)
    }

    fn with(health: &str, servers: usize, change: impl FnOnce(Settings) -> Settings) -> Self {
        let (named, fleet) = (Named::start(), Fleet::start(servers));
        let workspace = Workspace::with(&change(Settings::for_server(&named)));
        workspace.write_service("web.toml", &web(health, &http(), fleet.backends.iter().map(Backend::port)));
        let mut daemon = workspace.daemon();
        daemon.wait_in_sync();
        fleet.wait_for_requests(3);
        daemon.wait_until("all of them pass", |status| status["health"]["passing"] == servers);
        Self { named, workspace, daemon, fleet }
    }

    /// The hosts that the SRV records name.
    fn published(&self) -> Vec<String> {
        published(&self.named)
    }

    fn wait_for_published(&mut self, hosts: &[&str]) {
        let Self { named, daemon, .. } = self;
        daemon.wait_for(&format!("{hosts:?} are published"), || published(named) == hosts);
    }

    fn wait_for_health(&mut self, field: &str, value: impl Into<Value>) -> Value {
        let value = value.into();
        self.daemon.wait_until(&format!("{field} = {value}"), |status| status["health"][field] == value)
    }

    fn web(&self) -> Value {
        self.workspace.json(&["health", "web", "--json"])
    }
}

fn srv(named: &Named) -> Vec<String> {
    named.zone_text().into_iter().filter(|line| line.contains(" SRV ")).collect()
}

fn published(named: &Named) -> Vec<String> {
    let host = |line: String| line.rsplit_once(' ').unwrap().1.split('.').next().unwrap().to_owned();
    let mut hosts: Vec<_> = srv(named).into_iter().map(host).collect();
    hosts.sort();
    hosts
}

fn addresses(named: &Named) -> usize {
    named.zone_text().iter().filter(|line| line.starts_with('h') && line.contains(" A ")).count()
}

#[test]
fn by_default_what_fails_stays_and_is_shown() {
    let mut scene = Scene::start("", 3);
    let serial = scene.named.serial();
    scene.fleet.backends[1].answers(503);
    let status = scene.wait_for_health("failing", 1);
    assert_eq!(
        (&status["health"]["passing"], &status["health"]["withdrawn"], outcome(&status)),
        (&2.into(), &0.into(), "in_sync")
    );
    scene.fleet.all_answer(500);
    let status = scene.wait_for_health("failing", 3);
    assert_eq!(status["health"]["floor_held"], Value::Array(Vec::new()), "nothing is held that nobody asked for");
    scene.fleet.wait_for_requests(3);
    assert_eq!(scene.named.serial(), serial, "health alone changes nothing in the zone");
    let shown = scene.web();
    let one = &shown["instances"][1];
    assert_eq!((&one["condition"], &one["publication"]), (&"failing".into(), &"published".into()), "{shown}");
    assert!(one["checks"][0]["result"]["text"].as_str().unwrap().contains("503"), "{shown}");
    assert!(scene.fleet.backends[1].last_request().starts_with("GET /healthz HTTP/1.1\r\n"));

    let text = scene.workspace.run(&["status"]).stdout;
    assert!(text.contains("health: 3 instances checked, 0 passing, 3 failing\n"), "{text}");
}

#[test]
fn what_fails_is_withdrawn_and_comes_back_and_its_address_stays() {
    let mut scene = Scene::start(WITHDRAW, 3);
    let before = scene.named.zone_text();
    scene.fleet.backends[1].answers(503);
    scene.wait_for_published(&["h0", "h2"]);
    assert_eq!(addresses(&scene.named), 3, "the host is not what fails");
    let status = scene.daemon.wait_in_sync();
    assert_eq!((&status["health"]["withdrawn"], &status["instances"]), (&1.into(), &3.into()));
    // Who looks beside the daemon expects the same.
    scene.workspace.expect(0, &["plan"]);
    scene.workspace.expect(0, &["verify"]);
    let listed = scene.workspace.run(&["list", "web"]).stdout;
    assert!(listed.contains("h1"), "what is withdrawn is still in the catalogue: {listed}");

    scene.fleet.backends[1].answers(204);
    scene.wait_for_published(&["h0", "h1", "h2"]);
    scene.daemon.wait_in_sync();
    assert_eq!(scene.named.zone_text(), before);
    scene.wait_for_health("withdrawn", 0);
    let history = scene.workspace.json(&["health", "web", "--history", "--json"]);
    let changes: Vec<_> = history["transitions"].as_array().unwrap().iter().collect();
    let (newest, before) = (changes[0], changes[1]);
    assert_eq!((&newest["from"], &newest["to"]), (&"failing".into(), &"passing".into()), "{history}");
    assert_eq!((&before["from"], &before["to"]), (&"passing".into(), &"failing".into()), "{history}");
    assert!(before["reason"].as_str().unwrap().contains("503"), "{history}");
    assert!(before["latency_ms"].is_u64(), "{history}");
}

#[test]
fn below_the_floor_everything_stays_loudly() {
    let mut scene = Scene::start(WITHDRAW, 4);
    let serial = scene.named.serial();
    // Three of four in one moment: one is left, and two have to be.
    scene.fleet.backends[0].answers(204);
    scene.fleet.all_answer(500);
    let status = scene.wait_for_health("failing", 3);
    assert_eq!(status["health"]["withdrawn"], 0);
    let status = scene.daemon.wait_until("the floor holds", |status| {
        status["health"]["floor_held"] == serde_json::json!(["_web._tcp.internal.local."])
    });
    scene.fleet.wait_for_requests(3);
    assert_eq!((scene.named.serial(), outcome(&status)), (serial, "in_sync"));
    let shown = scene.workspace.expect(3, &["status"]).stdout;
    assert!(shown.contains("too much of it fails at once"), "{shown}");
    assert!(scene.daemon.log().contains("_web._tcp.internal.local."), "{}", scene.daemon.log_tail());

    // As soon as enough are well, what fails goes.
    scene.fleet.backends[3].answers(500);
    scene.fleet.all_answer(0);
    scene.wait_for_published(&["h0", "h1", "h2"]);
    let status = scene.wait_for_health("withdrawn", 1);
    assert_eq!(status["health"]["floor_held"], Value::Array(Vec::new()));
}

#[test]
fn a_daemon_that_reaches_nobody_withdraws_nothing() {
    let mut scene = Scene::start(WITHDRAW, 6);
    let serial = scene.named.serial();
    scene.fleet.all_answer(500);
    let status = scene.wait_for_health("failing", 6);
    assert_eq!(status["health"]["withdrawn"], 0);
    scene.fleet.wait_for_requests(3);
    scene.wait_for_health("isolated", true);
    let shown = scene.workspace.expect(3, &["status"]).stdout;
    assert!(shown.contains("most of what is checked fails at once"), "{shown}");
    assert!(scene.daemon.log().contains("most of what is checked fails at once"), "{}", scene.daemon.log_tail());
    scene.fleet.all_answer(0);
    scene.wait_for_health("passing", 6);
    let status = scene.wait_for_health("isolated", false);
    assert_eq!((scene.named.serial(), outcome(&status)), (serial, "in_sync"));
}

#[test]
fn never_are_fewer_published_than_the_floor_says() {
    let mut scene = Scene::start(WITHDRAW, 5);
    for (failed, backend) in scene.fleet.backends.iter().enumerate() {
        backend.answers(503);
        let failing = failed + 1;
        let wanted = Value::from(failing);
        scene.daemon.wait_until("one more fails", |status| status["health"]["failing"] == wanted);
        assert!(scene.published().len() >= 3, "{:?}", scene.published());
    }
    scene.fleet.wait_for_requests(3);
    scene.wait_for_health("floor_held", serde_json::json!(["_web._tcp.internal.local."]));
    let status = scene.daemon.wait_in_sync();
    assert_eq!((&status["health"]["withdrawn"], scene.published().len()), (&0.into(), 5), "what was withdrawn is back");
    scene.fleet.backends.iter().for_each(|backend| backend.answers(200));
    scene.wait_for_published(&["h0", "h1", "h2", "h3", "h4"]);
}

#[test]
fn a_restart_neither_withdraws_nor_adds_anything() {
    let mut scene = Scene::start(WITHDRAW, 4);
    scene.fleet.backends[2].answers(503);
    scene.wait_for_published(&["h0", "h1", "h3"]);
    scene.daemon.wait_in_sync();
    let serial = scene.named.serial();
    let Scene { named, mut workspace, daemon, fleet } = scene;
    assert_eq!(daemon.stop(), 0);
    workspace.expect(0, &["plan"]);
    workspace.expect(0, &["apply"]);
    assert_eq!(named.serial(), serial, "who works without the daemon takes what it knew last");

    let mut daemon = workspace.daemon();
    let status = daemon.wait_in_sync();
    assert_eq!(status["health"]["withdrawn"], 1, "{status}");
    fleet.wait_for_requests(4);
    assert_eq!(named.serial(), serial);

    // Nor does another configuration.
    workspace.configure(&Settings { interval: "20s".to_owned(), ..Settings::for_server(&named) });
    daemon.signal("HUP");
    daemon.wait_for("the new configuration", || daemon_restarted(&workspace));
    fleet.wait_for_requests(4);
    daemon.wait_in_sync();
    assert_eq!(named.serial(), serial);
    fleet.backends[2].answers(200);
    daemon.wait_for("it is back", || published(&named).len() == 4);
}

fn daemon_restarted(workspace: &Workspace) -> bool {
    fs::read_to_string(workspace.daemon_log()).unwrap().contains("the configuration has changed")
}

#[test]
fn a_crash_forgets_nobody_and_who_comes_back_alone_withdraws_nobody() {
    let mut scene = Scene::start(WITHDRAW, 4);
    scene.fleet.backends[0].answers(503);
    scene.wait_for_published(&["h1", "h2", "h3"]);
    let serial = scene.named.serial();
    let Scene { named, workspace, mut daemon, fleet } = scene;
    daemon.signal("KILL");
    daemon.ended();
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    fleet.wait_for_requests(4);
    assert_eq!(named.serial(), serial);
    // Another crash, and then nobody is reached.
    daemon.signal("KILL");
    daemon.ended();
    fleet.all_answer(500);
    let mut daemon = workspace.daemon();
    daemon.wait_until("all of them fail", |status| status["health"]["failing"] == 4);
    daemon.wait_for("all are published", || published(&named).len() == 4);
    fleet.wait_for_requests(4);
    daemon.wait_in_sync();
    assert_eq!(published(&named).len(), 4);
}

#[test]
fn a_host_that_is_worked_on_is_out_and_a_service_that_is_stays_as_it_is() {
    let mut scene = Scene::start(WITHDRAW, 4);
    scene.workspace.expect(0, &["maintain", "h1", "--for", "1h", "--why", "new disk"]);
    scene.wait_for_published(&["h0", "h2", "h3"]);
    scene.wait_for_health("in_maintenance", 1);
    // Two more would leave one, and two have to be.
    scene.workspace.expect(0, &["maintain", "h2", "--for", "1h", "--why", "new disk"]);
    scene.wait_for_published(&["h0", "h3"]);
    scene.workspace.expect(0, &["maintain", "h3", "--for", "1h", "--why", "new disk"]);
    scene.wait_for_published(&["h0", "h1", "h2", "h3"]);
    for host in ["h1", "h2", "h3"] {
        scene.workspace.expect(0, &["maintain", host, "--end"]);
    }
    scene.wait_for_health("in_maintenance", 0);

    scene.workspace.expect(0, &["maintain", "web", "--for", "1h", "--why", "new release"]);
    scene.wait_for_health("in_maintenance", 4);
    scene.daemon.wait_in_sync();
    let serial = scene.named.serial();
    scene.fleet.backends[1].answers(503);
    scene.wait_for_health("failing", 1);
    scene.fleet.wait_for_requests(5);
    let status = scene.daemon.wait_in_sync();
    assert_eq!((scene.named.serial(), &status["health"]["withdrawn"]), (serial, &0.into()));
    scene.workspace.expect(0, &["maintain", "web", "--end"]);
    scene.wait_for_published(&["h0", "h2", "h3"]);
}

#[test]
fn what_fails_is_moved_behind_the_others() {
    let health = "[service.health]\npolicy = \"deprioritise\"\npriority = 100\nweight = 0\n";
    let mut scene = Scene::start(health, 2);
    let ports: Vec<_> = scene.fleet.backends.iter().map(Backend::port).collect();
    let record = |priority: u16, host: usize| {
        format!("_web._tcp.internal.local. 300 IN SRV {priority} 0 {} h{host}.internal.local.", ports[host])
    };
    scene.fleet.backends[0].answers(500);
    let Scene { named, daemon, fleet, .. } = &mut scene;
    let moved = || srv(named).contains(&record(100, 0)) && srv(named).contains(&record(0, 1));
    daemon.wait_for("the other priority", moved);
    daemon.wait_until("it shows", |status| status["health"]["deprioritised"] == 1);
    fleet.backends[0].answers(200);
    daemon.wait_for("its own priority", || srv(named).contains(&record(0, 0)));
}

#[test]
fn an_instance_says_itself_how_it_is() {
    let (named, check) = (Named::start(), "[[service.check]]\ntype = \"lease\"\nttl = \"1h\"\n");
    let workspace = Workspace::new(&named);
    workspace.write_service("web.toml", &web(WITHDRAW, check, [8001, 8002]));
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let renew = |host: &str, port: &str, more: &[&str]| {
        let arguments = ["renew", "web", "--host", host, "--port", port, "--status"];
        workspace.expect(0, &[&arguments[..], more].concat());
    };
    renew("h0", "8001", &["passing"]);
    renew("h1", "8002", &["passing"]);
    daemon.wait_until("both said so", |status| status["health"]["passing"] == 2);
    renew("h1", "8002", &["failing", "--output", "the disk is full"]);
    // Others have to have passed since, and it has to fail still: each says so again and again.
    daemon.wait_for("it is gone", || {
        renew("h0", "8001", &["passing"]);
        renew("h1", "8002", &["failing", "--output", "the disk is full"]);
        published(&named) == ["h0"]
    });
    let history = workspace.json(&["health", "web", "--history", "--json"]);
    assert!(history["transitions"][0]["reason"].as_str().unwrap().contains("the disk is full"), "{history}");
    renew("h1", "8002", &["warning"]);
    daemon.wait_for("it is back", || published(&named) == ["h0", "h1"]);
}

#[test]
fn silence_is_a_failure_when_words_were_promised() {
    let (named, check) = (Named::start(), "[[service.check]]\ntype = \"lease\"\nttl = \"2s\"\n");
    let workspace = Workspace::new(&named);
    workspace.write_service("web.toml", &web("", check, [8001]));
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    workspace.expect(0, &["renew", "web", "--host", "h0", "--port", "8001", "--status", "passing"]);
    daemon.wait_until("it passes", |status| status["health"]["passing"] == 1);
    daemon.wait_until("it has been silent", |status| status["health"]["failing"] == 1);
}

fn write_plugin(workspace: &Workspace) -> String {
    let plugin = workspace.path().join("check_it");
    let script = "#!/bin/sh\necho \"x $1\" >> \"$(dirname \"$0\")/ran\"\necho \"as told: $1\"\nexit \"$(cat \"$(dirname \"$0\")/says\")\"\n";
    fs::write(&plugin, script).unwrap();
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
    plugin.display().to_string()
}

#[test]
fn commands_run_only_when_they_are_allowed() {
    let (named, fleet) = (Named::start(), Fleet::start(1));
    let mut workspace = Workspace::new(&named);
    workspace.write_file("says", "2");
    let plugin = write_plugin(&workspace);
    let command = format!("[[service.check]]\ntype = \"command\"\ncommand = [\"{plugin}\", \"{{host}}\"]\n{OFTEN}");
    let checks = command + &http();
    workspace.write_service("web.toml", &web("", &checks, [fleet.backends[0].port()]));
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    fleet.wait_for_requests(5);
    let ran = workspace.path().join("ran");
    assert!(!Path::new(&ran).exists(), "a command ran that nobody has allowed");

    workspace.configure(&Settings { daemon: "commands = true".to_owned(), ..Settings::for_server(&named) });
    daemon.signal("HUP");
    daemon.wait_until("it runs and fails", |status| status["health"]["failing"] == 1);
    assert!(fs::read_to_string(&ran).unwrap().contains("x h0.internal.local\n"));
    let shown = workspace.json(&["health", "web", "--json"]);
    let text = shown["instances"][0]["checks"][0]["result"]["text"].as_str().unwrap();
    assert!(text.contains("as told: h0.internal.local"), "{shown}");
    // Not allowed any more: what nobody makes is no reason to fail for ever.
    workspace.configure(&Settings::for_server(&named));
    daemon.signal("HUP");
    daemon.wait_until("only what is checked counts", |status| status["health"]["passing"] == 1);
    let shown = workspace.json(&["health", "web", "--json"]);
    assert_eq!(shown["instances"][0]["checks"].as_array().unwrap().len(), 1, "{shown}");

    workspace.configure(&Settings { daemon: "commands = true".to_owned(), ..Settings::for_server(&named) });
    daemon.signal("HUP");
    daemon.wait_until("it runs and fails again", |status| status["health"]["failing"] == 1);
    workspace.write_file("says", "0");
    daemon.wait_until("it passes", |status| status["health"]["passing"] == 1);
}

#[test]
fn who_comes_and_goes_stays_away_until_it_is_quiet() {
    let mut scene = Scene::start(WITHDRAW, 3);
    let flaps = |scene: &mut Scene, status: u16, condition: &str| {
        scene.fleet.backends[0].answers(status);
        let Scene { daemon, workspace, .. } = scene;
        let mut is_damped = false;
        daemon.wait_for(condition, || {
            let shown = workspace.json(&["health", "web", "--json"]);
            is_damped = shown["instances"][0]["damped"] == true;
            is_damped || shown["instances"][0]["condition"] == condition
        });
        is_damped
    };
    let damped = (0..20).any(|_| flaps(&mut scene, 503, "failing") || flaps(&mut scene, 200, "passing"));
    assert!(damped, "it may come and go for ever");
    scene.fleet.backends[0].answers(503);
    scene.wait_for_published(&["h1", "h2"]);
    scene.fleet.backends[0].answers(200);
    scene.fleet.wait_for_requests(6);
    assert_eq!(scene.published(), ["h1", "h2"]);
    let shown = scene.web();
    assert_eq!(shown["instances"][0]["damped"], true, "{shown}");
}

#[test]
fn withdrawals_pass_the_guard() {
    let mut scene =
        Scene::with(WITHDRAW, 12, |settings| Settings { more: "max_delete_percent = 1".to_owned(), ..settings });
    let before = scene.named.zone_text();
    scene.fleet.backends[3].answers(500);
    let status = scene.daemon.wait_until("the plan is held", |status| outcome(status) == "held");
    assert!(status["zones"][0]["held"]["reasons"][0].as_str().unwrap().contains("max_delete_percent"), "{status}");
    assert_eq!(scene.named.zone_text(), before);
    scene.fleet.backends[3].answers(200);
    scene.daemon.wait_in_sync();
    assert_eq!(scene.named.zone_text(), before);
}

#[test]
fn what_registers_itself_is_checked_as_its_service_says() {
    let mut scene = Scene::start(WITHDRAW, 2);
    let third = Backend::start();
    let port = third.port().to_string();
    scene
        .workspace
        .expect(0, &["register", "web", "--host", "h9", "--port", &port, "--address", "127.0.0.1", "--wait"]);
    third.wait_for_requests(3);
    scene.wait_for_health("passing", 3);
    third.answers(500);
    scene.wait_for_published(&["h0", "h1"]);
    scene.workspace.expect(0, &["deregister", "web", "--host", "h9", "--port", &port]);
    scene.wait_for_health("withdrawn", 0);
    let asked = third.requests();
    scene.fleet.wait_for_requests(5);
    assert!(third.requests() <= asked + 1, "nobody asks who is not there any more");
}

#[test]
fn health_is_told_to_prometheus_by_zone() {
    let mut scene = Scene::start(WITHDRAW, 3);
    scene.fleet.backends[1].answers(503);
    scene.wait_for_health("withdrawn", 1);
    let text = crate::support::send_local(&scene.workspace.socket(), "GET", "/metrics", None).text;
    for line in [
        "srvctl_health_instances{zone=\"internal.local.\",condition=\"failing\"} 1",
        "srvctl_health_instances{zone=\"internal.local.\",condition=\"passing\"} 2",
        "srvctl_health_withdrawn_instances{zone=\"internal.local.\"} 1",
        "srvctl_health_floor_held_services{zone=\"internal.local.\"} 0",
        "srvctl_health_isolated 0",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
    }
    let counted = |line: &str| line.starts_with("srvctl_probes_total{type=\"http\",verdict=\"failing\"} ");
    assert!(text.lines().any(counted), "{text}");
    assert!(!text.contains("h1") && !text.contains("_web"), "neither hosts nor services are labels: {text}");
}
