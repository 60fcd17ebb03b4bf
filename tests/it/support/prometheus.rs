//! A real Prometheus that discovers its targets from DNS.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::harness::free_address;
use super::program::{find, poll};

/// Prometheus itself waits five seconds before it takes over what discovery found.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(40);

/// Targets by job: `host:port`.
pub(crate) type Targets = BTreeMap<String, BTreeSet<String>>;

/// What targets are called in the end: all labels of each, by `host:port`.
pub(crate) type LabelledTargets = BTreeMap<String, BTreeMap<String, String>>;

/// A running Prometheus, killed when dropped.
pub(crate) struct Prometheus {
    address: SocketAddr,
    child: Child,
    directory: TempDir,
}

impl Prometheus {
    /// Starts it with one job per pair of job name and SRV name, or names with commas between.
    pub(crate) fn start(jobs: &[(&str, &str)]) -> Self {
        Self::start_scraping("1s", jobs)
    }

    /// As [`Self::start`], with another `scrape_interval`: for more targets than could be scraped every second.
    pub(crate) fn start_scraping(interval: &str, jobs: &[(&str, &str)]) -> Self {
        let mut text = format!("global: {{ scrape_interval: {interval}, scrape_timeout: 1s }}\nscrape_configs:\n");
        for (job, name) in jobs {
            let _ = write!(
                text,
                "  - job_name: {job}\n    dns_sd_configs:\n      - {{ names: [{name}], type: SRV, refresh_interval: 1s }}\n"
            );
        }
        Self::configured(&text)
    }

