//! Talking to a primary over one connection, as long as it lasts: reading the zone, and what changed in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::connection::Connection;
use super::error::DnsError;
use super::observer::{Observer, TransferKind};
use super::primary::Primary;
use super::tsig::Verifier;
use crate::model::{RecordType, Zone};
use crate::protocol::transfer::{Refresh, Refreshed, Transfer, TransferError, ixfr_query};
use crate::protocol::wire;

const TRANSFERRING: &str = "transferring the zone";

/// How long a connection may be idle before a new one is opened. By default BIND closes after 30 s, Knot DNS after 10 s
/// and PowerDNS after 5 s, and what is sent into a connection that is being closed may or may not have been read.
const IDLE: Duration = Duration::from_secs(3);
/// How long to wait for more after a newer SOA record on its own: by then the server has more to say or nothing.
const MORE: Duration = Duration::from_millis(500);

/// A primary, and the connection to it.
pub struct Session {
    primary: Primary,
    idle: Option<(Connection, Instant)>,
    observer: Option<Arc<dyn Observer>>,
}

impl Session {
    /// Nothing is sent before it is needed.
    pub fn new(primary: Primary) -> Self {
        Self { primary, idle: None, observer: None }
    }

    /// The same with somebody who is told of its exchanges.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// The zone and its server.
    pub fn primary(&self) -> &Primary {
        &self.primary
    }

    /// The whole zone by AXFR (RFC 5936), every message's signature verified.
    ///
    /// # Errors
    /// Whenever the transfer did not come to its proper end; a part of a zone is never returned.
    pub async fn transfer(&mut self) -> Result<Zone, DnsError> {
        let mut connection = self.take_connection().await?;
        let id = rand::random();
        let mut query = wire::query(id, self.primary.zone(), RecordType::AXFR, false, None);
        let mut verifier = self.primary.transfers.sign(&mut query);
        connection.send(&query, TRANSFERRING, "").await?;
        let before = connection.received();
        let mut transfer = Transfer::new(id, self.primary.zone().clone());
        loop {
            let message = self.next(&mut connection, &mut verifier, transfer.progress()).await?;
            if transfer.message(&message).map_err(|problem| self.failed(problem))? {
                self.observe(|observer| observer.transferred(TransferKind::Whole, connection.received() - before));
                self.keep(connection);
                return Ok(transfer.into_zone().expect("the transfer said that the zone is whole"));
            }
        }
    }

    /// What has changed since a serial, by IXFR (RFC 1995), every message's signature verified. Over TCP, since BIND
    /// answers with nothing but its SOA record over UDP.
    ///
    /// # Errors
    /// Whenever the transfer did not come to its proper end; a part of it is never returned.
    pub async fn refresh(&mut self, held: u32) -> Result<Refreshed, DnsError> {
        let mut connection = self.take_connection().await?;
        let id = rand::random();
        let mut query = ixfr_query(id, self.primary.zone(), held);
        let mut verifier = self.primary.transfers.sign(&mut query);
        connection.send(&query, TRANSFERRING, "").await?;
        let before = connection.received();
        let mut bytes = 0;
        let mut refresh = Refresh::new(id, self.primary.zone().clone(), held);
        loop {
            let next = self.next(&mut connection, &mut verifier, refresh.progress());
            let message = if refresh.may_be_over() {
                match timeout(MORE, next).await {
                    Ok(message) => message?,
                    Err(_) => break, // and with it the connection: more may still come
                }
            } else {
                next.await?
            };
            bytes = connection.received() - before;
            if refresh.message(&message).map_err(|problem| self.failed(problem))? {
                self.keep(connection);
                break;
            }
        }
        let refreshed = refresh.into_refreshed().expect("the refresh is over");
        match &refreshed {
            Refreshed::Whole(_) => self.observe(|observer| observer.transferred(TransferKind::Whole, bytes)),
            Refreshed::Steps(_) => self.observe(|observer| observer.transferred(TransferKind::Incremental, bytes)),
            Refreshed::UpToDate | Refreshed::Behind(_) | Refreshed::NotAvailable(_) => {}
        }
        Ok(refreshed)
    }

    pub(super) fn observe(&self, tell: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.observer {
            tell(&**observer);
        }
    }

    async fn next(
        &self,
        connection: &mut Connection,
        verifier: &mut Verifier,
        (records, messages): (usize, usize),
    ) -> Result<Vec<u8>, DnsError> {
        let got = if messages == 0 {
            String::new()
        } else {
            format!(", after {records} records in {messages} messages; the zone is not whole and was not used")
        };
        let message = connection.receive(TRANSFERRING, &got).await?;
        self.primary.verified(verifier, &message, TRANSFERRING)
    }

    fn failed(&self, problem: TransferError) -> DnsError {
        DnsError::Transfer { zone: self.primary.zone().clone(), server: self.primary.server().clone(), problem }
    }

    /// The connection, or a new one. Whoever ends an exchange properly gives it [back](Self::keep).
    pub(super) async fn take_connection(&mut self) -> Result<Connection, DnsError> {
        match self.idle.take() {
            Some((connection, since)) if since.elapsed() < IDLE => Ok(connection),
            _ => self.primary.connect().await,
        }
    }

    pub(super) fn keep(&mut self, connection: Connection) {
        self.idle = Some((connection, Instant::now()));
    }
}
