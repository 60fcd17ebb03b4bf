//! Servers that a zone has beside its primary: secondaries, resolvers, and what forwards one transport only.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{find, poll, run, unconfined_named};

const PACKAGES: &str = "bind9 bind9-dnsutils";

/// An address of the loopback network, and the port of DNS.
pub(crate) fn at(last: u8) -> SocketAddr {
    (IpAddr::from(Ipv4Addr::new(127, 0, 0, last)), 53).into()
}

/// A BIND whose configuration is the test's, killed when dropped.
pub(crate) struct Bind {
    child: Child,
    _directory: TempDir,
}

impl Bind {
    /// Starts it, and waits until it answers. `files` are in its directory.
    pub(crate) fn start(address: SocketAddr, options: &str, rest: &str, files: &[(&str, &str)]) -> Self {
        // BIND listens on addresses that an interface has, and lo has but one. Inside a private network it can be told.
        let alias = format!("{}/32", address.ip());
        let added = run(Command::new(find("ip", "iproute2")).args(["address", "add", &alias, "dev", "lo"]), "");
        assert_eq!(added.code, 0, "{added:?}");
        let directory = TempDir::with_prefix("srvctl-bind-").unwrap();
        let (ip, port, path) = (address.ip(), address.port(), directory.path().display());
        let text = format!(
            "controls {{ }};\noptions {{ directory \"{path}\"; pid-file none; session-keyfile \"{path}/session.key\"; \
             listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }}; dnssec-validation no; notify no; \
             version \"other\"; {options} }};\n{rest}\n"
        );
        fs::write(directory.path().join("named.conf"), text).unwrap();
        for (file, text) in files {
            fs::write(directory.path().join(file), text).unwrap();
        }
        let log = File::create(directory.path().join("named.log")).unwrap();
        let mut command = Command::new(unconfined_named(&find("named", PACKAGES)));
        command.args(["-g", "-n", "1", "-c"]).arg(directory.path().join("named.conf"));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let bind = Self { child: command.spawn().unwrap(), _directory: directory };
        wait_for(address, "version.bind", &["CH", "TXT"], "other");
        bind
    }

    /// A secondary of the test's zone that hears of changes as the primary's configuration says.
    pub(crate) fn secondary(address: SocketAddr, key: &str, zone_options: &str) -> Self {
        let rest = format!(
            "{key}\nzone \"internal.local\" {{ type secondary; primaries {{ 127.0.0.1 key \"srvctl-test\"; }}; \
             file \"zone\"; allow-notify {{ any; }}; {zone_options} }};"
        );
        let bind = Self::start(address, "recursion no;", &rest, &[]);
        wait_for(address, "internal.local", &["SOA"], "hostmaster");
        bind
    }

    /// A server that has something of its own for the test's zone.
    pub(crate) fn apart(address: SocketAddr, serial: u32, records: &str) -> Self {
        let zone = format!(
            "$TTL 60\n@ IN SOA ns1 hostmaster {serial} 3600 600 604800 60\n@ IN NS ns1\nns1 IN A 127.0.0.1\n{records}\n"
        );
        let rest = "zone \"internal.local\" { type primary; file \"zone\"; };";
        Self::start(address, "recursion no;", rest, &[("zone", &zone)])
    }

    /// A resolver that asks the primary.
    pub(crate) fn resolver(address: SocketAddr, options: &str) -> Self {
        let rest = "zone \"internal.local\" { type forward; forward only; forwarders { 127.0.0.1; }; };";
        Self::start(address, &format!("recursion yes; {options}"), rest, &[])
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until the answer has this word.
pub(crate) fn wait_for(server: SocketAddr, name: &str, arguments: &[&str], word: &str) {
    let asked = || {
        let mut command = Command::new(find("dig", PACKAGES));
        command.args([&format!("@{}", server.ip()), "-p", &server.port().to_string(), "+tries=1", "+time=1", "+short"]);
        run(command.arg(name).args(arguments), "").stdout
    };
    let found = poll(Duration::from_secs(30), || asked().contains(word).then_some(()));
    assert!(found.is_some(), "{server} does not say {word} about {name}: {}", asked());
}

/// Passes datagrams on, and refuses connections: what a firewall without a rule for TCP is.
pub(crate) fn udp_only(address: SocketAddr, server: SocketAddr) {
    let socket = UdpSocket::bind(address).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let upstream = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            upstream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            upstream.send_to(&buffer[..length], server).unwrap();
            if let Ok(length) = upstream.recv(&mut buffer) {
                let _ = socket.send_to(&buffer[..length], client);
            }
        }
    });
}

/// Passes connections on, and has nothing for datagrams.
pub(crate) fn tcp_only(address: SocketAddr, server: SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let Ok(mut upstream) = TcpStream::connect(server) else { continue };
            let (mut back, mut there) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut client, &mut there));
            thread::spawn(move || io::copy(&mut upstream, &mut back));
        }
    });
}

/// Passes connections on, and closes those that ask for what has changed.
pub(crate) fn without_ixfr(address: SocketAddr, server: SocketAddr) {
    const QUESTION: [u8; 4] = [0, 251, 0, 1];
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let Ok(mut upstream) = TcpStream::connect(server) else { continue };
            let (mut back, mut there) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            thread::spawn(move || {
                let mut buffer = vec![0; 65536];
                while let Ok(length @ 1..) = client.read(&mut buffer) {
                    if buffer[..length].windows(4).any(|bytes| bytes == QUESTION) {
                        break;
                    }
                    there.write_all(&buffer[..length]).unwrap();
                }
                let _ = client.shutdown(Shutdown::Both);
                let _ = there.shutdown(Shutdown::Both);
            });
            thread::spawn(move || io::copy(&mut upstream, &mut back));
        }
    });
}
