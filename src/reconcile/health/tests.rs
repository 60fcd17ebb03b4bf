use std::num::NonZeroU16;
use std::time::Duration;

use super::*;
use crate::model::health::{CommandCheck, HealthStatus, LeaseCheck, MinHealthy, TcpCheck};
use crate::model::{CheckKind, Condition, HealthPolicy, Place, ServiceKey};

mod property_tests;

const SECOND: u64 = 1000;

fn check(kind: CheckKind) -> Check {
    let (interval, timeout) = (Duration::from_secs(10), Duration::from_secs(3));
    Check { kind, interval, timeout, rise: 2, fall: 3, initial: Condition::Passing }
}

fn tcp() -> Check {
    check(CheckKind::Tcp(TcpCheck { port: None }))
}

fn withdraw(min_healthy: MinHealthy) -> HealthPolicy {
    HealthPolicy::Withdraw { min_healthy }
}

fn place() -> Place {
    Place { file: "s.toml".into(), line: 1, column: 1 }
}

fn host(number: usize) -> Name {
    format!("h{number}.internal.local").parse().unwrap()
}

fn service(instances: usize, health: HealthPolicy, checks: &[Check]) -> Arc<Service> {
    let key = ServiceKey { name: "web".into(), proto: "tcp".into(), zone: "internal.local".parse().unwrap() };
    let instance = |number| Instance::new(host(number), NonZeroU16::new(80).unwrap(), place());
    let checks = checks.iter().cloned().map(Arc::new).collect();
    let instances = (0..instances).map(instance).collect();
    Arc::new(Service { instances, checks, health, ..Service::new(key, place()) })
}

use crate::model::Instance;

/// One service and a clock.
struct World {
    health: Health,
    service: Arc<Service>,
    name: Name,
    now: u64,
    /// Who is on the machine of whoever checks.
    near: BTreeSet<usize>,
}

impl World {
    fn new(service: Arc<Service>) -> Self {
        Self::with(Health::default(), service, 1_000_000 * SECOND)
    }

    fn with(health: Health, service: Arc<Service>, now: u64) -> Self {
        let name = service.key.owner_name().unwrap();
        let mut world = Self { health, service, name, now, near: BTreeSet::new() };
        world.health.set(&world.name, Some(&world.service), now);
        world
    }

    fn id(number: usize) -> InstanceId {
        InstanceId::of(&host(number), NonZeroU16::new(80).unwrap())
    }

    /// The result of one instance's first check, a tenth of a second in the making.
    fn see(&mut self, number: usize, verdict: Verdict) -> News {
        self.see_of(number, 0, verdict)
    }

    /// An instance fails until it goes, while these others pass.
    fn fail(&mut self, number: usize, others: &[usize]) -> News {
        self.see_times(number, Failing, 3);
        others.iter().for_each(|&other| drop(self.see(other, Passing)));
        self.pass_time(SECOND);
        self.see(number, Failing)
    }

    fn see_of(&mut self, number: usize, check: usize, verdict: Verdict) -> News {
        self.now += SECOND;
        let check = Arc::clone(&self.service.checks[check]);
        self.observe(number, &check, ProbeResult::new(verdict, Duration::from_millis(100), "seen"))
    }

    fn observe(&mut self, number: usize, check: &Check, result: ProbeResult) -> News {
        let seen = Seen { result, at: self.now, is_near: self.near.contains(&number) };
        self.health.observe((&self.name, &Self::id(number)), check, seen)
    }

    fn say(&mut self, number: usize, verdict: Verdict) -> Option<News> {
        let result = ProbeResult::new(verdict, Duration::ZERO, "said");
        let word = Seen { result, at: self.now, is_near: self.near.contains(&number) };
        self.health.hear(&self.name, &Self::id(number), &word)
    }

    fn see_times(&mut self, number: usize, verdict: Verdict, times: usize) {
        for _ in 0..times {
            self.see(number, verdict);
        }
    }

    fn pass_time(&mut self, milliseconds: u64) -> News {
        self.now += milliseconds;
        self.health.pass_time(self.now)
    }

    fn status(&self) -> HealthStatus {
        self.health.status(&self.name).unwrap()
    }

    fn publications(&self) -> Vec<Publication> {
        self.status().instances.iter().map(|instance| instance.publication).collect()
    }

    fn condition(&self, number: usize) -> Condition {
        self.status().instances[number].condition
    }

