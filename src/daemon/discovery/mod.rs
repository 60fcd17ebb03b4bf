//! The list of targets for Prometheus: kept by one task, asked for by the API, and written into files.
//!
//! ```text
//!   Wishes ──what is in force──▶
//!   HealthBoard ──how it is────▶ ListTask ─▶ Desk ─▶ `GET /sd/prometheus`
//!   status ──what is held──────▶               └───▶ FileTask (one per file) ─▶ `file_sd`, and state_dir/targets.json
//! ```
//!
//! Whoever is gone from the catalogue stays listed until the guard of their zone has let them go
//! ([`Roster`]): this task looks at what is in force and at what became of the zones under one lock, so that nobody goes
//! before the guard has heard of it. What was listed is written down, so that it outlives a restart.

mod file_task;
mod stale;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::health_board::HealthBoard;
use super::wishes::{Told, Wishes};
use crate::api::{Listed, Unlisted};
use crate::model::{Access, DaemonStatus, DiscoveryStatus, Name, Principal, ServiceKey};
use crate::reconcile::discovery::{self, Circumstances, Listing, Roster, Seen, Selection, Stays, Terms};
use crate::reconcile::{MissingSource, ZonePolicy};

pub(super) use file_task::FileTask;
pub(super) use stale::Stale;

/// Changes within so long become one list.
const PAUSE: Duration = Duration::from_millis(200);
/// A list is made anew at most so often that it takes this share of the time.
const SHARE: u32 = 10;

/// The list, or why there is none yet.
pub(super) type Desk = watch::Receiver<Result<Arc<Current>, String>>;

/// The list at this moment.
#[derive(Debug)]
pub(super) struct Current {
    listing: Listing,
    /// All of it as an answer, once somebody has asked for it.
    everything: OnceLock<Listed>,
}

/// What somebody wants and may see of the list.
///
/// # Errors
/// When there is none yet.
pub(super) fn listed(desk: &Desk, selection: &Selection, who: &Principal) -> Result<Listed, Unlisted> {
    let current = desk.borrow().clone().map_err(Unlisted::NotYet)?;
    if selection.is_everything() && who.sees_all() {
        let all = || Listed::new(current.listing.json(selection, |_| true));
        return Ok(current.everything.get_or_init(all).clone());
    }
    if current.listing.hides(selection, |key| who.may(Access::Read, key)) {
        return Err(Unlisted::Hidden(format!("there are targets, and {} may read none of them", who.name)));
    }
    Ok(Listed::new(current.listing.json(selection, |key| who.may(Access::Read, key))))
}

/// The ports of the task that keeps the list.
pub(super) struct ListTask {
    /// In the configuration's order.
    pub(super) zones: Vec<ZonePolicy>,
    pub(super) state_file: PathBuf,
    pub(super) stale: Arc<Stale>,
    pub(super) wishes: Arc<Wishes>,
    pub(super) board: Arc<HealthBoard>,
    pub(super) list: watch::Sender<Result<Arc<Current>, String>>,
    pub(super) status: Arc<watch::Sender<DaemonStatus>>,
    pub(super) stop: watch::Receiver<bool>,
}

/// What the task remembers.
#[derive(Default)]
struct Work {
    roster: Roster,
    /// Services whose health is not known yet, so that they stay listed as they were.
    unsure: BTreeSet<ServiceKey>,
    /// Who was in DNS when it was decided that they shall not be there any more.
    leaving: BTreeSet<Seen>,
    /// Why some stay of whom the guard of their zone says nothing.
    held: BTreeMap<Name, Stays>,
    /// A source that may have gone missing.
    missing: Option<MissingSource>,
    /// Whether it is known who was listed before, or that nobody can be missed.
    is_complete: bool,
}

impl ListTask {
    /// Nobody has a list yet.
    pub(super) fn desk() -> (watch::Sender<Result<Arc<Current>, String>>, Desk) {
        watch::channel(Err("the daemon has just started".to_owned()))
    }

