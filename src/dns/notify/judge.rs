//! Whose NOTIFY counts: its signature, its zone, its sender.

use std::net::IpAddr;

use super::NotifiedZone;
use crate::dns::tsig::{Receipt, Signer};
use crate::model::Name;
use crate::protocol::notify::{self, Notification, Refusal};
use crate::protocol::rcode::Rcode;
use crate::protocol::tsig;

/// The zones and their keys.
pub(super) struct Judge {
    zones: Vec<Zone>,
}

struct Zone {
    name: Name,
    senders: Vec<IpAddr>,
    keys: Vec<Signer>,
    requires_tsig: bool,
}

/// What came of a message, and what is to be sent back.
pub(super) struct Judged {
    pub(super) answer: Vec<u8>,
    /// Which zone it was about, and what it said or why it does not count.
    pub(super) outcome: Result<(usize, Notification), (Option<usize>, Refusal)>,
}

impl Judge {
    pub(super) fn new(zones: Vec<NotifiedZone>) -> Self {
        let zone = |NotifiedZone { name, senders, keys, requires_tsig }| {
            // A socket for both families sees IPv4 addresses inside IPv6 ones.
            let senders = senders.iter().map(IpAddr::to_canonical).collect();
            Zone { name, senders, keys: keys.iter().map(Signer::new).collect(), requires_tsig }
        };
        Self { zones: zones.into_iter().map(zone).collect() }
    }

    /// None for what is not to be answered. Now is in seconds since 1970.
    pub(super) fn judge(&self, message: &[u8], sender: IpAddr, now: u64) -> Option<Judged> {
        notify::opcode(message)?;
        let (unsigned, record) = match tsig::split(message) {
            Ok(Some((unsigned, record))) => (unsigned, Some(record)),
            // What is wrong with it, `read` finds too: a record that is broken or no signature, or one out of place.
            Ok(None) | Err(_) => (message.to_vec(), None),
        };
        let read = notify::read(&unsigned);
        let zone = read.as_ref().ok().and_then(|read| self.zones.iter().position(|zone| zone.name == read.zone));
        let receipt = record.map(|record| Receipt::of(record, &unsigned, self.keys(zone), now));
        let outcome = match receipt.as_ref().and_then(Receipt::error) {
            Some(error) => Err(Refusal::Tsig(error)),
            None => read.and_then(|read| self.weigh(read, zone, receipt.is_some(), sender)),
        };
        let rcode = outcome.as_ref().map_or_else(Refusal::rcode, |_| Rcode::NOERROR);
        let mut answer = notify::answer(&unsigned, rcode);
        if let Some(receipt) = receipt {
            receipt.sign(&mut answer, now);
        }
        Some(Judged { answer, outcome: outcome.map_err(|refusal| (zone, refusal)) })
    }

    /// The keys that may sign for the zone; all when it is none of ours, so that the sender can believe that answer.
    fn keys(&self, zone: Option<usize>) -> impl Iterator<Item = &Signer> {
        let zones = zone.map_or(&self.zones[..], |zone| &self.zones[zone..=zone]);
        zones.iter().flat_map(|zone| &zone.keys)
    }

    /// Whether a message counts whose signature holds, if it has one.
    fn weigh(
        &self,
        read: Notification,
        zone: Option<usize>,
        is_signed: bool,
        sender: IpAddr,
    ) -> Result<(usize, Notification), Refusal> {
        let Some(index) = zone else { return Err(Refusal::UnknownZone(read.zone)) };
        let zone = &self.zones[index];
        if is_signed || !zone.requires_tsig && zone.senders.contains(&sender.to_canonical()) {
            return Ok((index, read));
        }
        Err(if zone.requires_tsig { Refusal::Unsigned } else { Refusal::Sender })
    }
}
