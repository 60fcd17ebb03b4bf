//! A daemon whose network goes down: a real one, between two network namespaces.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::{Backend, Named, Workspace, find, in_private_network, poll, run};

const HERE: &str = "10.9.0.1";
const THERE: &str = "10.9.0.2";
/// Takes connections and closes them.
const SERVER: &str = r#"
use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalAddr => $ARGV[0], Listen => 99, ReuseAddr => 1) or die "$ARGV[0]: $@ $!";
while (my $client = $server->accept) { close $client }
"#;

/// Another machine at the other end of a cable.
struct Machine(Child);

/// A server on it.
struct Server(Child);

impl Machine {
    fn plug_in() -> Self {
        let mut command = Command::new(find("unshare", "util-linux"));
        let child = command.args(["--net", "--", "sleep", "1000"]).stdin(Stdio::null()).spawn().unwrap();
        let machine = Self(child);
        let pid = machine.0.id().to_string();
        // Until it has a network of its own, the cable's other end would stay here.
        let ours = std::fs::read_link("/proc/self/ns/net").unwrap();
        let is_apart = || std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|its| its != ours).then_some(());
        assert!(poll(std::time::Duration::from_secs(30), is_apart).is_some(), "no network of its own");
        ip(&["link", "add", "cable0", "type", "veth", "peer", "name", "cable1"]);
        ip(&["link", "set", "cable1", "netns", &pid]);
        ip(&["address", "add", &format!("{HERE}/24"), "dev", "cable0"]);
        ip(&["link", "set", "cable0", "up"]);
        for arguments in [
            &["address", "add", &format!("{THERE}/24"), "dev", "cable1"][..],
            &["link", "set", "cable1", "up"],
            &["link", "set", "lo", "up"],
        ] {
            let output = run(machine.command("ip", "iproute2").args(arguments), "");
            assert_eq!(output.code, 0, "{arguments:?}: {output:?}");
        }
        machine
    }

    fn command(&self, program: &str, package: &str) -> Command {
        let mut command = Command::new(find("nsenter", "util-linux"));
        command.args(["--target", &self.0.id().to_string(), "--net", "--"]).arg(find(program, package));
        command
    }

    fn serve(&self, port: u16) -> Server {
        let mut command = self.command("perl", "perl-base");
        let child = command.args(["-e", SERVER, &format!("{THERE}:{port}")]).stdin(Stdio::null()).spawn().unwrap();
        Server(child)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ip(arguments: &[&str]) {
    let output = run(Command::new(find("ip", "iproute2")).args(arguments), "");
    assert_eq!(output.code, 0, "ip {arguments:?}: {output:?}");
}

fn web(backend: &Backend) -> String {
    format!(
        "[[service]]\nname = \"web\"\n[service.health]\npolicy = \"withdraw\"\n[[service.check]]\ntype = \"tcp\"\n\
         interval = \"100ms\"\ntimeout = \"100ms\"\nrise = 2\nfall = 2\n\
         [[service.instance]]\nhost = \"here\"\nport = {}\naddresses = [\"127.0.0.1\"]\n\
         [[service.instance]]\nhost = \"there\"\nport = 80\naddresses = [\"{THERE}\"]\n",
        backend.port()
    )
}

/// Another service of the same machine.
const DB: &str = "[[service]]\nname = \"db\"\n[[service.check]]\ntype = \"tcp\"\ninterval = \"100ms\"\n\
                  timeout = \"100ms\"\nrise = 2\nfall = 2\n[[service.instance]]\nhost = \"there\"\nport = 81\naddresses = [\"10.9.0.2\"]\n";

fn published(named: &Named) -> usize {
    named.zone_text().iter().filter(|line| line.starts_with("_web._tcp") && line.contains(" SRV ")).count()
}

/// How often an instance was seen so in a row.
fn times(workspace: &Workspace, host: &str, how: &str) -> u64 {
    let shown = workspace.json(&["health", "web", "--json"]);
    let instances = shown["instances"].as_array().unwrap();
    let is_it = |one: &&Value| one["instance"].as_str().unwrap().starts_with(host);
    instances.iter().find(is_it).unwrap()["checks"][0][how].as_u64().unwrap()
}

#[test]
fn a_pair_loses_nobody_when_the_network_of_the_daemon_is_down() {
    in_private_network("health_isolation::a_pair_loses_nobody_when_the_network_of_the_daemon_is_down", || {
        let machine = Machine::plug_in();
        let (here, there, other) = (Backend::start(), machine.serve(80), machine.serve(81));
        let named = Named::start();
        let workspace = Workspace::new(&named);
        workspace.write_service("web.toml", &web(&here));
        workspace.write_service("db.toml", DB);
        let mut daemon = workspace.daemon();
        daemon.wait_in_sync();
        daemon.wait_for("both pass", || {
            times(&workspace, "here", "passed").min(times(&workspace, "there", "passed")) > 3
        });
        let serial = named.serial();

        ip(&["link", "set", "cable0", "down"]);
        daemon.wait_for("it fails again and again", || times(&workspace, "there", "failed") > 10);
        let shown = workspace.json(&["health", "web", "--json"]);
        let awaiting = &shown["instances"][1];
        assert_eq!(
            (&awaiting["publication"], &awaiting["condition"]),
            (&"awaiting".into(), &"failing".into()),
            "{shown}"
        );
        assert!(awaiting["reason"].as_str().unwrap().contains("something on another machine"), "{shown}");
        assert_eq!((named.serial(), published(&named)), (serial, 2), "nobody can tell who is cut off");
        ip(&["link", "set", "cable0", "up"]);
        daemon.wait_for("it passes again", || times(&workspace, "there", "passed") > 3);
        assert_eq!(named.serial(), serial);

        // Others on that machine are reached: it is not the network.
        drop(there);
        daemon.wait_for("it is withdrawn", || published(&named) == 1);
        let _there = machine.serve(80);
        daemon.wait_for("it is back", || published(&named) == 2);
        drop(other);
    });
}