    /// Which are left out of what is published.
    fn withdrawn(&self) -> Vec<usize> {
        let instances = self.health.effective(&self.name).unwrap().instances.iter().enumerate();
        instances.filter(|(_, instance)| instance.withdrawn).map(|(number, _)| number).collect()
    }

    /// The same after the daemon was started again, hours later.
    fn restarted(&self) -> Self {
        let remembered = self.health.remember(&self.name);
        let health = Health::new(remembered, self.health.maintenance().clone());
        let now = self.now + 3600 * SECOND;
        Self { near: self.near.clone(), ..Self::with(health, Arc::clone(&self.service), now) }
    }
}

use Publication::{Awaiting, Deprioritised, HeldByFloor, Published, Withdrawn};
use Verdict::{Failing, Passing, Warning};

#[test]
fn what_fails_is_withdrawn_and_what_passes_again_comes_back() {
    let mut world = World::new(service(4, withdraw(MinHealthy::default()), &[tcp()]));
    world.see_times(0, Failing, 2);
    assert_eq!(world.condition(0), Condition::Passing, "two are not enough");
    let news = world.see(0, Failing);
    assert_eq!((news.transitions[0].from, news.transitions[0].to), (Condition::Passing, Condition::Failing));
    assert_eq!(news.transitions[0].reason, "tcp failed 3 times in a row: seen");
    assert_eq!(news.transitions[0].latency_ms, Some(100));
    assert_eq!(world.publications()[0], Awaiting, "the others may be failing, too");
    world.see(1, Passing);
    assert_eq!(world.pass_time(SECOND).effective.len(), 0, "one of two that have to be healthy");
    world.see(2, Warning);
    assert_eq!(world.pass_time(SECOND).effective.len(), 0, "it may have been fine since then");
    let news = world.see(0, Failing);
    assert_eq!(world.withdrawn(), [0]);
    assert!(news.effective[&world.name].instances[0].withdrawn && news.touched.contains(&world.name));
    assert!(matches!(&news.happenings[..], [Happening::Moved { from: Awaiting, to: Withdrawn, .. }]));
    world.see(0, Passing);
    assert_eq!(world.withdrawn(), [0], "one is not enough");
    let news = world.see(0, Passing);
    assert!(world.withdrawn().is_empty());
    assert!(Arc::ptr_eq(&news.effective[&world.name], &world.service));
}

#[test]
fn by_default_nothing_follows() {
    let mut world = World::new(service(4, HealthPolicy::Publish, &[tcp()]));
    world.see_times(0, Failing, 9);
    [1, 2, 3].into_iter().for_each(|number| drop(world.see(number, Passing)));
    assert!(world.pass_time(SECOND).effective.is_empty());
    assert_eq!((world.condition(0), world.publications()[0]), (Condition::Failing, Published));
    assert_eq!(world.status().floor, None);
}

#[test]
fn past_the_floor_everything_comes_back_loudly() {
    let mut world = World::new(service(4, withdraw(MinHealthy::default()), &[tcp()]));
    [0, 1].into_iter().for_each(|failing| drop(world.fail(failing, &[2, 3])));
    assert_eq!(world.withdrawn(), [0, 1]);
    world.see_times(2, Failing, 2);
    assert_eq!(world.withdrawn(), [0, 1]);
    let news = world.see(2, Failing);
    assert!(world.withdrawn().is_empty());
    assert_eq!(world.publications(), [HeldByFloor, HeldByFloor, HeldByFloor, Published]);
    assert!(news.happenings.contains(&Happening::FloorHeld {
        service: world.name.clone(),
        healthy: 1,
        floor: 2,
        checked: 4
    }));
    let status = world.status();
    assert!(status.floor_held && status.instances[0].reason.contains("1 of 4 are healthy, and 2 have to be"));
    world.see(2, Passing);
    let news = world.see(2, Passing);
    assert_eq!(world.publications(), [Awaiting, Awaiting, Published, Published], "they may be fine again, too");
    assert!(news.happenings.contains(&Happening::FloorReleased { service: world.name.clone() }), "{news:?}");
    world.see(3, Passing);
    world.pass_time(SECOND);
    world.see(0, Failing);
    assert_eq!(world.withdrawn(), [0]);
}

#[test]
fn of_one_nothing_is_ever_withdrawn() {
    let mut world = World::new(service(1, withdraw(MinHealthy::Count(1)), &[tcp()]));
    world.see_times(0, Failing, 9);
    assert_eq!(world.publications(), [HeldByFloor]);
}

