//! A real Knot DNS: one process per test, in its own directory, on its own port.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::key::Key;
use super::name_server::{Blueprint, NameServer, Process, token};
use super::named::ZONE;
use super::program::find;

/// A running Knot DNS.
pub(crate) struct Knot {
    address: SocketAddr,
    key: Key,
    process: Process,
    directory: TempDir,
}

impl Knot {
    pub(crate) fn start(blueprint: &Blueprint) -> Self {
        let directory = TempDir::with_prefix("srvctl-knot-").unwrap();
        let token = token();
        let path = directory.path();
        fs::write(path.join("test.key"), blueprint.key.text()).unwrap();
        if blueprint.primary.is_none() {
            fs::write(path.join(format!("{ZONE}.zone")), blueprint.zone_file()).unwrap();
        }
        fs::write(path.join("knot.conf"), configuration(blueprint, path, &token)).unwrap();
        let mut command = Command::new(find("knotd", "knot"));
        command.arg("-c").arg(path.join("knot.conf"));
        let process = Process::start(command, path, blueprint.address, &token);
        Self { address: blueprint.address, key: blueprint.key.clone(), process, directory }
    }
}

/// The README shows the part of it that matters to srvctl.
fn configuration(blueprint: &Blueprint, directory: &Path, token: &str) -> String {
    let Blueprint { address, key, notifies, primary, updates, pointers, transfers, .. } = blueprint;
    let Key { name, algorithm, secret } = key;
    let (address, directory) = (knot_address(*address), directory.display());
    let remotes = [("primary", primary), ("told", notifies)];
    let remotes = remotes.iter().filter_map(|(id, remote)| {
        let address = knot_address((**remote)?);
        Some(format!("  - id: {id}\n    address: {address}\n    key: {name}\n"))
    });
    let remotes: String = remotes.collect();
    let remotes = if remotes.is_empty() { remotes } else { format!("remote:\n{remotes}") };
    let actions = match (updates, transfers) {
        (true, true) => {
            if *pointers {
                "[transfer, update]\n    update-type: [A, AAAA, PTR, SRV, TXT]"
            } else {
                "[transfer, update]\n    update-type: [A, AAAA, SRV, TXT]"
            }
        }
        (true, false) => "update",
        (false, _) => "transfer",
    };
    let master = primary.map_or("", |_| "    master: primary\n");
    let notify = notifies.map_or("", |_| "    notify: told\n");
    format!(
        "server:\n    listen: {address}\n    rundir: {directory}\n    version: {token}\n\
         database:\n    storage: {directory}\n\
         log:\n  - target: stderr\n    any: info\n\
         key:\n  - id: {name}\n    algorithm: {algorithm}\n    secret: {secret}\n{remotes}\
         acl:\n  - id: srvctl\n    key: {name}\n    action: {actions}\n\
         \x20 - id: primary\n    address: 127.0.0.0/8\n    action: notify\n\
         zone:\n  - domain: {ZONE}\n    storage: {directory}\n    file: {ZONE}.zone\n    acl: [srvctl, primary]\n\
         {master}{notify}"
    )
}

fn knot_address(address: SocketAddr) -> String {
    format!("{}@{}", address.ip(), address.port())
}

impl NameServer for Knot {
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
