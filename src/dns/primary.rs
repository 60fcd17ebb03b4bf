//! The zone's primary server: reading the zone, updating it, asking for its serial.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_net::client::{Client, ClientHandle};
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::udp::UdpClientStream;
use hickory_proto::rr::{DNSClass, RData};

use super::connection::{self, Connection, SILENCE_LIMIT};
use super::error::DnsError;
use super::key::TsigKey;
use super::push::Pushed;
use super::session::Session;
use super::transport::Transport;
use super::tsig::{Distrust, Signer, Verifier};
use crate::model::{Name, RecordType, Server, Zone};
use crate::protocol::rcode::Rcode;
use crate::protocol::update::NameUpdate;
use crate::protocol::wire::{self, Message};

const POLLING: &str = "asking for the zone's serial";

/// A zone and the server that takes its updates.
#[derive(Clone)]
pub struct Primary {
    zone: Name,
    server: Server,
    transport: Transport,
    patience: Duration,
    pub(super) updates: Signer,
    pub(super) transfers: Signer,
}

impl Primary {
    /// The primary of `zone`, spoken to with `key` over TCP.
    pub fn new(zone: Name, server: Server, key: &TsigKey) -> Self {
        let signer = Signer::new(key);
        let patience = SILENCE_LIMIT;
        Self { zone, server, transport: Transport::Tcp, patience, updates: signer.clone(), transfers: signer }
    }

    /// The same with another limit for how long the server may stay silent in an exchange.
    #[must_use]
    pub fn waiting(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same over another transport.
    #[must_use]
    pub fn over(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// The same with a key of its own for reading the zone.
    #[must_use]
    pub fn reading_with(self, key: &TsigKey) -> Self {
        Self { transfers: Signer::new(key), ..self }
    }

    /// The zone.
    pub fn zone(&self) -> &Name {
        &self.zone
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The whole zone, over a connection of its own; see [`Session::transfer`].
    ///
    /// # Errors
    /// As there.
    pub async fn transfer(&self) -> Result<Zone, DnsError> {
        Session::new(self.clone()).transfer().await
    }

    /// Sends updates, over a connection of its own; see [`Session::push`].
    ///
    /// # Errors
    /// As there.
    pub async fn push(&self, updates: &[NameUpdate]) -> Result<Pushed, DnsError> {
        Session::new(self.clone()).push(updates.iter().cloned()).await
    }

    pub(super) fn verified(
        &self,
        verifier: &mut Verifier,
        message: &[u8],
        doing: &'static str,
    ) -> Result<Vec<u8>, DnsError> {
        verifier.verify(message).map_err(|distrust| match distrust {
            Distrust::Tsig(problem) => verifier.error(&self.server, problem),
            Distrust::Wire(source) => self.unreadable(doing, source),
        })
    }

    pub(super) async fn connect(&self) -> Result<Connection, DnsError> {
        Connection::open(&self.server, &self.transport, self.patience).await
    }

    pub(super) fn unreadable(&self, doing: &'static str, source: wire::WireError) -> DnsError {
        DnsError::Unreadable { server: self.server.clone(), doing, source }
    }

    /// The server's addresses.
    ///
    /// # Errors
    /// When its name cannot be resolved.
    pub async fn addresses(&self) -> Result<Vec<IpAddr>, DnsError> {
        Ok(connection::addresses(&self.server).await?.into_iter().map(|address| address.ip()).collect())
    }

    /// The zone's serial: a hint whether reading the zone is worth it. By an unsigned query over UDP; where TLS is
    /// wanted by a signed one over TLS, so that not even the zone's name goes about in the open.
    ///
    /// # Errors
    /// When no usable answer comes.
    pub async fn serial(&self) -> Result<u32, DnsError> {
        match self.transport {
            Transport::Tcp => self.serial_over_udp().await,
            Transport::Tls(_) => self.serial_over_connection().await,
        }
    }

    async fn serial_over_connection(&self) -> Result<u32, DnsError> {
        let mut connection = self.connect().await?;
        let id = rand::random();
        let mut query = wire::query(id, &self.zone, RecordType::SOA, false, None);
        let mut verifier = self.transfers.sign(&mut query);
        connection.send(&query, POLLING, "").await?;
        let answer = connection.receive(POLLING, "").await?;
        let answer = self.verified(&mut verifier, &answer, POLLING)?;
        let answer = Message::parse(&answer).map_err(|source| self.unreadable(POLLING, source))?;
        let serial = answer.answers.iter().find_map(|record| record.rdata.soa_serial());
        serial.ok_or_else(|| self.no_serial(format!("the answer has no SOA record ({})", Rcode(answer.rcode()))))
    }

    async fn serial_over_udp(&self) -> Result<u32, DnsError> {
        let mut result = Err(self.no_serial("the server has no address".to_owned()));
        for address in connection::addresses(&self.server).await? {
            result = self.serial_from(address).await;
            if result.is_ok() {
                break;
            }
        }
        result
    }

    fn no_serial(&self, why: String) -> DnsError {
        DnsError::Serial { zone: self.zone.clone(), server: self.server.clone(), why }
    }

    async fn serial_from(&self, address: SocketAddr) -> Result<u32, DnsError> {
        let failed = |why| self.no_serial(why);
        let stream = UdpClientStream::builder(address, TokioRuntimeProvider::new()).build();
        let (mut client, background) = Client::<TokioRuntimeProvider>::from_sender(stream);
        let name =
            hickory_proto::rr::Name::from_ascii(self.zone.to_string()).map_err(|error| failed(error.to_string()))?;
        let query = client.query(name, DNSClass::IN, hickory_proto::rr::RecordType::SOA);
        let answer = tokio::select! {
            answer = query => answer.map_err(|error| failed(error.to_string()))?,
            () = background => return Err(failed("the exchange ended early".to_owned())),
        };
        let serial = answer.answers.iter().find_map(|record| match &record.data {
            RData::SOA(soa) => Some(soa.serial),
            _ => None,
        });
        serial.ok_or_else(|| failed(format!("the answer has no SOA record ({})", answer.response_code)))
    }
}
