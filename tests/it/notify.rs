//! NOTIFYs from a real BIND, and from senders that nobody should listen to.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use srvctl::dns::{Notice, NotifiedZone, NotifyListener, Sha1, TsigKey};
use srvctl::model::RecordType;
use srvctl::protocol::notify::{Refusal, opcode};
use srvctl::protocol::tsig::{BADKEY, BADSIG};
use srvctl::protocol::wire::{self, Header};
use tokio::runtime::{Builder, Runtime};

use crate::support::{Key, Named, find, free_address, run, runtime};

const ZONE: &str = "internal.local";
/// A zone that takes only signed messages.
const CLOSED: &str = "closed.local";
const LIMIT: Duration = Duration::from_secs(20);

/// A listener in a thread of its own, for two zones of the primary 127.0.0.1 with one key.
struct Listener {
    address: SocketAddr,
    key: Key,
    notices: Receiver<Notice>,
    _runtime: Runtime,
}

impl Listener {
    fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let key = Key::random("srvctl-test");
        let parsed = TsigKey::parse(&Arc::from("test.key"), &key.text(), Sha1::Refused).unwrap();
        let zone = |name: &str, requires_tsig| NotifiedZone {
            name: name.parse().unwrap(),
            senders: vec![IpAddr::from(Ipv4Addr::LOCALHOST)],
            keys: vec![parsed.clone()],
            requires_tsig,
        };
        let listener = runtime.block_on(NotifyListener::bind(free_address())).unwrap();
        let address = listener.address().unwrap();
        let (tell, notices) = channel();
        runtime.spawn(listener.listen(vec![zone(ZONE, false), zone(CLOSED, true)], move |notice| {
            let _ = tell.send(notice);
        }));
        Self { address, key, notices, _runtime: runtime }
    }

    fn next(&self) -> Notice {
        self.notices.recv_timeout(LIMIT).expect("a notice")
    }

    fn refusal(&self) -> Refusal {
        match self.next() {
            Notice::Refused { reason, .. } => reason,
            heard @ Notice::Heard { .. } => panic!("{heard:?}"),
        }
    }

    fn assert_silent(&self) {
        assert_eq!(self.notices.recv_timeout(Duration::from_millis(200)).ok(), None);
    }

    /// Until a zone's NOTIFY has come with this serial; others may come before.
    fn await_serial(&self, zone: usize, serial: u32) {
        while self.next() != (Notice::Heard { zone, serial: Some(serial) }) {}
    }

    /// What `dig` shows of the answer to a NOTIFY.
    fn dig(&self, arguments: &[&str], zone: &str) -> String {
        let mut command = Command::new(find("dig", "bind9-dnsutils"));
        command.args(["@127.0.0.1", "-p", &self.address.port().to_string(), "+opcode=NOTIFY", "+tries=1", "+time=5"]);
        run(command.args(arguments).args([zone, "SOA"]), "").stdout
    }

    fn dig_signed(&self, arguments: &[&str], key: &Key, zone: &str) -> String {
        let key = format!("{}:{}:{}", key.algorithm, key.name, key.secret);
        self.dig(&[arguments, &["-y", &key]].concat(), zone)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    fn assert_alive(&self) {
        assert!(self.dig(&[], ZONE).contains("status: NOERROR"));
        while self.next() != (Notice::Heard { zone: 0, serial: None }) {}
    }

    /// A BIND that has this key, whose zone sends its NOTIFYs here.
    fn named(&self, key: &Key, also_notify: &str) -> Named {
        let (port, name) = (self.address.port(), &key.name);
        let zone_options = format!(
            "allow-update {{ key \"{name}\"; }}; allow-transfer {{ key \"{name}\"; }}; notify explicit; \
             also-notify {{ 127.0.0.1 port {port} {also_notify}; }}; notify-delay 0;"
        );
        Named::builder().key(key.clone()).zone_options(&zone_options).start()
    }
}

/// A NOTIFY without signature and serial.
fn notify(zone: &str) -> Vec<u8> {
    let mut out = Vec::new();
    wire::write_header(&mut out, Header { id: 77, flags: 0x2400, counts: [1, 0, 0, 0] });
    wire::write_question(&mut out, &zone.parse().unwrap(), RecordType::SOA);
    out
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

fn answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).unwrap();
    message
}

#[test]
fn bind_tells_of_every_change() {
    for also_notify in ["", "key \"srvctl-test\""] {
        let listener = Listener::start();
        let named = listener.named(&listener.key, also_notify);
        listener.await_serial(0, 1);
        for change in 2..=20 {
            named.nsupdate(&format!("update add h{change}.{ZONE} 300 A 10.0.0.{change}"));
        }
        assert_eq!(named.serial(), 20);
        listener.await_serial(0, 20);
        listener.assert_silent();
    }
}

#[test]
fn a_signed_notify_counts_from_anywhere() {
    let listener = Listener::start();
    for (index, zone) in [(0, ZONE), (1, CLOSED)] {
        for arguments in [&[][..], &["+tcp"], &["-b", "127.0.0.2"], &["+tcp", "-b", "127.0.0.2"]] {
            let answer = listener.dig_signed(arguments, &listener.key, zone);
            assert!(answer.contains("opcode: NOTIFY, status: NOERROR"), "{answer}");
            assert!(answer.contains("flags: qr aa"), "{answer}");
            assert!(answer.contains("TSIG") && !answer.to_lowercase().contains("verify"), "{answer}");
            assert_eq!(listener.next(), Notice::Heard { zone: index, serial: None });
        }
    }
}

