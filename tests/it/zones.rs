//! Several zones: each with its own primary, key and owner; none waits for another.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::{Key, Named, Settings, Workspace, assert_lines, free_address};

/// The lines of one more `[[zone]]`.
fn zone(name: &str, primary: &str, key_file: &str, more: &str) -> String {
    format!("[[zone]]\nname = \"{name}\"\nprimary = \"{primary}\"\nkey_file = \"{key_file}\"\n{more}\n")
}

fn service(name: &str, zone: &str, host: &str, address: &str) -> String {
    let instance = format!("[[service.instance]]\nhost = \"{host}\"\nport = 80\naddresses = [\"{address}\"]\n");
    format!("[[service]]\nname = \"{name}\"\nzone = \"{zone}\"\n{instance}")
}

/// The zone's lines apart from those of the bare zone and the markers.
fn published(named: &Named, zone: &str) -> Vec<String> {
    let bare = |line: &String| line.contains(" IN NS ") || line.starts_with("ns1.") || line.starts_with("_srvctl.");
    named.zone_text_of(zone).into_iter().filter(|line| !bare(line)).collect()
}

fn outcomes(status: &Value) -> Vec<&str> {
    let zones = status["zones"].as_array().unwrap();
    zones.iter().map(|zone| zone["outcome"].as_str().unwrap()).collect()
}

#[test]
fn three_zones_at_two_primaries_with_three_keys() {
    let (sub_key, not_key) = (Key { algorithm: "hmac-sha512", ..Key::random("sub") }, Key::random("not"));
    let one = Named::start();
    let options = "allow-update { key \"sub\"; key \"not\"; }; allow-transfer { key \"sub\"; key \"not\"; };";
    let two = Named::builder().key(sub_key.clone()).also_key(&not_key).zone_options(options);
    let two = two.only_zone("sub.internal.local").zone("notinternal.local").start();
    let at_two = two.address().to_string();
    let more =
        zone("sub.internal.local", &at_two, "sub.key", "") + &zone("notinternal.local", &at_two, "not.key", "ttl = 60");
    let mut workspace = Workspace::with(&Settings { more, ..Settings::for_server(&one) });
    workspace.write_key("sub.key", &sub_key);
    workspace.write_key("not.key", &not_key);
    let services = service("top", "internal.local", "a", "192.0.2.1")
        + &service("sub", "sub.internal.local", "b", "192.0.2.2")
        + &service("not", "notinternal.local", "c", "192.0.2.3")
        // Addresses go where their host is: the longest zone around it, on label boundaries.
        + &service("cross", "internal.local", "d.SUB.internal.local.", "192.0.2.4")
        + &service("cross2", "sub.internal.local", "e.internal.local.", "192.0.2.5")
        + &service("cross3", "internal.local", "f.notinternal.local.", "192.0.2.6")
        + &service("cross4", "internal.local", "xsub.internal.local.", "192.0.2.7");
    workspace.write_service("all.toml", &services);
    workspace.converge();
    workspace.expect(0, &["verify"]);
    let top = [
        "_top._tcp.internal.local. 300 IN SRV 0 0 80 a.internal.local.",
        "_cross._tcp.internal.local. 300 IN SRV 0 0 80 d.SUB.internal.local.",
        "_cross3._tcp.internal.local. 300 IN SRV 0 0 80 f.notinternal.local.",
        "_cross4._tcp.internal.local. 300 IN SRV 0 0 80 xsub.internal.local.",
        "a.internal.local. 300 IN A 192.0.2.1",
        "e.internal.local. 300 IN A 192.0.2.5",
        "xsub.internal.local. 300 IN A 192.0.2.7",
    ];
    assert_lines("internal.local", &published(&one, "internal.local"), top);
    let sub = [
        "_sub._tcp.sub.internal.local. 300 IN SRV 0 0 80 b.sub.internal.local.",
        "_cross2._tcp.sub.internal.local. 300 IN SRV 0 0 80 e.internal.local.",
        "b.sub.internal.local. 300 IN A 192.0.2.2",
        "d.sub.internal.local. 300 IN A 192.0.2.4",
    ];
    let live: Vec<_> = published(&two, "sub.internal.local").iter().map(|line| line.replace("SUB", "sub")).collect();
    assert_lines("sub.internal.local", &live, sub);
    let not = [
        "_not._tcp.notinternal.local. 60 IN SRV 0 0 80 c.notinternal.local.",
        "c.notinternal.local. 60 IN A 192.0.2.3",
        "f.notinternal.local. 300 IN A 192.0.2.6",
    ];
    assert_lines("notinternal.local", &published(&two, "notinternal.local"), not);
    let mut daemon = workspace.daemon();
    daemon.wait_until("all in sync", |status| outcomes(status) == ["in_sync"; 3]);
}

