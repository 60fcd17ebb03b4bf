//! Debian's own DNS-SD client: avahi-daemon on a bus of its own, asking the name servers of resolv.conf.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::program::{find, poll, run};

const PACKAGES: &str = "avahi-daemon avahi-utils dbus-daemon";
const START_LIMIT: Duration = Duration::from_secs(20);

/// No multicast, no drop of privileges that a namespace may not have, and wide-area look-ups, which are off by default.
const CONFIG: &str = "[server]
host-name=tester
use-ipv6=no
[wide-area]
enable-wide-area=yes
[publish]
disable-publishing=yes
";
/// A bus for whoever comes: nobody but the test can reach it.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=BUS</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_destination="*"/><allow eavesdrop="true"/>
  </policy>
</busconfig>
"#;

/// Both daemons, gone when dropped. Only inside [`super::in_private_network`]: they take the machine's `/run`.
pub(crate) struct Avahi {
    daemons: Vec<Child>,
    directory: TempDir,
}

impl Avahi {
    pub(crate) fn start() -> Self {
        let directory = TempDir::with_prefix("srvctl-avahi-").unwrap();
        let path = directory.path().to_owned();
        // Where avahi-daemon writes its PID and listens cannot be configured: the mount is this namespace's own.
        fs::create_dir_all("/run/avahi-daemon").unwrap();
        let mounted = run(Command::new(find("mount", "mount")).args(["-t", "tmpfs", "tmpfs", "/run/avahi-daemon"]), "");
        assert_eq!(mounted.code, 0, "{mounted:?}");
        fs::write(path.join("avahi.conf"), CONFIG).unwrap();
        let bus = path.join("bus");
        fs::write(path.join("bus.conf"), BUS.replace("BUS", bus.to_str().unwrap())).unwrap();
        let mut avahi = Self { daemons: Vec::new(), directory };
        let config = format!("--config-file={}", path.join("bus.conf").display());
        avahi.daemon(Command::new(find("dbus-daemon", PACKAGES)).args([&config, "--nofork", "--nopidfile"]));
        assert!(poll(START_LIMIT, || bus.exists().then_some(())).is_some(), "{}", avahi.log());
        let config = path.join("avahi.conf");
        let flags = ["--no-drop-root", "--no-chroot", "--no-rlimits", "--file", config.to_str().unwrap()];
        avahi.daemon(Command::new(find("avahi-daemon", PACKAGES)).args(flags));
        let is_there = || avahi.log().contains("Server startup complete").then_some(());
        assert!(poll(START_LIMIT, is_there).is_some(), "{}", avahi.log());
        avahi
    }

    fn daemon(&mut self, command: &mut Command) {
        let log = File::options().create(true).append(true).open(self.directory.path().join("log")).unwrap();
        command.env("DBUS_SYSTEM_BUS_ADDRESS", self.bus()).stdin(Stdio::null());
        self.daemons.push(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    fn bus(&self) -> String {
        format!("unix:path={}", self.directory.path().join("bus").display())
    }

    fn log(&self) -> String {
        fs::read_to_string(Path::new(self.directory.path()).join("log")).unwrap_or_default()
    }

    /// The sorted lines of a client that ends by itself.
    pub(crate) fn ask(&self, program: &str, arguments: &[&str]) -> Vec<String> {
        let mut command = Command::new(find("timeout", "coreutils"));
        command.arg("30").arg(find(program, PACKAGES)).args(arguments).env("DBUS_SYSTEM_BUS_ADDRESS", self.bus());
        let output = run(&mut command, "");
        assert_eq!(output.code, 0, "{program} {arguments:?}: {output:?}\n{}", self.log());
        let mut lines: Vec<_> = output.stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

impl Drop for Avahi {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}
