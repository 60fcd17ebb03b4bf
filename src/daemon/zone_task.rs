//! One zone's reconciler: woken by an edge, acts on the level.
//!
//! It takes no input but the latest desired set and the live zone, and runs one cycle at a time. A failed cycle
//! leaves nothing to clean up: every name in the zone is wholly in one state or another.
//!
//! The zone is transferred once, and then followed by what changes in it. Between two cycles nothing is asked; on the
//! interval, the serial.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::cycle::{self, Converged, Orders, Reading, Reason, Unmet};
use super::discovery::Stale;
use super::drift::{Before, Drift};
use super::herald::Herald;
use super::inbox::{Inbox, News, Notified};
use super::metrics::ZoneMetrics;
use super::report;
use crate::dns::{DnsError, Session};
use crate::model::{DaemonStatus, Outcome, OwnerId, Serial, ZoneStatus};
use crate::protocol::update::NameUpdate;
use crate::reconcile::discovery::leaving;
use crate::reconcile::{Desired, PlanId, Reconciler, SetAside};

/// How long to leave names alone that others keep changing.
const CONTEST: Duration = Duration::from_millis(100);
/// How long word of changes is not believed after it was wrong. Anybody can send it in the primary's name.
const DOUBT: Duration = Duration::from_secs(1);

/// The ports of one zone's task.
pub(super) struct ZoneTask {
    /// The zone's place in the configuration and in the status.
    pub(super) index: usize,
    pub(super) session: Session,
    pub(super) herald: Herald,
    pub(super) owner: OwnerId,
    pub(super) interval: Duration,
    pub(super) inbox: Arc<Inbox>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) status: Arc<watch::Sender<DaemonStatus>>,
    /// For whoever lists instances for Prometheus.
    pub(super) stale: Arc<Stale>,
    pub(super) metrics: ZoneMetrics,
}

/// What the task knows of its zone.
enum Knowledge {
    /// Nobody has said yet what is desired: then nothing is done, since nothing is not what is desired.
    Nothing(Desired),
    /// What is desired, and not what is there.
    Wishes(Desired),
    /// Both.
    Everything(Box<Reconciler>),
}

/// What the task remembers between cycles: nothing that the zone does not know better.
struct Memory {
    knowledge: Knowledge,
    /// When the primary last told what it has, and how long that may be believed (SOA EXPIRE).
    confirmed: Instant,
    /// What has to be read before anything is sent.
    to_read: ToRead,
    /// Whether a cycle ended while others were still changing the names that it changed.
    contested: bool,
    /// Whether an update may be under way that nobody waits for any more.
    unsettled: bool,
    /// Word of a change that was none came a moment ago: until then further word waits.
    doubt: Option<Instant>,
    /// Word of a change that waits.
    doubted: bool,
    /// The held plan that a person accepted a moment ago.
    accepted: Option<PlanId>,
    /// What somebody else changed and is not repaired yet.
    drift: Drift,
    aside: SetAside,
    backoff: Backoff,
}

/// How much has to be read, the more the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ToRead {
    Nothing,
    /// The serial, and what changed if it is another one.
    Serial,
    /// What changed.
    Changes,
    /// Everything.
    Zone,
}

impl ToRead {
    /// A serial that is older than the one we hold is mostly old word of our own updates, but may be an older zone that
    /// somebody restored: the server knows.
    fn after(notified: Notified, held: u32) -> Self {
        match notified.serial {
            Some(serial) if serial == held => Self::Nothing,
            Some(serial) if Serial(held).is_newer_than(Serial(serial)) => Self::Serial,
            _ => Self::Changes,
        }
    }
}

