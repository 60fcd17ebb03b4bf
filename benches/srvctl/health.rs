//! What ten thousand HTTP checks every ten seconds cost in CPU time, beside `curl` and `ab` that make the same requests in
//! one go.
//!
//! Both the prober alone, a process of its own (this program once more), and the whole daemon, which publishes what it
//! checks, keeps what is known of it and could withdraw it. The servers live in this process and are in nobody's account. Every check goes to another address of 127.0.0.0/8 and has a connection of its own, as curl's requests; ab knows
//! one address only.

use std::env;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use srvctl::model::health::{Check, CheckKind, CheckTls, Condition, HttpCheck, HttpMethod, Verdict};
use srvctl::probes::{Job, JobId, Limits, ProbeTarget, probes};
use tempfile::NamedTempFile;
use tokio::runtime::{Builder, Runtime};

use crate::report::{Row, Series, Target};
use crate::scale::Scale;
use crate::support::{
    Api, Memory, Named, Population, Settings, Site, cpu_milliseconds, cpu_milliseconds_of_children, find, poll, timed,
};

const CHECKS: usize = 10_000;
const INTERVAL: Duration = Duration::from_secs(10);
/// As many as one name takes.
const PER_SERVICE: usize = 100;
/// What the daemon's services say of their health.
const HEALTH: &str = "[service.health]\npolicy = \"withdraw\"\n\n\
                      [[service.check]]\ntype = \"http\"\nurl = \"http://{host}:{port}/healthz\"\ninterval = \"10s\"\n";
const LIMIT: Duration = Duration::from_mins(2);
/// What the prober's process is told by: the server's port and how many checks.
const PROBER: &str = "SRVCTL_BENCH_PROBER";
/// Requests that curl and ab have under way at once.
const AT_ONCE: &str = "64";

pub(crate) fn run(scale: Scale) -> Vec<Row> {
    let checks = scale.size(CHECKS);
    [by_prober(scale, checks), by_daemon(scale, checks)].concat()
}

fn by_prober(scale: Scale, checks: usize) -> Vec<Row> {
    let web = Web::start();
    let prober = Prober::start(web.address.port(), checks);
    rows("health", "srvctl's prober", (&web, prober.0.id()), (scale, checks))
}

/// Everything that is checked is published too, and would be withdrawn.
fn by_daemon(scale: Scale, checks: usize) -> Vec<Row> {
    let web = Web::start();
    let population = Population::of_instances(checks, PER_SERVICE).at(address(0), web.address.port(), HEALTH);
    let named = Named::filled(&population);
    let site = Site::new(&named, &population, &Settings { verifies: false, ..Settings::default() });
    let mut daemon = site.daemon();
    daemon.wait_in_sync();
    let passing = || {
        let status = Api::connect(&site.socket()).unwrap().expect(200, "GET", "/v1/status", None);
        status["health"]["passing"].as_u64()
    };
    let everybody = || (web.requests.load(Ordering::Relaxed) >= 2 * checks).then_some(());
    poll(LIMIT, everybody).expect("everybody is checked twice");
    let rows = rows("health-daemon", "the whole daemon", (&web, daemon.pid()), (scale, checks));
    assert_eq!(passing(), u64::try_from(checks).ok(), "all are well");
    named.assert_untouched();
    rows
}

/// What a process costs that makes so many checks of these servers in an interval, beside those who make them in one go.
fn rows(name: &str, what: &str, (web, pid): (&Web, u32), (scale, checks): (Scale, usize)) -> Vec<Row> {
    let (mut ours, mut curl, mut ab) = (Series::new(what), Series::new("curl --parallel"), Series::new("ab"));
    let urls = urls(web, checks);
    for _ in 0..scale.runs() {
        curl.push(web.cost_of(&mut curl_command(&urls), checks));
        ab.push(web.cost_of(&mut ab_command(web, checks), checks));
        ours.push(web.cost_in_an_interval(pid, checks));
    }
    let note = format!(
        "CPU seconds for {checks} requests, one connection each; srvctl spreads them over {} s and needs {:.0} MiB at most",
        INTERVAL.as_secs(),
        Memory::of(pid).peak
    );
    let row = |beside: &str, reference| {
        let (name, ours, note) = (format!("{name}-beside-{beside}"), ours.clone(), note.clone());
        Row { name, unit: "CPU s", ours, reference, target: Target::Most(1.0), note }
    };
    vec![row("curl", curl), row("ab", ab)]
}

