//! The walk-through of `config/migration/README.md`: its commands are run in order, and its output is what they print.
//!
//! `SRVCTL_UPDATE_GOLDEN=1` writes the output into the page.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Daemon, Named, Prometheus, find, in_private_network, poll, run};

const PAGE: &str = "config/migration/README.md";
const PROMETHEUS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9090);

/// The directory in which everything is run, and what runs in it.
struct Site {
    directory: TempDir,
    prometheus: Option<Prometheus>,
    daemon: Option<Daemon>,
}

impl Site {
    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// Runs a command as a person does, and gives what is to be seen.
    fn run(&self, line: &str) -> String {
        let binary = Path::new(env!("CARGO_BIN_EXE_srvctl")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec 2>&1\n{line}")]).current_dir(self.directory.path());
        command.env("PATH", path).env("SRVCTL_CONFIG", "srvctl.toml").env_remove("RUST_LOG");
        run(&mut command, "").stdout
    }

    /// What a comment of the page says that happens.
    fn happen(&mut self, what: &str) {
        if what.starts_with("Prometheus starts") {
            let directory = TempDir::with_prefix("srvctl-prometheus-").unwrap();
            self.prometheus = Some(Prometheus::of_file(PROMETHEUS, &self.path("prometheus.yml"), directory));
        }
        if what.starts_with("Prometheus is reloaded") {
            self.prometheus.as_ref().unwrap().reload();
        }
        if what == "the daemon starts" {
            let mut command = Command::new(env!("CARGO_BIN_EXE_srvctl"));
            command.current_dir(self.directory.path()).env_remove("NOTIFY_SOCKET").env_remove("RUST_LOG");
            let mut daemon = Daemon::spawn(command, self.path("srvctl.toml"), self.path("daemon.log"), None);
            daemon.wait_in_sync();
            self.daemon = Some(daemon);
        }
        if let Some((_, count)) = what.strip_suffix(" targets").and_then(|words| words.rsplit_once(' ')) {
            let count: usize = count.parse().unwrap();
            let prometheus = self.prometheus.as_ref().unwrap();
            let mut last = None;
            let found = poll(Duration::from_mins(1), || {
                last = prometheus.targets();
                let all: usize = last.iter().flatten().map(|(_, targets)| targets.len()).sum();
                (all == count).then_some(())
            });
            assert!(found.is_some(), "{what}: {last:?}");
        }
    }
}

/// What is another each time.
fn masked(text: &str) -> String {
    regex::Regex::new(r"after \d+(\.\d+)? m?s").unwrap().replace_all(text, "after … ms").into_owned()
}

/// The page with what its commands print now.
fn played(page: &str, site: &mut Site) -> String {
    let mut lines = page.lines().peekable();
    let mut written = String::new();
    let mut file = None;
    while let Some(line) = lines.next() {
        written.extend([line, "\n"]);
        let comment = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
        match comment.map(|comment| (comment, comment.strip_prefix("file "))) {
            Some((_, Some(name))) => file = Some(name),
            Some((what, None)) => site.happen(what),
            None => {}
        }
        if !line.starts_with("```") {
            continue;
        }
        let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        match file.take() {
            Some(name) => {
                let text = block.join("\n") + "\n";
                fs::write(site.path(name), &text).unwrap();
                written += &text;
            }
            None if line == "```console" => written += &console(&block, site),
            None => written += &(block.join("\n") + "\n"),
        }
        written += "```\n";
    }
    written
}

/// The commands of a block, each with what it prints.
fn console(block: &[&str], site: &Site) -> String {
    let mut written = String::new();
    for (number, line) in block.iter().enumerate() {
        let Some(command) = line.strip_prefix("$ ") else { continue };
        let there = block[number + 1..].iter().take_while(|line| !line.starts_with("$ "));
        let there: String = there.flat_map(|line| [line, "\n"]).collect();
        let printed = site.run(command);
        // The page keeps its numbers where only they are others.
        let kept = if masked(&there) == masked(&printed) { there } else { printed };
        written.extend([line, "\n", &kept]);
    }
    written
}

#[test]
fn the_five_phases_are_as_the_page_shows_them() {
    in_private_network("migration::the_five_phases_are_as_the_page_shows_them", || {
        find("promtool", "prometheus");
        let hosts = "centos9-vm A 192.168.188.142\ncentos9-vm2 A 192.168.188.143\ncentos9-vm3 A 192.168.188.144";
        let named = Named::builder().listen(([127, 0, 0, 1], 53).into()).records(hosts);
        let named = named.notifies(([127, 0, 0, 1], 5301).into()).start();
        let directory = TempDir::with_prefix("srvctl-migration-").unwrap();
        let mut site = Site { directory, prometheus: None, daemon: None };
        for name in ["services.d", "state"] {
            fs::create_dir(site.path(name)).unwrap();
        }
        fs::write(site.path("internal.local.key"), named.key().text()).unwrap();
        fs::set_permissions(site.path("internal.local.key"), fs::Permissions::from_mode(0o600)).unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
        let page = fs::read_to_string(&path).unwrap();
        assert!(page.contains(include_str!("../study/static.yml")), "the page begins with the study's own jobs");
        let played = played(&page, &mut site);
        if env::var_os("SRVCTL_UPDATE_GOLDEN").is_some() {
            fs::write(&path, played).unwrap();
        } else {
            assert_eq!(played, page, "{PAGE} (SRVCTL_UPDATE_GOLDEN=1 renews it)");
        }
    });
}
