//! Resolver configurations that lead Prometheus astray.

use super::site::Findings;
use crate::support::{Named, Workspace};

#[test]
fn traps_in_resolv_conf() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    let examined = |text: &str| {
        workspace.write_file("resolv.conf", text);
        let path = workspace.path().join("resolv.conf");
        Findings::of(&workspace, &["--no-update", "--resolv-conf", path.to_str().unwrap()])
    };
    let sound = examined("nameserver 192.0.2.1\n");
    for code in ["resolv-nameserver", "resolv-search", "resolv-ndots"] {
        sound.only(code, "ok", &["line 1: nameserver 192.0.2.1"]);
    }
    examined("search corp\n").one(
        "resolv-nameserver",
        "error",
        &["every look-up of Prometheus fails", "nameserver ADDRESS"],
    );
    let name = examined("nameserver dns.example\n");
    name.one("resolv-nameserver", "warning", &["is no address", "line 1: nameserver dns.example"]);
    let four = examined(&"nameserver 192.0.2.1\n".repeat(4));
    four.one("resolv-nameserver", "warning", &["4 servers", "first three only"]);
    let root = examined("nameserver 192.0.2.1\nsearch .\n");
    root.one("resolv-search", "warning", &["cannot be sent", "line 2: search .", "final dot"]);
    let comment = examined("nameserver 192.0.2.1\nsearch corp # the office\n");
    comment.one("resolv-search", "warning", &["`#`, `the`, `office`", "line 2"]);
    let search = examined("nameserver 192.0.2.1\nsearch corp\n");
    search.one("resolv-search", "note", &["tried again under corp", "final dot"]);
    let ndots = examined("nameserver 192.0.2.1\nsearch corp\noptions ndots:5\n");
    ndots.one("resolv-ndots", "warning", &["more than the 3 dots of `_jenkins._tcp.internal.local`", "line 3"]);
    let stub = examined("nameserver 127.0.0.53\n");
    stub.one("resolv-nameserver", "note", &["systemd-resolved"]);
    stub.one("local-domain", "warning", &["Domains=~internal.local"]);
}

#[test]
fn a_file_that_is_not_there() {
    let named = Named::start();
    let findings = Findings::of(&Workspace::new(&named), &["--no-update", "--resolv-conf", "/nowhere/resolv.conf"]);
    findings.one("resolv-nameserver", "error", &["/nowhere/resolv.conf", "cannot be read", "No such file"]);
}

#[test]
fn what_nobody_uses_is_not_examined() {
    let named = Named::start();
    let findings = Findings::of(&Workspace::new(&named), &["--no-update"]);
    assert!(!findings.has("resolv-nameserver"), "{findings:?}");
}
