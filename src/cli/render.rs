//! `srvctl render`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::load::{self, Loaded};
use super::{output, verify};
use crate::config::Config;
use crate::daemon::names;
use crate::model::{Name, Service};
use crate::reconcile::render::{self, Consumer, Document, Request, Scraped, Via};
use crate::sources::parse_duration;
use crate::store;

/// Arguments of `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// Whose configuration: prometheus, vmagent, alloy, grafana-agent, otel-collector, thanos or telegraf
    #[arg(value_name = "CONSUMER")]
    pub consumer: Consumer,
    /// Services, `jenkins` or `_jenkins._tcp.internal.local.` [default: all over TCP; for thanos, those whose names begin
    /// with thanos]
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// How targets get there: by SRV records, from srvctl's discovery over HTTP, or from the files that it writes
    /// [default: dns; for telegraf, http]
    #[arg(long, value_name = "WAY", value_enum)]
    pub via: Option<Way>,
    /// Where srvctl's discovery listens, `http://dns1:5303`; with it, targets come over HTTP [default: `listen` in
    /// `[discovery]`]
    #[arg(long, value_name = "URL", value_parser = url)]
    pub url: Option<String>,
    /// The files that srvctl writes, with `{service}` for the name of the service; with it, targets come from them
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub path: Option<String>,
    /// How often the consumer asks for targets [default: what goes with the TTL]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub refresh_interval: Option<Duration>,
    /// Where metrics are written to (alloy, grafana-agent, otel-collector)
    #[arg(long, value_name = "URL", value_parser = url)]
    pub remote_write: Option<String>,
    /// The receiver that metrics are forwarded to (alloy) [default: `prometheus.remote_write.default.receiver`]
    #[arg(long, value_name = "RECEIVER", value_parser = receiver, conflicts_with = "remote_write")]
    pub forward_to: Option<String>,
    /// End the names of jobs with this: while the static jobs are still there, Prometheus refuses the same names
    #[arg(long, value_name = "SUFFIX", allow_hyphen_values = true)]
    pub job_suffix: Option<String>,
    /// Print only the list of scrape jobs, to be pasted; also what vmagent's `scrape_config_files` has
    #[arg(long)]
    pub fragment: bool,
    /// Write into this file, in one step, and not at all when it is like that already
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Change nothing, and exit 3 when this file is not what would be rendered
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    pub check: Option<PathBuf>,
}

/// How targets get to the consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// SRV records
    Dns,
    /// `http_sd`
    Http,
    /// `file_sd`
    File,
}

fn url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let is_url = rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|letter| letter.is_ascii_graphic()));
    if is_url { Ok(text.to_owned()) } else { Err("it has to begin with http:// or https://".to_owned()) }
}

/// It is an expression of Alloy's, and stands in the document as it is.
fn receiver(text: &str) -> Result<String, String> {
    let is_word = |word: &str| {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        !word.is_empty() && word.chars().all(fits) && !word.starts_with(|first: char| first.is_ascii_digit())
    };
    if text.split('.').all(is_word) { Ok(text.to_owned()) } else { Err("it is written as a.b.receiver".to_owned()) }
}

pub(super) async fn run(flag: Option<PathBuf>, args: &RenderArgs) -> Exit {
    let loaded = match load::all_or_show(flag) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let via = match fitting(args).and_then(|()| via(args, &loaded.config)) {
        Ok(via) => via,
        Err(problem) => {
            output::error(problem);
            return Exit::Usage;
        }
    };
    let services = match chosen(&loaded, args) {
        Ok(services) => services,
        Err(exit) => return exit,
    };
    if let Via::File { path } = &via
        && services.len() > 1
        && !path.contains("{service}")
    {
        output::error("`--path` needs `{service}` in it: each of several services has a file of its own");
        return Exit::Usage;
    }
    let names =
        if via == Via::Dns { looked_up(&loaded, &services).await } else { Ok(vec![Vec::new(); services.len()]) };
    let Ok(names) = names else { return Exit::Failed };
    let scraped: Vec<_> = services
        .iter()
        .zip(names)
        .map(|(service, names)| Scraped { service, names, ttl: ttl(&loaded, service) })
        .collect();
    let request = Request {
        consumer: args.consumer,
        via,
        refresh: args.refresh_interval,
        remote_write: args.remote_write.clone(),
        forward_to: args.forward_to.clone(),
        job_suffix: args.job_suffix.clone(),
        fragment: args.fragment,
        command: command(args),
    };
    let Document { text, warnings } = render::render(&scraped, &request);
    warnings.iter().for_each(output::warning);
    match (&args.check, &args.out) {
        (Some(path), _) => check(path, &text),
        (None, Some(path)) => replace(path, &text),
        (None, None) => {
            output::text(&text);
            Exit::Done
        }
    }
}

/// How the targets get there, or why they cannot.
fn via(args: &RenderArgs, config: &Config) -> Result<Via, String> {
    let consumer = args.consumer;
    let usual = match (&args.url, &args.path) {
        (Some(_), _) => Way::Http,
        (_, Some(_)) => Way::File,
        _ if consumer.knows_srv() => Way::Dns,
        _ => Way::Http,
    };
    let way = args.via.unwrap_or(usual);
    if way == Way::Dns && !consumer.knows_srv() {
        return Err(format!("{consumer} looks no SRV records up: use `--via http`"));
    }
    if way != Way::Dns && !consumer.takes_targets(way == Way::File) {
        return Err(format!("{consumer} takes no targets in this way; leave `--via` out"));
    }
    match way {
        Way::Dns if args.url.is_some() || args.path.is_some() => {
            Err("`--url` and `--path` are not for `--via dns`".to_owned())
        }
        Way::Dns => Ok(Via::Dns),
        Way::Http => {
            let url = args.url.clone().or_else(|| discovery(config));
            let missing = "where does srvctl's discovery listen? Say `--url http://HOST:PORT`, or an address that others know \
                           as `listen` in `[discovery]`";
            Ok(Via::Http { url: url.ok_or(missing)? })
        }
        Way::File => {
            let path = args.path.clone();
            let missing = || "which files does srvctl write? Say `--path /DIRECTORY/{service}.json`".to_owned();
            Ok(Via::File { path: path.ok_or_else(missing)? })
        }
    }
}

