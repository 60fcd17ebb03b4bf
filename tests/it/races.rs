//! Two srvctl with different owners that want the same names: each name is wholly one's, whoever it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;
use srvctl::dns::Primary;
use srvctl::model::{Catalogue, Instance, OwnerId, Place, Service, ServiceKey, Zone};
use srvctl::protocol::rcode::Rcode;
use srvctl::reconcile::{Desired, ZonePolicy, desired, plan};

use crate::support::{
    Daemon, NameServer, Named, Settings, State, Workspace, outcome, owner_name, primary, runtime, service, state_of,
    strings,
};

const CONTESTED: [&str; 5] = ["a", "b", "c", "d", "e"];
/// Claims, changes and releases of each of the two.
const ROUNDS: u16 = 1500;

/// One of two that race inside this process, by the functions that the daemon runs.
struct Contender {
    primary: Primary,
    owner: OwnerId,
    random: u64,
    tally: Tally,
    /// What may be said of a name beside a lost race.
    forgiven: Option<Rcode>,
}

#[derive(Debug, Default)]
struct Tally {
    accepted: usize,
    conflicts: usize,
    lost: usize,
}

impl Contender {
    fn new(server: &(impl NameServer + ?Sized), owner: &str, seed: u64) -> Self {
        let primary = primary(server, server.address());
        Self { primary, owner: owner.parse().unwrap(), random: seed, tally: Tally::default(), forgiven: None }
    }

    /// xorshift64: the same wishes in every run.
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// About half of the names, in another state every round.
    fn wish(&mut self, round: u16) -> Desired {
        let wanted: Vec<_> = CONTESTED.into_iter().filter(|_| self.next().is_multiple_of(2)).collect();
        let state = State { owner: self.owner.to_string(), port: 1000 + round };
        desire(wanted.into_iter().map(|name| contested_service(name, &state)))
    }

    async fn race(&mut self, rounds: u16) {
        for round in 0..rounds {
            let desired = self.wish(round);
            self.round(&desired).await;
        }
    }

    async fn round(&mut self, desired: &Desired) {
        let live = self.read().await;
        let plan = plan(&self.owner, desired, &live);
        self.tally.conflicts += plan.conflicts.len();
        if plan.updates.is_empty() {
            return;
        }
        let pushed = self.primary.push(&plan.updates).await.unwrap();
        let lost = |rcode: Rcode| rcode.is_lost_race() || Some(rcode) == self.forgiven;
        assert!(pushed.refused.iter().all(|refused| lost(refused.rcode)), "{pushed:?}");
        self.tally.lost += pushed.refused.len();
        self.tally.accepted += plan.updates.len() - pushed.refused.len();
        self.read().await;
    }

    async fn read(&self) -> Zone {
        let live = self.primary.transfer().await.unwrap();
        assert_whole(&live);
        live
    }
}

fn desire(services: impl IntoIterator<Item = Service>) -> Desired {
    let catalogue: Catalogue = services.into_iter().map(|service| (service.key.clone(), service.into())).collect();
    let policy = ZonePolicy {
        name: "internal.local".parse().unwrap(),
        ttl: 300,
        max_records_per_rrset: 100,
        max_delete_percent: 100,
    };
    desired(&catalogue, &[policy], &[]).remove(0)
}

fn contested_service(name: &str, state: &State) -> Service {
    let place = || Place { file: "contested.toml".into(), line: 1, column: 1 };
    let host = |host: &str| format!("{host}.internal.local").parse().unwrap();
    let instance = |name: &str| Instance::new(host(name), state.port.try_into().unwrap(), place());
    let zone = "internal.local".parse().unwrap();
    Service {
        metadata: BTreeMap::from([("state".to_owned(), format!("{}-{}", state.owner, state.port))]),
        instances: ["h1", "h2"].map(instance).into(),
        ..Service::new(ServiceKey { name: name.to_owned(), proto: "tcp".to_owned(), zone }, place())
    }
}

/// Every contested name is wholly in one state; says in which.
fn assert_whole(zone: &Zone) -> Vec<Option<State>> {
    CONTESTED.iter().map(|name| state_of(zone, &owner_name(name))).collect()
}

/// So many rounds at once; at their end both release all that they have. A name may be refused only because the race
/// for it was lost, or with the code that is forgiven.
///
/// # Panics
/// When a name is ever mixed, or nobody loses a race.
pub(crate) fn race(server: &(impl NameServer + ?Sized), rounds: u16, forgiven: Option<Rcode>) {
    let (mut north, mut south) = (Contender::new(server, "north", 11), Contender::new(server, "south", 23));
    (north.forgiven, south.forgiven) = (forgiven, forgiven);
    runtime().block_on(async {
        tokio::join!(north.race(rounds), south.race(rounds));
        for contender in [&mut north, &mut south] {
            let Tally { accepted, conflicts, lost } = contender.tally;
            assert!(accepted > 0 && conflicts > 0 && lost > 0, "a race: {:?}", contender.tally);
            // Where a refusal is forgiven, it takes another try.
            for _ in 0..5 {
                contender.round(&desire([])).await;
            }
        }
    });
    assert_eq!(server.zone_text().len(), 2, "all is released, and nothing else left");
}

#[test]
fn thousands_of_rounds_never_mix_a_name() {
    race(&Named::start(), ROUNDS, None);
}