/// Answers every request with 200, and counts them.
struct Web {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Web {
    fn start() -> Self {
        let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (address, requests) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let (handle, counted) = (runtime.handle().clone(), Arc::clone(&requests));
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let counted = Arc::clone(&counted);
                handle.spawn(async move {
                    let service = service_fn(|_| {
                        counted.fetch_add(1, Ordering::Relaxed);
                        async { Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from_static(b"well\n")))) }
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, requests, _runtime: runtime }
    }

    /// CPU seconds of a program that makes so many requests. Those of the prober that come meanwhile are its own affair.
    fn cost_of(&self, command: &mut Command, checks: usize) -> f64 {
        let (cpu, requests) = (cpu_milliseconds_of_children(), self.requests.load(Ordering::Relaxed));
        timed(command, None);
        let made = self.requests.load(Ordering::Relaxed) - requests;
        assert!(made >= checks, "{command:?} made only {made} requests");
        (cpu_milliseconds_of_children() - cpu) / 1000.0
    }

    /// CPU seconds of a process in one interval, made up to the number of checks by what it really made.
    fn cost_in_an_interval(&self, pid: u32, checks: usize) -> f64 {
        let (cpu, requests) = (cpu_milliseconds(pid), self.requests.load(Ordering::Relaxed));
        sleep(INTERVAL);
        let used = cpu_milliseconds(pid) - cpu;
        let made = self.requests.load(Ordering::Relaxed) - requests;
        assert!(made * 10 >= checks * 9, "{made} checks in {INTERVAL:?} instead of {checks}");
        let [made, checks] = [made, checks].map(|count| f64::from(u32::try_from(count).unwrap()));
        used / 1000.0 * checks / made
    }
}

/// The process with the prober, killed when dropped.
struct Prober(Child);

impl Prober {
    /// Starts it and waits until every check has been made once.
    fn start(port: u16, checks: usize) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        let mut child = command.env(PROBER, format!("{port} {checks}")).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "ready\n", "the prober ended early");
        Self(child)
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What this program does when it has been started as the prober: true when it was, and has ended.
#[allow(clippy::print_stdout, reason = "how it tells its parent that it may measure")]
pub(crate) fn is_prober() -> bool {
    let Ok(told) = env::var(PROBER) else { return false };
    let (port, checks) = told.split_once(' ').unwrap();
    let (port, checks): (u16, usize) = (port.parse().unwrap(), checks.parse().unwrap());
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (set, prober, mut observed) = probes(Limits::default());
        let running = runtime.handle().spawn(prober.run());
        set.set(jobs(port, checks));
        let mut made = 0;
        while let Some(observed) = observed.recv().await {
            assert_eq!(observed.result.verdict, Verdict::Passing, "{observed:?}");
            made += 1;
            if made == checks {
                println!("ready");
            }
        }
        running.await.unwrap();
    });
    true
}

fn jobs(port: u16, checks: usize) -> Vec<Job> {
    let kind = CheckKind::Http(HttpCheck {
        url: "http://{host}:{port}/healthz".parse().unwrap(),
        method: HttpMethod::Get,
        status: vec![200..=299],
        body: None,
        headers_file: None,
        tls: CheckTls::default(),
    });
    let (timeout, initial) = (Duration::from_secs(3), Condition::Passing);
    let check = Arc::new(Check { kind, interval: INTERVAL, timeout, rise: 2, fall: 3, initial });
    let job = |index: usize| Job {
        id: JobId(index as u64),
        check: Arc::clone(&check),
        target: ProbeTarget {
            host: format!("vm{index}.internal.local.").parse().unwrap(),
            port,
            addresses: vec![IpAddr::V4(address(index))],
        },
    };
    (0..checks).map(job).collect()
}

/// Another one for each, all of this machine.
fn address(index: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + u32::try_from(index).unwrap())
}

/// Curl's list of what to ask for.
fn urls(web: &Web, checks: usize) -> NamedTempFile {
    let mut lines = String::new();
    for index in 0..checks {
        let _ = writeln!(lines, "url = http://{}:{}/healthz\noutput = /dev/null", address(index), web.address.port());
    }
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines).unwrap();
    file
}

fn curl_command(urls: &NamedTempFile) -> Command {
    let mut command = Command::new(find("curl", "curl"));
    command.args(["--disable", "--silent", "--fail", "--parallel", "--parallel-max", AT_ONCE]);
    command.args(["--header", "Connection: close", "--config"]).arg(urls.path());
    command
}

fn ab_command(web: &Web, checks: usize) -> Command {
    let mut command = Command::new(find("ab", "apache2-utils"));
    command.args(["-q", "-n", &checks.to_string(), "-c", AT_ONCE]);
    command.arg(format!("http://127.0.0.1:{}/healthz", web.address.port()));
    command
}
