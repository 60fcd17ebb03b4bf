//! What of the health is on the disk, so that only what differs is written.

use std::collections::BTreeMap;

use crate::model::health::{RememberedHealth, Transition};
use crate::model::{InstanceId, Name};
use crate::reconcile::health::Health;
use crate::store::HealthBatch;

/// As the database has it.
#[derive(Debug, Default)]
pub(super) struct Memory(BTreeMap<Name, BTreeMap<InstanceId, RememberedHealth>>);

impl Memory {
    pub(super) fn new(remembered: Vec<RememberedHealth>) -> Self {
        let mut memory = Self::default();
        remembered.into_iter().for_each(|one| memory.note(one));
        memory
    }

    /// What is another than on the disk: of these services, or of all.
    pub(super) fn differences(
        &self,
        health: &Health,
        of: Option<&[Name]>,
        transitions: Vec<Transition>,
    ) -> HealthBatch {
        let mut batch = HealthBatch { transitions, ..HealthBatch::default() };
        match of {
            Some(names) => names.iter().for_each(|name| self.compare(health, name, &mut batch)),
            None => {
                // Those too that nobody has named since the start.
                let gone = self.0.keys().filter(|name| health.effective(name).is_none());
                let names: Vec<_> = health.names().chain(gone).collect();
                names.into_iter().for_each(|name| self.compare(health, name, &mut batch));
            }
        }
        batch
    }

    /// Takes in that this is on the disk.
    pub(super) fn written(&mut self, batch: &HealthBatch) {
        for (service, instance) in &batch.forgotten {
            if let Some(instances) = self.0.get_mut(service) {
                instances.remove(instance);
                if instances.is_empty() {
                    self.0.remove(service);
                }
            }
        }
        batch.remembered.iter().cloned().for_each(|one| self.note(one));
    }

    fn note(&mut self, one: RememberedHealth) {
        self.0.entry(one.service.clone()).or_default().insert(one.instance.clone(), one);
    }

    fn compare(&self, health: &Health, service: &Name, batch: &mut HealthBatch) {
        let nothing = BTreeMap::new();
        let known = self.0.get(service).unwrap_or(&nothing);
        let now: BTreeMap<_, _> = health.remember(service).into_iter().map(|one| (one.instance.clone(), one)).collect();
        let gone = known.keys().filter(|instance| !now.contains_key(*instance));
        batch.forgotten.extend(gone.map(|instance| (service.clone(), instance.clone())));
        let other = now.into_iter().filter(|(instance, one)| known.get(instance) != Some(one));
        batch.remembered.extend(other.map(|(_, one)| one));
    }
}
