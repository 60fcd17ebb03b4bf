//! The long-running reconciler: what wakes it, what it survives, and how it ends.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{
    Daemon, EXAMPLE, EXAMPLE_RECORDS, Fault, HungFile, JENKINS, Named, Notify, Proxy, Settings, Workspace,
    assert_lines, bare, outcome, strings,
};

/// With an interval so long that only an event can explain a change, or one so short that nobody waits for it.
fn example(named: &Named, interval: &str) -> Workspace {
    let workspace = Workspace::with(&Settings { interval: interval.to_owned(), ..Settings::for_server(named) });
    for (file, text) in EXAMPLE {
        workspace.write_service(file, text);
    }
    workspace
}

fn has(named: &Named, line: &str) -> bool {
    named.zone_text().iter().any(|found| found == line)
}

const CHANGED: &str = "_jenkins._tcp.internal.local. 300 IN SRV 10 10 8443 centos9-vm.internal.local.";

fn changed() -> String {
    JENKINS.replace("8080", "8443")
}

#[test]
fn converges_at_start_and_ends_by_sigterm() {
    let named = Named::start();
    let workspace = example(&named, "1h");
    let mut daemon = workspace.daemon();
    let status = daemon.wait_in_sync();
    assert_lines("the zone", &named.zone_text(), EXAMPLE_RECORDS);
    assert_eq!(status["owner"], "test1");
    assert_eq!((&status["services"], &status["instances"]), (&2.into(), &4.into()), "{status}");
    assert_eq!(status["zones"][0]["serial"], named.serial());
    workspace.expect(0, &["status"]);
    assert!(workspace.socket().exists());
    assert_eq!(daemon.stop(), 0);
    assert!(!workspace.socket().exists(), "the socket is removed");
}

#[test]
fn sees_a_changed_service_file() {
    let named = Named::start();
    let workspace = example(&named, "1h");
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    workspace.write_service("jenkins.toml", &changed());
    daemon.wait_for("the change in the zone", || has(&named, CHANGED));
    workspace
        .write_service("new.toml", "[[service]]\nname = \"new\"\n[[service.instance]]\nhost = \"ns1\"\nport = 7\n");
    let line = "_new._tcp.internal.local. 300 IN SRV 0 0 7 ns1.internal.local.";
    daemon.wait_for("the new file's service", || has(&named, line));
    workspace.remove_service("new.toml");
    daemon.wait_for("the removed file's service to go", || !has(&named, line));
    daemon.wait_in_sync();
}

/// As a script writes that appends line by line, and as a tool does that removes a file before it makes it.
#[test]
fn a_file_written_in_pieces_takes_nothing_away() {
    let named = Named::start();
    let workspace = example(&named, "1h");
    let instance = |host: u8| format!("[[service.instance]]\nhost = \"h{host}\"\nport = 9100\n");
    let text: String = ["[[service]]\nname = \"many\"\n".to_owned()].into_iter().chain((0..20).map(instance)).collect();
    workspace.write_service("many.toml", &text);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let serial = named.serial();
    let path = workspace.path().join("services.d/many.toml");
    let (most, rest) = text.split_at(text.len() - 2 * instance(19).len());
    fs::write(&path, most).unwrap();
    std::thread::sleep(Duration::from_millis(60));
    fs::write(&path, [most, rest].concat()).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    fs::remove_file(workspace.path().join("services.d/jenkins.toml")).unwrap();
    std::thread::sleep(Duration::from_millis(60));
    workspace.write_service("moved.toml", JENKINS);
    std::thread::sleep(Duration::from_millis(500));
    daemon.wait_in_sync();
    assert_eq!(named.serial(), serial, "nothing of it was ever gone");
    fs::write(&path, most).unwrap();
    daemon.wait_for("what is really gone to go", || !named.zone_text().iter().any(|line| line.contains(" h19.")));
}

#[test]
fn reloads_on_sighup() {
    let named = Named::start();
    let mut workspace = example(&named, "1h");
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    workspace.configure(&Settings { ttl: 120, interval: "1h".to_owned(), ..Settings::for_server(&named) });
    daemon.signal("HUP");
    let line = "centos9-vm.internal.local. 120 IN A 192.168.188.142";
    daemon.wait_for("the new TTL in the zone", || has(&named, line));
    daemon.wait_in_sync();
}

