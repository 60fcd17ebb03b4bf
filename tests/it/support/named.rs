//! A real BIND: one process per test, in its own directory, on its own port.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::certificates::Certificate;
use super::harness::{free_address, skew, unconfined_named};
use super::key::{KEY_NAME, Key};
use super::lines::single_spaced;
use super::name_server::{Blueprint, NameServer, token, zone_file};
use super::program::{Output, find, poll};

const PACKAGES: &str = "bind9 bind9-dnsutils";
const START_LIMIT: Duration = Duration::from_secs(20);

/// The zone that every server has.
pub(crate) const ZONE: &str = "internal.local";

/// What is to be started.
pub(crate) struct Builder {
    address: SocketAddr,
    clock: Option<&'static str>,
    key: Key,
    notify: String,
    options: String,
    other_keys: String,
    primary: Option<SocketAddr>,
    records: String,
    recursion: String,
    serial: u32,
    tls: Option<Tls>,
    zone_options: String,
    zones: Vec<String>,
}

struct Tls {
    address: SocketAddr,
    certificate: Certificate,
    options: &'static str,
}

impl Builder {
    /// Instead of a free port.
    pub(crate) fn listen(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// Runs the server with its clock off by as much, in faketime's terms: `+1h`.
    pub(crate) fn with_faketime(self, offset: &'static str) -> Self {
        Self { clock: Some(offset), ..self }
    }

    /// Instead of a fresh key with the usual name and algorithm.
    pub(crate) fn key(self, key: Key) -> Self {
        Self { key, ..self }
    }

    pub(crate) fn key_name(&self) -> &str {
        &self.key.name
    }

    /// One more key that the server knows; who may do what with it is for [`Self::zone_options`].
    pub(crate) fn also_key(self, key: &Key) -> Self {
        Self { other_keys: self.other_keys + &key.text(), ..self }
    }

    /// Offers DNS over TLS too, on a port of its own.
    pub(crate) fn tls(self, certificate: Certificate) -> Self {
        self.tls_with(certificate, "")
    }

    /// The same with more lines inside `tls { }`.
    pub(crate) fn tls_with(self, certificate: Certificate, options: &'static str) -> Self {
        Self { tls: Some(Tls { address: free_address(), certificate, options }), ..self }
    }

    /// Tells this address of every change of every zone, at once and signed with the key.
    pub(crate) fn notifies(self, address: SocketAddr) -> Self {
        let key = self.key.name.clone();
        self.notifies_with(address, &key)
    }

    /// The same signed with another key, see [`Self::also_key`].
    pub(crate) fn notifies_with(self, address: SocketAddr, key: &str) -> Self {
        let (ip, port) = (address.ip(), address.port());
        let notify = format!("notify explicit; also-notify {{ {ip} port {port} key \"{key}\"; }}; notify-delay 0;");
        Self { notify, ..self }
    }

    /// As a secondary of the server at this address, from which it transfers with the key, and which may notify it.
    pub(crate) fn secondary_of(self, primary: SocketAddr) -> Self {
        let key = &self.key.name;
        let zone_options = format!("allow-transfer {{ key \"{key}\"; }}; allow-notify {{ 127.0.0.0/8; }};");
        Self { primary: Some(primary), zone_options, ..self }
    }

    /// More lines inside `options { }`.
    pub(crate) fn options(self, text: &str) -> Self {
        Self { options: text.to_owned(), ..self }
    }

    /// More records in the zone, in zone-file form.
    pub(crate) fn records(self, text: &str) -> Self {
        Self { records: text.to_owned(), ..self }
    }

    /// With this serial instead of 1.
    pub(crate) fn serial(self, serial: u32) -> Self {
        Self { serial, ..self }
    }

    /// A resolver that asks this server and caches what it says; it serves no zone of its own but `none.example`.
    pub(crate) fn resolves_through(self, server: SocketAddr) -> Self {
        let (ip, port) = (server.ip(), server.port());
        let recursion = format!("recursion yes; forward only; forwarders {{ {ip} port {port}; }};");
        Self { recursion, ..self }.only_zone("none.example")
    }

    /// Instead of letting the key update and transfer.
    pub(crate) fn zone_options(self, text: &str) -> Self {
        Self { zone_options: text.to_owned(), ..self }
    }

    /// Instead of the usual zone.
    pub(crate) fn only_zone(self, name: &str) -> Self {
        Self { zones: vec![name.to_owned()], ..self }
    }

    /// One more zone, with the same options and no extra records.
    pub(crate) fn zone(mut self, name: &str) -> Self {
        self.zones.push(name.to_owned());
        self
    }

    /// Starts it and waits until it answers for all its zones.
    pub(crate) fn start(self) -> Named {
        let directory = TempDir::with_prefix("srvctl-named-").unwrap();
        let token = token();
        fs::write(directory.path().join("named.conf"), self.configuration(&directory, &token)).unwrap();
        fs::write(directory.path().join("test.key"), self.key.text()).unwrap();
        let own = if self.primary.is_none() { &self.zones[..] } else { &[] };
        for (index, zone) in own.iter().enumerate() {
            let extra = if index == 0 { self.records.as_str() } else { "" };
            fs::write(directory.path().join(format!("{zone}.zone")), zone_file(zone, self.serial, extra)).unwrap();
        }
        if let Some(Tls { certificate, .. }) = &self.tls {
            fs::write(directory.path().join("server.pem"), &certificate.certificate).unwrap();
            fs::write(directory.path().join("server.key"), &certificate.key).unwrap();
        }
        let Self { address, clock, key, tls, zones, .. } = self;
        let tls_address = tls.map(|tls| tls.address);
        let mut named = Named { address, child: None, clock, directory, key, tls_address, token, zones };
        named.start_again();
        named
    }

    fn configuration(&self, directory: &TempDir, token: &str) -> String {
        let (ip, port, path) = (self.address.ip(), self.address.port(), directory.path().display());
        let mut text = self.key.text() + &self.other_keys;
        let listen_tls = self.tls.as_ref().map_or_else(String::new, |Tls { address, options, .. }| {
            let _ = writeln!(
                text,
                "tls own {{ cert-file \"{path}/server.pem\"; key-file \"{path}/server.key\"; {options} }};"
            );
            format!("listen-on port {} tls own {{ {}; }};", address.port(), address.ip())
        });
        let _ = write!(
            text,
            "controls {{ }};\noptions {{\n directory \"{path}\";\n pid-file none;\n session-keyfile \"{path}/session.key\";\n \
             listen-on port {port} {{ {ip}; }};\n {listen_tls}\n listen-on-v6 {{ none; }};\n {}\n dnssec-validation no;\n \
             notify no;\n notify-rate 1000;\n startup-notify-rate 1000;\n version \"{token}\";\n {}\n}};\n",
            self.recursion, self.options
        );
        let role = self.primary.map_or("type primary;".to_owned(), |primary| {
            let (ip, port, key) = (primary.ip(), primary.port(), &self.key.name);
            format!("type secondary; primaries {{ {ip} port {port} key \"{key}\"; }};")
        });
        for zone in &self.zones {
            let (options, notify) = (&self.zone_options, &self.notify);
            let _ = writeln!(text, "zone \"{zone}\" {{ {role} file \"{zone}.zone\"; {options} {notify} }};");
        }
        text
    }
}

/// The difference of one version of a zone from the one before.
#[derive(Debug, Default)]
pub(crate) struct Version {
    pub(crate) lost: Vec<String>,
    pub(crate) gained: Vec<String>,
}

/// What a server has of its zone on the disk.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    file: Vec<u8>,
    /// Without one, the server knows no history.
    journal: Option<Vec<u8>>,
}

