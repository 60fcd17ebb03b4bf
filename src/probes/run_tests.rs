use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU16;
use std::sync::Mutex;

use tokio::time::{advance, sleep};

use super::*;
use crate::model::health::{Check, CheckKind, CommandCheck, Condition, LeaseCheck, TcpCheck};
use crate::probes::{JobId, ProbeTarget};

const TEN: Duration = Duration::from_secs(10);

fn check(kind: CheckKind, interval: Duration) -> Arc<Check> {
    let timeout = Duration::from_secs(3);
    Arc::new(Check { kind, interval, timeout, rise: 2, fall: 3, initial: Condition::Passing })
}

fn tcp(interval: Duration) -> Arc<Check> {
    check(CheckKind::Tcp(TcpCheck { port: None }), interval)
}

fn command() -> Arc<Check> {
    let command = vec!["/bin/true".parse().unwrap()];
    check(CheckKind::Command(CommandCheck { command, environment: BTreeMap::new() }), TEN)
}

fn job(id: u64, check: &Arc<Check>) -> Job {
    let target = ProbeTarget { host: "vm1.internal.local.".parse().unwrap(), port: 80, addresses: Vec::new() };
    Job { id: JobId(id), check: Arc::clone(check), target }
}

fn jobs(count: u64, check: &Arc<Check>) -> Vec<Job> {
    (0..count).map(|id| job(id, check)).collect()
}

fn limits(connections: usize) -> Limits {
    Limits { connections, commands: 2, run_commands: true }
}

/// What was started when, and how much at once.
#[derive(Debug, Default)]
struct Seen {
    starts: Vec<(Duration, u64)>,
    lateness: HashMap<u64, Duration>,
    running: HashMap<u64, usize>,
    most: usize,
    finished: usize,
}

struct Guard(Arc<Mutex<Seen>>, u64);

impl Drop for Guard {
    fn drop(&mut self) {
        *self.0.lock().unwrap().running.get_mut(&self.1).unwrap() -= 1;
    }
}

/// A scheduler on the test's clock, whose checks take as long as `takes` says.
struct Lab {
    set: watch::Sender<Arc<[Job]>>,
    seen: Arc<Mutex<Seen>>,
    begun: Instant,
    tasks: JoinSet<()>,
}

