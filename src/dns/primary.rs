//! The zone's primary server: reading the zone, updating it, asking for its serial.

use std::time::Duration;

use hickory_net::client::{Client, ClientHandle};
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::udp::UdpClientStream;
use hickory_proto::rr::{DNSClass, RData};

use super::connection::{self, Connection, SILENCE_LIMIT};
use super::error::DnsError;
use super::key::TsigKey;
use super::transport::Transport;
use super::tsig::{Distrust, Signer, Verifier};
use crate::model::{Name, RecordType, Server, Zone};
use crate::protocol::rcode::Rcode;
use crate::protocol::transfer::Transfer;
use crate::protocol::update::{self, NameUpdate};
use crate::protocol::wire::{self, Message, Reader};

const TRANSFERRING: &str = "transferring the zone";
const UPDATING: &str = "updating the zone";
const POLLING: &str = "asking for the zone's serial";
/// So many names refused alone and not one accepted: perhaps it is not about the names.
const DOUBTFUL: usize = 16;

/// A zone and the server that takes its updates.
#[derive(Clone)]
pub struct Primary {
    zone: Name,
    server: Server,
    transport: Transport,
    patience: Duration,
    updates: Signer,
    transfers: Signer,
}

/// What became of a plan's updates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pushed {
    /// Messages that the server answered.
    pub messages: usize,
    /// Records deleted by accepted messages.
    pub deleted: usize,
    /// Records added by accepted messages.
    pub added: usize,
    /// Names that the server refused, each alone.
    pub refused: Vec<RefusedName>,
}

/// One name that the server would not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedName {
    /// The owner name.
    pub name: Name,
    /// The server's code.
    pub rcode: Rcode,
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

    /// The whole zone by AXFR (RFC 5936), every message's signature verified.
    ///
    /// # Errors
    /// Whenever the transfer did not come to its proper end; a part of a zone is never returned.
    pub async fn transfer(&self) -> Result<Zone, DnsError> {
        let mut connection = self.connect().await?;
        let id = rand::random();
        let mut query = wire::query(id, &self.zone, RecordType::AXFR, false, None);
        let mut verifier = self.transfers.sign(&mut query);
        connection.send(&query, TRANSFERRING).await?;
        let mut transfer = Transfer::new(id, self.zone.clone());
        loop {
            let (records, messages) = transfer.progress();
            let got = if messages == 0 {
                String::new()
            } else {
                format!(", after {records} records in {messages} messages; the zone is not whole and was not used")
            };
            let message = connection.receive(TRANSFERRING, &got).await?;
            let message = self.verified(&mut verifier, &message, TRANSFERRING)?;
            let failed = |problem| DnsError::Transfer { zone: self.zone.clone(), server: self.server.clone(), problem };
            if transfer.message(&message).map_err(failed)? {
                return Ok(transfer.into_zone().expect("the transfer said that the zone is whole"));
            }
        }
    }

    /// Sends updates until each was accepted or refused. A refused message is cut in halves until the
    /// offending name stands alone, so that everything else lands.
    ///
    /// # Errors
    /// When the exchange itself fails: then any of the updates may or may not have been made, and the zone has
    /// to be read again. Also when the server refuses the messages as such, not names in them.
    pub async fn push(&self, updates: &[NameUpdate]) -> Result<Pushed, DnsError> {
        let mut pushed = Pushed::default();
        let mut waiting = update::pack(&self.zone, updates);
        waiting.reverse();
        let mut connection = self.connect().await?;
        while let Some(range) = waiting.pop() {
            let part = &updates[range.clone()];
            let rcode = self.exchange(&mut connection, part).await?;
            pushed.messages += 1;
            if rcode == Rcode::NOERROR {
                for (deleted, added) in part.iter().map(NameUpdate::record_counts) {
                    pushed.deleted += deleted;
                    pushed.added += added;
                }
                continue;
            }
            if rcode.concerns_whole_message() {
                return Err(self.refusal(rcode));
            }
            match part {
                [alone] => {
                    pushed.refused.push(RefusedName { name: alone.name.clone(), rcode });
                    if pushed.refused.len() == DOUBTFUL && pushed.added + pushed.deleted == 0 {
                        self.may_update(&mut connection).await?;
                    }
                }
                _ => {
                    let middle = range.start + range.len() / 2;
                    waiting.extend([middle..range.end, range.start..middle]);
                }
            }
        }
        Ok(pushed)
    }

    /// Asks by an update without content whether the server takes any from us: BIND refuses that too when
    /// `allow-update` does not name the key, and then there is no name to look for.
    async fn may_update(&self, connection: &mut Connection) -> Result<(), DnsError> {
        match self.exchange(connection, &[]).await? {
            Rcode::NOERROR => Ok(()),
            rcode => Err(self.refusal(rcode)),
        }
    }

    fn refusal(&self, rcode: Rcode) -> DnsError {
        DnsError::Update { zone: self.zone.clone(), server: self.server.clone(), rcode }
    }

    async fn exchange(&self, connection: &mut Connection, updates: &[NameUpdate]) -> Result<Rcode, DnsError> {
        let id = rand::random();
        let mut message = update::encode(id, &self.zone, updates);
        let mut verifier = self.updates.sign(&mut message);
        connection.send(&message, UPDATING).await?;
        let answer = connection.receive(UPDATING, "; the update may or may not have been made").await?;
        let answer = self.verified(&mut verifier, &answer, UPDATING)?;
        let header = Reader::new(&answer).header().map_err(|source| self.unreadable(UPDATING, source))?;
        // A signed answer to another message cannot verify; the ID is checked all the same.
        if header.id != id || header.opcode() != 5 {
            return Err(self.unreadable(UPDATING, wire::WireError::BadRdata));
        }
        Ok(Rcode(header.rcode()))
    }

    fn verified(&self, verifier: &mut Verifier, message: &[u8], doing: &'static str) -> Result<Vec<u8>, DnsError> {
        verifier.verify(message).map_err(|distrust| match distrust {
            Distrust::Tsig(problem) => verifier.error(&self.server, problem),
            Distrust::Wire(source) => self.unreadable(doing, source),
        })
    }

    async fn connect(&self) -> Result<Connection, DnsError> {
        Connection::open(&self.server, &self.transport, self.patience).await
    }

    fn unreadable(&self, doing: &'static str, source: wire::WireError) -> DnsError {
        DnsError::Unreadable { server: self.server.clone(), doing, source }
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
        connection.send(&query, POLLING).await?;
        let answer = connection.receive(POLLING, "").await?;
        let answer = self.verified(&mut verifier, &answer, POLLING)?;
        let answer = Message::parse(&answer).map_err(|source| self.unreadable(POLLING, source))?;
        let serial = answer.answers.iter().find_map(|record| record.rdata.soa_serial());
        serial.ok_or_else(|| {
            let why = format!("the answer has no SOA record ({})", Rcode(answer.rcode()));
            DnsError::Serial { zone: self.zone.clone(), server: self.server.clone(), why }
        })
    }

    async fn serial_over_udp(&self) -> Result<u32, DnsError> {
        let failed = |why: String| DnsError::Serial { zone: self.zone.clone(), server: self.server.clone(), why };
        let address = connection::addresses(&self.server).await?[0];
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