impl ZoneTask {
    /// Runs until told to stop. Reading is broken off then, since a server that hangs must not hold up anybody
    /// else's restart; updates under way are finished first.
    pub(super) async fn run(mut self, desired: Desired) {
        let mut memory = Memory {
            knowledge: Knowledge::Nothing(desired),
            confirmed: Instant::now(),
            to_read: ToRead::Zone,
            contested: false,
            unsettled: true,
            doubt: None,
            doubted: false,
            accepted: None,
            drift: Drift::default(),
            aside: SetAside::default(),
            backoff: Backoff::default(),
        };
        let mut stop = self.stop.clone();
        loop {
            let news = self.inbox.take();
            let is_somebody_new = news.round;
            memory.take_in(news);
            self.show_pending(&memory);
            let wait = if let Knowledge::Nothing(_) = memory.knowledge {
                self.interval
            } else {
                let read = tokio::select! {
                    biased;
                    _ = stop.wait_for(|&stop| stop) => return,
                    read = self.read(&mut memory) => read,
                };
                self.act(read, &mut memory).await
            };
            self.update_status(|zone| zone.next_run = Some(now() + wait.as_secs()));
            if let Knowledge::Everything(reconciler) = &mut memory.knowledge {
                self.herald.tell(reconciler);
                if is_somebody_new {
                    self.herald.begin_anew(reconciler);
                }
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|&stop| stop) => return,
                () = self.inbox.news() => {}
                () = tokio::time::sleep(wait) => memory.to_read = memory.to_read.max(ToRead::Serial),
                () = Self::go_round(&mut self.herald, &memory.knowledge) => {}
            }
        }
    }

    /// Tells whoever looks published records up what is due, again and again.
    async fn go_round(herald: &mut Herald, knowledge: &Knowledge) {
        let Knowledge::Everything(reconciler) = knowledge else { return pending().await };
        while let Some(next) = herald.next() {
            tokio::time::sleep_until(next).await;
            herald.go_on(reconciler);
        }
        pending::<()>().await;
    }

    /// Reads what there is to read, and changes nothing in the zone.
    async fn read(&mut self, memory: &mut Memory) -> Result<(), DnsError> {
        memory.expire();
        if memory.unsettled {
            self.session.settle().await?;
            memory.unsettled = false;
        }
        let reconciler = match &mut memory.knowledge {
            Knowledge::Everything(reconciler) => reconciler,
            Knowledge::Nothing(desired) | Knowledge::Wishes(desired) => {
                let zone = self.session.transfer().await?;
                let compared = Reconciler::new(self.owner.clone(), desired.take(), zone);
                memory.knowledge = Knowledge::Everything(Box::new(compared));
                self.has_read(memory, Reading::Whole);
                return Ok(());
            }
        };
        let asked = memory.to_read;
        let reading = match asked {
            ToRead::Nothing => return Ok(()),
            // When it cannot be asked for over UDP, TCP may still work, or tells better why not.
            ToRead::Serial if self.session.primary().serial().await.ok() == Some(reconciler.live().serial()) => {
                Reading::Unchanged
            }
            ToRead::Serial | ToRead::Changes | ToRead::Zone => {
                let before = Before::reading(reconciler);
                let reading = self.reread(reconciler, asked).await?;
                memory.drift.note(reconciler, &before);
                reading
            }
        };
        if asked == ToRead::Changes {
            memory.doubt = (reading == Reading::Unchanged).then(|| Instant::now() + DOUBT);
        }
        self.has_read(memory, reading);
        Ok(())
    }

    async fn reread(&mut self, reconciler: &mut Reconciler, asked: ToRead) -> Result<Reading, DnsError> {
        if asked != ToRead::Zone {
            return cycle::refresh(&mut self.session, reconciler).await;
        }
        reconciler.replace_zone(self.session.transfer().await?);
        Ok(Reading::Whole)
    }

    fn has_read(&self, memory: &mut Memory, reading: Reading) {
        memory.to_read = ToRead::Nothing;
        memory.confirmed = Instant::now();
        self.update_status(|zone| count(zone, reading));
    }

    /// The second half of a cycle; says how long to wait for the next.
    async fn act(&mut self, read: Result<(), DnsError>, memory: &mut Memory) -> Duration {
        let result = match read {
            Ok(()) => self.converge(memory).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => {
                memory.backoff.reset();
                memory.wait(self.interval)
            }
            Err(error) => {
                // Whatever was sent may or may not have been made.
                memory.to_read = memory.to_read.max(ToRead::Changes);
                memory.unsettled = true;
                tracing::error!(zone = %self.session.primary().zone(), %error, "the zone could not be reconciled");
                self.update_status(|zone| {
                    zone.outcome = Outcome::Failed;
                    zone.last_run = Some(now());
                    zone.error = Some(error.to_string());
                });
                memory.backoff.after_failure(self.interval, rand::random())
            }
        }
    }

    async fn converge(&mut self, memory: &mut Memory) -> Result<(), DnsError> {
        let Knowledge::Everything(reconciler) = &mut memory.knowledge else { return Ok(()) };
        if tracing::enabled!(tracing::Level::DEBUG) {
            let updates = reconciler.pending().into_iter().filter_map(|name| reconciler.update(&name));
            for line in updates.flat_map(|update| update.changes).flat_map(|change| change.lines().collect::<Vec<_>>())
            {
                tracing::debug!(zone = %self.session.primary().zone(), "{line}");
            }
        }
        if self.stale.is_followed() {
            self.stale.leave(leaving(reconciler));
        }
        let started = now();
        let skip = |update: &NameUpdate| memory.aside.holds(update, started);
        let interrupted = || *self.stop.borrow() || self.inbox.has_services();
        let has_read = |reading, _: &mut Reconciler| {
            self.status.send_modify(|status| count(&mut status.zones[self.index], reading));
        };
        let orders = Orders {
            accepted: memory.accepted.take(),
            skip: if memory.aside.is_empty() { None } else { Some(&skip) },
            interrupted: &interrupted,
            has_read: &has_read,
            sending: &|_| (),
        };
        let converged = cycle::converge(&mut self.session, reconciler, orders).await?;
        if converged.pushed.messages > 0 {
            memory.confirmed = Instant::now();
        }
        // Who loses a race loses nothing but a moment: only what the server will not do waits longer.
        let contested = |unmet: &&Unmet| matches!(unmet.reason, Reason::Contested(_));
        memory.contested = converged.unmet.iter().any(|unmet| contested(&unmet));
        for unmet in converged.unmet.iter().filter(|unmet| !contested(unmet)) {
            memory.aside.record(&unmet.update, unmet.reason.to_string(), now());
        }
        // Who waits for another name is not tried before that has come, however long it takes.
        memory.aside.forget_done(|name| reconciler.is_pending(name) && !reconciler.waits(name));
        self.metrics.changed(converged.pushed.added, converged.pushed.deleted);
        self.metrics.repaired(memory.drift.repaired(reconciler));
        self.report(reconciler, &converged, &memory.aside);
        Ok(())
    }

    fn report(&self, reconciler: &Reconciler, converged: &Converged, aside: &SetAside) {
        let zone_name = self.session.primary().zone();
        let (added, deleted) = (converged.pushed.added, converged.pushed.deleted);
        if added + deleted > 0 {
            tracing::info!(zone = %zone_name, added, deleted, serial = reconciler.live().serial(), "the zone was changed");
        }
        let problems = report::problems(reconciler, aside);
        let held = report::held(reconciler, &converged.guarded);
        if held.is_none() && !self.inbox.has_services() && reconciler.deleting().next().is_none() {
            self.inbox.settle();
        }
        self.update_status(|zone| {
            for problem in problems.iter().filter(|problem| !zone.problems.contains(problem)) {
                tracing::warn!(zone = %zone_name, "{problem}");
            }
            if let Some(new) = held.as_ref().filter(|held| zone.held.as_ref().is_none_or(|old| old.id != held.id)) {
                tracing::error!(zone = %zone_name, plan = new.id, "a plan is held: {}", new.reasons.join("; "));
            }
            zone.outcome = match (reconciler.is_in_sync(), &held) {
                // What was wanted a moment ago is not what is wanted now.
                _ if self.inbox.has_services() => Outcome::Pending,
                (true, _) => Outcome::InSync,
                (false, Some(_)) => Outcome::Held,
                (false, None) => Outcome::Incomplete,
            };
            zone.held = held;
            if zone.outcome == Outcome::InSync {
                zone.last_in_sync = Some(now());
            }
            zone.last_run = Some(now());
            zone.error = None;
            zone.serial = Some(reconciler.live().serial());
            zone.records = reconciler.live().record_count();
            zone.owned_names = reconciler.owned_names();
            zone.pending_names = reconciler.pending_count();
            zone.conflicts = reconciler.conflicts().count();
            zone.changes += (added + deleted) as u64;
            zone.problems = problems;
        });
    }

    /// What there is to do is shown before it is done: it may take long, or fail.
    fn show_pending(&self, memory: &Memory) {
        if let Knowledge::Everything(reconciler) = &memory.knowledge {
            let pending = reconciler.pending_count();
            self.status.send_if_modified(|status| {
                let zone = &mut status.zones[self.index];
                std::mem::replace(&mut zone.pending_names, pending) != pending
            });
        }
    }

    fn update_status(&self, change: impl FnOnce(&mut ZoneStatus)) {
        self.status.send_modify(|status| change(&mut status.zones[self.index]));
    }
}

