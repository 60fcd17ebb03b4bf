//! One zone's examination, from the keys to the resolvers.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Options;
use super::followers::{self, Follower};
use super::host::Files;
use super::notify::Watch;
use super::publish::Publisher;
use super::resolvers;
use crate::config::{Config, ZoneConfig};
use crate::dns::{DnsError, KeyFor, Primary, Session, TsigKey, TsigProblem};
use crate::model::{Finding, Rdata, RecordType, Rrset, RrsetKey, Service, Severity, Zone};
use crate::protocol::transfer::{Refreshed, Step};
use crate::protocol::update;
use crate::reconcile::doctor::{
    self, Heard, Incremental, KeyUse, Permission, Scratch, Ttls, interfered, leftovers, limit_of_primary, markers,
    notified, permissions, stored, ttls,
};
use crate::reconcile::owned;

/// BIND's `max-records-per-type` where nobody set it: what no server refuses.
const DEFAULT_LIMIT: u16 = 100;
/// A secondary that hears of a change has it within this; BIND waits 5 s between two NOTIFYs.
const PATIENCE: Duration = Duration::from_secs(12);
/// The same for a change soon after another one: who takes longer would be taken for one that refuses it.
const LONG_PATIENCE: Duration = Duration::from_secs(20);

type Tell<'a> = &'a (dyn Fn(String) + Sync);

/// The examination of one zone.
pub(super) struct Examination<'a> {
    config: &'a Config,
    zone: &'a ZoneConfig,
    options: &'a Options,
    files: &'a Files,
    tell: Tell<'a>,
    primary: Primary,
    findings: Vec<Finding>,
    /// Once anything may be in the zone.
    published: Option<Publisher>,
    followers: Vec<Follower>,
    /// The SOA record's REFRESH.
    refresh: u32,
}