#[test]
fn most_of_everything_in_trouble_is_rather_the_own_network() {
    let mut world = World::new(service(4, withdraw(MinHealthy::Count(1)), &[tcp()]));
    world.see_times(0, Failing, 3);
    [1, 2].into_iter().for_each(|number| drop(world.see(number, Failing)));
    world.see(3, Passing);
    world.pass_time(SECOND);
    assert_eq!(world.publications()[0], Awaiting, "three of four are in trouble, the fourth may be on this machine");
    assert!(world.status().isolated && world.status().instances[0].reason.contains("3 of 4 instances"));
    world.see(1, Passing);
    world.pass_time(SECOND);
    world.see(0, Failing);
    assert_eq!(world.withdrawn(), [0]);
}

#[test]
fn what_fails_is_asked_last() {
    let policy = HealthPolicy::Deprioritise { priority: Some(100), weight: Some(0) };
    let mut service = Service::clone(&service(3, policy, &[tcp()]));
    for (instance, priority) in service.instances.iter_mut().zip([10, 200, 10]) {
        (instance.priority, instance.weight) = (priority, 5);
    }
    let mut world = World::new(Arc::new(service));
    [0, 1].into_iter().for_each(|failing| drop(world.fail(failing, &[2])));
    assert_eq!(world.publications(), [Deprioritised, Deprioritised, Published]);
    let published = world.health.effective(&world.name).unwrap();
    let offers: Vec<_> = published.instances.iter().map(|found| (found.priority, found.weight)).collect();
    assert_eq!(offers, [(100, 0), (200, 0), (10, 5)], "never better than before");
    world.see_times(2, Failing, 3);
    assert!(Arc::ptr_eq(world.health.effective(&world.name).unwrap(), &world.service), "all are the same again");
}

#[test]
fn what_flaps_counts_as_failing_until_it_is_quiet() {
    let mut world = World::new(service(3, withdraw(MinHealthy::Count(1)), &[tcp()]));
    for _ in 0..FLAP_CHANGES / 2 {
        world.see_times(0, Failing, 3);
        world.see_times(0, Passing, 2);
    }
    assert_eq!(world.condition(0), Condition::Passing, "the last change was for the better");
    world.see_times(0, Failing, 3);
    assert!(world.status().instances[0].damped);
    assert!(world.status().instances[0].reason.contains("it flaps"), "{:?}", world.status().instances[0]);
    world.see(1, Passing);
    world.pass_time(SECOND);
    world.see(0, Failing);
    assert_eq!(world.withdrawn(), [0]);
    world.see_times(0, Passing, 2);
    world.pass_time(FLAP_QUIET - SECOND);
    assert_eq!(world.condition(0), Condition::Failing);
    world.see(0, Failing);
    world.see(0, Passing);
    world.pass_time(FLAP_QUIET - SECOND);
    assert_eq!(world.condition(0), Condition::Failing, "one failure begins the quiet time again");
    let news = world.pass_time(SECOND);
    assert_eq!((world.condition(0), world.withdrawn()), (Condition::Passing, vec![]));
    assert!(news.transitions[0].reason.contains("passing for 5 minutes"), "{news:?}");
}

#[test]
fn all_checks_have_to_pass() {
    let other = Check { fall: 1, ..check(CheckKind::Tcp(TcpCheck { port: NonZeroU16::new(81) })) };
    let mut world = World::new(service(1, HealthPolicy::Publish, &[tcp(), other]));
    world.see_of(0, 1, Failing);
    assert_eq!(world.condition(0), Condition::Failing);
    world.see_times(0, Passing, 5);
    assert_eq!(world.condition(0), Condition::Failing);
    world.see_of(0, 1, Passing);
    world.see_of(0, 1, Passing);
    assert_eq!(world.condition(0), Condition::Passing);
}

#[test]
fn a_check_that_cannot_be_made_says_nothing() {
    let mut world = World::new(service(1, HealthPolicy::Publish, &[tcp()]));
    world.see_times(0, Failing, 2);
    world.see_times(0, Verdict::Unknown, 9);
    assert_eq!(world.condition(0), Condition::Passing);
    let shown = &world.status().instances[0].checks[0];
    assert_eq!((shown.failed, shown.result.as_ref().unwrap().verdict), (2, Verdict::Unknown));
    world.see(0, Failing);
    assert_eq!(world.condition(0), Condition::Failing);
}

