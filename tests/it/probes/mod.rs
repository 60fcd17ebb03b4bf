//! Health checks against real servers, well and ill: slow, hanging, resetting, flapping, with wrong certificates.

mod command;
mod grpc;
mod http;
mod network;
mod servers;
mod tls;

pub(crate) use command::is_gone;
pub(crate) use grpc::Grpc;
pub(crate) use servers::mute;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use srvctl::model::health::{Check, CheckKind, CheckTls, Condition, HttpCheck, HttpMethod, ProbeResult, Verdict};
use srvctl::probes::{Job, JobId, Limits, Observed, ProbeTarget, Probes, probes};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::runtime;

/// For checks that are meant to come to something, on however slow a machine.
const AMPLE: Duration = Duration::from_mins(1);
/// For checks that are meant to come to nothing.
const SHORT: Duration = Duration::from_millis(400);

const ALL: Limits = Limits { connections: 64, commands: 8, run_commands: true };

/// A prober with its jobs.
struct Lab {
    // Dropped first: what was under way is given up before its runtime goes.
    _tasks: JoinSet<()>,
    set: Probes,
    observed: mpsc::Receiver<Observed>,
    runtime: Runtime,
}

impl Lab {
    fn new(limits: Limits) -> Self {
        let (runtime, (set, prober, observed)) = (runtime(), probes(limits));
        let mut tasks = JoinSet::new();
        tasks.spawn_on(prober.run(), runtime.handle());
        Self { _tasks: tasks, set, observed, runtime }
    }

    /// The next result of any job.
    fn next(&mut self) -> Observed {
        let next = async { timeout(AMPLE * 2, self.observed.recv()).await };
        self.runtime.block_on(next).expect("a result comes").expect("the prober lives")
    }
}

/// A job that is made again and again without much of a pause.
fn job(id: u64, kind: CheckKind, limit: Duration, target: ProbeTarget) -> Job {
    let interval = Duration::from_millis(20);
    let check = Check { kind, interval, timeout: limit, rise: 1, fall: 1, initial: Condition::Unknown };
    Job { id: JobId(id), check: Arc::new(check), target }
}

/// A target whose host is never asked for.
fn target(address: SocketAddr) -> ProbeTarget {
    ProbeTarget { host: "vm1.internal.local.".parse().unwrap(), port: address.port(), addresses: vec![address.ip()] }
}

fn named(host: &str, port: u16, addresses: &[IpAddr]) -> ProbeTarget {
    ProbeTarget { host: host.parse().unwrap(), port, addresses: addresses.to_vec() }
}

/// What a check sees within the limit.
fn seen_within(limit: Duration, kind: CheckKind, target: ProbeTarget) -> ProbeResult {
    let mut lab = Lab::new(ALL);
    lab.set.set([job(1, kind, limit, target)]);
    let result = lab.next().result;
    assert!(result.text.chars().count() <= 200 && !result.text.is_empty(), "{result:?}");
    result
}

fn seen(kind: CheckKind, target: ProbeTarget) -> ProbeResult {
    seen_within(AMPLE, kind, target)
}

/// The check must come to this, and say all the words.
fn assert_seen(result: &ProbeResult, verdict: Verdict, words: &[&str]) {
    assert_eq!(result.verdict, verdict, "{result:?}");
    for word in words {
        assert!(result.text.contains(word), "it does not say {word:?}: {result:?}");
    }
}

fn http(url: &str) -> HttpCheck {
    HttpCheck {
        url: url.parse().unwrap(),
        method: HttpMethod::default(),
        status: vec![200..=299],
        body: None,
        headers_file: None,
        tls: CheckTls::default(),
    }
}

/// A check that did not come to an end must have had all of its time, and no more than the machine's slowness on top.
fn assert_overtime(result: &ProbeResult, words: &[&str]) {
    assert_seen(result, Verdict::Failing, words);
    assert_seen(result, Verdict::Failing, &["within 400ms"]);
    assert!(result.latency >= SHORT, "{result:?}");
}
