//! The arguments of every command, with their help texts.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::compare::CompareArgs;
use super::doctor::DoctorArgs;
use super::import::ImportArgs;
use super::registry::{
    DeregisterArgs, ExportArgs, HealthArgs, HistoryArgs, ListArgs, MaintainArgs, RegisterArgs, RenewArgs, RunArgs,
    SetArgs, ShowArgs,
};
use super::render::RenderArgs;
use crate::daemon::through::Through;
use crate::model::{Name, OwnerId};
use crate::protocol::lookup::Consumer;
use crate::reconcile::PlanId;
use crate::sources::parse_duration;

const EXIT_CODES: &str = "Exit codes:\n  0  done, or in sync\n  1  failed\n  2  usage error\n  3  differences found\n  4  held by a guard: see `srvctl apply --accept`";

/// Keeps SRV records in a DNS zone equal to the desired services, and proves that Prometheus can discover them.
#[derive(Debug, Parser)]
#[command(name = "srvctl", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Cli {
    /// Configuration file [default: `$SRVCTL_CONFIG`, else /etc/srvctl/srvctl.toml]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the configuration and the service files
    Check(Format),
    /// Show what would change in the zones: `+` and `-` zone-file lines, grouped by name
    ///
    /// Reads every zone by a signed transfer and compares. Changes nothing. Exits 3 when there are
    /// differences, 4 when a guard holds them.
    Plan(Format),
    /// Make the zones equal to the desired services, once, without a daemon
    ///
    /// Sends the changes as signed updates, reads each zone back and says what the server did not do. Only
    /// records under srvctl's own markers are ever changed.
    Apply(ApplyArgs),
    /// Take names over that somebody else wrote
    ///
    /// A name with foreign records is a conflict until this command makes it ours, with exactly what the services
    /// ask for there. Records that no service asks for are an error, unless --replace deletes them.
    Adopt(AdoptArgs),
    /// Give names up without deleting their records
    ///
    /// Removes our marker and nothing else. A name that a service still asks for is a conflict afterwards.
    Release(TakeoverArgs),
    /// List the names that are ours, zone by zone
    Owned(Format),
    /// Run as a daemon: reconcile at start, on every change of a service file, and on the interval
    ///
    /// SIGHUP reads the configuration and all files again; SIGTERM and SIGINT stop it.
    Daemon,
    /// Look a name up as Prometheus does, and say what it would scrape
    Dig(DigArgs),
    /// Browse services as a DNS-SD client does (RFC 6763), and say what is broken
    ///
    /// Without a service it lists the types. With one it lists the instances with host, port, addresses and TXT. Exits 1
    /// when a look-up fails, 3 when nothing is found, an instance is listed that is not there, its host has no address or
    /// its TXT is malformed.
    Browse(BrowseArgs),
    /// Look every desired record up as Prometheus does, through every configured server
    ///
    /// Says what is in sync, stale (a cache, or a secondary that is behind: and until when), missing, extra, different or
    /// unknown, and why; what vmagent and Thanos make of the same answers where that is something else; and which targets
    /// have no address. Exits 3 unless everything is in sync.
    Verify(VerifyArgs),
    /// Compare what Prometheus scrapes today with what DNS gives, before static targets are removed
    ///
    /// Takes the jobs from its configuration or from its API, finds what corresponds to each in DNS, looks that up as
    /// Prometheus does, and says what is missing, what is too much, what is spelt differently, and which labels and
    /// settings would be other ones.
    Compare(CompareArgs),
    /// Examine the whole chain, from the key to the resolvers, and say what is wrong and what to do
    ///
    /// Tries updates, transfers, NOTIFYs and large answers on scratch names of its own, which it removes again, and
    /// compares secondaries, TTLs, markers and resolver configurations. Exits 1 when the worst finding is an error, 3 when
    /// it is a warning.
    Doctor(DoctorArgs),
    /// Print the names to look a service up under, one per line, for the `names` of a scrape configuration
    ///
    /// One unless the service is spread by `shards`. With `shards = "auto"` the zone is read to see how many.
    Names(NamesArgs),
    /// Print the scrape configuration of Prometheus, or of another consumer, for the services
    ///
    /// One job for each service and zone, with the names to look it up under, its metadata as labels, and how it is
    /// scraped. `--check FILE` exits 3 when a file is not what would be printed.
    Render(RenderArgs),
    /// Ask the running daemon how each zone stands
    ///
    /// Exits 3 when a zone is not in sync or a file is broken, 4 when a guard holds a plan.
    Status(Format),
    /// Make a token for a `[[principal]]`: the token for whoever asks, and its hash for `srvctl.toml`
    ///
    /// The hash does not tell the token, so nobody learns it from the configuration.
    Token(TokenArgs),
    /// Register an instance of a service with the daemon, which publishes it
    ///
    /// Registering it again renews its lease, or changes what is another.
    Register(RegisterArgs),
    /// Deregister an instance, or several; what is not registered is no error
    Deregister(DeregisterArgs),
    /// List the instances of all services, from files and registrations
    List(ListArgs),
    /// Show a service with its instances
    Show(ShowArgs),
    /// Change a running instance, or what holds for a service as a whole
    ///
    /// With --host and --port, or --id, it is the instance that is changed: `--weight 0` drains it.
    Set(SetArgs),
    /// Renew the lease of an instance, and say how it is
    Renew(RenewArgs),
    /// Show how the instances are that are checked, and what became of those that fail
    ///
    /// Exits 3 when something is failing that nobody works on.
    Health(HealthArgs),
    /// Say that somebody works on a host or a service: what fails there meanwhile is expected
    ///
    /// Instances on such a host are withdrawn or deprioritised at once where their service's policy says so, as far as
    /// its floor allows. Of such a service nothing more is withdrawn.
    Maintain(MaintainArgs),
    /// Run a command, and have an instance registered for as long as it runs
    ///
    /// Registers it, starts the command, renews the lease, and deregisters the instance when the command has ended. Passes
    /// SIGTERM, SIGINT and SIGHUP on, and exits as the command does, with 128 + N when signal N ended it. A command that
    /// runs is left alone when the daemon cannot be reached.
    Run(RunArgs),
    /// Show who changed what is registered, the newest first
    History(HistoryArgs),
    /// Print everything that is registered, for `import`
    Export(ExportArgs),
    /// Register everything that was exported, or write service files from the files of other tools
    ///
    /// With a FILE of `export`: registers all of it, or nothing. With the name of another tool: writes what that one knows as
    /// service files, with a report of what was mapped, guessed and refused.
    Import(ImportArgs),
}

