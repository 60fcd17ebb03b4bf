//! What is known of the health of all services, and what follows from it: results come in, with the time, and services as
//! they shall be published come out.
//!
//! Pure: it makes no check and has no clock. All times are milliseconds since 1970 on a clock that is not set meanwhile:
//! the time at start and what has passed since. Results may come a moment out of order.

mod decide;
mod news;
mod run;
mod show;
mod track;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::health::{Maintained, Maintenance, ProbeResult, Publication, RememberedHealth, Verdict};
use crate::model::{Check, CheckKind, InstanceId, Name, Service};

use decide::has_same_effect;
pub use decide::{Decision, Grounds, Outcome, Standing, Surroundings, decide, effective};
pub use news::{Happening, News};
pub use track::{FLAP_CHANGES, FLAP_QUIET, FLAP_WINDOW};
use track::{Track, Turn};

/// So many instances at least have to be checked for their common trouble to say something about whoever checks.
const ISOLATION_MIN: usize = 4;

/// The health of every service that is checked.
#[derive(Debug, Default)]
pub struct Health {
    services: BTreeMap<Name, Watched>,
    /// What is remembered of instances that nobody has wished for yet.
    remembered: BTreeMap<(Name, InstanceId), RememberedHealth>,
    maintenance: BTreeMap<Maintained, Maintenance>,
    /// Instances that are checked, and those of them in trouble.
    checked: usize,
    troubled: usize,
    /// When the last probe began that passed elsewhere than on the machine of whoever checks.
    reached: Option<u64>,
    /// Whether checks that are commands are not made, and so are none.
    without_commands: bool,
}

/// What a check saw, or an instance said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What came of it.
    pub result: ProbeResult,
    /// When it ended.
    pub at: u64,
    /// Whether it is known not to have left the machine of whoever checks: then it says nothing of the network.
    pub is_near: bool,
}

/// One service that is checked.
#[derive(Debug)]
struct Watched {
    /// As it is wished for.
    service: Arc<Service>,
    /// In the order of its instances.
    instances: Vec<(InstanceId, Track)>,
    index: BTreeMap<InstanceId, usize>,
    decision: Decision,
    /// Whether that was decided of the service as it is now.
    is_decided: bool,
    /// As it shall be published.
    effective: Arc<Service>,
}

impl Health {
    /// Nothing is wished for yet. `remembered` is what [`remember`](Self::remember) gave before the daemon stopped.
    pub fn new(
        remembered: impl IntoIterator<Item = RememberedHealth>,
        maintenance: impl IntoIterator<Item = (Maintained, Maintenance)>,
    ) -> Self {
        let key = |found: RememberedHealth| ((found.service.clone(), found.instance.clone()), found);
        let remembered = remembered.into_iter().map(key).collect();
        Self { remembered, maintenance: maintenance.into_iter().collect(), ..Self::default() }
    }

    /// As it is where commands are not run: checks that are commands count for nothing, as if they were not there.
    #[must_use]
    pub fn without_commands(self) -> Self {
        Self { without_commands: true, ..self }
    }

    /// Takes in that every service there is was [`set`](Self::set): what is remembered of others is past. An instance that
    /// appears later is new.
    pub fn forget_others(&mut self) {
        self.remembered.clear();
    }

    /// What is checked of an instance.
    fn made(&self, checks: &[Arc<Check>]) -> Vec<Arc<Check>> {
        let is_made = |check: &&Arc<Check>| !(self.without_commands && matches!(check.kind, CheckKind::Command(_)));
        checks.iter().filter(is_made).cloned().collect()
    }

    /// Takes in what a service has become, by its owner name. It is to be told also when only its checks have changed.
    /// Of a service without checks nothing is kept, and [`effective`](Self::effective) has nothing to say.
    pub fn set(&mut self, own_name: &Name, service: Option<&Arc<Service>>, now: u64) -> News {
        let mut news = News::default();
        let before = self.services.remove(own_name);
        self.uncount(before.as_ref());
        let was = before.as_ref().map(|watched| Arc::clone(&watched.effective));
        let mut known: BTreeMap<_, _> = before.into_iter().flat_map(|watched| watched.instances).collect();
        if let Some(service) = service.filter(|service| service.is_checked()) {
            let mut instances = Vec::with_capacity(service.instances.len());
            for instance in &service.instances {
                let id = InstanceId::of(&instance.host, instance.port);
                let checks = self.made(service.checks_of(instance));
                let mut track = known.remove(&id).unwrap_or_else(|| self.appearing(own_name, &id, &checks, now));
                if let Some(turn) = track.take_checks(&checks, now) {
                    news.turned(own_name, &id, turn, now);
                }
                instances.push((id, track));
            }
            let index = instances.iter().enumerate().map(|(at, (id, _))| (id.clone(), at)).collect();
            let (effective, decision) = (was.unwrap_or_else(|| Arc::clone(service)), Decision::default());
            let service = Arc::clone(service);
            let watched = Watched { service, instances, index, decision, is_decided: false, effective };
            self.checked += watched.checked();
            self.troubled += watched.troubled();
            self.services.insert(own_name.clone(), watched);
            self.decide(own_name, now, &mut news);
            // Whoever told has told the zones nothing yet.
            let after = &self.services[own_name].effective;
            news.effective.insert(own_name.clone(), Arc::clone(after));
        }
        news.forgotten.extend(known.into_keys().map(|id| (own_name.clone(), id)));
        news
    }

