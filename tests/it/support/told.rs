//! A server that tells a daemon of every change, and the example to be published. The interval is an hour: nothing else
//! explains what the daemon notices.

use std::net::SocketAddr;

use serde_json::Value;

use super::harness::free_address;
use super::named::Named;
use super::srvctl::{Settings, Workspace};

/// Whatever the size of the zone: BIND prefers whole zones when the steps are longer.
pub(crate) const ALWAYS_STEPS: &str = "max-ixfr-ratio unlimited;";

/// The server, and a configuration with `notify_listen`.
pub(crate) struct Told {
    pub(crate) named: Named,
    pub(crate) workspace: Workspace,
}

impl Told {
    /// With these lines in the server's options.
    pub(crate) fn with_options(options: &str) -> Self {
        Self::by(options, Named::address)
    }

    /// The same with something between, as a proxy is.
    pub(crate) fn by(options: &str, primary: impl FnOnce(&Named) -> SocketAddr) -> Self {
        let listen = free_address();
        let named = Named::builder().options(options).notifies(listen).start();
        let workspace = Workspace::with(&Settings {
            primary: primary(&named).to_string(),
            interval: "1h".to_owned(),
            more: notify_listen(listen),
            ..Settings::for_server(&named)
        });
        workspace.write_example();
        Self { named, workspace }
    }
}

/// The line of a zone's configuration.
pub(crate) fn notify_listen(address: SocketAddr) -> String {
    format!("notify_listen = \"{address}\"\n")
}

/// How often the first zone was read whole, and how often only what had changed.
pub(crate) fn transfers(status: &Value) -> (u64, u64) {
    let zone = &status["zones"][0];
    (zone["full_transfers"].as_u64().unwrap(), zone["incremental_transfers"].as_u64().unwrap())
}

/// How many NOTIFYs about a zone were taken, and how many were refused.
pub(crate) fn notifies(status: &Value, zone: usize) -> (u64, u64) {
    let notifies = &status["zones"][zone]["notifies"];
    (notifies["accepted"].as_u64().unwrap(), notifies["refused"].as_u64().unwrap())
}
