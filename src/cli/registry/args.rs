//! The arguments of the commands that register, and of those that show what is registered.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

use super::values::{self, Seconds, Ttl};
use crate::cli::args::Format;
use crate::model::Shards;
use crate::model::health::Verdict;

/// Whom to ask.
#[derive(Debug, Args)]
#[command(next_help_heading = "Whom to ask")]
pub struct Remote {
    /// Ask this server, `https://HOST:PORT`, instead of the daemon of this machine
    #[arg(long, value_name = "URL", env = "SRVCTL_SERVER", hide_env_values = true)]
    pub server: Option<String>,
    /// File with the token that says who asks
    #[arg(long, value_name = "FILE", env = "SRVCTL_TOKEN_FILE", hide_env_values = true)]
    pub token_file: Option<PathBuf>,
    /// PEM file with the CA that signed the server's certificate [default: the system's CAs]
    #[arg(long, value_name = "FILE", env = "SRVCTL_CA_FILE", hide_env_values = true)]
    pub ca_file: Option<PathBuf>,
    /// PEM file with the client certificate that says who asks
    #[arg(long, value_name = "FILE", requires = "key_file")]
    pub cert_file: Option<PathBuf>,
    /// PEM file with its private key
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    pub key_file: Option<PathBuf>,
}

/// How a change is made and shown.
#[derive(Debug, Args)]
pub struct Manner {
    /// Wait until DNS shows it, 30 s unless said, 5 min at most
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "30s",
          value_parser = values::wait)]
    pub wait: Option<Seconds>,
    /// Change nothing; exit 3 when something would be changed
    #[arg(long)]
    pub check: bool,
    /// Show what goes and what comes
    #[arg(long)]
    pub diff: bool,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
}

/// An instance as it is to be registered.
#[derive(Debug, Args)]
pub struct Described {
    /// The service, `jenkins` or `_jenkins._tcp.internal.local.`
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// The host: relative to the zone, or absolute with a final dot
    #[arg(long)]
    pub host: String,
    /// The port that it listens on
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// An address to publish for the host; may be given again
    #[arg(long = "address", value_name = "IP")]
    pub addresses: Vec<String>,
    /// SRV priority
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub priority: u16,
    /// SRV weight
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub weight: u16,
    /// What is known of it; what all instances of the service agree on is published; may be given again
    #[arg(long = "meta", value_name = "KEY=VALUE", value_parser = values::pair)]
    pub metadata: Vec<(String, String)>,
    /// What to call it [default: HOST:PORT]
    #[arg(long)]
    pub id: Option<String>,
}

/// Arguments of `register`.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// What.
    #[command(flatten)]
    pub described: Described,
    /// It goes unless it is registered again or renewed within this time, from 5 s to 30 d [default: it stays]
    #[arg(long, value_name = "TIME", value_parser = values::lease)]
    pub lease: Option<Seconds>,
    /// How.
    #[command(flatten)]
    pub manner: Manner,
    /// Whom to ask.
    #[command(flatten)]
    pub remote: Remote,
}

/// Which instance of a service.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Which {
    /// The instance on this host, with --port
    #[arg(long, requires = "port")]
    pub host: Option<String>,
    /// The port of the instance
    #[arg(long, requires = "host", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// The instance of this name
    #[arg(long)]
    pub id: Option<String>,
}

/// Arguments of `deregister`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["host", "id", "all", "overdue"]))]
pub struct DeregisterArgs {
    /// The service, `jenkins` or `_jenkins._tcp.internal.local.`
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// Which instance.
    #[command(flatten)]
    pub which: Which,
    /// All instances that are registered, and what was set for the service
    #[arg(long)]
    pub all: bool,
    /// All instances whose lease has run out
    #[arg(long)]
    pub overdue: bool,
    /// How.
    #[command(flatten)]
    pub manner: Manner,
    /// Whom to ask.
    #[command(flatten)]
    pub remote: Remote,
}

/// Arguments of `set`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("one").args(["host", "id"]))]
#[command(group = ArgGroup::new("change").required(true).multiple(true)
    .args(["weight", "priority", "ttl", "shards", "metadata", "unset"]))]
pub struct SetArgs {
    /// The service, `jenkins` or `_jenkins._tcp.internal.local.`
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// Which instance.
    #[command(flatten)]
    pub which: Which,
    /// SRV weight of the instance
    #[arg(long, value_name = "N", requires = "one")]
    pub weight: Option<u16>,
    /// SRV priority of the instance
    #[arg(long, value_name = "N", requires = "one")]
    pub priority: Option<u16>,
    /// TTL of the service's records in seconds, or `zone` for the zone's
    #[arg(long, value_name = "N", value_parser = values::ttl, conflicts_with = "one")]
    pub ttl: Option<Ttl>,
    /// Over how many names the service is spread: a number, `auto` or `off`
    #[arg(long, value_name = "N", value_parser = values::shards, conflicts_with = "one")]
    pub shards: Option<Shards>,
    /// Metadata to set, of the instance or of the service; may be given again
    #[arg(long = "meta", value_name = "KEY=VALUE", value_parser = values::pair)]
    pub metadata: Vec<(String, String)>,
    /// Metadata to remove; may be given again
    #[arg(long = "unset-meta", value_name = "KEY")]
    pub unset: Vec<String>,
    /// How.
    #[command(flatten)]
    pub manner: Manner,
    /// Whom to ask.
    #[command(flatten)]
    pub remote: Remote,
}

