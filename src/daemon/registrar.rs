//! The one who writes registrations down: decides, makes durable, answers, and tells the zones' tasks; in this order.
//!
//! A thread of its own, since a disk can hang. Everybody who asks while one commit is under way is in the next one, so
//! that the disk's pace does not limit how many are served.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::announce;
use super::health_board::{HealthBoard, HealthWrite};
use super::triage::Triage;
use super::wishes::Wishes;
use super::zone_task::now;
use crate::model::{Action, Catalogue, DaemonStatus, Edit, LeaseStatus, Name, Principal};
use crate::reconcile::ZonePolicy;
use crate::reconcile::registry::{Circumstances, Decision, HeldLeases, Refused, Registry, Request};
use crate::store::{Entry, Store, StoreError};

/// So many wait to be decided at most; who comes then waits before that.
pub(super) const QUEUE: usize = 1_024;
/// So many are made durable at once at most.
const BATCH: usize = 512;
/// How often leases are looked at.
const TICK: Duration = Duration::from_secs(1);
/// A longer time between two looks is none in which somebody could be served: the process or the machine stood still.
const LONGEST_TICK: Duration = Duration::from_secs(3);
/// How often the service clock is written down when nothing else is.
const SAVE_CLOCK: Duration = Duration::from_secs(5);
/// How often a database that cannot be used is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// So long after a start, who asks waits for the service files to be read; later they are told that it takes long.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is seen whether they are.
const READING: Duration = Duration::from_millis(5);
/// How often it is seen whether a zone holds nothing unknown, as long as that is new; until then it may hold back what is
/// an ordinary change otherwise.
const SETTLING: Duration = Duration::from_millis(10);
/// How long that is new.
const SETTLES: Duration = Duration::from_secs(30);
/// How long those who stop may take to send what is still to be written.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// What leases end by, for the journal.
const BY_LEASE: &str = "lease";
/// What maintenance ends by that nobody ends.
const BY_TIME: &str = "time";

/// What the thread is asked.
pub(super) struct Question {
    pub(super) who: Principal,
    pub(super) request: Request,
    pub(super) dry_run: bool,
    pub(super) answer: oneshot::Sender<Result<Decision, Refused>>,
}

/// What the thread needs.
pub(super) struct Registrar {
    pub(super) state_dir: PathBuf,
    pub(super) policies: Arc<[ZonePolicy]>,
    pub(super) lease_grace: Duration,
    pub(super) questions: mpsc::Receiver<Question>,
    /// What changed about health, to be written down.
    pub(super) health: mpsc::Receiver<HealthWrite>,
    pub(super) board: Arc<HealthBoard>,
    pub(super) triage: Arc<Triage>,
    pub(super) wishes: Arc<Wishes>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) status: Arc<watch::Sender<DaemonStatus>>,
}

