//! A real vmagent that discovers its targets from DNS.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::harness::free_address;
use super::program::{find, poll, wait};
use super::prometheus::{LabelledTargets, Targets, described_by, labelled_targets_of, targets_of};

/// One slow look-up after another, and again: vmagent makes them in turns.
const DISCOVERY_LIMIT: Duration = Duration::from_mins(2);

/// A running vmagent, killed when dropped.
pub(crate) struct Vmagent {
    address: SocketAddr,
    child: Child,
    directory: TempDir,
}

impl Vmagent {
    /// Starts it with one job per pair of job name and SRV name.
    pub(crate) fn start(jobs: &[(&str, &str)]) -> Self {
        let mut text = "global: { scrape_interval: 1h }\nscrape_configs:\n".to_owned();
        for (job, name) in jobs {
            let sd = format!("{{ names: [\"{name}\"], type: SRV }}");
            let _ = write!(text, "  - job_name: {job}\n    dns_sd_configs:\n      - {sd}\n");
        }
        Self::configured(&text)
    }

    /// Starts it with this configuration.
    pub(crate) fn configured(text: &str) -> Self {
        // It refuses `refresh_interval` in the file.
        Self::with_flags(text, &["-promscrape.dnsSDCheckInterval=1s", "-promscrape.httpSDCheckInterval=1s"])
    }

    /// The same with these flags.
    pub(crate) fn with_flags(text: &str, flags: &[&str]) -> Self {
        let directory = TempDir::with_prefix("srvctl-vmagent-").unwrap();
        let address = free_address();
        let path = directory.path();
        fs::write(path.join("vmagent.yml"), text).unwrap();
        let log = File::create(path.join("vmagent.log")).unwrap();
        let mut command = Command::new(find("vmagent", "victoria-metrics"));
        command.arg(format!("-promscrape.config={}", path.join("vmagent.yml").display()));
        command.args(flags).arg(format!("-httpListenAddr={address}"));
        // What is scraped goes nowhere; every failed look-up is in the log, and not the first of each second only.
        command.arg("-remoteWrite.url=http://127.0.0.1:1/").arg("-loggerErrorsPerSecondLimit=0");
        command.arg(format!("-remoteWrite.tmpDataPath={}", path.join("data").display())).current_dir(path);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap();
        Self { address, child, directory }
    }

    /// What it says of a configuration that it does not take.
    ///
    /// # Panics
    /// When it takes it.
    pub(crate) fn refusal(text: &str) -> String {
        let mut refusing = Self::with_flags(text, &[]);
        let ended = wait(&mut refusing.child, DISCOVERY_LIMIT);
        assert!(ended.is_some_and(|code| code != 0), "vmagent ended with {ended:?}\n{}", refusing.log());
        refusing.log()
    }

    /// Waits until it has exactly these targets.
    ///
    /// # Panics
    /// When it does not come to that, with what it has and its log.
    pub(crate) fn wait_until(&mut self, expected: &Targets) {
        let mut last = None;
        let found = poll(DISCOVERY_LIMIT, || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "vmagent ended: {ended:?}\n{}", self.log());
            last = targets_of(self.address, "/api/v1/targets");
            (last.as_ref() == Some(expected)).then_some(())
        });
        assert!(found.is_some(), "vmagent has {last:#?}\nand not {expected:#?}\n{}", self.log());
    }

    /// Waits until it has exactly these targets, with exactly these labels.
    ///
    /// # Panics
    /// When it does not come to that, with what it has and its log.
    pub(crate) fn wait_until_labelled(&mut self, expected: &LabelledTargets) {
        let mut last = None;
        let found = poll(DISCOVERY_LIMIT, || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "vmagent ended: {ended:?}\n{}", self.log());
            last = labelled_targets_of(self.address, "/api/v1/targets");
            (last.as_ref() == Some(expected)).then_some(())
        });
        assert!(found.is_some(), "vmagent has {last:#?}\nand not {expected:#?}\n{}", self.log());
    }

    /// Each target by its address, as its API tells of it; none while it does not answer.
    pub(crate) fn described(&self) -> Option<BTreeMap<String, Value>> {
        described_by(self.address, "/api/v1/targets")
    }

    /// The error of its last failed look-up of a name, in Go's words.
    pub(crate) fn last_error(&self, name: &str) -> Option<String> {
        let start = format!("error in SRV lookup for \"{name}\"; skipping it; error: ");
        let log = self.log();
        let mut errors = log.lines().filter_map(|line| line.split_once(&start));
        errors.next_back().map(|(_, error)| error.to_owned())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("vmagent.log")).unwrap_or_default()
    }
}

impl Drop for Vmagent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
