//! Listens for word from the primaries that their zones have changed, and hands it to the zones' tasks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::backoff::Backoff;
use super::inbox::Inbox;
use super::zone_task::now;
use crate::config::ZoneConfig;
use crate::dns::{DnsError, Notice, NotifiedZone, NotifyListener};
use crate::model::{DaemonStatus, NotifyStatus};

/// Longest wait before a socket that cannot be had is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The ports of the task that listens at one address.
pub(super) struct NotifyTask {
    pub(super) address: SocketAddr,
    pub(super) zones: Vec<Listened>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) status: Arc<watch::Sender<DaemonStatus>>,
}

/// A zone whose primary sends word there.
#[derive(Clone)]
pub(super) struct Listened {
    /// The zone's place in the configuration and in the status.
    pub(super) index: usize,
    pub(super) zone: ZoneConfig,
    pub(super) inbox: Arc<Inbox>,
}

/// The zones by the address at which word of them comes.
pub(super) fn by_address<'a>(
    zones: impl Iterator<Item = (&'a ZoneConfig, &'a Arc<Inbox>)>,
) -> BTreeMap<SocketAddr, Vec<Listened>> {
    let mut by_address: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (index, (zone, inbox)) in zones.enumerate() {
        let listened = || Listened { index, zone: zone.clone(), inbox: Arc::clone(inbox) };
        if let Some(address) = zone.notify_listen {
            by_address.entry(address).or_default().push(listened());
        }
    }
    by_address
}

impl NotifyTask {
    /// Runs until told to stop. A socket that cannot be had is tried again and again: meanwhile the zones are polled.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::default();
        let mut stop = self.stop.clone();
        loop {
            let listened = tokio::select! {
                biased;
                _ = stop.wait_for(|&stop| stop) => return,
                listened = self.listen() => listened,
            };
            let Err(error) = listened else { continue };
            tracing::error!(
                address = %self.address, %error,
                "NOTIFYs cannot be received; the zones are polled on the interval meanwhile"
            );
            self.each_status(|status| status.error = Some(error.to_string()));
            tokio::select! {
                biased;
                _ = stop.wait_for(|&stop| stop) => return,
                () = tokio::time::sleep(backoff.after_failure(LONGEST_WAIT, rand::random())) => {}
            }
        }
    }

    async fn listen(&self) -> Result<(), DnsError> {
        let mut notified = Vec::new();
        for Listened { zone, .. } in &self.zones {
            notified.push(NotifiedZone {
                name: zone.name.clone(),
                senders: zone.primary().addresses().await?,
                keys: zone.transfer_key.iter().chain([&zone.key]).cloned().collect(),
                requires_tsig: false, // it only makes us ask the primary
            });
        }
        let listener = NotifyListener::bind(self.address).await?;
        self.each_status(|status| status.error = None);
        tracing::debug!(address = %self.address, "listening for NOTIFYs");
        let (zones, status) = (self.zones.clone(), Arc::clone(&self.status));
        listener.listen(notified, move |notice| heard(&zones, &status, notice)).await;
        Ok(())
    }

    fn each_status(&self, change: impl Fn(&mut NotifyStatus)) {
        self.status.send_modify(|status| {
            for listened in &self.zones {
                change(status.zones[listened.index].notifies.get_or_insert_default());
            }
        });
    }
}

fn heard(zones: &[Listened], status: &watch::Sender<DaemonStatus>, notice: Notice) {
    let change = |zone: usize, change: &dyn Fn(&mut NotifyStatus)| {
        status.send_modify(|status| change(status.zones[zones[zone].index].notifies.get_or_insert_default()));
    };
    match notice {
        Notice::Heard { zone, serial } => {
            zones[zone].inbox.notify(serial);
            change(zone, &|status| {
                status.accepted += 1;
                status.last = Some(now());
            });
        }
        Notice::Refused { zone, sender, reason, log } => {
            let words = format!("from {sender}: {reason}");
            if let Some(others) = log {
                tracing::warn!(others_since_last_time = others, "a NOTIFY was refused, {words}");
            }
            if let Some(zone) = zone {
                change(zone, &|status| {
                    status.refused += 1;
                    status.last_refusal = Some(words.clone());
                });
            }
        }
    }
}
