//! When each check is due: one ordered list for all of them, and nothing that runs. Time and chance come in as arguments.
//!
//! A job is either waiting in the list, under way, or gone; so ten thousand jobs are ten thousand entries, whatever happens.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::task::Id;
use tokio::time::Instant;

use super::{Job, JobId, Limits};
use crate::model::health::CheckKind;

/// First checks are spread over one interval, and over no more than this: nobody waits an hour for the first word.
const FIRST_SPREAD: Duration = Duration::from_mins(1);
/// By which part of its interval a check may come later than its turn, so that what once fell together falls apart.
const JITTER_PART: u32 = 10;

/// A moment at random between none and so long.
pub(super) type Chance<'a> = &'a mut dyn FnMut(Duration) -> Duration;

/// What takes turns among itself: a slow command holds up no connection, and a server that hangs no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Connections,
    Commands,
}

/// All jobs.
#[derive(Debug)]
pub(super) struct Schedule {
    jobs: HashMap<JobId, Planned>,
    lanes: [Turns; 2],
    /// What is under way, aborted checks among it until they have ended.
    running: HashMap<Id, (JobId, Lane)>,
}

#[derive(Debug)]
struct Turns {
    due: BTreeSet<(Instant, JobId)>,
    running: usize,
    limit: usize,
}

#[derive(Debug)]
struct Planned {
    job: Job,
    /// Its turn, a whole number of intervals after its first.
    turn: Instant,
    /// Its turn and a little, unless it is under way.
    due: Instant,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// Handed out, and not yet said as what.
    Taken,
    Running(Id),
}

/// A check whose time has come.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) job: Job,
    /// How long it had to wait for a free place.
    pub(super) late: Duration,
}

fn lane(job: &Job) -> Lane {
    if matches!(job.check.kind, CheckKind::Command(_)) { Lane::Commands } else { Lane::Connections }
}

impl Schedule {
    pub(super) fn new(limits: &Limits) -> Self {
        let turns = |limit: usize| Turns { due: BTreeSet::new(), running: 0, limit: limit.max(1) };
        let lanes = [turns(limits.connections), turns(limits.commands)];
        Self { jobs: HashMap::new(), lanes, running: HashMap::new() }
    }

    /// Takes these jobs for all there are. What stays as it is keeps its turn. Tells which tasks are to be aborted.
    pub(super) fn set(&mut self, jobs: impl IntoIterator<Item = Job>, now: Instant, chance: Chance<'_>) -> Vec<Id> {
        let mut before = std::mem::take(&mut self.jobs);
        let mut aborted = Vec::new();
        for job in jobs {
            let planned = match before.remove(&job.id) {
                Some(planned) if planned.job == job => planned,
                Some(planned) => {
                    let (lane_before, same_pace) =
                        (lane(&planned.job), planned.job.check.interval == job.check.interval);
                    self.forget(&planned, &mut aborted);
                    // In the middle of its interval it stays there: changes that come often must not put it off for ever.
                    let keeps_turn = same_pace && lane_before == lane(&job) && planned.state == State::Waiting;
                    let (turn, due) = if keeps_turn { (planned.turn, planned.due) } else { first(&job, now, chance) };
                    self.waiting(job, turn, due)
                }
                None => {
                    let (turn, due) = first(&job, now, chance);
                    self.waiting(job, turn, due)
                }
            };
            // Of two with the same number the last counts.
            if let Some(twin) = self.jobs.insert(planned.job.id, planned) {
                self.forget_twin(&twin, &mut aborted);
            }
        }
        let mut gone: Vec<_> = before.into_values().collect();
        gone.sort_unstable_by_key(|planned| planned.job.id);
        gone.iter().for_each(|planned| self.forget(planned, &mut aborted));
        aborted
    }

    fn waiting(&mut self, job: Job, turn: Instant, due: Instant) -> Planned {
        self.turns(lane(&job)).due.insert((due, job.id));
        Planned { job, turn, due, state: State::Waiting }
    }

    fn forget(&mut self, planned: &Planned, aborted: &mut Vec<Id>) {
        match planned.state {
            State::Waiting => _ = self.turns(lane(&planned.job)).due.remove(&(planned.due, planned.job.id)),
            State::Taken => {}
            State::Running(task) => aborted.push(task),
        }
    }

    /// The one that replaced it may be due at the same moment, and is the same entry then.
    fn forget_twin(&mut self, twin: &Planned, aborted: &mut Vec<Id>) {
        let last = &self.jobs[&twin.job.id];
        let is_shared = last.state == State::Waiting && last.due == twin.due && lane(&last.job) == lane(&twin.job);
        if !is_shared {
            self.forget(twin, aborted);
        }
    }

    /// When the next check is due for which there is a place; none when there is none.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let free = self.lanes.iter().filter(|turns| turns.running < turns.limit);
        free.filter_map(|turns| turns.due.first()).map(|(due, _)| *due).min()
    }

    /// A check whose time has come and that finds a place. It is to be [started](Self::started).
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Due> {
        let free = self.lanes.iter_mut().filter(|turns| turns.running < turns.limit);
        let ready = free.filter(|turns| turns.due.first().is_some_and(|(due, _)| *due <= now));
        let turns = ready.min_by_key(|turns| turns.due.first().copied())?;
        let (due, id) = turns.due.pop_first()?;
        let planned = self.jobs.get_mut(&id)?;
        turns.running += 1;
        planned.state = State::Taken;
        Some(Due { job: planned.job.clone(), late: now.saturating_duration_since(due) })
    }

    /// A check that was taken runs as this task.
    pub(super) fn started(&mut self, job: &Job, task: Id) {
        self.running.insert(task, (job.id, lane(job)));
        if let Some(planned) = self.jobs.get_mut(&job.id) {
            planned.state = State::Running(task);
        }
    }

    /// A task has ended, by itself or aborted: its place is free, and its job, if it is still one, waits for its next turn.
    pub(super) fn ended(&mut self, task: Id, now: Instant, chance: Chance<'_>) {
        let Some((id, lane)) = self.running.remove(&task) else { return };
        let turns = self.turns(lane);
        turns.running -= 1;
        let Some(planned) = self.jobs.get_mut(&id).filter(|planned| planned.state == State::Running(task)) else {
            return;
        };
        let interval = planned.job.check.interval.max(Duration::from_millis(1));
        // Turns that have passed meanwhile are left out: catching up would hit the server when it is slow already.
        while planned.turn <= now {
            let behind = now.saturating_duration_since(planned.turn).as_nanos() / interval.as_nanos() + 1;
            planned.turn += interval * u32::try_from(behind).unwrap_or(u32::MAX);
        }
        planned.due = planned.turn + chance(interval / JITTER_PART);
        planned.state = State::Waiting;
        let due = (planned.due, id);
        self.turns(lane).due.insert(due);
    }

    fn turns(&mut self, lane: Lane) -> &mut Turns {
        &mut self.lanes[match lane {
            Lane::Connections => 0,
            Lane::Commands => 1,
        }]
    }

    /// How many jobs there are, how many of them wait, and how many tasks there are.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        let waiting = self.lanes.iter().map(|turns| turns.due.len()).sum();
        (self.jobs.len(), waiting, self.running.len())
    }
}

fn first(job: &Job, now: Instant, chance: Chance<'_>) -> (Instant, Instant) {
    let turn = now + chance(job.check.interval.min(FIRST_SPREAD));
    (turn, turn)
}