impl Registrar {
    /// Runs until told to stop, or until nobody can ask any more.
    pub(super) fn run(mut self) {
        let mut stop = self.stop.clone();
        let runtime = tokio::runtime::Handle::current();
        let (started, mut tried) = (Instant::now(), None::<Instant>);
        let mut book = None;
        loop {
            if book.is_none() && tried.is_none_or(|tried| tried.elapsed() >= RETRY) {
                tried = Some(Instant::now());
                book = self.open();
            }
            if self.wishes.files().is_none() && started.elapsed() < PATIENCE && !*stop.borrow() {
                std::thread::sleep(READING);
                continue;
            }
            let settles = started.elapsed() < SETTLES && self.wishes.has_unconfirmed();
            let (mut batch, mut health) = (Vec::new(), Vec::new());
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = stop.wait_for(|&stop| stop) => {}
                    _ = self.questions.recv_many(&mut batch, BATCH) => {}
                    Some(()) = received(&mut self.health, &mut health) => {}
                    () = tokio::time::sleep(if settles { SETTLING } else { TICK }) => {}
                }
            });
            match &mut book {
                Some(book) => {
                    book.answer(batch, &self);
                    book.note(health, &self);
                    book.confirm(&self);
                    book.tick(&self);
                }
                None => self.refuse(batch, health),
            }
            if *stop.borrow() || self.questions.is_closed() {
                return self.finish(book);
            }
        }
    }

    fn open(&self) -> Option<Book> {
        match Store::open(&self.state_dir) {
            Ok((store, contents)) => {
                let mut registry = Registry::default();
                contents.edits.iter().for_each(|edit| registry.enact(edit));
                registry.has_given(contents.revision);
                registry.remember_ended(contents.ended);
                registry.renew_overdue(contents.clock);
                let zones = self.policies.iter().map(|policy| &policy.name);
                let unconfirmed: BTreeSet<Name> =
                    zones.filter(|zone| !contents.confirmed.contains(*zone)).cloned().collect();
                // First how they were: a start by itself neither withdraws anything nor brings it back.
                self.triage.restore(contents.health.clone());
                self.wishes.take_registry(registry.clone(), unconfirmed, contents.clock);
                // Last: whoever waits for it takes for all there is what is in force by then.
                self.board.restore(contents.health);
                self.show_problem(store.problem());
                let book = Book::new(store, registry, contents.clock);
                book.show_leases(self);
                Some(book)
            }
            Err(error) => {
                self.show_problem(Some(&error.to_string()));
                self.wishes.registrations_are_unreadable(&error.to_string());
                None
            }
        }
    }

    /// Writes down what those have left who stop at the same time.
    fn finish(mut self, mut book: Option<Book>) {
        let runtime = tokio::runtime::Handle::current();
        let until = Instant::now() + LAST_WORDS;
        loop {
            let mut health = Vec::new();
            let left = until.saturating_duration_since(Instant::now());
            match runtime.block_on(async { timeout(left, received(&mut self.health, &mut health)).await }) {
                Ok(Some(())) => match &mut book {
                    Some(book) => book.note(health, &self),
                    None => self.refuse(Vec::new(), health),
                },
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn refuse(&self, batch: Vec<Question>, health: Vec<HealthWrite>) {
        let why = self.status.borrow().store_error.clone();
        let why = why.unwrap_or_else(|| "registrations are not read yet".to_owned());
        for question in batch {
            let _ = question.answer.send(Err(Refused::Unavailable(why.clone())));
        }
        for write in health {
            let _ = write.answer.send(Err(why.clone()));
        }
    }

    fn show_problem(&self, problem: Option<&str>) {
        self.status.send_if_modified(|status| {
            if status.store_error.as_deref() == problem {
                return false;
            }
            match problem {
                Some(problem) => tracing::error!("{problem}"),
                None => tracing::info!("registrations can be written again"),
            }
            status.store_error = problem.map(str::to_owned);
            true
        });
    }
}

/// Waits for batches; none when nobody is left who sends any.
async fn received(from: &mut mpsc::Receiver<HealthWrite>, batches: &mut Vec<HealthWrite>) -> Option<()> {
    (from.recv_many(batches, BATCH).await > 0).then_some(())
}

/// What the thread writes in.
struct Book {
    store: Store,
    /// As the database has it.
    registry: Registry,
    /// What of the service clock is on the disk.
    saved: u64,
    /// What passed since, as long as it was seen that something can be written.
    since: Duration,
    looked: Instant,
    last_save: Instant,
    held: Vec<HeldLeases>,
}

/// An answer that waits for the disk.
struct Decided {
    who: Principal,
    dry_run: bool,
    result: Result<Decision, Refused>,
    answer: oneshot::Sender<Result<Decision, Refused>>,
}

impl Decided {
    /// What was made, and by whom.
    fn made(&self) -> Option<(&Decision, &str)> {
        let decision = self.result.as_ref().ok().filter(|_| !self.dry_run)?;
        Some((decision, &self.who.name))
    }

    fn tell(self) {
        let _ = self.answer.send(self.result);
    }
}

impl Book {
    fn new(store: Store, registry: Registry, clock: u64) -> Self {
        let now = Instant::now();
        let (since, held) = (Duration::ZERO, Vec::new());
        Self { store, registry, saved: clock, since, looked: now, last_save: now, held }
    }

    fn clock(&self) -> u64 {
        self.saved + self.since.as_secs()
    }

    /// Decides, makes durable, answers.
    fn answer(&mut self, batch: Vec<Question>, registrar: &Registrar) {
        if batch.is_empty() {
            return;
        }
        let Some(files) = registrar.wishes.files() else {
            for question in batch {
                let why = "the service files are not read yet, or are broken: see `srvctl status`";
                let _ = question.answer.send(Err(Refused::Unavailable(why.to_owned())));
            }
            return;
        };
        let decided: Vec<_> = batch.into_iter().map(|question| self.decide(question, &files, registrar)).collect();
        let at = now();
        let mut entries = Vec::new();
        for (decision, by) in decided.iter().filter_map(Decided::made) {
            entries.extend(decision.edits.iter().map(|edit| Entry { edit, action: decision.action, by, at }));
        }
        // Even who is told that everything is as they want may be told so because of what is not on the disk yet.
        let written = if entries.is_empty() { Ok(()) } else { self.commit(&entries, registrar) };
        match written {
            Ok(()) => {
                registrar.wishes.take_edits(entries.iter().map(|entry| entry.edit), self.clock());
                decided.into_iter().for_each(Decided::tell);
            }
            Err(error) => {
                for decided in decided.into_iter().rev() {
                    if let Some((decision, _)) = decided.made() {
                        self.registry.take_back(decision.edits.clone());
                    }
                    let _ = decided.answer.send(Err(Refused::Unavailable(error.to_string())));
                }
            }
        }
    }

    fn decide(&mut self, question: Question, files: &Catalogue, registrar: &Registrar) -> Decided {
        let Question { who, request, dry_run, answer } = question;
        let zones = &registrar.policies;
        let at = Circumstances { who: &who, now: now(), clock: self.clock(), files, zones };
        let result = self.registry.make(&request, at);
        if let (true, Ok(decision)) = (dry_run, &result) {
            self.registry.take_back(decision.edits.clone());
        }
        Decided { who, dry_run, result, answer }
    }

    fn commit(&mut self, entries: &[Entry<'_>], registrar: &Registrar) -> Result<(), StoreError> {
        let clock = self.clock();
        let written = self.store.commit(entries, clock);
        match &written {
            Ok(()) => {
                self.since -= Duration::from_secs(clock - self.saved);
                self.saved = clock;
                self.last_save = Instant::now();
                registrar.show_problem(None);
            }
            Err(error) => {
                // Nobody could renew: that time does not count.
                self.since = Duration::ZERO;
                registrar.show_problem(Some(&error.to_string()));
            }
        }
        written
    }

    /// Writes down what changed about health, all that came at once in one commit.
    fn note(&mut self, writes: Vec<HealthWrite>, registrar: &Registrar) {
        if writes.is_empty() {
            return;
        }
        let (batches, answers): (Vec<_>, Vec<_>) = writes.into_iter().map(|write| (write.batch, write.answer)).unzip();
        let written = self.store.commit_health(&batches).map_err(|error| error.to_string());
        registrar.show_problem(written.as_ref().err().map(String::as_str));
        if written.is_ok() {
            registrar.board.take_maintenance(batches.into_iter().flat_map(|batch| batch.maintenance).collect());
        }
        for answer in answers {
            let _ = answer.send(written.clone());
        }
    }

    /// Ends what nobody works on any more.
    fn end_maintenance(&mut self, registrar: &Registrar) {
        let over = registrar.board.over(now());
        if over.is_empty() {
            return;
        }
        let over = over.into_iter().map(|whom| (whom, None)).collect();
        let batch = announce::batch((&registrar.wishes, &registrar.board), over, BY_TIME);
        // Where that cannot be written it is over all the same: whoever starts next sees that its time is.
        if let Err(error) = self.store.commit_health(std::slice::from_ref(&batch)) {
            registrar.show_problem(Some(&error.to_string()));
        }
        for (whom, _) in &batch.maintenance {
            tracing::info!(%whom, "a maintenance is over");
        }
        registrar.board.take_maintenance(batch.maintenance);
    }

    /// Writes down which zones hold nothing that is not known.
    fn confirm(&mut self, registrar: &Registrar) {
        for zone in registrar.wishes.settled() {
            match self.store.confirm(&zone) {
                Ok(()) => {
                    registrar.show_problem(None);
                    registrar.wishes.take_confirmed(&zone);
                }
                Err(error) => registrar.show_problem(Some(&error.to_string())),
            }
        }
    }

    /// Looks at the leases, when it is time to.
    fn tick(&mut self, registrar: &Registrar) {
        let passed = self.looked.elapsed();
        if passed < TICK {
            return;
        }
        self.looked = Instant::now();
        self.end_maintenance(registrar);
        let is_broken = registrar.status.borrow().store_error.is_some();
        // As long as the service files are not read, nobody can renew.
        if self.registry.has_leases() && registrar.wishes.files().is_some() {
            self.since += if passed > LONGEST_TICK { TICK } else { passed };
            self.expire(registrar);
            if self.last_save.elapsed() >= SAVE_CLOCK {
                self.last_save = Instant::now();
                let _ = self.commit(&[], registrar);
            }
            registrar.wishes.take_clock(self.clock());
        } else if is_broken && self.last_save.elapsed() >= RETRY {
            self.last_save = Instant::now();
            let _ = self.commit(&[], registrar);
        }
        self.show_leases(registrar);
    }

    fn expire(&mut self, registrar: &Registrar) {
        let expiry = self.registry.expire(self.clock(), registrar.lease_grace.as_secs(), &registrar.policies);
        for held in expiry.held.iter().filter(|held| !self.held.iter().any(|known| known.zone == held.zone)) {
            tracing::error!("{held}");
        }
        self.held = expiry.held;
        if expiry.edits.is_empty() {
            return;
        }
        let at = now();
        let entry = |edit| Entry { edit, action: Action::Expire, by: BY_LEASE, at };
        let entries: Vec<_> = expiry.edits.iter().map(entry).collect();
        if self.commit(&entries, registrar).is_err() {
            self.registry.forget_ended(expiry.edits.len());
            self.registry.take_back(expiry.edits);
            return;
        }
        for edit in &expiry.edits {
            if let Edit::Instance { service, id, .. } = edit {
                tracing::warn!(%service, %id, "a lease was not renewed and has ended");
            }
        }
        registrar.wishes.take_edits(&expiry.edits, self.clock());
    }

    fn show_leases(&self, registrar: &Registrar) {
        let leases = LeaseStatus {
            leased: self.registry.leased(),
            overdue: self.registry.overdue(self.clock(), 0).count(),
            held: self.held.iter().map(ToString::to_string).collect(),
        };
        registrar.status.send_if_modified(|status| {
            let same = status.leases == leases;
            status.leases = leases;
            !same
        });
    }
}

#[cfg(test)]
#[path = "registrar_tests.rs"]
mod tests;
