//! The main job: from an empty zone to the example, in one `apply`.

use serde_json::json;

use crate::support::{EXAMPLE_RECORDS, Named, Workspace, assert_lines, strings};

#[test]
fn an_empty_zone_becomes_the_example() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    workspace.expect(3, &["plan"]);
    assert_eq!(named.serial(), 1, "a plan changes nothing");
    workspace.expect(0, &["apply"]);
    assert_lines("after apply", &named.zone_text(), EXAMPLE_RECORDS);
    workspace.expect(0, &["plan"]);
}

#[test]
fn a_second_apply_sends_nothing() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    workspace.expect(0, &["apply"]);
    let (serial, log) = (named.serial(), named.log().matches("updating zone").count());
    let again = workspace.json(&["apply", "--json"]);
    assert_eq!(again["zones"][0]["applied"]["messages"], json!(0), "{again}");
    assert_eq!(named.serial(), serial);
    assert_eq!(named.log().matches("updating zone").count(), log);
}

#[test]
fn dry_run_is_plan() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    for arguments in [vec!["plan"], vec!["plan", "--json"]] {
        let plan = workspace.expect(3, &arguments);
        let mut dry_run = vec!["apply", "--dry-run"];
        dry_run.extend(&arguments[1..]);
        assert_eq!(workspace.expect(3, &dry_run).stdout, plan.stdout);
    }
    assert_eq!(named.serial(), 1);
}

#[test]
fn plan_tells_every_change_as_data() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    let plan = workspace.json(&["plan", "--json"]);
    let zone = &plan["zones"][0];
    assert_eq!(zone["zone"], json!("internal.local."));
    assert_eq!(zone["serial"], json!(1));
    assert_eq!(zone["in_sync"], json!(false));
    assert_eq!((&zone["conflicts"], &zone["error"]), (&json!([]), &json!(null)));
    let changes = zone["changes"].as_array().unwrap();
    let srv =
        changes.iter().find(|change| change["name"] == "_jenkins._tcp.internal.local." && change["type"] == "SRV");
    let srv = srv.unwrap_or_else(|| panic!("no SRV change: {plan}"));
    assert_eq!(srv["before"], json!(null));
    assert_eq!(srv["after"]["ttl"], json!(300));
    let mut rdatas = strings(&srv["after"]["rdatas"]);
    rdatas.sort();
    assert_eq!(rdatas, ["10 10 8080 centos9-vm.internal.local.", "10 20 8080 centos9-vm2.internal.local."]);
}

#[test]
fn apply_counts_what_it_did() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    let applied = workspace.json(&["apply", "--json"]);
    let zone = &applied["zones"][0];
    let published = EXAMPLE_RECORDS.len() - 2; // the bare zone's own two
    assert_eq!(zone["applied"]["records_added"], json!(published), "{applied}");
    assert_eq!(zone["applied"]["records_deleted"], json!(0));
    assert_eq!(zone["failures"], json!([]));
}

#[test]
fn drift_inside_what_we_own_is_repaired() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    workspace.expect(0, &["apply"]);
    named.nsupdate(
        "zone internal.local\n\
         update add _jenkins._tcp.internal.local 300 SRV 1 1 1 stray.internal.local.\n\
         update delete _node-exporter._tcp.internal.local SRV 0 0 9100 centos9-vm.internal.local.\n\
         update delete centos9-vm.internal.local A\n\
         update delete _node-exporter._tcp.internal.local TXT\n\
         update add _node-exporter._tcp.internal.local 60 TXT \"drifted\"",
    );
    workspace.expect(3, &["plan"]);
    workspace.converge();
    assert_lines("after repair", &named.zone_text(), EXAMPLE_RECORDS);
}

#[test]
fn verify_proves_what_prometheus_would_discover() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    workspace.expect(3, &["verify"]);
    workspace.expect(0, &["apply"]);
    workspace.expect(0, &["verify"]);
    let report = workspace.json(&["verify", "--json"]);
    assert_eq!(report["in_sync"], json!(true), "{report}");
    for check in report["checks"].as_array().unwrap() {
        assert_eq!(check["verdict"], json!("in_sync"), "{check}");
    }
    named.nsupdate("zone internal.local\nupdate add _jenkins._tcp.internal.local 300 SRV 1 1 1 stray.internal.local.");
    workspace.expect(3, &["verify"]);
    let report = workspace.json(&["verify", "--json"]);
    let checks = report["checks"].as_array().unwrap();
    let srv = checks.iter().find(|check| check["type"] == "SRV" && check["verdict"] != "in_sync");
    assert_eq!(srv.map(|check| &check["verdict"]), Some(&json!("extra")), "{report}");
}

#[test]
fn a_zone_of_thousands_of_records_converges() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    let instance = |service: u8, host: u8| {
        format!(
            "[[service.instance]]\nhost = \"host-with-a-long-name-{service}-{host}\"\nport = 9100\n\
             addresses = [\"10.1.{service}.{host}\"]\n"
        )
    };
    let service = |service: u8| {
        let instances: String = (0..50).map(|host| instance(service, host)).collect();
        format!("[[service]]\nname = \"svc{service}\"\n{instances}")
    };
    let text: String = (0..60).map(service).collect();
    workspace.write_service("many.toml", &text);
    workspace.converge();
    let lines = named.zone_text();
    // Per service 50 SRV, 50 A with a marker each, and its own marker; and the bare zone's two.
    assert_eq!(lines.len(), 60 * (50 + 50 + 50 + 1) + 2);
}