impl Lab {
    fn new(limits: Limits, takes: impl Fn(u64) -> Duration + Send + 'static) -> Self {
        let (set, jobs) = watch::channel(Arc::default());
        let (seen, begun) = (Arc::new(Mutex::new(Seen::default())), Instant::now());
        let noted = Arc::clone(&seen);
        let make = move |Due { job, late }: Due| {
            let (JobId(id), takes) = (job.id, takes(job.id.0));
            let mut seen = noted.lock().unwrap();
            seen.starts.push((begun.elapsed(), id));
            seen.lateness.insert(id, late);
            *seen.running.entry(id).or_default() += 1;
            assert!(seen.running[&id] <= 1, "{id} is under way twice");
            seen.most = seen.running.values().sum::<usize>().max(seen.most);
            let (guard, noted) = (Guard(Arc::clone(&noted), id), Arc::clone(&noted));
            async move {
                sleep(takes).await;
                noted.lock().unwrap().finished += 1;
                drop(guard);
            }
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(scheduled(limits, jobs, make, std::future::pending()));
        Self { set, seen, begun, tasks }
    }

    fn set(&self, jobs: Vec<Job>) {
        self.set.send_replace(jobs.into());
    }

    async fn pass(&self, time: Duration) {
        sleep(time).await;
    }

    fn starts_of(&self, id: u64) -> Vec<Duration> {
        let seen = self.seen.lock().unwrap();
        seen.starts.iter().filter(|(_, of)| *of == id).map(|(at, _)| *at).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn first_checks_are_spread_over_the_interval() {
    let lab = Lab::new(limits(100), |_| Duration::from_millis(1));
    lab.set(jobs(1000, &tcp(TEN)));
    lab.pass(TEN).await;
    let mut seconds = [0; 11];
    lab.seen.lock().unwrap().starts.iter().for_each(|(at, _)| seconds[usize::try_from(at.as_secs()).unwrap()] += 1);
    // A hundred each on average; outside of this is once in a million years.
    assert!(seconds[..10].iter().all(|count| (40..=170).contains(count)), "{seconds:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_an_hour_for_the_first_word() {
    let lab = Lab::new(limits(100), |_| Duration::ZERO);
    lab.set(jobs(100, &tcp(Duration::from_hours(1))));
    lab.pass(Duration::from_secs(61)).await;
    assert_eq!(lab.seen.lock().unwrap().finished, 100);
}

#[tokio::test(start_paused = true)]
async fn each_check_comes_once_in_an_interval_and_not_with_the_beat() {
    let lab = Lab::new(limits(100), |_| Duration::from_secs(1));
    lab.set(jobs(50, &tcp(TEN)));
    lab.pass(TEN * 20).await;
    for id in 0..50 {
        let starts = lab.starts_of(id);
        assert!((19..=20).contains(&starts.len()), "{id}: {}", starts.len());
        let gaps: Vec<_> = starts.windows(2).map(|pair| pair[1].checked_sub(pair[0]).unwrap()).collect();
        assert!(gaps.iter().all(|gap| (8_950..=11_050).contains(&gap.as_millis())), "{gaps:?}");
        assert!(gaps.iter().any(|gap| *gap != gaps[0]), "no jitter: {gaps:?}");
    }
    assert_eq!(lab.seen.lock().unwrap().lateness.values().filter(|late| **late > TICK * 2).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_place_waits_and_everybody_gets_a_turn() {
    let lab = Lab::new(limits(3), |_| Duration::from_secs(2));
    lab.set(jobs(60, &tcp(TEN)));
    // 60 checks of 2 s in 3 places take 40 s, four times the interval.
    lab.pass(TEN * 18).await;
    assert_eq!(lab.seen.lock().unwrap().most, 3);
    for id in 0..60 {
        let starts = lab.starts_of(id);
        assert!((3..=5).contains(&starts.len()), "{id}: {starts:?}");
    }
    assert!(lab.seen.lock().unwrap().lateness.values().any(|late| *late > TEN));
}

#[tokio::test(start_paused = true)]
async fn commands_and_connections_do_not_stand_in_each_others_way() {
    let lab = Lab::new(limits(2), |id| if id < 100 { Duration::from_hours(9) } else { Duration::from_secs(1) });
    let hanging = (0..50).map(|id| job(id, &tcp(TEN)));
    lab.set(hanging.chain((100..104).map(|id| job(id, &command()))).collect());
    lab.pass(TEN * 10).await;
    assert_eq!(lab.seen.lock().unwrap().most, 4);
    for id in 100..104 {
        assert!(lab.starts_of(id).len() >= 9);
    }
}

#[tokio::test(start_paused = true)]
async fn turns_that_passed_are_not_caught_up() {
    let lab = Lab::new(limits(10), |_| Duration::from_secs(25));
    lab.set(jobs(1, &tcp(TEN)));
    lab.pass(TEN * 30).await;
    let starts = lab.starts_of(0);
    let gaps = starts.windows(2).map(|pair| pair[1].checked_sub(pair[0]).unwrap());
    assert!(gaps.clone().all(|gap| gap >= Duration::from_secs(29)), "{:?}", gaps.collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn jobs_that_are_set_again_keep_their_turns() {
    let lab = Lab::new(limits(100), |_| Duration::from_secs(1));
    for second in 0..100 {
        // A job that is as it was, one that changes each second, and one that is another each second.
        let port = NonZeroU16::new(1 + second).unwrap();
        let changing = check(CheckKind::Tcp(TcpCheck { port: Some(port) }), TEN);
        lab.set(vec![job(1, &tcp(TEN)), job(2, &changing), job(1000 + u64::from(second), &tcp(TEN))]);
        lab.pass(Duration::from_secs(1)).await;
    }
    assert!((9..=10).contains(&lab.starts_of(1).len()));
    assert!((4..=20).contains(&lab.starts_of(2).len()), "{:?}", lab.starts_of(2));
}

#[tokio::test(start_paused = true)]
async fn checks_of_jobs_that_are_gone_are_given_up() {
    let lab = Lab::new(limits(4), |_| Duration::from_hours(1));
    lab.set(jobs(4, &tcp(TEN)));
    lab.pass(TEN).await;
    assert_eq!(lab.seen.lock().unwrap().running.values().sum::<usize>(), 4);
    lab.set(vec![job(0, &tcp(TEN)), job(9, &tcp(TEN))]);
    lab.pass(TEN).await;
    let seen = lab.seen.lock().unwrap();
    let running: Vec<_> = seen.running.iter().filter(|(_, count)| **count > 0).map(|(id, _)| *id).collect();
    assert_eq!((running.contains(&0), running.contains(&9), running.len()), (true, true, 2));
    assert_eq!((seen.finished, seen.most), (0, 4));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_changes_under_way_begins_anew_with_what_it_is_now() {
    let lab = Lab::new(limits(1), |_| Duration::from_hours(1));
    lab.set(jobs(1, &tcp(TEN)));
    lab.pass(TEN).await;
    lab.set(jobs(1, &tcp(TEN * 2)));
    lab.pass(TEN * 2).await;
    assert_eq!(lab.starts_of(0).len(), 2);
    assert_eq!(lab.seen.lock().unwrap().most, 1);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_owner_and_takes_everything_with_it() {
    let Lab { set, seen, mut tasks, .. } = Lab::new(limits(10), |_| Duration::from_hours(1));
    set.send_replace(jobs(5, &tcp(TEN)).into());
    sleep(TEN).await;
    assert_eq!(seen.lock().unwrap().running.values().sum::<usize>(), 5);
    drop(set);
    tasks.join_next().await.unwrap().unwrap();
    assert_eq!(seen.lock().unwrap().running.values().sum::<usize>(), 0);
}

#[tokio::test(start_paused = true)]
async fn results_that_nobody_takes_hold_up_checks_and_memory() {
    let (set, jobs_in) = watch::channel(Arc::default());
    let (results, mut taken) = mpsc::channel(5);
    let started = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&started);
    let make = move |Due { job, .. }: Due| {
        *counted.lock().unwrap() += 1;
        let results = results.clone();
        async move { results.send(job.id).await.unwrap() }
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(scheduled(limits(10), jobs_in, make, std::future::pending()));
    set.send_replace(jobs(1000, &tcp(TEN)).into());
    sleep(TEN * 10).await;
    assert_eq!(*started.lock().unwrap(), 15);
    for _ in 0..15 {
        taken.recv().await.unwrap();
    }
    sleep(TEN).await;
    assert!(*started.lock().unwrap() > 15);
}

#[tokio::test(start_paused = true)]
async fn leases_are_not_asked_for_and_commands_only_where_they_are_allowed() {
    let lease = check(CheckKind::Lease(LeaseCheck), TEN);
    let all = || vec![job(1, &tcp(TEN)), job(2, &command()), job(3, &lease)];
    for (run_commands, expected) in [(false, &[1][..]), (true, &[1, 2])] {
        let lab = Lab::new(Limits { run_commands, ..limits(10) }, |_| Duration::ZERO);
        lab.set(all());
        lab.pass(TEN).await;
        let mut started: Vec<_> = lab.seen.lock().unwrap().starts.iter().map(|(_, id)| *id).collect();
        started.sort_unstable();
        started.dedup();
        assert_eq!(started, expected);
        assert!(lab.begun.elapsed() >= TEN);
    }
}

#[tokio::test(start_paused = true)]
async fn the_list_never_holds_more_than_there_are_jobs() {
    let make = |_: Due| std::future::pending();
    let (tasks, handles) = (JoinSet::new(), HashMap::new());
    let mut running = Running { limits: limits(10), schedule: Schedule::new(&limits(10)), tasks, handles, make };
    for round in 0..50_u64 {
        let changed = tcp(Duration::from_secs(1 + round % 3));
        let twins = (0..100).map(|_| job(round, &tcp(TEN)));
        running.set(&(round..round + 500).map(|id| job(id, &changed)).chain(twins).collect::<Vec<_>>());
        advance(Duration::from_secs(1)).await;
        running.start_due();
        let (all, waiting, started) = running.schedule.sizes();
        assert_eq!(all, 500);
        assert!(waiting <= 500 && started <= 10 && running.handles.len() == started, "{waiting} {started}");
        while running.tasks.len() > 5 {
            running.handles.values().for_each(AbortHandle::abort);
            let ended = running.tasks.join_next_with_id().await.unwrap();
            running.ended(ended);
        }
        let (all, waiting, started) = running.schedule.sizes();
        assert!(all == 500 && waiting >= 500 - started, "{waiting} {started}");
    }
    running.set(&[]);
    let (all, waiting, _) = running.schedule.sizes();
    assert_eq!((all, waiting), (0, 0));
}
