//! A real PowerDNS: one process and one SQLite database per test, in its own directory, on its own port.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use tempfile::TempDir;

use super::key::Key;
use super::name_server::{Blueprint, NameServer, Process, token};
use super::named::ZONE;
use super::program::{find, run};

const PACKAGES: &str = "pdns-server pdns-backend-sqlite3";
const SCHEMA: &str = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql";

/// A running PowerDNS authoritative server.
pub(crate) struct PowerDns {
    address: SocketAddr,
    key: Key,
    process: Process,
    directory: TempDir,
}

impl PowerDns {
    pub(crate) fn start(blueprint: &Blueprint) -> Self {
        let directory = TempDir::with_prefix("srvctl-pdns-").unwrap();
        let token = token();
        let path = directory.path();
        fs::write(path.join("test.key"), blueprint.key.text()).unwrap();
        fs::write(path.join("pdns.conf"), configuration(blueprint, path, &token)).unwrap();
        let schema = fs::read_to_string(SCHEMA)
            .unwrap_or_else(|error| panic!("{SCHEMA}: {error}; run: apt-get install {PACKAGES}"));
        Connection::open(path.join("pdns.sqlite3")).unwrap().execute_batch(&schema).unwrap();
        describe_zone(blueprint, path);
        let mut command = Command::new(find("pdns_server", PACKAGES));
        command.arg(config_dir(path)).args(["--daemon=no", "--guardian=no", "--disable-syslog"]);
        let process = Process::start(command, path, blueprint.address, &token);
        Self { address: blueprint.address, key: blueprint.key.clone(), process, directory }
    }
}

fn config_dir(directory: &Path) -> String {
    format!("--config-dir={}", directory.display())
}

/// `only-notify` empty: nothing goes to the servers of the NS set, which are on nobody's port 53.
fn configuration(blueprint: &Blueprint, directory: &Path, token: &str) -> String {
    let (ip, port, directory) = (blueprint.address.ip(), blueprint.address.port(), directory.display());
    // A secondary looks every second for a zone that it does not have yet.
    let role = if blueprint.primary.is_some() { "xfr-cycle-interval=1\nsecondary=yes" } else { "primary=yes" };
    format!(
        "launch=gsqlite3\ngsqlite3-database={directory}/pdns.sqlite3\nlocal-address={ip}\nlocal-port={port}\n\
         socket-dir={directory}\nversion-string={token}\nsecurity-poll-suffix=\nloglevel=5\n\
         allow-axfr-ips=\nonly-notify=\n{role}\ndnsupdate=yes\n"
    )
}

/// The README shows the same commands.
fn describe_zone(blueprint: &Blueprint, directory: &Path) {
    let Key { name, algorithm, secret } = &blueprint.key;
    let pdnsutil = |arguments: &[&str]| {
        let output = run(Command::new(find("pdnsutil", PACKAGES)).arg(config_dir(directory)).args(arguments), "");
        assert_eq!(output.code, 0, "pdnsutil {arguments:?}: {output:?}");
    };
    pdnsutil(&["import-tsig-key", name, algorithm, secret]);
    if let Some(primary) = blueprint.primary {
        pdnsutil(&["create-secondary-zone", ZONE, &primary.to_string()]);
        pdnsutil(&["set-meta", ZONE, "AXFR-MASTER-TSIG", name]);
    } else {
        let file = directory.join("zone");
        fs::write(&file, blueprint.zone_file()).unwrap();
        pdnsutil(&["load-zone", ZONE, file.to_str().unwrap()]);
        pdnsutil(&["set-kind", ZONE, "primary"]);
    }
    for (allowed, what) in [(blueprint.transfers, "TSIG-ALLOW-AXFR"), (blueprint.updates, "TSIG-ALLOW-DNSUPDATE")] {
        pdnsutil(&["set-meta", ZONE, what, if allowed { name } else { "nobody" }]);
    }
    if let Some(told) = blueprint.notifies {
        pdnsutil(&["set-meta", ZONE, "ALSO-NOTIFY", &told.to_string()]);
        pdnsutil(&["set-meta", ZONE, "NOTIFY-DNSUPDATE", "1"]);
    }
}

impl NameServer for PowerDns {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn key(&self) -> &Key {
        &self.key
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn process(&self) -> Option<u32> {
        Some(self.process.id())
    }
}
