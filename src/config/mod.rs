//! `srvctl.toml`: from text to values that need no further checking, or to everything that is wrong with it.
//!
//! Loads key and certificate files too, so that their errors come with the others. Opens no socket.

pub mod defaults;
mod discovery;
mod listen;
mod principals;
mod read;
mod transport;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::{Known, ServerTls};
use crate::dns::{Primary, Transport, TsigKey};
use crate::model::{Diagnostic, Name, OwnerId, Server};
use crate::reconcile::discovery::Selection;
use crate::sources::Pattern;

pub use discovery::STATE_FILE;

/// The whole configuration. Relative paths in the file are relative to the file, and resolved here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file it came from.
    pub path: PathBuf,
    /// Identity in the ownership markers of zones that name no other.
    pub owner: OwnerId,
    /// Which files hold the desired services.
    pub services: Vec<Pattern>,
    /// `[daemon]`
    pub daemon: DaemonConfig,
    /// `[api]`
    pub api: ApiConfig,
    /// `[metrics]`
    pub metrics: MetricsConfig,
    /// `[discovery]`; nothing is listed for Prometheus without it.
    pub discovery: Option<DiscoveryConfig>,
    /// Every `[[principal]]`, in the order of the file.
    pub principals: Vec<Known>,
    /// Every `[[zone]]`, in the order of the file; at least one.
    pub zones: Vec<ZoneConfig>,
    /// What works and should be changed all the same, one sentence each.
    pub warnings: Vec<String>,
}

/// `[daemon]`: the long-running reconciler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonConfig {
    /// Where it keeps what must survive a restart: what is registered. Made at start.
    pub state_dir: PathBuf,
    /// Time between full checks when nothing signals a change.
    pub interval: Duration,
    /// Whether checks of type `command` are run.
    pub commands: bool,
}

/// `[api]`: how clients reach the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiConfig {
    /// The unix socket.
    pub socket: PathBuf,
    /// How long a lease that was not renewed is kept.
    pub lease_grace: Duration,
    /// Where clients on other machines reach it; nowhere when absent.
    pub listen: Option<Listen>,
}

/// `[api] listen`: the API over TCP and TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Address and port.
    pub address: SocketAddr,
    /// Certificate and key, as the files had them when they were read.
    pub tls: ServerTls,
}

/// `[metrics]`: where Prometheus scrapes without credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Where `/metrics` and nothing else is served over plain HTTP; nowhere when absent.
    pub listen: Option<SocketAddr>,
}

/// `[discovery]`: what Prometheus is told of instances past DNS. The API has it too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiscoveryConfig {
    /// Where `/sd/prometheus` and nothing else is served over plain HTTP; nowhere when absent.
    pub listen: Option<SocketAddr>,
    /// Every `[[discovery.file]]`.
    pub files: Vec<TargetFile>,
}

/// `[[discovery.file]]`: a file for Prometheus' `file_sd_configs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetFile {
    /// Which file is kept.
    pub path: PathBuf,
    /// Who stands in it.
    pub selection: Selection,
}

/// One `[[zone]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneConfig {
    /// Its apex.
    pub name: Name,
    /// Identity in this zone's ownership markers; the configuration's unless the zone names its own.
    pub owner: OwnerId,
    /// The server that takes updates and gives transfers.
    pub primary: Server,
    /// How it is reached.
    pub transport: Transport,
    /// Where the key came from.
    pub key_file: PathBuf,
    /// Signs updates, and transfers when they have no key of their own.
    pub key: TsigKey,
    /// Signs transfers instead.
    pub transfer_key: Option<TsigKey>,
    /// TTL in seconds of records whose service names none.
    pub ttl: u32,
    /// Records per RRset that the primary accepts.
    pub max_records_per_rrset: u32,
    /// How long the primary may stay silent in an exchange.
    pub timeout: Duration,
    /// Share of the owned records that one plan may remove without a person's word, percent.
    pub max_delete_percent: u8,
    /// Where the primary's NOTIFY messages arrive; several zones may share an address. Without one, the zone is polled.
    pub notify_listen: Option<SocketAddr>,
    /// Through whom published services are looked up again; the primary, over plain DNS, when nothing is said.
    pub verify: Vec<VerifyThrough>,
    /// How long the daemon takes to look everything up once; none: it looks up only what has changed.
    pub verify_interval: Option<Duration>,
    /// Look-ups per second of this zone through one server, at most.
    pub verify_rate: NonZeroU32,
}

