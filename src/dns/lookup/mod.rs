//! Carries out a lookup: moves the bytes that [`crate::protocol::lookup`] gives out, and nothing else.

mod exchange;
mod go;
mod together;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use go::views;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::model::{DNS_PORT, RecordType, RrsetKey, Server};
use crate::protocol::lookup::{
    Attempt, Consumer, DEFAULT_NDOTS, Exchange, Lookup, Profile, RESOLV_CONF, Reply, ResolvConf, Step, Unknown, Verdict,
};

/// Whom a lookup asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolver {
    /// Whom Prometheus on this machine asks: the servers and search list of resolv.conf, read at every lookup.
    System,
    /// These servers in this order, without a search list.
    Servers(Vec<Server>),
}

impl Resolver {
    /// Looks many names up at once, as far as there are permits: each lookup under way holds one. The verdicts come in
    /// the order of the questions, and each is the one that [`lookup`] would have come to.
    pub async fn look_up_all(&self, questions: &[RrsetKey], permits: &Arc<Semaphore>) -> Vec<Verdict> {
        together::look_up_all(self, questions, permits).await
    }
}

/// How a lookup may differ from Prometheus'. The default is not to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whose look-up is made.
    pub consumer: Consumer,
    /// How [`Consumer::Go`] uses Go's resolver.
    pub profile: Profile,
    /// Asks over TCP from the start.
    pub force_tcp: bool,
    /// The file that [`Resolver::System`] reads.
    pub resolv_conf: PathBuf,
    /// The port of the servers in that file.
    pub port: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            consumer: Consumer::Prometheus,
            profile: Profile::VMAGENT,
            force_tcp: false,
            resolv_conf: PathBuf::from(RESOLV_CONF),
            port: DNS_PORT,
        }
    }
}

/// What a lookup found, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupReport {
    /// What it means to the consumer.
    pub verdict: Verdict,
    /// Each attempt, in order, with the time that it took.
    pub attempts: Vec<Attempt>,
    /// How long all of it took.
    pub took: Duration,
}

impl LookupReport {
    /// The final reply, the server that sent it and the transport that it came over.
    pub fn reply(&self) -> Option<&Reply> {
        self.verdict.reply()
    }
}

/// Looks a name up as Prometheus does, or as another consumer. It cannot fail: what went wrong is part of the report.
pub async fn lookup(resolver: &Resolver, name: &str, record_type: RecordType, options: Options) -> LookupReport {
    if options.consumer == Consumer::Go {
        return go::lookup(resolver, name, record_type, &options).await;
    }
    let started = Instant::now();
    let mut machine = match begin(resolver, name, record_type, &options).await {
        Ok(machine) if options.force_tcp => machine.over_tcp(),
        Ok(machine) => machine,
        Err(error) => {
            return LookupReport { verdict: without_servers(&error), attempts: Vec::new(), took: started.elapsed() };
        }
    };
    let first = machine.next(rand::random());
    let verdict = go_on(&mut machine, first).await;
    LookupReport { verdict, attempts: machine.into_attempts(), took: started.elapsed() }
}

/// Carries a lookup to its end.
async fn go_on(machine: &mut Lookup, mut step: Step) -> Verdict {
    loop {
        match step {
            Step::Done(verdict) => return verdict,
            Step::Exchange(exchange) => step = make(machine, &exchange).await,
        }
    }
}

/// Makes the exchange that a lookup asked for, and says what comes next.
async fn make(machine: &mut Lookup, exchange: &Exchange) -> Step {
    let began = Instant::now();
    let result = exchange::carry_out(exchange).await;
    machine.finish(result, began.elapsed());
    machine.next(rand::random())
}

fn without_servers(error: &io::Error) -> Verdict {
    Verdict::Unknown { reason: Unknown::NoResolvConf(error.to_string()), reply: None }
}

async fn begin(resolver: &Resolver, name: &str, record_type: RecordType, options: &Options) -> io::Result<Lookup> {
    let conf = match resolver {
        Resolver::Servers(servers) => {
            return Ok(Lookup::new(servers.clone(), &[], DEFAULT_NDOTS, name, record_type));
        }
        Resolver::System => {
            let path = &options.resolv_conf;
            let with_path = |error: io::Error| io::Error::other(format!("{}: {error}", path.display()));
            let bytes = tokio::fs::read(path).await.map_err(with_path)?;
            ResolvConf::parse(&String::from_utf8_lossy(&bytes))
        }
    };
    let servers = conf.servers.into_iter().map(|host| Server::new(host, options.port)).collect();
    Ok(Lookup::new(servers, &conf.search, conf.ndots, name, record_type))
}