impl Saved {
    /// The bare zone with another serial, with these records, and without history.
    pub(crate) fn fresh(serial: u32, records: &str) -> Self {
        Self { file: zone_file(ZONE, serial, records).into_bytes(), journal: None }
    }
}

/// A running (or stopped) BIND.
pub(crate) struct Named {
    address: SocketAddr,
    child: Option<Child>,
    clock: Option<&'static str>,
    directory: TempDir,
    key: Key,
    tls_address: Option<SocketAddr>,
    token: String,
    zones: Vec<String>,
}

impl Named {
    /// A server with only the bare zone, which the key may update and transfer.
    pub(crate) fn start() -> Self {
        Self::builder().start()
    }

    /// As every kind of server can be.
    pub(crate) fn of(blueprint: &Blueprint) -> Self {
        let Blueprint { address, key, notifies, records, primary, updates, transfers, .. } = blueprint;
        let builder = Self::builder().listen(*address).key(key.clone()).records(records);
        let allow = |what: &str, allowed: bool| {
            let whom = if allowed { format!("key \"{}\"", key.name) } else { "none".to_owned() };
            format!("allow-{what} {{ {whom}; }};")
        };
        let mut builder = match primary {
            Some(primary) => builder.secondary_of(*primary),
            None => builder.zone_options(&(allow("update", *updates) + &allow("transfer", *transfers))),
        };
        if let Some(told) = notifies {
            builder = builder.notifies(*told);
        }
        builder.start()
    }