    /// Runs until told to stop.
    pub(super) async fn run(self) {
        let mut stop = self.stop.clone();
        let restored = tokio::select! {
            biased;
            _ = stop.wait_for(|&stop| stop) => return,
            restored = self.restore() => restored,
        };
        let is_complete = restored.is_some();
        let mut work = Work { roster: restored.unwrap_or_default(), is_complete, ..Work::default() };
        let mut status = self.status.subscribe();
        loop {
            let began = Instant::now();
            self.look(&mut work);
            let pause = PAUSE.max(began.elapsed() * SHARE);
            tokio::select! {
                biased;
                _ = stop.wait_for(|&stop| stop) => return,
                () = sleep(pause) => {}
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|&stop| stop) => return,
                () = self.stale.rings() => {}
                _ = status.changed() => {}
            }
        }
    }

    /// Who was listed before; none when nobody knows.
    async fn restore(&self) -> Option<Roster> {
        let path = self.state_file.clone();
        let text = spawn_blocking(move || std::fs::read(path)).await.ok()?;
        let path = self.state_file.display();
        let targets = match text {
            Ok(text) => discovery::read(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
        };
        match targets {
            Ok(targets) => {
                let zones: Vec<_> = self.zones.iter().map(|zone| zone.name.clone()).collect();
                Some(Roster::restored(targets, &zones))
            }
            Err(error) => {
                tracing::warn!("{path} does not tell what was listed for Prometheus before: {error}");
                None
            }
        }
    }

    /// Brings the list up to date.
    fn look(&self, work: &mut Work) {
        let looked = self.wishes.look(|told| self.compare(told, work));
        if looked.is_some() {
            self.stale.misses(work.roster.keeps_registered());
        }
        let waits_for = match looked {
            None => Some("the service files, or what is registered, have not been read yet".to_owned()),
            Some(compared) if work.is_complete => {
                self.publish(work, compared);
                None
            }
            Some(_) => Some(self.waits_for(work)),
        };
        if let Some(why) = &waits_for {
            self.list.send_if_modified(|list| {
                let is_other = list.as_ref().err() != Some(why);
                *list = Err(why.clone());
                is_other
            });
        }
        let targets = self.list.borrow().as_ref().map_or(0, |current| current.listing.len());
        let kept = work.roster.kept();
        let held: Vec<_> =
            work.held.iter().map(|(zone, why)| format!("targets of {zone} stay listed: {why}")).collect();
        self.status.send_if_modified(|status| {
            let Some(discovery) = &mut status.discovery else { return false };
            for new in held.iter().filter(|why| !discovery.held.contains(why)) {
                tracing::error!("{new}");
            }
            let files = std::mem::take(&mut discovery.files);
            let now = DiscoveryStatus { waits_for, targets, kept, held, files: files.clone() };
            let before = DiscoveryStatus { files, ..std::mem::replace(discovery, now) };
            before != *discovery
        });
    }

    /// Takes in what changed, under the lock of those who tell it: whether the list is another.
    fn compare(&self, told: Told<'_>, work: &mut Work) -> bool {
        let Told { view, unreadable, missing } = told;
        let noted = self.stale.take();
        let mut keys = noted.services;
        if noted.all {
            keys.extend(view.in_force.keys().chain(work.roster.services()).cloned());
        }
        let maintenance = self.board.maintenance();
        let mut has_changed = false;
        for key in keys {
            let service = view.in_force.get(&key);
            let health = self.board.service(&key);
            // Until it is known how they are, a filter for those that are well would find nobody.
            if health.is_none() && service.is_some_and(|service| service.is_checked()) {
                work.unsure.insert(key);
                continue;
            }
            work.unsure.remove(&key);
            let registered = view.registry.service(&key);
            let circumstances = Circumstances { registered, health: health.as_deref(), maintenance: &maintenance };
            let mut targets = service.map(|service| discovery::described(service, circumstances)).unwrap_or_default();
            if health.as_deref().is_some_and(|health| health.isolated) {
                work.roster.doubt_failures(&key, &mut targets);
            }
            has_changed |= work.roster.set(&key, targets);
        }
        let is_known = unreadable.is_none() && missing.iter().all(Vec::is_empty);
        has_changed | self.release(missing, is_known, work)
    }

    /// Lets those go who have gone on purpose.
    fn release(&self, missing: &[Vec<MissingSource>], is_known: bool, work: &mut Work) -> bool {
        let status = self.status.borrow();
        let lets_go = |name: &Name| status.zones.iter().any(|zone| zone.zone == *name && Roster::lets_go(zone));
        // After the status: of whom it says that nothing is held, that has been said before.
        let Work { roster, unsure, leaving, .. } = work;
        leaving.extend(self.stale.take_leaving());
        leaving.retain(|seen| !roster.is_in_force(seen));
        let terms = |name: &Name| {
            let (zone, missing) = self.zones.iter().zip(missing).find(|(zone, _)| zone.name == *name)?;
            Some(Terms { missing, percent: zone.max_delete_percent })
        };
        let (has_changed, held) = roster.release(leaving, |key| !unsure.contains(key) && lets_go(&key.zone), terms);
        leaving.retain(|(key, _)| !lets_go(&key.zone));
        work.is_complete |= is_known && unsure.is_empty() && self.zones.iter().all(|zone| lets_go(&zone.name));
        work.held = held;
        work.missing = missing.iter().flatten().next().cloned();
        has_changed
    }

    /// What a first list waits for.
    fn waits_for(&self, work: &Work) -> String {
        let status = self.status.borrow();
        let held = status.zones.iter().find(|zone| zone.held.is_some());
        let waiting = status.zones.iter().find(|zone| !Roster::lets_go(zone));
        match (held, &status.store_error, waiting) {
            (Some(zone), ..) => format!(
                "a plan is held in the zone {}, and it is not known how the instances were listed that it would remove; see \
                 `srvctl status`",
                zone.zone
            ),
            (None, Some(error), _) => format!("what is registered is not known: {error}"),
            (None, None, Some(zone)) => format!("the zone {} has not been compared with what is desired", zone.zone),
            (None, None, None) if work.missing.is_some() => work.missing.iter().map(ToString::to_string).collect(),
            (None, None, None) => format!("the health of {} services is not known", work.unsure.len()),
        }
    }

    fn publish(&self, work: &Work, has_changed: bool) {
        if has_changed || self.list.borrow().is_err() {
            let current = Current { listing: work.roster.listing(), everything: OnceLock::new() };
            self.list.send_modify(|list| *list = Ok(Arc::new(current)));
        }
    }
}
