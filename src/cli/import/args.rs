//! The arguments of `srvctl import`.

use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::registry::ExportedArgs;
use crate::model::{Name, rules};
use crate::reconcile::migration::inventory::{Port, Rule, metadata_word};
use crate::reconcile::migration::{Source, Tells};

const EXIT_CODES: &str = "Exit codes of the commands that write service files:
  0  all of it was mapped, with guesses or without
  1  failed: nothing was mapped, or nothing was written
  2  usage error
  3  something was refused, and needs a person's look; or files would change (--check)

A FILE of `export` that is called as one of the commands is written `./prometheus`.";

/// Arguments of `import`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, disable_help_subcommand = true)]
#[command(subcommand_value_name = "FROM", subcommand_help_heading = "Write service files from")]
#[command(after_help = EXIT_CODES)]
pub struct ImportArgs {
    /// Where from.
    #[command(subcommand)]
    pub from: Option<From>,
    /// Otherwise it is what `export` wrote.
    #[command(flatten)]
    pub exported: ExportedArgs,
}

/// Where service files can come from.
#[derive(Debug, Subcommand)]
pub enum From {
    /// The jobs of a prometheus.yml: targets of `static_configs` and of the files of `file_sd_configs`
    ///
    /// A job becomes a service. Labels that all of its targets have become metadata of the service, which is published as
    /// TXT; labels in which they differ become metadata of each instance.
    Prometheus(PrometheusArgs),
    /// Files of targets, as `file_sd_configs` reads them
    FileSd(FileSdArgs),
    /// What `ansible-inventory --list` prints
    ///
    /// Hosts with the variable `srvctl_services` of the shipped role need no rules. For all others --group or --rules say
    /// what the hosts of a group offer.
    AnsibleInventory(InventoryArgs),
    /// The SRV and TXT records that a zone has already, and the addresses of their targets
    ///
    /// Read from the zone's primary by a transfer, or from a master file of BIND's. `srvctl adopt` is the next step: the
    /// names exist already.
    Zone(ZoneArgs),
    /// Service definition files of Consul's agents (JSON)
    Consul(ConsulArgs),
}

impl From {
    pub(super) fn writing(&self) -> &Writing {
        match self {
            Self::Prometheus(args) => &args.writing,
            Self::FileSd(args) => &args.writing,
            Self::AnsibleInventory(args) => &args.writing,
            Self::Zone(args) => &args.writing,
            Self::Consul(args) => &args.writing,
        }
    }

    pub(super) fn naming(&self) -> Option<&Naming> {
        match self {
            Self::Prometheus(args) => Some(&args.naming),
            Self::FileSd(args) => Some(&args.naming),
            Self::AnsibleInventory(args) => Some(&args.naming),
            Self::Zone(_) => None,
            Self::Consul(args) => Some(&args.naming),
        }
    }

    /// What it says in any case.
    pub(super) fn tells(&self) -> Tells {
        Tells { job_name: matches!(self, Self::Prometheus(_)), preference: matches!(self, Self::Zone(_)) }
    }

    /// Whether addresses of hosts become part of the services.
    pub(super) fn addresses(&self) -> bool {
        match self {
            Self::Prometheus(_) | Self::FileSd(_) => false,
            Self::AnsibleInventory(args) => !args.no_addresses,
            Self::Zone(args) => args.addresses,
            Self::Consul(args) => args.addresses,
        }
    }
}