fn contender(named: &Named, owner: &str, port: u16, wanted: &[&str]) -> Workspace {
    let settings = Settings { owner: owner.to_owned(), interval: "1s".to_owned(), ..Settings::for_server(named) };
    let workspace = Workspace::with(&settings);
    // Something that nobody contests, so that the desired set is never empty.
    let own = format!("[[service]]\nname = \"{owner}\"\n[[service.instance]]\nhost = \"h1\"\nport = 1\n");
    workspace.write_service("own.toml", &own);
    workspace.write_service("contested.toml", &contested(owner, port, wanted));
    workspace
}

fn contested(owner: &str, port: u16, names: &[&str]) -> String {
    names.iter().map(|name| service(name, &State { owner: owner.to_owned(), port })).collect()
}

#[test]
fn two_applies_at_once() {
    let named = Named::start();
    let contenders = ["north", "south"].map(|owner| contender(&named, owner, 1000, &CONTESTED));
    let runtime = runtime();
    let primary = primary(&named, named.address());
    for round in 0..15 {
        let outputs = thread::scope(|scope| {
            let runs = contenders.each_ref().map(|workspace| scope.spawn(|| workspace.run(&["apply"])));
            runs.map(|run| run.join().unwrap())
        });
        let states = assert_whole(&runtime.block_on(primary.transfer()).unwrap());
        for (owner, output) in ["north", "south"].into_iter().zip(&outputs) {
            let mut lost = CONTESTED.iter().zip(&states).filter(|(_, state)| state.as_ref().unwrap().owner != owner);
            let told = |(name, state): (&&str, &Option<State>)| {
                let winner = &state.as_ref().unwrap().owner;
                let line =
                    format!("_{name}._tcp.internal.local.: the name belongs to another srvctl, owner \"{winner}\"");
                output.stderr.contains(&line)
            };
            assert_eq!(output.code, i32::from(lost.clone().count() > 0), "round {round}, {owner}: {output:?}");
            assert!(lost.all(told), "round {round}, {owner} is told what it lost: {states:?}\n{output:?}");
        }
        named.nsupdate(&format!("zone internal.local\n{}", CONTESTED.map(removal).concat()));
    }
}

fn removal(name: &str) -> String {
    format!("update delete _{name}._tcp.internal.local ANY\nupdate delete _srvctl._{name}._tcp.internal.local ANY\n")
}

/// Two names only: what is removed here at once is not to be so much that a guard holds it.
#[test]
fn two_daemons_take_turns() {
    let two = &CONTESTED[..2];
    let named = Named::start();
    let (north, south) = (contender(&named, "north", 1000, two), contender(&named, "south", 2000, two));
    let (ended, readings) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let sampler = scope.spawn(|| sample(&named, &ended, &readings));
        let end = EndOnDrop(&ended);
        let (mut first, mut second) = (north.daemon(), south.daemon());
        north.remove_service("contested.toml");
        second.wait_in_sync();
        for turn in 0..3 {
            north.write_service("contested.toml", &contested("north", 1001 + turn, two));
            first.wait_until("the conflict is told", |status| loses_to("south", two, status));
            south.remove_service("contested.toml");
            first.wait_in_sync();
            south.write_service("contested.toml", &contested("south", 2001 + turn, two));
            second.wait_until("the conflict is told", |status| loses_to("north", two, status));
            north.remove_service("contested.toml");
            second.wait_in_sync();
        }
        assert_eq!((first.stop(), second.stop()), (0, 0));
        drop(end);
        sampler.join().unwrap();
    });
    assert!(readings.into_inner() > 0);
}

#[test]
fn two_daemons_at_once() {
    let named = Named::start();
    let owners = ["north", "south"];
    let workspaces = owners.map(|owner| contender(&named, owner, 1000, &CONTESTED));
    let (runtime, primary) = (runtime(), primary(&named, named.address()));
    let mut daemons = workspaces.each_ref().map(Workspace::daemon);
    for _ in 0..12 {
        let mut states = Vec::new();
        daemons[0].wait_for("every name is somebody's", || {
            states = assert_whole(&runtime.block_on(primary.transfer()).unwrap());
            states.iter().all(Option::is_some)
        });
        let winners: Vec<_> = states.into_iter().flatten().map(|state| state.owner).collect();
        for (owner, daemon) in owners.iter().zip(&mut daemons) {
            let lost = CONTESTED.iter().zip(&winners).filter(|(_, winner)| winner != owner);
            let lost: Vec<_> = lost.collect();
            daemon.wait_until("each is told what it lost", |status| {
                lost.iter().all(|(name, winner)| loses_to(winner, &[name], status))
                    && (outcome(status) == "in_sync") == lost.is_empty()
            });
        }
        named.nsupdate(&format!("zone internal.local\n{}", CONTESTED.map(removal).concat()));
        daemons.iter().for_each(|daemon| daemon.signal("HUP"));
    }
    assert_eq!(daemons.map(Daemon::stop), [0, 0]);
}

/// Ends the sampling, also when the test fails before its end.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads the zone over and over.
fn sample(named: &Named, ended: &AtomicBool, samples: &AtomicUsize) {
    let (runtime, primary) = (runtime(), primary(named, named.address()));
    while !ended.load(Ordering::Relaxed) {
        assert_whole(&runtime.block_on(primary.transfer()).unwrap());
        samples.fetch_add(1, Ordering::Relaxed);
    }
}

fn loses_to(winner: &str, names: &[&str], status: &Value) -> bool {
    let zone = &status["zones"][0];
    let problems = strings(&zone["problems"]);
    let told = |name: &&str| {
        let owner_name = owner_name(name).to_string();
        problems.iter().any(|problem| problem.contains(&owner_name) && problem.contains(&format!("\"{winner}\"")))
    };
    zone["outcome"] == "incomplete" && names.iter().all(told)
}
