//! Looks up through one server what is published in one zone: what has changed again and again until it shows, and
//! everything else in rounds.
//!
//! A server that is slow or dead holds up nobody but itself, and a name that it does not answer holds up no other.

mod memory;

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::feed::{Facts, Feed};
use super::metrics::Metrics;
use super::through::Through;
use super::zone_task::now;
use crate::dns::{self, Options};
use crate::model::{DaemonStatus, Name, RrsetKey, ServerStatus, Unverified, VerificationStatus};
use crate::reconcile::{Serials, Sight};
use memory::{Look, Looked, Memory, TOLD};

/// Look-ups under way at once.
const CONCURRENT: usize = 32;
/// From one question for the serial of a server that lags to the next.
const SERIAL_WAIT: Duration = Duration::from_secs(5);
/// And of one that does not.
const SERIAL_AGE: Duration = Duration::from_mins(5);
/// A serial that was asked for so short a time ago, and after the answer that it is to explain, is good enough.
const SERIAL_RECENT: Duration = Duration::from_millis(100);
/// How often the status is told, when there is much to tell.
const TELL_EVERY: Duration = Duration::from_millis(250);
/// Lines about RRsets that one server may bring into the log within [`LOG_EVERY`]; the status has more.
const LOGGED_AT_ONCE: usize = 5;
const LOG_EVERY: Duration = Duration::from_mins(1);

/// The ports of one witness.
pub(super) struct Witness {
    /// The zone's place in the configuration and in the status.
    pub(super) index: usize,
    pub(super) zone: Name,
    pub(super) through: Arc<Through>,
    pub(super) feed: Arc<Feed>,
    pub(super) facts: watch::Receiver<Facts>,
    /// Look-ups per second, at most.
    pub(super) rate: u32,
    pub(super) metrics: Arc<Metrics>,
    /// When some server of the zone was last seen to be behind, seconds since 1970; shared by all of its witnesses.
    pub(super) last_lag: Arc<AtomicU64>,
    pub(super) status: Arc<watch::Sender<DaemonStatus>>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Witness {
    /// Runs until told to stop.
    pub(super) async fn run(self) {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|&stop| stop) => {}
            () = self.look() => {}
        }
    }

    async fn look(self) {
        let mut memory = Memory::default();
        let mut looking = JoinSet::new();
        let mut facts = self.facts.clone();
        let (mut free, mut tell) = (Instant::now(), None);
        let mut log = Log::default();
        loop {
            memory.negative_ttl = facts.borrow_and_update().negative_ttl;
            if free <= Instant::now() {
                memory.hear(self.feed.take(memory.room(CONCURRENT)), now());
                let looks = memory.looks(CONCURRENT.saturating_sub(looking.len()));
                let count = u32::try_from(looks.len()).unwrap_or(u32::MAX);
                free = Instant::now() + Duration::from_secs(1) * count / self.rate;
                looks.into_iter().for_each(|look| self.start(&mut looking, look));
            }
            let has_room = looking.len() < CONCURRENT;
            let next = memory.next_look().filter(|_| has_room).map(|next| next.max(free));
            let next = next.into_iter().chain(self.serial_due(&memory)).chain(tell).min();
            tokio::select! {
                Some(looked) = looking.join_next() => {
                    let looked = looked.expect("no look-up panics, and none is cut off");
                    self.take(looked, &mut memory, &mut log).await;
                    tell = tell.or_else(|| Some(Instant::now() + TELL_EVERY));
                }
                // What comes faster than may be looked up waits there.
                () = self.news(free), if has_room => {}
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
                Ok(()) = facts.changed() => tell = tell.or_else(|| Some(Instant::now())),
            }
            if self.serial_due(&memory).is_some_and(|due| due <= Instant::now()) {
                self.ask_serial(&mut memory).await;
                tell = tell.or_else(|| Some(Instant::now()));
            }
            if looking.is_empty() && tell.is_some() || tell.is_some_and(|tell| tell <= Instant::now()) {
                self.publish(&memory);
                tell = None;
            }
        }
    }

    async fn news(&self, free: Instant) {
        sleep_until(free).await;
        self.feed.news().await;
    }

    /// Makes a look-up as Prometheus would, by itself.
    fn start(&self, looking: &mut JoinSet<Looked>, look: Look) {
        let resolver = self.through.resolver();
        looking.spawn(async move {
            let (name, record_type) = (look.key.name.to_string(), look.key.record_type);
            let report = dns::lookup(&resolver, &name, record_type, Options::default()).await;
            let sight = Sight::of(&report.verdict, record_type);
            Looked { look, sight, at: Instant::now(), took: report.took }
        });
    }

    async fn take(&self, looked: Looked, memory: &mut Memory, log: &mut Log) {
        let mut doubtful = false;
        if memory.needs_serial(&looked) {
            let before = memory.serial;
            if memory.asked_serial.is_none_or(|asked| asked < looked.at || asked.elapsed() > SERIAL_RECENT) {
                self.ask_serial(memory).await;
            }
            // The zone moved on there while it was looked at, or has what nobody told us yet.
            doubtful = before != memory.serial || self.serials(memory).is_ahead();
        }
        let server = self.through.label();
        let (took, RrsetKey { name, record_type }) = (looked.took, looked.look.key.clone());
        let taken = memory.take(looked, self.serials(memory), doubtful, now());
        if let Some(state) = taken.state {
            self.metrics.looked_up(&server, state, took);
        }
        if let Some(propagation) = taken.propagation {
            self.metrics.propagated(&server, propagation);
        }
        let zone = &self.zone;
        if let Some(reason) = taken.is_late.filter(|_| log.may_say()) {
            tracing::warn!(%zone, server, "{name} {record_type} is not as it shall be: {reason}");
        }
        if taken.is_mended && log.may_say() {
            tracing::info!(%zone, server, "{name} {record_type} is as it shall be again");
        }
        if let Some(unsaid) = log.unsaid() {
            tracing::warn!(%zone, server, "{unsaid} more RRsets came to be wrong or right again; see `srvctl status`");
        }
    }

    /// When the serial is to be asked for: soon, as long as it is another than the primary's or nobody answers, and from
    /// time to time otherwise, since a server may become one that speaks for the zone.
    fn serial_due(&self, memory: &Memory) -> Option<Instant> {
        self.through.server()?;
        let Some(asked) = memory.asked_serial else { return Some(Instant::now()) };
        let primary = self.facts.borrow().serial;
        let is_other = memory.serial.is_some() && primary != memory.serial;
        Some(
            asked
                + match is_other || memory.serial_error.is_some() {
                    true if primary != memory.asked_for => SERIAL_RECENT, // the zone has changed since
                    true => SERIAL_WAIT,
                    false => SERIAL_AGE,
                },
        )
    }

    async fn ask_serial(&self, memory: &mut Memory) {
        let Some(server) = self.through.server() else { return };
        let answer = dns::soa(server, &self.zone).await;
        memory.asked_serial = Some(Instant::now());
        memory.asked_for = self.facts.borrow().serial;
        (memory.serial, memory.serial_error) = match answer {
            Ok(soa) => (soa.authoritative.then_some(soa.serial), None),
            Err(error) => (None, Some(error.to_string())),
        };
        if self.serials(memory).behind().is_some() {
            self.last_lag.fetch_max(now(), Ordering::Relaxed);
        }
    }

    fn serials(&self, memory: &Memory) -> Serials {
        let last_lag = Some(self.last_lag.load(Ordering::Relaxed)).filter(|&lag| lag > 0);
        Serials { primary: self.facts.borrow().serial, here: memory.serial, last_lag }
    }

    fn publish(&self, memory: &Memory) {
        let facts = self.facts.borrow().clone();
        let server = self.through.label();
        let problems = memory.problems(&server);
        let behind = memory.serial.map(|_| self.serials(memory).behind().unwrap_or(0));
        let told = ServerStatus { server, behind, ..memory.told(facts.rrsets) };
        self.status.send_if_modified(|status| {
            // Who was sent away is not told of any more.
            if self.feed.is_closed() {
                return false;
            }
            let verification = &mut status.zones[self.index].verification;
            verification.rrsets = facts.rrsets;
            verification.round_seconds = facts.round.as_secs();
            verification.last_round = verification.last_round.max(memory.last_round);
            put(verification, told, problems);
            true
        });
    }
}

