//! Health checks as they are made: when, and over the wire. What a result means is decided in [`crate::reconcile`]; no
//! record, no file of ours and no other shell is touched here.
//!
//! One task, [`Prober::run`], keeps one ordered list of when each check is due. A check has a task only while it is
//! under way, and no more are under way than [`Limits`] says: what finds no place waits in the list for its turn, oldest
//! first. First checks are spread over the interval, and each comes a little later than its turn by chance.
//!
//! A check as a whole ends within its time limit, whatever the other end does: names, connecting, TLS, headers and
//! body have no limits of their own that add up. Trouble on our side (no file descriptors, a CA file that is gone) is no
//! verdict about an instance: it is told as [`Verdict::Unknown`], which counts for nothing.

mod command;
mod connect;
mod dns;
mod files;
mod grpc;
mod here;
mod http;
mod kept;
mod outcome;
mod progress;
mod run;
mod schedule;
mod target;
mod tcp;
mod tls;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderMap;
use tokio::time::{Instant, timeout_at};

use crate::model::Name;
use crate::model::health::{Check, CheckKind, ProbeResult, Template, Verdict};
use connect::Resolver;
use files::READERS;
use here::Here;
use kept::Kept;
use outcome::{Outcome, Said, Stop};
use progress::Progress;
use target::Filled;
use tls::Trust;

pub use run::{Prober, Probes, probes};

/// Which job: a number that whoever sets jobs has chosen. A number that comes again with another check or target is the
/// same job changed; results that were on their way still come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// One check of one instance, to be made again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Which.
    pub id: JobId,
    /// What is looked at, and how often.
    pub check: Arc<Check>,
    /// Whose health it is.
    pub target: ProbeTarget,
}

/// The instance that a check is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTarget {
    /// The SRV target, absolute.
    pub host: Name,
    /// The port it listens on.
    pub port: u16,
    /// The addresses that are published for the host; when there are none the system's resolver is asked.
    pub addresses: Vec<IpAddr>,
}

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Of which job.
    pub id: JobId,
    /// What it saw. [`Verdict::Unknown`] when the check could not be made.
    pub result: ProbeResult,
    /// Whether it is known that it never left this machine: then it says nothing of the network.
    pub is_near: bool,
    /// When it ended.
    pub at: Instant,
    /// How long the check had to wait for a place among those under way. More than a moment means that [`Limits`] are too
    /// narrow for what is being checked.
    pub late: Duration,
}

/// What health checks may take of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Checks over the network that are under way at once. Each has one file descriptor, two for a moment.
    pub connections: usize,
    /// Commands that run at once. Each has two file descriptors, and processes.
    pub commands: usize,
    /// Whether commands are run at all. While they are not, jobs with one come to nothing and give no result.
    pub run_commands: bool,
}

impl Default for Limits {
    /// Below what a service may open by default (1,024 file descriptors), with the API's connections beside it.
    fn default() -> Self {
        Self { connections: 256, commands: 16, run_commands: false }
    }
}

/// What all checks share.
#[derive(Debug)]
struct Shared {
    resolver: Resolver,
    trust: Trust,
    headers: Kept<PathBuf, HeaderMap>,
    here: Here,
}

impl Default for Shared {
    fn default() -> Self {
        let (resolver, trust, here) = (Resolver::default(), Trust::default(), Here::default());
        Self { resolver, trust, headers: Kept::new(READERS), here }
    }
}

/// What one check works with.
struct Tools<'a> {
    resolver: &'a Resolver,
    trust: &'a Trust,
    headers: &'a Kept<PathBuf, HeaderMap>,
    progress: Progress,
    deadline: Instant,
}

/// Makes one check; what came of it, and whether it is known that it never left this machine.
async fn probe(job: &Job, shared: &Shared) -> (ProbeResult, bool) {
    let begun = Instant::now();
    let limit = job.check.timeout;
    let Shared { resolver, trust, headers, here } = shared;
    let tools = Tools { resolver, trust, headers, progress: Progress::default(), deadline: begun + limit };
    let outcome = timeout_at(tools.deadline, exchange(job, &tools)).await;
    let latency = begun.elapsed();
    let Said { verdict, text } = match outcome {
        Ok(Ok(said)) => said,
        Ok(Err(Stop::Failing(text))) => Said { verdict: Verdict::Failing, text },
        Ok(Err(Stop::Ours(text))) => Said { verdict: Verdict::Unknown, text },
        Err(_) => tools.progress.overtime(limit),
    };
    let whom = tools.progress.whom().or_else(|| job.target.addresses.first().copied());
    (ProbeResult::new(verdict, latency, text), whom.is_some_and(|address| here.is(address)))
}

async fn exchange(job: &Job, tools: &Tools<'_>) -> Outcome {
    let filled = Filled::new(&job.target, needs_address(&job.check.kind), tools.resolver, &tools.progress).await?;
    match &job.check.kind {
        CheckKind::Http(check) => http::check(check, &filled, tools).await,
        CheckKind::Tcp(check) => tcp::check(check, &filled, tools).await,
        CheckKind::Dns(check) => dns::check(check, &filled, tools).await,
        CheckKind::Grpc(check) => grpc::check(check, &filled, tools).await,
        CheckKind::Command(check) => command::check(check, &filled, &tools.progress).await,
        CheckKind::Lease(_) => Err(Stop::ours("a lease is renewed and not asked for")),
    }
}

/// What on this machine stands in the way of a check, as far as that can be seen by the user who asks: a file that cannot be
/// used, a program that is not there.
pub fn obstacle(check: &Check) -> Option<String> {
    let found = match &check.kind {
        CheckKind::Http(check) => {
            let headers = check.headers_file.as_ref().map_or(Ok(()), |path| files::headers(path).map(drop));
            headers.and_then(|()| tls::usable(&check.tls))
        }
        CheckKind::Grpc(check) => check.tls.as_ref().map_or(Ok(()), tls::usable),
        CheckKind::Command(check) => command::usable(check),
        CheckKind::Tcp(_) | CheckKind::Dns(_) | CheckKind::Lease(_) => Ok(()),
    };
    found.err()
}

/// Whether there is something to do for it; a lease is told and not asked for.
fn is_made(job: &Job, limits: &Limits) -> bool {
    match job.check.kind {
        CheckKind::Lease(_) => false,
        CheckKind::Command(_) => limits.run_commands,
        _ => true,
    }
}

/// Whether an address has to be known before the check can be said.
fn needs_address(kind: &CheckKind) -> bool {
    match kind {
        CheckKind::Http(check) => check.url.needs_address(),
        CheckKind::Command(check) => {
            check.command.iter().chain(check.environment.values()).any(Template::needs_address)
        }
        _ => false,
    }
}