#[test]
fn a_broken_file_keeps_the_last_good_set() {
    let named = Named::start();
    let workspace = example(&named, "1s");
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    workspace.write_service("jenkins.toml", "[[service]]\nname = \"jenkins\"\nprot = 1\n");
    let errors = |status: &Value| strings(&status["source_errors"]);
    let status = daemon.wait_until("the error to show", |status| !errors(status).is_empty());
    assert!(errors(&status).iter().any(|error| error.contains("jenkins.toml")), "{status}");
    assert_eq!(status["services"], 2, "the last good set stays in force");
    // Drift is still repaired, from the last good set.
    named.nsupdate("zone internal.local\nupdate delete _jenkins._tcp.internal.local SRV");
    let line = "_jenkins._tcp.internal.local. 300 IN SRV 10 10 8080 centos9-vm.internal.local.";
    daemon.wait_for("the drift to be repaired", || has(&named, line));
    assert_lines("the zone", &named.zone_text(), EXAMPLE_RECORDS);
    workspace.write_service("jenkins.toml", &changed());
    daemon.wait_for("the mended file's change", || has(&named, CHANGED));
    daemon.wait_until("no error any more", |status| errors(status).is_empty());
}

#[test]
fn a_file_system_that_hangs_holds_up_neither_zones_nor_the_end() {
    let named = Named::start();
    let workspace = example(&named, "1h");
    let mut daemon = workspace.daemon_on_one_thread();
    daemon.wait_in_sync();
    let hung = HungFile::new(&workspace.path().join("services.d/jenkins.toml"));
    let new = "[[service]]\nname = \"new\"\n[[service.instance]]\nhost = \"ns1\"\nport = 7\n";
    workspace.write_service("new.toml", new);
    let late = |status: &Value| strings(&status["source_errors"]).iter().any(|error| error.contains("within 10 s"));
    let status = daemon.wait_until("the hung file to show", late);
    named.nsupdate("zone internal.local\nupdate delete _jenkins._tcp.internal.local SRV");
    daemon.signal("HUP");
    let line = "_jenkins._tcp.internal.local. 300 IN SRV 10 10 8080 centos9-vm.internal.local.";
    daemon.wait_for("the drift to be repaired", || has(&named, line));
    assert_eq!(status["services"], 2, "the last good set stays in force");
    drop(hung);
    daemon.wait_for("what was written meanwhile", || {
        has(&named, "_new._tcp.internal.local. 300 IN SRV 0 0 7 ns1.internal.local.")
    });
    daemon.wait_in_sync();

    let hung = HungFile::new(&workspace.path().join("services.d/jenkins.toml"));
    named.nsupdate("zone internal.local\nupdate delete _jenkins._tcp.internal.local SRV");
    daemon.signal("HUP");
    daemon.wait_for("the drift to be repaired", || has(&named, line));
    let began = Instant::now();
    assert_eq!(daemon.stop(), 0);
    assert!(began.elapsed() < Duration::from_secs(10), "it waited for the file");
    drop(hung);
}

#[test]
fn repairs_drift_within_the_interval() {
    let named = Named::start();
    let workspace = example(&named, "1s");
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    named.nsupdate("zone internal.local\nupdate delete _jenkins._tcp.internal.local SRV");
    let expected: Vec<_> = EXAMPLE_RECORDS.iter().map(ToString::to_string).collect();
    daemon.wait_for("the repair", || named.zone_text().len() == expected.len());
    assert_lines("the zone", &named.zone_text(), expected);
}

#[test]
fn survives_the_server_going_and_coming_back() {
    let mut named = Named::start();
    let workspace = example(&named, "1s");
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    named.stop();
    let status = daemon.wait_until("the failure to show", |status| outcome(status) == "failed");
    let error = status["zones"][0]["error"].as_str().unwrap().to_lowercase();
    assert!(error.contains("refused") && error.contains(&named.address().to_string()), "{status}");
    workspace.write_service("jenkins.toml", &changed());
    named.start_again();
    daemon.wait_for("the change made meanwhile", || has(&named, CHANGED));
    daemon.wait_in_sync();
    named.restart();
    named.nsupdate("zone internal.local\nupdate delete _jenkins._tcp.internal.local SRV");
    daemon.wait_for("the repair after a restart", || has(&named, CHANGED));
}