impl Memory {
    /// Takes in what has come.
    fn take_in(&mut self, news: News) {
        let known = news.is_about_services();
        self.accepted = news.accepted.or(self.accepted);
        match &mut self.knowledge {
            Knowledge::Everything(reconciler) => {
                for (own_name, service) in news.services {
                    reconciler.set_service(&own_name, service);
                }
                if let Some(sources) = news.missing_sources {
                    reconciler.set_missing_sources(sources);
                }
                reconciler.examine();
                let word =
                    news.notified.map_or(ToRead::Nothing, |word| ToRead::after(word, reconciler.live().serial()));
                self.doubted |= word == ToRead::Changes;
                if self.doubted && self.doubt.is_none_or(|doubt| doubt <= Instant::now()) {
                    self.doubted = false;
                    self.to_read = self.to_read.max(ToRead::Changes);
                } else if word == ToRead::Serial {
                    self.to_read = self.to_read.max(word);
                }
            }
            Knowledge::Nothing(desired) | Knowledge::Wishes(desired) => {
                for (own_name, service) in news.services {
                    desired.set(&own_name, service);
                }
                if let Some(sources) = news.missing_sources {
                    desired.missing_sources = sources;
                }
            }
        }
        if known && let Knowledge::Nothing(desired) = &mut self.knowledge {
            self.knowledge = Knowledge::Wishes(desired.take());
        }
        if news.full_check {
            self.to_read = ToRead::Zone;
        }
    }

