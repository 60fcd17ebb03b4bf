//! The binary under test, with a configuration directory of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::daemon::{Daemon, Notify};
use super::example::EXAMPLE;
use super::harness::skew;
use super::key::Key;
use super::name_server::NameServer;
use super::named::{Named, ZONE};
use super::program::{Output, poll, run};
use super::proxy::Proxy;

/// What `srvctl.toml` says.
pub(crate) struct Settings {
    pub(crate) owner: String,
    pub(crate) zone: String,
    pub(crate) primary: String,
    pub(crate) key: Key,
    pub(crate) ttl: u32,
    pub(crate) interval: String,
    pub(crate) verify: Vec<String>,
    /// More lines in `[daemon]`.
    pub(crate) daemon: String,
    /// More lines in `[api]`.
    pub(crate) api: String,
    /// More lines after the zone's, among them more zones.
    pub(crate) more: String,
}

impl Settings {
    /// Those that work with this server.
    pub(crate) fn for_server(server: &(impl NameServer + ?Sized)) -> Self {
        Self {
            owner: "test1".to_owned(),
            zone: ZONE.to_owned(),
            primary: server.address().to_string(),
            key: server.key().clone(),
            ttl: 300,
            interval: "30s".to_owned(),
            verify: vec![server.address().to_string()],
            daemon: String::new(),
            api: String::new(),
            more: String::new(),
        }
    }

    /// The same with a proxy between.
    pub(crate) fn behind(named: &Named, proxy: &Proxy) -> Self {
        Self { primary: proxy.address().to_string(), ..Self::for_server(named) }
    }
}

/// A configuration directory.
pub(crate) struct Workspace {
    directory: TempDir,
    /// Kept to prove that nothing prints them.
    secrets: Vec<String>,
}

impl Workspace {
    /// One that works with this server.
    pub(crate) fn new(server: &(impl NameServer + ?Sized)) -> Self {
        Self::with(&Settings::for_server(server))
    }

    /// One with the example's service files.
    pub(crate) fn example(server: &(impl NameServer + ?Sized)) -> Self {
        let workspace = Self::new(server);
        workspace.write_example();
        workspace
    }

    pub(crate) fn with(settings: &Settings) -> Self {
        let directory = TempDir::with_prefix("srvctl-test-").unwrap();
        fs::create_dir(directory.path().join("services.d")).unwrap();
        fs::create_dir(directory.path().join("state")).unwrap();
        let mut workspace = Self { directory, secrets: Vec::new() };
        workspace.configure(settings);
        workspace
    }

    /// Writes `srvctl.toml` and the key file anew.
    pub(crate) fn configure(&mut self, settings: &Settings) {
        let Settings { owner, zone, primary, key, ttl, interval, verify, daemon, api, more } = settings;
        let path = self.path().display();
        let text = format!(
            "owner = \"{owner}\"\nservices = [\"services.d/*.toml\"]\n\n\
             [daemon]\nstate_dir = \"{path}/state\"\ninterval = \"{interval}\"\n{daemon}\n\
             [api]\nsocket = \"{path}/srvctl.sock\"\n{api}\n\
             [[zone]]\nname = \"{zone}\"\nprimary = \"{primary}\"\nkey_file = \"zone.key\"\nttl = {ttl}\nverify = {verify:?}\n{more}\n"
        );
        fs::write(self.config(), text).unwrap();
        self.write_key("zone.key", key);
    }

    /// Writes a key file that only we can read.
    pub(crate) fn write_key(&mut self, file: &str, key: &Key) {
        let path = self.path().join(file);
        fs::write(&path, key.text()).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        self.secrets.push(key.secret.clone());
    }

    /// Writes any other file beside `srvctl.toml`.
    pub(crate) fn write_file(&self, file: &str, text: &str) {
        fs::write(self.path().join(file), text).unwrap();
    }

    /// Fails when a text shows the secret of a key that was written here.
    pub(crate) fn assert_no_secret(&self, what: &str, text: &str) {
        let leaks = self.secrets.iter().any(|secret| text.contains(secret));
        assert!(!leaks, "{what} shows a key's secret:\n{text}");
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("srvctl.toml")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("srvctl.sock")
    }

    /// Replaces a file in `services.d` in one step, as configuration management does.
    pub(crate) fn write_service(&self, file: &str, toml: &str) {
        let directory = self.path().join("services.d");
        let fresh = directory.join(format!(".{file}.new"));
        fs::write(&fresh, toml).unwrap();
        fs::rename(fresh, directory.join(file)).unwrap();
    }

    /// Writes the example's service files.
    pub(crate) fn write_example(&self) {
        for (file, text) in EXAMPLE {
            self.write_service(file, text);
        }
    }

