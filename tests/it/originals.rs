//! The originals: a real Prometheus and a real vmagent beside our look-ups, over the same servers that misbehave.
//!
//! Each row is a job of both, and one name. First every name has a good answer, so that there is something to keep or
//! to drop; then each row's servers do what the row says. What [`dns::views`] foretells has to be what the table says,
//! and what each original comes to; and where vmagent's look-up fails, it has to fail with our words.
//!
//! Debian's vmagent is built with Go 1.19, so that is the Go that is asked for here.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use srvctl::dns::{Options, Resolver, lookup, views};
use srvctl::model::{Name, Rdata, RecordType};
use srvctl::protocol::lookup::{
    Consumer, Fate, GoProblem, Profile, RESOLV_CONF, Release, Transport, Unknown, Verdict, View,
};

use tokio::runtime::Builder;

use crate::scripted::{Query, Reply, Script, Servers, Service};
use crate::support::{Named, Prometheus, Targets, Vmagent, in_private_network, runtime};

const FORMERR: u16 = 1;
const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;
const REFUSED: u16 = 5;
const BADVERS: u16 = 16;

/// What the table says of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Says {
    Kept,
    Dropped,
    Targets(&'static [&'static str]),
}
use Says::{Dropped, Kept};

const OLD: &str = "old.internal.local:1";
const GOOD: Says = Says::Targets(&["good.internal.local:8080"]);

/// What servers do with one name; the number is the server's place in resolv.conf.
struct Row {
    /// Job, and first label of the name.
    job: &'static str,
    script: fn(&Query, usize) -> Vec<Vec<u8>>,
    prometheus: Says,
    vmagent: Says,
}

/// The job whose name has an empty label.
const UNSENDABLE: &str = "unsendable";

/// The end of every name that is not given in full.
const SUFFIX: &str = "._tcp.internal.local.";

fn good(query: &Query) -> Vec<Vec<u8>> {
    one(&answer(query))
}

fn answer(query: &Query) -> Reply {
    query.reply().srv("good.internal.local.", 8080)
}

fn one(reply: &Reply) -> Vec<Vec<u8>> {
    vec![reply.bytes()]
}

fn failing(query: &Query, rcode: u16) -> Vec<Vec<u8>> {
    one(&query.reply().rcode(rcode))
}

/// The first server's doing, and SERVFAIL of the others: for rows that end badly.
fn alone(query: &Query, server: usize, first: impl Fn(&Query) -> Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    if server == 0 { first(query) } else { failing(query, SERVFAIL) }
}

/// The first server's doing, and a good answer of the others.
fn then_good(query: &Query, server: usize, first: impl Fn(&Query) -> Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    if server == 0 { first(query) } else { good(query) }
}

fn cname() -> Rdata {
    Rdata::from_wire(RecordType::CNAME, "real.internal.local.".parse::<Name>().unwrap().as_wire())
}

fn other_question(query: &Query) -> Vec<Vec<u8>> {
    one(&query.reply().question("other.example.").srv("foreign.internal.local.", 9))
}

fn garbage_then_good(query: &Query) -> Vec<Vec<u8>> {
    let whole = answer(query).bytes();
    vec![whole[..15].to_vec(), whole]
}

