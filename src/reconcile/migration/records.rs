//! SRV, TXT and address records that somebody wrote into a zone, as services that publish the same.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::sync::Arc;

use super::drafts::{Drafts, Outcome};
use super::remark::{Fate, Remark, Source};
use super::terms::Terms;
use crate::model::rules::{self, Refusal};
use crate::model::{Instance, Marker, Name, Rdata, Record, RecordType, ServiceKey, Shards, Srv, Zone, shard_of};

/// Records of one zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Each with where it was read.
    pub records: Vec<(Record, Source)>,
}

impl Listing {
    /// A zone as a server gave it; `source` is that server.
    pub fn of_zone(zone: &Zone, source: &str) -> Self {
        let source = Source::file(source);
        let of_name = |(name, sets): (Name, &crate::model::Sets)| {
            let records: Vec<_> = sets.iter().flat_map(|set| set.records(&name)).collect();
            records.into_iter().map(|record| (record, source.clone())).collect::<Vec<_>>()
        };
        Self { records: zone.names().flat_map(of_name).collect() }
    }
}

/// What is at one name, in the order of the listing.
#[derive(Default)]
struct AtName<'l> {
    srv: Vec<(u32, Srv, &'l Source)>,
    txt: Vec<(u32, &'l Rdata, &'l Source)>,
    addresses: Vec<std::net::IpAddr>,
}

/// Maps the SRV sets of a listing with what belongs to them.
pub fn map(terms: &Terms, listing: &Listing) -> Outcome {
    let mut names: BTreeMap<&Name, AtName<'_>> = BTreeMap::new();
    let mut markers: BTreeMap<Name, Marker> = BTreeMap::new();
    let mut others: BTreeMap<RecordType, usize> = BTreeMap::new();
    for (Record { name, ttl, rdata }, source) in &listing.records {
        let marker = Marker::marked_name(name).zip(Marker::from_rdata(rdata).ok());
        if let Some((marked, marker)) = marker {
            markers.insert(marked, marker);
        } else if let Some(srv) = rdata.as_srv() {
            names.entry(name).or_default().srv.push((*ttl, srv, source));
        } else if rdata.record_type() == RecordType::TXT {
            names.entry(name).or_default().txt.push((*ttl, rdata, source));
        } else if let Some(address) = rdata.as_address() {
            names.entry(name).or_default().addresses.push(address);
        } else {
            *others.entry(rdata.record_type()).or_default() += 1;
        }
    }
    let mut migration =
        Migration { drafts: Drafts::new(terms), names: &names, markers: &markers, adopt: BTreeSet::new() };
    for (name, at_name) in names.iter().filter(|(_, at_name)| !at_name.srv.is_empty()) {
        migration.service(name, at_name);
    }
    if let Some((_, source)) = listing.records.first().filter(|_| !others.is_empty()) {
        let counted: Vec<_> = others.iter().map(|(record_type, count)| format!("{count} {record_type}")).collect();
        let message = format!("records that belong to no service: {}", counted.join(", "));
        migration.drafts.say(Remark::new(Fate::Left, &Source::file(Arc::clone(&source.file)), "other types", message));
    }
    let Migration { drafts, adopt, .. } = migration;
    let mut outcome = Outcome { adopt: adopt.into_iter().collect(), ..drafts.finish() };
    // Names of which nothing could be taken are nobody's to adopt.
    outcome.refuse(&BTreeSet::new());
    outcome
}

struct Migration<'l> {
    drafts: Drafts<'l>,
    names: &'l BTreeMap<&'l Name, AtName<'l>>,
    markers: &'l BTreeMap<Name, Marker>,
    adopt: BTreeSet<Name>,
}

