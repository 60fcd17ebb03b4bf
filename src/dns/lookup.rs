//! Carries out a lookup: moves the bytes that [`crate::protocol::lookup`] gives out, and nothing else.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

use crate::model::{DNS_PORT, RecordType, Server};
use crate::protocol::lookup::{
    Attempt, DEFAULT_NDOTS, DIAL_TIMEOUT, EXCHANGE_TIMEOUT, Exchange, Failure, Lookup, RESOLV_CONF, Received, Reply,
    ResolvConf, Response, Step, Transport, UDP_PAYLOAD, Unknown, Verdict,
};
use crate::protocol::wire::MAX_MESSAGE;

/// Whom a lookup asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolver {
    /// Whom Prometheus on this machine asks: the servers and search list of resolv.conf, read at every lookup.
    System,
    /// These servers in this order, without a search list.
    Servers(Vec<Server>),
}

/// How a lookup may differ from Prometheus'. The default is not to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Asks over TCP from the start.
    pub force_tcp: bool,
    /// The file that [`Resolver::System`] reads.
    pub resolv_conf: PathBuf,
    /// The port of the servers in that file.
    pub port: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self { force_tcp: false, resolv_conf: PathBuf::from(RESOLV_CONF), port: DNS_PORT }
    }
}

/// What a lookup found, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupReport {
    /// What it means to Prometheus.
    pub verdict: Verdict,
    /// Each attempt, in order, with the time that it took.
    pub attempts: Vec<Attempt>,
    /// How long all of it took.
    pub took: Duration,
}

impl LookupReport {
    /// The final reply, the server that sent it and the transport that it came over.
    pub fn reply(&self) -> Option<&Reply> {
        self.verdict.reply()
    }
}

/// Looks a name up as Prometheus does. It cannot fail: what went wrong is part of the report.
pub async fn lookup(resolver: &Resolver, name: &str, record_type: RecordType, options: Options) -> LookupReport {
    let started = Instant::now();
    let mut machine = match begin(resolver, name, record_type, &options).await {
        Ok(machine) if options.force_tcp => machine.over_tcp(),
        Ok(machine) => machine,
        Err(error) => {
            let reason = Unknown::NoResolvConf(error.to_string());
            let verdict = Verdict::Unknown { reason, reply: None };
            return LookupReport { verdict, attempts: Vec::new(), took: started.elapsed() };
        }
    };
    loop {
        match machine.next(rand::random()) {
            Step::Done(verdict) => {
                return LookupReport { verdict, attempts: machine.into_attempts(), took: started.elapsed() };
            }
            Step::Exchange(exchange) => {
                let began = Instant::now();
                let result = carry_out(&exchange).await;
                machine.finish(result, began.elapsed());
            }
        }
    }
}

async fn begin(resolver: &Resolver, name: &str, record_type: RecordType, options: &Options) -> io::Result<Lookup> {
    let conf = match resolver {
        Resolver::Servers(servers) => {
            return Ok(Lookup::new(servers.clone(), &[], DEFAULT_NDOTS, name, record_type));
        }
        Resolver::System => {
            let path = &options.resolv_conf;
            let with_path = |error: io::Error| io::Error::other(format!("{}: {error}", path.display()));
            let bytes = tokio::fs::read(path).await.map_err(with_path)?;
            ResolvConf::parse(&String::from_utf8_lossy(&bytes))
        }
    };
    let servers = conf.servers.into_iter().map(|host| Server::new(host, options.port)).collect();
    Ok(Lookup::new(servers, &conf.search, conf.ndots, name, record_type))
}

async fn carry_out(exchange: &Exchange) -> Result<Response, Failure> {
    match exchange.via.transport {
        Transport::Udp => over_udp(exchange).await,
        Transport::Tcp => over_tcp(exchange).await,
    }
}

async fn over_udp(exchange: &Exchange) -> Result<Response, Failure> {
    let socket = dial(&exchange.via.server, connect_udp).await?;
    accept(within_deadline(exchange_datagrams(&socket, exchange)).await?)
}

/// Under one deadline for all of it: a flood of datagrams to be passed over must not outlast it.
async fn exchange_datagrams(socket: &UdpSocket, exchange: &Exchange) -> io::Result<Received> {
    socket.send(&exchange.message).await?;
    let mut buffer = [0; UDP_PAYLOAD as usize];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match exchange.receive(&buffer[..length]) {
            Received::Ignore => {}
            decided => return Ok(decided),
        }
    }
}

/// Connected, so that an unreachable port is an error at once and strangers' datagrams never arrive.
async fn connect_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}

async fn over_tcp(exchange: &Exchange) -> Result<Response, Failure> {
    let mut stream = dial(&exchange.via.server, TcpStream::connect).await?;
    let bytes = within_deadline(exchange_framed(&mut stream, &exchange.message)).await?;
    accept(exchange.receive(&bytes))
}

fn accept(received: Received) -> Result<Response, Failure> {
    match received {
        Received::Reply(response) => Ok(response),
        Received::Failed(failure) => Err(failure),
        Received::Ignore => Err(Failure::Timeout), // nothing else is waited for
    }
}

/// One message each way, each behind its length (RFC 1035 section 4.2.2).
async fn exchange_framed(stream: &mut TcpStream, message: &[u8]) -> io::Result<Vec<u8>> {
    let length =
        u16::try_from(message.len()).map_err(|_| io::Error::other(format!("more than {MAX_MESSAGE} bytes")))?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    let mut reply = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut reply).await?;
    Ok(reply)
}

/// Resolves the server's host, if it is a name, and connects to the first of its addresses that can be.
async fn dial<T>(server: &Server, connect: impl AsyncFn(SocketAddr) -> io::Result<T>) -> Result<T, Failure> {
    let dialing = async {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the server's name has no address");
        for address in tokio::net::lookup_host((server.host.as_str(), server.port)).await? {
            match connect(address).await {
                Ok(connected) => return Ok(connected),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    match timeout(DIAL_TIMEOUT, dialing).await {
        Err(_elapsed) => Err(Failure::DialTimeout),
        Ok(connected) => connected.map_err(|error| failed(&error)),
    }
}

async fn within_deadline<T>(exchanging: impl Future<Output = io::Result<T>>) -> Result<T, Failure> {
    match timeout(EXCHANGE_TIMEOUT, exchanging).await {
        Err(_elapsed) => Err(Failure::Timeout),
        Ok(done) => done.map_err(|error| failed(&error)),
    }
}

fn failed(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Io("connection refused".to_owned()),
        io::ErrorKind::UnexpectedEof => Failure::Io("the connection was closed before a reply".to_owned()),
        _ => Failure::Io(error.to_string()),
    }
}