#[test]
fn an_unsigned_notify_counts_from_the_primary() {
    let listener = Listener::start();
    for arguments in [&[][..], &["+tcp"]] {
        assert!(listener.dig(arguments, ZONE).contains("status: NOERROR"));
        assert_eq!(listener.next(), Notice::Heard { zone: 0, serial: None });
        assert!(listener.dig(&[arguments, &["-b", "127.0.0.2"]].concat(), ZONE).contains("status: REFUSED"));
        assert_eq!(listener.refusal(), Refusal::Sender);
        assert!(listener.dig(arguments, CLOSED).contains("status: REFUSED"));
        assert_eq!(listener.refusal(), Refusal::Unsigned);
        assert!(listener.dig(arguments, "other.local").contains("status: NOTAUTH"));
        assert_eq!(listener.refusal(), Refusal::UnknownZone("other.local".parse().unwrap()));
    }
}

#[test]
fn a_wrong_key_is_refused_even_from_the_primary() {
    let listener = Listener::start();
    for (name, error, word) in [("srvctl-test", BADSIG, "BADSIG"), ("other", BADKEY, "BADKEY")] {
        for arguments in [&[][..], &["+tcp"]] {
            let answer = listener.dig_signed(arguments, &Key::random(name), ZONE);
            assert!(answer.contains("status: NOTAUTH") && answer.contains(word), "{answer}");
            assert_eq!(listener.refusal(), Refusal::Tsig(error));
        }
    }
}

#[test]
fn a_signing_bind_with_another_secret_is_refused() {
    let listener = Listener::start();
    let _named = listener.named(&Key::random("srvctl-test"), "key \"srvctl-test\"");
    assert_eq!(listener.refusal(), Refusal::Tsig(BADSIG));
}

#[test]
fn garbage_over_udp() {
    let listener = Listener::start();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(listener.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut response = notify(ZONE);
    response[2] |= 0x80;
    for silent in [&[][..], &[0; 11], &vec![0xff; 60_000], &response] {
        socket.send(silent).unwrap();
        assert!(socket.recv(&mut [0; 512]).is_err(), "an answer to {} bytes", silent.len());
    }
    listener.assert_silent();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    for (message, reason) in [
        (vec![0; 12], Refusal::OtherOpcode(0)),
        ([&notify(ZONE)[..6], &[0xff; 50]].concat(), Refusal::Malformed),
        (vec![0x24; 60_000], Refusal::Malformed),
    ] {
        socket.send(&message).unwrap();
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).unwrap();
        assert_eq!((&answer[..2], opcode(&answer[..length])), (&message[..2], None));
        assert_eq!(listener.refusal(), reason);
    }
    listener.assert_alive();
}

#[test]
fn senders_that_are_gone_do_not_end_it() {
    let listener = Listener::start();
    for _ in 0..50 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&notify(ZONE), listener.address).unwrap();
    }
    listener.assert_alive();
}

#[test]
fn garbage_over_tcp() {
    let listener = Listener::start();
    for unframed in [&[0, 0][..], &[0, 5, 1, 2, 3, 4, 5], &framed(&vec![0xff; 65_535])] {
        let mut stream = listener.connect();
        // It may be closed before all of it is taken.
        let _ = stream.write_all(unframed);
        assert!(matches!(stream.read(&mut [0; 512]), Ok(0) | Err(_)), "an answer to {} bytes", unframed.len());
    }
    let mut stream = listener.connect();
    stream.write_all(&framed(&vec![0x24; 65_535])).unwrap();
    assert_eq!(answer(&mut stream)[3] & 0xf, 1, "FORMERR");
    assert_eq!(stream.read(&mut [0; 512]).unwrap(), 0, "closed");
    assert_eq!(listener.refusal(), Refusal::Malformed);
    listener.assert_alive();
}

#[test]
fn several_messages_over_one_connection_and_a_bounded_number_of_connections() {
    let listener = Listener::start();
    let mut idle: Vec<_> = (0..16).map(|_| listener.connect()).collect();
    let mut talking = idle.pop().unwrap();
    for _ in 0..3 {
        talking.write_all(&framed(&notify(ZONE))).unwrap();
        assert_eq!(answer(&mut talking)[..4], [0, 77, 0xa4, 0]);
        assert_eq!(listener.next(), Notice::Heard { zone: 0, serial: None });
    }
    let mut waiting = listener.connect();
    waiting.write_all(&framed(&notify(ZONE))).unwrap();
    listener.assert_silent();
    listener.assert_alive(); // over UDP
    drop(talking);
    assert_eq!(answer(&mut waiting)[..4], [0, 77, 0xa4, 0]);
}

#[test]
fn a_taken_address_is_said() {
    let listener = Listener::start();
    let error = runtime().block_on(NotifyListener::bind(listener.address)).unwrap_err().to_string();
    assert!(error.contains(&listener.address.to_string()) && error.contains("notify_listen"), "{error}");
}