/// The table of both consumers, as far as two servers and one resolv.conf can make it.
#[rustfmt::skip]
const ROWS: [Row; 27] = [
    Row { job: UNSENDABLE, prometheus: Kept, vmagent: Dropped, script: |query, _| good(query) },
    Row { job: "servfail", prometheus: Kept, vmagent: Dropped, script: |query, _| failing(query, SERVFAIL) },
    Row { job: "refused", prometheus: Kept, vmagent: Dropped, script: |query, _| failing(query, REFUSED) },
    Row { job: "servfail-then-good", prometheus: GOOD, vmagent: GOOD,
        script: |query, server| then_good(query, server, |query| failing(query, SERVFAIL)) },
    Row { job: "nxdomain-then-good", prometheus: Dropped, vmagent: Dropped,
        script: |query, server| then_good(query, server, |query| failing(query, NXDOMAIN)) },
    Row { job: "lame-then-good", prometheus: Dropped, vmagent: GOOD,
        script: |query, server| then_good(query, server, |query| one(&query.reply().lame())) },
    Row { job: "nodata-then-good", prometheus: Dropped, vmagent: Dropped,
        script: |query, server| then_good(query, server, |query| one(&query.reply())) },
    Row { job: "silent-then-good", prometheus: GOOD, vmagent: GOOD,
        script: |query, server| then_good(query, server, |_| vec![]) },
    Row { job: "silent", prometheus: Kept, vmagent: Dropped, script: |_, _| vec![] },
    Row { job: "truncated", prometheus: GOOD, vmagent: GOOD,
        script: |query, server| alone(query, server, |query| match query.transport {
            Transport::Udp => one(&query.reply().truncated().srv("partial.internal.local.", 1)),
            Transport::Tcp => good(query),
        }) },
    Row { job: "truncated-over-tcp", prometheus: Kept, vmagent: Dropped,
        script: |query, server| alone(query, server, |query| one(&answer(query).truncated())) },
    Row { job: "formerr-for-opt", prometheus: Kept, vmagent: Dropped,
        script: |query, _| if query.opt { failing(query, FORMERR) } else { good(query) } },
    Row { job: "wrong-id-then-right", prometheus: GOOD, vmagent: GOOD,
        script: |query, server| alone(query, server, |query| {
            let wrong = query.reply().id(query.id ^ 1).srv("wrong.internal.local.", 1);
            vec![wrong.bytes(), answer(query).bytes()]
        }) },
    Row { job: "wrong-id", prometheus: Kept, vmagent: Dropped,
        script: |query, server| alone(query, server, |query| one(&answer(query).id(query.id ^ 1))) },
    Row { job: "wrong-id-over-tcp", prometheus: Kept, vmagent: Dropped,
        script: |query, server| alone(query, server, |query| match query.transport {
            Transport::Udp => one(&query.reply().truncated()),
            Transport::Tcp => one(&answer(query).id(query.id ^ 1)),
        }) },
    Row { job: "garbage-then-good", prometheus: Kept, vmagent: GOOD,
        script: |query, server| alone(query, server, garbage_then_good) },
    Row { job: "other-question", prometheus: Says::Targets(&["foreign.internal.local:9"]), vmagent: Dropped,
        script: |query, server| alone(query, server, other_question) },
    Row { job: "reflected", prometheus: Dropped, vmagent: Dropped,
        script: |query, server| alone(query, server, |query| vec![query.bytes.clone()]) },
    Row { job: "header-only", prometheus: Dropped, vmagent: Dropped,
        script: |query, server| alone(query, server, |query| vec![answer(query).bytes()[..12].to_vec()]) },
    Row { job: "servfail-with-answers", prometheus: Kept, vmagent: Dropped,
        script: |query, _| one(&answer(query).rcode(SERVFAIL)) },
    Row { job: "badvers-with-answers", prometheus: Kept, vmagent: GOOD,
        script: |query, _| one(&answer(query).rcode(BADVERS)) },
    Row { job: "additional-only", prometheus: Dropped, vmagent: Dropped,
        script: |query, _| one(&answer(query).all_additional()) },
    Row { job: "cname-and-srv", prometheus: GOOD, vmagent: GOOD,
        script: |query, _| one(&query.reply().answer(cname()).srv("good.internal.local.", 8080)) },
    Row { job: "cname-only", prometheus: Dropped, vmagent: Dropped,
        script: |query, _| one(&query.reply().answer(cname())) },
    Row { job: "compressed-target", prometheus: GOOD, vmagent: Dropped,
        script: |query, _| vec![answer(query).compressed()] },
    Row { job: "invalid-target", vmagent: Dropped,
        prometheus: Says::Targets(&["10.0.0.5:1", "good.internal.local:8080"]),
        script: |query, _| one(&answer(query).srv("10.0.0.5.", 1)) },
    Row { job: "twice-the-same", prometheus: GOOD, vmagent: GOOD,
        script: |query, _| one(&answer(query).srv("good.internal.local.", 8080)) },
];

/// What one run of the originals looks at.
struct Run<'a> {
    resolv_conf: String,
    rows: &'a [Row],
    /// What names end in: with a final dot there is no search list.
    suffix: &'static str,
    /// Which servers there are, by place.
    services: Vec<fn(Script) -> Service>,
    /// The rows that come out otherwise for vmagent built with the newest Go.
    differ_now: &'a [&'a str],
}

/// A job whose target counts the phases: what it shows was looked up after the phase had begun.
const SENTINEL: &str = "sentinel";

