//! What the zone itself tells: times, and markers.

use std::process::Command;

use super::site::{Findings, quoted, remedy, with_lines};
use crate::support::{Named, Settings, Workspace, find, owner_name, run};

#[test]
fn a_no_that_is_kept_too_long() {
    let named = Named::start();
    let soa = |ttl: u32, minimum: u32| {
        let zone = "zone internal.local\nupdate add internal.local";
        named.nsupdate(&format!(
            "{zone} {ttl} SOA ns1.internal.local. hostmaster.internal.local. {} 3600 600 604800 {minimum}",
            named.serial() + 1
        ));
    };
    let workspace = Workspace::new(&named);
    Findings::of(&workspace, &["--no-update"]).only("negative-ttl", "ok", &["after 60 s"]);
    soa(3600, 3600);
    let findings = Findings::of(&workspace, &["--no-update"]);
    findings.only("negative-ttl", "warning", &["for 3600 s", "TTL 3600 and MINIMUM 3600", "lower the last number"]);
    Findings::of(&workspace, &["--no-update", "--refresh-interval", "30m"]).only("negative-ttl", "ok", &[]);
    soa(30, 3600);
    Findings::of(&workspace, &["--no-update"]).only("negative-ttl", "ok", &["after 30 s"]);
}

#[test]
fn records_that_are_kept_too_long() {
    let named = Named::start();
    let workspace = Workspace::with(&Settings { ttl: 3600, ..Settings::for_server(&named) });
    let findings = Findings::of(&workspace, &["--no-update"]);
    findings.only("ttl", "warning", &["up to 3600 s", "`ttl` of the zone in srvctl.toml", "`ttl = 300`"]);
    workspace.write_example();
    workspace.converge();
    Findings::of(&workspace, &["--no-update"]).only("ttl", "warning", &["TTL 3600 at ", "internal.local. "]);
    Findings::of(&workspace, &["--no-update", "--refresh-interval", "6m"]).only("ttl", "ok", &[]);
}

#[test]
fn markers_that_say_nothing() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    workspace.converge();
    let marker = "_srvctl._jenkins._tcp.internal.local";
    named.nsupdate(&format!(
        "zone internal.local\nupdate delete {marker} TXT\nupdate add {marker} 300 TXT \"v=1 owner=\""
    ));
    let findings = Findings::of(&workspace, &["--no-update"]);
    let finding = findings.only("marker-damaged", "error", &["_jenkins._tcp.internal.local.", "v=1 owner=", marker]);
    // The commands help.
    let commands = quoted(remedy(finding));
    find("nsupdate", "bind9-dnsutils");
    let repaired = run(Command::new("sh").args(["-c", &commands[0]]), "");
    assert_eq!(repaired.code, 0, "{commands:?}: {repaired:?}");
    let adopt: Vec<_> = commands[1].split(' ').skip(1).collect();
    workspace.expect(0, &adopt);
    Findings::of(&workspace, &["--no-update"]).only("marker-damaged", "ok", &["marked"]);
    workspace.expect(0, &["plan"]);
}

#[test]
fn markers_that_speak_of_nothing() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    workspace.converge();
    let name = owner_name("jenkins");
    named.nsupdate(&format!("zone internal.local\nupdate delete {name} SRV"));
    let findings = Findings::of(&workspace, &["--no-update"]);
    let finding = findings.only("marker-orphan", "warning", &[&name.to_string(), "speaks of SRV records"]);
    assert_eq!(quoted(remedy(finding)), ["srvctl apply"]);
    workspace.expect(0, &["apply"]);
    Findings::of(&with_lines(&named, ""), &["--no-update"]).only("marker-orphan", "ok", &[]);
}