/// How to print.
#[derive(Debug, Args)]
pub struct Format {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Change nothing: the same as `plan`
    #[arg(long)]
    pub dry_run: bool,
    /// Make the held plan with this id, as `plan` and `status` show it, and no other
    #[arg(long, value_name = "ID", conflicts_with = "dry_run")]
    pub accept: Option<PlanId>,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
}

/// Arguments of `release`.
#[derive(Debug, Args)]
pub struct TakeoverArgs {
    /// Owner names, `centos9-vm.internal.local` or `_jenkins._tcp.internal.local`
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<Name>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
}

/// Arguments of `adopt`.
#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// Which names.
    #[command(flatten)]
    pub names: TakeoverArgs,
    /// Delete the records at the names that no service asks for
    #[arg(long)]
    pub replace: bool,
    /// Take the names from this other srvctl, which must be their owner
    #[arg(long, value_name = "OWNER")]
    pub from: Option<OwnerId>,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Services to check, `jenkins` or `_jenkins._tcp.internal.local.` [default: all]
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// The same, as an option; may be given several times
    #[arg(long = "service", value_name = "SERVICE")]
    pub more_services: Vec<String>,
    /// Look through this server, HOST or HOST:PORT, `system` for those of resolv.conf; may be given several times
    /// [default: the zone's `verify`]
    #[arg(long = "server", value_name = "SERVER")]
    pub servers: Vec<Through>,
    /// Look again and again until everything is in sync, for at most so long [default: 30s]
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "30s",
          value_parser = parse_duration)]
    pub wait: Option<Duration>,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
}