impl Run<'_> {
    fn make(&self) {
        // The servers have to go on while this thread waits for the originals.
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let phase = Arc::new(AtomicU16::new(1));
        fs::write(RESOLV_CONF, &self.resolv_conf).unwrap();
        let services = self.services.iter().enumerate().map(|(place, service)| service(self.script(place, &phase)));
        let servers = runtime.block_on(Servers::start_on_port_53(services));
        let names: Vec<(String, String)> = self.jobs().map(|job| (job.to_owned(), self.name(job))).collect();
        let jobs: Vec<(&str, &str)> = names.iter().map(|(job, name)| (&**job, &**name)).collect();
        let mut prometheus = Prometheus::start_scraping("1h", &jobs);
        let mut vmagent = Vmagent::start(&jobs);
        let old = self.targets(1, |row| self.old(row));
        prometheus.wait_until(&old);
        vmagent.wait_until(&old);

        phase.store(2, Ordering::Relaxed);
        let foretold = runtime.block_on(self.foretell());
        let of_prometheus = |row: usize| self.left(row, &foretold[row].prometheus);
        let of_vmagent = |row: usize| self.left(row, &foretold[row].vmagent);
        vmagent.wait_until(&self.targets(2, of_vmagent));
        prometheus.wait_until(&self.targets(2, of_prometheus));
        for row in self.rows.iter().filter(|row| row.prometheus == Kept) {
            prometheus.wait_for_a_failed_lookup(&self.name(row.job));
        }
        // Once more, so that what is kept is seen to be kept after it could not be looked up.
        phase.store(3, Ordering::Relaxed);
        prometheus.wait_until(&self.targets(3, of_prometheus));
        for (row, foretold) in self.rows.iter().zip(&foretold) {
            let said = vmagent.last_error(&self.name(row.job));
            match (&foretold.problem, &said) {
                (None, None) => {}
                (Some(problem), Some(said)) if said.ends_with(&format!(": {problem}")) => {}
                _ => panic!("{}: vmagent says {said:?}, and we {:?}", row.job, foretold.problem),
            }
        }
        drop(servers);
    }

    fn jobs(&self) -> impl Iterator<Item = &'static str> {
        self.rows.iter().map(|row| row.job).chain([SENTINEL])
    }

    fn name(&self, job: &str) -> String {
        if job == UNSENDABLE { format!("_{job}.{}", self.suffix) } else { format!("_{job}{}", self.suffix) }
    }

    /// What a row's job had in the first phase.
    fn old(&self, row: usize) -> Vec<String> {
        if self.rows[row].job == UNSENDABLE { Vec::new() } else { vec![OLD.to_owned()] }
    }

    /// What a row's job is left with.
    fn left(&self, row: usize, view: &View) -> Vec<String> {
        match &view.fate {
            Fate::Targets { targets } => targets.clone(),
            Fate::Kept => self.old(row),
            Fate::Dropped => Vec::new(),
        }
    }

    fn script(&self, place: usize, phase: &Arc<AtomicU16>) -> Script {
        let scripts: Vec<_> = self.rows.iter().map(|row| (row.job, row.script)).collect();
        let phase = Arc::clone(phase);
        Box::new(move |query| {
            let name = query.question.name.to_string();
            let job = name.split('.').next().and_then(|label| label.strip_prefix('_')).unwrap_or_default();
            let row = scripts.iter().find(|(of, _)| *of == job);
            match (phase.load(Ordering::Relaxed), row) {
                // The targets themselves.
                _ if query.question.record_type != RecordType::SRV => failing(query, NXDOMAIN),
                (1, Some(_)) => one(&query.reply().srv("old.internal.local.", 1)),
                (_, Some((_, script))) => script(query, place),
                (port, None) if job == SENTINEL => one(&query.reply().srv("sentinel.internal.local.", port)),
                _ => failing(query, NXDOMAIN),
            }
        })
    }

    fn targets(&self, phase: u16, of_row: impl Fn(usize) -> Vec<String>) -> Targets {
        let rows = self.rows.iter().enumerate().map(|(index, row)| (row.job.to_owned(), of_row(index)));
        let sentinel = (SENTINEL.to_owned(), vec![format!("sentinel.internal.local:{phase}")]);
        let jobs = rows.chain([sentinel]).filter(|(_, targets)| !targets.is_empty());
        jobs.map(|(job, targets)| (job, targets.into_iter().collect::<BTreeSet<_>>())).collect()
    }

    /// Looks every row up as the originals do; what that comes to has to be what the table says.
    async fn foretell(&self) -> Vec<Foretold> {
        let mut rows = tokio::task::JoinSet::new();
        for (index, row) in self.rows.iter().enumerate() {
            let name = self.name(row.job);
            rows.spawn(async move { (index, Foretold::of(&name).await) });
        }
        let mut foretold = rows.join_all().await;
        foretold.sort_by_key(|(index, _)| *index);
        for ((_, foretold), row) in foretold.iter().zip(self.rows) {
            assert_eq!(foretold.prometheus.fate, row.prometheus.fate(), "Prometheus, {}: {foretold:?}", row.job);
            assert_eq!(foretold.vmagent.fate, row.vmagent.fate(), "vmagent, {}: {foretold:?}", row.job);
        }
        let differ = foretold.iter().zip(self.rows).filter(|((_, foretold), _)| foretold.differs_now);
        assert_eq!(differ.map(|(_, row)| row.job).collect::<Vec<_>>(), self.differ_now);
        foretold.into_iter().map(|(_, foretold)| foretold).collect()
    }
}

