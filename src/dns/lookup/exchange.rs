//! One exchange over sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::model::Server;
use crate::protocol::lookup::{
    DIAL_TIMEOUT, EXCHANGE_TIMEOUT, Exchange, Failure, Received, Response, Transport, UDP_PAYLOAD,
};
use crate::protocol::wire::MAX_MESSAGE;

/// Over a socket of its own.
pub(super) async fn carry_out(exchange: &Exchange) -> Result<Response, Failure> {
    match (exchange.limit(), exchange.via.transport) {
        (Some(limit), _) => within(limit, exchange).await,
        (None, Transport::Udp) => over_udp(exchange).await,
        (None, Transport::Tcp) => over_tcp(exchange).await,
    }
}

/// Connecting, sending and receiving under one deadline, as Go has it.
async fn within(limit: Duration, exchange: &Exchange) -> Result<Response, Failure> {
    let server = &exchange.via.server;
    let exchanging = async {
        match exchange.via.transport {
            Transport::Udp => exchange_datagrams(&connected(server, connect_udp).await?, exchange).await,
            Transport::Tcp => {
                let mut stream = connected(server, TcpStream::connect).await?;
                exchange_framed(&mut stream, &exchange.message).await.map(|bytes| exchange.receive(&bytes))
            }
        }
    };
    match timeout(limit, exchanging).await {
        Err(_elapsed) => Err(Failure::TimedOut(limit)),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Failure::Closed),
        Ok(received) => accept(received.map_err(|error| failed(&error))?),
    }
}

async fn over_udp(exchange: &Exchange) -> Result<Response, Failure> {
    let socket = udp_to(&exchange.via.server).await?;
    accept(within_deadline(exchange_datagrams(&socket, exchange)).await?)
}

/// A new socket, from a port that nobody can predict.
pub(super) async fn udp_to(server: &Server) -> Result<UdpSocket, Failure> {
    dial(server, connect_udp).await
}

/// Under one deadline for all of it: a flood of datagrams to be passed over must not outlast it.
async fn exchange_datagrams(socket: &UdpSocket, exchange: &Exchange) -> io::Result<Received> {
    socket.send(&exchange.message).await?;
    let mut buffer = [0; UDP_PAYLOAD as usize];
    let buffer = &mut buffer[..exchange.buffer()];
    loop {
        let length = socket.recv(buffer).await?;
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

async fn dial<T>(server: &Server, connect: impl AsyncFn(SocketAddr) -> io::Result<T>) -> Result<T, Failure> {
    match timeout(DIAL_TIMEOUT, connected(server, connect)).await {
        Err(_elapsed) => Err(Failure::DialTimeout),
        Ok(connected) => connected.map_err(|error| failed(&error)),
    }
}

/// Resolves the server's host, if it is a name, and connects to the first of its addresses that can be.
async fn connected<T>(server: &Server, connect: impl AsyncFn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the server's name has no address");
    for address in tokio::net::lookup_host((server.host.as_str(), server.port)).await? {
        match connect(address).await {
            Ok(connected) => return Ok(connected),
            Err(error) => last = error,
        }
    }
    Err(last)
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