/// A good zone, and one called `other.local` with this primary.
fn good_and(primary: &str) -> (Named, Workspace) {
    let named = Named::start();
    let more = zone("other.local", primary, "zone.key", "");
    // Short, so that a wait for the other zone would show as one.
    let settings = Settings { more, interval: "1s".to_owned(), ..Settings::for_server(&named) };
    let workspace = Workspace::with(&settings);
    workspace.write_service("good.toml", &service("good", "internal.local", "a", "192.0.2.1"));
    workspace.write_service("other.toml", &service("other", "other.local", "b", "192.0.2.2"));
    (named, workspace)
}

#[test]
fn a_zone_whose_primary_hangs_delays_no_other() {
    // Connections come up, in the kernel's queue; nobody ever answers.
    let silent = TcpListener::bind(free_address()).unwrap();
    let (named, workspace) = good_and(&silent.local_addr().unwrap().to_string());
    let mut daemon = workspace.daemon();
    daemon.wait_until("one in sync, one waiting", |status| outcomes(status) == ["in_sync", "pending"]);
    // Still under way there: changes are made here all the same.
    workspace.write_service("good.toml", &service("good", "internal.local", "a", "192.0.2.9"));
    daemon.wait_for("the change", || named.zone_text().contains(&"a.internal.local. 300 IN A 192.0.2.9".to_owned()));
    daemon.wait_until("one in sync again, one waiting", |status| {
        outcomes(status) == ["in_sync", "pending"] && status["zones"][0]["serial"].as_u64() > Some(2)
    });
}

#[test]
fn apply_does_not_wait_for_a_zone_whose_primary_hangs() {
    let silent = TcpListener::bind(free_address()).unwrap();
    let (named, workspace) = good_and(&silent.local_addr().unwrap().to_string());
    let mut apply = workspace.start(&["apply"]);
    let good = "_good._tcp.internal.local. 300 IN SRV 0 0 80 a.internal.local.".to_owned();
    apply.wait_for("the good zone's records", || named.zone_text().contains(&good));
    assert!(apply.is_running(), "it gave up on the other zone already: this proves nothing");
}

#[test]
fn a_zone_whose_primary_is_down_fails_alone() {
    let (named, workspace) = good_and(&free_address().to_string());
    let applied = workspace.expect(1, &["apply"]);
    assert!(applied.stderr.to_lowercase().contains("connection refused"), "{applied:?}");
    let good = "_good._tcp.internal.local. 300 IN SRV 0 0 80 a.internal.local.".to_owned();
    assert!(named.zone_text().contains(&good), "{:?}", named.zone_text());
    let mut daemon = workspace.daemon();
    let status = daemon.wait_until("one in sync, one failed", |status| outcomes(status) == ["in_sync", "failed"]);
    assert!(status["zones"][1]["error"].as_str().unwrap().contains("cannot connect"), "{status}");
    workspace.write_service("good.toml", &service("good", "internal.local", "a", "192.0.2.9"));
    daemon.wait_for("the change", || named.zone_text().contains(&"a.internal.local. 300 IN A 192.0.2.9".to_owned()));
}

#[test]
fn each_zone_can_have_its_own_owner() {
    let named = Named::builder().zone("other.local").start();
    let more = zone("other.local", &named.address().to_string(), "zone.key", "owner = \"team-b\"");
    let workspace = Workspace::with(&Settings { more, ..Settings::for_server(&named) });
    let both = service("web", "internal.local", "a", "192.0.2.1") + &service("web", "other.local", "b", "192.0.2.2");
    workspace.write_service("web.toml", &both);
    // So that the other zone is not emptied below: that would be held.
    workspace.write_service("db.toml", &service("db", "other.local", "c", "192.0.2.3"));
    let owners = || {
        let lines = [named.zone_text(), named.zone_text_of("other.local")].concat();
        let of = |owner: &str| lines.iter().filter(|line| line.contains(&format!("owner={owner} "))).count();
        (of("test1"), of("team-b"))
    };
    workspace.converge();
    assert_eq!(owners(), (2, 4));
    let mut daemon = workspace.daemon();
    let status = daemon.wait_until("both in sync", |status| outcomes(status) == ["in_sync"; 2]);
    assert_eq!((&status["zones"][0]["owner"], &status["zones"][1]["owner"]), (&"test1".into(), &"team-b".into()));
    assert!(workspace.expect(0, &["status"]).stdout.contains("owner \"team-b\" in this zone"));
    // The daemon writes and removes as that owner, too.
    workspace.write_service("web.toml", &service("web", "internal.local", "a", "192.0.2.1"));
    daemon.wait_for("the removal", || owners() == (2, 2));
}
