//! Single signed questions to a primary: what it holds, and what time it is there.

use std::net::IpAddr;

use tokio::net::UdpSocket;

use super::connection;
use super::error::{DnsError, TsigProblem};
use super::primary::Primary;
use super::tsig::{Signer, now};
use crate::model::{RecordType, Rrset, RrsetKey, Server};
use crate::protocol::rcode::Rcode;
use crate::protocol::tsig;
use crate::protocol::wire::{self, Message};

const ASKING: &str = "asking for records";

/// Which of a zone's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFor {
    /// The one that signs updates.
    Updates,
    /// The one that signs transfers.
    Transfers,
}

impl Primary {
    /// By how many seconds the server's clock is ahead of ours, from the time in its signature; also when it refuses
    /// ours because of that.
    ///
    /// # Errors
    /// When no answer comes, or the signature is not to be believed.
    pub async fn clock(&self, key: KeyFor) -> Result<i64, DnsError> {
        let asked = now();
        let question = RrsetKey::new(self.zone().clone(), RecordType::SOA);
        let (answer, verified) = match self.exchange(self.signer(key), &question).await? {
            (answer, Ok(_)) => (answer, now()),
            (_, Err(DnsError::Tsig { problem: TsigProblem::Clock { ahead: Some(ahead) }, .. })) => return Ok(ahead),
            (_, Err(DnsError::Tsig { problem: TsigProblem::Stale(age), .. })) => return Ok(-age),
            (_, Err(error)) => return Err(error),
        };
        let signed = tsig::split(&answer).map_err(|source| self.unreadable(ASKING, source))?;
        let there = signed.map_or(verified, |(_, record)| record.time);
        // It was signed some time between the two.
        let here = there.clamp(asked, verified.max(asked));
        Ok(i64::try_from(there).unwrap_or(i64::MAX) - i64::try_from(here).unwrap_or(i64::MAX))
    }

    /// One RRset as the server holds it; none when it does not exist.
    ///
    /// # Errors
    /// When no proper answer comes.
    pub async fn rrset(&self, key: &RrsetKey) -> Result<Option<Rrset>, DnsError> {
        let answer = self.exchange(&self.updates, key).await?.1?;
        let message = Message::parse(&answer).map_err(|source| self.unreadable(ASKING, source))?;
        let rcode = Rcode(message.rcode());
        if !rcode.is_viable() || message.header.is_truncated() {
            let (server, name) = (self.server().clone(), key.name.clone());
            return Err(DnsError::Answer { server, name, record_type: key.record_type, rcode });
        }
        let is_asked_for =
            |record: &&wire::RawRecord| record.record_type() == key.record_type && record.name == key.name;
        let records: Vec<_> = message.answers.iter().filter(is_asked_for).collect();
        let ttl = records.first().map_or(0, |record| record.ttl);
        Ok(Rrset::new(ttl, records.into_iter().map(|record| record.rdata.clone())))
    }

    fn signer(&self, key: KeyFor) -> &Signer {
        match key {
            KeyFor::Updates => &self.updates,
            KeyFor::Transfers => &self.transfers,
        }
    }

    /// The answer as it came, and without its signature when that holds.
    async fn exchange(
        &self,
        signer: &Signer,
        question: &RrsetKey,
    ) -> Result<(Vec<u8>, Result<Vec<u8>, DnsError>), DnsError> {
        let mut connection = self.connect().await?;
        let mut query = wire::query(rand::random(), &question.name, question.record_type, false, None);
        let mut verifier = signer.sign(&mut query);
        connection.send(&query, ASKING, "").await?;
        let answer = connection.receive(ASKING, "").await?;
        let verified = self.verified(&mut verifier, &answer, ASKING);
        Ok((answer, verified))
    }
}

/// Our address as a server sees it, unless somebody on the way changes it. Nothing is sent.
pub async fn own_address(server: &Server) -> Option<IpAddr> {
    let address = *connection::addresses(server).await.ok()?.first()?;
    let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(address).await.ok()?;
    Some(socket.local_addr().ok()?.ip())
}
