//! Many lookups at once come to the verdicts that each of them would come to alone, whatever the servers do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use srvctl::dns::{Options, Resolver, lookup};
use srvctl::model::{RecordType, RrsetKey};
use srvctl::protocol::lookup::{Transport, Verdict};
use tokio::sync::Semaphore;

use crate::scripted::{Query, Servers, Service, always, good, replying, scripted};

const NXDOMAIN: u16 = 3;
const SERVFAIL: u16 = 2;

fn questions(count: usize) -> Vec<RrsetKey> {
    let name = |number| format!("_s{number}._tcp.internal.local").parse().unwrap();
    (0..count).map(|number| RrsetKey::new(name(number), RecordType::SRV)).collect()
}

async fn together(servers: &Servers, count: usize, at_once: usize) -> Vec<Verdict> {
    let resolver = Resolver::Servers(servers.list());
    resolver.look_up_all(&questions(count), &Arc::new(Semaphore::new(at_once))).await
}

/// A verdict without what differs from one time to the next: the ID.
fn said(mut verdict: Verdict) -> Verdict {
    let reply = match &mut verdict {
        Verdict::Records(answer) => Some(&mut answer.reply),
        Verdict::Empty { reply, .. } | Verdict::Unknown { reply, .. } => reply.as_mut(),
    };
    if let Some(reply) = reply {
        reply.message.header.id = 0;
    }
    verdict
}

async fn assert_as_alone(what: &str, services: impl IntoIterator<Item = Service>) {
    let servers = Servers::start(services).await;
    let resolver = Resolver::Servers(servers.list());
    let together = together(&servers, 5, 3).await;
    for (question, verdict) in questions(5).iter().zip(together) {
        let name = question.name.to_string();
        let alone = lookup(&resolver, &name, RecordType::SRV, Options::default()).await;
        assert_eq!(said(verdict), said(alone.verdict), "{what}: {name}");
    }
}

/// The number in the name that is asked for, so that each has an answer of its own.
fn number(query: &Query) -> u16 {
    query.question.name.to_string()[2..3].parse().unwrap()
}

fn numbered() -> Service {
    replying(|query| query.reply().srv("host-1.internal.local.", number(query)))
}

#[tokio::test]
async fn honest_servers() {
    assert_as_alone("good", [numbered()]).await;
    assert_as_alone("absent", [always(NXDOMAIN)]).await;
    assert_as_alone("empty", [always(0)]).await;
    assert_as_alone("the second is good", [always(SERVFAIL), numbered()]).await;
    assert_as_alone("nobody listens", [Service::Unreachable]).await;
}

#[tokio::test]
async fn cut_replies_are_fetched_over_tcp() {
    let large = |query: &Query| match query.transport {
        Transport::Udp => query.reply().truncated(),
        Transport::Tcp => query.reply().srv("host-1.internal.local.", number(query)),
    };
    assert_as_alone("large", [replying(large)]).await;
}

#[tokio::test]
async fn what_nobody_checks() {
    let of = |query: &Query| query.reply().srv("host-1.internal.local.", number(query));
    assert_as_alone("another question", [replying(move |query| of(query).question("other.example."))]).await;
    assert_as_alone("reflected", [scripted(|query| vec![query.bytes.clone()])]).await;
    assert_as_alone("only a header", [scripted(move |query| vec![of(query).bytes()[..12].to_vec()])]).await;
}

#[tokio::test]
async fn garbage_ends_an_exchange_whatever_its_id() {
    for flip in [0, 1] {
        let service = scripted(move |query| {
            let reply = query.reply().srv("host-1.internal.local.", number(query));
            let garbage = reply.clone().id(query.id ^ flip).bytes();
            vec![garbage[..garbage.len() - 3].to_vec(), reply.bytes()]
        });
        assert_as_alone("garbage", [service, always(NXDOMAIN)]).await;
    }
}

#[tokio::test]
async fn replies_find_their_questions_in_any_order_and_twice() {
    let held = std::sync::Mutex::new(Vec::new());
    let servers = Servers::start([scripted(move |query| {
        let mut held = held.lock().unwrap();
        held.push(query.reply().srv("host-1.internal.local.", number(query)).bytes());
        // Every other query lets all go that came so far, the latest first.
        if held.len().is_multiple_of(2) { held.iter().rev().cloned().collect() } else { Vec::new() }
    })])
    .await;
    let found = together(&servers, 8, 4).await.into_iter().map(|verdict| match verdict {
        Verdict::Records(answer) => answer.addresses(0).collect(),
        other => panic!("{other:?}"),
    });
    let found: Vec<String> = found.collect();
    let expected: Vec<_> = (0..8).map(|number| format!("host-1.internal.local:{number}")).collect();
    assert_eq!(found, expected);
    assert_eq!(servers.asked(0), ["UDP+OPT"; 8]);
}

#[tokio::test]
async fn silence_and_floods_cost_each_lookup_no_more_than_its_deadline() {
    for service in [scripted(|_| vec![]), Service::Flood] {
        let servers = Servers::start([service, good()]).await;
        let started = Instant::now();
        let verdicts = together(&servers, 8, 4).await;
        assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Records(_))), "{verdicts:?}");
        let took = started.elapsed();
        assert!(took >= Duration::from_secs(4) && took < Duration::from_secs(12), "{took:?}");
    }
}

#[tokio::test]
async fn there_are_never_more_than_the_permits() {
    let permits = Arc::new(Semaphore::new(3));
    let servers = Servers::start([scripted(|_| vec![])]).await;
    let resolver = Resolver::Servers(servers.list());
    let (questions, more) = (questions(6), questions(6));
    let all = async { tokio::join!(resolver.look_up_all(&questions, &permits), resolver.look_up_all(&more, &permits)) };
    let cut = tokio::time::timeout(Duration::from_millis(1500), all).await;
    assert!(cut.is_err());
    assert_eq!(servers.asked(0).len(), 3);
    assert_eq!(permits.available_permits(), 3, "what is dropped gives its permits back");
}