/// What becomes of the services.
#[derive(Debug, Args)]
#[command(next_help_heading = "Writing")]
pub struct Writing {
    /// Write a file per service into this directory [default: all on standard output]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write over files that are there and say something else
    ///
    /// What is in the file and not in what is imported stays: TTL, shards, browsing, checks and health, keys of metadata,
    /// and of instances that are imported again priority, weight, addresses, name and checks. That is reported as `kept`.
    /// Instances that are not imported again go, and so do comments.
    #[arg(long, requires = "out")]
    pub force: bool,
    /// Write nothing; exit 3 when files would be written or changed
    #[arg(long, requires = "out")]
    pub check: bool,
    /// The zone to publish in, which then need not be in a configuration [default: the only one]
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<Name>,
    /// Print services and report as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

/// What things of elsewhere are called here.
#[derive(Debug, Args)]
#[command(next_help_heading = "Names")]
pub struct Naming {
    /// Call a job or service of elsewhere so, as in `jenkins-devops=jenkins`; may be given several times
    #[arg(long = "name", value_name = "THEIRS=SERVICE", value_parser = pair)]
    pub names: Vec<(String, String)>,
    /// The name of a host that is said by address or as localhost, as in `10.0.0.5=db1`; may be given several times
    #[arg(long = "host-for", value_name = "THEIRS=HOST", value_parser = pair)]
    pub hosts: Vec<(String, String)>,
    /// Make names of addresses, `ip-10-0-0-5`, and publish them with their addresses
    #[arg(long)]
    pub generate_hosts: bool,
}

/// Arguments of `import prometheus`.
#[derive(Debug, Args)]
pub struct PrometheusArgs {
    /// The configuration
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only this job; may be given several times [default: all]
    #[arg(long = "job", value_name = "JOB")]
    pub jobs: Vec<String>,
    /// Names.
    #[command(flatten)]
    pub naming: Naming,
    /// What becomes of the services.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `import file-sd`.
#[derive(Debug, Args)]
pub struct FileSdArgs {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The service that all targets are of
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,
    /// The label whose value names the service of a group; without it, the file's name does
    #[arg(long, value_name = "LABEL", default_value = "job", conflicts_with = "service")]
    pub service_label: String,
    /// Names.
    #[command(flatten)]
    pub naming: Naming,
    /// What becomes of the services.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `import ansible-inventory`.
#[derive(Debug, Args)]
pub struct InventoryArgs {
    /// The JSON; `-` for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The hosts of this group offer this service on this port, a number or a variable; may be given several times
    #[arg(long = "group", value_name = "GROUP=SERVICE:PORT", value_parser = group)]
    pub groups: Vec<Rule>,
    /// A variable that becomes metadata in services of --group, `team` or `team=team_name`; may be given several times
    #[arg(long = "metadata", value_name = "KEY[=VARIABLE]", requires = "groups")]
    pub metadata: Vec<String>,
    /// TOML file with `[[rule]]` tables: `group`, `service`, `port` or `port_variable`, `host_variable`, `address_variable`,
    /// `metadata`
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Leave addresses out (`ansible_host`): somebody else publishes them
    #[arg(long)]
    pub no_addresses: bool,
    /// Names.
    #[command(flatten)]
    pub naming: Naming,
    /// What becomes of the services.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `import zone`.
#[derive(Debug, Args)]
pub struct ZoneArgs {
    /// A master file [default: the zone itself, from its primary]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Take A and AAAA records of targets over too
    #[arg(long)]
    pub addresses: bool,
    /// What becomes of the services.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `import consul`.
#[derive(Debug, Args)]
pub struct ConsulArgs {
    /// The files, each perhaps with the host whose agent has it: `centos9-vm=jenkins.json`
    #[arg(value_name = "[HOST=]FILE", required = true)]
    pub files: Vec<String>,
    /// The host of all files that say none
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Publish the addresses in the definitions too
    #[arg(long)]
    pub addresses: bool,
    /// Names.
    #[command(flatten)]
    pub naming: Naming,
    /// What becomes of the services.
    #[command(flatten)]
    pub writing: Writing,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((theirs, ours)) if !theirs.is_empty() && !ours.is_empty() => Ok((theirs.to_owned(), ours.to_owned())),
        _ => Err("write what it is called there and here, with `=` between".to_owned()),
    }
}

/// `jenkins_masters=jenkins:8080`, or `…:jenkins_port` for a variable.
fn group(text: &str) -> Result<Rule, String> {
    let form = || "write GROUP=SERVICE:PORT, as `jenkins_masters=jenkins:8080`".to_owned();
    let (group, rest) = text.split_once('=').ok_or_else(form)?;
    let (service, port) = rest.split_once(':').filter(|(_, port)| !port.is_empty()).ok_or_else(form)?;
    let service = rules::service_name(service).map_err(|refusal| refusal.message)?;
    let port = if port.bytes().all(|byte| byte.is_ascii_digit()) {
        Port::Number(port.parse::<NonZeroU16>().map_err(|_| format!("`{port}` is no port from 1 to 65535"))?)
    } else {
        Port::Variable(port.to_owned())
    };
    let source = Source::file("--group");
    Ok(Rule {
        group: group.to_owned(),
        service,
        port,
        host_variable: None,
        address_variable: None,
        metadata: Vec::new(),
        source,
    })
}

impl InventoryArgs {
    /// The rules of `--group`, each with the variables of `--metadata`.
    pub(super) fn short_rules(&self) -> impl Iterator<Item = Rule> {
        let metadata: Vec<_> = self.metadata.iter().map(|word| metadata_word(word)).collect();
        self.groups.iter().map(move |rule| Rule { metadata: metadata.clone(), ..rule.clone() })
    }
}

impl ConsulArgs {
    /// The files with their hosts.
    pub(super) fn hosted(&self) -> impl Iterator<Item = (PathBuf, Option<&str>)> {
        let split = |text: &'_ str| match text.split_once('=') {
            Some((host, _)) if !host.is_empty() && !host.contains('/') => Some(host.len()),
            _ => None,
        };
        self.files.iter().map(move |text| match split(text) {
            Some(at) => (PathBuf::from(&text[at + 1..]), Some(&text[..at])),
            None => (PathBuf::from(text), self.host.as_deref()),
        })
    }
}
