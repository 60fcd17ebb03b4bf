//! Keeps one file equal to the list: written when it changed, and looked at on an interval, since others may have removed or
//! changed it. When the daemon ends, it stays as it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::{Current, Desk};
use crate::daemon::zone_task::now;
use crate::model::{DaemonStatus, TargetFileStatus};
use crate::reconcile::discovery::Selection;
use crate::store::{ReplaceError, replace};

/// A file system that takes longer is told.
const LATE: Duration = Duration::from_secs(10);
/// How long the last writing may take when the daemon ends.
const LAST: Duration = Duration::from_secs(5);

/// The ports of the task that keeps one file.
pub(in crate::daemon) struct FileTask {
    pub(in crate::daemon) path: PathBuf,
    pub(in crate::daemon) selection: Selection,
    /// Permissions of a new file.
    pub(in crate::daemon) mode: u32,
    /// Changes within so long become one.
    pub(in crate::daemon) pause: Duration,
    /// How often the file is looked at when nothing changed, and tried again when it could not be written.
    pub(in crate::daemon) interval: Duration,
    /// The place of the file in the status; none of one that only the daemon reads.
    pub(in crate::daemon) index: Option<usize>,
    pub(in crate::daemon) desk: Desk,
    pub(in crate::daemon) status: Arc<watch::Sender<DaemonStatus>>,
    pub(in crate::daemon) stop: watch::Receiver<bool>,
}

/// What came of it: how many targets the file has, and whether it had to be written.
type Written = (usize, Result<bool, ReplaceError>);

impl FileTask {
    /// Runs until told to stop.
    pub(in crate::daemon) async fn run(mut self) {
        let mut stop = self.stop.clone();
        loop {
            let current = self.desk.borrow_and_update().clone();
            if let Ok(current) = current
                && !self.finished(self.write(current)).await
            {
                return;
            }
            let next = async {
                sleep(self.pause).await;
                let _ = timeout(self.interval, self.desk.changed()).await;
            };
            tokio::select! {
                biased;
                _ = stop.wait_for(|&stop| stop) => break,
                () = next => {}
            }
        }
        // What changed within the pause is not lost.
        let current = self.desk.borrow().clone();
        if let Ok(current) = current {
            let _ = timeout(LAST, self.write(current)).await;
        }
    }

    fn write(&self, current: Arc<Current>) -> JoinHandle<Written> {
        let (path, selection, mode) = (self.path.clone(), self.selection.clone(), self.mode);
        spawn_blocking(move || {
            let targets = current.listing.selected(&selection, |_| true).count();
            (targets, replace(&path, &current.listing.json(&selection, |_| true), mode))
        })
    }

    /// Waits for it and shows what came of it; whether the daemon goes on, which a file system that hangs must not hold up.
    async fn finished(&self, mut writing: JoinHandle<Written>) -> bool {
        let (mut stop, mut is_late) = (self.stop.clone(), false);
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|&stop| stop), if is_late => return false,
                written = &mut writing => {
                    match written {
                        Ok((targets, Ok(is_new))) => self.show(Ok((targets, is_new))),
                        Ok((_, Err(error))) => self.show(Err(error.to_string())),
                        Err(error) => std::panic::resume_unwind(error.into_panic()),
                    }
                    return true;
                }
                () = sleep(LATE), if !is_late => {
                    is_late = true;
                    let path = self.path.display();
                    self.show(Err(format!("{path} was not written within {} s: does its file system answer?", LATE.as_secs())));
                }
            }
        }
    }

    fn show(&self, result: Result<(usize, bool), String>) {
        let Some(index) = self.index else {
            if let Err(error) = result {
                tracing::warn!("what is listed for Prometheus may be forgotten in a restart: {error}");
            }
            return;
        };
        self.status.send_if_modified(|status| {
            let files = status.discovery.as_mut().map(|discovery| &mut discovery.files);
            let Some(file) = files.and_then(|files| files.get_mut(index)) else { return false };
            let before = file.clone();
            match result {
                Ok((targets, is_new)) => {
                    let written = if is_new { Some(now()) } else { before.written };
                    *file = TargetFileStatus { targets, written, error: None, ..before.clone() };
                }
                Err(error) => {
                    if file.error.as_ref() != Some(&error) {
                        tracing::error!("a file with targets is out of date: {error}");
                    }
                    file.error = Some(error);
                }
            }
            *file != before
        });
    }
}