#[test]
fn starts_while_the_server_is_down() {
    let mut named = Named::start();
    let workspace = example(&named, "1s");
    named.stop();
    let mut daemon = workspace.daemon();
    daemon.wait_until("the failure to show", |status| outcome(status) == "failed");
    named.start_again();
    daemon.wait_in_sync();
    assert_lines("the zone", &named.zone_text(), EXAMPLE_RECORDS);
}

#[test]
fn a_conflict_shows_and_the_rest_converges() {
    let named = Named::builder().records("_jenkins._tcp 60 SRV 5 5 5555 elsewhere").start();
    let workspace = example(&named, "1s");
    let mut daemon = workspace.daemon();
    let status = daemon.wait_until("incomplete", |status| outcome(status) == "incomplete");
    let problems = strings(&status["zones"][0]["problems"]);
    assert!(problems.iter().any(|problem| problem.contains("_jenkins._tcp.internal.local.")), "{status}");
    assert!(has(&named, "_node-exporter._tcp.internal.local. 300 IN SRV 0 0 9100 centos9-vm.internal.local."));
    named.nsupdate("zone internal.local\nupdate delete _jenkins._tcp.internal.local SRV");
    daemon.wait_in_sync();
    assert_lines("once the way is free", &named.zone_text(), EXAMPLE_RECORDS);
}

#[test]
fn tells_systemd_how_it_is() {
    let named = Named::start();
    let workspace = example(&named, "1h");
    let mut notify = Notify::new();
    let daemon: Daemon = workspace.supervised_daemon(&notify);
    notify.wait_for("READY=1");
    notify.wait_for("WATCHDOG=1");
    assert_eq!(daemon.stop(), 0);
    notify.wait_for("STOPPING=1");
}

/// A daemon in the middle of an update, which it finishes before it stops or takes a new configuration.
struct Updating {
    daemon: Daemon,
    proxy: Proxy,
    workspace: Workspace,
}

impl Updating {
    fn start(named: &Named, notify: &Notify) -> Self {
        let proxy = Proxy::to(named.address());
        let workspace = example(named, "1h");
        let config = fs::read_to_string(workspace.config()).unwrap();
        let primary = |address: SocketAddr| format!("primary = \"{address}\"");
        fs::write(workspace.config(), config.replace(&primary(named.address()), &primary(proxy.address()))).unwrap();
        // What may be under way is waited for, the zone is read, and then it is updated.
        proxy.script([Fault::None, Fault::None, Fault::HoldRequest]);
        let daemon = workspace.supervised_daemon(notify);
        proxy.wait_held();
        Self { daemon, proxy, workspace }
    }
}

#[test]
fn lives_for_systemd_while_a_reload_waits_for_an_update() {
    let named = Named::start();
    let mut notify = Notify::new();
    let Updating { mut daemon, proxy, workspace } = Updating::start(&named, &notify);
    let config = fs::read_to_string(workspace.config()).unwrap();
    fs::write(workspace.config(), config.replace("ttl = 300", "ttl = 120")).unwrap();
    notify.wait_for("READY=1");
    daemon.signal("HUP");
    notify.wait_for("RELOADING=1");
    for _ in 0..3 {
        notify.wait_for_another("WATCHDOG=1");
        assert!(!notify.has_heard("READY=1"), "the update is still held: {}", daemon.log_tail());
    }
    proxy.release();
    let line = "centos9-vm.internal.local. 120 IN A 192.168.188.142";
    daemon.wait_for("the new TTL in the zone", || has(&named, line));
}

#[test]
fn a_successor_keeps_its_socket() {
    let named = Named::start();
    let notify = Notify::new();
    let Updating { mut daemon, proxy, workspace } = Updating::start(&named, &notify);
    daemon.signal("TERM");
    daemon.wait_for("the socket to go at once", || !workspace.socket().exists());
    let mut successor = workspace.daemon();
    successor.wait_in_sync();
    proxy.release();
    assert_eq!(daemon.ended(), 0);
    assert!(workspace.socket().exists(), "the predecessor has removed it");
    successor.wait_in_sync();
    assert_eq!(successor.stop(), 0);
    assert!(!workspace.socket().exists());
}

/// How the daemon at another configuration's socket stands; `null` when there is none.
fn status_by(config: &Path) -> Value {
    let output = bare(&["status", "--json", "--config", config.to_str().unwrap()]);
    serde_json::from_str(&output.stdout).unwrap_or_default()
}

