//! The assembly room: the only place where shells meet. Owns tasks, channels and signals.
//!
//! ```text
//!   service files ─▶ SourceTask ──┐
//!                                 Wishes ─▶ Inbox ─▶ ZoneTask (one per zone) ─▶ the zone
//!   `srvctl register` ─▶ API ─▶ Registrar       │          │
//!                         │       └─▶ store     │          │
//!   the primaries ─▶ NotifyTask ─word of changes┘          ├─▶ Herald ─▶ Witness (one per server) ─▶ look-ups
//!                         └───────status───────────────────┴──▶ API ─▶ `srvctl status`
//!                                                          └──▶ Metrics ─▶ Prometheus
//!   Wishes, HealthBoard ─▶ ListTask ─▶ API and FileTask ─▶ Prometheus
//! ```

mod announce;
mod backend;
mod backoff;
pub mod comparison;
pub mod cycle;
mod discovery;
pub mod doctor;
mod doors;
mod drift;
mod feed;
mod health_board;
mod health_task;
mod herald;
mod inbox;
mod metrics;
pub mod names;
mod notify_task;
mod prove;
pub mod registered;
mod registrar;
mod report;
mod source_task;
mod supervise;
mod systemd;
pub mod through;
mod triage;
pub mod verification;
mod verify_task;
mod wishes;
mod witness;
mod zone_task;

pub use report::held;
pub use source_task::policies;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::api::{self, Access, ListenError};
use crate::config::{self, Config, DiscoveryConfig, STATE_FILE, TargetFile};
use crate::dns::Session;
use crate::model::{
    DaemonStatus, Diagnostic, DiscoveryStatus, HealthSummary, NotifyStatus, Outcome, TargetFileStatus,
    VerificationStatus, ZoneStatus,
};
use crate::probes::{self, Limits};
use crate::reconcile::discovery::Selection;
use crate::reconcile::{Desired, ZonePolicy};
use backend::Backend;
use discovery::{Desk, FileTask, ListTask, Stale};
use doors::{Doors, NewDoors};
use feed::{Facts, Feeds};
use health_board::{HealthBoard, HealthWrite};
use health_task::HealthTask;
use herald::{Herald, Pace};
use inbox::Inbox;
use metrics::Metrics;
use notify_task::NotifyTask;
use registrar::Registrar;
use source_task::SourceTask;
use supervise::Tasks;
use systemd::Watchdog;
use triage::Triage;
use verify_task::VerifyTask;
use wishes::{Overlay, Wishes};
use zone_task::{ZoneTask, now};

/// How long tasks may take to finish what they are doing when the daemon stops.
const GRACE: Duration = Duration::from_secs(15);

/// Why the daemon ended other than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The API's socket cannot be used.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The state directory cannot be made.
    #[error("the state directory {path} cannot be created: {source}; check `[daemon] state_dir`")]
    State {
        /// Which directory.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signals(#[from] io::Error),
    /// A task ended that should not.
    #[error("{0}; this is a defect in srvctl")]
    Task(String),
}

/// Runs until SIGTERM or SIGINT. SIGHUP reads the configuration again.
///
/// # Errors
/// When it cannot start, or a task dies.
pub async fn run(path: &Path, config: Config) -> Result<(), DaemonError> {
    let signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        hangup: signal(SignalKind::hangup())?,
    };
    let mut outside = Outside { signals, watchdog: Watchdog::new(), metrics: Arc::new(Metrics::new()) };
    make_state_dir(&config)?;
    let doors = Doors::open(&config).await?;
    let mut next = Some((config, doors));
    while let Some((config, doors)) = next {
        next = generation(path, &config, doors, &mut outside).await?;
    }
    Ok(())
}

