//! The task that starts checks when they are due, and takes their jobs while it runs.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::schedule::{Due, Schedule};
use super::{Job, Limits, Observed, Shared, is_made, probe};

/// Results that nobody has taken yet. Beyond that checks wait with theirs, and no new ones start.
const RESULTS: usize = 1024;
/// Checks that fall due within so long are started together: a thousand in a second need not be a thousand awakenings.
const TICK: Duration = Duration::from_millis(20);

/// Sets the jobs of a [`Prober`]. When it is gone the prober ends.
#[derive(Debug)]
pub struct Probes(watch::Sender<Arc<[Job]>>);

impl Probes {
    /// These are all the jobs from now on. Those that are as before keep their turns; checks under way of those that
    /// are gone or have changed are given up, and give no result any more.
    pub fn set(&self, jobs: impl Into<Arc<[Job]>>) {
        self.0.send_replace(jobs.into());
    }
}

/// What makes the checks. It does so while [`Self::run`] is awaited; when that is dropped all checks are given up, and
/// commands killed.
#[derive(Debug)]
pub struct Prober {
    limits: Limits,
    jobs: watch::Receiver<Arc<[Job]>>,
    results: mpsc::Sender<Observed>,
}

/// A prober without jobs, and where its results come out.
pub fn probes(limits: Limits) -> (Probes, Prober, mpsc::Receiver<Observed>) {
    let (set, jobs) = watch::channel(Arc::default());
    let (results, observed) = mpsc::channel(RESULTS);
    (Probes(set), Prober { limits, jobs, results }, observed)
}

impl Prober {
    /// Makes the checks, until nobody sets jobs or takes results any more.
    pub async fn run(self) {
        let Self { limits, jobs, results } = self;
        let shared = Arc::new(Shared::default());
        let make = |Due { job, late }| {
            let (shared, results) = (Arc::clone(&shared), results.clone());
            async move {
                let (result, is_near) = probe(&job, &shared).await;
                // Nobody takes it any more: then the run ends.
                let _ = results.send(Observed { id: job.id, result, is_near, at: Instant::now(), late }).await;
            }
        };
        let ended = results.clone();
        scheduled(limits, jobs, make, ended.closed()).await;
    }
}

/// The checks under way, and when the others are due.
struct Running<M> {
    limits: Limits,
    schedule: Schedule,
    tasks: JoinSet<()>,
    /// The ways to end a task early, by its number.
    handles: std::collections::HashMap<Id, AbortHandle>,
    make: M,
}

/// Starts `make` for each job when it is due, until nobody sets jobs any more, or it is `over`. When it returns nothing is
/// under way: commands have been killed.
async fn scheduled<M, F>(limits: Limits, mut jobs: watch::Receiver<Arc<[Job]>>, make: M, over: impl Future<Output = ()>)
where
    M: Fn(Due) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let (tasks, handles) = (JoinSet::new(), std::collections::HashMap::new());
    let mut running = Running { limits, schedule: Schedule::new(&limits), tasks, handles, make };
    running.set(&jobs.borrow_and_update().clone());
    let mut over = std::pin::pin!(over);
    loop {
        let next = running.start_due();
        tokio::select! {
            () = &mut over => break,
            changed = jobs.changed() => match changed {
                Ok(()) => running.set(&jobs.borrow_and_update().clone()),
                Err(_) => break,
            },
            Some(ended) = running.tasks.join_next_with_id() => running.ended(ended),
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
        }
    }
    // Aborting alone leaves it to the runtime when they end, and at the daemon's end that may be never.
    running.tasks.shutdown().await;
}

impl<M, F> Running<M>
where
    M: Fn(Due) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    fn set(&mut self, jobs: &[Job]) {
        let made = jobs.iter().filter(|job| is_made(job, &self.limits)).cloned();
        let aborted = self.schedule.set(made, Instant::now(), &mut within);
        aborted.iter().filter_map(|task| self.handles.get(task)).for_each(AbortHandle::abort);
    }

    /// Starts what is due, and tells when the next is.
    fn start_due(&mut self) -> Option<Instant> {
        let now = Instant::now();
        while let Some(due) = self.schedule.take_due(now) {
            let job = due.job.clone();
            let handle = self.tasks.spawn((self.make)(due));
            self.schedule.started(&job, handle.id());
            self.handles.insert(handle.id(), handle);
        }
        self.schedule.next_due().map(|next| next.max(now + TICK))
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let task = match ended {
            Ok((task, ())) => task,
            Err(error) if error.is_cancelled() => error.id(),
            // A check that panics is a bug like any other: it must not die unseen.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.handles.remove(&task);
        self.schedule.ended(task, Instant::now(), &mut within);
    }
}

/// A moment at random between none and so long.
fn within(longest: Duration) -> Duration {
    longest.mul_f64(rand::rng().random())
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