    /// A server to be described.
    pub(crate) fn builder() -> Builder {
        let key = Key::random(KEY_NAME);
        let zone_options = format!("allow-update {{ key \"{0}\"; }}; allow-transfer {{ key \"{0}\"; }};", key.name);
        Builder {
            address: free_address(),
            clock: None,
            key,
            notify: String::new(),
            options: String::new(),
            other_keys: String::new(),
            primary: None,
            records: String::new(),
            recursion: "recursion no;".to_owned(),
            serial: 1,
            tls: None,
            zone_options,
            zones: vec![ZONE.to_owned()],
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it offers DNS over TLS.
    pub(crate) fn tls_address(&self) -> SocketAddr {
        self.tls_address.expect("the builder was told `tls`")
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The zone as it is on the disk of a stopped server: its file and its journal.
    pub(crate) fn saved(&self) -> Saved {
        assert!(self.child.is_none(), "a running server may have more than its files");
        let file = fs::read(self.zone_path()).unwrap();
        Saved { file, journal: fs::read(self.journal_path()).ok() }
    }

    /// Puts a zone on the disk of a stopped server.
    pub(crate) fn restore(&self, saved: &Saved) {
        assert!(self.child.is_none(), "a running server does not look");
        fs::write(self.zone_path(), &saved.file).unwrap();
        match &saved.journal {
            Some(journal) => fs::write(self.journal_path(), journal).unwrap(),
            None if self.journal_path().exists() => fs::remove_file(self.journal_path()).unwrap(),
            None => {}
        }
    }

    fn zone_path(&self) -> PathBuf {
        self.directory.path().join(format!("{ZONE}.zone"))
    }

    fn journal_path(&self) -> PathBuf {
        self.directory.path().join(format!("{ZONE}.zone.jnl"))
    }

    /// Ends it and starts it with the same zone contents.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Starts it on the same address with the zone as it was, and waits until it answers.
    pub(crate) fn start_again(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut command = Command::new(unconfined_named(&find("named", PACKAGES)));
        command.args(["-g", "-n", "2", "-c"]).arg(self.directory.path().join("named.conf"));
        if let Some(offset) = self.clock {
            skew(&mut command, offset);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let answers = poll(START_LIMIT, || (self.has_ended() || self.is_serving()).then(|| self.has_ended()));
        assert_eq!(answers, Some(false), "named does not serve its zones:\n{}", self.log());
    }

    /// See [`NameServer::nsupdate`], and so on.
    pub(crate) fn nsupdate(&self, commands: &str) {
        NameServer::nsupdate(self, commands);
    }

    pub(crate) fn try_nsupdate(&self, commands: &str) -> Output {
        NameServer::try_nsupdate(self, commands)
    }

    pub(crate) fn dig(&self, arguments: &[&str]) -> String {
        NameServer::dig(self, arguments)
    }

    pub(crate) fn zone_text(&self) -> Vec<String> {
        NameServer::zone_text(self)
    }

    pub(crate) fn zone_text_of(&self, zone: &str) -> Vec<String> {
        NameServer::zone_text_of(self, zone)
    }

    /// Every version of the zone after `serial`, in order, from the server's own journal: what each lost and gained.
    /// Nobody can have read anything else in between.
    pub(crate) fn versions_since(&self, serial: u32) -> Vec<Version> {
        let key_file = self.directory.path().join("test.key");
        let query = format!("IXFR={serial}");
        let answer = self.dig(&["+noall", "+answer", "-k", key_file.to_str().unwrap(), ZONE, &query]);
        let lines: Vec<_> = answer.lines().map(single_spaced).collect();
        // RFC 1995: the new SOA at both ends, and for each version the old SOA before what goes, the new one before
        // what comes.
        let inner = lines.get(1..lines.len().saturating_sub(1)).unwrap_or_default();
        let mut versions: Vec<Version> = Vec::new();
        let mut comes = true;
        for line in inner {
            if line.contains(" IN SOA ") {
                comes = !comes;
                if !comes {
                    versions.push(Version::default());
                }
                continue;
            }
            let version = versions.last_mut().unwrap_or_else(|| panic!("not incremental:\n{answer}"));
            if comes { &mut version.gained } else { &mut version.lost }.push(line.clone());
        }
        versions
    }

    pub(crate) fn serial(&self) -> u32 {
        NameServer::serial(self)
    }

    pub(crate) fn log(&self) -> String {
        NameServer::log(self)
    }

    /// Waits until it has read what was sent to it to the end: it then closes connections that the other side has closed.
    pub(crate) fn wait_until_nobody_is_connected(&self) {
        let port = format!(":{:04X}", self.address.port());
        let is_open = |line: &str| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, state) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
            local.ends_with(&port) && !matches!(state, "06" | "0A") // TIME_WAIT and LISTEN
        };
        let is_quiet = || {
            let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
            (!sockets.lines().skip(1).any(is_open)).then_some(())
        };
        assert!(poll(START_LIMIT, is_quiet).is_some(), "somebody stays connected:\n{}", self.log());
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("server.log")
    }

    fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// The version is asked too, so that no other process on the port is taken for ours.
    fn is_serving(&self) -> bool {
        self.dig(&["+short", "+time=1", "version.bind", "CH", "TXT"]).contains(&self.token)
            && self.zones.iter().all(|zone| !self.dig(&["+short", "+time=1", zone, "SOA"]).is_empty())
    }
}

impl NameServer for Named {
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
        self.child.as_ref().map(Child::id)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.stop();
    }
}
