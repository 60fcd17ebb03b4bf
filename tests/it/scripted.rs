//! DNS servers on loopback that do what a test tells them, and remember what they were asked.
//!
//! Several servers of a test share one port on 127.0.0.2, 127.0.0.3 …, as the servers of a resolv.conf do.

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use srvctl::model::{DNS_PORT, Name, Rdata, RecordType, Server, Srv};
use srvctl::protocol::lookup::Transport;
use srvctl::protocol::wire::{self, CLASS_IN, Header, Message, Question, RecordRef};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// One query, as a server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// How it came.
    pub(crate) transport: Transport,
    /// Whether it had an OPT record.
    pub(crate) opt: bool,
    /// Its ID.
    pub(crate) id: u16,
    /// Its question.
    pub(crate) question: Question,
    /// All of it.
    pub(crate) bytes: Vec<u8>,
}

/// What a server sends for one query: messages, one after the other. None at all is silence.
pub(crate) type Script = Box<dyn Fn(&Query) -> Vec<Vec<u8>> + Send + Sync>;

/// What a server has on its port.
pub(crate) enum Service {
    /// UDP and TCP, answering by the script.
    Scripted(Script),
    /// UDP only: TCP connections are refused.
    UdpOnly(Script),
    /// Nothing at all: datagrams are answered by ICMP "port unreachable".
    Unreachable,
    /// TCP connections are accepted, their query read, and closed after these bytes; over UDP it answers TC.
    Raw(Vec<u8>),
    /// Replies with a wrong ID, over UDP, without end.
    Flood,
}

