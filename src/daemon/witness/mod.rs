//! Looks up through one server what is published in one zone: what has changed again and again until it shows, and
//! everything else in rounds.
//!
//! A server that is slow or dead holds up nobody but itself.

mod memory;

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::feed::{Facts, Feed};
use super::metrics::Metrics;
use super::through::Through;
use super::zone_task::now;
use crate::dns::{self, Options};
use crate::model::{DaemonStatus, Name, Rrset, RrsetKey, ServerStatus, State, Unverified, VerificationStatus};
use crate::reconcile::{Serials, Sight};
use memory::{CONCURRENT, Looked, Memory, TOLD};

/// From one question for the serial of a server that lags to the next.
const SERIAL_WAIT: Duration = Duration::from_secs(5);
/// And of one that does not.
const SERIAL_AGE: Duration = Duration::from_mins(5);
/// Lines about RRsets that one server may bring into the log at once; the status has more.
const LOGGED_AT_ONCE: usize = 5;

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
        let (mut facts, mut free) = (self.facts.clone(), Instant::now());
        loop {
            let next = memory.next_look().into_iter().chain(self.serial_due(&memory)).min();
            tokio::select! {
                () = self.feed.news() => {}
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
                Ok(()) = facts.changed() => {}
            }
            sleep_until(free).await;
            let batch = memory.batch(self.feed.take(CONCURRENT));
            let looks = u32::try_from(batch.len()).unwrap_or(u32::MAX);
            free = Instant::now() + Duration::from_secs(1) * looks / self.rate;
            let sights = self.sights(batch).await;
            if self.serial_due(&memory).is_some_and(|due| due <= Instant::now()) || memory.needs_serial(&sights) {
                self.ask_serial(&mut memory).await;
            }
            let serials = self.serials(&memory);
            for looked in sights {
                self.take(looked, &mut memory, serials);
            }
            self.log(&mut memory);
            self.publish(&memory);
        }
    }

    /// Makes the look-ups as Prometheus would, each by itself.
    async fn sights(&self, batch: Vec<(RrsetKey, Option<Arc<Rrset>>)>) -> Vec<Looked> {
        let mut looking = JoinSet::new();
        for (key, rrset) in batch {
            let resolver = self.through.resolver();
            looking.spawn(async move {
                let report = dns::lookup(&resolver, &key.name.to_string(), key.record_type, Options::default()).await;
                let sight = Sight::of(&report.verdict, key.record_type);
                Looked { key, rrset, sight, at: Instant::now(), took: report.took }
            });
        }
        looking.join_all().await
    }

    fn take(&self, looked: Looked, memory: &mut Memory, serials: Serials) {
        let server = self.through.label();
        let (took, RrsetKey { name, record_type }) = (looked.took, looked.key.clone());
        let taken = memory.take(looked, serials, now());
        self.metrics.looked_up(&server, taken.state, took);
        if let Some(propagation) = taken.propagation {
            self.metrics.propagated(&server, propagation);
        }
        if taken.is_mended {
            tracing::info!(zone = %self.zone, server, "{name} {record_type} is as it shall be again");
        }
    }

    /// When the serial is to be asked for: soon, as long as it is another than the primary's or nobody answers, and from
    /// time to time otherwise, since a server may become one that speaks for the zone.
    fn serial_due(&self, memory: &Memory) -> Option<Instant> {
        self.through.server()?;
        let Some(asked) = memory.asked_serial else { return Some(Instant::now()) };
        let is_other = memory.serial.is_some() && self.facts.borrow().serial != memory.serial;
        Some(asked + if is_other || memory.serial_error.is_some() { SERIAL_WAIT } else { SERIAL_AGE })
    }

    async fn ask_serial(&self, memory: &mut Memory) {
        let Some(server) = self.through.server() else { return };
        let answer = dns::soa(server, &self.zone).await;
        memory.asked_serial = Some(Instant::now());
        (memory.serial, memory.serial_error) = match answer {
            Ok(soa) => (soa.authoritative.then_some(soa.serial), None),
            Err(error) => (None, Some(error.to_string())),
        };
    }

    fn serials(&self, memory: &Memory) -> Serials {
        let others = &self.status.borrow().zones[self.index].verification.servers;
        let some_lag = others.iter().any(|server| server.behind.is_some_and(|behind| behind > 0));
        Serials { primary: self.facts.borrow().serial, here: memory.serial, some_lag }
    }

    fn log(&self, memory: &mut Memory) {
        let (zone, server) = (&self.zone, self.through.label());
        let late = memory.late(now());
        let more = late.len().saturating_sub(LOGGED_AT_ONCE);
        for (RrsetKey { name, record_type }, track) in late.into_iter().take(LOGGED_AT_ONCE) {
            let reason = track.reason();
            match track.state() {
                Some(State::Stale) => tracing::info!(%zone, server, "{name} {record_type} is stale: {reason}"),
                Some(state) => tracing::warn!(%zone, server, "{name} {record_type} is {state}: {reason}"),
                None => {}
            }
        }
        if more > 0 {
            tracing::warn!(%zone, server, "{more} more RRsets are not as they shall be; see `srvctl status`");
        }
    }

    fn publish(&self, memory: &Memory) {
        let facts = self.facts.borrow().clone();
        let server = self.through.label();
        let problems = memory.problems(&server);
        let serials = Serials { primary: facts.serial, here: memory.serial, some_lag: false };
        let behind = memory.serial.map(|_| serials.behind().unwrap_or(0));
        let told = ServerStatus { server, behind, ..memory.told(facts.rrsets) };
        self.status.send_modify(|status| {
            let verification = &mut status.zones[self.index].verification;
            verification.rrsets = facts.rrsets;
            verification.last_round = verification.last_round.max(memory.last_round);
            put(verification, told, problems);
        });
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
