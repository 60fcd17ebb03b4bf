//! Records that are not ours: never changed, and reported where they stand in the way.

use serde_json::{Value, json};

use crate::support::{EXAMPLE, EXAMPLE_RECORDS, JENKINS, NODE_EXPORTER, Named, Settings, Workspace, assert_lines};

/// One of every common type, and one that nobody knows.
const FOREIGN: &str = r#"
www        3600 A     192.0.2.10
www        3600 A     192.0.2.11
www        3600 AAAA  2001:db8::10
alias      3600 CNAME www
@          3600 MX    10 mail
@          3600 TXT   "v=spf1 -all" "second; string"
_ldap._tcp 3600 SRV   1 2 389 Www
@          3600 CAA   0 issue "ca.example.net"
www        3600 SSHFP 4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789
_443._tcp.www 3600 TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
enum       3600 NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@example.net!" .
www        3600 HINFO "x86-64" "Linux"
www        3600 LOC   47 22 0.000 N 8 32 0.000 E 400m 1m 10000m 10m
_ftp._tcp  3600 URI   10 1 "ftp://ftp.example.net/public"
svc        3600 SVCB  1 www alpn="h2" port="8443"
www        3600 HTTPS 1 . alpn="h2,h3"
sub        3600 DNAME other.example.net.
ptr        3600 PTR   www
child      3600 NS    ns.child
ns.child   3600 A     192.0.2.53
odd        3600 TYPE65280 \# 4 0a000001
centos9-vm 3600 SSHFP 4 2 abcdef6789abcdef67890123456789abcdef67890123456789abcdef12345678
"#;

fn conflict<'a>(report: &'a Value, name: &str) -> &'a str {
    let conflicts = report["zones"][0]["conflicts"].as_array().unwrap();
    let found = conflicts.iter().find(|conflict| conflict["name"] == name);
    found.and_then(|conflict| conflict["reason"].as_str()).unwrap_or_else(|| panic!("no conflict at {name}: {report}"))
}

#[test]
fn every_common_type_survives() {
    let named = Named::builder().records(FOREIGN).start();
    let before = named.zone_text();
    assert_eq!(before.len(), 2 + FOREIGN.trim().lines().count());
    let workspace = Workspace::new(&named);
    for (file, text) in EXAMPLE {
        workspace.write_service(file, text);
    }
    workspace.converge();
    let expected = EXAMPLE_RECORDS.iter().map(ToString::to_string).chain(before.clone());
    assert_lines("beside the example", &named.zone_text(), expected);

    workspace.write_service("jenkins.toml", &JENKINS.replace("8080", "8443").replace("devops", "platform"));
    workspace.converge();
    let ours = |line: &String| line.replace("8080", "8443").replace("devops", "platform");
    let changed: Vec<_> = EXAMPLE_RECORDS.iter().map(|line| ours(&(*line).to_owned())).chain(before.clone()).collect();
    assert_lines("after a change", &named.zone_text(), &changed);

    workspace.remove_service("jenkins.toml");
    workspace.converge();
    let left = changed.iter().filter(|line| !line.contains("_jenkins"));
    assert_lines("after a removal", &named.zone_text(), left);
}

#[test]
fn a_foreign_srv_at_our_name_is_a_conflict() {
    let named = Named::builder().records("_jenkins._tcp 60 SRV 5 5 5555 elsewhere").start();
    let before = named.zone_text();
    let workspace = Workspace::new(&named);
    for (file, text) in EXAMPLE {
        workspace.write_service(file, text);
    }
    let output = workspace.expect(1, &["apply"]);
    let shown = format!("{}{}", output.stdout, output.stderr);
    assert!(shown.contains("_jenkins._tcp.internal.local."), "the conflict is shown: {output:?}");
    let expected =
        EXAMPLE_RECORDS.iter().filter(|line| !line.contains("_jenkins")).map(ToString::to_string).chain(before);
    assert_lines("all else converges", &named.zone_text(), expected);

    let serial = named.serial();
    let plan = workspace.json(&["plan", "--json"]);
    assert!(!conflict(&plan, "_jenkins._tcp.internal.local.").is_empty());
    workspace.expect(1, &["apply"]);
    assert_eq!(named.serial(), serial, "a standing conflict causes no updates");
}

