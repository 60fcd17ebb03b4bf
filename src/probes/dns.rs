//! A check that is a question to a name server: over UDP, and over TCP when the answer does not fit.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::Tools;
use super::connect::{connect, explain};
use super::outcome::{Outcome, Said, Stop, is_ours};
use super::progress::Step;
use super::target::Filled;
use crate::model::health::DnsCheck;
use crate::model::{Name, RecordType};
use crate::protocol::rcode::Rcode;
use crate::protocol::wire::{self, Message};

/// When a question is asked again at the latest: a datagram may get lost, and that is nobody's failure.
const PATIENCE: Duration = Duration::from_secs(1);
/// Questions are asked so many times within a check's limit.
const TRIES: u32 = 3;
/// The answer's size that every network carries (RFC 6891 section 6.2.5, as the DNS flag day of 2020 has it).
const UDP_SIZE: u16 = 1232;

/// No datagram is longer that comes in answer to such a question.
const LONGEST: usize = 4096;

/// Asks, and wants a record of the type.
pub(super) async fn check(check: &DnsCheck, filled: &Filled<'_>, tools: &Tools<'_>) -> Outcome {
    let (host, port) = match &check.server {
        Some(server) => (server.host.clone(), server.port),
        None => (filled.host.clone(), filled.port),
    };
    let addresses = filled.addresses(&host, tools.resolver, &tools.progress).await?;
    let mut last = Stop::failing("the server has no address");
    for (index, &ip) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = tools.deadline.saturating_duration_since(Instant::now()) / left;
        let server = SocketAddr::new(ip, port);
        match timeout_at(Instant::now() + share, ask(check, server, share, tools)).await {
            Ok(Ok(answer)) => return Ok(judge(&answer, &check.name, check.record)),
            Ok(Err(stop)) => last = stop,
            Err(_) if left == 1 => std::future::pending().await, // the whole check's limit says it
            Err(_) => last = Stop::failing(format!("no answer from {server}")),
        }
    }
    tools.resolver.forget(&host);
    Err(last)
}

async fn ask(check: &DnsCheck, server: SocketAddr, share: Duration, tools: &Tools<'_>) -> Result<Message, Stop> {
    let question = wire::query(rand::random(), &check.name, check.record, true, Some(UDP_SIZE));
    tools.progress.at(Step::Waiting(server));
    let answer = over_udp(&question, server, share).await?;
    if !answer.header.is_truncated() {
        return Ok(answer);
    }
    let (mut stream, _) = connect(&[server.ip()], server.port(), tools.deadline, &tools.progress).await?;
    tools.progress.at(Step::Waiting(server));
    let broken = |error| Stop::failing(format!("no answer from {server} over TCP: {}", explain(&error)));
    let mut framed = u16::try_from(question.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
    framed.extend_from_slice(&question);
    stream.write_all(&framed).await.map_err(broken)?;
    let length = stream.read_u16().await.map_err(broken)?;
    let mut bytes = vec![0; length.into()];
    stream.read_exact(&mut bytes).await.map_err(broken)?;
    answer_to(&question, &bytes).ok_or_else(|| Stop::failing(format!("{server} answers something else over TCP")))
}

async fn over_udp(question: &[u8], server: SocketAddr, share: Duration) -> Result<Message, Stop> {
    let broken = |error: std::io::Error| {
        if is_ours(&error) {
            return Stop::ours(format!("no question can be asked: {error}"));
        }
        Stop::failing(format!("no answer from {server}: {}", explain(&error)))
    };
    let any: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind((any, 0)).await.map_err(broken)?;
    // Only what comes from there is received.
    socket.connect(server).await.map_err(broken)?;
    let patience = PATIENCE.min(share / TRIES);
    let mut bytes = vec![0; LONGEST];
    for _ in 0..TRIES {
        socket.send(question).await.map_err(broken)?;
        let again = Instant::now() + patience;
        while let Ok(received) = timeout_at(again, socket.recv(&mut bytes)).await {
            let length = received.map_err(broken)?;
            // Whatever is no answer to this question is no answer.
            if let Some(answer) = answer_to(question, &bytes[..length]) {
                return Ok(answer);
            }
        }
    }
    std::future::pending().await
}

fn answer_to(question: &[u8], answer: &[u8]) -> Option<Message> {
    let (asked, answer) = (Message::parse(question).ok()?, Message::parse(answer).ok()?);
    let same = answer.header.id == asked.header.id && answer.header.is_response();
    // Servers that understand nothing repeat no question.
    (same && (answer.questions == asked.questions || answer.questions.is_empty())).then_some(answer)
}

fn judge(answer: &Message, name: &Name, record_type: RecordType) -> Said {
    let rcode = Rcode(answer.rcode());
    let count = answer.answers.iter().filter(|record| record.record_type() == record_type).count();
    match (rcode, count) {
        (Rcode::NOERROR, 0) => Said::failing(format!("no {record_type} record at {name}")),
        (Rcode::NOERROR, 1) => Said::passing(format!("1 {record_type} record at {name}")),
        (Rcode::NOERROR, count) => Said::passing(format!("{count} {record_type} records at {name}")),
        (rcode, _) => Said::failing(format!("{rcode} for {record_type} {name}")),
    }
}