/// Answers by a script.
pub(crate) fn scripted(script: impl Fn(&Query) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Service {
    Service::Scripted(Box::new(script))
}

/// Sends one reply per query.
pub(crate) fn replying(script: impl Fn(&Query) -> Reply + Send + Sync + 'static) -> Service {
    scripted(move |query| vec![script(query).bytes()])
}

/// A good server, which offers `host-1:8080`.
pub(crate) fn good() -> Service {
    replying(|query| query.reply().srv("host-1.internal.local.", 8080))
}

/// A server that always has the same response code, and nothing else.
pub(crate) fn always(rcode: u16) -> Service {
    replying(move |query| query.reply().rcode(rcode))
}

/// The servers of one test. They end with it.
pub(crate) struct Servers {
    /// Where they listen.
    pub(crate) addresses: Vec<SocketAddr>,
    seen: Vec<Arc<Mutex<Vec<Query>>>>,
    tasks: JoinSet<()>,
    /// Sockets that keep a port from being used by anybody.
    held: Vec<Box<dyn Any + Send>>,
}

struct Sockets {
    udp: UdpSocket,
    tcp: TcpSocket,
}

impl Servers {
    /// Starts servers on 127.0.0.2, 127.0.0.3 … and a port that is free on all of them.
    pub(crate) async fn start(services: impl IntoIterator<Item = Service>) -> Self {
        let services: Vec<_> = services.into_iter().collect();
        let last = u8::try_from(services.len()).unwrap() + 1;
        let addresses: Vec<_> = (2..=last).map(|last| Ipv4Addr::new(127, 0, 0, last).into()).collect();
        Self::start_at(&addresses, services).await
    }

    /// Starts servers on the given addresses and a port that is free on all of them.
    pub(crate) async fn start_at(addresses: &[IpAddr], services: impl IntoIterator<Item = Service>) -> Self {
        Self::serve_all(bind_all(addresses).await, services).await
    }

    /// Starts servers on 127.0.0.2, 127.0.0.3 … and the port that a resolv.conf means: for a private network.
    pub(crate) async fn start_on_port_53(services: impl IntoIterator<Item = Service>) -> Self {
        let services: Vec<_> = services.into_iter().collect();
        let last = u8::try_from(services.len()).unwrap() + 1;
        let addresses: Vec<_> = (2..=last).map(|last| Ipv4Addr::new(127, 0, 0, last).into()).collect();
        Self::serve_all(try_bind(&addresses, DNS_PORT).await.unwrap(), services).await
    }

    async fn serve_all(sockets: Vec<Sockets>, services: impl IntoIterator<Item = Service>) -> Self {
        let addresses = sockets.iter().map(|sockets| sockets.udp.local_addr().unwrap()).collect();
        let mut servers = Self { addresses, seen: Vec::new(), tasks: JoinSet::new(), held: Vec::new() };
        for (sockets, service) in sockets.into_iter().zip(services) {
            servers.serve(sockets, service).await;
        }
        servers
    }

    async fn serve(&mut self, sockets: Sockets, service: Service) {
        let seen = Arc::<Mutex<Vec<Query>>>::default();
        self.seen.push(Arc::clone(&seen));
        let Sockets { udp, tcp } = sockets;
        match service {
            Service::Scripted(script) => {
                let script = Arc::new(script);
                self.tasks.spawn(serve_udp(udp, Arc::clone(&seen), Arc::clone(&script)));
                self.tasks.spawn(serve_tcp(tcp.listen(16).unwrap(), seen, script));
            }
            Service::UdpOnly(script) => {
                self.tasks.spawn(serve_udp(udp, seen, Arc::new(script)));
                self.held.push(Box::new(tcp)); // bound but not listening: refused
            }
            Service::Unreachable => {
                // Connected to itself, it takes nobody else's datagrams, and nobody else gets the port.
                udp.connect(udp.local_addr().unwrap()).await.unwrap();
                self.held.push(Box::new((udp, tcp)));
            }
            Service::Raw(bytes) => {
                let truncated: Script = Box::new(|query| vec![query.reply().truncated().bytes()]);
                self.tasks.spawn(serve_udp(udp, Arc::clone(&seen), Arc::new(truncated)));
                self.tasks.spawn(serve_raw(tcp.listen(16).unwrap(), seen, bytes));
            }
            Service::Flood => {
                self.tasks.spawn(flood(udp, seen));
                self.held.push(Box::new(tcp));
            }
        }
    }

    /// The servers, as a lookup wants them.
    pub(crate) fn list(&self) -> Vec<Server> {
        self.addresses.iter().copied().map(Server::from).collect()
    }

    /// The port that they share.
    pub(crate) fn port(&self) -> u16 {
        self.addresses[0].port()
    }

    /// The `nameserver` lines of a resolv.conf that names them.
    pub(crate) fn nameserver_lines(&self) -> String {
        let lines: Vec<_> = self.addresses.iter().map(|address| format!("nameserver {}\n", address.ip())).collect();
        lines.concat()
    }

    /// What a server was asked so far.
    pub(crate) fn seen(&self, server: usize) -> Vec<Query> {
        self.seen[server].lock().unwrap().clone()
    }

    /// The same, as transports and OPT: `"UDP+OPT"`, `"TCP"`.
    pub(crate) fn asked(&self, server: usize) -> Vec<String> {
        let shown = |query: &Query| format!("{}{}", query.transport, if query.opt { "+OPT" } else { "" });
        self.seen(server).iter().map(shown).collect()
    }
}

async fn bind_all(addresses: &[IpAddr]) -> Vec<Sockets> {
    for _ in 0..100 {
        if let Some(sockets) = try_bind(addresses, 0).await {
            return sockets;
        }
    }
    panic!("no port is free on all of {addresses:?}");
}

async fn try_bind(addresses: &[IpAddr], mut port: u16) -> Option<Vec<Sockets>> {
    let mut all = Vec::new();
    for &address in addresses {
        let udp = UdpSocket::bind((address, port)).await.ok()?;
        port = udp.local_addr().unwrap().port();
        let tcp = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
        tcp.bind((address, port).into()).ok()?;
        all.push(Sockets { udp, tcp });
    }
    Some(all)
}

type Seen = Arc<Mutex<Vec<Query>>>;

fn note(seen: &Seen, transport: Transport, bytes: &[u8]) -> Query {
    let message = Message::parse(bytes).unwrap();
    let query = Query {
        transport,
        opt: message.opt().is_some(),
        id: message.header.id,
        question: message.questions[0].clone(),
        bytes: bytes.to_vec(),
    };
    seen.lock().unwrap().push(query.clone());
    query
}

async fn serve_udp(socket: UdpSocket, seen: Seen, script: Arc<Script>) {
    let mut buffer = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let query = note(&seen, Transport::Udp, &buffer[..length]);
        for message in script(&query) {
            socket.send_to(&message, from).await.unwrap();
        }
    }
}

async fn flood(socket: UdpSocket, seen: Seen) {
    let mut buffer = [0; 4096];
    let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
    let query = note(&seen, Transport::Udp, &buffer[..length]);
    let wrong = query.reply().id(query.id ^ 1).bytes();
    // Ends with the test, at the latest.
    while socket.send_to(&wrong, from).await.is_ok() {}
}

