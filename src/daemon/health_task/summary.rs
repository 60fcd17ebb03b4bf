//! How all services of a zone are, in numbers, for the status.

use std::collections::BTreeMap;

use tokio::sync::watch;

use crate::model::health::{Condition, HealthStatus, InstanceHealth, Publication};
use crate::model::{DaemonStatus, HealthSummary, Name, ServiceKey};

/// Of every service, so that the sum is made without looking at each instance again.
#[derive(Debug)]
pub(super) struct Summaries {
    /// In the status's order.
    zones: Vec<Name>,
    services: BTreeMap<ServiceKey, HealthSummary>,
}

impl Summaries {
    pub(super) fn new(zones: Vec<Name>) -> Self {
        Self { zones, services: BTreeMap::new() }
    }

    /// Takes in how a service is; none when nothing of it is checked.
    pub(super) fn set(&mut self, key: &ServiceKey, status: Option<&HealthStatus>) {
        match status {
            Some(status) => self.services.insert(key.clone(), summary(status)),
            None => self.services.remove(key),
        };
    }

    /// Shows the sums, where they are others.
    pub(super) fn tell(&self, status: &watch::Sender<DaemonStatus>) {
        let mut sums = vec![HealthSummary::default(); self.zones.len()];
        for (key, summary) in &self.services {
            if let Some(zone) = self.zones.iter().position(|zone| *zone == key.zone) {
                sums[zone].add(summary);
            }
        }
        let mut all = HealthSummary::default();
        sums.iter().for_each(|sum| all.add(sum));
        status.send_if_modified(|status| {
            let same = status.health == all && status.zones.iter().zip(&sums).all(|(zone, sum)| zone.health == *sum);
            status.health = all;
            for (zone, sum) in status.zones.iter_mut().zip(sums) {
                zone.health = sum;
            }
            !same
        });
    }
}

fn summary(status: &HealthStatus) -> HealthSummary {
    let checked = || status.instances.iter().filter(|instance| !instance.checks.is_empty());
    let count = |is: &dyn Fn(&InstanceHealth) -> bool| checked().filter(|instance| is(instance)).count();
    let in_condition = |condition| count(&|instance| instance.condition == condition);
    let became = |publication| count(&|instance| instance.publication == publication);
    HealthSummary {
        passing: in_condition(Condition::Passing),
        failing: in_condition(Condition::Failing),
        unknown: in_condition(Condition::Unknown),
        in_maintenance: count(&|instance| status.maintenance.is_some() || instance.maintenance.is_some()),
        withdrawn: became(Publication::Withdrawn),
        deprioritised: became(Publication::Deprioritised),
        floor_held: if status.floor_held { vec![status.service.clone()] } else { Vec::new() },
        // Where nothing ever follows, nothing is held up.
        isolated: status.isolated && status.floor.is_some(),
    }
}
