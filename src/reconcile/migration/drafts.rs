//! Services in the making: instances come one by one, and what all of them agree on becomes the service's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZeroU16;
use std::sync::Arc;

use super::remark::{Fate, Remark, Source};
use super::terms::{Located, Terms};
use crate::model::rules::{self, Refusal};
use crate::model::{Checks, Instance, Name, Scrape, Service, ServiceKey, Shards, shard_of};

/// What an import came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The services, by their names, each with at least one instance.
    pub services: Vec<Migrated>,
    /// What there is to say, in the order of what was read.
    pub remarks: Vec<Remark>,
    /// Names that exist in the zone already and are nobody's: `srvctl adopt` takes them over.
    pub adopt: Vec<Name>,
}

impl Outcome {
    /// Takes back services that cannot be written. Of the names to adopt only those stay that belong to what is left.
    pub fn refuse(&mut self, refused: &BTreeSet<ServiceKey>) {
        let Self { services, remarks, adopt } = self;
        services.retain(|migrated| !refused.contains(&migrated.service.key));
        let of_refused = |remark: &Remark| remark.service.as_ref().is_some_and(|key| refused.contains(key));
        remarks.retain(|remark| remark.fate != Fate::Mapped || !of_refused(remark));
        let keys: BTreeSet<_> = services.iter().map(|migrated| &migrated.service.key).collect();
        let instances = services.iter().flat_map(|migrated| &migrated.service.instances);
        let addressed = instances.filter(|instance| !instance.addresses.is_empty());
        let hosts: BTreeSet<_> = addressed.map(|instance| &instance.host).collect();
        let zones: BTreeSet<_> = keys.iter().map(|key| &key.zone).collect();
        let is_service = |name: &Name| {
            let own = zones.iter().find_map(|zone| shard_of(name, zone)).map_or_else(|| name.clone(), |(own, _)| own);
            ServiceKey::of_owner_name(&own).is_some_and(|key| keys.contains(&key))
        };
        adopt.retain(|name| hosts.contains(name) || is_service(name));
    }
}

/// A service that came from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The service.
    pub service: Service,
    /// Where it came from, one sentence each.
    pub from: Vec<String>,
}

/// Services in the making.
pub(super) struct Drafts<'t> {
    terms: &'t Terms,
    services: BTreeMap<ServiceKey, Draft>,
    /// Those that are known in part only.
    withheld: BTreeSet<ServiceKey>,
    remarks: Vec<Remark>,
}

struct Draft {
    source: Source,
    from: Vec<String>,
    ttl: Option<u32>,
    scrape: Option<Arc<Scrape>>,
    shards: Shards,
    instances: BTreeMap<(Name, NonZeroU16), Instance>,
    /// What holds for the service as a whole, whatever its instances say.
    metadata: BTreeMap<String, String>,
    /// Hosts that were said without a domain.
    short: BTreeSet<String>,
}

impl<'t> Drafts<'t> {
    pub(super) fn new(terms: &'t Terms) -> Self {
        Self { terms, services: BTreeMap::new(), withheld: BTreeSet::new(), remarks: Vec::new() }
    }

