//! Where the daemon is reached. What stays where it is outlives a reload, so that nobody is refused in between; a new
//! place is taken before the old one is given up.

use std::net::SocketAddr;

use crate::api::{ListenError, Port, Socket};
use crate::config::Config;

/// Everything that is bound.
pub(super) struct Doors {
    /// `[api] socket`
    pub(super) socket: Socket,
    /// `[api] listen`
    pub(super) port: Option<Port>,
    /// `[metrics] listen`
    pub(super) metrics: Option<Port>,
    /// `[discovery] listen`
    pub(super) discovery: Option<Port>,
}

/// Those that a new configuration wants elsewhere.
pub(super) struct NewDoors {
    socket: Option<Socket>,
    port: Option<Port>,
    metrics: Option<Port>,
    discovery: Option<Port>,
}

impl Doors {
    /// Binds what a configuration names.
    ///
    /// # Errors
    /// When one of them cannot be had.
    pub(super) async fn open(config: &Config) -> Result<Self, ListenError> {
        Ok(Self {
            socket: Socket::bind(&config.api.socket).await?,
            port: api(config).map(|address| Port::bind(address, API)).transpose()?,
            metrics: config.metrics.listen.map(|address| Port::bind(address, METRICS)).transpose()?,
            discovery: discovery(config).map(|address| Port::bind(address, DISCOVERY)).transpose()?,
        })
    }

    /// Binds what a new configuration names and is not bound already.
    ///
    /// # Errors
    /// When one of them cannot be had, in words. Then all stays as it is.
    pub(super) async fn missing(&self, config: &Config) -> Result<NewDoors, String> {
        let path = &config.api.socket;
        let socket = if self.socket.is_at(path) {
            None
        } else {
            Some(Socket::bind(path).await.map_err(|error| error.to_string())?)
        };
        let port = moved(self.port.as_ref(), api(config), API)?;
        let metrics = moved(self.metrics.as_ref(), config.metrics.listen, METRICS)?;
        let discovery = moved(self.discovery.as_ref(), discovery(config), DISCOVERY)?;
        Ok(NewDoors { socket, port, metrics, discovery })
    }

    /// Those of a new configuration. What it does not name is closed.
    pub(super) fn with(self, new: NewDoors, config: &Config) -> Self {
        Self {
            socket: new.socket.unwrap_or(self.socket),
            port: new.port.or(self.port.filter(|_| config.api.listen.is_some())),
            metrics: new.metrics.or(self.metrics.filter(|_| config.metrics.listen.is_some())),
            discovery: new.discovery.or(self.discovery.filter(|_| discovery(config).is_some())),
        }
    }
}

const API: &str = "[api] listen";
const METRICS: &str = "[metrics] listen";
const DISCOVERY: &str = "[discovery] listen";

fn api(config: &Config) -> Option<SocketAddr> {
    config.api.listen.as_ref().map(|listen| listen.address)
}

fn discovery(config: &Config) -> Option<SocketAddr> {
    config.discovery.as_ref().and_then(|discovery| discovery.listen)
}

fn moved(bound: Option<&Port>, wanted: Option<SocketAddr>, setting: &'static str) -> Result<Option<Port>, String> {
    let bound = bound.map(Port::address);
    let wanted = wanted.filter(|wanted| Some(*wanted) != bound);
    wanted.map(|wanted| Port::bind(wanted, setting)).transpose().map_err(|error| match (bound, wanted) {
        (Some(bound), Some(wanted)) if bound.port() == wanted.port() => {
            format!("{error}. This daemon listens at {bound}, on the same port: restart it to move between the two")
        }
        _ => error.to_string(),
    })
}
