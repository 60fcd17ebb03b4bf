//! What the API needs of whoever is behind it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::discovery::{Listed, Unlisted};
use super::metrics::Exposition;
use crate::model::health::{HealthStatus, Maintained, Maintenance, ProbeResult, Transition};
use crate::model::{Catalogue, DaemonStatus, Event, InstanceId, Name, Offer, Principal, ServiceKey};
use crate::reconcile::PlanId;
use crate::reconcile::discovery::Selection;
use crate::reconcile::registry::{Decision, Refused, Registry, Request};

/// An answer that takes a while.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who is behind the API.
pub trait Backend: Send + Sync + 'static {
    /// How everything stands.
    fn status(&self) -> DaemonStatus;

    /// What Prometheus scrapes.
    fn metrics(&self, exposition: Exposition) -> String;

    /// The targets that Prometheus shall have, those that are wanted and that somebody may see.
    ///
    /// # Errors
    /// When there is no list: an empty one would take targets away.
    fn targets(&self, selection: &Selection, who: &Principal) -> Result<Listed, Unlisted>;

    /// The managed zones.
    fn zones(&self) -> &[Name];

    /// Shows what is registered and what is in force, for as long as `look` takes.
    fn view(&self, look: &mut dyn FnMut(View<'_>));

    /// Makes a change, or says what it would come to. What is answered with success is on the disk.
    fn make(&self, who: Principal, request: Request, dry_run: bool) -> Answer<'_, Result<Decision, Refused>>;

    /// Waits until what was changed is seen by whoever looks, through every server that the zone is verified through,
    /// or until the time is up. Says what is seen at the end.
    fn prove<'a>(&'a self, service: &'a ServiceKey, goals: Vec<Goal>, limit: Duration) -> Answer<'a, Vec<Proof>>;

    /// Lines of the journal, the newest first: of one service or of all, older than `before` if that is given.
    fn history(
        &self,
        service: Option<ServiceKey>,
        before: Option<u64>,
        limit: usize,
    ) -> Answer<'_, Result<Vec<Event>, Refused>>;

    /// How every service is that is checked.
    fn health(&self) -> BTreeMap<ServiceKey, Arc<HealthStatus>>;

    /// How one service is; none when it is not checked.
    fn health_of(&self, service: &ServiceKey) -> Option<Arc<HealthStatus>>;

    /// What changed about health, the newest first, each with its number: of one service or of all, older than `before`
    /// if that is given.
    fn transitions(
        &self,
        service: Option<ServiceKey>,
        before: Option<u64>,
        limit: usize,
    ) -> Answer<'_, Result<Vec<(u64, Transition)>, Refused>>;

    /// Who works on what.
    fn maintenance(&self) -> BTreeMap<Maintained, Maintenance>;

    /// Notes that somebody works on something, or does not any more, and who says so. What is answered with success is on
    /// the disk.
    fn maintain(&self, who: &Principal, change: (Maintained, Option<Maintenance>)) -> Answer<'_, Result<(), Refused>>;

    /// Passes on what an instance, by host and port, says of itself, and whether it says so on this machine.
    fn say(&self, service: ServiceKey, instance: InstanceId, result: ProbeResult, is_near: bool);

    /// The time, seconds since 1970.
    fn now(&self) -> u64;

    /// Makes a held plan.
    fn accept(&self, plan: PlanId) -> Answer<'_, Accepted>;
}

/// What can be looked at.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Everything that is registered.
    pub registry: &'a Registry,
    /// Every service in force, from files and registrations.
    pub in_force: &'a Catalogue,
    /// Seconds on the service clock.
    pub clock: u64,
}

/// What somebody who looks shall see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal {
    /// The instance.
    pub offer: Offer,
    /// Whether it shall be there.
    pub present: bool,
}

/// What was seen of a name through one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    /// Through which server; none when resolv.conf was used.
    pub server: Option<String>,
    /// What was looked up; a service that is spread over several names is found under one of them.
    #[schema(value_type = String, example = "_jenkins._tcp.internal.local.")]
    pub name: Name,
    /// Record type.
    #[serde(rename = "type")]
    #[schema(example = "SRV")]
    pub record_type: String,
    /// Whether what is seen there is what shall be.
    pub verified: bool,
    /// Why not, as far as that is known.
    pub reason: Option<String>,
}

/// What became of a plan that somebody accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It was made.
    Made,
    /// No plan with this id is held.
    Unknown,
    /// It was not made in time, or not wholly.
    Failed(String),
}
