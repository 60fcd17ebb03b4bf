//! `notify_listen`: whose word is taken, what keeps it from coming, and what the status says of it.

use std::net::{TcpListener, UdpSocket};

use serde_json::Value;

use crate::support::{
    EXAMPLE, EXAMPLE_RECORDS, Key, Named, Settings, Workspace, free_address, notifies, notify_listen,
};

fn workspace(named: &Named, interval: &str, more: String) -> Workspace {
    let workspace = Workspace::with(&Settings { interval: interval.to_owned(), more, ..Settings::for_server(named) });
    for (file, text) in EXAMPLE {
        workspace.write_service(file, text);
    }
    workspace
}

fn error(status: &Value) -> &Value {
    &status["zones"][0]["notifies"]["error"]
}

#[test]
fn a_taken_port_is_told_and_taken_when_it_is_free() {
    let listen = free_address();
    let taken = (TcpListener::bind(listen).unwrap(), UdpSocket::bind(listen).unwrap());
    let named = Named::builder().notifies(listen).start();
    let workspace = workspace(&named, "1s", notify_listen(listen));
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let status = daemon.wait_until("the reason to show", |status| !error(status).is_null());
    let reason = error(&status).as_str().unwrap();
    assert!(reason.contains(&listen.to_string()) && reason.contains("in use"), "{status}");
    let shown = workspace.expect(0, &["status"]).stdout;
    assert!(shown.contains(&format!("  NOTIFY: {reason}; the zone is polled meanwhile\n")), "{shown}");
    named.nsupdate("zone internal.local\nupdate delete _jenkins._tcp.internal.local SRV");
    daemon.wait_for("the repair", || named.zone_text().len() == EXAMPLE_RECORDS.len());
    daemon.wait_in_sync();
    drop(taken);
    daemon.wait_until("the port to be taken", |status| error(status).is_null());
    named.nsupdate("zone internal.local\nupdate add stranger.internal.local 60 A 192.0.2.7");
    daemon.wait_until("word of it", |status| notifies(status, 0).0 > 0);
}

#[test]
fn a_wrong_key_is_refused_and_shown() {
    let listen = free_address();
    let key = Key::random("other");
    let named = Named::builder().also_key(&key).notifies_with(listen, "other").start();
    let workspace = workspace(&named, "1s", notify_listen(listen));
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    // The first ones may have been sent before anybody listened.
    named.nsupdate("zone internal.local\nupdate add stranger.internal.local 60 A 192.0.2.7");
    let status = daemon.wait_until("the refusal", |status| notifies(status, 0).1 > 0);
    assert_eq!(notifies(&status, 0).0, 0, "{status}");
    let reason = status["zones"][0]["notifies"]["last_refusal"].as_str().unwrap();
    assert!(reason.starts_with("from 127.0.0.1:") && reason.contains("BADKEY"), "{status}");
    let shown = workspace.run(&["status"]).stdout;
    let (ip, port) = (listen.ip(), listen.port());
    let hint = format!("  NOTIFY: none received yet: does the primary's also-notify name {ip} port {port}?\n");
    assert!(shown.contains(&hint), "{shown}");
    assert!(shown.contains(" refused, the last from 127.0.0.1:") && shown.contains("(BADKEY)\n"), "{shown}");
}

#[test]
fn two_zones_share_one_address() {
    let listen = free_address();
    let named = Named::builder().zone("second.local").notifies(listen).start();
    let line = notify_listen(listen);
    let second = format!(
        "{line}\n[[zone]]\nname = \"second.local\"\nprimary = \"{}\"\nkey_file = \"zone.key\"\n{line}",
        named.address()
    );
    let workspace = workspace(&named, "1h", second);
    for (file, _) in EXAMPLE {
        workspace.remove_service(file);
    }
    for zone in ["internal", "second"] {
        workspace.write_service(
            &format!("{zone}.toml"),
            &format!(
                "[[service]]\nname = \"web\"\nzone = \"{zone}.local\"\n[[service.instance]]\nhost = \"ns1\"\nport = 80\n"
            ),
        );
    }
    let mut daemon = workspace.daemon();
    let in_sync = |status: &Value| status["zones"].as_array().unwrap().iter().all(|zone| zone["outcome"] == "in_sync");
    daemon.wait_until("both in sync", in_sync);
    for zone in ["second.local", "internal.local"] {
        let line = format!("_web._tcp.{zone}. 300 IN SRV 0 0 80 ns1.{zone}.");
        named.nsupdate(&format!("zone {zone}\nupdate delete _web._tcp.{zone} SRV"));
        daemon.wait_for("the repair", || named.zone_text_of(zone).contains(&line));
    }
    daemon.wait_until("word of both", |status| notifies(status, 0).0 > 0 && notifies(status, 1).0 > 0);
    daemon.wait_until("both in sync", in_sync);
}
