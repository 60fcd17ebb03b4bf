//! The scratch names in the zone: whether they may come, what becomes of them there, and that they go.

use crate::dns::{DnsError, Primary, RefusedName, Session, TsigProblem};
use crate::model::{Rdata, RecordType, Rrset, RrsetKey};
use crate::protocol::rcode::Rcode;
use crate::protocol::update::NameUpdate;
use crate::reconcile::doctor::{Permission, Scratch};

/// So often the scratch names are looked for and removed, until they are gone.
const TRIES: usize = 3;

/// The scratch names, and the zone's primary.
pub(super) struct Publisher {
    primary: Primary,
    pub(super) scratch: Scratch,
    /// SRV records there are now.
    pub(super) services: u16,
}

impl Publisher {
    pub(super) fn new(primary: Primary, scratch: Scratch) -> Self {
        Self { primary, scratch, services: 0 }
    }

    /// Asks for each type at the kind of name that carries it, whether it could be changed; for PTR only when there is
    /// something to browse. Nothing is changed.
    pub(super) async fn permissions(&self, browses: bool) -> Result<Vec<Permission>, DnsError> {
        let scratch = &self.scratch;
        let [ipv4, ipv6] = Scratch::addresses();
        let (service_marker, host_marker) = (
            scratch.marker_of(&scratch.service, [RecordType::SRV, RecordType::TXT]),
            scratch.marker_of(&scratch.host, [RecordType::A, RecordType::AAAA]),
        );
        let all = [
            (scratch.service.clone(), scratch.services(1).remove(0)),
            (scratch.service.clone(), Scratch::text()),
            service_marker,
            (scratch.host.clone(), ipv4),
            (scratch.host.clone(), ipv6),
            host_marker,
        ];
        let pointer = Rdata::from_wire(RecordType::PTR, scratch.host.as_wire());
        let pointer = browses.then(|| (scratch.service.clone(), pointer));
        let mut tried = Vec::with_capacity(all.len() + 1);
        for (name, rdata) in all.into_iter().chain(pointer) {
            let record_type = rdata.record_type();
            let rcode = self.send(scratch.ask(&name, rdata)).await?;
            tried.push(Permission { name, record_type, rcode });
        }
        Ok(tried)
    }

    /// Sends one update; the server's code.
    async fn send(&self, update: NameUpdate) -> Result<Rcode, DnsError> {
        let refused = self.send_all(&[update]).await?;
        Ok(refused.first().map_or(Rcode::NOERROR, |refused| refused.rcode))
    }

    /// Sends updates, in one message when the server takes it; what was refused.
    async fn send_all(&self, updates: &[NameUpdate]) -> Result<Vec<RefusedName>, DnsError> {
        let all = |rcode| updates.iter().map(|update| RefusedName { name: update.name.clone(), rcode }).collect();
        match self.primary.push(updates).await {
            Ok(pushed) => Ok(pushed.refused),
            Err(DnsError::Update { rcode, .. }) => Ok(all(rcode)),
            // Knot says so of whatever its ACL does not let a key do. That the server knows the key was seen before.
            Err(DnsError::Tsig { problem: TsigProblem::UnknownKey, .. }) => Ok(all(Rcode::REFUSED)),
            Err(error) => Err(error),
        }
    }

    /// Publishes both names: what was refused, and what the zone holds that was not sent, or the other way round.
    pub(super) async fn publish(&mut self) -> Result<(Vec<Permission>, Vec<String>), DnsError> {
        let (mut refused, mut differences) = (Vec::new(), Vec::new());
        let updates = [self.scratch.publish_service(), self.scratch.publish_host()];
        let said = self.send_all(&updates).await?;
        for update in &updates {
            let of_name = update.changes.iter().filter(|change| change.key.name == update.name);
            if let Some(RefusedName { rcode, .. }) = said.iter().find(|refused| refused.name == update.name) {
                let rcode = *rcode;
                refused.extend(of_name.map(|change| Permission {
                    name: update.name.clone(),
                    record_type: change.key.record_type,
                    rcode,
                }));
                continue;
            }
            for change in &update.changes {
                let there = self.primary.rrset(&change.key).await?;
                let is_service = change.key.record_type == RecordType::SRV;
                self.services += u16::from(is_service && there.is_some());
                differences.extend(difference(&change.key, there.as_ref(), change.after.as_ref()));
            }
        }
        Ok((refused, differences))
    }

