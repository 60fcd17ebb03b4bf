//! Sending updates: several messages under way at once, and a refused one cut in halves until the offending name
//! stands alone.

use std::collections::VecDeque;
use std::time::Instant;

use super::connection::Connection;
use super::error::{DnsError, TsigProblem};
use super::session::Session;
use super::tsig::Verifier;
use crate::model::Name;
use crate::protocol::rcode::Rcode;
use crate::protocol::tsig;
use crate::protocol::update::{self, NameUpdate};
use crate::protocol::wire::{Reader, WireError};

const UPDATING: &str = "updating the zone";
/// What a connection that ends leaves open: several messages are under way at once.
const UNCERTAIN: &str = "; the update may or may not have been made";
/// So many names refused alone and not one accepted: perhaps it is not about the names.
const DOUBTFUL: usize = 16;
/// What Knot DNS says in place of REFUSED, to a key that it knows, when no `acl` allows it one of the records.
const UNKNOWN_KEY: Rcode = Rcode(tsig::BADKEY);
/// Messages under way at once. The server works on one while the next is made and read; more would only take room in
/// BIND's `update-quota`, which drops without a word what comes above 100.
const UNDER_WAY: usize = 4;

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

impl Pushed {
    /// Takes in what became of more updates.
    pub fn extend(&mut self, more: Self) {
        self.messages += more.messages;
        self.deleted += more.deleted;
        self.added += more.added;
        self.refused.extend(more.refused);
    }
}

/// One name that the server would not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedName {
    /// The owner name.
    pub name: Name,
    /// The server's code.
    pub rcode: Rcode,
}

/// A message whose answer has not come.
struct UnderWay {
    id: u16,
    verifier: Verifier,
    updates: Vec<NameUpdate>,
    sent: Instant,
}

impl Session {
    /// Sends updates until each was accepted or refused. They are asked for as there is room for them, so that no
    /// more than a few messages' worth exists at a time. Names are independent of one another, and so is the order
    /// in which the server takes the messages.
    ///
    /// # Errors
    /// When the exchange itself fails: then any of the updates may or may not have been made, and the zone has
    /// to be read again. Also when the server refuses the messages as such, not names in them.
    pub async fn push(&mut self, updates: impl Iterator<Item = NameUpdate> + Send) -> Result<Pushed, DnsError> {
        let mut connection = self.take_connection().await?;
        let mut pushed = Pushed::default();
        let mut waiting = update::Batches::new(self.primary().zone(), updates);
        let mut halves: Vec<Vec<NameUpdate>> = Vec::new();
        let mut under_way: VecDeque<UnderWay> = VecDeque::new();
        let (mut asked, mut has_unknown_key) = (false, false);
        loop {
            let is_nothing_taken = pushed.refused.len() >= DOUBTFUL && pushed.added + pushed.deleted == 0;
            let doubtful = !asked && (has_unknown_key || is_nothing_taken);
            while under_way.len() < UNDER_WAY && !doubtful {
                let Some(batch) = halves.pop().or_else(|| waiting.next()) else { break };
                under_way.push_back(self.send(&mut connection, batch, &under_way).await?);
            }
            if under_way.is_empty() && doubtful {
                self.may_update(&mut connection).await?;
                asked = true;
                continue;
            } else if under_way.is_empty() {
                break;
            }
            let (rcode, batch) = self.answered(&mut connection, &mut under_way).await?;
            pushed.messages += 1;
            has_unknown_key |= rcode == UNKNOWN_KEY;
            let rcode = if rcode == UNKNOWN_KEY { Rcode::REFUSED } else { rcode };
            self.account(rcode, batch, &mut pushed, &mut halves)?;
        }
        self.keep(connection);
        Ok(pushed)
    }

