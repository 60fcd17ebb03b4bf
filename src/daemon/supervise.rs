//! Every task of the daemon starts here, and none ends unseen.

use std::future::Future;

use tokio::task::JoinSet;

/// The daemon's tasks. Dropping it aborts them all.
#[derive(Debug, Default)]
pub(super) struct Tasks(JoinSet<&'static str>);

impl Tasks {
    /// Starts a task that is meant to live as long as the daemon.
    pub(super) fn start(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(async move {
            task.await;
            name
        });
    }

    /// Starts a thread for what may hang in the file system, meant to live as long as the daemon.
    pub(super) fn start_thread(&mut self, name: &'static str, run: impl FnOnce() + Send + 'static) {
        self.0.spawn_blocking(move || {
            run();
            name
        });
    }

    /// Waits until a task ends, and says which: its name, or that it panicked. Pending when there is none.
    pub(super) async fn ended(&mut self) -> String {
        match self.0.join_next().await {
            Some(Ok(name)) => format!("the task `{name}` ended"),
            Some(Err(error)) => format!("a task failed: {error}"),
            None => std::future::pending().await,
        }
    }

    /// Waits until all tasks have ended by themselves.
    pub(super) async fn finish(&mut self) {
        while self.0.join_next().await.is_some() {}
    }
}
