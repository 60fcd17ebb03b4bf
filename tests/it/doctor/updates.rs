//! What the primary lets us change, and what becomes of it.

use super::servers::without_ixfr;
use super::site::{Findings, assert_gone, evidence, quoted, remedy, with_lines};
use crate::support::{ALWAYS_STEPS, Named, Settings, Workspace, free_address};

const READ: &str = "allow-transfer { key \"srvctl-test\"; };";

#[test]
fn nothing_may_be_updated() {
    let named = Named::builder().zone_options(READ).start();
    let findings = Findings::of(&Workspace::new(&named), &[]);
    let finding = findings.only("update", "error", &["A, AAAA, SRV, TXT", "REFUSED"]);
    let line = quoted(remedy(finding)).into_iter().find(|line| line.starts_with("update-policy")).unwrap();
    findings.only("transfer", "ok", &[]);
    assert!(!findings.has("stored"), "nothing was published: {findings:?}");
    // The line helps.
    let named = Named::builder().zone_options(&format!("{READ} {line}")).start();
    let findings = Findings::of(&Workspace::new(&named), &[]);
    findings.only("update", "ok", &["A, AAAA, SRV, TXT"]);
    findings.only("stored", "ok", &[]);
    assert_gone(&named);
}

#[test]
fn some_types_may_not_be_updated() {
    let policy = |more: &str| format!("{READ} update-policy {{ grant \"srvctl-test\" zonesub TXT A; {more} }};");
    let named = Named::builder().zone_options(&policy("")).start();
    let findings = Findings::of(&Workspace::new(&named), &[]);
    let finding = findings.only("update", "error", &["refuses updates of AAAA, SRV records"]);
    assert_eq!(evidence(finding).lines().count(), 2, "{finding}");
    let line = quoted(remedy(finding)).into_iter().find(|line| line.starts_with("grant")).unwrap();
    assert_eq!(line, "grant \"srvctl-test\" zonesub AAAA SRV;");
    // The line helps.
    let named = Named::builder().zone_options(&policy(&line)).start();
    Findings::of(&Workspace::new(&named), &[]).only("update", "ok", &[]);
    assert_gone(&named);
}

#[test]
fn names_of_services_may_not_be_updated() {
    let zone_options = format!(
        "{READ} update-policy {{ deny \"srvctl-test\" subdomain _tcp.internal.local. SRV; grant \"srvctl-test\" zonesub A AAAA SRV TXT; }};"
    );
    let named = Named::builder().zone_options(&zone_options).start();
    let findings = Findings::of(&Workspace::new(&named), &[]);
    let finding =
        findings.only("update", "error", &["refuses updates of SRV records", "_tcp.internal.local. SRV: REFUSED"]);
    assert_eq!(evidence(finding).lines().count(), 1, "{finding}");
}

#[test]
fn accepted_and_not_done() {
    let quota = format!("{READ} update-policy {{ grant \"srvctl-test\" zonesub A AAAA SRV(2) TXT; }};");
    let named = Named::builder().zone_options(&quota).start();
    let findings = Findings::of(&Workspace::new(&named), &[]);
    findings.only("stored", "error", &["sent 100 records, there are 2", "SRV(2)"]);
    assert!(!findings.has("limit-primary"), "that would be a wrong track: {findings:?}");
    assert_gone(&named);

    let clamp = format!("{READ} allow-update {{ key \"srvctl-test\"; }}; max-zone-ttl 300;");
    let named = Named::builder().zone_options(&clamp).start();
    let workspace = Workspace::with(&Settings { ttl: 900, ..Settings::for_server(&named) });
    let findings = Findings::of(&workspace, &[]);
    findings.only("stored", "error", &["with TTL 900, there is 1 with TTL 300", "max-zone-ttl"]);
    assert_gone(&named);
}

#[test]
fn what_has_changed_comes_alone_or_with_everything() {
    let steps = Named::builder().options(ALWAYS_STEPS).start();
    let findings = Findings::of(&Workspace::new(&steps), &[]);
    findings.only("ixfr", "ok", &["IXFR from serial 1: 6 records"]);

    let small = Named::builder().options("provide-ixfr no;").start();
    let findings = Findings::of(&Workspace::new(&small), &[]);
    findings.only("ixfr", "note", &["small", "IXFR from serial 1: 9 records"]);

    let host = |number: u16| format!("h{number} A 192.0.2.1\n");
    let many: String = (0..1000).map(host).collect();
    let large = Named::builder().options("provide-ixfr no;").records(&many).start();
    let findings = Findings::of(&Workspace::new(&large), &[]);
    findings.only("ixfr", "warning", &["whole zone", "1009 records", "provide-ixfr yes;"]);
}

#[test]
fn what_has_changed_does_not_come() {
    let (named, between) = (Named::start(), free_address());
    without_ixfr(between, named.address());
    let workspace = Workspace::with(&Settings { primary: between.to_string(), ..Settings::for_server(&named) });
    let findings = Findings::of(&workspace, &[]);
    findings.only("ixfr", "warning", &["IXFR does not work", "IXFR from serial 1: ", "closed the connection"]);
    assert_gone(&named);
}

#[test]
fn nothing_is_published_when_nothing_may() {
    let named = Named::start();
    let findings = Findings::of(&with_lines(&named, ""), &["--no-update"]);
    findings.only("update", "note", &["nothing was published", "--no-update"]);
    for code in ["stored", "ixfr", "notify", "limit-primary", "answer"] {
        assert!(!findings.has(code), "{findings:?}");
    }
    assert_eq!(named.serial(), 1);
}