    pub(super) fn terms(&self) -> &'t Terms {
        self.terms
    }

    /// One more line of the report.
    pub(super) fn say(&mut self, remark: Remark) {
        self.remarks.push(remark);
    }

    /// The service that something of elsewhere is to be; a remark when it cannot be one.
    pub(super) fn named(&mut self, source: &Source, subject: &str, called: &str) -> Option<ServiceKey> {
        match self.terms.service(called) {
            Ok((key, guess)) => {
                if let Some(guess) = guess.filter(|_| !self.services.contains_key(&key)) {
                    self.say(
                        Remark::new(Fate::Guessed, source, subject, guess)
                            .of(&key)
                            .help(format!("another name: `--name '{called}=SERVICE'`")),
                    );
                }
                Some(key)
            }
            Err(refusal) => {
                self.say(Remark::refused(source, subject, refusal));
                None
            }
        }
    }

    /// Begins a service, or goes on with it. `from` tells where this part of it comes from.
    pub(super) fn open(&mut self, key: &ServiceKey, source: &Source, from: impl Into<String>) {
        let draft = self.services.entry(key.clone()).or_insert_with(|| Draft {
            source: source.clone(),
            from: Vec::new(),
            ttl: None,
            scrape: None,
            shards: Shards::Off,
            instances: BTreeMap::new(),
            metadata: BTreeMap::new(),
            short: BTreeSet::new(),
        });
        let from = from.into();
        if !draft.from.contains(&from) {
            draft.from.push(from);
        }
    }

    /// Makes no service of that name, whatever else is found for it: a part of it cannot be read.
    pub(super) fn withhold(&mut self, called: &str) {
        self.withheld.extend(self.terms.service(called).map(|(key, _)| key));
    }

    /// The host of an instance; a remark when there is none. That it was said without a domain is one too.
    pub(super) fn locate(&mut self, source: &Source, key: &ServiceKey, text: &str) -> Option<Located> {
        let located = self.locate_in_zone(source, key, text)?;
        if located.is_short
            && let Some(draft) = self.services.get_mut(key)
        {
            draft.short.insert(text.to_owned());
        }
        Some(located)
    }

    /// The same where hosts without a domain are in the zone by agreement.
    pub(super) fn locate_in_zone(&mut self, source: &Source, key: &ServiceKey, text: &str) -> Option<Located> {
        match self.terms.locate(text) {
            Ok(located) => {
                if let Some(guess) = &located.guess {
                    self.say(Remark::new(Fate::Guessed, source, text, guess.clone()).of(key));
                }
                Some(located)
            }
            Err(refusal) => {
                self.say(Remark::refused(source, text, refusal).of(key));
                None
            }
        }
    }

    /// Those pairs that can be metadata; a remark on each other one.
    pub(super) fn metadata<'p>(
        &mut self,
        source: &Source,
        subject: &str,
        key: &ServiceKey,
        pairs: impl IntoIterator<Item = (&'p str, String)>,
    ) -> BTreeMap<String, String> {
        let (mut good, mut size) = (BTreeMap::new(), 0);
        let mut spellings = BTreeSet::new();
        for (name, value) in pairs {
            let length = rules::txt_len(name, &value);
            let fits = rules::metadata_key(name).and_then(|()| rules::metadata_pair(name, &value));
            let fits = fits.and_then(|()| rules::metadata_size(size + length)).and_then(|()| {
                let twice = || Refusal::from(format!("`{name}` is there twice: DNS-SD ignores case in keys"));
                spellings.insert(name.to_ascii_lowercase()).then_some(()).ok_or_else(twice)
            });
            match fits {
                Ok(()) => {
                    size += length;
                    good.insert(name.to_owned(), value);
                }
                Err(refusal) => self.say(Remark::refused(source, subject, refusal).of(key)),
            }
        }
        good
    }

    /// One more instance. What is there already is not changed by it.
    pub(super) fn offer(&mut self, source: &Source, key: &ServiceKey, instance: Instance) {
        let Some(draft) = self.services.get_mut(key) else { return };
        let subject = format!("{}:{}", instance.host.without_final_dot(), instance.port);
        let slot = (instance.host.clone(), instance.port);
        if let Some(first) = draft.instances.get(&slot) {
            let same = Instance { place: first.place.clone(), ..instance } == *first;
            let at = Source::line(&first.place.file, first.place.line);
            self.say(if same {
                Remark::new(Fate::Left, source, subject, format!("said twice; first at {at}")).of(key)
            } else {
                Remark::new(
                    Fate::Refused,
                    source,
                    subject,
                    format!("said twice and differently; what {at} says was taken"),
                )
                .of(key)
                .help("one service has each host and port once: leave one of the two out, or make it another service")
            });
            return;
        }
        draft.instances.insert(slot, instance);
    }

    /// What is known of the service as a whole.
    pub(super) fn describe(&mut self, key: &ServiceKey, metadata: BTreeMap<String, String>) {
        if let Some(draft) = self.services.get_mut(key) {
            draft.metadata.extend(metadata);
        }
    }

    pub(super) fn set_ttl(&mut self, key: &ServiceKey, ttl: u32) {
        if let Some(draft) = self.services.get_mut(key) {
            draft.ttl = Some(ttl);
        }
    }

    pub(super) fn set_shards(&mut self, key: &ServiceKey, shards: Shards) {
        if let Some(draft) = self.services.get_mut(key) {
            draft.shards = shards;
        }
    }

    /// How it is scraped, when that is settled: there are instances already.
    pub(super) fn scraped(&self, key: &ServiceKey) -> Option<Arc<Scrape>> {
        let draft = self.services.get(key).filter(|draft| !draft.instances.is_empty())?;
        Some(draft.scrape.clone().unwrap_or_default())
    }

    /// Says how it is scraped; what says nothing is none.
    pub(super) fn scrape(&mut self, key: &ServiceKey, scrape: Scrape) {
        if let Some(draft) = self.services.get_mut(key) {
            draft.scrape = (scrape != Scrape::default()).then(|| Arc::new(scrape));
        }
    }

    /// The services, without those for which no instance came.
    pub(super) fn finish(mut self) -> Outcome {
        let mut services = Vec::new();
        for (key, draft) in std::mem::take(&mut self.services) {
            if self.withheld.contains(&key) {
                let message = "is known in part only, and a part of it would take the rest out of DNS: not written";
                self.say(Remark::new(Fate::Refused, &draft.source, key.name.as_str(), message).of(&key));
            } else if !draft.instances.is_empty() {
                services.push(self.settle(key, draft));
            }
        }
        Outcome { services, remarks: self.remarks, adopt: Vec::new() }
    }

    fn settle(&mut self, key: ServiceKey, draft: Draft) -> Migrated {
        let Draft { source, from, ttl, scrape, mut shards, instances, mut metadata, short } = draft;
        let mut instances: Vec<_> = instances.into_values().collect();
        let subject = key.name.clone();
        let mut common = take_common(&mut instances);
        metadata.retain(|name, _| !common.contains_key(name));
        common.append(&mut metadata);
        if let Err(refusal) = rules::metadata(&common) {
            self.say(Remark::refused(&source, subject.as_str(), refusal).of(&key));
            common.clear();
        }
        let checks = take_checks(&mut instances);
        if !short.is_empty() {
            let hosts = short.into_iter().collect::<Vec<_>>().join("`, `");
            let message =
                format!("`{hosts}` without a domain: taken for hosts in {}", self.terms.zone.without_final_dot());
            let help = "hosts elsewhere: `--host-for NAME=NAME.WITH.DOMAIN`";
            self.say(Remark::new(Fate::Guessed, &source, subject.as_str(), message).of(&key).help(help));
        }
        if shards == Shards::Off && instances.len() > self.terms.max_records as usize {
            let (count, most) = (instances.len(), self.terms.max_records);
            let message = format!("{count} instances, and an RRset holds {most}: spread with `shards = \"auto\"`");
            self.say(Remark::new(Fate::Guessed, &source, subject.as_str(), message).of(&key));
            shards = Shards::Auto;
        }
        self.say(Remark::new(Fate::Mapped, &source, subject, told(&key, &instances)).of(&key));
        let service =
            Service { ttl, metadata: common, scrape, shards, instances, checks, ..Service::new(key, source.place()) };
        Migrated { service, from }
    }
}