impl<'a> Examination<'a> {
    pub(super) fn new(
        config: &'a Config,
        zone: &'a ZoneConfig,
        options: &'a Options,
        files: &'a Files,
        tell: Tell<'a>,
    ) -> Self {
        let primary = zone.primary();
        let (findings, followers) = (Vec::new(), Vec::new());
        Self { config, zone, options, files, tell, primary, findings, published: None, followers, refresh: 0 }
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    fn say(&self, what: &str) {
        (self.tell)(format!("{}: {what}", self.zone.name));
    }

    fn failed(&mut self, code: &'static str, error: &DnsError) {
        self.findings.push(failure(self.zone, code, error));
    }

    /// Everything that can be tried while the scratch names are there.
    pub(super) async fn make(&mut self) {
        self.findings.extend(self.files.local_domain(&self.zone.name));
        self.say("keys and clocks");
        if !self.keys().await {
            return;
        }
        let publisher = if self.options.update { self.permitted().await } else { None };
        self.say("reading the zone");
        let live = match self.primary.transfer().await {
            Ok(live) => live,
            Err(error) => return self.failed("transfer", &error),
        };
        let evidence = format!("serial {}, {} records", live.serial(), live.record_count());
        let may_read = Finding::new("transfer", Severity::Ok, &self.zone.name, "the zone can be transferred");
        self.findings.push(may_read.seen(evidence));
        self.contents(&live);
        self.say("secondaries");
        let (followers, findings) = followers::first_look(&live, &self.zone.primary).await;
        self.followers = followers;
        self.findings.extend(findings);
        match publisher {
            Some(publisher) => {
                if let Err(error) = self.with_scratch(&live, publisher).await {
                    self.failed("update", &error);
                }
            }
            None => self.without_scratch(&live).await,
        }
    }

    /// Whether the keys work.
    async fn keys(&mut self) -> bool {
        let ZoneConfig { key, transfer_key, .. } = self.zone;
        let described = |key: &TsigKey, purpose| KeyUse {
            name: key.name().without_final_dot(),
            algorithm: key.algorithm().to_string(),
            purpose,
        };
        let mut uses = vec![(KeyFor::Updates, described(key, "updates and transfers"))];
        if let Some(transfer_key) = transfer_key {
            uses = vec![
                (KeyFor::Updates, described(key, "updates")),
                (KeyFor::Transfers, described(transfer_key, "transfers")),
            ];
        }
        for (index, (key, described)) in uses.into_iter().enumerate() {
            match self.primary.clock(key).await {
                Ok(ahead) => {
                    let [tsig, clock] = doctor::clock(&self.zone.name, &self.zone.primary, &described, ahead);
                    let is_hopeless = clock.severity == Severity::Error;
                    self.findings.push(tsig);
                    self.findings.extend((index == 0).then_some(clock));
                    if is_hopeless {
                        return false;
                    }
                }
                Err(error) => {
                    self.failed("tsig", &error);
                    return false;
                }
            }
        }
        true
    }

    /// Whoever may publish scratch names, when everything that srvctl publishes may be.
    async fn permitted(&mut self) -> Option<Publisher> {
        self.say("what may be updated");
        let ZoneConfig { name, owner, ttl, .. } = self.zone;
        let Some(scratch) = Scratch::new(name, owner, *ttl, rand::random()) else {
            let problem = "the zone's name is so long that no scratch name fits, so nothing was published";
            self.findings.push(Finding::new("update", Severity::Note, name, problem));
            return None;
        };
        let publisher = Publisher::new(self.primary.clone(), scratch);
        match publisher.permissions(self.browses()).await {
            Ok(tried) => {
                let is_granted = tried.iter().all(Permission::is_granted);
                self.findings.push(permissions(name, &self.zone.key.name().without_final_dot(), &tried));
                is_granted.then_some(publisher)
            }
            Err(error) => {
                self.failed("update", &error);
                None
            }
        }
    }

    /// Whether a service file makes anything in the zone browsable. Files that are broken are for `srvctl check`.
    fn browses(&self) -> bool {
        let services = crate::sources::read(&self.config.services, &self.config.zone_names()).catalogue();
        let is_browsed = |service: &Arc<Service>| service.is_browsed() && service.key.zone == self.zone.name;
        services.is_ok_and(|services| services.values().any(is_browsed))
    }

    /// What the zone itself tells.
    fn contents(&mut self, live: &Zone) {
        let ZoneConfig { name, owner, ttl, primary, key_file, .. } = self.zone;
        if let Some(soa) = live.rrset(name, RecordType::SOA) {
            let number = |field: fn(&Rdata) -> Option<u32>| soa.rdatas().first().and_then(field).unwrap_or_default();
            self.refresh = number(Rdata::soa_refresh);
            let facts = Ttls {
                soa: soa.ttl,
                minimum: number(Rdata::soa_minimum),
                longest: longest_ttl(self.zone, live).unwrap_or((*ttl, "`ttl` of the zone in srvctl.toml".to_owned())),
                refresh: self.options.refresh.as_secs(),
            };
            self.findings.extend(ttls(name, &facts));
        }
        self.findings.extend(markers(owner, live, primary, &key_file.display().to_string()));
    }

    /// What can be seen without changing anything.
    async fn without_scratch(&mut self, live: &Zone) {
        if !self.options.update {
            let problem = "nothing was published, so updates, NOTIFYs, IXFR, limits and large answers were not tried";
            let finding = Finding::new("update", Severity::Note, &self.zone.name, problem);
            self.findings.push(finding.remedy("leave out `--no-update`"));
        }
        followers::wait_for(&self.zone.name, &mut self.followers, live.serial(), PATIENCE).await;
        for server in self.files.resolvers(self.zone) {
            let finding = resolvers::reach(&self.zone.name, &server).await;
            self.findings.push(finding);
        }
    }

    async fn with_scratch(&mut self, live: &Zone, publisher: Publisher) -> Result<(), DnsError> {
        self.remove_leftovers(live).await?;
        let watch = Watch::start(self.config, self.zone).await;
        let before = publisher.serial().await?;
        self.say("publishing scratch names");
        let zone = &self.zone.name;
        let publisher = self.published.insert(publisher);
        let (refused, mut differences) = publisher.publish().await?;
        if !refused.is_empty() {
            // It said something else before, when it was only asked.
            self.findings.retain(|finding| finding.code != "update");
            self.findings.push(match refused.iter().find(|refused| refused.rcode.is_lost_race()) {
                Some(lost) => interfered(zone, &self.zone.owner, lost.rcode),
                None => permissions(zone, &self.zone.key.name().without_final_dot(), &refused),
            });
            return Ok(());
        }
        if !publisher.is_there() {
            self.findings.push(stored(zone, &differences));
            return Ok(());
        }
        let (changed, serial) = (Instant::now(), publisher.serial().await?);
        (self.tell)(format!("{zone}: waiting for the NOTIFY and for secondaries"));
        let (listening, watch) = watch.map_or((None, None), |(watch, listening)| (Some(listening), Some(watch)));
        let (got, heard, ()) = tokio::join!(
            incremental(&self.primary, before),
            async {
                match watch {
                    Some(watch) => watch.wait(changed).await,
                    None => Heard::Nothing(Duration::ZERO),
                }
            },
            followers::wait_for(zone, &mut self.followers, serial, PATIENCE),
        );
        self.findings.push(doctor::incremental(zone, &format!("IXFR from serial {before}"), &got));
        self.findings.push(notified(zone, listening.as_ref(), &heard));

        let [wanted, configured] = records(self.zone, self.options.limits, &publisher.scratch);
        (self.tell)(format!("{zone}: {wanted} records in one RRset, waiting for secondaries"));
        let (took, said) = publisher.grow(wanted).await?;
        if let Some(rcode) = said.filter(|rcode| rcode.is_lost_race()) {
            self.findings.push(interfered(zone, &self.zone.owner, rcode));
            return Ok(());
        }
        let missing = publisher.grown().await?;
        let is_whole = missing.is_empty();
        differences.extend(missing);
        self.findings.push(stored(zone, &differences));
        if is_whole {
            self.findings.push(limit_of_primary(zone, [wanted, took, configured].map(usize::from), said));
        }
        let large = publisher.serial().await?;
        followers::wait_for_large(zone, &mut self.followers, large, LONG_PATIENCE).await;
        for server in self.files.resolvers(self.zone).iter().filter(|_| is_whole) {
            (self.tell)(format!("{zone}: looking up through {server}"));
            self.findings.extend(resolvers::look_up(zone, server, &publisher.scratch, took).await);
        }
        Ok(())
    }

    async fn remove_leftovers(&mut self, live: &Zone) -> Result<(), DnsError> {
        let updates = leftovers(&self.zone.owner, live);
        if updates.is_empty() {
            return Ok(());
        }
        let pushed = self.primary.push(&updates).await?;
        let problem = "scratch names of an earlier examination, which was killed, were removed";
        let finding = Finding::new("leftovers", Severity::Note, &self.zone.name, problem);
        let finding = updates.iter().fold(finding, |finding, update| finding.seen(&update.name));
        self.findings.push(match pushed.refused.first() {
            None => finding,
            Some(refused) => Finding {
                severity: Severity::Warning,
                problem: format!("scratch names of an earlier examination could not be removed: {}", refused.rcode),
                ..finding
            },
        });
        Ok(())
    }

    /// Removes the scratch names; why not, in words.
    ///
    /// # Errors
    /// When they are still there; a finding says so too.
    pub(super) async fn clean_up(&mut self) -> Result<(), String> {
        let Some(publisher) = &self.published else { return Ok(()) };
        self.say("removing the scratch names");
        let Err(why) = publisher.remove().await else { return Ok(()) };
        let ZoneConfig { name, primary, key_file, .. } = self.zone;
        let finding =
            Finding::new("cleanup", Severity::Error, name, "the scratch names could not be removed").seen(&why);
        self.findings.push(finding.remedy(format!(
            "run `srvctl doctor` again, which removes them, or `nsupdate -k {}` with: server {} {}; zone {name}; {}; send",
            key_file.display(),
            primary.host,
            primary.port,
            publisher.scratch.nsupdate_lines().join("; "),
        )));
        Err(format!("the scratch names could not be removed: {why}; run `srvctl doctor` again"))
    }

    /// Secondaries that did not take a large RRset take the zone again without it, or have other troubles.
    pub(super) async fn look_again(&mut self) {
        let zone = &self.zone.name;
        if let Some(publisher) = &self.published
            && let Ok(serial) = publisher.serial().await
        {
            let records = usize::from(publisher.services);
            followers::wait_for_end(zone, &mut self.followers, (serial, records), LONG_PATIENCE).await;
        }
        if let Err(error) = followers::compare_again(&mut self.followers, &self.primary).await {
            return self.failed("secondary-serial", &error); // nothing can be said of who is ahead of whom
        }
        self.findings.extend(self.followers.iter().flat_map(|follower| follower.findings(zone, self.refresh)));
    }
}

/// How many SRV records to try, and how many the configuration promises. No more than one answer can hold.
fn records(zone: &ZoneConfig, limits: bool, scratch: &Scratch) -> [u16; 2] {
    let configured = u16::try_from(zone.max_records_per_rrset).unwrap_or(u16::MAX);
    let each = update::answer_len(&scratch.service, &scratch.services(1)) - update::answer_len(&scratch.service, &[]);
    let fits = (update::MAX_NAME_BYTES - 1_000) / (each + scratch.service.len());
    let wanted = if limits { configured } else { configured.min(DEFAULT_LIMIT) };
    [wanted.min(u16::try_from(fits).unwrap_or(u16::MAX)), configured]
}

/// The longest TTL of what is ours, and where it is.
fn longest_ttl(zone: &ZoneConfig, live: &Zone) -> Option<(u32, String)> {
    let sets = owned(&zone.owner, live).into_iter().flat_map(|owned| {
        let name = owned.name;
        owned.types.into_iter().map(move |record_type| RrsetKey::new(name.clone(), record_type))
    });
    let ttls = sets.filter_map(|key| {
        let Rrset { ttl, .. } = live.rrset(&key.name, key.record_type)?;
        Some((ttl, format!("{} {}", key.name, key.record_type)))
    });
    ttls.max_by_key(|(ttl, _)| *ttl)
}

/// Asks for what has changed since a serial.
async fn incremental(primary: &Primary, since: u32) -> Incremental {
    match Session::new(primary.clone()).refresh(since).await {
        Ok(Refreshed::Steps(steps)) => {
            let records = |step: &Step| step.deleted.len() + step.added.len();
            Incremental::Steps(steps.iter().map(records).sum())
        }
        Ok(Refreshed::Whole(zone)) => Incremental::Whole(zone.record_count()),
        Ok(Refreshed::UpToDate | Refreshed::NotAvailable(_)) => {
            Incremental::Other("a serial and no changes".to_owned())
        }
        Ok(Refreshed::Behind(serial)) => Incremental::Other(format!("serial {serial}, which is older")),
        Err(error) => Incremental::Other(error.to_string()),
    }
}

/// An exchange that failed, as a finding under the code that says what is at fault.
fn failure(zone: &ZoneConfig, code: &'static str, error: &DnsError) -> Finding {
    let ZoneConfig { name, primary, .. } = zone;
    let finding = |code, problem: String| Finding::new(code, Severity::Error, name, problem).seen(error);
    match error {
        // Knot and PowerDNS say so of whatever they do not let a key do. That the server knows it was seen before.
        DnsError::Tsig { problem: TsigProblem::UnknownKey | TsigProblem::Unsigned(_), .. } if code == "transfer" => {
            transfer_refused(zone, error)
        }
        DnsError::Tsig { problem: TsigProblem::Clock { .. } | TsigProblem::Stale(_), .. } => {
            finding("clock", format!("{primary} refuses our signatures, or we its: the clocks differ"))
                .remedy("have both hosts' clocks synchronised: `timedatectl set-ntp true`, or chrony")
        }
        DnsError::Tsig { key, problem, .. } => finding("tsig", format!("{primary} does not take key \"{key}\"")).remedy(match problem {
            TsigProblem::UnknownKey => format!(
                "give the server the key: `include` our key file {} in its named.conf, then `rndc reconfig`; name and \
                 algorithm ({}) must be the same on both sides",
                zone.key_file.display(),
                zone.key.algorithm()
            ),
            _ => format!("copy the key file anew from the server, to {}", zone.key_file.display()),
        }),
        DnsError::Transfer { .. } => transfer_refused(zone, error),
        DnsError::Resolve { .. } | DnsError::Connect { .. } | DnsError::Tls { .. } | DnsError::Timeout { .. } => {
            finding("primary", format!("{primary} cannot be reached"))
                .remedy("start the name server, open TCP to it, and compare `primary` and `transport` in srvctl.toml")
        }
        _ => finding(code, format!("the exchange with {primary} failed")).remedy("look into the server's log"),
    }
}

fn transfer_refused(zone: &ZoneConfig, error: &DnsError) -> Finding {
    let key = zone.transfer_key.as_ref().unwrap_or(&zone.key).name().without_final_dot();
    let problem = "the zone cannot be transferred, and srvctl has to read it";
    Finding::new("transfer", Severity::Error, &zone.name, problem).seen(error).remedy(format!(
        "in the primary's `zone \"{}\" {{ … }};`: `allow-transfer {{ key \"{key}\"; }};`, then `rndc reconfig`",
        zone.name.without_final_dot()
    ))
}
