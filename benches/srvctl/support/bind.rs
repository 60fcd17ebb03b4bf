//! A private BIND with a large zone.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::harness::{free_address, unconfined_named};
use super::key::{KEY_NAME, Key};
use super::lines::single_spaced;
use super::population::{Population, ZONE};
use super::program::{find, poll, run};
use super::timed;
use super::wire::{self, Client};

/// A million records are read in a few seconds.
const START_LIMIT: Duration = Duration::from_mins(3);

const FIRST_SERIAL: u32 = 1;

/// How a server differs from the usual one.
#[derive(Debug, Default)]
pub(crate) struct Setup<'p> {
    /// What the zone already holds.
    pub(crate) population: Option<&'p Population>,
    /// More lines inside `options { }`.
    pub(crate) options: String,
    /// More lines inside `zone { }`.
    pub(crate) zone_options: String,
    /// An address that may update without a key.
    pub(crate) trusted: Option<SocketAddr>,
}

/// A running BIND, killed when dropped.
pub(crate) struct Named {
    address: SocketAddr,
    child: Child,
    directory: TempDir,
    key: Key,
}

impl Named {
    /// With nothing in the zone but its NS.
    pub(crate) fn empty() -> Self {
        Self::start(&Setup::default())
    }

    pub(crate) fn filled(population: &Population) -> Self {
        Self::start(&Setup { population: Some(population), ..Setup::default() })
    }

    /// Starts it and waits until it answers for the zone.
    pub(crate) fn start(setup: &Setup<'_>) -> Self {
        let directory = TempDir::with_prefix("srvctl-bench-named-").unwrap();
        let (address, key) = (free_address(), Key::random(KEY_NAME));
        let token = format!("srvctl-{:016x}", rand::random::<u64>());
        fs::write(directory.path().join("named.conf"), configuration(setup, &key, address, &directory)).unwrap();
        fs::write(directory.path().join("bench.key"), key.text()).unwrap();
        write_zone(&directory, &token, setup.population);
        let log = File::create(directory.path().join("named.log")).unwrap();
        let mut command = Command::new(unconfined_named(&find("named", "bind9")));
        command.args(["-g", "-n", "2", "-c"]).arg(directory.path().join("named.conf"));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap();
        let mut named = Self { address, child, directory, key };
        let serves = poll(START_LIMIT, || (named.has_ended() || named.is_serving(&token)).then(|| !named.has_ended()));
        assert_eq!(serves, Some(true), "named does not serve its zone:\n{}", named.log());
        named
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn client(&self) -> Client {
        Client::to(self.address)
    }

    /// The zone's serial.
    pub(crate) fn serial(&self) -> u32 {
        let answer = self.client().soa(ZONE);
        answer.as_deref().and_then(wire::serial).unwrap_or_else(|| panic!("no SOA:\n{}", self.log()))
    }

    /// # Panics
    /// When anything in the zone has changed since the start.
    pub(crate) fn assert_untouched(&self) {
        assert_eq!(self.serial(), FIRST_SERIAL, "the filled zone was not in sync:\n{}", self.log());
    }

    /// `dig` to this server, unsigned unless [`Self::key_arguments`] are added.
    pub(crate) fn dig(&self, arguments: &[&str]) -> Command {
        dig_to(self.address, arguments)
    }

    /// Arguments that make `dig` sign.
    pub(crate) fn key_arguments(&self) -> [String; 2] {
        ["-k".to_owned(), self.key_file().display().to_string()]
    }

    /// `dig AXFR` of the zone.
    pub(crate) fn dig_transfer(&self) -> Command {
        let mut command = self.dig(&["+noall", "+answer", ZONE, "AXFR"]);
        command.args(self.key_arguments());
        command
    }

    /// The whole zone without its SOA: lines `name ttl IN type data`.
    pub(crate) fn lines(&self) -> BTreeSet<String> {
        let answer = run(&mut self.dig_transfer(), "").stdout;
        let (soa, lines): (Vec<_>, Vec<_>) =
            answer.lines().map(single_spaced).partition(|line| line.contains(" IN SOA "));
        assert_eq!(soa.len(), 2, "not a whole transfer:\n{}", self.log());
        lines.into_iter().collect()
    }

    /// Feeds `nsupdate` a script over TCP, and says how long all of it took.
    pub(crate) fn nsupdate(&self, commands: &str) -> Duration {
        let script = self.directory.path().join("script");
        let text = format!("server {} {}\nzone {ZONE}\n{commands}", self.address.ip(), self.address.port());
        fs::write(&script, text).unwrap();
        let mut command = Command::new(find("nsupdate", "bind9-dnsutils"));
        command.args(["-v", "-k"]).arg(self.key_file());
        timed(&mut command, Some(&File::open(script).unwrap()))
    }

    /// What the server said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("named.log")).unwrap_or_default()
    }

    fn key_file(&self) -> PathBuf {
        self.directory.path().join("bench.key")
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The zone's contact is asked for, so that no other process on the port is taken for ours.
    fn is_serving(&self, token: &str) -> bool {
        let answer = self.client().soa(ZONE);
        answer.is_some_and(|answer| answer.windows(token.len()).any(|bytes| bytes == token.as_bytes()))
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `dig` to any address.
pub(crate) fn dig_to(address: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = Command::new(find("dig", "bind9-dnsutils"));
    command.args([&format!("@{}", address.ip()), "-p", &address.port().to_string(), "+nocmd", "+tries=1"]);
    command.args(arguments);
    command
}

fn configuration(setup: &Setup<'_>, key: &Key, address: SocketAddr, directory: &TempDir) -> String {
    let (ip, port, path) = (address.ip(), address.port(), directory.path().display());
    let Setup { options, zone_options, trusted, .. } = setup;
    let trusted = trusted.map_or_else(String::new, |address| format!("{};", address.ip()));
    let mut text = key.text();
    let _ = write!(
        text,
        "controls {{ }};\noptions {{\n directory \"{path}\";\n pid-file none;\n session-keyfile \"{path}/session.key\";\n \
         listen-on port {port} {{ {ip}; }};\n listen-on-v6 {{ none; }};\n recursion no;\n dnssec-validation no;\n \
         notify no;\n {options}\n}};\n\
         zone \"{ZONE}\" {{\n type primary;\n file \"zone\";\n allow-transfer {{ key \"{KEY_NAME}\"; }};\n \
         allow-update {{ key \"{KEY_NAME}\"; {trusted} }};\n {zone_options}\n}};\n"
    );
    text
}

fn write_zone(directory: &TempDir, token: &str, population: Option<&Population>) {
    let mut file = BufWriter::new(File::create(directory.path().join("zone")).unwrap());
    let head = format!(
        "$TTL 300\n$ORIGIN {ZONE}.\n@ SOA ns1 {token} {FIRST_SERIAL} 3600 600 604800 60\n@ NS ns1\nns1 A 127.0.0.1\n"
    );
    file.write_all(head.as_bytes()).unwrap();
    if let Some(population) = population {
        population.write_records(&mut file).unwrap();
    }
    file.flush().unwrap();
}
