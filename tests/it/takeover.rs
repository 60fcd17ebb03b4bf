//! Names change hands only when a person says so: adopt, release, owned.

use std::thread;

use crate::support::{EXAMPLE_RECORDS, Fault, JENKINS, Named, Scene, Settings, Workspace, assert_lines};

#[test]
fn a_foreign_name_is_adopted_record_by_record_or_replaced() {
    let named = Named::builder()
        .records("_jenkins._tcp 60 SRV 10 10 8080 centos9-vm\n_jenkins._tcp 60 SRV 1 1 1 old\ncentos9-vm A 192.0.2.1")
        .start();
    let workspace = Workspace::example(&named);
    let conflicts = workspace.expect(1, &["apply"]);
    assert!(conflicts.stderr.contains("srvctl adopt"), "{}", conflicts.stderr);
    let before = named.zone_text();

    let refused = workspace.expect(1, &["adopt", "_jenkins._tcp.internal.local"]);
    assert!(
        refused.stderr.contains("`_jenkins._tcp.internal.local. 60 IN SRV 1 1 1 old.internal.local.`"),
        "{refused:?}"
    );
    let shown = workspace.expect(0, &["adopt", "--replace", "--dry-run", "_jenkins._tcp.internal.local"]);
    assert!(shown.stdout.contains("- _jenkins._tcp.internal.local. 60 IN SRV 1 1 1 old.internal.local."), "{shown:?}");
    assert_lines("after refusal and dry run", &named.zone_text(), &before);

    let shown = workspace.json(&["adopt", "--replace", "--dry-run", "--json", "_jenkins._tcp.internal.local"]);
    assert_eq!((&shown["dry_run"], &shown["failures"]), (&true.into(), &serde_json::json!([])), "{shown}");

    workspace.expect(0, &["adopt", "--replace", "_jenkins._tcp.internal.local", "centos9-vm.internal.local."]);
    workspace.converge();
    let apex =
        named.zone_text().into_iter().filter(|line| line.starts_with("internal.local.") || line.starts_with("ns1"));
    let expected: Vec<_> = EXAMPLE_RECORDS.iter().map(ToString::to_string).chain(apex).collect();
    assert_lines("after adoption", &named.zone_text(), expected);
}

#[test]
fn adopting_what_already_matches_deletes_nothing() {
    let named = Named::builder().records("centos9-vm 300 A 192.168.188.142").start();
    let workspace = Workspace::example(&named);
    workspace.converge();
    let has_marker =
        |named: &Named| named.zone_text().iter().any(|line| line.starts_with("_srvctl.centos9-vm.internal.local."));
    assert!(!has_marker(&named), "a foreign address that says the same satisfies");
    workspace.expect(0, &["adopt", "centos9-vm.internal.local"]);
    assert!(has_marker(&named));
    workspace.expect(0, &["adopt", "centos9-vm.internal.local"]);
}

#[test]
fn released_names_keep_their_data() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    workspace.converge();
    let before = named.zone_text();
    let owned = workspace.json(&["owned", "--json"]);
    let names: Vec<_> =
        owned["zones"][0]["names"].as_array().unwrap().iter().map(|owned| owned["name"].clone()).collect();
    assert_eq!(
        names,
        [
            "_jenkins._tcp.internal.local.",
            "_node-exporter._tcp.internal.local.",
            "centos9-vm.internal.local.",
            "centos9-vm2.internal.local."
        ]
    );
    workspace.expect(0, &["release", "_jenkins._tcp.internal.local"]);
    let expected = before.iter().filter(|line| !line.starts_with("_srvctl._jenkins"));
    assert_lines("after release", &named.zone_text(), expected);
    assert!(!workspace.expect(0, &["owned"]).stdout.contains("_jenkins"));
    workspace.expect(1, &["release", "_jenkins._tcp.internal.local"]);
    workspace.expect(1, &["release", "elsewhere.example."]);
    // Still asked for by a service: a conflict now, and adoptable again.
    workspace.expect(3, &["plan"]);
    workspace.expect(0, &["adopt", "_jenkins._tcp.internal.local"]);
    assert_lines("adopted again", &named.zone_text(), &before);
}

#[test]
fn a_name_moves_from_one_srvctl_to_another() {
    let named = Named::start();
    let first = Workspace::example(&named);
    first.converge();
    let mut settings = Settings::for_server(&named);
    settings.owner = "test2".to_owned();
    let second = Workspace::with(&settings);
    second.write_example();
    let name = "_jenkins._tcp.internal.local";
    assert!(second.expect(1, &["apply"]).stderr.contains("owner \"test1\""));
    second.expect(1, &["adopt", name]);
    second.expect(1, &["adopt", "--from", "somebody", name]);
    second.expect(0, &["adopt", "--from", "test1", name]);
    assert!(first.expect(1, &["apply"]).stderr.contains("owner \"test2\""));
    let markers: Vec<_> = named.zone_text().into_iter().filter(|line| line.starts_with("_srvctl._jenkins")).collect();
    assert_eq!(markers.len(), 1);
    assert!(markers[0].contains("owner=test2 types=SRV,TXT"), "{markers:?}");
}