/// Where the discovery of this configuration listens; unless that is everywhere, which is no address.
fn discovery(config: &Config) -> Option<String> {
    let listen = config.discovery.as_ref()?.listen?;
    (!listen.ip().is_unspecified()).then(|| format!("http://{listen}"))
}

/// Whether the other options mean anything to this consumer.
fn fitting(args: &RenderArgs) -> Result<(), String> {
    let consumer = args.consumer;
    let refused = |option: &str| Err(format!("`{option}` means nothing to {consumer}"));
    match () {
        () if args.fragment && !consumer.has_scrape_configs() => refused("--fragment"),
        () if args.remote_write.is_some() && !consumer.writes_on() => refused("--remote-write"),
        () if args.forward_to.is_some() && consumer != Consumer::Alloy => refused("--forward-to"),
        () if args.job_suffix.is_some() && consumer == Consumer::Thanos => refused("--job-suffix"),
        () => Ok(()),
    }
}

/// The services that are named; when none is, those that are for this consumer.
fn chosen<'l>(loaded: &'l Loaded, args: &RenderArgs) -> Result<Vec<&'l Service>, Exit> {
    let mut services = verify::chosen_or_show(loaded.catalogue(), &args.services)?;
    if args.services.is_empty() {
        services.retain(|service| args.consumer.takes(&service.key));
        if services.is_empty() && args.consumer == Consumer::Thanos {
            output::error(
                "no service is called thanos…: name those that speak the StoreAPI, for instance `srvctl render thanos sidecar`",
            );
            return Err(Exit::Usage);
        }
        if services.is_empty() {
            output::warning("there is no service over TCP: the document has no jobs");
        }
    }
    Ok(services)
}

/// The names of each. Without all of them targets would be missing, so that one zone that cannot be read is the end.
async fn looked_up(loaded: &Loaded, services: &[&Service]) -> Result<Vec<Vec<Name>>, ()> {
    let lists = names::list(&loaded.config, &loaded.desired, services).await;
    lists.into_iter().collect::<Result<_, _>>().map_err(|error| {
        output::error(error);
        output::error("with `shards = \"auto\"` the zone tells how many names there are; a number needs no look at it");
    })
}

/// The TTL of its records.
fn ttl(loaded: &Loaded, service: &Service) -> u32 {
    let zone = loaded.config.zones.iter().find(|zone| zone.name == service.key.zone);
    service.ttl.or(zone.map(|zone| zone.ttl)).unwrap_or_default()
}

/// The command that makes the same document.
fn command(args: &RenderArgs) -> String {
    let mut words = vec!["srvctl render".to_owned(), args.consumer.to_string()];
    words.extend(args.services.iter().cloned());
    let way = args.via.and_then(|way| way.to_possible_value()).map(|way| way.get_name().to_owned());
    let refresh = args.refresh_interval.map(render::duration);
    let options = [
        ("--via", &way),
        ("--url", &args.url),
        ("--path", &args.path),
        ("--refresh-interval", &refresh),
        ("--remote-write", &args.remote_write),
        ("--forward-to", &args.forward_to),
    ];
    words.extend(options.into_iter().filter_map(|(option, value)| Some(format!("{option} {}", value.as_ref()?))));
    words.extend(args.job_suffix.as_ref().map(|suffix| format!("--job-suffix={suffix}")));
    words.extend(args.fragment.then(|| "--fragment".to_owned()));
    words.join(" ")
}

/// Whether a file is what would be rendered; otherwise where it first is not.
fn check(path: &Path, text: &str) -> Exit {
    let shown = path.display();
    let there = match fs::read(path) {
        Ok(there) => String::from_utf8_lossy(&there).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            output::line(format_args!("{shown} is not there"));
            return Exit::Differences;
        }
        Err(error) => {
            output::error(format_args!("{shown} cannot be read: {error}"));
            return Exit::Failed;
        }
    };
    if there == text {
        output::line(format_args!("{shown} is as it would be rendered"));
        return Exit::Done;
    }
    let (mut old, mut new) = (there.lines(), text.lines());
    let mut number = 1;
    let (old, new) = loop {
        match (old.next(), new.next()) {
            (Some(one), Some(other)) if one == other => number += 1,
            lines => break lines,
        }
    };
    output::line(format_args!("{shown} is not as it would be rendered, first in line {number}:"));
    old.iter().for_each(|line| output::line(format_args!("- {line}")));
    new.iter().for_each(|line| output::line(format_args!("+ {line}")));
    Exit::Differences
}

/// Writes a file in one step: who reads it meanwhile has the old one or the new one. One that is like that already is left
/// alone, so that nobody is made to load it again.
fn replace(path: &Path, text: &str) -> Exit {
    /// Permissions of a new file.
    const FOR_ALL: u32 = 0o644;
    match store::replace(path, text.as_bytes(), FOR_ALL) {
        Ok(is_new) => {
            let what = if is_new { "is written" } else { "is as it was" };
            output::line(format_args!("{} {what}", path.display()));
            Exit::Done
        }
        Err(error) => {
            output::error(error);
            Exit::Failed
        }
    }
}
