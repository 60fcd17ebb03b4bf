//! The health of services as it is told to people and programs.

use std::sync::Arc;

use super::{Decision, Health, Track, Watched};
use crate::model::health::{HealthStatus, InstanceHealth, Maintained, Publication};
use crate::model::{Check, Instance, InstanceId, Name};

impl Health {
    /// How a service is; none of one that is not checked.
    pub fn status(&self, own_name: &Name) -> Option<HealthStatus> {
        let watched = self.services.get(own_name)?;
        let maintenance = self.maintenance.get(&Maintained::Service(own_name.clone())).cloned();
        let explain = |track: &Track| self.explain(track, &watched.decision, maintenance.is_some());
        let one = |((id, track), instance): (&(InstanceId, Track), &Instance)| InstanceHealth {
            instance: id.clone(),
            condition: track.condition(),
            since: track.since(),
            damped: track.is_damped(),
            publication: track.publication,
            reason: joined(track.reason(), explain(track)),
            maintenance: self.maintenance.get(&Maintained::Host(instance.host.clone())).cloned(),
            checks: track.checks(),
        };
        let instances = watched.instances.iter().zip(&watched.service.instances).map(one).collect();
        Some(HealthStatus {
            service: own_name.clone(),
            policy: watched.service.health,
            floor: watched.decision.floor,
            floor_held: watched.decision.floor_held(),
            isolated: self.is_isolated(),
            maintenance,
            instances,
        })
    }

    /// The owner names of all services that are checked.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.services.keys()
    }

    /// What is checked of each instance of a service, leases among it.
    pub fn checks(&self, own_name: &Name) -> Vec<(InstanceId, Instance, Vec<Arc<Check>>)> {
        let Some(Watched { service, instances, .. }) = self.services.get(own_name) else { return Vec::new() };
        let one = |((id, _), instance): (&(InstanceId, Track), &Instance)| {
            (id.clone(), instance.clone(), self.made(service.checks_of(instance)))
        };
        instances.iter().zip(&service.instances).map(one).collect()
    }

    fn explain(&self, track: &Track, decision: &Decision, maintained: bool) -> String {
        let Decision { healthy, checked, .. } = *decision;
        let floor = decision.floor.unwrap_or(0);
        match track.publication {
            Publication::Published | Publication::Withdrawn | Publication::Deprioritised => String::new(),
            Publication::HeldByFloor => {
                format!("published all the same: {healthy} of {checked} are healthy, and {floor} have to be")
            }
            Publication::Awaiting if maintained => "published all the same: somebody works on the service".to_owned(),
            Publication::Awaiting if self.is_isolated() => format!(
                "published all the same: {} of {} instances of all services fail, which rather says that the checks \
                 cannot be made from here",
                self.troubled, self.checked
            ),
            Publication::Awaiting
                if track.grounds().is_some_and(|grounds| grounds.may_be_the_network(self.reached)) =>
            {
                "published until something on another machine than this has passed since then, and it fails once more"
                    .to_owned()
            }
            Publication::Awaiting => {
                format!("published until {floor} others have passed since then, and it fails once more")
            }
        }
    }
}

fn joined(reason: &str, explanation: String) -> String {
    match (reason, &*explanation) {
        (reason, "") => reason.to_owned(),
        ("", _) => explanation,
        _ => format!("{reason}; {explanation}"),
    }
}