#[test]
fn what_holds_in_the_beginning_is_configured() {
    let health = withdraw(MinHealthy::default());
    let mut world = World::new(service(2, health, &[Check { initial: Condition::Unknown, ..tcp() }]));
    assert_eq!((world.condition(0), world.publications()[0]), (Condition::Unknown, Published));
    world.see_times(0, Passing, 2);
    assert_eq!(world.condition(0), Condition::Passing);
    let mut world = World::new(service(2, health, &[Check { initial: Condition::Failing, ..tcp() }]));
    world.near = [0, 1].into();
    assert_eq!(world.publications(), [HeldByFloor, HeldByFloor], "a new service is published as a whole");
    world.see_times(0, Passing, 2);
    assert_eq!(world.publications(), [Published, Withdrawn], "and then without those that never passed");
    world.see_times(1, Passing, 2);
    assert!(world.withdrawn().is_empty());
}

#[test]
fn silence_is_failure_where_the_instance_says_itself_how_it_is() {
    let lease = Check { rise: 1, fall: 1, ..check(CheckKind::Lease(LeaseCheck)) };
    let mut world = World::new(service(2, withdraw(MinHealthy::default()), &[lease]));
    world.pass_time(9 * SECOND);
    assert!(world.say(1, Passing).is_some());
    let news = world.pass_time(SECOND);
    assert_eq!(news.transitions[0].reason, "lease failed once: not renewed for 10s");
    assert_eq!((news.transitions[0].latency_ms, world.publications()[0]), (None, Awaiting));
    world.now += SECOND;
    world.say(1, Passing).unwrap();
    world.pass_time(SECOND);
    world.now += 6 * SECOND;
    world.say(1, Passing).unwrap();
    world.pass_time(2 * SECOND);
    assert_eq!(world.withdrawn(), [0], "silent for as long again");
    let news = world.say(0, Passing).unwrap();
    assert_eq!((news.transitions[0].to, world.withdrawn()), (Condition::Passing, vec![]));
    let mut other = World::new(service(1, HealthPolicy::Publish, &[tcp()]));
    assert!(other.say(0, Failing).is_none());
}

#[test]
fn who_works_on_a_host_takes_it_out_and_brings_it_back() {
    let mut world = World::new(service(2, withdraw(MinHealthy::default()), &[tcp()]));
    let maintained = Maintained::Host(host(0));
    let until = world.now / 1000 + 60;
    let maintenance = Maintenance { until, why: "disk".into(), by: "ops".into() };
    let news = world.health.maintain(&maintained, Some(maintenance.clone()), world.now);
    assert!(news.effective[&world.name].instances[0].withdrawn);
    let news = world.health.maintain(&Maintained::Host(host(1)), Some(maintenance.clone()), world.now);
    assert!(world.withdrawn().is_empty(), "not both: {news:?}");
    world.health.maintain(&Maintained::Host(host(1)), None, world.now);
    assert_eq!(world.withdrawn(), [0]);
    assert_eq!(world.status().instances[0].maintenance, Some(maintenance));
    world.pass_time(999 * SECOND);
    assert_eq!(world.withdrawn(), [0], "its end is told");
    let news = world.health.maintain(&maintained, None, world.now);
    assert!(world.withdrawn().is_empty() && news.effective.contains_key(&world.name), "{news:?}");
    assert!(world.health.maintenance().is_empty());
}

#[test]
fn nothing_is_withdrawn_of_a_service_that_somebody_works_on() {
    let mut world = World::new(service(4, withdraw(MinHealthy::default()), &[tcp()]));
    world.fail(0, &[2, 3]);
    let maintenance = Maintenance { until: world.now / 1000 + 900, why: "upgrade".into(), by: "ops".into() };
    let service = Maintained::Service(world.name.clone());
    world.health.maintain(&service, Some(maintenance), world.now);
    world.fail(1, &[2, 3]);
    assert_eq!(world.publications()[..2], [Withdrawn, Awaiting]);
    assert!(world.status().instances[1].reason.contains("somebody works on the service"));
    world.see_times(0, Passing, 2);
    assert!(world.withdrawn().is_empty(), "what passes again comes back");
    world.health.maintain(&service, None, world.now);
    assert!(world.withdrawn().is_empty(), "not for what was in the meantime");
    world.see(1, Failing);
    assert_eq!(world.withdrawn(), [1]);
}

