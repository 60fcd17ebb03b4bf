//! Secondaries that really transfer the zone from a primary, and the two ways in which one can be left behind: it does
//! not hear of a change and answers from an old version, or it does not answer.

use srvctl::dns::{self, DnsError, Secondary};
use srvctl::model::{Name, Serial, Server};

use crate::support::{
    EXAMPLE_RECORDS, JENKINS, Kind, NameServer, Replicas, Workspace, assert_lines, in_private_network, primary, runtime,
};

fn zone() -> Name {
    "internal.local".parse().unwrap()
}

/// What a server says of its version, by srvctl's own question.
fn serial(server: &dyn NameServer) -> Serial {
    let answer = runtime().block_on(dns::soa(&Server::from(server.address()), &zone())).unwrap();
    assert!(answer.authoritative, "{answer:?}");
    assert_eq!((answer.refresh, answer.negative_ttl), (3600, 60));
    Serial(answer.serial)
}

fn lines_of_ours(server: &dyn NameServer) -> Vec<String> {
    let mut zone = server.zone_text();
    zone.retain(|line| !line.contains(" IN NS ") && !line.starts_with("ns"));
    zone
}

#[test]
fn every_kind_of_secondary_shows_a_change_and_the_one_that_lags_says_by_how_much() {
    let test = "secondaries::every_kind_of_secondary_shows_a_change_and_the_one_that_lags_says_by_how_much";
    in_private_network(test, || {
        let replicas = Replicas::start_named_by_the_zone(&[Kind::Bind, Kind::Knot, Kind::PowerDns], Kind::Bind);
        let workspace = Workspace::example(&replicas.primary);
        workspace.converge();
        replicas.wait_for_transfers();
        workspace.write_service("jenkins.toml", &JENKINS.replace("8080", "8443"));
        workspace.converge();
        replicas.wait_for_transfers();

        let ours = EXAMPLE_RECORDS[2..].iter().map(|line| line.replace("8080", "8443"));
        let newest = serial(&replicas.primary);
        for secondary in &replicas.following {
            assert_lines("a secondary", &lines_of_ours(&**secondary), ours.clone());
            assert_eq!(serial(&**secondary), newest);
        }
        assert!(lines_of_ours(&*replicas.lagging).is_empty(), "the zone as it was");
        assert_eq!(newest.ahead_of(serial(&*replicas.lagging)), Some(2));

        // As the NS set has them: everybody but the primary.
        let live = runtime().block_on(primary(&replicas.primary, replicas.primary.address()).transfer()).unwrap();
        let by_address = Server::from(replicas.primary.address());
        let found = runtime().block_on(dns::secondaries(&zone(), live.name_servers(), &by_address));
        let shown = found.into_iter().map(|Secondary { name, servers }| format!("{name} {}", servers.unwrap()[0]));
        let mut shown: Vec<_> = shown.collect();
        shown.sort();
        let expected = [2, 3, 4, 5].map(|host| format!("ns{host}.internal.local. 127.0.0.{host}:53"));
        assert_eq!(shown, expected);
    });
}

#[test]
fn a_paused_secondary_gives_no_answer_and_catches_up_afterwards() {
    let replicas = Replicas::start(&[Kind::Bind], Kind::Bind);
    let paused = &*replicas.following[0];
    let workspace = Workspace::example(&replicas.primary);
    paused.pause();
    workspace.converge();
    let asked = runtime().block_on(dns::soa(&Server::from(paused.address()), &zone()));
    assert!(matches!(asked, Err(DnsError::Timeout { .. })), "{asked:?}");
    paused.resume();
    replicas.wait_for_transfers();
    assert_eq!(serial(paused), serial(&replicas.primary));
}
