//! Who is behind the API: what it asks for, passed on to those who have it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::announce;
use super::discovery::{self, Desk};
use super::health_board::{self, HealthBoard, HealthWrite, Said};
use super::inbox::Inbox;
use super::metrics::Metrics;
use super::prove::Prover;
use super::registrar::Question;
use super::wishes::Wishes;
use super::zone_task::now;
use crate::api::{self, Accepted, Answer, Exposition, Goal, Listed, Proof, Unlisted, View};
use crate::config::Config;
use crate::model::health::{HealthStatus, Maintained, Maintenance, ProbeResult, Transition};
use crate::model::{DaemonStatus, Event, InstanceId, Name, Outcome, Principal, ServiceKey};
use crate::reconcile::PlanId;
use crate::reconcile::discovery::Selection;
use crate::reconcile::registry::{Decision, Refused, Request};
use crate::store::{self, Filter, StoreError};

/// How long an accepted plan may take to be made.
const ACCEPTED: Duration = Duration::from_secs(25);

/// The daemon, as the API sees it.
pub(super) struct Backend {
    pub(super) config: Arc<Config>,
    pub(super) zones: Vec<Name>,
    pub(super) wishes: Arc<Wishes>,
    pub(super) inboxes: Vec<Arc<Inbox>>,
    pub(super) questions: mpsc::Sender<Question>,
    /// To the same thread.
    pub(super) health: mpsc::Sender<HealthWrite>,
    pub(super) board: Arc<HealthBoard>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) status: Arc<watch::Sender<DaemonStatus>>,
    pub(super) metrics: Arc<Metrics>,
    /// The list of targets; none without `[discovery]`.
    pub(super) desk: Option<Desk>,
}

impl Backend {
    /// What a database in the state directory has.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Path) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, Result<T, Refused>> {
        let state_dir = self.config.daemon.state_dir.clone();
        Box::pin(async move {
            let read = spawn_blocking(move || read(&state_dir)).await;
            let unavailable = |error: String| Refused::Unavailable(error);
            read.map_err(|error| unavailable(error.to_string()))?.map_err(|error| unavailable(error.to_string()))
        })
    }
}

impl api::Backend for Backend {
    fn status(&self) -> DaemonStatus {
        self.status.borrow().clone()
    }

    fn metrics(&self, exposition: Exposition) -> String {
        let status = self.status.borrow().clone();
        self.metrics.render(status, exposition)
    }

    fn targets(&self, selection: &Selection, who: &Principal) -> Result<Listed, Unlisted> {
        let desk = self.desk.as_ref().ok_or(Unlisted::Off)?;
        discovery::listed(desk, selection, who)
    }

    fn zones(&self) -> &[Name] {
        &self.zones
    }

    fn view(&self, look: &mut dyn FnMut(View<'_>)) {
        self.wishes.view(look);
    }

    fn make(&self, who: Principal, request: Request, dry_run: bool) -> Answer<'_, Result<Decision, Refused>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let stopping = || Refused::Unavailable("the daemon is stopping".to_owned());
            let asked = self.questions.send(Question { who, request, dry_run, answer }).await;
            asked.map_err(|_| stopping())?;
            answered.await.unwrap_or_else(|_| Err(stopping()))
        })
    }

    fn prove<'a>(&'a self, service: &'a ServiceKey, goals: Vec<Goal>, limit: Duration) -> Answer<'a, Vec<Proof>> {
        Box::pin(async move {
            let in_force = self.wishes.in_force(service);
            let prover = Prover { config: &self.config, service, in_force };
            let mut stop = self.stop.clone();
            let known = goals.clone();
            let proofs = tokio::select! {
                proofs = prover.prove(goals, limit, || self.status.borrow().clone()) => Some(proofs),
                // Who waits must not hold up a reload.
                _ = stop.wait_for(|&stop| stop) => None,
            };
            match proofs {
                Some(proofs) => proofs,
                None => {
                    let why = "the daemon stopped, or read its configuration anew, before it was seen";
                    prover.unseen(&known, why)
                }
            }
        })
    }

    fn history(
        &self,
        service: Option<ServiceKey>,
        before: Option<u64>,
        limit: usize,
    ) -> Answer<'_, Result<Vec<Event>, Refused>> {
        self.read(move |state_dir| store::history(state_dir, &Filter { service, before, limit }))
    }

    fn health(&self) -> BTreeMap<ServiceKey, Arc<HealthStatus>> {
        self.board.services()
    }

    fn health_of(&self, service: &ServiceKey) -> Option<Arc<HealthStatus>> {
        self.board.service(service)
    }

    fn transitions(
        &self,
        service: Option<ServiceKey>,
        before: Option<u64>,
        limit: usize,
    ) -> Answer<'_, Result<Vec<(u64, Transition)>, Refused>> {
        self.read(move |state_dir| store::transitions(state_dir, &Filter { service, before, limit }))
    }

    fn maintenance(&self) -> BTreeMap<Maintained, Maintenance> {
        self.board.maintenance()
    }

    fn maintain(&self, who: &Principal, change: (Maintained, Option<Maintenance>)) -> Answer<'_, Result<(), Refused>> {
        let batch = announce::batch((&self.wishes, &self.board), vec![change], &who.name);
        Box::pin(async move { health_board::write(&self.health, batch).await.map_err(Refused::Unavailable) })
    }

    fn say(&self, service: ServiceKey, instance: InstanceId, result: ProbeResult, is_near: bool) {
        self.board.hear(Said { service, instance, result, is_near });
    }

    fn now(&self) -> u64 {
        now()
    }

    fn accept(&self, plan: PlanId) -> Answer<'_, Accepted> {
        Box::pin(async move {
            let id = plan.to_string();
            let mut status = self.status.subscribe();
            let held = |status: &DaemonStatus| {
                status.zones.iter().position(|zone| zone.held.as_ref().is_some_and(|held| held.id == id))
            };
            let Some(index) = held(&status.borrow()) else { return Accepted::Unknown };
            self.inboxes[index].put(|news| news.accepted = Some(plan));
            let done = |status: &DaemonStatus| {
                let zone = &status.zones[index];
                held(status).is_none() && zone.outcome != Outcome::Pending
            };
            match timeout(ACCEPTED, status.wait_for(done)).await {
                Ok(Ok(status)) => match &status.zones[index] {
                    zone if zone.outcome == Outcome::InSync => Accepted::Made,
                    zone => Accepted::Failed(format!(
                        "the plan was taken, and {} is not in sync: see `srvctl status`",
                        zone.zone
                    )),
                },
                _ => Accepted::Failed(format!("the plan {id} was not made within {} s", ACCEPTED.as_secs())),
            }
        })
    }
}
