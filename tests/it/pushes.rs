//! The daemon's updates when something happens in the middle of them: news, the end, a network that fails.

use srvctl::model::{Name, Zone};

use crate::support::{
    ALWAYS_STEPS, Daemon, Fault, JENKINS, Named, Scene, Settings, State, outcome, owner_name, primary, runtime,
    service, state_of,
};

/// So many with such long names that their updates take many messages.
const SERVICES: usize = 2500;

/// With this in the zone's configuration.
fn scene(more: &str) -> Scene {
    let named = Named::builder().options(ALWAYS_STEPS).start();
    Scene::with(named, |settings| Settings { interval: "1h".to_owned(), more: more.to_owned(), ..settings })
}

/// The same with a large push before it.
fn large(more: &str) -> Scene {
    let scene = scene(more);
    let all: String = (0..SERVICES).map(|index| service(&long_name(index), &wanted())).collect();
    scene.workspace.write_service("all.toml", &all);
    scene
}

impl Scene {
    fn read(&self) -> Zone {
        runtime().block_on(primary(&self.named, self.named.address()).transfer()).unwrap()
    }

    /// How many services are published. Each is wholly, or not at all.
    fn published(&self) -> usize {
        let zone = self.read();
        let states = names().map(|name| state_of(&zone, &name));
        states.flatten().inspect(|state| assert_eq!(*state, wanted())).count()
    }

    /// Waits until the daemon says that it is done, which must be true at the first time.
    fn wait_done(&self, daemon: &mut Daemon) {
        daemon.wait_until("in sync", |status| {
            let done = outcome(status) == "in_sync";
            assert!(!done || self.published() == SERVICES, "said to be done too early: {status}");
            done
        });
    }
}

fn wanted() -> State {
    State { owner: "test1".to_owned(), port: 8000 }
}

fn long_name(index: usize) -> String {
    format!("s{index}-{}", "x".repeat(50))
}

fn names() -> impl Iterator<Item = Name> {
    (0..SERVICES).map(|index| owner_name(&long_name(index)))
}

fn web(name: &str) -> String {
    format!("[[service]]\nname = \"{name}\"\n[[service.instance]]\nhost = \"ns1\"\nport = 80\n")
}

#[test]
fn changes_during_an_update_go_out_together_after_it() {
    let Scene { named, proxy, workspace } = scene("");
    workspace.write_service("jenkins.toml", JENKINS);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let serial = named.serial();
    proxy.script([Fault::HoldRequest]);
    workspace.write_service("one.toml", &web("one"));
    proxy.wait_held();
    let wanted = |services: usize| {
        move |status: &serde_json::Value| {
            assert_eq!(outcome(status), "pending", "{status}");
            status["services"] == services
        }
    };
    workspace.write_service("two.toml", &web("two"));
    daemon.wait_until("the second service", wanted(3));
    workspace.write_service("three.toml", &web("three"));
    daemon.wait_until("the third service", wanted(4));
    assert_eq!(named.serial(), serial, "nothing has been made");
    proxy.release();
    let published = |name: &str| {
        let line = format!("_{name}._tcp.internal.local. 300 IN SRV 0 0 80 ns1.internal.local.");
        named.zone_text().contains(&line)
    };
    daemon.wait_until("in sync", |status| {
        let done = outcome(status) == "in_sync";
        assert!(!done || ["one", "two", "three"].into_iter().all(published), "said to be done too early: {status}");
        done
    });
    let versions = named.versions_since(serial);
    let gained: Vec<_> = versions.iter().map(|version| version.gained.len()).collect();
    assert_eq!(gained, [2, 4], "one service with its marker, and two: {versions:?}");
}

#[test]
fn killed_in_the_middle_of_a_large_push() {
    let scene = large("");
    scene.proxy.script([Fault::None, Fault::None, Fault::None, Fault::HoldRequest]);
    let daemon = scene.workspace.daemon();
    scene.proxy.wait_held();
    drop(daemon);
    scene.proxy.release();
    let published = scene.published();
    assert!((1..SERVICES).contains(&published), "in the middle: {published}");
    let mut daemon = scene.workspace.daemon();
    scene.wait_done(&mut daemon);
    assert_eq!(scene.published(), SERVICES);
}

#[test]
fn a_connection_cut_in_the_middle_of_a_large_push() {
    let scene = large("");
    scene.proxy.script([Fault::None, Fault::None, Fault::None, Fault::None, Fault::CutAnswer(0)]);
    let mut daemon = scene.workspace.daemon();
    scene.wait_done(&mut daemon);
    assert!(daemon.log().contains("the update may or may not have been made"), "{}", daemon.log_tail());
}

#[test]
fn messages_that_arrive_after_their_time() {
    let scene = large("timeout = \"2s\"\n");
    let Scene { named, proxy, workspace } = &scene;
    proxy.script([Fault::None, Fault::None, Fault::None, Fault::HoldRequest]);
    let mut daemon = workspace.daemon();
    scene.wait_done(&mut daemon);
    assert!(daemon.log().contains("did not answer within 2 s while updating the zone"), "{}", daemon.log_tail());
    let serial = named.serial();
    proxy.release();
    daemon.wait_for("what was held to arrive", || named.log().contains("prerequisite not satisfied"));
    assert_eq!((named.serial(), scene.published()), (serial, SERVICES), "it is too late for that");
}