/// Whom to ask when verifying.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum VerifyThrough {
    /// The resolvers of `/etc/resolv.conf`, with its search list and options.
    System,
    /// Every server of the zone's NS set beside the primary.
    Secondaries,
    /// One server.
    Server(Server),
}

impl ZoneConfig {
    /// Where Prometheus would ask the primary, which is never over TLS.
    pub fn plain_primary(&self) -> Server {
        read::plain(&self.primary, &self.transport)
    }

    /// The zone's primary, to be spoken to as configured. Opens nothing yet.
    pub fn primary(&self) -> Primary {
        let primary = Primary::new(self.name.clone(), self.primary.clone(), &self.key);
        let primary = primary.over(self.transport.clone()).waiting(self.timeout);
        match &self.transfer_key {
            Some(key) => primary.reading_with(key),
            None => primary,
        }
    }
}

impl Config {
    /// The names of all managed zones, in the order of the file.
    pub fn zone_names(&self) -> Vec<Name> {
        self.zones.iter().map(|zone| zone.name.clone()).collect()
    }
}

/// Which configuration file: the one of `--config`, else of `$SRVCTL_CONFIG`, else [`defaults::CONFIG`].
pub fn locate(flag: Option<PathBuf>) -> PathBuf {
    let from_environment = || std::env::var_os("SRVCTL_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    flag.or_else(from_environment).unwrap_or_else(|| PathBuf::from(defaults::CONFIG))
}

/// Where the daemon's socket is, read without keys and in spite of whatever else is wrong in the file: whoever
/// may not read the key, or has just broken the configuration, wants to know how the daemon stands all the more.
///
/// # Errors
/// When the file cannot be read at all.
pub fn socket(path: &Path) -> Result<PathBuf, Diagnostic> {
    let text = read_text(path)?;
    let (table, _) = toml::de::DeTable::parse_recoverable(&text);
    let api = table.get_ref().get("api").and_then(|api| api.get_ref().get("socket"));
    let socket = api.and_then(|socket| socket.get_ref().as_str()).unwrap_or(defaults::SOCKET);
    Ok(path.parent().unwrap_or(Path::new("")).join(socket))
}

/// The socket of the configuration that a command would use, see [`locate`]. Where there is none, the daemon's own default:
/// whoever asks need not have a configuration.
///
/// # Errors
/// When a file that somebody named, or that is there, cannot be read.
pub fn socket_for(flag: Option<PathBuf>) -> Result<PathBuf, Diagnostic> {
    let path = locate(flag);
    if path == Path::new(defaults::CONFIG) && matches!(path.try_exists(), Ok(false)) {
        return Ok(PathBuf::from(defaults::SOCKET));
    }
    socket(&path)
}

/// Loads a configuration with its key files.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load(path: &Path) -> Result<Config, Vec<Diagnostic>> {
    let text = read_text(path).map_err(|error| vec![error])?;
    read::config(path, &text.into())
}

fn read_text(path: &Path) -> Result<String, Diagnostic> {
    std::fs::read_to_string(path).map_err(|error| {
        let help = "name another file with `--config FILE` or in `$SRVCTL_CONFIG`";
        let message = format!("the configuration cannot be read: {error}");
        Diagnostic::about_file(&*path.to_string_lossy(), message).help(help)
    })
}

#[cfg(test)]
mod principal_tests;
#[cfg(test)]
mod tests;