fn make_state_dir(config: &Config) -> Result<(), DaemonError> {
    let path = &config.daemon.state_dir;
    std::fs::create_dir_all(path).map_err(|source| DaemonError::State { path: path.display().to_string(), source })
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What outlives the generations of tasks: who tells us what to do, who wants to hear that we live, and what we
/// counted.
struct Outside {
    signals: Signals,
    watchdog: Watchdog,
    metrics: Arc<Metrics>,
}

/// What follows a generation of tasks.
enum Next {
    Stop,
    /// The configuration changed: the same again with the new one, and with these if it wants others.
    Restart(Box<Config>, Box<NewDoors>),
}

impl Next {
    /// The next configuration and its doors. Those in use are closed unless they stay.
    fn with(self, doors: Doors) -> Option<(Config, Doors)> {
        match self {
            Self::Stop => None,
            Self::Restart(config, new) => {
                let doors = doors.with(*new, &config);
                Some((*config, doors))
            }
        }
    }
}

/// Everything that lives under one configuration; the next one and its doors, unless the daemon stops.
async fn generation(
    path: &Path,
    config: &Config,
    doors: Doors,
    outside: &mut Outside,
) -> Result<Option<(Config, Doors)>, DaemonError> {
    let (stop, stopped) = watch::channel(false);
    let (wake, woken) = watch::channel(0u64);
    let status = Arc::new(watch::Sender::new(initial_status(config)));
    let mut tasks = Tasks::default();
    let inboxes: Vec<_> = config.zones.iter().map(|_| Arc::new(Inbox::default())).collect();
    let triage = Arc::new(Triage::new(config.daemon.commands));
    let overlay = Arc::clone(&triage) as Arc<dyn Overlay>;
    let stale = Arc::new(config.discovery.as_ref().map_or_else(Stale::default, |_| Stale::followed()));
    let wishes = Wishes::new(config.zone_names(), inboxes.clone(), overlay, Arc::clone(&status));
    let wishes = Arc::new(wishes.followed_by(Arc::clone(&stale)));
    outside.metrics.expect(&config.zones);
    let metrics = Arc::clone(&outside.metrics);
    let board = Arc::new(HealthBoard::followed_by(Arc::clone(&stale)));
    let mut ports = Ports {
        inboxes: inboxes.clone(),
        wishes,
        woken,
        stopped,
        status: Arc::clone(&status),
        metrics,
        board,
        triage,
        desk: None,
    };
    start_reconcilers(config, &mut tasks, &ports);
    let (note, notes) = mpsc::channel(health_board::QUEUE);
    start_health(config, &mut tasks, &ports, note.clone());
    ports.desk =
        config.discovery.as_ref().map(|discovery| start_discovery(config, discovery, &mut tasks, &ports, stale));
    start_api(config, &doors, &mut tasks, &ports, (note, notes))?;
    let summary = summary(config);
    systemd::ready(&summary);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), owner = %config.owner, "srvctl is running: {summary}");

    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }

    let loaded = Loaded { path, config, doors: &doors, wake, inboxes, status, summary };
    let next = loaded.until_next(outside, &mut tasks).await;
    if matches!(next, Ok(Next::Stop)) {
        systemd::stopping();
        tracing::info!("stopping");
    }
    // The socket's file goes before anybody stops: a successor may bind the path as soon as nobody serves it.
    let next = next.map(|next| next.with(doors));
    let _ = stop.send(true);
    if outside.watchdog.during(timeout(GRACE, tasks.finish())).await.is_err() {
        tracing::warn!("some tasks did not finish within {} s and are cut off", GRACE.as_secs());
    }
    next
}

/// Where the daemon is reached, in one line.
fn summary(config: &Config) -> String {
    let tcp = config.api.listen.as_ref().map(|listen| format!(", https://{}", listen.address)).unwrap_or_default();
    let metrics = config.metrics.listen.map(|address| format!(", http://{address}/metrics")).unwrap_or_default();
    let listen = config.discovery.as_ref().and_then(|discovery| discovery.listen);
    let discovery = listen.map(|address| format!(", http://{address}/sd/prometheus")).unwrap_or_default();
    let socket = config.api.socket.display();
    format!("{} zones, socket {socket}{tcp}{metrics}{discovery}", config.zones.len())
}