#[test]
fn another_check_begins_anew_and_the_same_one_goes_on() {
    let mut world = World::new(service(3, withdraw(MinHealthy::default()), &[tcp()]));
    world.fail(0, &[1, 2]);
    assert_eq!(world.withdrawn(), [0]);
    // One more instance, and something else about the service: what is known stays.
    world.service = service(4, withdraw(MinHealthy::default()), &[tcp()]);
    let news = world.health.set(&world.name, Some(&world.service), world.now);
    assert_eq!(world.withdrawn(), [0]);
    assert!(news.effective[&world.name].instances[0].withdrawn && news.forgotten.is_empty());
    // Another check in place of the one that failed.
    world.service = service(2, withdraw(MinHealthy::default()), &[Check { fall: 2, ..tcp() }]);
    let news = world.health.set(&world.name, Some(&world.service), world.now);
    assert_eq!(
        (news.transitions[0].to, &*news.transitions[0].reason),
        (Condition::Passing, "what is checked has changed")
    );
    assert!(world.withdrawn().is_empty());
    assert_eq!(news.forgotten.len(), 2);
    world.health.set(&world.name, None, world.now);
    assert!(world.health.status(&world.name).is_none() && (world.health.checked, world.health.troubled) == (0, 0));
}

#[test]
fn what_is_not_checked_is_no_reason_to_leave_another_out() {
    let mut mixed = Service::clone(&service(4, withdraw(MinHealthy::default()), &[tcp()]));
    [2, 3].into_iter().for_each(|number| mixed.instances[number].checks = Some(Box::default()));
    let mut world = World::new(Arc::new(mixed));
    world.see_times(0, Failing, 3);
    assert_eq!(
        (world.publications()[0], world.status().floor),
        (Awaiting, Some(1)),
        "half of the two that are checked"
    );
    world.see_times(1, Failing, 3);
    assert_eq!(world.publications(), [HeldByFloor, HeldByFloor, Published, Published]);
}

#[test]
fn a_restart_changes_nothing_by_itself() {
    let mut world = World::new(service(4, withdraw(MinHealthy::default()), &[tcp()]));
    world.fail(0, &[2, 3]);
    world.see_times(1, Failing, 3);
    let expected = [Withdrawn, Awaiting, Published, Published];
    assert_eq!(world.publications(), expected);
    let mut again = world.restarted();
    assert_eq!(again.publications(), expected);
    // The second is fine again, and was it all the time: it is not withdrawn for what was before.
    [2, 3].into_iter().for_each(|number| drop(again.see(number, Passing)));
    again.pass_time(SECOND);
    assert_eq!(again.publications(), expected);
    again.see_times(1, Passing, 2);
    assert_eq!(again.publications(), [Withdrawn, Published, Published, Published]);
    again.see_times(0, Passing, 2);
    assert!(again.withdrawn().is_empty());
}

/// Whoever checks has one of a pair on its own machine. Whether the other is down or its own network, it cannot tell, as
/// long as nobody else is reached.
#[test]
fn who_is_on_the_same_machine_proves_nothing_of_the_network() {
    let mut world = World::new(service(2, withdraw(MinHealthy::default()), &[tcp()]));
    world.near = [1].into();
    world.see_times(0, Passing, 2);
    world.fail(0, &[1]);
    world.fail(0, &[1]);
    assert_eq!(world.publications(), [Awaiting, Published]);
    assert!(world.status().instances[0].reason.contains("on another machine than this"), "{:?}", world.status());
    // Anything elsewhere will do, of whatever service.
    let mut other = Service::clone(&service(1, HealthPolicy::Publish, &[tcp()]));
    other.key.name = "db".into();
    let (other, name) = (Arc::new(other), "_db._tcp.internal.local".parse::<Name>().unwrap());
    world.health.set(&name, Some(&other), world.now);
    let result = ProbeResult::new(Passing, Duration::ZERO, "");
    world.now += SECOND;
    let seen = Seen { result, at: world.now, is_near: false };
    world.health.observe((&name, &World::id(0)), &other.checks[0], seen);
    world.pass_time(SECOND);
    world.see(0, Failing);
    assert_eq!(world.withdrawn(), [0]);
    // What fails on the same machine needs no network to fail.
    let mut world = World::new(service(2, withdraw(MinHealthy::default()), &[tcp()]));
    world.near = [0, 1].into();
    world.fail(0, &[1]);
    assert_eq!(world.withdrawn(), [0]);
}