    /// Scrapes srvctl every second, and evaluates these rules as often.
    pub(crate) fn scraping(srvctl: SocketAddr, rules: &Path) -> Self {
        Self::configured(&format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             rule_files: [{}]\n\
             scrape_configs: [{{ job_name: srvctl, static_configs: [{{ targets: ['{srvctl}'] }}] }}]\n",
            rules.display()
        ))
    }

    /// Starts it with this configuration.
    pub(crate) fn configured(text: &str) -> Self {
        Self::configured_at(free_address(), text)
    }

    /// The same, listening there.
    pub(crate) fn configured_at(address: SocketAddr, text: &str) -> Self {
        let directory = TempDir::with_prefix("srvctl-prometheus-").unwrap();
        let file = directory.path().join("prometheus.yml");
        fs::write(&file, text).unwrap();
        Self::of_file(address, &file, directory)
    }

    /// With the configuration that somebody else writes there.
    pub(crate) fn of_file(address: SocketAddr, file: &Path, directory: TempDir) -> Self {
        Self::with_arguments(address, file, directory, &[])
    }

    /// The same with more arguments.
    pub(crate) fn with_arguments(address: SocketAddr, file: &Path, directory: TempDir, more: &[&str]) -> Self {
        let path = directory.path();
        let log = File::create(path.join("prometheus.log")).unwrap();
        let mut command = Command::new(find("prometheus", "prometheus"));
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", path.join("data").display()));
        command.arg(format!("--web.listen-address={address}")).args(more).current_dir(path);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap();
        Self { address, child, directory }
    }

    /// Makes it read its configuration again.
    pub(crate) fn reload(&self) {
        let ended = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().unwrap();
        assert!(ended.success(), "{ended:?}");
    }

    /// Where it is asked.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it would scrape now; none while it does not answer.
    pub(crate) fn targets(&self) -> Option<Targets> {
        targets_of(self.address, "/api/v1/targets?state=active")
    }

    /// Waits until it has exactly these targets.
    ///
    /// # Panics
    /// When it does not come to that, with what it has and its log.
    pub(crate) fn wait_until(&mut self, expected: &Targets) {
        let mut last = None;
        let found = poll(DISCOVERY_LIMIT, || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "Prometheus ended: {ended:?}\n{}", self.log());
            last = self.targets();
            (last.as_ref() == Some(expected)).then_some(())
        });
        assert!(found.is_some(), "Prometheus has {last:#?}\nand not {expected:#?}\n{}", self.log());
    }

    /// Waits until it has exactly these targets, with exactly these labels.
    ///
    /// # Panics
    /// When it does not come to that, with what it has and its log.
    pub(crate) fn wait_until_labelled(&mut self, expected: &LabelledTargets) {
        let mut last = None;
        let found = poll(DISCOVERY_LIMIT, || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "Prometheus ended: {ended:?}\n{}", self.log());
            last = labelled_targets_of(self.address, "/api/v1/targets?state=active");
            (last.as_ref() == Some(expected)).then_some(())
        });
        assert!(found.is_some(), "Prometheus has {last:#?}\nand not {expected:#?}\n{}", self.log());
    }

    /// Its targets with their labels, when it has so many.
    pub(crate) fn labelled_targets(&self, count: usize) -> LabelledTargets {
        let has_all = |targets: &LabelledTargets| targets.len() == count;
        let found =
            poll(DISCOVERY_LIMIT, || labelled_targets_of(self.address, "/api/v1/targets?state=active").filter(has_all));
        found.unwrap_or_else(|| panic!("Prometheus has no {count} targets\n{}", self.log()))
    }

    /// Where each of its targets is scraped.
    pub(crate) fn scrape_urls(&self) -> BTreeMap<String, String> {
        let answer = self.ask("/api/v1/targets?state=active").unwrap();
        let targets = answer["data"]["activeTargets"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        targets.iter().map(|at| (text(&at["discoveredLabels"]["__address__"]), text(&at["scrapeUrl"]))).collect()
    }

    /// How often it has asked for a list over HTTP in vain, by its own metrics.
    pub(crate) fn failed_lists(&self) -> f64 {
        let metrics = get(self.address, "/metrics").unwrap_or_default();
        let failed = metrics.lines().filter_map(|line| line.strip_prefix("prometheus_sd_http_failures_total"));
        failed.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// What its API answers; none while it does not.
    pub(crate) fn ask(&self, path: &str) -> Option<Value> {
        ask(self.address, path)
    }

    /// What an expression comes to now; none while it does not answer.
    pub(crate) fn query(&self, expression: &str) -> Option<Value> {
        let escaped = expression.bytes().fold(String::new(), |mut escaped, byte| {
            let _ = write!(escaped, "%{byte:02X}");
            escaped
        });
        self.ask(&format!("/api/v1/query?query={escaped}"))
    }

    /// Waits until an expression comes to a single number that is right.
    ///
    /// # Panics
    /// When it does not come to that.
    pub(crate) fn wait_for_number(&self, expression: &str, is_right: impl Fn(f64) -> bool) {
        let mut last = None;
        let found = poll(DISCOVERY_LIMIT, || {
            last = self.query(expression);
            let result = last.as_ref()?["data"]["result"].as_array()?;
            let [only] = &result[..] else { return None };
            is_right(only["value"][1].as_str()?.parse().ok()?).then_some(())
        });
        assert!(found.is_some(), "`{expression}` is {last:?}\n{}", self.log());
    }

    /// Waits until a look-up of a name has failed, by its log.
    pub(crate) fn wait_for_a_failed_lookup(&self, name: &str) {
        let said = format!("could not resolve \\\"{name}\\\"");
        let found = poll(DISCOVERY_LIMIT, || self.log().contains(&said).then_some(()));
        assert!(found.is_some(), "Prometheus does not say `{said}`:\n{}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("prometheus.log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The active targets that Prometheus, or whoever has the same API, has discovered.
pub(crate) fn targets_of(address: SocketAddr, path: &str) -> Option<Targets> {
    let answer = ask(address, path)?;
    let mut targets = Targets::new();
    for target in answer["data"]["activeTargets"].as_array()? {
        let labels = &target["discoveredLabels"];
        let (job, address) = (labels["job"].as_str()?, labels["__address__"].as_str()?);
        targets.entry(job.to_owned()).or_default().insert(address.to_owned());
    }
    Some(targets)
}

/// The same with the labels that they have in the end.
pub(crate) fn labelled_targets_of(address: SocketAddr, path: &str) -> Option<LabelledTargets> {
    let answer = ask(address, path)?;
    let labels = |target: &Value| serde_json::from_value(target["labels"].clone()).ok();
    let targets = answer["data"]["activeTargets"].as_array()?.iter();
    targets
        .map(|target| Some((target["discoveredLabels"]["__address__"].as_str()?.to_owned(), labels(target)?)))
        .collect()
}

/// The same targets with everything that is told of them, by their addresses.
pub(crate) fn described_by(address: SocketAddr, path: &str) -> Option<BTreeMap<String, Value>> {
    let answer = ask(address, path)?;
    let targets = answer["data"]["activeTargets"].as_array()?.iter();
    let address = |target: &Value| target["discoveredLabels"]["__address__"].as_str().map(str::to_owned);
    targets.map(|target| Some((address(target)?, target.clone()))).collect()
}

fn ask(address: SocketAddr, path: &str) -> Option<Value> {
    serde_json::from_str(&get(address, path)?).ok()
}

fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}
