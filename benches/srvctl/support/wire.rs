//! The few DNS messages that the harness sends and reads itself: quickly, and without the library under test.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

const CLASS_IN: u16 = 1;
const CLASS_NONE: u16 = 254;
const TYPE_SOA: u16 = 6;
const TYPE_SRV: u16 = 33;
const OPCODE_UPDATE: u16 = 5 << 11;
const HEADER: usize = 12;
const PATIENCE: Duration = Duration::from_secs(2);

/// An SRV record of priority 0; names without the final dot.
#[derive(Debug, Clone)]
pub(crate) struct Srv {
    pub(crate) owner: String,
    pub(crate) ttl: u32,
    pub(crate) weight: u16,
    pub(crate) port: u16,
    pub(crate) target: String,
}

impl Srv {
    /// The record for `nsupdate`.
    pub(crate) fn line(&self) -> String {
        let Self { owner, ttl, weight, port, target } = self;
        format!("{owner}. {ttl} IN SRV 0 {weight} {port} {target}.")
    }
}

/// Asks one server over UDP.
pub(crate) struct Client {
    socket: UdpSocket,
    next_id: u16,
}

impl Client {
    /// From any free port.
    pub(crate) fn to(server: SocketAddr) -> Self {
        Self::from(SocketAddr::from(([127, 0, 0, 1], 0)), server)
    }

    pub(crate) fn from(local: SocketAddr, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind(local).unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, next_id: 1 }
    }

    /// The answer's message; none when none comes.
    pub(crate) fn soa(&mut self, zone: &str) -> Option<Vec<u8>> {
        self.exchange(&query(zone, TYPE_SOA))
    }

    pub(crate) fn srv(&mut self, name: &str) -> Option<Vec<u8>> {
        self.exchange(&query(name, TYPE_SRV))
    }

    /// Deletes one record by an unsigned update; the server's answer code.
    pub(crate) fn delete(&mut self, zone: &str, srv: &Srv) -> Option<u8> {
        let answer = self.exchange(&deletion(zone, srv))?;
        Some(answer[3] & 15)
    }

    fn exchange(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let id = self.next_id.to_be_bytes();
        self.next_id = self.next_id.wrapping_add(1);
        self.socket.send(&[&id, &message[2..]].concat()).ok()?;
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer).ok()?;
            if length >= HEADER && buffer[..2] == id {
                return Some(buffer[..length].to_vec());
            }
        }
    }
}

/// Records in the answer section.
pub(crate) fn answer_count(message: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([message[6], message[7]]))
}

/// The serial in an answer to an SOA query, or in a NOTIFY; both have one question and the SOA record behind it.
pub(crate) fn serial(message: &[u8]) -> Option<u32> {
    let question = skip_name(message, HEADER)? + 4;
    let record = skip_name(message, question)?;
    let length = usize::from(u16::from_be_bytes(message.get(record + 8..record + 10)?.try_into().ok()?));
    let end = record + 10 + length;
    // Serial, refresh, retry, expire and minimum end the data.
    let serial = message.get(end.checked_sub(20)?..end - 16)?;
    (answer_count(message) > 0).then(|| u32::from_be_bytes(serial.try_into().unwrap()))
}

/// Where the name at this place ends.
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length if length >= 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

fn query(name: &str, record_type: u16) -> Vec<u8> {
    let mut message = header(0, 1, 0);
    push_name(&mut message, name);
    push_words(&mut message, &[record_type, CLASS_IN]);
    message
}

/// RFC 2136 section 2.5.4: class NONE and TTL 0 delete this very record.
fn deletion(zone: &str, srv: &Srv) -> Vec<u8> {
    let mut message = header(OPCODE_UPDATE, 1, 1);
    push_name(&mut message, zone);
    push_words(&mut message, &[TYPE_SOA, CLASS_IN]);
    push_name(&mut message, &srv.owner);
    push_words(&mut message, &[TYPE_SRV, CLASS_NONE, 0, 0]);
    let mut rdata = Vec::new();
    push_words(&mut rdata, &[0, srv.weight, srv.port]);
    push_name(&mut rdata, &srv.target);
    push_words(&mut message, &[u16::try_from(rdata.len()).unwrap()]);
    message.extend(rdata);
    message
}

/// With as many questions (or zones) and authority records (or updates). The ID comes when it is sent.
fn header(flags: u16, questions: u16, authorities: u16) -> Vec<u8> {
    let mut message = Vec::new();
    push_words(&mut message, &[0, flags, questions, 0, authorities, 0]);
    message
}

fn push_words(message: &mut Vec<u8>, words: &[u16]) {
    message.extend(words.iter().flat_map(|word| word.to_be_bytes()));
}

fn push_name(message: &mut Vec<u8>, name: &str) {
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
}
