//! Health, from the checks to what follows: has the instances of all services in force checked, tells the pure machine
//! what came of it, and those who publish, write down and show what the machine makes of it.
//!
//! What changed is on the disk before it is published: a restart knows what had been withdrawn, and why. Where the disk
//! fails that cannot be helped; then the worst that a restart does is to publish something again that fails.

mod jobs;
mod memory;
mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::health_board::{self, HealthBoard, HealthWrite, News as Board, Said};
use super::metrics::Metrics;
use super::triage::Triage;
use super::wishes::Wishes;
use super::zone_task;
use crate::model::health::{Condition, Maintained, Maintenance};
use crate::model::{DaemonStatus, Name, ServiceKey};
use crate::probes::{Observed, Probes};
use crate::reconcile::health::{Happening, Health, News, Seen};
use jobs::Jobs;
use memory::Memory;
use summary::Summaries;

/// So many results are taken in at once at most.
const BATCH: usize = 512;
/// How often it is seen what time alone changes: damping and leases that end, and who waits for others to be seen.
const TICK: Duration = Duration::from_millis(250);
/// How often everything that changed a little is written down.
const SAVE: Duration = Duration::from_secs(30);
/// How long a change may wait for the disk before it is published all the same.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is shown costs at most one part in so many of the time: of ten thousand instances a few seconds' age
/// is good enough, and of a hundred it is milliseconds.
const SHARE: u32 = 400;

/// The ports of the health task.
pub(super) struct HealthTask {
    /// Of all zones, in the status's order.
    pub(super) zones: Vec<Name>,
    pub(super) triage: Arc<Triage>,
    pub(super) board: Arc<HealthBoard>,
    pub(super) wishes: Arc<Wishes>,
    pub(super) probes: Probes,
    pub(super) observed: mpsc::Receiver<Observed>,
    /// To the thread that writes.
    pub(super) disk: mpsc::Sender<HealthWrite>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) status: Arc<watch::Sender<DaemonStatus>>,
    pub(super) stop: watch::Receiver<bool>,
}

/// What the task keeps beside the machine.
struct Work {
    jobs: Jobs,
    memory: Memory,
    summaries: Summaries,
    /// Services that are to be shown anew.
    dirty: BTreeSet<Name>,
    shown: Instant,
    /// How long showing took the last time.
    took: Duration,
    saved: Instant,
    /// Whether it is known which services there are.
    is_told: bool,
    isolated: bool,
}

