//! A zone's SOA record, from any server: which version of the zone it answers from, and how long caches keep a "no".

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection;
use super::error::DnsError;
use super::lookup::connect_udp;
use crate::model::{Name, RecordType, Server};
use crate::protocol::rcode::Rcode;
use crate::protocol::wire::{self, Message};

const ASKING: &str = "asking for the zone's SOA record";
/// How long one server may take, over all its addresses and both transports.
const LIMIT: Duration = Duration::from_secs(2);
/// A datagram that got no answer is sent once more: the loss of one shall not look like a dead server.
const AGAIN: Duration = Duration::from_millis(800);
/// No answer with one SOA record needs more without EDNS (RFC 1035 section 4.2.1).
const UDP_LIMIT: usize = 512;

/// What a server says about a zone's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoaAnswer {
    /// The serial; RFC 1982 arithmetic applies, see [`crate::model::Serial`].
    pub serial: u32,
    /// AA: the server has the zone itself. Without it the answer may come from a cache, as old as that is.
    pub authoritative: bool,
    /// REFRESH, seconds: after so long a secondary asks its primary by itself, NOTIFY or not.
    pub refresh: u32,
    /// How long a resolver may keep the answer that a name or a type does not exist, seconds: MINIMUM, or the record's
    /// own TTL when that is shorter (RFC 2308 section 5).
    pub negative_ttl: u32,
}

/// Asks a server for a zone's SOA record: unsigned, over UDP, and over TCP when the answer was cut.
///
/// Recursion is asked for, so that a resolver answers too; only [`SoaAnswer::authoritative`] ones say what the server
/// itself holds. Each of the server's addresses is tried until one answers; they share the two seconds.
///
/// # Errors
/// When no answer comes in time, or one without the zone's SOA record.
pub async fn soa(server: &Server, zone: &Name) -> Result<SoaAnswer, DnsError> {
    let addresses = connection::addresses(server).await?;
    let share = LIMIT / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut result = Err(failed(server, zone, "the server has no address".to_owned()));
    for address in addresses {
        result = match timeout(share, ask(address, zone)).await {
            Ok(Ok(message)) => read(&message, zone).map_err(|why| failed(server, zone, why)),
            Ok(Err(error)) => Err(failed(server, zone, error.to_string())),
            Err(_) => Err(DnsError::Timeout { server: server.clone(), doing: ASKING, limit: LIMIT }),
        };
        if result.is_ok() {
            break;
        }
    }
    result
}

fn failed(server: &Server, zone: &Name, why: String) -> DnsError {
    DnsError::Serial { zone: zone.clone(), server: server.clone(), why }
}

async fn ask(address: SocketAddr, zone: &Name) -> io::Result<Message> {
    let query = wire::query(rand::random(), zone, RecordType::SOA, true, None);
    let answer = over_udp(address, &query).await?;
    if answer.header.is_truncated() { over_tcp(address, &query).await } else { Ok(answer) }
}

async fn over_udp(address: SocketAddr, query: &[u8]) -> io::Result<Message> {
    let socket = connect_udp(address).await?;
    loop {
        socket.send(query).await?;
        let answered = timeout(AGAIN, async {
            let mut buffer = [0; UDP_LIMIT];
            loop {
                let length = socket.recv(&mut buffer).await?;
                // Anything else is somebody's forgery, or the answer to something else: the right one may still come.
                if let Some(answer) = answer_to(query, &buffer[..length]) {
                    return Ok(answer);
                }
            }
        });
        if let Ok(answer) = answered.await {
            return answer;
        }
    }
}

async fn over_tcp(address: SocketAddr, query: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(address).await?;
    let length = u16::try_from(query.len()).expect("a question is short");
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut bytes).await?;
    answer_to(query, &bytes).ok_or_else(|| io::Error::other("the answer over TCP is none to our question"))
}

/// The message, when it answers this query.
fn answer_to(query: &[u8], bytes: &[u8]) -> Option<Message> {
    let (query, answer) = (Message::parse(query).ok()?, Message::parse(bytes).ok()?);
    let belongs = answer.header.id == query.header.id && answer.header.is_response();
    // A server that cannot even read the question may leave it out (FORMERR).
    (belongs && (answer.questions == query.questions || answer.questions.is_empty())).then_some(answer)
}

