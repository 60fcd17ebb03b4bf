//! `max-records-per-type` at the primary, at secondaries and at resolvers.

use super::servers::{Bind, at, wait_for};
use super::site::{Findings, assert_gone, quoted, remedy, with_lines};
use crate::support::{Named, Settings, Workspace, in_private_network};

#[test]
fn the_primary_holds_fewer_than_promised() {
    let named = Named::builder().options("max-records-per-type 40;").start();
    let findings = Findings::of(&Workspace::new(&named), &[]);
    let finding =
        findings.only("limit-primary", "error", &["holds 40 records", "promises 100", "to 41 records: SERVFAIL"]);
    let lines = quoted(remedy(finding));
    assert_eq!(lines[0], "max_records_per_rrset = 40");
    assert_eq!(lines.last().unwrap(), "max-records-per-type 100;");
    assert_gone(&named);
    // Either line helps.
    let findings = Findings::of(&with_lines(&named, &lines[0]), &[]);
    findings.only("limit-primary", "ok", &["holds 40 records"]);
    let findings = Findings::of(&with_lines(&named, "max_records_per_rrset = 2"), &[]);
    findings.one("answer", "ok", &["all 2 records"]);
    findings.only("tcp", "ok", &["reachable"]);
    let named = Named::builder().options(lines.last().unwrap()).start();
    Findings::of(&Workspace::new(&named), &[]).only("limit-primary", "ok", &["holds 100 records"]);
}

#[test]
fn more_than_everybodys_default_is_tried_on_demand() {
    let named = Named::builder().options("max-records-per-type 150;").start();
    let workspace = with_lines(&named, "max_records_per_rrset = 150");
    Findings::of(&workspace, &[]).only("limit-primary", "note", &["whether it holds 150 was not tried", "--limits"]);
    Findings::of(&workspace, &["--limits"]).only("limit-primary", "ok", &["holds 150 records"]);
    assert_gone(&named);
}

/// A primary with two secondaries that are told of changes.
fn primary(options: &str) -> Named {
    Named::builder()
        .listen(at(1))
        .options(options)
        .records("@ NS ns2\nns2 A 127.0.0.2\n@ NS ns3\nns3 A 127.0.0.3")
        .zone_options(
            "allow-update { key \"srvctl-test\"; }; allow-transfer { key \"srvctl-test\"; }; notify explicit; \
             also-notify { 127.0.0.2; 127.0.0.3; }; notify-delay 0;",
        )
        .start()
}

#[test]
fn secondaries_and_resolvers_with_the_default_limit() {
    in_private_network("doctor::limits::secondaries_and_resolvers_with_the_default_limit", || {
        let named = primary("max-records-per-type 150;");
        let key = named.key().text();
        let _default = Bind::secondary(at(2), &key, "");
        let _raised = Bind::secondary(at(3), &key, "max-records-per-type 150;");
        let _small_cache = Bind::resolver(at(4), "");
        let _large_cache = Bind::resolver(at(5), "max-records-per-type 150;");
        let workspace = Workspace::with(&Settings {
            verify: vec!["127.0.0.4".to_owned(), "127.0.0.5".to_owned()],
            more: "max_records_per_rrset = 150".to_owned(),
            ..Settings::for_server(&named)
        });
        let findings = Findings::of(&workspace, &["--limits"]);
        let finding = findings.only("limit-secondary", "error", &["127.0.0.2:53", "150 records", "1 behind"]);
        assert_eq!(quoted(remedy(finding))[1..2], ["max-records-per-type 150;"], "{finding}");
        let finding = findings.one("limit-resolver", "error", &["127.0.0.4:53", "SERVFAIL", "150 records"]);
        assert_eq!(quoted(remedy(finding))[1..2], ["max-records-per-type 150;"], "{finding}");
        findings.one("limit-resolver", "ok", &["127.0.0.5:53", "150 records"]);
        // It takes the zone again as soon as the large RRset is gone.
        findings.one("secondary-serial", "ok", &["127.0.0.2:53"]);
        findings.one("secondary-serial", "ok", &["127.0.0.3:53"]);
        assert_gone(&named);
        named.nsupdate("zone internal.local\nupdate add later.internal.local 60 A 192.0.2.77");
        wait_for(at(2), "later.internal.local", &["A"], "192.0.2.77");
    });
}