impl HealthTask {
    /// Runs until told to stop.
    pub(super) async fn run(mut self) {
        let mut stop = self.stop.clone();
        let remembered = tokio::select! {
            biased;
            _ = stop.wait_for(|&stop| stop) => return,
            remembered = self.board.restored() => remembered,
        };
        let now = Instant::now();
        let mut work = Work {
            jobs: Jobs::default(),
            memory: Memory::new(remembered),
            summaries: Summaries::new(self.zones.clone()),
            dirty: BTreeSet::new(),
            shown: now,
            took: Duration::ZERO,
            saved: now,
            is_told: false,
            isolated: false,
        };
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut results = Vec::new();
            let mut news = tokio::select! {
                biased;
                _ = stop.wait_for(|&stop| stop) => break,
                changed = self.wishes.changed() => self.check_others(&changed, &mut work),
                said = self.board.news() => self.hear(said, &mut work),
                _ = self.observed.recv_many(&mut results, BATCH) => self.observe(results, &mut work),
                _ = tick.tick() => self.pass_time(),
            };
            news.extend(self.triage.take_news());
            self.act_on(news, &mut work).await;
            self.show(&mut work);
            if work.saved.elapsed() >= SAVE {
                work.saved = Instant::now();
                self.write(None, News::default(), &mut work).await;
            }
        }
        // What is not written now is learnt anew.
        let news = self.triage.take_news();
        self.write(None, news, &mut work).await;
    }

    /// Has those services checked that are others than before.
    fn check_others(&self, changed: &BTreeSet<ServiceKey>, work: &mut Work) -> News {
        if !std::mem::replace(&mut work.is_told, true) {
            self.triage.with(Health::forget_others);
        }
        for own_name in changed.iter().filter_map(|key| key.owner_name().ok()) {
            let checks = self.triage.with(|health| health.checks(&own_name)).unwrap_or_default();
            work.jobs.set(&own_name, checks);
            work.dirty.insert(own_name);
        }
        self.probes.set(work.jobs.all());
        News::default()
    }

    /// Takes in what instances say of themselves, and who works on what.
    fn hear(&self, Board { said, maintenance }: Board, work: &mut Work) -> News {
        let now = self.triage.now();
        let mut news = News::default();
        for Said { service, instance, result, is_near } in said {
            let Ok(own_name) = service.owner_name() else { continue };
            let word = Seen { result, at: now, is_near };
            let heard = self.triage.with(|health| health.hear(&own_name, &instance, &word)).flatten();
            if let Some(heard) = heard {
                self.metrics.probed("lease", &word.result);
                news.extend(heard);
                work.dirty.insert(own_name);
            }
        }
        if let Some(maintenance) = maintenance {
            news.extend(self.maintain(&maintenance, now));
            // Whom it concerns is told by what the services say.
            work.dirty.extend(self.names());
        }
        news
    }

    fn maintain(&self, maintenance: &BTreeMap<Maintained, Maintenance>, now: u64) -> News {
        let change = |health: &mut Health| {
            let mut news = News::default();
            let before = health.maintenance().clone();
            // What is over, and not written down as such yet, does not begin again.
            let lasts = |work: &Maintenance| work.lasts(zone_task::now() * 1_000);
            for whom in before.keys().filter(|whom| !maintenance.get(*whom).is_some_and(lasts)) {
                news.extend(health.maintain(whom, None, now));
            }
            let other = |(whom, work): &(&Maintained, &Maintenance)| before.get(*whom) != Some(*work) && lasts(work);
            for (whom, work) in maintenance.iter().filter(other) {
                news.extend(health.maintain(whom, Some(work.clone()), now));
            }
            news
        };
        self.triage.with(change).unwrap_or_default()
    }

    fn observe(&self, results: Vec<Observed>, work: &mut Work) -> News {
        let mut news = News::default();
        for Observed { id, result, is_near, at, late } in results {
            let Some(subject) = work.jobs.subject(id) else { continue };
            self.metrics.probed(subject.check.kind.as_str(), &result);
            self.metrics.probed_late(late);
            let seen = Seen { result, at: self.triage.at(at.into_std()), is_near };
            let whose = (&subject.service, &subject.instance);
            news.extend(self.triage.with(|health| health.observe(whose, &subject.check, seen)).unwrap_or_default());
            if !work.dirty.contains(&subject.service) {
                work.dirty.insert(subject.service.clone());
            }
        }
        news
    }

    fn pass_time(&self) -> News {
        let now = self.triage.now();
        // Whoever writes that down says so; it is over whether or not that can be written.
        let over = self.board.over(zone_task::now());
        let change = |health: &mut Health| {
            let mut news = health.pass_time(now);
            for whom in over.iter().filter(|whom| health.maintenance().contains_key(*whom)).collect::<Vec<_>>() {
                news.extend(health.maintain(whom, None, now));
            }
            news
        };
        self.triage.with(change).unwrap_or_default()
    }

    /// Logs what came, writes it down, and has it published.
    async fn act_on(&self, mut news: News, work: &mut Work) {
        let behind = self.triage.behind();
        news.transitions.iter_mut().for_each(|change| change.at = change.at.saturating_add_signed(behind));
        log(&news);
        let isolated = self.triage.with(|health| health.is_isolated()).unwrap_or_default();
        if std::mem::replace(&mut work.isolated, isolated) != isolated {
            work.dirty.extend(self.names());
            self.log_isolation(isolated);
        }
        let effective = std::mem::take(&mut news.effective);
        let touched = touched(&news);
        work.dirty.extend(touched.iter().cloned());
        if !touched.is_empty() {
            self.write(Some(touched), news, work).await;
        }
        let keys: BTreeSet<_> = effective.keys().filter_map(ServiceKey::of_owner_name).collect();
        if !keys.is_empty() {
            self.wishes.reconsider(keys);
        }
    }

    /// Writes down what is another than on the disk: of these services, or of all.
    async fn write(&self, of: Option<Vec<Name>>, news: News, work: &mut Work) {
        // As long as nobody has named the services, those that are not there are not forgotten.
        let of = if work.is_told { of } else { Some(touched(&news)) };
        let transitions = news.transitions;
        let compare = |health: &mut Health| work.memory.differences(health, of.as_deref(), transitions);
        let Some(batch) = self.triage.with(compare) else { return };
        if batch.is_empty() {
            return;
        }
        match timeout(PATIENCE, health_board::write(&self.disk, batch.clone())).await {
            Ok(Ok(())) => work.memory.written(&batch),
            Ok(Err(why)) => tracing::warn!("what changed about health could not be written down: {why}"),
            Err(_) => tracing::warn!("what changed about health is not on the disk after {} s", PATIENCE.as_secs()),
        }
    }

    /// Shows services that are others, unless that was done a moment ago.
    fn show(&self, work: &mut Work) {
        if work.dirty.is_empty() || work.shown.elapsed() < work.took * SHARE {
            return;
        }
        let (began, behind) = (Instant::now(), self.triage.behind());
        let mut shown = Vec::new();
        for own_name in std::mem::take(&mut work.dirty) {
            let Some(key) = ServiceKey::of_owner_name(&own_name) else { continue };
            let mut status = self.triage.with(|health| health.status(&own_name)).flatten();
            if behind != 0 {
                status.iter_mut().flat_map(|status| &mut status.instances).for_each(|one| one.shift(behind));
            }
            work.summaries.set(&key, status.as_ref());
            shown.push((key, status));
        }
        self.board.show(shown);
        work.summaries.tell(&self.status);
        (work.shown, work.took) = (Instant::now(), began.elapsed());
    }

    fn names(&self) -> Vec<Name> {
        self.triage.with(|health| health.names().cloned().collect()).unwrap_or_default()
    }

    fn log_isolation(&self, isolated: bool) {
        let follows = |health: &mut Health| {
            health.names().filter_map(|name| health.effective(name)).any(|service| service.health.floor(1).is_some())
        };
        match (isolated, self.triage.with(follows).unwrap_or_default()) {
            (true, true) => tracing::error!(
                "most of what is checked fails at once, so nothing more is withdrawn: does this machine reach the others?"
            ),
            (true, false) => tracing::warn!("most of what is checked fails at once"),
            (false, _) => tracing::info!("most of what is checked is well again"),
        }
    }
}

/// Services of which something else has to be remembered, or nothing any more.
fn touched(news: &News) -> Vec<Name> {
    let forgotten = news.forgotten.iter().map(|(service, _)| service);
    news.touched.iter().chain(forgotten).cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

fn log(news: &News) {
    for change in &news.transitions {
        let (service, instance, reason) = (&change.service, &change.instance, &change.reason);
        match change.to {
            Condition::Failing => tracing::warn!(%service, %instance, "is failing: {reason}"),
            Condition::Passing => tracing::info!(%service, %instance, "is passing: {reason}"),
            Condition::Unknown => tracing::info!(%service, %instance, "is not known any more: {reason}"),
        }
    }
    for happening in &news.happenings {
        match happening {
            Happening::Moved { service, instance, from, to, reason } => {
                tracing::info!(%service, %instance, "was {from}, and is {to} now: {reason}");
            }
            Happening::FloorHeld { service, healthy, floor, checked } => tracing::error!(
                %service,
                "{healthy} of {checked} instances are healthy, and {floor} have to be: what fails stays published"
            ),
            Happening::FloorReleased { service } => {
                tracing::info!(%service, "enough instances are healthy again for others to be withdrawn");
            }
        }
    }
}