#[test]
fn a_configuration_without_room_on_the_machine_is_not_taken() {
    let named = Named::start();
    let workspace = example(&named, "1h");
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let good = fs::read_to_string(workspace.config()).unwrap();
    let before = workspace.path().join("before.toml");
    fs::write(&before, &good).unwrap();
    let renewed = good.replace("ttl = 300", "ttl = 120");
    let changed = renewed.replace("/srvctl.sock", "/run/srvctl.sock");
    // A file stands where the directory of each should be.
    for taken in ["/state", "/srvctl.sock"] {
        let nowhere = renewed.replace(&format!("{taken}\""), &format!("/zone.key{taken}\""));
        fs::write(workspace.config(), nowhere).unwrap();
        daemon.signal("HUP");
        let error = || status_by(&before)["config_error"].as_str().unwrap_or_default().to_owned();
        daemon.wait_for("the reason to show", || error().contains("/zone.key/"));
        assert!(error().contains("cannot be created"), "{}", error());
        assert!(has(&named, "centos9-vm.internal.local. 300 IN A 192.168.188.142"), "the old one stays in force");
        fs::write(workspace.config(), &good).unwrap();
        daemon.signal("HUP");
        daemon.wait_in_sync();
    }
    fs::write(workspace.config(), changed).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("the new TTL", || has(&named, "centos9-vm.internal.local. 120 IN A 192.168.188.142"));
    daemon.wait_in_sync();
    assert!(!workspace.socket().exists(), "the old socket is gone");
    assert_eq!(daemon.stop(), 0);
    assert!(!workspace.path().join("run/srvctl.sock").exists());
}

#[test]
fn a_reload_leaves_no_moment_without_the_socket() {
    let named = Named::start();
    let workspace = example(&named, "1h");
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let config = fs::read_to_string(workspace.config()).unwrap();
    let inode = || fs::symlink_metadata(workspace.socket()).unwrap().ino();
    let before = inode();
    fs::write(workspace.config(), config.replace("ttl = 300", "ttl = 120")).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("the new TTL", || has(&named, "centos9-vm.internal.local. 120 IN A 192.168.188.142"));
    daemon.wait_in_sync();
    assert_eq!(inode(), before);
    // Somebody cleaned up: a new configuration brings a new socket.
    fs::remove_file(workspace.socket()).unwrap();
    fs::write(workspace.config(), config).unwrap();
    daemon.signal("HUP");
    daemon.wait_in_sync();
}

#[test]
fn one_socket_has_one_daemon() {
    let named = Named::start();
    let workspace = example(&named, "1h");
    let mut first = workspace.daemon();
    first.wait_in_sync();
    let refused = workspace.expect(1, &["daemon"]);
    assert!(refused.stderr.contains("srvctl.sock"), "the socket is named: {refused:?}");
    first.wait_in_sync();
    drop(first); // killed: its socket stays behind, and must not stop the next one
    assert!(workspace.socket().exists());
    workspace.daemon().wait_in_sync();
}

#[test]
fn status_needs_neither_the_key_nor_a_good_configuration() {
    let named = Named::start();
    let workspace = example(&named, "30s");
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let config = std::fs::read_to_string(workspace.config()).unwrap();
    std::fs::write(workspace.config(), config.replace("key_file", "no_such_key") + "\n[nonsense\n").unwrap();
    workspace.expect(0, &["status"]);
    daemon.signal("HUP");
    let broken = |status: &serde_json::Value| !status["config_error"].is_null();
    let status = daemon.wait_until("the broken configuration shows", broken);
    assert!(status["config_error"].as_str().unwrap().contains("nonsense"), "{status}");
    workspace.expect(3, &["status"]);
}

#[test]
fn status_without_a_daemon_says_so_in_one_line() {
    let named = Named::start();
    let workspace = example(&named, "1h");
    let output = workspace.expect(1, &["status"]);
    assert_eq!(output.stderr.trim().lines().count(), 1, "{output:?}");
    assert!(output.stderr.contains("srvctl.sock"), "the socket is named: {output:?}");
    assert!(output.stderr.contains("daemon"), "what is missing is named: {output:?}");
}

#[test]
fn a_broken_configuration_stops_the_start() {
    let named = Named::start();
    let workspace = example(&named, "1h");
    fs::write(workspace.config(), "owner = \n").unwrap();
    let output = workspace.expect(1, &["daemon"]);
    assert!(output.stderr.contains("srvctl.toml"), "{output:?}");
}