    /// Whether the service is in the zone.
    pub(super) fn is_there(&self) -> bool {
        self.services > 0
    }

    /// From the SRV records that there are to so many: the most that the server holds, and what it said to one more. Of
    /// somebody else who got hold of the name it says nothing about limits, and no more is tried.
    pub(super) async fn grow(&mut self, wanted: u16) -> Result<(u16, Option<Rcode>), DnsError> {
        let (mut refusal, mut most, mut too_many) = (None, self.services, wanted);
        let mut next = wanted;
        while most < wanted {
            match self.send(self.scratch.resize(self.services, next)).await? {
                Rcode::NOERROR => (most, self.services) = (next, next),
                rcode if rcode.is_lost_race() => return Ok((most, Some(rcode))),
                rcode => (refusal, too_many) = (Some(rcode), next),
            }
            if too_many <= most + 1 {
                break;
            }
            next = most + (too_many - most) / 2;
        }
        Ok((most, refusal))
    }

    /// What of the SRV records is not in the zone as it should be.
    pub(super) async fn grown(&self) -> Result<Vec<String>, DnsError> {
        let key = RrsetKey::new(self.scratch.service.clone(), RecordType::SRV);
        let there = self.primary.rrset(&key).await?.map_or(0, |set| set.rdatas().len());
        let differs = there != usize::from(self.services);
        Ok(differs
            .then(|| format!("{} SRV: sent {} records, there are {there}", key.name, self.services))
            .into_iter()
            .collect())
    }

    pub(super) async fn serial(&self) -> Result<u32, DnsError> {
        serial(&self.primary).await
    }

    /// Removes whatever there is at the scratch names, by whatever way it came there.
    pub(super) async fn remove(&self) -> Result<(), String> {
        let mut why = String::new();
        for _ in 0..TRIES {
            match self.try_to_remove().await {
                Ok(true) => return Ok(()),
                Ok(false) => "the primary accepts their removal and keeps them".clone_into(&mut why),
                Err(error) => why = error.to_string(),
            }
        }
        Err(why)
    }

    /// Whether there is nothing left.
    async fn try_to_remove(&self) -> Result<bool, DnsError> {
        // An update that was under way when we were interrupted is made before this, or never.
        Session::new(self.primary.clone()).settle().await?;
        let found = self.found().await?;
        if !found.is_empty() {
            self.primary.push(&self.scratch.remove(&found)).await?;
        }
        Ok(found.is_empty() || self.found().await?.is_empty())
    }

    async fn found(&self) -> Result<Vec<(RrsetKey, Rrset)>, DnsError> {
        let mut found = Vec::new();
        for key in self.scratch.keys() {
            if let Some(set) = self.primary.rrset(&key).await? {
                found.push((key, set));
            }
        }
        Ok(found)
    }
}

/// The zone's serial at the primary now.
pub(super) async fn serial(primary: &Primary) -> Result<u32, DnsError> {
    let soa = primary.rrset(&RrsetKey::new(primary.zone().clone(), RecordType::SOA)).await?;
    Ok(soa.as_ref().and_then(|set| set.rdatas().first()).and_then(Rdata::soa_serial).unwrap_or_default())
}

fn difference(key: &RrsetKey, there: Option<&Rrset>, sent: Option<&Rrset>) -> Option<String> {
    let shown = |set: Option<&Rrset>| {
        set.map_or("nothing".to_owned(), |set| format!("{} with TTL {}", set.rdatas().len(), set.ttl))
    };
    (there != sent)
        .then(|| format!("{} {}: sent {}, there is {}", key.name, key.record_type, shown(sent), shown(there)))
}
