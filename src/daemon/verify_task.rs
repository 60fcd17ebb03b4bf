//! Continuous verification of one zone: a witness for every server through which it is looked up, and for secondaries as
//! they come and go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::feed::{Facts, Feed, Feeds};
use super::inbox::Inbox;
use super::metrics::Metrics;
use super::through::{Through, Verifiers, verifiers};
use super::witness::Witness;
use crate::config::{VerifyThrough, ZoneConfig};
use crate::model::{DaemonStatus, ServerStatus};

/// How often it is asked anew who the secondaries are.
const ANEW: Duration = Duration::from_mins(1);

/// The ports of one zone's verification.
pub(super) struct VerifyTask {
    /// The zone's place in the configuration and in the status.
    pub(super) index: usize,
    pub(super) zone: ZoneConfig,
    pub(super) feeds: Arc<Feeds>,
    pub(super) facts: watch::Receiver<Facts>,
    /// Of the zone's task, which begins a round for whoever is new.
    pub(super) inbox: Arc<Inbox>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) status: Arc<watch::Sender<DaemonStatus>>,
    pub(super) stop: watch::Receiver<bool>,
}

/// Everybody who looks.
#[derive(Default)]
struct Witnesses {
    tasks: JoinSet<()>,
    by_server: BTreeMap<Arc<Through>, (Arc<Feed>, AbortHandle)>,
}

impl VerifyTask {
    /// Runs until told to stop.
    pub(super) async fn run(self) {
        let (mut witnesses, last_lag) = (Witnesses::default(), Arc::default());
        let mut stop = self.stop.clone();
        let follows = self.zone.verify.contains(&VerifyThrough::Secondaries);
        loop {
            let who = tokio::select! {
                biased;
                _ = stop.wait_for(|&stop| stop) => break,
                who = verifiers(&self.zone) => who,
            };
            self.follow(&who, &mut witnesses, &last_lag);
            tokio::select! {
                biased;
                _ = stop.wait_for(|&stop| stop) => break,
                () = sleep(ANEW), if follows => {}
                // One that was sent away is no defect; one that panicked is, and takes this task with it.
                Some(Err(ended)) = witnesses.tasks.join_next() => assert!(!ended.is_panic(), "a witness failed: {ended}"),
            }
        }
        while witnesses.tasks.join_next().await.is_some() {}
    }

    /// Starts and ends witnesses. While nobody says who the secondaries are, those that are known go on.
    fn follow(&self, who: &Verifiers, witnesses: &mut Witnesses, last_lag: &Arc<AtomicU64>) {
        let mut is_new = false;
        for through in &who.asked {
            if !witnesses.by_server.contains_key(through) {
                let feed = self.feeds.add();
                let witness = self.witness(through, &feed, last_lag);
                let handle = witnesses.tasks.spawn(witness.run());
                witnesses.by_server.insert(Arc::clone(through), (feed, handle));
                is_new = true;
            }
        }
        if who.knows_secondaries {
            let gone = witnesses.by_server.extract_if(.., |through, _| !who.asked.contains(through));
            for (through, (feed, handle)) in gone.collect::<Vec<_>>() {
                feed.close();
                handle.abort();
                self.feeds.remove(&feed);
                self.forget(&through.label());
            }
        }
        self.tell(who);
        if is_new {
            self.inbox.put(|news| news.round = true);
        }
    }

    fn witness(&self, through: &Arc<Through>, feed: &Arc<Feed>, last_lag: &Arc<AtomicU64>) -> Witness {
        Witness {
            index: self.index,
            zone: self.zone.name.clone(),
            through: Arc::clone(through),
            feed: Arc::clone(feed),
            facts: self.facts.clone(),
            rate: self.zone.verify_rate.get(),
            metrics: Arc::clone(&self.metrics),
            last_lag: Arc::clone(last_lag),
            status: Arc::clone(&self.status),
            stop: self.stop.clone(),
        }
    }

    /// Shows all of them in the configuration's order, those too that cannot be asked.
    fn tell(&self, who: &Verifiers) {
        self.status.send_modify(|status| {
            let verification = &mut status.zones[self.index].verification;
            verification.servers.retain(|server| server.error.is_none() || server.lookups > 0);
            for through in &who.asked {
                let label = through.label();
                if !verification.servers.iter().any(|server| server.server == label) {
                    verification.servers.push(ServerStatus { server: label, ..ServerStatus::default() });
                }
            }
            let lost = who.lost.iter().cloned();
            verification.servers.extend(lost.map(|(server, why)| ServerStatus {
                server,
                error: Some(why),
                ..ServerStatus::default()
            }));
        });
    }

    fn forget(&self, label: &str) {
        self.status.send_modify(|status| {
            let verification = &mut status.zones[self.index].verification;
            verification.servers.retain(|server| server.server != label);
            verification.problems.retain(|problem| problem.server != label);
        });
    }
}