    /// Takes an answer into account; a refused message's halves are to be sent again.
    fn account(
        &self,
        rcode: Rcode,
        mut batch: Vec<NameUpdate>,
        pushed: &mut Pushed,
        halves: &mut Vec<Vec<NameUpdate>>,
    ) -> Result<(), DnsError> {
        if rcode == Rcode::NOERROR {
            for (deleted, added) in batch.iter().map(NameUpdate::record_counts) {
                pushed.deleted += deleted;
                pushed.added += added;
            }
        } else if rcode.concerns_whole_message() {
            return Err(self.refusal(rcode));
        } else if let [alone] = &batch[..] {
            pushed.refused.push(RefusedName { name: alone.name.clone(), rcode });
        } else {
            let second = batch.split_off(batch.len() / 2);
            halves.extend([second, batch]);
        }
        Ok(())
    }

    /// Waits until the server has made or dropped every update that came before: those of a process that was killed, or
    /// of an exchange that timed out, must not be made after the zone is read. An update without content is enough,
    /// since BIND takes a zone's updates one after the other; whether it is allowed does not matter.
    ///
    /// # Errors
    /// When the exchange fails.
    pub async fn settle(&mut self) -> Result<(), DnsError> {
        let mut connection = self.take_connection().await?;
        self.update_nothing(&mut connection).await?;
        self.keep(connection);
        Ok(())
    }

    /// Asks by an update without content whether the server takes any from us: BIND refuses that too when
    /// `allow-update` does not name the key, and then there is no name to look for. A key that the server knows after all
    /// is told from one that it does not.
    async fn may_update(&self, connection: &mut Connection) -> Result<(), DnsError> {
        match self.update_nothing(connection).await? {
            Rcode::NOERROR => Ok(()),
            rcode => Err(self.refusal(rcode)),
        }
    }

    /// Sends an update without content, and waits for what the server says to it.
    async fn update_nothing(&self, connection: &mut Connection) -> Result<Rcode, DnsError> {
        let mut under_way = VecDeque::from([self.send(connection, Vec::new(), &VecDeque::new()).await?]);
        let (rcode, _) = self.answered(connection, &mut under_way).await?;
        Ok(rcode)
    }

    fn refusal(&self, rcode: Rcode) -> DnsError {
        DnsError::Update { zone: self.primary().zone().clone(), server: self.primary().server().clone(), rcode }
    }

    async fn send(
        &self,
        connection: &mut Connection,
        updates: Vec<NameUpdate>,
        under_way: &VecDeque<UnderWay>,
    ) -> Result<UnderWay, DnsError> {
        let mut id: u16 = rand::random();
        while under_way.iter().any(|other| other.id == id) {
            id = id.wrapping_add(1);
        }
        let mut message = update::encode(id, self.primary().zone(), &updates);
        let verifier = self.primary().updates.sign(&mut message);
        connection.send(&message, UPDATING, UNCERTAIN).await?;
        Ok(UnderWay { id, verifier, updates, sent: Instant::now() })
    }

    /// The next answer, and what it answers: a server may answer in any order (RFC 7766 section 6.2.1.1).
    async fn answered(
        &self,
        connection: &mut Connection,
        under_way: &mut VecDeque<UnderWay>,
    ) -> Result<(Rcode, Vec<NameUpdate>), DnsError> {
        let answer = connection.receive(UPDATING, UNCERTAIN).await?;
        let unreadable = |source| self.primary().unreadable(UPDATING, source);
        let id = Reader::new(&answer).header().map_err(unreadable)?.id;
        let at =
            under_way.iter().position(|message| message.id == id).ok_or_else(|| unreadable(WireError::BadRdata))?;
        let mut message = under_way.remove(at).expect("it was found there");
        let answer = match self.primary().verified(&mut message.verifier, &answer, UPDATING) {
            // Perhaps it is about the records: then the key may update nothing at all.
            Err(DnsError::Tsig { problem: TsigProblem::UnknownKey, .. }) if !message.updates.is_empty() => {
                return Ok((UNKNOWN_KEY, message.updates));
            }
            answer => answer?,
        };
        let header = Reader::new(&answer).header().map_err(unreadable)?;
        if header.opcode() != 5 {
            return Err(unreadable(WireError::BadRdata));
        }
        if !message.updates.is_empty() {
            self.observe(|observer| observer.updated(message.sent.elapsed()));
        }
        Ok((Rcode(header.rcode()), message.updates))
    }
}
