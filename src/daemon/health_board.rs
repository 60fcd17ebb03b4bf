//! How everything is that is checked, and who works on what: written on by those who learn of it, read by whoever asks.
//!
//! ```text
//!   Registrar ─what was remembered─▶            ─▶ health task
//!   API ─a word of an instance──────▶ HealthBoard ─▶ (rings for it)
//!   Registrar ─maintenance, on disk─▶
//!   health task ─how services are───▶            ─▶ API, status, metrics
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot};

use super::discovery::Stale;
use crate::model::health::{HealthStatus, InstanceHealth, Maintained, Maintenance, ProbeResult, RememberedHealth};
use crate::model::{InstanceId, ServiceKey};
use crate::store::{HealthBatch, HealthContents};

/// So many batches wait to be written at most.
pub(super) const QUEUE: usize = 64;

/// So many words wait to be heard at most; then the oldest go. Who means it says it again.
const MOST_SAID: usize = 100_000;

/// A batch on its way to the disk, and who waits for it.
pub(super) struct HealthWrite {
    pub(super) batch: HealthBatch,
    /// Told when it is there, or why it is not.
    pub(super) answer: oneshot::Sender<Result<(), String>>,
}

/// Writes a batch down, and says when it is on the disk.
///
/// # Errors
/// Why it is not, in words.
pub(super) async fn write(to: &mpsc::Sender<HealthWrite>, batch: HealthBatch) -> Result<(), String> {
    let (answer, answered) = oneshot::channel();
    let stopping = || "the daemon is stopping".to_owned();
    to.send(HealthWrite { batch, answer }).await.map_err(|_| stopping())?;
    answered.await.unwrap_or_else(|_| Err(stopping()))
}

/// What an instance said of itself, with `srvctl renew --status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) service: ServiceKey,
    /// Host and port, whatever id it was registered under.
    pub(super) instance: InstanceId,
    /// What its `lease` check takes as a result.
    pub(super) result: ProbeResult,
    /// Whether it was said on this machine.
    pub(super) is_near: bool,
}

/// What the health task has not heard yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// The oldest first.
    pub(super) said: VecDeque<Said>,
    /// Everything that is worked on, when that is something else than before.
    pub(super) maintenance: Option<BTreeMap<Maintained, Maintenance>>,
}

/// The board.
#[derive(Debug, Default)]
pub(super) struct HealthBoard {
    state: Mutex<State>,
    /// Rings when there is something for [`HealthBoard::news`] or [`HealthBoard::restored`].
    bell: Notify,
    /// For whoever lists services for Prometheus.
    stale: Arc<Stale>,
}

#[derive(Debug, Default)]
struct State {
    /// What the database remembered; none before it was read, and after it was taken.
    remembered: Option<Vec<RememberedHealth>>,
    maintenance: BTreeMap<Maintained, Maintenance>,
    services: BTreeMap<ServiceKey, Arc<HealthStatus>>,
    news: News,
}

impl HealthBoard {
    /// One that is read by somebody who lists services.
    pub(super) fn followed_by(stale: Arc<Stale>) -> Self {
        Self { stale, ..Self::default() }
    }

    /// Takes in what the database holds.
    pub(super) fn restore(&self, contents: HealthContents) {
        let mut state = self.lock();
        state.news.maintenance = Some(contents.maintenance.clone());
        state.maintenance = contents.maintenance;
        state.remembered = Some(contents.remembered);
        drop(state);
        self.stale.note_all();
        self.bell.notify_one();
    }

    /// Waits for what was remembered of every instance. For the health task, once, before it asks for news.
    pub(super) async fn restored(&self) -> Vec<RememberedHealth> {
        loop {
            if let Some(remembered) = self.lock().remembered.take() {
                return remembered;
            }
            self.bell.notified().await;
        }
    }

    /// Waits for something that the health task has not heard yet.
    pub(super) async fn news(&self) -> News {
        loop {
            let news = std::mem::take(&mut self.lock().news);
            if news != News::default() {
                return news;
            }
            self.bell.notified().await;
        }
    }

    /// Takes in what an instance said.
    pub(super) fn hear(&self, said: Said) {
        let waiting = &mut self.lock().news.said;
        if waiting.len() == MOST_SAID {
            waiting.pop_front();
        }
        waiting.push_back(said);
        self.bell.notify_one();
    }

    /// Takes in who works on what, or does not any more, once that is on the disk.
    pub(super) fn take_maintenance(&self, changes: Vec<(Maintained, Option<Maintenance>)>) {
        if changes.is_empty() {
            return;
        }
        let mut state = self.lock();
        for (whom, maintenance) in changes {
            match maintenance {
                Some(maintenance) => state.maintenance.insert(whom, maintenance),
                None => state.maintenance.remove(&whom),
            };
        }
        state.news.maintenance = Some(state.maintenance.clone());
        drop(state);
        self.stale.note_all();
        self.bell.notify_one();
    }

    /// Who works on what.
    pub(super) fn maintenance(&self) -> BTreeMap<Maintained, Maintenance> {
        self.lock().maintenance.clone()
    }

    /// What nobody works on any more, at a time in seconds since 1970.
    pub(super) fn over(&self, now: u64) -> Vec<Maintained> {
        let state = self.lock();
        let over = state.maintenance.iter().filter(|(_, maintenance)| maintenance.until <= now);
        over.map(|(whom, _)| whom.clone()).collect()
    }

    /// Shows how services are; none for those that are not checked any more.
    pub(super) fn show(&self, services: impl IntoIterator<Item = (ServiceKey, Option<HealthStatus>)>) {
        let mut others = Vec::new();
        let mut state = self.lock();
        for (key, status) in services {
            let before = state.services.get(&key);
            if !is_shown_alike(before.map(|before| &**before), status.as_ref()) {
                others.push(key.clone());
            }
            match status {
                Some(status) => state.services.insert(key, Arc::new(status)),
                None => state.services.remove(&key),
            };
        }
        drop(state);
        self.stale.note(&others);
    }

    /// How every service is that is checked.
    pub(super) fn services(&self) -> BTreeMap<ServiceKey, Arc<HealthStatus>> {
        self.lock().services.clone()
    }

    /// How one service is; none when it is not checked.
    pub(super) fn service(&self, key: &ServiceKey) -> Option<Arc<HealthStatus>> {
        self.lock().services.get(key).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether whoever lists instances says the same of both: each result of a check makes another status, and few of them
/// another list.
fn is_shown_alike(one: Option<&HealthStatus>, other: Option<&HealthStatus>) -> bool {
    let (one, other) = match (one, other) {
        (Some(one), Some(other)) => (&one.instances, &other.instances),
        (one, other) => return one.is_none() && other.is_none(),
    };
    let said = |health: &InstanceHealth| (health.condition, health.publication);
    let alike =
        |(one, other): (&InstanceHealth, &InstanceHealth)| one.instance == other.instance && said(one) == said(other);
    one.len() == other.len() && one.iter().zip(other).all(alike)
}
