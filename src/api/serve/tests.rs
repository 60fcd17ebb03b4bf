//! How long is waited for whom.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;

use super::*;
use crate::api::backend::{Accepted, Answer, Goal, Proof, View};
use crate::api::discovery::{Listed, Unlisted};
use crate::api::metrics::Exposition;
use crate::model::health::{HealthStatus, Maintained, Maintenance, ProbeResult, Transition};
use crate::model::{DaemonStatus, Event, InstanceId, Name, Principal, ServiceKey};
use crate::reconcile::PlanId;
use crate::reconcile::discovery::Selection;
use crate::reconcile::registry::{Decision, Refused, Request};

/// Nobody gets as far as to ask it.
struct Nothing;

impl Backend for Nothing {
    fn status(&self) -> DaemonStatus {
        unimplemented!()
    }

    fn metrics(&self, _: Exposition) -> String {
        unimplemented!()
    }

    fn targets(&self, _: &Selection, _: &Principal) -> Result<Listed, Unlisted> {
        unimplemented!()
    }

    fn zones(&self) -> &[Name] {
        &[]
    }

    fn view(&self, _: &mut dyn FnMut(View<'_>)) {
        unimplemented!()
    }

    fn make(&self, _: Principal, _: Request, _: bool) -> Answer<'_, Result<Decision, Refused>> {
        unimplemented!()
    }

    fn prove<'a>(&'a self, _: &'a ServiceKey, _: Vec<Goal>, _: Duration) -> Answer<'a, Vec<Proof>> {
        unimplemented!()
    }

    fn history(&self, _: Option<ServiceKey>, _: Option<u64>, _: usize) -> Answer<'_, Result<Vec<Event>, Refused>> {
        unimplemented!()
    }

    fn health(&self) -> BTreeMap<ServiceKey, Arc<HealthStatus>> {
        unimplemented!()
    }

    fn health_of(&self, _: &ServiceKey) -> Option<Arc<HealthStatus>> {
        unimplemented!()
    }

    fn transitions(
        &self,
        _: Option<ServiceKey>,
        _: Option<u64>,
        _: usize,
    ) -> Answer<'_, Result<Vec<(u64, Transition)>, Refused>> {
        unimplemented!()
    }

    fn maintenance(&self) -> BTreeMap<Maintained, Maintenance> {
        unimplemented!()
    }

    fn maintain(&self, _: &Principal, _: (Maintained, Option<Maintenance>)) -> Answer<'_, Result<(), Refused>> {
        unimplemented!()
    }

    fn say(&self, _: ServiceKey, _: InstanceId, _: ProbeResult, _: bool) {
        unimplemented!()
    }

    fn now(&self) -> u64 {
        unimplemented!()
    }

    fn accept(&self, _: PlanId) -> Answer<'_, Accepted> {
        unimplemented!()
    }
}

/// A connection that is served as long as the second is kept, and what tells to stop.
async fn connected() -> (DuplexStream, Connections, watch::Sender<bool>) {
    let (client, server) = duplex(1 << 20);
    let (stop, stopped) = watch::channel(false);
    let site = Site::new(Arc::new(Nothing), Arc::new(Access::default()));
    let mut connections = Connections::new(served(site), stopped, 1);
    let room = connections.room().await;
    connections.start(ready(Some((Peer::Local { uid: 0 }, server, Seat::default()))), room);
    (client, connections, stop)
}

/// What is answered to these bytes until the connection ends, and after how long that is.
async fn answer(bytes: &[u8]) -> (String, Duration) {
    let (mut client, _served, _stop) = connected().await;
    let began = Instant::now();
    client.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    (String::from_utf8(answer).unwrap(), began.elapsed())
}

const IMPORT: &str = "POST /v1/catalogue HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end() {
    let (_, after) = answer(b"GET /v1/status HTTP/1.1\r\nho").await;
    assert!((HEAD_LIMIT..HEAD_LIMIT * 2).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes() {
    let (answer, after) = answer(format!("{IMPORT}connection: close\r\ncontent-length: 10\r\n\r\n{{").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("application/problem+json"), "{answer}");
    assert!((Duration::from_secs(30)..Duration::from_mins(1)).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large() {
    let body = format!("{{\"x\": \"{}\"}}", "y".repeat(64 * 1024));
    let head = "PUT /v1/services/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let (answer, _) = answer(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("application/problem+json"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_asks_for_ever() {
    let (mut client, _served, _stop) = connected().await;
    let began = Instant::now();
    let mut buffer = [0; 4096];
    while client.write_all(b"GET /v1/nothing HTTP/1.1\r\nhost: x\r\n\r\n").await.is_ok()
        && client.read(&mut buffer).await.is_ok_and(|read| read > 0)
    {
        sleep(Duration::from_secs(5)).await;
    }
    assert!((LIFETIME..LIFETIME * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_whole_leaves_when_the_daemon_stops() {
    for said in ["", "GET /v1/hea"] {
        let (mut client, _served, stop) = connected().await;
        client.write_all(said.as_bytes()).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        stop.send(true).unwrap();
        let began = Instant::now();
        let _ = client.read_to_end(&mut Vec::new()).await;
        assert!(began.elapsed() <= LATE * 2, "{said:?}: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn who_came_before_the_daemon_stops_is_answered() {
    let (mut client, _served, stop) = connected().await;
    sleep(Duration::from_millis(1)).await;
    stop.send(true).unwrap();
    sleep(Duration::from_millis(1)).await;
    client.write_all(b"GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn nobody_takes_all_the_seats() {
    let (seats, one, other) = (Seats::default(), IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
    let taken: Vec<_> = (0..3).map(|_| seats.take(one, 2)).collect();
    assert_eq!(taken.iter().filter(|seat| seat.is_some()).count(), 2);
    assert!(seats.take(other, 2).is_some());
    drop(taken);
    assert!(seats.take(one, 2).is_some());
    assert!(seats.lock().is_empty(), "nobody who has left is remembered");
}