#[test]
fn verify_says_why_a_name_is_not_as_it_should_be() {
    let named = Named::builder().records("_jenkins._tcp SRV 1 1 1 www").start();
    let workspace = Workspace::new(&named);
    workspace.write_service("jenkins.toml", JENKINS);
    workspace.expect(1, &["apply"]);
    let shown = workspace.expect(3, &["verify"]);
    assert!(shown.stdout.contains("different"), "{}", shown.stdout);
    let why = "! _jenkins._tcp.internal.local.: foreign records are in the way";
    assert!(shown.stdout.contains(why), "{}", shown.stdout);
}

#[test]
fn a_foreign_address_that_says_the_same_satisfies() {
    let named = Named::builder().records("centos9-vm 300 A 192.168.188.142").start();
    let before = named.zone_text();
    let workspace = Workspace::new(&named);
    workspace.write_service("node-exporter.toml", NODE_EXPORTER);
    let plan = workspace.json(&["plan", "--json"]);
    assert_eq!(plan["zones"][0]["conflicts"], json!([]), "{plan}");
    workspace.converge();
    let ours = EXAMPLE_RECORDS.iter().filter(|line| !line.contains("_jenkins"));
    let ours = ours.filter(|line| !line.contains("_srvctl.centos9-vm.")).map(ToString::to_string);
    assert_lines("the zone", &named.zone_text(), ours.chain(before));
    let serial = named.serial();
    workspace.converge();
    assert_eq!(named.serial(), serial);
}

#[test]
fn a_foreign_address_that_says_something_else_is_a_conflict() {
    let named = Named::builder().records("centos9-vm 300 A 192.0.2.77").start();
    let workspace = Workspace::new(&named);
    workspace.write_service("node-exporter.toml", NODE_EXPORTER);
    let report = workspace.json(&["apply", "--json"]);
    assert!(!conflict(&report, "centos9-vm.internal.local.").is_empty());
    let zone = named.zone_text();
    let at_host: Vec<_> = zone.iter().filter(|line| line.contains("centos9-vm.internal.local. 300 IN A ")).collect();
    assert_eq!(at_host, ["centos9-vm.internal.local. 300 IN A 192.0.2.77"]);
    workspace.expect(1, &["apply"]);
}

#[test]
fn a_marker_of_another_owner_is_a_conflict() {
    let named = Named::start();
    let theirs = Workspace::with(&Settings { owner: "other-site".to_owned(), ..Settings::for_server(&named) });
    theirs.write_service("jenkins.toml", JENKINS);
    theirs.converge();
    let (zone, serial) = (named.zone_text(), named.serial());
    let ours = Workspace::new(&named);
    ours.write_service("jenkins.toml", &JENKINS.replace("8080", "8443"));
    let report = ours.json(&["apply", "--json"]);
    assert!(conflict(&report, "_jenkins._tcp.internal.local.").contains("other-site"), "{report}");
    ours.expect(1, &["apply"]);
    assert_lines("theirs is untouched", &named.zone_text(), zone);
    assert_eq!(named.serial(), serial);
    theirs.expect(0, &["plan"]);
}

#[test]
fn a_damaged_marker_is_not_ours() {
    let records = "_jenkins._tcp 60 SRV 5 5 5555 elsewhere\n_srvctl._jenkins._tcp 60 TXT \"v=1 owner=test1\"";
    let named = Named::builder().records(records).start();
    let zone = named.zone_text();
    let workspace = Workspace::new(&named);
    workspace.write_service("jenkins.toml", &JENKINS.replace("addresses", "#addresses"));
    workspace.expect(1, &["apply"]);
    assert_lines("untouched", &named.zone_text(), zone);
}

#[test]
fn a_cname_at_our_host_is_a_conflict() {
    let named = Named::builder().records("centos9-vm 300 CNAME elsewhere.example.net.").start();
    let workspace = Workspace::new(&named);
    workspace.write_service("node-exporter.toml", NODE_EXPORTER);
    let report = workspace.json(&["apply", "--json"]);
    assert!(!conflict(&report, "centos9-vm.internal.local.").is_empty());
    workspace.expect(1, &["apply"]);
    let zone = named.zone_text();
    assert!(
        zone.iter().any(|line| line == "centos9-vm.internal.local. 300 IN CNAME elsewhere.example.net."),
        "{zone:#?}"
    );
}