/// What may be said, so that one server with many names does not fill the log.
#[derive(Default)]
struct Log {
    began: Option<Instant>,
    said: usize,
    unsaid: usize,
}

impl Log {
    fn may_say(&mut self) -> bool {
        if self.began.is_none_or(|began| began.elapsed() > LOG_EVERY) {
            (self.began, self.said) = (Some(Instant::now()), 0);
        }
        let may = self.said < LOGGED_AT_ONCE;
        self.said += usize::from(may);
        self.unsaid += usize::from(!may);
        may
    }

    /// How many lines were left out, once the next minute has begun.
    fn unsaid(&mut self) -> Option<usize> {
        let is_over = self.began.is_some_and(|began| began.elapsed() > LOG_EVERY) || self.said == 1;
        Some(self.unsaid).filter(|&unsaid| unsaid > 0 && is_over).inspect(|_| self.unsaid = 0)
    }
}

/// Exchanges what is told of one server.
fn put(verification: &mut VerificationStatus, told: ServerStatus, problems: Vec<Unverified>) {
    verification.problems.retain(|problem| problem.server != told.server);
    verification.problems.extend(problems);
    verification.problems.sort_by_key(|problem| (Reverse(problem.state), problem.since));
    verification.problems.truncate(TOLD);
    match verification.servers.iter_mut().find(|known| known.server == told.server) {
        Some(known) => *known = told,
        None => verification.servers.push(told),
    }
}