    pub(crate) fn remove_service(&self, file: &str) {
        fs::remove_file(self.path().join("services.d").join(file)).unwrap();
    }

    /// srvctl with this configuration, not yet running.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = srvctl();
        command.arg("--config").arg(self.config()).args(arguments);
        command
    }

    /// Runs srvctl with this configuration; no output may ever show the key's secret.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let output = run(&mut self.command(arguments), "");
        for text in [&output.stdout, &output.stderr] {
            self.assert_no_secret(&format!("srvctl {arguments:?}"), text);
        }
        output
    }

    /// As [`Self::run`], and must exit with `code`.
    pub(crate) fn expect(&self, code: i32, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        let Output { code: actual, stdout, stderr } = &output;
        assert_eq!(*actual, code, "exit code of srvctl {arguments:?}\nstdout: {stdout}\nstderr: {stderr}");
        output
    }

    /// The JSON that a command prints, whatever its exit code.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("srvctl {arguments:?}: {error}: {output:?}"))
    }

    /// Starts a command and does not wait for its end.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = srvctl();
        command.args(arguments).arg("--config").arg(self.config());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().unwrap())
    }

    /// Publishes the desired services: `apply` must succeed and `plan` find nothing after it.
    pub(crate) fn converge(&self) {
        self.expect(0, &["apply"]);
        let plan = self.expect(0, &["plan", "--json"]);
        let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
        assert_eq!(plan["zones"][0]["changes"], serde_json::json!([]), "the plan after apply is not empty");
    }

    /// Starts the daemon.
    pub(crate) fn daemon(&self) -> Daemon {
        Daemon::spawn(srvctl(), self.config(), self.daemon_log(), None)
    }

    /// Starts the daemon with this in `RUST_LOG`.
    pub(crate) fn daemon_logging(&self, filter: &str) -> Daemon {
        let mut command = srvctl();
        command.env("RUST_LOG", filter);
        Daemon::spawn(command, self.config(), self.daemon_log(), None)
    }

    /// Starts the daemon with a clock that goes by a file beside `srvctl.toml`: it says by how much it is wrong.
    pub(crate) fn daemon_with_clock(&self, file: &str) -> Daemon {
        let mut command = srvctl();
        skew(&mut command, "+0");
        command.env_remove("FAKETIME").env("FAKETIME_NO_CACHE", "1");
        command.env("FAKETIME_TIMESTAMP_FILE", self.path().join(file));
        Daemon::spawn(command, self.config(), self.daemon_log(), None)
    }

    /// Starts the daemon with one thread for all its tasks, as on the smallest machine.
    pub(crate) fn daemon_on_one_thread(&self) -> Daemon {
        let mut command = srvctl();
        command.env("TOKIO_WORKER_THREADS", "1");
        Daemon::spawn(command, self.config(), self.daemon_log(), None)
    }

    /// Where the daemons' output goes.
    pub(crate) fn daemon_log(&self) -> PathBuf {
        self.path().join("daemon.log")
    }

    /// Starts the daemon as systemd would: with a socket for its notices and a watchdog.
    pub(crate) fn supervised_daemon(&self, notify: &Notify) -> Daemon {
        Daemon::spawn(srvctl(), self.config(), self.daemon_log(), Some(notify))
    }
}

/// A command under way, killed when dropped.
pub(crate) struct Running(Child);

impl Running {
    /// Waits for what shows elsewhere, in the zone for instance.
    pub(crate) fn wait_for(&mut self, what: &str, mut reached: impl FnMut() -> bool) {
        let found = poll(Duration::from_secs(30), || reached().then_some(()));
        assert!(found.is_some(), "did not come: {what}; ended: {:?}", self.0.try_wait());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs srvctl with these arguments and nothing else.
pub(crate) fn bare(arguments: &[&str]) -> Output {
    run(srvctl().args(arguments), "")
}

/// The strings of a JSON array.
pub(crate) fn strings(array: &Value) -> Vec<String> {
    let items = array.as_array().unwrap_or_else(|| panic!("not an array: {array}"));
    items.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// The binary, free of the tester's own environment.
fn srvctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_srvctl"));
    for name in ["NOTIFY_SOCKET", "RUST_LOG", "WATCHDOG_PID", "WATCHDOG_USEC", "JOURNAL_STREAM"] {
        command.env_remove(name);
    }
    for name in ["SRVCTL_CONFIG", "SRVCTL_SERVER", "SRVCTL_TOKEN_FILE", "SRVCTL_CA_FILE"] {
        command.env_remove(name);
    }
    command
}