/// Arguments of `renew`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["host", "id"]))]
pub struct RenewArgs {
    /// The service, `jenkins` or `_jenkins._tcp.internal.local.`
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// Which instance.
    #[command(flatten)]
    pub which: Which,
    /// How it is: what its `lease` check takes as the result
    #[arg(long, value_name = "STATUS", value_parser = values::verdict)]
    pub status: Option<Verdict>,
    /// Why, in a few words
    #[arg(long, value_name = "TEXT", requires = "status")]
    pub output: Option<String>,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
    /// Whom to ask.
    #[command(flatten)]
    pub remote: Remote,
}

/// Arguments of `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// The service, `jenkins` or `_jenkins._tcp.internal.local.` [default: all that are checked]
    #[arg(value_name = "SERVICE")]
    pub service: Option<String>,
    /// Show what changed, when and why, the newest first
    #[arg(long)]
    pub history: bool,
    /// So many changes at most
    #[arg(long, value_name = "N", default_value_t = 20, requires = "history")]
    pub limit: usize,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
    /// Whom to ask.
    #[command(flatten)]
    pub remote: Remote,
}

/// Arguments of `maintain`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what to do").required(true).args(["time", "end"]))]
pub struct MaintainArgs {
    /// A host, with all its instances, or a service
    #[arg(value_name = "HOST|SERVICE")]
    pub what: String,
    /// It is a host, whatever services there are
    #[arg(long, conflicts_with = "service")]
    pub host: bool,
    /// It is a service, whatever hosts there are
    #[arg(long)]
    pub service: bool,
    /// For how long, 30 d at most: `2h`
    #[arg(long = "for", value_name = "TIME", value_parser = values::lease, requires = "why")]
    pub time: Option<Seconds>,
    /// Why, for whoever looks
    #[arg(long, value_name = "TEXT", requires = "time")]
    pub why: Option<String>,
    /// End it now
    #[arg(long)]
    pub end: bool,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
    /// Whom to ask.
    #[command(flatten)]
    pub remote: Remote,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What.
    #[command(flatten)]
    pub described: Described,
    /// It goes when this machine does not renew it for so long, from 5 s to 30 d
    #[arg(long, value_name = "TIME", value_parser = values::lease, default_value = "30s")]
    pub lease: Seconds,
    /// Start the command when DNS shows the instance, 30 s at most unless said
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "30s",
          value_parser = values::wait)]
    pub wait: Option<Seconds>,
    /// Whom to ask.
    #[command(flatten)]
    pub remote: Remote,
    /// The command that offers the service, after `--`
    #[arg(value_name = "COMMAND", required = true, last = true)]
    pub command: Vec<OsString>,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The service, `jenkins` or `_jenkins._tcp.internal.local.` [default: all]
    #[arg(value_name = "SERVICE")]
    pub service: Option<String>,
    /// Only those on this host
    #[arg(long)]
    pub host: Option<String>,
    /// Only those whose lease has run out
    #[arg(long)]
    pub overdue: bool,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
    /// Whom to ask.
    #[command(flatten)]
    pub remote: Remote,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The service, `jenkins` or `_jenkins._tcp.internal.local.`
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
    /// Whom to ask.
    #[command(flatten)]
    pub remote: Remote,
}

/// Arguments of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The service, `jenkins` or `_jenkins._tcp.internal.local.` [default: all]
    #[arg(value_name = "SERVICE")]
    pub service: Option<String>,
    /// So many changes at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
    /// Whom to ask.
    #[command(flatten)]
    pub remote: Remote,
}

/// How a catalogue is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Notation {
    /// TOML, as in service files
    Toml,
    /// JSON, as in the API
    Json,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// How to write it
    #[arg(long, value_enum, default_value_t = Notation::Toml)]
    pub format: Notation,
    /// Whom to ask.
    #[command(flatten)]
    pub remote: Remote,
}

/// Arguments of `import` without a subcommand.
#[derive(Debug, Args)]
pub struct ExportedArgs {
    /// What `export` wrote; `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    pub file: Option<PathBuf>,
    /// How it is written [default: as its name ends, otherwise toml]
    #[arg(long = "format", value_enum)]
    pub notation: Option<Notation>,
    /// Deregister what is not in the file
    #[arg(long)]
    pub replace: bool,
    /// Change nothing; exit 3 when something would be changed
    #[arg(long)]
    pub check: bool,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
    /// Whom to ask.
    #[command(flatten)]
    pub remote: Remote,
}
