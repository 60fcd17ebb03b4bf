//! Whether the primary's NOTIFYs come, and when.

use std::net::UdpSocket;

use super::site::{Findings, assert_gone, quoted, remedy, with_lines};
use crate::support::{Key, Named, Workspace, free_address, notify_listen};

#[test]
fn nobody_listens() {
    let named = Named::start();
    Findings::of(&Workspace::new(&named), &[]).only("notify", "note", &["`notify_listen` is not set"]);
}

#[test]
fn none_comes() {
    let (named, listen) = (Named::start(), free_address());
    let findings = Findings::of(&with_lines(&named, &notify_listen(listen)), &[]);
    let finding = findings.only("notify", "warning", &["no NOTIFY within 7 s"]);
    let line = quoted(remedy(finding)).remove(0);
    let expected = format!("notify explicit; also-notify {{ 127.0.0.1 port {} key \"srvctl-test\"; }};", listen.port());
    assert_eq!(line, expected);
    assert_gone(&named);
    // The line helps, though BIND waits when there was another change.
    let zone_options = "allow-update { key \"srvctl-test\"; }; allow-transfer { key \"srvctl-test\"; };";
    let named = Named::builder().zone_options(&format!("{zone_options} {line}")).start();
    let workspace = with_lines(&named, &notify_listen(listen));
    let mut waited = (1..=5).map(|host| {
        named.nsupdate(&format!("zone internal.local\nupdate add x{host}.internal.local 60 A 192.0.2.1"));
        Findings::of(&workspace, &[])
    });
    // On a busy machine so much time can pass after the other change that BIND does not wait any more.
    let findings = waited.find(|findings| findings.with("notify", "ok").is_empty()).unwrap();
    findings.only("notify", "note", &["waits before it tells", "`notify-delay 0;`"]);
}

#[test]
fn they_come_and_are_refused() {
    let (listen, other) = (free_address(), Key::random("other"));
    let named = Named::builder().also_key(&other).notifies_with(listen, "other").start();
    let findings = Findings::of(&with_lines(&named, &notify_listen(listen)), &[]);
    findings.only("notify", "warning", &["come and are refused", "BADKEY"]);
}

#[test]
fn a_daemon_refuses_them() {
    let (listen, other) = (free_address(), Key::random("other"));
    let named = Named::builder().also_key(&other).notifies_with(listen, "other").start();
    let workspace = with_lines(&named, &notify_listen(listen));
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    Findings::of(&workspace, &[]).only("notify", "warning", &["come and are refused", "BADKEY"]);
}

#[test]
fn the_address_is_taken() {
    let (named, listen) = (Named::start(), free_address());
    let _taken = UdpSocket::bind(listen).unwrap();
    let findings = Findings::of(&with_lines(&named, &notify_listen(listen)), &[]);
    findings.only("notify", "warning", &["no NOTIFY can be received", "in use", "ss -lunp"]);
}
