//! What tests do with a name server, whichever program it is: asking it, changing its zone behind srvctl's back, and
//! stopping its clock.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::harness::free_address;
use super::key::{KEY_NAME, Key};
use super::knot::Knot;
use super::lines::single_spaced;
use super::named::{Named, ZONE};
use super::pdns::PowerDns;
use super::program::{Output, find, poll, run};

const DIG_PACKAGES: &str = "bind9-dnsutils";
const START_LIMIT: Duration = Duration::from_secs(20);

/// A running name server with the test zone.
pub(crate) trait NameServer {
    fn address(&self) -> SocketAddr;

    /// The key that may update and transfer.
    fn key(&self) -> &Key;

    /// Where its own files are, the key's (`test.key`) among them.
    fn directory(&self) -> &Path;

    /// Its process, while it runs.
    fn process(&self) -> Option<u32>;

    /// What it said so far.
    fn log(&self) -> String {
        fs::read_to_string(self.directory().join("server.log")).unwrap_or_default()
    }

    fn key_file(&self) -> PathBuf {
        self.directory().join("test.key")
    }

    /// Runs `nsupdate` on these commands.
    ///
    /// # Panics
    /// When the server refuses them.
    fn nsupdate(&self, commands: &str) {
        let output = self.try_nsupdate(commands);
        assert_eq!(output.code, 0, "nsupdate of\n{commands}\n{output:?}\n{}", self.log());
    }

    /// As [`Self::nsupdate`], for what may be refused.
    fn try_nsupdate(&self, commands: &str) -> Output {
        let script = format!("server {} {}\n{commands}\nsend\n", self.address().ip(), self.address().port());
        run(Command::new(find("nsupdate", DIG_PACKAGES)).arg("-k").arg(self.key_file()), &script)
    }

    /// What `dig` answers when asked this server.
    fn dig(&self, arguments: &[&str]) -> String {
        dig(self.address(), arguments)
    }

    /// The whole zone apart from its SOA: sorted lines `name ttl IN type data`.
    fn zone_text(&self) -> Vec<String> {
        self.zone_text_of(ZONE)
    }

    /// As [`Self::zone_text`], of another zone.
    fn zone_text_of(&self, zone: &str) -> Vec<String> {
        let answer = self.dig(&["+noall", "+answer", "-k", self.key_file().to_str().unwrap(), zone, "AXFR"]);
        // PowerDNS sends several messages, and `dig` shows the signatures of all but the last one.
        let lines = answer.lines().map(single_spaced).filter(|line| !line.contains(" ANY TSIG "));
        let (soa, mut lines): (Vec<_>, Vec<_>) = lines.partition(|line| line.contains(" IN SOA "));
        assert_eq!(soa.len(), 2, "not a whole transfer of {zone}:\n{answer}");
        lines.sort();
        lines
    }

    fn serial(&self) -> u32 {
        self.dig(&["+short", ZONE, "SOA"]).split(' ').nth(2).unwrap().parse().unwrap()
    }

    /// Stops its clock: what comes waits in its sockets, and nobody gets an answer.
    fn pause(&self) {
        self.send_signal("STOP");
    }

    /// Lets it go on.
    fn resume(&self) {
        self.send_signal("CONT");
    }

    fn send_signal(&self, name: &str) {
        let process = self.process().expect("it runs").to_string();
        let sent = run(Command::new(find("kill", "procps")).args(["-s", name, &process]), "");
        assert_eq!(sent.code, 0, "kill -s {name}: {sent:?}");
    }
}

/// What `dig` answers when asked a server.
fn dig(address: SocketAddr, arguments: &[&str]) -> String {
    let server = format!("@{}", address.ip());
    let mut command = Command::new(find("dig", DIG_PACKAGES));
    command.args([server.as_str(), "-p", &address.port().to_string(), "+nocmd", "+tries=1", "+time=5"]);
    run(command.args(arguments), "").stdout
}

/// The programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bind,
    Knot,
    PowerDns,
}

impl Kind {
    /// Starts one and waits until it answers for the test zone.
    pub(crate) fn start(self, blueprint: &Blueprint) -> Box<dyn NameServer> {
        match self {
            Self::Bind => Box::new(Named::of(blueprint)),
            Self::Knot => Box::new(Knot::start(blueprint)),
            Self::PowerDns => Box::new(PowerDns::start(blueprint)),
        }
    }
}

/// What every kind of server can be told.
#[derive(Debug, Clone)]
pub(crate) struct Blueprint {
    pub(crate) address: SocketAddr,
    pub(crate) key: Key,
    /// Whom it tells of every change, signed.
    pub(crate) notifies: Option<SocketAddr>,
    /// More records in the zone of a primary, in zone-file form.
    pub(crate) records: String,
    /// Of which server it is a secondary.
    pub(crate) primary: Option<SocketAddr>,
    /// Whether the key may update a primary's zone.
    pub(crate) updates: bool,
    /// Whether the key may update PTR records of a primary that is Knot DNS.
    pub(crate) pointers: bool,
    /// Whether the key may transfer the zone.
    pub(crate) transfers: bool,
}

impl Blueprint {
    /// A primary with the bare zone, which the key may update and transfer.
    pub(crate) fn primary() -> Self {
        Self {
            address: free_address(),
            key: Key::random(KEY_NAME),
            notifies: None,
            records: String::new(),
            primary: None,
            updates: true,
            pointers: true,
            transfers: true,
        }
    }

    /// A secondary, with the primary's key.
    pub(crate) fn secondary_of(primary: SocketAddr, key: &Key) -> Self {
        Self { primary: Some(primary), key: key.clone(), ..Self::primary() }
    }

    /// The primary's zone file.
    pub(crate) fn zone_file(&self) -> String {
        zone_file(ZONE, 1, &self.records)
    }
}

/// A zone file with these records beside the apex's own.
pub(crate) fn zone_file(zone: &str, serial: u32, records: &str) -> String {
    format!(
        "$TTL 300\n$ORIGIN {zone}.\n@ IN SOA ns1 hostmaster {serial} 3600 600 604800 60\n@ IN NS ns1\n\
         ns1 IN A 127.0.0.1\n{records}\n"
    )
}

/// A server's process, killed when dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts it with its output in `server.log`, and waits until it answers for the test zone.
    ///
    /// `version` is what it was told to answer to `version.bind`, so that no other process on the port is taken for it.
    pub(crate) fn start(mut command: Command, directory: &Path, address: SocketAddr, version: &str) -> Self {
        let log_path = directory.join("server.log");
        let log = File::options().create(true).append(true).open(&log_path).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = Self(command.spawn().unwrap());
        let is_serving = || {
            dig(address, &["+short", "+time=1", "version.bind", "CH", "TXT"]).contains(version)
                && !dig(address, &["+short", "+time=1", ZONE, "SOA"]).is_empty()
        };
        let mut has_ended = || process.0.try_wait().unwrap().is_some();
        let answers = poll(START_LIMIT, || (has_ended() || is_serving()).then(&mut has_ended));
        let said = || fs::read_to_string(&log_path).unwrap_or_default();
        assert_eq!(answers, Some(false), "{command:?} does not serve its zone:\n{}", said());
        process
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What no other server says when asked for its version.
pub(crate) fn token() -> String {
    format!("srvctl-{:016x}", rand::random::<u64>())
}