    fn appearing(&mut self, own_name: &Name, id: &InstanceId, checks: &[Arc<Check>], now: u64) -> Track {
        match self.remembered.remove(&(own_name.clone(), id.clone())) {
            Some(remembered) => Track::restored(remembered, checks, now),
            None => Track::new(checks, now),
        }
    }

    /// Takes in the result of a check. One of an instance or a check that is not known any more is left aside.
    pub fn observe(&mut self, (own_name, instance): (&Name, &InstanceId), check: &Check, seen: Seen) -> News {
        self.reach(&seen);
        let now = seen.at;
        self.change(own_name, instance, now, |track| track.observe(check, seen))
    }

    /// Takes in what an instance says of itself. None when it has no check of type `lease`, and nobody wants to know.
    pub fn hear(&mut self, own_name: &Name, instance: &InstanceId, word: &Seen) -> Option<News> {
        self.reach(word);
        let mut heard = false;
        let news = self.change(own_name, instance, word.at, |track| {
            let turn = track.hear(word);
            heard = turn.is_ok();
            turn.ok().flatten()
        });
        heard.then_some(news)
    }

    /// Takes in that time has passed: leases that ran out, damping that ends, and instances that were to wait until others
    /// had been seen. Meant to be told every second or so.
    pub fn pass_time(&mut self, now: u64) -> News {
        let mut news = News::default();
        let timed = |track: &Track| track.is_timed() || track.publication == Publication::Awaiting;
        let names: Vec<_> = self.services.iter().filter(|(_, watched)| watched.any(timed)).collect();
        let names: Vec<_> = names.into_iter().map(|(own_name, _)| own_name.clone()).collect();
        for own_name in names {
            let Some(watched) = self.services.get_mut(&own_name) else { continue };
            let troubled = watched.troubled();
            for (id, track) in &mut watched.instances {
                if let Some(turn) = track.pass_time(now) {
                    news.turned(&own_name, id, turn, now);
                }
            }
            self.troubled = self.troubled + watched.troubled() - troubled;
            self.decide(&own_name, now, &mut news);
        }
        news
    }

    /// Takes in that somebody works on something, or does not any more. When its time is over is not seen here: people mean
    /// the time of day, and clocks are set.
    pub fn maintain(&mut self, maintained: &Maintained, maintenance: Option<Maintenance>, now: u64) -> News {
        let mut news = News::default();
        match maintenance {
            Some(maintenance) => self.maintenance.insert(maintained.clone(), maintenance),
            None => self.maintenance.remove(maintained),
        };
        self.decide_maintained(maintained, now, &mut news);
        news
    }

    /// Everything that somebody works on.
    pub fn maintenance(&self) -> &BTreeMap<Maintained, Maintenance> {
        &self.maintenance
    }

    /// Whether most of what is checked anywhere is in trouble at the same time: rather a sign that whoever checks is cut
    /// off.
    pub fn is_isolated(&self) -> bool {
        self.checked >= ISOLATION_MIN && self.troubled * 2 > self.checked
    }

    /// A service as it shall be published; none of one that is not checked.
    pub fn effective(&self, own_name: &Name) -> Option<&Arc<Service>> {
        self.services.get(own_name).map(|watched| &watched.effective)
    }

    /// What has to survive a restart of one service.
    pub fn remember(&self, own_name: &Name) -> Vec<RememberedHealth> {
        let Some(watched) = self.services.get(own_name) else { return Vec::new() };
        let one = |(id, track): &(InstanceId, Track)| {
            track.remembered(RememberedHealth {
                service: own_name.clone(),
                instance: id.clone(),
                condition: track.condition(),
                since: None,
                reason: String::new(),
                changes: Vec::new(),
                damped: false,
                publication: Publication::Published,
            })
        };
        watched.instances.iter().map(one).collect()
    }

