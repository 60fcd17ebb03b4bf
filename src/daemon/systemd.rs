//! What systemd is told (`Type=notify`, `sd_notify(3)`). Without systemd, nothing happens here.

use std::time::Duration;

use sd_notify::NotifyState;

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

/// Alive.
pub(super) fn watchdog() {
    send(&[NotifyState::Watchdog]);
}

/// How often systemd wants a sign of life: half of its limit; none when it wants none.
pub(super) fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be notified");
    }
}