/// The names that a JSON report says failed, with the reasons.
fn failures(report: &serde_json::Value) -> Vec<(&str, &str)> {
    let failures = report["failures"].as_array().unwrap();
    failures.iter().map(|failure| (failure["name"].as_str().unwrap(), failure["reason"].as_str().unwrap())).collect()
}

#[test]
fn what_the_server_skips_in_silence_is_not_called_done() {
    let policy = "allow-transfer { key \"srvctl-test\"; }; update-policy { grant srvctl-test zonesub SRV(1) TXT A; };";
    let named = Named::builder().zone_options(policy).start();
    let workspace = Workspace::example(&named);
    let report = workspace.json(&["adopt", "--json", "_jenkins._tcp.internal.local", "centos9-vm.internal.local"]);
    let failures = failures(&report);
    assert!(matches!(failures[..], [("_jenkins._tcp.internal.local.", _)]), "{report}");
    let reason = failures[0].1;
    for words in ["NOERROR", "quota", "the zone read back lacks `_jenkins._tcp.internal.local. 300 IN SRV 10"] {
        assert!(reason.contains(words), "{words} in: {reason}");
    }
    workspace.expect(1, &["adopt", "_jenkins._tcp.internal.local"]);
    workspace.expect(0, &["adopt", "centos9-vm.internal.local"]);
}

#[test]
fn a_shortened_ttl_is_not_called_done() {
    let options = "allow-update { key \"srvctl-test\"; }; allow-transfer { key \"srvctl-test\"; }; max-zone-ttl 3600;";
    let named = Named::builder().records("centos9-vm 300 A 192.168.188.142").zone_options(options).start();
    let workspace = Workspace::with(&Settings { ttl: 7200, ..Settings::for_server(&named) });
    workspace.write_example();
    let output = workspace.expect(1, &["adopt", "centos9-vm.internal.local"]);
    let there = "and has `centos9-vm.internal.local. 3600 IN A 192.168.188.142`";
    assert!(output.stderr.contains(there) && output.stderr.contains("max-zone-ttl"), "{output:?}");
}

#[test]
fn after_a_broken_exchange_the_zone_says_what_was_done() {
    let Scene { named, proxy, workspace } = Scene::example(Named::start());
    let name = "_jenkins._tcp.internal.local";
    // The zone is read on the first connection, and updated on the second.
    proxy.script([Fault::None, Fault::LoseRequest]);
    let lost = workspace.expect(1, &["adopt", name]);
    assert!(lost.stderr.contains("the zone read back lacks `_jenkins._tcp.internal.local. 300 IN "), "{lost:?}");
    assert_eq!(named.serial(), 1);
    proxy.script([Fault::None, Fault::CutAnswer(0)]);
    let made = workspace.expect(0, &["adopt", name]);
    assert!(made.stderr.contains("made all the same"), "{made:?}");
    assert_eq!(named.serial(), 2);
    proxy.script([Fault::None, Fault::LoseRequest]);
    let lost = workspace.expect(1, &["release", name]);
    assert!(lost.stderr.contains("still has `_srvctl._jenkins._tcp.internal.local. 300 IN TXT"), "{lost:?}");
    proxy.script([Fault::None, Fault::CutAnswer(0), Fault::LoseRequest]);
    let unknown = workspace.expect(1, &["release", name]);
    assert!(unknown.stderr.contains("What was done is not known"), "{unknown:?}");
    assert!(!named.zone_text().iter().any(|line| line.starts_with("_srvctl.")));
}

#[test]
fn an_alias_that_appears_meanwhile_leaves_no_marker_without_data() {
    let Scene { named, proxy, workspace } = Scene::with(Named::start(), |settings| settings);
    workspace.write_service("jenkins.toml", JENKINS);
    proxy.script([Fault::None, Fault::HoldRequest]);
    let output = thread::scope(|scope| {
        let adopt = scope.spawn(|| workspace.expect(1, &["adopt", "_jenkins._tcp.internal.local"]));
        proxy.wait_held();
        named.nsupdate("zone internal.local\nupdate add _jenkins._tcp.internal.local 60 CNAME elsewhere.example.net.");
        proxy.release();
        adopt.join().unwrap()
    });
    assert!(output.stderr.contains("_jenkins._tcp.internal.local.: YXRRSET"), "{output:?}");
    assert!(!named.zone_text().iter().any(|line| line.starts_with("_srvctl.")), "{:?}", named.zone_text());
}