/// Arguments of `names`.
#[derive(Debug, Args)]
pub struct NamesArgs {
    /// The service, `jenkins` or `_jenkins._tcp.internal.local.`
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
}

/// Arguments of `browse`.
#[derive(Debug, Args)]
pub struct BrowseArgs {
    /// The service, `jenkins`, `_jenkins._tcp` or a subtype `_ci._sub._jenkins._tcp`; and whom to ask, @HOST or @HOST:PORT
    /// [default: the servers of resolv.conf]
    #[arg(value_name = "SERVICE | @SERVER")]
    pub arguments: Vec<String>,
    /// Begin in this domain; may be given several times [default: the configured zones, or the search list of resolv.conf]
    #[arg(long = "domain", short = 'd', value_name = "DOMAIN")]
    pub domains: Vec<Name>,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
}

/// Arguments of `token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// Write the token into this new file, which only you can read, instead of on standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
}

/// Arguments of `dig`.
#[derive(Debug, Args)]
#[command(after_help = "Arguments, in any order as in dig:
  NAME            the name to look up; without a final dot, the search list of
                  resolv.conf applies
  SERVICE         `jenkins` or `_jenkins._tcp`: a service of the configuration is
                  looked up under all its names, shards included, at @SERVER, or
                  else at each `verify` server of its zone. `jenkins.` is a name,
                  and so is what follows -q, and any word with another type than
                  SRV, TXT and ANY
  TYPE            SRV (default), A, AAAA, PTR, TXT, MX, NS, SOA, ANY, … TYPE65280
  @SERVER[:PORT]  ask this server [default: those of /etc/resolv.conf]
  +short          print only the data of the answer's records, as dig does
  +tcp, +vc       ask over TCP from the start
  +trace-steps    show every attempt: server, transport, response code, size,
                  time, and why the look-up went on
  +[no]cmd, comments, question, answer, authority, additional, stats, verdict,
  all             show or hide this part; a beginning will do: `+noall +ans`

Exit codes:
  0  records
  1  unknown: Prometheus would keep its old targets, vmagent would drop them
  2  usage error
  3  definitely empty: both would drop their targets
Of a service: 1 when any look-up is unknown, 3 when some server has nothing
under any of the names.")]
pub struct DigArgs {
    /// What to look up, at which server, and how to show it; see below
    #[arg(value_name = "ARGUMENT", required_unless_present_any = ["reverse", "query_name"])]
    pub arguments: Vec<String>,
    /// The type
    #[arg(short = 't', value_name = "TYPE")]
    pub record_type: Option<String>,
    /// Look the name of an address up: PTR, unless another type is given
    #[arg(short = 'x', value_name = "ADDRESS", conflicts_with = "query_name")]
    pub reverse: Option<IpAddr>,
    /// The name, whatever it looks like
    #[arg(short = 'q', value_name = "NAME")]
    pub query_name: Option<String>,
    /// The port of the servers asked [default: 53]
    #[arg(short = 'p', value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub server_port: Option<u16>,
    /// Whose look-up to make: `prometheus`, or `go` for vmagent and for Thanos with `golang`
    #[arg(long = "as", value_name = "CONSUMER", default_value_t = Consumer::Prometheus)]
    pub consumer: Consumer,
    /// The port that goes with A, AAAA, MX and NS, as `port:` in `dns_sd_configs`
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// How to print.
    #[command(flatten)]
    pub format: Format,
}