impl Says {
    fn fate(self) -> Fate {
        match self {
            Self::Kept => Fate::Kept,
            Self::Dropped => Fate::Dropped,
            Self::Targets(targets) => {
                Fate::Targets { targets: targets.iter().map(|&target| target.to_owned()).collect() }
            }
        }
    }
}

/// What we say of a row.
#[derive(Debug)]
struct Foretold {
    prometheus: View,
    vmagent: View,
    /// Why vmagent's look-up fails, if it does.
    problem: Option<GoProblem>,
    /// Whether something else becomes of its targets with the newest Go.
    differs_now: bool,
}

impl Foretold {
    async fn of(name: &str) -> Self {
        let debian = Profile::VMAGENT.built_with(Release::Go1_19);
        let options = Options { consumer: Consumer::Go, profile: debian, ..Options::default() };
        let both = views(&Resolver::System, name, &options);
        let go = lookup(&Resolver::System, name, RecordType::SRV, options.clone());
        let newest = Options::default();
        let now = views(&Resolver::System, name, &newest);
        let (both, go, now) = tokio::join!(both, go, now);
        assert_eq!(both.prometheus.fate, now.prometheus.fate, "{name}");
        let problem = match go.verdict {
            Verdict::Records(_) => None,
            Verdict::Empty { .. } => Some(GoProblem::NoSuchHost),
            Verdict::Unknown { reason: Unknown::Go(error), .. } => Some(error.problem),
            Verdict::Unknown { reason, .. } => panic!("{name}: {reason}"),
        };
        let differs_now = both.vmagent.fate != now.vmagent.fate;
        Self { prometheus: both.prometheus, vmagent: both.vmagent, problem, differs_now }
    }
}

/// Fast enough for vmagent, which makes its look-ups one after the other; Prometheus does not heed it.
const OPTIONS: &str = "options timeout:1 attempts:1\n";

/// TC over TCP is used now, BADVERS heeded, and a compressed target read.
const DIFFER_NOW: [&str; 3] = ["truncated-over-tcp", "badvers-with-answers", "compressed-target"];

#[test]
fn one_answer_means_what_each_original_makes_of_it() {
    in_private_network("originals::one_answer_means_what_each_original_makes_of_it", || {
        let resolv_conf = format!("nameserver 127.0.0.2\nnameserver 127.0.0.3\n{OPTIONS}");
        let services: Vec<fn(Script) -> Service> = vec![Service::Scripted, Service::Scripted];
        Run { resolv_conf, rows: &ROWS, suffix: SUFFIX, services, differ_now: &DIFFER_NOW }.make();
    });
}

/// Whether it is the name with the suffix that is asked for.
fn is_suffixed(query: &Query) -> bool {
    query.question.name.is_within(&"corp.".parse::<Name>().unwrap())
}

fn by_suffix(
    query: &Query,
    bare: impl Fn(&Query) -> Vec<Vec<u8>>,
    suffixed: impl Fn(&Query) -> Vec<Vec<u8>>,
) -> Vec<Vec<u8>> {
    if is_suffixed(query) { suffixed(query) } else { bare(query) }
}

#[rustfmt::skip]
const SEARCHED: [Row; 4] = [
    Row { job: "absent", prometheus: GOOD, vmagent: GOOD,
        script: |query, _| by_suffix(query, |query| failing(query, NXDOMAIN), good) },
    Row { job: "servfail-then-absent", prometheus: Kept, vmagent: Dropped,
        script: |query, _| by_suffix(query, |query| failing(query, SERVFAIL), |query| failing(query, NXDOMAIN)) },
    Row { job: "servfail-then-good", prometheus: GOOD, vmagent: Dropped,
        script: |query, _| by_suffix(query, |query| failing(query, SERVFAIL), good) },
    Row { job: "nodata", prometheus: Dropped, vmagent: GOOD,
        script: |query, _| by_suffix(query, |query| one(&query.reply()), good) },
];

