//! The same scenarios with BIND, Knot DNS and PowerDNS as the primary. What differs between them is said where it
//! does, and in the README's table.

use std::fmt::Write as _;

use serde_json::{Value, json};
use srvctl::protocol::rcode::Rcode;

use crate::races::race;
use crate::support::{
    Blueprint, EXAMPLE_RECORDS, JENKINS, Key, Kind, NODE_EXPORTER, NameServer, Settings, Workspace, assert_lines,
    free_address, notifies, notify_listen, transfers,
};

/// One test for each scenario and kind of server, so that a failure names both.
macro_rules! on_every_primary {
    ($($scenario:ident),* $(,)?) => {
        mod bind {
            $(#[test] fn $scenario() { super::$scenario(super::Kind::Bind); })*
        }
        mod knot {
            $(#[test] fn $scenario() { super::$scenario(super::Kind::Knot); })*
        }
        mod powerdns {
            $(#[test] fn $scenario() { super::$scenario(super::Kind::PowerDns); })*
        }
    };
}

on_every_primary!(
    an_empty_zone_becomes_the_example_and_stays_so,
    every_change_is_made_and_nothing_is_left,
    what_can_be_browsed_comes_changes_and_goes,
    metadata_of_every_kind,
    foreign_records_stay_and_conflicts_are_told,
    what_belongs_to_another_owner_is_left_alone,
    drift_inside_what_we_own_is_repaired,
    a_mass_deletion_is_held,
    a_hundred_instances,
    two_owners_race_for_the_same_names,
    a_notify_is_all_that_a_repair_needs,
    errors_name_their_cause,
    refusals_say_where_to_look,
    what_the_servers_do_not_agree_on,
);

fn start(kind: Kind) -> Box<dyn NameServer> {
    kind.start(&Blueprint::primary())
}

fn with_records(kind: Kind, records: &str) -> Box<dyn NameServer> {
    kind.start(&Blueprint { records: records.to_owned(), ..Blueprint::primary() })
}

fn an_empty_zone_becomes_the_example_and_stays_so(kind: Kind) {
    let server = start(kind);
    let workspace = Workspace::example(&*server);
    workspace.expect(3, &["plan"]);
    workspace.expect(3, &["verify"]);
    assert_eq!(server.serial(), 1, "a plan changes nothing");
    workspace.converge();
    assert_lines("after apply", &server.zone_text(), EXAMPLE_RECORDS);
    workspace.expect(0, &["verify"]);
    let serial = server.serial();
    assert_ne!(serial, 1, "secondaries see that something changed");
    let again = workspace.json(&["apply", "--json"]);
    assert_eq!(again["zones"][0]["applied"]["messages"], json!(0), "{again}");
    assert_eq!(server.serial(), serial);
}

/// A service with one instance: `keys` go to the service, `instance` to its instance.
fn web(keys: &str, instance: &str) -> String {
    format!("[[service]]\nname = \"web\"\n{keys}\n[[service.instance]]\nhost = \"h1\"\n{instance}\n")
}

fn every_change_is_made_and_nothing_is_left(kind: Kind) {
    let server = start(kind);
    let workspace = Workspace::new(&*server);
    workspace.write_service("other.toml", &web("", "port = 1").replace("web", "other"));
    workspace.converge();
    let (before, mut serial) = (server.zone_text(), server.serial());
    let steps: [(&str, String, &[&str]); 10] = [
        ("a port", web("", "port = 80"), &["300 IN SRV 0 0 80 h1"]),
        ("another port", web("", "port = 81"), &["300 IN SRV 0 0 81 h1"]),
        ("priority and weight", web("", "port = 81\npriority = 65535\nweight = 7"), &["300 IN SRV 65535 7 81 h1"]),
        ("the TTL alone", web("ttl = 60", "port = 81\npriority = 65535\nweight = 7"), &["60 IN SRV 65535 7 81 h1"]),
        ("the TTL and the data", web("ttl = 90", "port = 82"), &["90 IN SRV 0 0 82 h1"]),
        ("metadata", web("metadata = { a = \"b\" }", "port = 82"), &["SRV 0 0 82 h1", "IN TXT \"a=b\""]),
        ("case only", web("metadata = { a = \"B\" }", "port = 82"), &["SRV 0 0 82 h1", "IN TXT \"a=B\""]),
        (
            "addresses",
            web("", "port = 82\naddresses = [\"192.0.2.1\", \"2001:db8::1\"]"),
            &["IN A 192.0.2.1", "IN AAAA 2001:db8::1"],
        ),
        ("another address", web("", "port = 82\naddresses = [\"192.0.2.2\"]"), &["IN A 192.0.2.2"]),
        ("another target", web("", "port = 82").replace("\"h1\"", "\"h9.example.net.\""), &["82 h9.example.net."]),
    ];
    for (what, file, expected) in steps {
        workspace.write_service("web.toml", &file);
        assert_eq!(workspace.run(&["plan"]).code, 3, "{what}: must show as a difference");
        workspace.converge();
        let zone = server.zone_text();
        let found = |words: &&str| zone.iter().any(|line| line.contains(words));
        assert!(expected.iter().all(found), "{what}: {expected:?}\n{zone:#?}");
        assert_ne!(server.serial(), serial, "{what}: secondaries see it");
        serial = server.serial();
    }
    workspace.remove_service("web.toml");
    workspace.converge();
    assert_lines("after the removal", &server.zone_text(), before);
}

fn metadata_of_every_kind(kind: Kind) {
    let server = start(kind);
    let workspace = Workspace::new(&*server);
    let long = "x".repeat(250);
    let values = [r#""""#, r"'back\slash'", r#"'"quoted"'"#, r#""two words; and = signs""#, r#""grün \u2713""#];
    let mut metadata = format!("long = \"{long}\"");
    for (index, value) in values.iter().enumerate() {
        let _ = write!(metadata, ", k{index} = {value}");
    }
    workspace.write_service("web.toml", &web(&format!("metadata = {{ {metadata} }}"), "port = 80"));
    workspace.converge();
    workspace.expect(0, &["verify"]);
    let shown = server.dig(&["+short", "_web._tcp.internal.local", "TXT"]);
    for expected in [&*format!("\"long={long}\""), r#""k1=back\\slash""#, r#""k2=\"quoted\"""#, r#""k4=gr\195\188n"#] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    // More than a datagram holds, and more than one record's worth of strings.
    let many: Vec<_> = (0..40).map(|index| format!("m{index} = \"{}\"", "y".repeat(60))).collect();
    workspace.write_service("web.toml", &web(&format!("metadata = {{ {} }}", many.join(", ")), "port = 80"));
    workspace.converge();
    workspace.expect(0, &["verify"]);
}

fn conflict<'a>(report: &'a Value, name: &str) -> &'a str {
    let conflicts = report["zones"][0]["conflicts"].as_array().unwrap();
    let found = conflicts.iter().find(|conflict| conflict["name"] == name);
    found.and_then(|conflict| conflict["reason"].as_str()).unwrap_or_else(|| panic!("no conflict at {name}: {report}"))
}

fn foreign_records_stay_and_conflicts_are_told(kind: Kind) {
    let server = with_records(
        kind,
        "www A 192.0.2.10\nwww TXT \"ours is not yours\"\nalias CNAME www\n@ MX 10 mail\n_jenkins._tcp 60 SRV 5 5 5555 www\n\
         h1 CNAME www\ncentos9-vm SSHFP 4 2 abcdef6789abcdef67890123456789abcdef67890123456789abcdef12345678\n\
         centos9-vm2 A 192.168.188.143\n",
    );
    let before = server.zone_text();
    let workspace = Workspace::example(&*server);
    workspace.write_service("web.toml", &web("", "port = 80\naddresses = [\"192.0.2.1\"]"));
    let report = workspace.json(&["apply", "--json"]);
    assert!(conflict(&report, "_jenkins._tcp.internal.local.").contains("foreign"), "{report}");
    assert!(!conflict(&report, "h1.internal.local.").is_empty());
    let zone = server.zone_text();
    assert!(before.iter().all(|line| zone.contains(line)), "{before:#?}\n{zone:#?}");
    let ours = |line: &&str| !line.contains("_jenkins") && !line.contains("_srvctl.centos9-vm2.");
    let web = [
        "_web._tcp.internal.local. 300 IN SRV 0 0 80 h1.internal.local.",
        r#"_srvctl._web._tcp.internal.local. 300 IN TXT "v=1 owner=test1 types=SRV""#,
    ];
    let expected = EXAMPLE_RECORDS.iter().copied().filter(ours).chain(web).map(str::to_owned).chain(before);
    assert_lines("all else converges", &zone, expected);
    let serial = server.serial();
    workspace.expect(1, &["apply"]);
    assert_eq!(server.serial(), serial, "a standing conflict causes no updates");
}

fn what_belongs_to_another_owner_is_left_alone(kind: Kind) {
    let server = start(kind);
    let theirs = Workspace::with(&Settings { owner: "other-site".to_owned(), ..Settings::for_server(&*server) });
    theirs.write_service("jenkins.toml", JENKINS);
    theirs.converge();
    let zone = server.zone_text();
    let ours = Workspace::new(&*server);
    ours.write_service("jenkins.toml", &JENKINS.replace("8080", "8443"));
    let report = ours.json(&["apply", "--json"]);
    assert!(conflict(&report, "_jenkins._tcp.internal.local.").contains("other-site"), "{report}");
    assert_lines("theirs is untouched", &server.zone_text(), zone);
}

fn drift_inside_what_we_own_is_repaired(kind: Kind) {
    let server = start(kind);
    let workspace = Workspace::example(&*server);
    workspace.converge();
    server.nsupdate(
        "zone internal.local\n\
         update add _jenkins._tcp.internal.local 300 SRV 1 1 1 stray.internal.local.\n\
         update delete _node-exporter._tcp.internal.local SRV 0 0 9100 centos9-vm.internal.local.\n\
         update delete centos9-vm.internal.local A\n\
         update delete _node-exporter._tcp.internal.local TXT\n\
         update add _node-exporter._tcp.internal.local 60 TXT \"drifted\"",
    );
    workspace.expect(3, &["plan"]);
    workspace.converge();
    assert_lines("after repair", &server.zone_text(), EXAMPLE_RECORDS);
}

/// A service with so many instances, each with an address.
fn fleet(instances: std::ops::Range<u8>) -> String {
    let mut text = "[[service]]\nname = \"fleet\"\n".to_owned();
    for index in instances {
        let _ = write!(
            text,
            "[[service.instance]]\nhost = \"host-{index}\"\nport = 9100\naddresses = [\"192.0.2.{index}\"]\n"
        );
    }
    text
}

fn a_mass_deletion_is_held(kind: Kind) {
    let server = start(kind);
    let workspace = Workspace::new(&*server);
    workspace.write_service("fleet.toml", &fleet(0..20));
    workspace.converge();
    let zone = server.zone_text();
    workspace.write_service("fleet.toml", &fleet(0..1));
    workspace.expect(4, &["apply"]);
    assert_lines("a held plan changes nothing", &server.zone_text(), zone);
    let report = workspace.json(&["plan", "--json"]);
    workspace.expect(0, &["apply", "--accept", report["zones"][0]["held"]["id"].as_str().unwrap()]);
    workspace.expect(0, &["plan"]);
    assert_eq!(server.zone_text().len(), 2 + 4, "one SRV and one A, with their markers");
}

fn a_hundred_instances(kind: Kind) {
    let server = start(kind);
    let workspace = Workspace::new(&*server);
    workspace.write_service("fleet.toml", &fleet(0..100));
    workspace.converge();
    assert_eq!(server.zone_text().len(), 2 + 100 + 1 + 200);
    workspace.expect(0, &["verify"]);
    workspace.write_service("fleet.toml", &fleet(0..100).replace("port = 9100", "port = 9200"));
    workspace.converge();
    workspace.expect(0, &["verify"]);
}

fn two_owners_race_for_the_same_names(kind: Kind) {
    // PowerDNS' own connections to SQLite get in one another's way: "database is locked", and nothing is done.
    let forgiven = (kind == Kind::PowerDns).then_some(Rcode::SERVFAIL);
    race(&*start(kind), 100, forgiven);
}

fn a_notify_is_all_that_a_repair_needs(kind: Kind) {
    let listen = free_address();
    let server = kind.start(&Blueprint { notifies: Some(listen), ..Blueprint::primary() });
    let interval = "1h".to_owned(); // nothing else explains what the daemon notices
    let more = notify_listen(listen);
    let workspace = Workspace::with(&Settings { interval, more, ..Settings::for_server(&*server) });
    workspace.write_example();
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    for _ in 0..2 {
        server.nsupdate("zone internal.local\nupdate delete _jenkins._tcp.internal.local SRV");
        daemon.wait_for("the repair", || server.zone_text().len() == EXAMPLE_RECORDS.len());
    }
    assert_lines("after the repair", &server.zone_text(), EXAMPLE_RECORDS);
    let status = daemon.wait_in_sync();
    let ((accepted, refused), (whole, incremental)) = (notifies(&status, 0), transfers(&status));
    assert!(accepted > 0 && refused == 0, "{status}");
    // PowerDNS answers every question for what has changed with the whole zone, BIND where that is not longer.
    match kind {
        Kind::Bind => assert!(whole + incremental > 2, "{status}"),
        Kind::Knot => assert!(whole == 1 && incremental > 1, "{status}"),
        Kind::PowerDns => assert!(whole > 2 && incremental == 0, "{status}"),
    }
}

/// Lets both commands fail and looks for the words, any of each group, in what they say.
fn fails(settings: &Settings, commands: &[&str], words: &[&[&str]]) {
    let workspace = Workspace::with(settings);
    workspace.write_service("node-exporter.toml", NODE_EXPORTER);
    for command in commands {
        let output = workspace.expect(1, &[command]);
        for group in words {
            let found = group.iter().any(|word| output.stderr.contains(word));
            assert!(found, "`{command}` says none of {group:?}:\n{}\n{}", output.stderr, output.stdout);
        }
    }
}

fn errors_name_their_cause(kind: Kind) {
    let server = start(kind);
    let settings = || Settings::for_server(&*server);
    // PowerDNS does not sign its answer, whatever is wrong with the key.
    let said = |code| if kind == Kind::PowerDns { "without a signature (" } else { code };
    let secret = Key::random(&server.key().name);
    let words: [&[&str]; 3] = [&["key \"srvctl-test\": "], &["secret"], &[said("(BADSIG)")]];
    fails(&Settings { key: secret, ..settings() }, &["plan", "apply"], &words);
    let name = Key { name: "somebody-else".to_owned(), ..server.key().clone() };
    let words: [&[&str]; 3] = [&["key \"somebody-else\": "], &["know this key", "know the key"], &[said("(BADKEY)")]];
    fails(&Settings { key: name, ..settings() }, &["plan", "apply"], &words);
    let zone = "elsewhere.local".to_owned();
    fails(&Settings { zone, ..settings() }, &["plan"], &[&["elsewhere.local", "serve the zone"], &["NOTAUTH"]]);
    assert_eq!(server.serial(), 1);
}

fn refusals_say_where_to_look(kind: Kind) {
    let (update, transfer): ([&[&str]; 2], [&[&str]; 2]) = match kind {
        Kind::Bind => ([&["REFUSED"], &["`allow-update`"]], [&["REFUSED"], &["`allow-transfer`"]]),
        Kind::Knot => {
            let both: [&[&str]; 2] = [&["(BADKEY)"], &["`action: [transfer, update]`"]];
            (both, both)
        }
        Kind::PowerDns => {
            ([&["REFUSED"], &["`TSIG-ALLOW-DNSUPDATE`"]], [&["(NOTAUTH)"], &["`TSIG-ALLOW-AXFR` does not name"]])
        }
    };
    let server = kind.start(&Blueprint { updates: false, ..Blueprint::primary() });
    fails(&Settings::for_server(&*server), &["apply"], &update);
    assert_eq!(server.serial(), 1);
    let server = kind.start(&Blueprint { transfers: false, ..Blueprint::primary() });
    fails(&Settings::for_server(&*server), &["plan", "apply"], &transfer);
    assert_eq!(server.serial(), 1);
}

/// What the README's table says of prerequisites and of limits.
fn what_the_servers_do_not_agree_on(kind: Kind) {
    let server = with_records(kind, "marker TXT \"owner=North\"");
    let changed = "zone internal.local\nprereq yxrrset marker.internal.local TXT \"owner=north\"\n\
                   update add claimed.internal.local 300 TXT \"by north\"";
    let output = server.try_nsupdate(changed);
    assert_eq!(output.code == 0, kind == Kind::PowerDns, "case in a prerequisite: {output:?}");
    let mut many = "zone internal.local\n".to_owned();
    for port in 1..=101 {
        let _ = writeln!(many, "update add _many._tcp.internal.local 300 SRV 0 0 {port} h1.internal.local.");
    }
    let output = server.try_nsupdate(&many);
    assert_eq!(output.code == 0, kind != Kind::Bind, "101 records in a set: {output:?}");
    let records = server.zone_text().iter().filter(|line| line.contains(" SRV ")).count();
    assert_eq!(records, if kind == Kind::Bind { 0 } else { 101 });
    let output = server.try_nsupdate("zone internal.local\nupdate add h.internal.local 300 CAA 0 issue \"x\"");
    assert_eq!(output.code == 0, kind != Kind::Knot, "a type that `update-type` does not name: {output:?}");
}

fn what_can_be_browsed_comes_changes_and_goes(kind: Kind) {
    let server = start(kind);
    let workspace = Workspace::new(&*server);
    workspace.write_service("other.toml", &web("", "port = 1").replace("web", "other"));
    workspace.converge();
    let before = server.zone_text();
    let at = format!("@{}", server.address());
    let web = |more: &str, instance: &str| {
        let file = web("[service.browse]\nsubtypes = [\"ci\"]", &format!("port = 80\n{instance}"));
        workspace.write_service("web.toml", &file.replacen("name = \"web\"", &format!("name = \"web\"\n{more}"), 1));
        workspace.converge();
        let browsed = workspace.json(&["browse", "_ci._sub._web._tcp", &at, "--json"]);
        assert_eq!(browsed["failures"], json!([]), "{}", server.zone_text().join("\n"));
        browsed["instances"].clone()
    };
    let found = |instances: &Value| -> Vec<String> {
        let one = |found: &Value| format!("{} {} {}", found["name"], found["port"], found["text"]);
        instances.as_array().unwrap().iter().map(one).collect()
    };
    // Knot DNS keeps all names in lower case. PowerDNS keeps and transfers a name like this one, and answers SERVFAIL when it
    // is asked for it.
    let [first, second] = match kind {
        Kind::Bind => ["Web, 1. Stück", "Web, 2. Stück"],
        Kind::Knot => ["web, 1. stück", "web, 2. stück"],
        Kind::PowerDns => ["Web on 1. floor", "Web on 2. floor"],
    };
    let fails = server.dig(&[r"a,\195\188._web._tcp.internal.local", "SRV"]).contains("SERVFAIL");
    assert_eq!(fails, kind == Kind::PowerDns);
    let address = format!("addresses = [\"192.0.2.1\"]\nname = \"{first}\"");
    let instances = web("", &address);
    assert_eq!(found(&instances), [format!("\"{first}\" 80 []")]);
    assert_eq!(instances[0]["problems"], json!([]));
    let text = r#"[{"key":"a","value":"b"}]"#;
    let changed = web("ttl = 60\nmetadata = { a = \"b\" }", &address);
    assert_eq!(found(&changed), [format!("\"{first}\" 80 {text}")], "text and TTL");
    let renamed = web("ttl = 60\nmetadata = { a = \"b\" }", &address.replace(first, second));
    assert_eq!(found(&renamed), [format!("\"{second}\" 80 {text}")]);
    workspace.expect(0, &["verify"]);
    workspace.remove_service("web.toml");
    workspace.converge();
    assert_lines("after the removal", &server.zone_text(), before);
}

/// The README's `update-type` without PTR: Knot DNS answers BADKEY to the whole message then.
#[test]
fn a_key_of_knot_without_ptr_keeps_only_browsing_away() {
    let server = Kind::Knot.start(&Blueprint { pointers: false, ..Blueprint::primary() });
    let workspace = Workspace::new(&*server);
    workspace.write_service("other.toml", &web("", "port = 1").replace("web", "other"));
    workspace.write_service("web.toml", &web("[service.browse]", "port = 80"));
    let told = workspace.expect(1, &["apply"]);
    let told = format!("{}{}", told.stdout, told.stderr);
    assert!(told.contains("PTR records are part of it") && told.contains("`update-type` of Knot DNS"), "{told}");
    let zone = server.zone_text().join("\n");
    for there in ["_other._tcp.internal.local. ", "_web._tcp.internal.local. "] {
        assert!(zone.lines().any(|line| line.starts_with(there) && line.contains("SRV")), "{there} in {zone}");
    }
    assert!(!zone.contains("PTR\t") && !zone.contains(" PTR "), "{zone}");
}