/// What became of it, in words.
fn told(key: &ServiceKey, instances: &[Instance]) -> String {
    let plural = if instances.len() == 1 { "" } else { "s" };
    let mut told = format!("{key} with {} instance{plural}", instances.len());
    let differing: BTreeSet<_> = instances.iter().flat_map(|instance| instance.metadata.keys()).collect();
    if !differing.is_empty() {
        let names = differing.into_iter().map(String::as_str).collect::<Vec<_>>().join("`, `");
        let _ = write!(told, "; `{names}` differs among them and is metadata of each, which DNS does not show");
    }
    told
}

/// What all of them say alike, which they then say no more.
fn take_common(instances: &mut [Instance]) -> BTreeMap<String, String> {
    let Some((first, rest)) = instances.split_first() else { return BTreeMap::new() };
    let mut common = first.metadata.clone();
    common.retain(|name, value| rest.iter().all(|instance| instance.metadata.get(name) == Some(value)));
    for instance in instances {
        instance.metadata.retain(|name, _| !common.contains_key(name));
    }
    common
}

/// Checks that all of them have alike, which they then have no more.
fn take_checks(instances: &mut [Instance]) -> Checks {
    let Some((first, rest)) = instances.split_first() else { return Checks::default() };
    if rest.iter().any(|instance| instance.checks != first.checks) {
        return Checks::default();
    }
    let checks = first.checks.clone().unwrap_or_default();
    instances.iter_mut().for_each(|instance| instance.checks = None);
    checks
}
