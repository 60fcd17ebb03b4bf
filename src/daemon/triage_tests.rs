//! What was withdrawn before a start is withdrawn at the first moment after it, whatever is read first.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::time::Duration;

use tokio::sync::watch;

use super::super::inbox::Inbox;
use super::super::wishes::Wishes;
use super::*;
use crate::model::health::{MinHealthy, Publication, RememberedHealth, TcpCheck};
use crate::model::{
    Catalogue, Check, CheckKind, Condition, DaemonStatus, HealthPolicy, Instance, InstanceId, Place, ServiceKey,
};
use crate::reconcile::registry::Registry;

const HOSTS: [&str; 3] = ["a.x", "b.x", "c.x"];

fn key() -> ServiceKey {
    ServiceKey { name: "web".into(), proto: "tcp".into(), zone: "x".parse().unwrap() }
}

/// Three instances, of which failing ones are withdrawn.
fn catalogue() -> Arc<Catalogue> {
    let place = || Place { file: "x".into(), line: 1, column: 1 };
    let second = Duration::from_secs(1);
    let kind = CheckKind::Tcp(TcpCheck { port: None });
    let check = Check { kind, interval: second, timeout: second, rise: 1, fall: 1, initial: Condition::Passing };
    let instance = |host: &str| Instance::new(host.parse().unwrap(), NonZeroU16::MIN, place());
    let service = Service {
        instances: HOSTS.map(instance).into(),
        checks: [Arc::new(check)].into(),
        health: HealthPolicy::Withdraw { min_healthy: MinHealthy::default() },
        ..Service::new(key(), place())
    };
    Arc::new(Catalogue::from([(key(), Arc::new(service))]))
}

/// That `b` had been withdrawn.
fn remembered() -> HealthContents {
    let one = |host: &str| {
        let fails = host.starts_with('b');
        RememberedHealth {
            service: key().owner_name().unwrap(),
            instance: InstanceId::of(&host.parse().unwrap(), NonZeroU16::MIN),
            condition: if fails { Condition::Failing } else { Condition::Passing },
            since: Some(1),
            reason: String::new(),
            changes: Vec::new(),
            damped: false,
            publication: if fails { Publication::Withdrawn } else { Publication::Published },
        }
    };
    HealthContents { remembered: HOSTS.map(one).into(), ..HealthContents::default() }
}

struct Scene {
    triage: Arc<Triage>,
    wishes: Wishes,
    inbox: Arc<Inbox>,
}

impl Scene {
    fn new() -> Self {
        let (triage, inbox) = (Arc::new(Triage::new(true)), Arc::new(Inbox::default()));
        let status = Arc::new(watch::Sender::new(DaemonStatus::default()));
        let overlay = Arc::clone(&triage) as Arc<dyn Overlay>;
        let wishes = Wishes::new(vec![key().zone], vec![Arc::clone(&inbox)], overlay, status);
        Self { triage, wishes, inbox }
    }

    /// Who is left out in what the zone's task is told; none when it is told nothing.
    fn told(&self) -> Option<Vec<String>> {
        let told = self.inbox.take().services.remove(&key().owner_name().unwrap())?;
        Some(withdrawn(&told.unwrap()))
    }
}

fn withdrawn(service: &Service) -> Vec<String> {
    let out = service.instances.iter().filter(|instance| instance.withdrawn);
    out.map(|instance| instance.host.to_string()).collect()
}

#[test]
fn whatever_is_read_first_what_was_withdrawn_is_never_published() {
    for files_first in [true, false] {
        let scene = Scene::new();
        let read_files = || scene.wishes.take_files(&catalogue(), Vec::new());
        if files_first {
            read_files();
        }
        scene.triage.restore(remembered());
        scene.wishes.take_registry(Registry::default(), BTreeSet::new(), 0);
        if !files_first {
            read_files();
        }
        assert_eq!(scene.told(), Some(vec!["b.x.".to_owned()]), "files first: {files_first}");
        let in_force = scene.wishes.in_force(&key()).unwrap();
        assert!(withdrawn(&in_force).is_empty(), "what is in force is the wish");
    }
}

#[test]
fn while_the_database_cannot_be_read_everything_is_published_and_then_as_it_was() {
    let scene = Scene::new();
    scene.wishes.take_files(&catalogue(), Vec::new());
    scene.wishes.registrations_are_unreadable("a test");
    assert_eq!(scene.told(), Some(Vec::new()));
    assert!(scene.triage.with(|_| ()).is_none());
    scene.triage.restore(remembered());
    scene.wishes.take_registry(Registry::default(), BTreeSet::new(), 0);
    assert_eq!(scene.told(), Some(vec!["b.x.".to_owned()]));
}

#[tokio::test]
async fn a_service_that_changes_meanwhile_keeps_what_health_decided() {
    let scene = Scene::new();
    scene.triage.restore(remembered());
    scene.wishes.take_files(&catalogue(), Vec::new());
    scene.wishes.take_registry(Registry::default(), BTreeSet::new(), 0);
    assert!(scene.told().is_some());
    assert_eq!(scene.wishes.changed().await, BTreeSet::from([key()]));
    let mut other = Catalogue::clone(&catalogue());
    let mut service = Service::clone(&other[&key()]);
    service.ttl = Some(77);
    other.insert(key(), Arc::new(service));
    scene.wishes.take_files(&Arc::new(other), Vec::new());
    assert_eq!(scene.told(), Some(vec!["b.x.".to_owned()]));
    // With one that is well and two that have to be, the floor has both published.
    let mut smaller = Catalogue::clone(&catalogue());
    let mut service = Service::clone(&smaller[&key()]);
    service.instances.truncate(2);
    service.health = HealthPolicy::Withdraw { min_healthy: MinHealthy::Percent(100) };
    smaller.insert(key(), Arc::new(service));
    scene.wishes.take_files(&Arc::new(smaller), Vec::new());
    assert_eq!(scene.told(), Some(Vec::new()));
}