fn read(answer: &Message, zone: &Name) -> Result<SoaAnswer, String> {
    let rcode = Rcode(answer.rcode());
    let soa = answer.answers.iter().find(|record| record.record_type() == RecordType::SOA && record.name == *zone);
    let numbers = soa.filter(|_| rcode == Rcode::NOERROR).and_then(|record| {
        let (rdata, ttl) = (&record.rdata, record.ttl);
        Some((rdata.soa_serial()?, rdata.soa_refresh()?, rdata.soa_minimum()?.min(ttl)))
    });
    let (serial, refresh, negative_ttl) =
        numbers.ok_or_else(|| format!("the answer has no SOA record of the zone ({rcode})"))?;
    Ok(SoaAnswer { serial, authoritative: answer.header.is_authoritative(), refresh, negative_ttl })
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, UdpSocket};

    use super::*;
    use crate::protocol::wire::{CLASS_IN, Header, RecordRef};

    fn zone() -> Name {
        "internal.local".parse().unwrap()
    }

    /// An answer to the query with these flags, and the zone's SOA record at a name.
    fn answer(query: &[u8], flags: u16, owner: &Name) -> Vec<u8> {
        let id = u16::from_be_bytes([query[0], query[1]]);
        let mut out = Vec::new();
        wire::write_header(&mut out, Header { id, flags, counts: [1, 1, 0, 0] });
        wire::write_question(&mut out, &zone(), RecordType::SOA);
        let mut soa = vec![0, 0];
        [7u32, 3600, 600, 604_800, 60].iter().for_each(|number| soa.extend(number.to_be_bytes()));
        let record = RecordRef { name: owner, record_type: RecordType::SOA, class: CLASS_IN, ttl: 30, rdata: &soa };
        wire::write_record(&mut out, &zone(), &record);
        out
    }

    /// Asks a scripted server: what it sends, over UDP, to the first query and to those that follow.
    async fn ask_scripted(reply: impl Fn(usize, &[u8]) -> Vec<Vec<u8>>) -> Result<SoaAnswer, String> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        let serve = async {
            let mut buffer = [0; 512];
            for round in 0.. {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                for datagram in reply(round, &buffer[..length]) {
                    socket.send_to(&datagram, from).await.unwrap();
                }
            }
        };
        let serve_tcp = async {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut query = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut query).await.unwrap();
                let reply = answer(&query, 0x8400, &zone());
                stream.write_u16(u16::try_from(reply.len()).unwrap()).await.unwrap();
                stream.write_all(&reply).await.unwrap();
            }
        };
        let (server, zone) = (Server::from(address), zone());
        tokio::select! {
            asked = soa(&server, &zone) => asked.map_err(|error| error.to_string()),
            () = serve => unreachable!(),
            () = serve_tcp => unreachable!(),
        }
    }

    const GOOD: SoaAnswer = SoaAnswer { serial: 7, authoritative: true, refresh: 3600, negative_ttl: 30 };

    #[tokio::test]
    async fn the_numbers_and_whether_they_are_its_own() {
        assert_eq!(ask_scripted(|_, query| vec![answer(query, 0x8400, &zone())]).await, Ok(GOOD));
        let cached = ask_scripted(|_, query| vec![answer(query, 0x8180, &zone())]).await;
        assert_eq!(cached, Ok(SoaAnswer { authoritative: false, ..GOOD }));
    }

    #[tokio::test]
    async fn a_cut_answer_is_fetched_over_tcp() {
        let asked = ask_scripted(|_, query| vec![answer(query, 0x8600, &"other".parse().unwrap())]).await;
        assert_eq!(asked, Ok(GOOD));
    }

    #[tokio::test]
    async fn strangers_datagrams_are_passed_over() {
        let strange = |_, query: &[u8]| {
            let mut other_id = answer(query, 0x8400, &zone());
            other_id[1] ^= 1;
            vec![vec![0; 3], other_id, query.to_vec(), answer(query, 0x8400, &zone())]
        };
        assert_eq!(ask_scripted(strange).await, Ok(GOOD));
    }

    #[tokio::test(start_paused = true)]
    async fn one_lost_datagram_is_no_dead_server_and_silence_has_an_end() {
        let lossy = |round, query: &[u8]| if round == 0 { vec![] } else { vec![answer(query, 0x8400, &zone())] };
        assert_eq!(ask_scripted(lossy).await, Ok(GOOD));
        let silent = ask_scripted(|_, _| vec![]).await.unwrap_err();
        assert!(silent.contains("did not answer within 2 s while asking for the zone's SOA record"), "{silent}");
    }

    #[tokio::test]
    async fn an_answer_without_the_zones_record_says_so() {
        for (flags, owner) in [(0x8405, "internal.local"), (0x8400, "local")] {
            let error = ask_scripted(|_, query| vec![answer(query, flags, &owner.parse().unwrap())]).await.unwrap_err();
            assert!(error.contains("has no SOA record of the zone (") && error.contains("127.0.0.1"), "{error}");
        }
    }
}
