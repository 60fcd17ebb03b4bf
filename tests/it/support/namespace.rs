//! A private network and mount namespace, for what insists on port 53 and /etc/resolv.conf.

use std::env;
use std::fs;
use std::process::Command;

use tempfile::TempDir;

use super::program::{Output, find, run};

const MARK: &str = "SRVCTL_TEST_NAMESPACE";
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Runs the test's body where 127.0.0.1:53 is free and is the only name server.
///
/// A running test process cannot move itself, so the test binary is run once more, for this one test
/// (`test`: its full name, `module::function`), inside new namespaces. The host sees nothing of it.
pub(crate) fn in_private_network(test: &str, body: impl FnOnce()) {
    if env::var_os(MARK).is_some() {
        let resolv_conf = enter();
        body();
        drop(resolv_conf);
        return;
    }
    let host_file = fs::read(RESOLV_CONF).unwrap();
    let output = run_inside(test);
    assert_eq!(fs::read(RESOLV_CONF).unwrap(), host_file, "the host's resolv.conf was touched");
    let ran_once = output.stdout.contains("1 passed");
    assert!(output.code == 0 && ran_once, "{test} failed inside:\n{}\n{}", output.stdout, output.stderr);
}

fn run_inside(test: &str) -> Output {
    let mut command = Command::new(find("unshare", "util-linux"));
    if !is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--mount", "--net", "--"]).arg(env::current_exe().unwrap());
    run(command.args(["--exact", test, "--nocapture"]).env(MARK, "1"), "")
}

/// The rest of the way, from within: loopback up, and our own resolv.conf over the host's.
fn enter() -> TempDir {
    let directory = TempDir::with_prefix("srvctl-resolv-").unwrap();
    let file = directory.path().join("resolv.conf");
    fs::write(&file, "nameserver 127.0.0.1\n").unwrap();
    succeed(Command::new(find("ip", "iproute2")).args(["link", "set", "lo", "up"]));
    // The whole network is loopback's anyway, but BIND listens only where an interface has the address.
    for host in 2..=6 {
        succeed(Command::new(find("ip", "iproute2")).args([
            "address",
            "add",
            &format!("127.0.0.{host}/8"),
            "dev",
            "lo",
        ]));
    }
    succeed(Command::new(find("mount", "mount")).arg("--bind").arg(&file).arg(RESOLV_CONF));
    directory
}

fn succeed(command: &mut Command) {
    let output = run(command, "");
    assert_eq!(output.code, 0, "{command:?}: {output:?}");
}

fn is_root() -> bool {
    run(Command::new(find("id", "coreutils")).arg("-u"), "").stdout.trim() == "0"
}