/// What every task gets.
struct Ports {
    /// Of every zone's task, in the configuration's order.
    inboxes: Vec<Arc<Inbox>>,
    wishes: Arc<Wishes>,
    woken: watch::Receiver<u64>,
    stopped: watch::Receiver<bool>,
    status: Arc<watch::Sender<DaemonStatus>>,
    metrics: Arc<Metrics>,
    board: Arc<HealthBoard>,
    triage: Arc<Triage>,
    /// The list of targets for Prometheus; none without `[discovery]`.
    desk: Option<Desk>,
}

fn start_reconcilers(config: &Config, tasks: &mut Tasks, ports: &Ports) {
    let inboxes = &ports.inboxes;
    let sources = SourceTask {
        patterns: config.services.clone(),
        zones: config.zone_names(),
        interval: config.daemon.interval,
        wake: ports.woken.clone(),
        stop: ports.stopped.clone(),
        wishes: Arc::clone(&ports.wishes),
        status: Arc::clone(&ports.status),
    };
    tasks.start("sources", sources.run());
    let policies: Arc<[ZonePolicy]> = policies(config).into();
    for (index, (zone, inbox)) in config.zones.iter().zip(inboxes).enumerate() {
        let metrics = ports.metrics.of_zone(&zone.name);
        let (facts, known) = watch::channel(Facts::default());
        let feeds = Arc::new(Feeds::default());
        let pace = Pace { interval: zone.verify_interval, rate: zone.verify_rate };
        let verification = VerifyTask {
            index,
            zone: zone.clone(),
            feeds: Arc::clone(&feeds),
            facts: known,
            inbox: Arc::clone(inbox),
            metrics: Arc::clone(&ports.metrics),
            status: Arc::clone(&ports.status),
            stop: ports.stopped.clone(),
        };
        tasks.start("verification", verification.run());
        let task = ZoneTask {
            index,
            herald: Herald::new(feeds, facts, pace),
            session: Session::new(zone.primary()).observed_by(Arc::new(metrics.clone())),
            owner: zone.owner.clone(),
            interval: config.daemon.interval,
            inbox: Arc::clone(inbox),
            stop: ports.stopped.clone(),
            status: Arc::clone(&ports.status),
            stale: Arc::clone(ports.wishes.stale()),
            metrics,
        };
        tasks.start("zone", task.run(Desired::nothing(Arc::clone(&policies), index)));
    }
    for (address, zones) in notify_task::by_address(config.zones.iter().zip(inboxes)) {
        let task = NotifyTask { address, zones, stop: ports.stopped.clone(), status: Arc::clone(&ports.status) };
        tasks.start("notify", task.run());
    }
}

/// Those who check instances, and act on what comes of it.
fn start_health(config: &Config, tasks: &mut Tasks, ports: &Ports, disk: mpsc::Sender<HealthWrite>) {
    let limits = Limits { run_commands: config.daemon.commands, ..Limits::default() };
    let (probes, prober, observed) = probes::probes(limits);
    tasks.start("probes", prober.run());
    let health = HealthTask {
        zones: config.zone_names(),
        triage: Arc::clone(&ports.triage),
        board: Arc::clone(&ports.board),
        wishes: Arc::clone(&ports.wishes),
        probes,
        observed,
        disk,
        metrics: Arc::clone(&ports.metrics),
        status: Arc::clone(&ports.status),
        stop: ports.stopped.clone(),
    };
    tasks.start("health", health.run());
}

