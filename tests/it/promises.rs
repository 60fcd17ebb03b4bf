//! The daemon killed at any moment while many register: what was acknowledged is there, what was not is there wholly or
//! not at all, and nothing stays that nobody registered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Api, Daemon, Named, Workspace};

const KILLS: usize = 300;
const CLIENTS: u16 = 8;
const INSTANCES: u16 = 40;
/// Longer than a daemon takes to start and to publish a few.
const LIFE: Duration = Duration::from_millis(250);

/// What a client knows of one instance: its weight, or none when it is deregistered; several, when the daemon died
/// before it said.
type Known = BTreeSet<Option<u16>>;

/// Registers and deregisters its own instances until told to stop, and remembers what it was promised.
fn client(socket: &Path, number: u16, stop: &AtomicBool, promised: &AtomicUsize) -> BTreeMap<u16, Known> {
    let mut known: BTreeMap<u16, Known> = (0..INSTANCES).map(|instance| (instance, [None].into())).collect();
    if number == 0 {
        known.insert(0, [Some(1)].into());
    }
    let mut connection = None;
    while !stop.load(Ordering::Relaxed) {
        let Some(api) = connection.as_mut() else {
            connection = Api::connect(socket);
            if connection.is_none() {
                thread::sleep(Duration::from_millis(5));
            }
            continue;
        };
        let instance = rand::random_range(0..INSTANCES);
        // Mostly registered, so that no removal is ever a large share.
        let weight = (rand::random_range(0..4) > 0).then(|| rand::random_range(1..1000));
        let path = format!("/v1/services/svc{number}/instances/i{instance}");
        let answer = match weight {
            Some(weight) => api.try_ask("PUT", &path, Some(&body(number, instance, weight))),
            None => api.try_ask("DELETE", &path, None),
        };
        let states = known.get_mut(&instance).unwrap();
        match answer.map(|answer| (answer.status, answer)) {
            Some((200, _)) => {
                *states = [weight].into();
                promised.fetch_add(1, Ordering::Relaxed);
            }
            // Not yet, or not any more: nothing was done.
            Some((503, _)) => {}
            Some((_, answer)) => panic!("{path}: {answer:?}"),
            None => {
                states.insert(weight);
                connection = None;
            }
        }
    }
    known
}

fn body(client: u16, instance: u16, weight: u16) -> Value {
    let address = format!("10.1.{client}.{instance}");
    json!({ "host": format!("c{client}i{instance}"), "port": 80, "weight": weight, "addresses": [address] })
}

/// Waits until the daemon may remove what it does not know.
fn confirmed(workspace: &Workspace, daemon: &mut Daemon) {
    daemon.wait_in_sync();
    let mut api = Api::connect(&workspace.socket()).unwrap();
    // One stays: the last service of a zone is never removed unasked.
    for id in 0..2 {
        let path = format!("/v1/services/svc0/instances/i{id}?wait=30");
        api.expect(200, "PUT", &path, Some(&body(0, id, 1)));
    }
    let gone = api.expect(200, "DELETE", "/v1/services/svc0/instances/i1?wait=30", None);
    assert_eq!(gone["verified"]["ok"], true, "{gone}");
}

/// The weight of every instance in the zone, by service and host; each with its address and both markers.
fn published(named: &Named) -> BTreeMap<(u16, u16), u16> {
    let zone: BTreeSet<String> = named.zone_text().into_iter().collect();
    let mut found = BTreeMap::new();
    for line in zone.iter().filter(|line| line.contains(" SRV ")) {
        let words: Vec<_> = line.split(' ').collect();
        let [owner, _, _, _, _, weight, _, target] = words[..] else { panic!("{line}") };
        let host = target.strip_suffix(".internal.local.").unwrap();
        let (client, instance) = host.strip_prefix('c').unwrap().split_once('i').unwrap();
        assert_eq!(owner, format!("_svc{client}._tcp.internal.local."));
        for wanted in [
            format!("{target} 300 IN A 10.1.{client}.{instance}"),
            format!(r#"_srvctl.{target} 300 IN TXT "v=1 owner=test1 types=A""#),
            format!(r#"_srvctl.{owner} 300 IN TXT "v=1 owner=test1 types=SRV""#),
        ] {
            assert!(zone.contains(&wanted), "{line} without {wanted}");
        }
        found.insert((client.parse().unwrap(), instance.parse().unwrap()), weight.parse().unwrap());
    }
    let addresses = zone.iter().filter(|line| line.contains(" A 10.1.")).count();
    assert_eq!(addresses, found.len(), "an address without an instance:\n{zone:?}");
    found
}

#[test]
fn nothing_acknowledged_is_lost_when_the_daemon_is_killed() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    // A pattern without files would hold every removal.
    workspace.write_service("none.toml", "# none");
    let mut daemon = workspace.daemon();
    confirmed(&workspace, &mut daemon);
    let (stop, promised) = (AtomicBool::new(false), AtomicUsize::new(0));
    let socket = workspace.socket();
    let mut killed_at = Vec::new();
    let mut running = Some(daemon);
    let known: Vec<_> = thread::scope(|scope| {
        let (socket, stop, promised) = (&socket, &stop, &promised);
        let start = |number| scope.spawn(move || client(socket, number, stop, promised));
        let clients: Vec<_> = (0..CLIENTS).map(start).collect();
        for _ in 0..KILLS {
            // The moment is the point here; there is no state to wait for.
            thread::sleep(LIFE.mul_f64(rand::random::<f64>()));
            drop(running.take());
            killed_at.push(promised.load(Ordering::Relaxed));
            running = Some(workspace.daemon());
        }
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    killed_at.dedup();
    assert!(killed_at.len() > KILLS / 4, "most daemons died before they promised anything: {killed_at:?}");
    running.as_mut().unwrap().wait_in_sync();
    let found = published(&named);
    for (client, known) in (0..).zip(&known) {
        for (instance, states) in known {
            let is = found.get(&(client, *instance)).copied();
            assert!(states.contains(&is), "client {client} instance {instance}: {is:?}, and not {states:?}");
        }
    }
    let mut api = Api::connect(&socket).unwrap();
    let listed = api.expect(200, "GET", "/v1/instances?limit=1000", None);
    assert_eq!(listed["instances"].as_array().unwrap().len(), found.len());
    workspace.expect(0, &["plan"]);
    workspace.expect(0, &["verify"]);
}
