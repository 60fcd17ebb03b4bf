//! A running `srvctl daemon`, and the socket where systemd would listen to it.

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::program::{find, poll, run, wait};

const STATE_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A daemon, killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    config: PathBuf,
    log: PathBuf,
}

impl Daemon {
    pub(crate) fn spawn(mut command: Command, config: PathBuf, log: PathBuf, notify: Option<&Notify>) -> Self {
        if let Some(notify) = notify {
            command.env("NOTIFY_SOCKET", notify.path()).env("WATCHDOG_USEC", "1000000");
        }
        let file = File::options().create(true).append(true).open(&log).unwrap();
        command.arg("daemon").arg("--config").arg(&config);
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Self { child: command.spawn().unwrap(), config, log }
    }

    /// Waits for a state that `srvctl status --json` tells.
    ///
    /// # Panics
    /// When it does not come, with the last state and the log.
    pub(crate) fn wait_until(&mut self, what: &str, mut reached: impl FnMut(&Value) -> bool) -> Value {
        let mut last = None;
        let found = poll(STATE_LIMIT, || {
            let code = self.child.try_wait().unwrap();
            assert!(code.is_none(), "the daemon ended ({code:?}) before: {what}\n{}", self.log_tail());
            last = self.status();
            last.clone().filter(|status| reached(status))
        });
        found.unwrap_or_else(|| panic!("did not come: {what}\nlast status: {last:?}\n{}", self.log_tail()))
    }

    /// Waits until every zone is in sync and no source is broken.
    pub(crate) fn wait_in_sync(&mut self) -> Value {
        self.wait_until("in sync", |status| outcome(status) == "in_sync")
    }

    /// Waits for anything else that shows, in the zone for instance.
    pub(crate) fn wait_for(&mut self, what: &str, mut reached: impl FnMut() -> bool) {
        let found = poll(STATE_LIMIT, || reached().then_some(()));
        assert!(found.is_some(), "did not come: {what}\nstatus: {:?}\n{}", self.status(), self.log_tail());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = find("kill", "procps");
        let sent = run(Command::new(kill).args(["-s", name, &self.child.id().to_string()]), "");
        assert_eq!(sent.code, 0, "kill -s {name}: {sent:?}");
    }

    /// Ends it by SIGTERM; its exit code.
    pub(crate) fn stop(mut self) -> i32 {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for its end; its exit code.
    pub(crate) fn ended(&mut self) -> i32 {
        let code = wait(&mut self.child, STOP_LIMIT);
        code.unwrap_or_else(|| panic!("the daemon does not end\n{}", self.log_tail()))
    }

    /// What it said so far, and what those before it in the same workspace said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    fn status(&self) -> Option<Value> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_srvctl"));
        let output = run(command.args(["status", "--json", "--config"]).arg(&self.config), "");
        serde_json::from_str(&output.stdout).ok()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How the only zone stands; empty when the status does not say.
pub(crate) fn outcome(status: &Value) -> &str {
    status["zones"][0]["outcome"].as_str().unwrap_or_default()
}

/// The socket that systemd gives a service for its notices.
pub(crate) struct Notify {
    directory: TempDir,
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Notify {
    pub(crate) fn new() -> Self {
        let directory = TempDir::with_prefix("srvctl-notify-").unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { directory, socket, heard: Vec::new() }
    }

    /// Waits for a line such as `READY=1`, heard now or before.
    pub(crate) fn wait_for(&mut self, line: &str) {
        let found = poll(STATE_LIMIT, || {
            self.listen();
            self.heard.iter().any(|heard| heard == line).then_some(())
        });
        assert!(found.is_some(), "the daemon did not say {line}, but {:?}", self.heard);
    }

    /// Waits until it is said once more.
    pub(crate) fn wait_for_another(&mut self, line: &str) {
        self.listen();
        self.heard.clear();
        self.wait_for(line);
    }

    /// Whether it was said since [`Self::wait_for_another`] was called last.
    pub(crate) fn has_heard(&self, line: &str) -> bool {
        self.heard.iter().any(|heard| heard == line)
    }

    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            self.heard.extend(text.lines().map(str::to_owned));
        }
    }

    fn path(&self) -> PathBuf {
        Path::new(self.directory.path()).join("notify")
    }
}
