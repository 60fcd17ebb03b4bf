//! The primary, its keys and its clock.

use super::site::{Findings, assert_gone, evidence, quoted, remedy, with_lines};
use crate::support::{Key, Named, Settings, Workspace, free_address};

#[test]
fn a_key_that_the_server_does_not_know_or_has_another_secret_for() {
    let named = Named::start();
    let settings = |key| Settings { key, ..Settings::for_server(&named) };
    let unknown = Workspace::with(&settings(Key::random("other")));
    let findings = Findings::of(&unknown, &[]);
    findings.only("tsig", "error", &["does not take key \\\"other\\\"", "BADKEY", "hmac-sha256", "zone.key"]);
    let wrong = Workspace::with(&settings(Key::random(&named.key().name)));
    let findings = Findings::of(&wrong, &[]);
    findings.only("tsig", "error", &["BADSIG", "copy the key file anew"]);
    assert!(!findings.has("transfer"), "nothing more can be tried: {findings:?}");
}

#[test]
fn an_algorithm_that_is_out_of_date() {
    let key = Key { algorithm: "hmac-sha1", ..Key::random("srvctl-test") };
    let named = Named::builder().key(key).start();
    let findings = Findings::of(&with_lines(&named, "allow_hmac_sha1 = true\n"), &["--no-update"]);
    let finding = findings.only("tsig", "warning", &["hmac-sha1", "out of date"]);
    assert_eq!(quoted(remedy(finding)), ["tsig-keygen -a hmac-sha256 srvctl-test"]);
}

/// The seconds that a finding's evidence tells.
fn measured(evidence: &str) -> i64 {
    let mut words = evidence.split_whitespace();
    words.find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("no number: {evidence}"))
}

#[test]
fn a_clock_that_goes_wrong_is_measured() {
    for (offset, seconds, way) in [("+120s", 120, "ahead of"), ("-120s", 120, "behind")] {
        let named = Named::builder().with_faketime(offset).start();
        let findings = Findings::of(&Workspace::new(&named), &["--no-update"]);
        let finding = findings.only("clock", "warning", &[way, "timedatectl set-ntp true"]);
        let evidence = evidence(finding);
        let skew = measured(evidence.split(" is ").nth(1).unwrap());
        assert!((skew - seconds).abs() <= 2, "{evidence}");
    }
}

#[test]
fn a_clock_that_is_refused_is_measured_too() {
    let named = Named::builder().with_faketime("+1h").start();
    let findings = Findings::of(&Workspace::new(&named), &[]);
    let finding = findings.only("clock", "error", &["ahead of", "everything is refused"]);
    let evidence = evidence(finding);
    let skew = measured(evidence.split(" is ").nth(1).unwrap());
    assert!((skew - 3600).abs() <= 2, "{evidence}");
    assert!(!findings.has("transfer"), "nothing more can be tried: {findings:?}");
}

#[test]
fn a_key_of_its_own_for_transfers() {
    let transfers = Key::random("transfers");
    let zone_options = "allow-update { key \"srvctl-test\"; }; allow-transfer { key \"transfers\"; };";
    let named = Named::builder().also_key(&transfers).zone_options(zone_options).start();
    let mut workspace = with_lines(&named, "transfer_key_file = \"transfers.key\"\n");
    workspace.write_key("transfers.key", &transfers);
    let findings = Findings::of(&workspace, &["--no-update"]);
    findings.one("tsig", "ok", &["srvctl-test", "for updates,"]);
    findings.one("tsig", "ok", &["transfers", "for transfers,"]);
    findings.only("transfer", "ok", &["serial 1"]);
}

#[test]
fn a_primary_that_is_not_there() {
    let named = Named::start();
    let nobody = free_address().to_string();
    let workspace = Workspace::with(&Settings { primary: nobody.clone(), ..Settings::for_server(&named) });
    Findings::of(&workspace, &[]).only("primary", "error", &[&nobody, "cannot be reached", "refused"]);
}

#[test]
fn a_zone_that_may_not_be_transferred() {
    let zone_options = "allow-update { key \"srvctl-test\"; }; allow-transfer { none; };";
    let named = Named::builder().zone_options(zone_options).start();
    let findings = Findings::of(&Workspace::new(&named), &[]);
    let finding = findings.only("transfer", "error", &["REFUSED"]);
    let lines = quoted(remedy(finding));
    assert!(lines.contains(&"allow-transfer { key \"srvctl-test\"; };".to_owned()), "{lines:?}");
    findings.only("update", "ok", &[]);
    // The line helps.
    let named =
        Named::builder().zone_options(&format!("allow-update {{ key \"srvctl-test\"; }}; {}", lines[1])).start();
    Findings::of(&Workspace::new(&named), &["--no-update"]).only("transfer", "ok", &[]);
}

#[test]
fn a_zone_that_is_not_configured() {
    let named = Named::start();
    let output = Workspace::new(&named).expect(2, &["doctor", "--zone", "other.local"]);
    assert!(
        output.stderr.contains("zone other.local. is not in the configuration; there are: internal.local."),
        "{output:?}"
    );
    assert_gone(&named);
}