/// Those who list targets for Prometheus, and write them into files.
fn start_discovery(
    config: &Config,
    discovery: &DiscoveryConfig,
    tasks: &mut Tasks,
    ports: &Ports,
    stale: Arc<Stale>,
) -> Desk {
    /// Prometheus reads what others have written.
    const FOR_ALL: u32 = 0o644;
    /// As the database is.
    const FOR_GROUP: u32 = 0o640;
    /// So much may be forgotten by a machine that fails.
    const REMEMBERED: Duration = Duration::from_secs(5);
    /// Prometheus reads every file of the directory again when one of them changes.
    const SELDOM: Duration = Duration::from_secs(1);
    let (list, desk) = ListTask::desk();
    let state_file = config.daemon.state_dir.join(STATE_FILE);
    let file = |path: PathBuf, selection, mode, pause, index| FileTask {
        path,
        selection,
        mode,
        pause,
        interval: config.daemon.interval,
        index,
        desk: desk.clone(),
        status: Arc::clone(&ports.status),
        stop: ports.stopped.clone(),
    };
    let memory = file(state_file.clone(), Selection::default(), FOR_GROUP, REMEMBERED, None);
    tasks.start("targets", memory.run());
    for (index, TargetFile { path, selection }) in discovery.files.iter().enumerate() {
        let task = file(path.clone(), selection.clone(), FOR_ALL, SELDOM, Some(index));
        tasks.start("targets", task.run());
    }
    let task = ListTask {
        zones: policies(config),
        state_file,
        stale,
        wishes: Arc::clone(&ports.wishes),
        board: Arc::clone(&ports.board),
        list,
        status: Arc::clone(&ports.status),
        stop: ports.stopped.clone(),
    };
    tasks.start("discovery", task.run());
    desk
}

/// Those who take registrations: who writes them down, and who answers.
fn start_api(
    config: &Config,
    doors: &Doors,
    tasks: &mut Tasks,
    ports: &Ports,
    (note, notes): (mpsc::Sender<HealthWrite>, mpsc::Receiver<HealthWrite>),
) -> Result<(), DaemonError> {
    let (ask, questions) = mpsc::channel(registrar::QUEUE);
    // What is asked is answered: who writes it down stops when nobody is left who asks.
    let (answered, all_answered) = watch::channel(false);
    let registrar = Registrar {
        state_dir: config.daemon.state_dir.clone(),
        policies: policies(config).into(),
        lease_grace: config.api.lease_grace,
        questions,
        health: notes,
        board: Arc::clone(&ports.board),
        triage: Arc::clone(&ports.triage),
        wishes: Arc::clone(&ports.wishes),
        stop: all_answered,
        status: Arc::clone(&ports.status),
    };
    tasks.start_thread("registrar", move || registrar.run());
    let backend: Arc<dyn api::Backend> = Arc::new(Backend {
        config: Arc::new(config.clone()),
        zones: config.zone_names(),
        wishes: Arc::clone(&ports.wishes),
        inboxes: ports.inboxes.clone(),
        questions: ask,
        health: note,
        board: Arc::clone(&ports.board),
        stop: ports.stopped.clone(),
        status: Arc::clone(&ports.status),
        metrics: Arc::clone(&ports.metrics),
        desk: ports.desk.clone(),
    });
    let access = Arc::new(Access::new(&config.principals));
    let local = api::serve(doors.socket.listener()?, Arc::clone(&backend), Arc::clone(&access), ports.stopped.clone());
    if let Some(port) = &doors.metrics {
        tasks.start("metrics", api::serve_metrics(port.listener()?, Arc::clone(&backend), ports.stopped.clone()));
    }
    if let Some(port) = &doors.discovery {
        tasks.start("targets", api::serve_targets(port.listener()?, Arc::clone(&backend), ports.stopped.clone()));
    }
    let remote = match (&doors.port, &config.api.listen) {
        (Some(port), Some(listen)) => {
            let tls = listen.tls.clone();
            Some(api::serve_tls(port.listener()?, tls, backend, access, ports.stopped.clone()))
        }
        _ => None,
    };
    tasks.start("api", async move {
        tokio::join!(local, async {
            if let Some(remote) = remote {
                remote.await;
            }
        });
        let _ = answered.send(true);
    });
    Ok(())
}