    /// Notes that somebody elsewhere is reached, if so.
    fn reach(&mut self, Seen { result, at, is_near }: &Seen) {
        if matches!(result.verdict, Verdict::Passing | Verdict::Warning) && !is_near {
            let latency = u64::try_from(result.latency.as_millis()).unwrap_or(u64::MAX);
            self.reached = self.reached.max(Some(at.saturating_sub(latency)));
        }
    }

    /// Changes one instance, and what follows from that.
    fn change(
        &mut self,
        own_name: &Name,
        instance: &InstanceId,
        now: u64,
        change: impl FnOnce(&mut Track) -> Option<Turn>,
    ) -> News {
        let mut news = News::default();
        let Some(watched) = self.services.get_mut(own_name) else { return news };
        let Some(&at) = watched.index.get(instance) else { return news };
        let track = &mut watched.instances[at].1;
        let before = track.is_troubled();
        let turn = change(track);
        let (is_seconded, after) = (track.seconded.is_some(), track.is_troubled());
        self.troubled = self.troubled + usize::from(after) - usize::from(before);
        let is_turn = turn.is_some();
        if let Some(turn) = turn {
            news.turned(own_name, instance, turn, now);
        }
        // One that waits goes when it fails once more; until others have passed there is nothing to decide.
        if is_turn || is_seconded {
            self.decide(own_name, now, &mut news);
        }
        news
    }

    fn decide_maintained(&mut self, maintained: &Maintained, now: u64, news: &mut News) {
        let names: BTreeSet<_> = match maintained {
            Maintained::Service(own_name) => [own_name.clone()].into(),
            Maintained::Host(host) => {
                let is_on = |watched: &Watched| watched.service.instances.iter().any(|found| found.host == *host);
                let on_it = self.services.iter().filter(|(_, watched)| is_on(watched));
                on_it.map(|(own_name, _)| own_name.clone()).collect()
            }
        };
        names.iter().for_each(|own_name| self.decide(own_name, now, news));
    }

    /// Brings what shall be published of a service to what follows from all that is known.
    fn decide(&mut self, own_name: &Name, now: u64, news: &mut News) {
        let isolated = self.is_isolated();
        let Some(watched) = self.services.get_mut(own_name) else { return };
        let lasts = |maintained: &Maintained| self.maintenance.contains_key(maintained);
        let maintained = lasts(&Maintained::Service(own_name.clone()));
        let surroundings = Surroundings { isolated, maintained, reached: self.reached, now };
        let is_quiet = self.maintenance.is_empty();
        let standing = |((_, track), instance): (&(InstanceId, Track), &crate::model::Instance)| Standing {
            checked: track.is_checked(),
            condition: track.condition(),
            grounds: track.grounds(),
            firm_at: track.firm_at(),
            maintained: !is_quiet && lasts(&Maintained::Host(instance.host.clone())),
            before: track.publication,
            seconded: track.seconded,
        };
        let standings: Vec<_> = watched.instances.iter().zip(&watched.service.instances).map(standing).collect();
        let mut decision = decide(watched.service.health, &standings, surroundings);
        if watched.service.tells_health() {
            for (outcome, standing) in decision.outcomes.iter_mut().zip(&standings) {
                outcome.told = standing.checked.then_some(standing.condition);
            }
        }
        news.decided(own_name, watched, &standings, &decision);
        for ((_, track), outcome) in watched.instances.iter_mut().zip(&decision.outcomes) {
            (track.publication, track.seconded) = (outcome.publication, outcome.seconded);
        }
        let is_same = watched.is_decided && has_same_effect(&watched.decision.outcomes, &decision.outcomes);
        watched.decision = decision;
        watched.is_decided = true;
        // A service of ten thousand instances is not to be made anew for each result.
        if is_same {
            return;
        }
        let after = effective(&watched.service, &watched.decision.outcomes);
        if !after.says_the_same(&watched.effective) {
            news.effective.insert(own_name.clone(), Arc::clone(&after));
        }
        watched.effective = after;
    }

    fn uncount(&mut self, watched: Option<&Watched>) {
        self.checked -= watched.map_or(0, Watched::checked);
        self.troubled -= watched.map_or(0, Watched::troubled);
    }
}

impl Watched {
    fn any(&self, is: impl Fn(&Track) -> bool) -> bool {
        self.instances.iter().any(|(_, track)| is(track))
    }

    fn checked(&self) -> usize {
        self.instances.iter().filter(|(_, track)| track.is_checked()).count()
    }

    fn troubled(&self) -> usize {
        self.instances.iter().filter(|(_, track)| track.is_troubled()).count()
    }
}

#[cfg(test)]
mod tests;
