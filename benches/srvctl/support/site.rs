//! srvctl with a configuration directory of its own: the release binary, as people run it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::bind::Named;
use super::population::{OWNER, Population, ZONE};
use super::program::{poll, run};
use super::timed;

/// Even a million records have been read, compared and found equal by then.
const SYNC_LIMIT: Duration = Duration::from_mins(10);

/// What `srvctl.toml` says beside the usual.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) interval: &'static str,
    pub(crate) notify_listen: Option<SocketAddr>,
    /// Instead of the server itself.
    pub(crate) primary: Option<SocketAddr>,
    /// Whether the daemon looks everything up all the time; what changes it looks up in any case.
    pub(crate) verifies: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { interval: "30s", notify_listen: None, primary: None, verifies: true }
    }
}

/// A configuration directory.
pub(crate) struct Site {
    directory: TempDir,
}

impl Site {
    /// One that works with this server, with a file for every service.
    pub(crate) fn new(named: &Named, population: &Population, settings: &Settings) -> Self {
        let directory = TempDir::with_prefix("srvctl-bench-site-").unwrap();
        fs::create_dir(directory.path().join("services.d")).unwrap();
        let site = Self { directory };
        site.configure(named, settings);
        for service in 0..population.services() {
            fs::write(site.service_path(service), population.service_file(service)).unwrap();
        }
        site
    }

    /// Writes `srvctl.toml` and the key file anew.
    pub(crate) fn configure(&self, named: &Named, settings: &Settings) {
        let Settings { interval, notify_listen, primary, verifies } = settings;
        let (path, primary) = (self.path().display(), primary.unwrap_or(named.address()));
        let mut text = format!(
            "owner = \"{OWNER}\"\nservices = [\"services.d/*.toml\"]\n\n\
             [daemon]\nstate_dir = \"{path}/state\"\ninterval = \"{interval}\"\n\n\
             [api]\nsocket = \"{path}/srvctl.sock\"\n\n\
             [[zone]]\nname = \"{ZONE}\"\nprimary = \"{primary}\"\nkey_file = \"zone.key\"\nverify = [\"{}\"]\n",
            named.address()
        );
        if !verifies {
            text += "verify_interval = \"never\"\nverify_rate = 1\n";
        }
        if let Some(address) = notify_listen {
            let _ = writeln!(text, "notify_listen = \"{address}\"");
        }
        fs::write(self.config(), text).unwrap();
        let key = self.path().join("zone.key");
        fs::write(&key, named.key().text()).unwrap();
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Replaces the files of some services, each in one step; the last call is a rename.
    pub(crate) fn replace_services(&self, population: &Population, services: &[usize]) {
        let fresh = |service: usize| self.path().join("services.d").join(format!(".{service}.new"));
        for &service in services {
            fs::write(fresh(service), population.service_file(service)).unwrap();
        }
        for &service in services {
            fs::rename(fresh(service), self.service_path(service)).unwrap();
        }
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("srvctl.toml")
    }

    /// Publishes everything, once; how long it took.
    pub(crate) fn apply(&self) -> Duration {
        timed(&mut self.command("apply"), None)
    }

    /// # Panics
    /// When the plan is not empty.
    pub(crate) fn assert_in_sync(&self) {
        timed(&mut self.command("plan"), None);
    }

    /// # Panics
    /// When a look-up finds something else than what is desired.
    pub(crate) fn assert_verified(&self) {
        timed(&mut self.command("verify"), None);
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("srvctl.sock")
    }

    /// Starts the daemon.
    pub(crate) fn daemon(&self) -> Daemon<'_> {
        let log = File::create(self.path().join("daemon.log")).unwrap();
        let mut command = self.command("daemon");
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Daemon { site: self, child: command.spawn().unwrap() }
    }

    /// srvctl with this configuration, free of the environment's own.
    fn command(&self, word: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_srvctl"));
        command.arg(word).arg("--config").arg(self.config());
        for name in ["NOTIFY_SOCKET", "RUST_LOG", "SRVCTL_CONFIG", "WATCHDOG_PID", "WATCHDOG_USEC", "JOURNAL_STREAM"] {
            command.env_remove(name);
        }
        command
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn service_path(&self, service: usize) -> PathBuf {
        self.path().join("services.d").join(format!("svc-{service:05}.toml"))
    }
}

/// A running daemon, killed when dropped.
pub(crate) struct Daemon<'s> {
    site: &'s Site,
    child: Child,
}

impl Daemon<'_> {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the daemon says that the zone is in sync.
    pub(crate) fn wait_in_sync(&mut self) {
        let found = poll(SYNC_LIMIT, || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the daemon ended ({ended:?}):\n{}", self.log());
            (run(&mut self.site.command("status"), "").code == 0).then_some(())
        });
        assert!(found.is_some(), "the daemon does not come in sync:\n{}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.site.path().join("daemon.log")).unwrap_or_default()
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
