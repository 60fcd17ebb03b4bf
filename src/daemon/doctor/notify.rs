//! Waits for the primary's NOTIFY about a change: as the daemon hears it, or ourselves where no daemon runs.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::api;
use crate::config::{Config, ZoneConfig};
use crate::dns::{Notice, NotifiedZone, NotifyListener, own_address};
use crate::model::{Name, NotifyStatus};
use crate::reconcile::doctor::{Heard, Listening};

/// BIND waits 5 s after one NOTIFY until it sends the next about the same zone.
const PATIENCE: Duration = Duration::from_secs(7);
const POLL: Duration = Duration::from_millis(50);

/// Who listens.
pub(super) enum Watch {
    Ourselves { notices: UnboundedReceiver<(Instant, Notice)>, _listening: JoinSet<()> },
    Daemon { socket: PathBuf, zone: Name, before: NotifyStatus },
    Nobody(String),
}

impl Watch {
    /// Begins to listen where `notify_listen` says; none when it says nothing.
    pub(super) async fn start(config: &Config, zone: &ZoneConfig) -> Option<(Self, Listening)> {
        let address = zone.notify_listen?;
        let key = zone.transfer_key.as_ref().unwrap_or(&zone.key).name().without_final_dot();
        let (watch, daemon) = match status(&config.api.socket, &zone.name).await {
            Ok(before) => (Self::of_daemon(config, zone, before), true),
            Err(()) => (Self::ourselves(zone, address).await, false),
        };
        Some((watch, Listening { address, own: own_address(&zone.primary).await, key, daemon }))
    }

    fn of_daemon(config: &Config, zone: &ZoneConfig, before: Option<NotifyStatus>) -> Self {
        match before {
            None => Self::Nobody("the daemon runs and does not listen: reload its configuration".to_owned()),
            Some(NotifyStatus { error: Some(error), .. }) => Self::Nobody(format!("the daemon says: {error}")),
            Some(before) => Self::Daemon { socket: config.api.socket.clone(), zone: zone.name.clone(), before },
        }
    }

    async fn ourselves(zone: &ZoneConfig, address: std::net::SocketAddr) -> Self {
        let listener = match NotifyListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => return Self::Nobody(error.to_string()),
        };
        let notified = NotifiedZone {
            name: zone.name.clone(),
            senders: zone.primary().addresses().await.unwrap_or_default(),
            keys: zone.transfer_key.iter().chain([&zone.key]).cloned().collect(),
            requires_tsig: false,
        };
        let (tell, notices) = unbounded_channel();
        let mut listening = JoinSet::new();
        listening.spawn(listener.listen(vec![notified], move |notice| {
            let _ = tell.send((Instant::now(), notice));
        }));
        Self::Ourselves { notices, _listening: listening }
    }

    /// Waits for word of a change that was made at this time.
    pub(super) async fn wait(self, changed: Instant) -> Heard {
        let mut refused = None;
        let heard = match self {
            Self::Nobody(why) => return Heard::Deaf(why),
            Self::Ourselves { mut notices, _listening } => {
                let heard = async {
                    while let Some((at, notice)) = notices.recv().await {
                        match notice {
                            Notice::Heard { .. } => return Some(at),
                            Notice::Refused { sender, reason, .. } => {
                                refused = Some(format!("from {sender}: {reason}"));
                            }
                        }
                    }
                    None
                };
                timeout(PATIENCE, heard).await.ok().flatten()
            }
            Self::Daemon { socket, zone, before } => {
                let heard = async {
                    loop {
                        if let Ok(Some(now)) = status(&socket, &zone).await {
                            if now.accepted > before.accepted {
                                return Instant::now();
                            }
                            refused = now.last_refusal.filter(|_| now.refused > before.refused);
                        }
                        sleep(POLL).await;
                    }
                };
                timeout(PATIENCE, heard).await.ok()
            }
        };
        match (heard, refused) {
            (Some(at), _) => Heard::After(at.saturating_duration_since(changed)),
            (None, Some(why)) => Heard::Refused(why),
            (None, None) => Heard::Nothing(PATIENCE),
        }
    }
}

/// What the running daemon knows of a zone's NOTIFYs.
async fn status(socket: &std::path::Path, zone: &Name) -> Result<Option<NotifyStatus>, ()> {
    let status = api::status(socket).await.map_err(|_| ())?;
    Ok(status.zones.into_iter().find(|status| status.zone == *zone).and_then(|status| status.notifies))
}
