//! What systemd is told (`Type=notify`, `sd_notify(3)`). Without systemd, nothing happens here.

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Started: the API answers and the reconcilers run.
pub(super) fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins; `ready` ends it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(time) => send(&[NotifyState::Reloading, time]),
        Err(_) => send(&[NotifyState::Reloading]),
    }
}

/// The daemon is about to end.
pub(super) fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// The sign of life that systemd wants at least every so often.
pub(super) struct Watchdog(Option<Interval>);

impl Watchdog {
    /// As systemd asked for it in the environment: at half of its limit, or never.
    pub(super) fn new() -> Self {
        let ticks = sd_notify::watchdog_enabled().map(|limit| {
            let mut ticks = interval(limit / 2);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        Self(ticks)
    }

    /// Gives the next sign when it is due.
    pub(super) async fn beat(&mut self) {
        match &mut self.0 {
            Some(ticks) => {
                ticks.tick().await;
                send(&[NotifyState::Watchdog]);
            }
            None => std::future::pending().await,
        }
    }

    /// Waits for something and gives signs of life meanwhile.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = self.beat() => {}
            }
        }
    }
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be notified");
    }
}