/// Where commands are not run, a check that is one neither keeps others from being withdrawn nor an instance from coming
/// back.
#[test]
fn checks_that_are_not_made_are_none() {
    let command = check(CheckKind::Command(CommandCheck { command: Vec::new(), environment: BTreeMap::new() }));
    let both = service(3, withdraw(MinHealthy::default()), &[tcp(), command.clone()]);
    let mut world = World::new(Arc::clone(&both));
    world.see_times(0, Failing, 3);
    for number in [1, 2] {
        [0, 1].into_iter().for_each(|check| drop(world.see_of(number, check, Passing)));
    }
    world.pass_time(SECOND);
    world.see(0, Failing);
    assert_eq!(world.withdrawn(), [0]);
    let remembered = world.health.remember(&world.name);
    let mut world = World::with(Health::new(remembered, BTreeMap::new()).without_commands(), both, world.now);
    assert_eq!((world.withdrawn(), world.status().instances[0].checks.len()), (vec![0], 1));
    world.see_times(0, Passing, 2);
    assert!(world.withdrawn().is_empty(), "nobody will ever see the command pass");
    world.fail(1, &[0, 2]);
    assert_eq!(world.withdrawn(), [1], "nor does anybody wait for it");

    let commands = service(2, withdraw(MinHealthy::default()), &[command]);
    let world = World::with(Health::default().without_commands(), commands, 0);
    assert_eq!((world.condition(0), world.status().instances[0].checks.len()), (Condition::Unknown, 0));
}

#[test]
fn another_policy_alone_withdraws_nobody() {
    let policy = HealthPolicy::Deprioritise { priority: Some(100), weight: None };
    let mut world = World::new(service(3, policy, &[tcp()]));
    world.fail(0, &[1, 2]);
    assert_eq!(world.publications()[0], Deprioritised);
    let remembered = world.health.remember(&world.name);
    let other = service(3, withdraw(MinHealthy::default()), &[tcp()]);
    let mut world = World::with(Health::new(remembered, BTreeMap::new()), other, world.now);
    assert_eq!(world.publications()[0], Awaiting, "nobody has seen it fail since the start");
    world.fail(0, &[1, 2]);
    assert_eq!(world.withdrawn(), [0]);
    // The other way round it is better for it.
    world.service = service(3, policy, &[tcp()]);
    world.health.set(&world.name, Some(&world.service), world.now);
    assert_eq!(world.publications()[0], Deprioritised);
}

#[test]
fn who_appears_long_after_a_start_is_new() {
    let mut world = World::new(service(4, withdraw(MinHealthy::default()), &[tcp()]));
    world.fail(3, &[1, 2]);
    assert_eq!(world.withdrawn(), [3]);
    let remembered = world.health.remember(&world.name);
    let three = service(3, withdraw(MinHealthy::default()), &[tcp()]);
    let mut world = World::with(Health::new(remembered, BTreeMap::new()), three, world.now);
    world.health.forget_others();
    world.service = service(4, withdraw(MinHealthy::default()), &[tcp()]);
    world.health.set(&world.name, Some(&world.service), world.now);
    assert_eq!(world.publications(), [Published; 4]);
}

#[test]
fn a_service_that_loses_everything_is_published_so() {
    let mut world = World::new(service(3, withdraw(MinHealthy::default()), &[tcp()]));
    world.service = service(0, withdraw(MinHealthy::default()), &[tcp()]);
    world.health.set(&world.name, Some(&world.service), world.now);
    assert!(world.health.effective(&world.name).is_none_or(|effective| effective.instances.is_empty()));
}

/// Who is published is not left out because a check of it is another one, whatever that is to say in the beginning.
#[test]
fn another_check_alone_withdraws_nobody() {
    let policy = withdraw(MinHealthy::default());
    let mut world = World::new(service(3, policy, &[tcp()]));
    (0..3).for_each(|number| world.see_times(number, Passing, 2));
    world.service = service(3, policy, &[Check { initial: Condition::Failing, fall: 2, ..tcp() }]);
    world.health.set(&world.name, Some(&world.service), world.now);
    assert_eq!(world.publications(), [HeldByFloor; 3]);
    [0, 1].into_iter().for_each(|number| world.see_times(number, Passing, 2));
    world.pass_time(SECOND);
    assert_eq!(world.publications(), [Published, Published, Awaiting], "it has had no turn yet");
    world.see_times(2, Passing, 2);
    assert_eq!(world.publications(), [Published; 3]);
    world.fail(2, &[0, 1]);
    assert_eq!(world.withdrawn(), [2]);
}