#[test]
fn the_search_list_leads_them_apart() {
    in_private_network("originals::the_search_list_leads_them_apart", || {
        let resolv_conf = format!("nameserver 127.0.0.2\nsearch corp\n{OPTIONS}");
        let services: Vec<fn(Script) -> Service> = vec![Service::Scripted];
        Run { resolv_conf, rows: &SEARCHED, suffix: "._tcp.internal.local", services, differ_now: &[] }.make();
    });
}

const ABSENT: [Row; 1] =
    [Row { job: "absent", prometheus: Kept, vmagent: Dropped, script: |query, _| failing(query, NXDOMAIN) }];

#[test]
fn the_search_dot_cannot_be_sent() {
    in_private_network("originals::the_search_dot_cannot_be_sent", || {
        let resolv_conf = format!("nameserver 127.0.0.2\nsearch .\n{OPTIONS}");
        let services: Vec<fn(Script) -> Service> = vec![Service::Scripted];
        Run { resolv_conf, rows: &ABSENT, suffix: "._tcp.internal.local", services, differ_now: &[] }.make();
    });
}

#[rustfmt::skip]
const FOUR_SERVERS: [Row; 2] = [
    Row { job: "only-the-fourth-is-good", prometheus: GOOD, vmagent: Dropped,
        script: |query, server| if server == 3 { good(query) } else { failing(query, SERVFAIL) } },
    Row { job: "truncated-and-tcp-refused", prometheus: GOOD, vmagent: GOOD,
        script: |query, server| then_good(query, server, |query| one(&query.reply().truncated())) },
];

#[test]
fn the_fourth_server_is_prometheus_alone() {
    in_private_network("originals::the_fourth_server_is_prometheus_alone", || {
        let nameservers: Vec<_> = (2..6).map(|last| format!("nameserver 127.0.0.{last}\n")).collect();
        let services: Vec<fn(Script) -> Service> =
            vec![Service::UdpOnly, Service::Scripted, Service::Scripted, Service::Scripted];
        Run {
            resolv_conf: nameservers.concat() + OPTIONS,
            rows: &FOUR_SERVERS,
            suffix: SUFFIX,
            services,
            differ_now: &[],
        }
        .make();
    });
}

/// An ordinary zone on an ordinary server: more records than fit in a datagram, then no server at all.
#[test]
fn an_outage_empties_vmagent_and_not_prometheus() {
    in_private_network("originals::an_outage_empties_vmagent_and_not_prometheus", || {
        let record =
            |host| format!("_jenkins._tcp IN SRV 0 0 8080 host-{host:05}\nhost-{host:05} IN A 192.0.2.{host}\n");
        let records = (0..40).map(record).collect::<Vec<_>>().concat();
        let mut named = Named::builder().listen(([127, 0, 0, 1], 53).into()).records(&records).start();
        let name = "_jenkins._tcp.internal.local";
        let jobs = [("jenkins", name)];
        let runtime = runtime();
        let foretell = || runtime.block_on(views(&Resolver::System, name, &Options::default()));
        let all: BTreeSet<_> = (0..40).map(|host| format!("host-{host:05}.internal.local:8080")).collect();
        let discovered: Targets = [("jenkins".to_owned(), all.clone())].into();
        let foretold = foretell();
        assert!(foretold.agree(), "{foretold:?}");
        assert_eq!(foretold.vmagent.fate, Fate::Targets { targets: all.into_iter().collect() });
        let (mut prometheus, mut vmagent) = (Prometheus::start_scraping("1h", &jobs), Vmagent::start(&jobs));
        prometheus.wait_until(&discovered);
        vmagent.wait_until(&discovered);

        named.stop();
        let foretold = foretell();
        let fates = foretold.all().map(|(_, view)| view.fate.clone());
        assert_eq!(fates, [Fate::Kept, Fate::Dropped, Fate::Kept], "{foretold:?}");
        vmagent.wait_until(&Targets::new());
        prometheus.wait_for_a_failed_lookup(name);
        prometheus.wait_until(&discovered);
        let said = vmagent.last_error(name).unwrap();
        assert!(said.ends_with("connection refused"), "{said}");
        assert!(foretold.vmagent.reason.ends_with("connection refused"), "{foretold:?}");
    });
}