async fn serve_tcp(listener: TcpListener, seen: Seen, script: Arc<Script>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let Some(bytes) = read_framed(&mut stream).await else { continue };
        let query = note(&seen, Transport::Tcp, &bytes);
        for message in script(&query) {
            let length = u16::try_from(message.len()).unwrap();
            // Whoever has what it wants may close before the last message.
            let _ = stream.write_all(&[&length.to_be_bytes()[..], &message].concat()).await;
        }
        // Stays open, silent, until the other side gives up.
        let _ = stream.read_u8().await;
    }
}

async fn serve_raw(listener: TcpListener, seen: Seen, reply: Vec<u8>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let Some(bytes) = read_framed(&mut stream).await else { continue };
        note(&seen, Transport::Tcp, &bytes);
        stream.write_all(&reply).await.unwrap();
    }
}

async fn read_framed(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = stream.read_u16().await.ok()?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}

impl Query {
    /// An honest, empty reply, to be made worse.
    pub(crate) fn reply(&self) -> Reply {
        Reply { id: self.id, flags: 0x8180, question: self.question.clone(), answers: vec![], additionals: vec![] }
    }
}

/// A reply under construction.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    id: u16,
    flags: u16,
    question: Question,
    answers: Vec<(Name, Rdata)>,
    additionals: Vec<(Name, Rdata, u32)>,
}

impl Reply {
    /// With another ID.
    pub(crate) fn id(mut self, id: u16) -> Self {
        self.id = id;
        self
    }

    /// With a response code; its upper bits go into an OPT record.
    pub(crate) fn rcode(mut self, rcode: u16) -> Self {
        self.flags |= rcode & 0xf;
        if rcode > 0xf {
            let opt = Rdata::from_wire(RecordType::OPT, []);
            self.additionals.push((Name::root(), opt, u32::from(rcode >> 4) << 24));
        }
        self
    }

    /// With TC.
    pub(crate) fn truncated(mut self) -> Self {
        self.flags |= 0x0200;
        self
    }

    /// Neither authoritative nor recursive: what a lame server says.
    pub(crate) fn lame(mut self) -> Self {
        self.flags &= !0x0480;
        self
    }

    /// To another question.
    pub(crate) fn question(mut self, name: &str) -> Self {
        self.question.name = name.parse().unwrap();
        self
    }

    /// With an SRV record in the answer section, owned by the question's name.
    pub(crate) fn srv(self, target: &str, port: u16) -> Self {
        let target = target.parse().unwrap();
        self.answer(Rdata::srv(&Srv { priority: 10, weight: 10, port, target }))
    }

    /// With any record in the answer section, owned by the question's name.
    pub(crate) fn answer(mut self, rdata: Rdata) -> Self {
        self.answers.push((self.question.name.clone(), rdata));
        self
    }

    /// With the answers moved to the additional section.
    pub(crate) fn all_additional(mut self) -> Self {
        self.additionals.extend(self.answers.drain(..).map(|(name, rdata)| (name, rdata, 5)));
        self
    }

    /// The wire format, cut so that the last answer's target, if it lies in `internal.local.` and so does the
    /// question's name, ends in a pointer to there.
    pub(crate) fn compressed(&self) -> Vec<u8> {
        let zone: Name = "internal.local.".parse().unwrap();
        let mut bytes = self.bytes();
        let tail = zone.len();
        bytes.truncate(bytes.len() - tail);
        let at = wire::HEADER_LEN + self.question.name.len() - tail;
        bytes.extend([0xc0, u8::try_from(at).unwrap()]);
        let target = self.answers.last().unwrap().1.as_srv().unwrap().target.len() - tail + 2;
        let length_at = bytes.len() - target - 6 - 1;
        bytes[length_at] -= u8::try_from(tail - 2).unwrap();
        bytes
    }

    /// The wire format.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let count = |length: usize| u16::try_from(length).unwrap();
        let counts = [1, count(self.answers.len()), 0, count(self.additionals.len())];
        let mut out = Vec::new();
        wire::write_header(&mut out, Header { id: self.id, flags: self.flags, counts });
        let zone = &self.question.name;
        wire::write_question(&mut out, zone, self.question.record_type);
        let answers = self.answers.iter().map(|(name, rdata)| (name, rdata, 5));
        for (name, rdata, ttl) in answers.chain(self.additionals.iter().map(|(name, rdata, ttl)| (name, rdata, *ttl))) {
            let record_type = rdata.record_type();
            let record = RecordRef { name, record_type, class: CLASS_IN, ttl, rdata: rdata.as_wire() };
            wire::write_record(&mut out, zone, &record);
        }
        out
    }
}