impl Migration<'_> {
    fn service(&mut self, name: &Name, at_name: &AtName<'_>) {
        let source = at_name.srv[0].2;
        let subject = name.to_string();
        if let Some(marker) = self.markers.get(name) {
            let message = format!("is srvctl's already, with the owner \"{}\"", marker.owner);
            return self.drafts.say(Remark::new(Fate::Left, source, subject, message));
        }
        let (key, shard) = match service_of(name, &self.drafts.terms().zones) {
            Ok(found) => found,
            Err(refusal) => return self.drafts.say(Remark::refused(source, subject, refusal)),
        };
        self.drafts.open(&key, source, format!("the SRV records of {name} in {source}"));
        if shard > 0 {
            self.drafts.set_shards(&key, Shards::Auto);
        }
        self.adopt.insert(name.clone());
        self.ttl(&key, &subject, at_name);
        for (_, srv, source) in &at_name.srv {
            self.instance(&key, srv, source);
        }
        self.texts(&key, &subject, at_name);
    }

    /// One TTL for all records of a service; the zone's is not said.
    fn ttl(&mut self, key: &ServiceKey, subject: &str, at_name: &AtName<'_>) {
        let (ttl, source) = (at_name.srv[0].0, at_name.srv[0].2);
        let mut all = at_name.srv.iter().map(|(ttl, ..)| *ttl).chain(at_name.txt.iter().map(|(ttl, ..)| *ttl));
        if let Some(other) = all.find(|other| *other != ttl) {
            let message = format!("records with the TTLs {ttl} and {other}: a service has one, and {ttl} was taken");
            self.drafts.say(Remark::new(Fate::Guessed, source, subject, message).of(key));
        }
        if !rules::TTL_RANGE.contains(&ttl) {
            let usual = self.drafts.terms().ttl;
            let message = format!("TTL {ttl} cannot be configured; the zone's of {usual} was taken");
            return self.drafts.say(Remark::new(Fate::Guessed, source, subject, message).of(key));
        }
        if ttl != self.drafts.terms().ttl {
            self.drafts.set_ttl(key, ttl);
        }
    }

    fn instance(&mut self, key: &ServiceKey, srv: &Srv, source: &Source) {
        let subject = format!("{}:{}", srv.target.without_final_dot(), srv.port);
        let terms = self.drafts.terms();
        let host = match rules::host(&srv.target.to_string(), &key.zone, &terms.zones) {
            Ok(host) => host,
            Err(refusal) => return self.drafts.say(Remark::refused(source, subject, refusal).of(key)),
        };
        let Some(port) = NonZeroU16::new(srv.port) else {
            let refusal = Refusal::from("port 0 reaches nobody".to_owned());
            return self.drafts.say(Remark::refused(source, subject, refusal).of(key));
        };
        let mut instance = Instance::new(host, port, source.place());
        (instance.priority, instance.weight) = (srv.priority, srv.weight);
        if terms.addresses && rules::addressed_host(&instance.host, &terms.zones).is_ok() {
            let there = self.names.get(&instance.host).filter(|_| !self.markers.contains_key(&instance.host));
            let good = |address: &&std::net::IpAddr| rules::address(&address.to_string()).is_ok();
            instance.addresses = there.iter().flat_map(|there| &there.addresses).filter(good).copied().collect();
            if !instance.addresses.is_empty() {
                self.adopt.insert(instance.host.clone());
            }
        }
        self.drafts.offer(source, key, instance);
    }

    /// The strings of all TXT records, which become those of one.
    fn texts(&mut self, key: &ServiceKey, subject: &str, at_name: &AtName<'_>) {
        let mut pairs: BTreeMap<String, (String, &Source)> = BTreeMap::new();
        for (_, rdata, source) in &at_name.txt {
            for string in rdata.as_txt().unwrap_or_default() {
                let text = String::from_utf8_lossy(string);
                let pair = std::str::from_utf8(string).ok().and_then(|text| text.split_once('='));
                let Some((name, value)) = pair else {
                    let message = format!("the TXT string \"{}\" is no `key=value`", text.escape_debug());
                    let help = "as long as it is there, `srvctl adopt` needs --replace, which deletes it";
                    self.drafts.say(Remark::new(Fate::Refused, source, subject, message).of(key).help(help));
                    continue;
                };
                if let Some((first, at)) = pairs.get(name).filter(|(first, _)| first != value) {
                    let message = format!("`{name}` is `{first}` at {at} and something else here; the first was taken");
                    self.drafts.say(Remark::new(Fate::Refused, source, subject, message).of(key));
                    continue;
                }
                pairs.entry(name.to_owned()).or_insert((value.to_owned(), source));
            }
        }
        if let [(_, _, source), _, ..] = &at_name.txt[..] {
            let message = format!("{} TXT records became the strings of one", at_name.txt.len());
            let help = "`srvctl adopt --replace` deletes them when it publishes that one";
            self.drafts.say(Remark::new(Fate::Guessed, source, subject, message).of(key).help(help));
        }
        let Some((_, (_, source))) = pairs.first_key_value() else { return };
        let source = (*source).clone();
        let pairs: Vec<_> = pairs.iter().map(|(name, (value, _))| (name.as_str(), value.clone())).collect();
        let metadata = self.drafts.metadata(&source, subject, key, pairs);
        self.drafts.describe(key, metadata);
    }
}

/// The service that an owner name is of, and the number of the shard.
fn service_of(name: &Name, zones: &[Name]) -> Result<(ServiceKey, usize), Refusal> {
    let shard = zones.iter().find_map(|zone| shard_of(name, zone));
    let (own_name, shard) = shard.unwrap_or_else(|| (name.clone(), 0));
    let Some(key) = ServiceKey::of_owner_name(&own_name) else {
        let message = "is not of the form `_service._proto.zone`";
        let help = "an instance name of DNS-SD (RFC 6763), or another tool's; leave it where it is";
        return Err(Refusal::with_help(message, help));
    };
    let zone = zones.iter().find(|zone| **zone == key.zone).cloned().ok_or_else(|| {
        let message = format!("lies in `{}`, which is not a managed zone", key.zone.without_final_dot());
        Refusal::with_help(message, format!("services stand directly below a zone; {}", rules::managed(zones)))
    })?;
    // As the zone spells it.
    let written = own_name.labels().next().map(|label| String::from_utf8_lossy(label).into_owned());
    let written = written.as_deref().and_then(|label| label.strip_prefix('_')).unwrap_or(&key.name);
    let key = ServiceKey { name: rules::service_name(written)?, proto: rules::proto(&key.proto)?.to_owned(), zone };
    rules::owner_names(&key, if shard > 0 { Shards::Auto } else { Shards::Off })?;
    Ok((key, shard))
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
