//! Which checks are to be made, and whose results they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Check, CheckKind, Instance, InstanceId, Name};
use crate::probes::{Job, JobId, ProbeTarget};

/// What a result is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    /// The service's own name.
    pub(super) service: Name,
    pub(super) instance: InstanceId,
    pub(super) check: Arc<Check>,
}

/// Every check that is to be made. One that stays as it is keeps its number, and with it its turn.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    by_service: BTreeMap<Name, BTreeMap<JobId, Job>>,
    subjects: BTreeMap<JobId, Subject>,
    last: u64,
}

impl Jobs {
    /// Takes in what is checked of a service now.
    pub(super) fn set(&mut self, service: &Name, checks: Vec<(InstanceId, Instance, Vec<Arc<Check>>)>) {
        let mut before: BTreeMap<InstanceId, Vec<JobId>> = BTreeMap::new();
        for id in self.by_service.remove(service).unwrap_or_default().into_keys() {
            if let Some(subject) = self.subjects.get(&id) {
                before.entry(subject.instance.clone()).or_default().push(id);
            }
        }
        let mut jobs = BTreeMap::new();
        for (instance, offered, checks) in checks {
            let known = before.entry(instance.clone()).or_default();
            let target =
                ProbeTarget { host: offered.host, port: offered.port.get(), addresses: offered.addresses.to_vec() };
            for check in checks.into_iter().filter(|check| !matches!(check.kind, CheckKind::Lease(_))) {
                let same = known.iter().position(|id| self.subjects.get(id).is_some_and(|found| found.check == check));
                let id = same.map_or_else(|| self.fresh(), |at| known.swap_remove(at));
                let subject =
                    Subject { service: service.clone(), instance: instance.clone(), check: Arc::clone(&check) };
                self.subjects.insert(id, subject);
                jobs.insert(id, Job { id, check, target: target.clone() });
            }
        }
        for id in before.into_values().flatten() {
            self.subjects.remove(&id);
        }
        if !jobs.is_empty() {
            self.by_service.insert(service.clone(), jobs);
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Job> {
        self.by_service.values().flat_map(BTreeMap::values).cloned().collect()
    }

    /// What a result is about; none when nobody wants to know any more.
    pub(super) fn subject(&self, id: JobId) -> Option<&Subject> {
        self.subjects.get(&id)
    }

    fn fresh(&mut self) -> JobId {
        self.last += 1;
        JobId(self.last)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::time::Duration;

    use super::*;
    use crate::model::health::{LeaseCheck, TcpCheck};
    use crate::model::{Condition, Place};

    fn check(kind: CheckKind) -> Arc<Check> {
        let second = Duration::from_secs(1);
        Arc::new(Check { kind, interval: second, timeout: second, rise: 1, fall: 1, initial: Condition::Passing })
    }

    fn instance(host: &str, checks: Vec<Arc<Check>>) -> (InstanceId, Instance, Vec<Arc<Check>>) {
        let place = Place { file: "x".into(), line: 1, column: 1 };
        let instance = Instance::new(host.parse().unwrap(), NonZeroU16::MIN, place);
        (InstanceId::of(&instance.host, instance.port), instance, checks)
    }

    #[test]
    fn what_stays_keeps_its_number_and_what_is_gone_is_nobodys() {
        let web = "_web._tcp.x".parse().unwrap();
        let tcp = |port| check(CheckKind::Tcp(TcpCheck { port: NonZeroU16::new(port) }));
        let mut jobs = Jobs::default();
        jobs.set(&web, vec![instance("a.x", vec![tcp(1), tcp(2)]), instance("b.x", vec![tcp(1)])]);
        let before = jobs.all();
        assert_eq!(before.len(), 3);
        let lease = check(CheckKind::Lease(LeaseCheck));
        jobs.set(&web, vec![instance("b.x", vec![tcp(1), lease]), instance("a.x", vec![tcp(3), tcp(2)])]);
        let after = jobs.all();
        assert_eq!(after.len(), 3, "nobody asks for a lease: {after:?}");
        let [first, second, third] = &before[..] else { panic!("{before:?}") };
        assert!(after.contains(second) && after.contains(third), "{after:?}");
        assert_eq!(jobs.subject(first.id), None);
        assert_eq!(jobs.subject(third.id).unwrap().instance.as_str(), "b.x:1");
        jobs.set(&web, Vec::new());
        assert!(jobs.all().is_empty() && jobs.subject(third.id).is_none());
    }
}