/// The running generation, seen from its main loop.
struct Loaded<'a> {
    path: &'a Path,
    config: &'a Config,
    doors: &'a Doors,
    wake: watch::Sender<u64>,
    inboxes: Vec<Arc<Inbox>>,
    status: Arc<watch::Sender<DaemonStatus>>,
    summary: String,
}

impl Loaded<'_> {
    async fn until_next(&self, outside: &mut Outside, tasks: &mut Tasks) -> Result<Next, DaemonError> {
        let Outside { signals, watchdog, .. } = outside;
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return Ok(Next::Stop),
                _ = signals.interrupt.recv() => return Ok(Next::Stop),
                _ = signals.hangup.recv() => if let Some(next) = self.reload().await { return Ok(next) },
                ended = tasks.ended() => return Err(DaemonError::Task(ended)),
                () = watchdog.beat() => {}
            }
        }
    }

    /// Reads the configuration again. One that is broken is reported and not used, and neither is one for which the
    /// machine has no room; one that did not change only wakes everybody for a full check.
    async fn reload(&self) -> Option<Next> {
        systemd::reloading();
        let problem = match self.changed().await {
            Ok(Some(next)) => {
                tracing::info!("the configuration has changed, starting over with the new one");
                return Some(next);
            }
            Ok(None) => {
                tracing::info!("reading everything again");
                self.wake.send_modify(|wakes| *wakes += 1);
                self.inboxes.iter().for_each(|inbox| inbox.put(|news| news.full_check = true));
                None
            }
            Err(problem) => {
                tracing::error!("the configuration cannot be used, the old one stays in force\n{problem}");
                Some(problem)
            }
        };
        self.status.send_modify(|status| status.config_error = problem);
        systemd::ready(&self.summary);
        None
    }

    /// The new configuration, when it differs, with all that it needs of the machine: what could fail has been done.
    async fn changed(&self) -> Result<Option<Next>, String> {
        let shown = |errors: Vec<Diagnostic>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let new = config::load(self.path).map_err(shown)?;
        if new == *self.config {
            return Ok(None);
        }
        make_state_dir(&new).map_err(|error| error.to_string())?;
        let doors = self.doors.missing(&new).await?;
        Ok(Some(Next::Restart(Box::new(new), Box::new(doors))))
    }
}

fn initial_status(config: &Config) -> DaemonStatus {
    let zone = |zone: &config::ZoneConfig| ZoneStatus {
        zone: zone.name.clone(),
        primary: zone.primary.to_string(),
        owner: zone.owner.to_string(),
        outcome: Outcome::Pending,
        serial: None,
        records: 0,
        owned_names: 0,
        pending_names: 0,
        conflicts: 0,
        last_in_sync: None,
        last_run: None,
        changes: 0,
        full_transfers: 0,
        incremental_transfers: 0,
        notifies: zone
            .notify_listen
            .map(|address| NotifyStatus { listen: address.to_string(), ..NotifyStatus::default() }),
        error: None,
        problems: Vec::new(),
        held: None,
        next_run: None,
        verification: VerificationStatus::default(),
        health: HealthSummary::default(),
    };
    let file =
        |file: &TargetFile| TargetFileStatus { path: file.path.display().to_string(), ..TargetFileStatus::default() };
    let discovery = |discovery: &DiscoveryConfig| DiscoveryStatus {
        waits_for: Some("the daemon has just started".to_owned()),
        files: discovery.files.iter().map(file).collect(),
        ..DiscoveryStatus::default()
    };
    DaemonStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        owner: config.owner.to_string(),
        started: now(),
        discovery: config.discovery.as_ref().map(discovery),
        zones: config.zones.iter().map(zone).collect(),
        ..DaemonStatus::default()
    }
}