    /// How long there is nothing to do unless something comes: the primary is asked on the interval, whatever came
    /// meanwhile, and what is set aside is tried again when it is due.
    fn wait(&self, interval: Duration) -> Duration {
        let poll = interval.saturating_sub(self.confirmed.elapsed());
        let retry = self.aside.next_retry(now()).map(|wait| Duration::from_secs(wait.max(1)));
        let doubt = self.doubt.filter(|_| self.doubted).map(|doubt| doubt.saturating_duration_since(Instant::now()));
        let contest = self.contested.then_some(CONTEST);
        retry.into_iter().chain(doubt).chain(contest).fold(poll, Duration::min)
    }

    /// A zone that nobody could ask about for longer than its SOA record allows (EXPIRE) is not known any more.
    fn expire(&mut self) {
        let Knowledge::Everything(reconciler) = &mut self.knowledge else { return };
        let limit = reconciler.live().expire().map(|seconds| Duration::from_secs(seconds.into()));
        if limit.is_some_and(|limit| self.confirmed.elapsed() > limit) {
            let zone = reconciler.live().origin();
            tracing::warn!(%zone, "the primary has not been heard for longer than the zone's EXPIRE: it is read anew");
            self.knowledge = Knowledge::Wishes(reconciler.take_desired());
        }
    }
}

fn count(zone: &mut ZoneStatus, reading: Reading) {
    match reading {
        Reading::Unchanged => {}
        Reading::Changes => zone.incremental_transfers += 1,
        Reading::Whole => zone.full_transfers += 1,
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
