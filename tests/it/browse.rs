//! Services that can be browsed (RFC 6763): what real clients find of them, and that nobody ever finds half of one.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::support::{
    ALWAYS_STEPS, Avahi, Named, Settings, Workspace, assert_golden, assert_lines, in_private_network, strings,
};

const JENKINS: &str = r#"[[service]]
name = "jenkins"
metadata = { team = "devops" }
[service.browse]
subtypes = ["ci"]
[[service.instance]]
name = "Jenkins on centos9-vm"
host = "centos9-vm"
port = 8080
priority = 10
weight = 10
addresses = ["192.168.188.142"]
metadata = { path = "/login", txtvers = 1 }
[[service.instance]]
name = "Büro. 3. Stock"
host = "office"
port = 8081
addresses = ["192.168.188.143", "2001:db8::143"]
"#;

/// Every guard off: they have tests of their own.
fn settings(named: &Named) -> Settings {
    Settings { more: "max_delete_percent = 100\n".to_owned(), ..Settings::for_server(named) }
}

fn jenkins(named: &Named) -> Workspace {
    let workspace = Workspace::with(&settings(named));
    workspace.write_service("jenkins.toml", JENKINS);
    workspace
        .write_service("other.toml", "[[service]]\nname = \"other\"\n[[service.instance]]\nhost = \"h\"\nport = 1\n");
    workspace
}

#[test]
fn avahi_finds_and_resolves_what_is_published() {
    in_private_network("browse::avahi_finds_and_resolves_what_is_published", || {
        const DOMAIN: &str = "internal.example";
        // What ends in `.local` Avahi looks for by multicast.
        let named = Named::builder().listen("127.0.0.1:53".parse().unwrap()).only_zone(DOMAIN).start();
        let workspace = Workspace::with(&Settings { zone: DOMAIN.to_owned(), ..settings(&named) });
        workspace.write_service("jenkins.toml", JENKINS);
        workspace.converge();
        let avahi = Avahi::start();
        let found = [
            r"+;n/a;n/a;B\195\188ro\.\0323\.\032Stock;_jenkins._tcp;internal.example",
            r"+;n/a;n/a;Jenkins\032on\032centos9-vm;_jenkins._tcp;internal.example",
        ];
        let resolved = [
            r#"=;n/a;n/a;B\195\188ro\.\0323\.\032Stock;_jenkins._tcp;internal.example;office.internal.example;192.168.188.143;8081;"team=devops""#,
            r#"=;n/a;n/a;Jenkins\032on\032centos9-vm;_jenkins._tcp;internal.example;centos9-vm.internal.example;192.168.188.142;8080;"team=devops" "path=/login" "txtvers=1""#,
        ];
        let browse = |more: &[&str]| avahi.ask("avahi-browse", &[&["-pt", "-d", DOMAIN], more].concat());
        assert_eq!(browse(&["-D"]), ["+;;;internal.example"], "b._dns-sd._udp lists the domain");
        assert_eq!(browse(&["-a"]), found, "_services._dns-sd._udp lists the type");
        for service in ["_jenkins._tcp", "_ci._sub._jenkins._tcp"] {
            let lines: Vec<_> =
                browse(&["-r", service]).into_iter().filter(|line| !line.contains("2001:db8")).collect();
            assert_lines(service, &lines, found.iter().chain(&resolved));
        }
        let host = avahi.ask("avahi-resolve", &["-4", "-n", "office.internal.example"]);
        assert_eq!(host, ["office.internal.example\t192.168.188.143"]);

        // Changed and removed, it is so for them too.
        workspace.write_service("jenkins.toml", &JENKINS.replace("/login", "/").replace("Büro. 3. Stock", "Attic"));
        workspace.converge();
        workspace.expect(0, &["verify"]);
        let avahi = Avahi::start(); // without what the first one remembers
        let lines = avahi.ask("avahi-browse", &["-rpt", "-d", DOMAIN, "_jenkins._tcp"]);
        assert!(lines.iter().any(|line| line.contains(r#""path=/""#)), "{lines:?}");
        let names: BTreeSet<_> = lines.iter().map(|line| line.split(';').nth(3).unwrap()).collect();
        assert_eq!(names, BTreeSet::from(["Attic", r"Jenkins\032on\032centos9-vm"]));
    });
}

#[test]
fn srvctl_browses_too_and_says_what_is_broken() {
    let named = Named::start();
    let workspace = jenkins(&named);
    workspace.converge();
    let server = format!("@{}", named.address());
    let types = workspace.expect(0, &["browse", &server]);
    assert_eq!(types.stdout, "TYPE           DOMAIN\n_jenkins._tcp  internal.local\n");
    assert_golden("browse.txt", &workspace.expect(0, &["browse", "jenkins", &server]).stdout);
    let found = workspace.json(&["browse", "_ci._sub._jenkins._tcp", &server, "--json"]);
    assert_eq!(found["domains"], serde_json::json!(["internal.local."]));
    let [office, vm] = &found["instances"].as_array().unwrap()[..] else { panic!("{found}") };
    assert_eq!((office["name"].as_str(), vm["name"].as_str()), (Some("Büro. 3. Stock"), Some("Jenkins on centos9-vm")));
    assert_eq!(strings(&office["addresses"]), ["192.168.188.143", "2001:db8::143"]);
    // What it prints can be given to the others.
    let full = vm["full_name"].as_str().unwrap();
    assert_eq!(full, r"Jenkins\ on\ centos9-vm._jenkins._tcp.internal.local.");
    let dug = workspace.expect(0, &["dig", full, "SRV", &server, "+short"]);
    assert_eq!(dug.stdout, "10 10 8080 centos9-vm.internal.local.\n");
    let text = workspace.expect(0, &["dig", full, "TXT", &server, "+short"]);
    assert_eq!(text.stdout, "\"txtvers=1\" \"path=/login\" \"team=devops\"\n");
    // Every RRset of it is verified.
    let verified = workspace.json(&["verify", "jenkins", "--json"]);
    let types = |name: &str| -> Vec<_> {
        let checks = verified["checks"].as_array().unwrap().iter();
        checks.filter(|check| check["name"] == name).map(|check| check["type"].as_str().unwrap()).collect()
    };
    assert_eq!(types(full).len(), 2, "{verified}");
    assert_eq!(types("_jenkins._tcp.internal.local.").len(), 3, "{verified}");
    let views = verified["views"].as_array().unwrap();
    assert!(
        views.iter().all(|view| view["name"] == "_jenkins._tcp.internal.local."),
        "none asks for instances: {views:?}"
    );

    named.nsupdate(
        r#"update delete office.internal.local.
update add _jenkins._tcp.internal.local. 300 PTR Gone._jenkins._tcp.internal.local.
update delete Jenkins\032on\032centos9-vm._jenkins._tcp.internal.local. TXT
update add Jenkins\032on\032centos9-vm._jenkins._tcp.internal.local. 300 TXT "a=1" "=b" "A=2""#,
    );
    let broken = workspace.expect(3, &["browse", "jenkins", &server]);
    for said in [
        "! Büro. 3. Stock (_jenkins._tcp): its host office.internal.local. has no address",
        "! Gone (_jenkins._tcp): it is listed and has no SRV record",
        "! Gone (_jenkins._tcp): it has no TXT record",
        "! Jenkins on centos9-vm (_jenkins._tcp): the TXT string \"=b\" has no key",
        "! Jenkins on centos9-vm (_jenkins._tcp): the TXT key `A` is there more than once",
    ] {
        assert!(broken.stdout.contains(said), "{said}\n{}", broken.stdout);
    }
    workspace.expect(3, &["browse", "nothing", &server]);
    workspace.expect(1, &["browse", "jenkins", "@127.0.0.1:1"]);
    workspace.expect(2, &["browse", "a.b", &server]);
    // All of that is drift, and repaired.
    workspace.converge();
    workspace.expect(0, &["browse", "jenkins", &server]);
}

/// What a zone has of the service, and that no instance in it is half there.
fn assert_whole(records: &BTreeSet<String>, version: usize) {
    let own = "_jenkins._tcp.internal.local.";
    let targets = |list: &str| -> BTreeSet<&str> {
        let prefix = format!("{list} 300 IN PTR ");
        records.iter().filter_map(|line| line.strip_prefix(&prefix)).collect()
    };
    let owners = |kind: &str| -> BTreeSet<&str> {
        let of_kind = records.iter().filter_map(|line| line.split_once(kind)).map(|(owner, _)| owner);
        of_kind.filter(|owner| owner.ends_with(own) && *owner != own && !owner.starts_with("_srvctl.")).collect()
    };
    let listed = targets(own);
    assert_eq!(listed, owners(" 300 IN SRV "), "version {version}: {records:#?}");
    assert_eq!(listed, owners(" 300 IN TXT "), "version {version}: {records:#?}");
    assert_eq!(listed, targets("_ci._sub._jenkins._tcp.internal.local."), "version {version}: {records:#?}");
    for instance in listed {
        assert!(records.iter().any(|line| line.starts_with(&format!("_srvctl.{instance} "))), "{version}: {instance}");
    }
}

/// So many instances with a kilobyte to tell each.
fn large(instances: usize, word: &str) -> String {
    let mut text = "[[service]]\nname = \"jenkins\"\n[service.browse]\nsubtypes = [\"ci\"]\n".to_owned();
    let value = word.repeat(240 / word.len());
    for host in 0..instances {
        let _ =
            write!(text, "[[service.instance]]\nname = \"Host {host}\"\nhost = \"h{host}\"\nport = 80\nmetadata = {{ ");
        let pairs: Vec<_> = (0..4).map(|key| format!("key{key} = \"{value}\"")).collect();
        let _ = writeln!(text, "{} }}", pairs.join(", "));
    }
    text
}

#[test]
fn no_version_of_the_zone_has_half_an_instance() {
    let named = Named::builder().options(ALWAYS_STEPS).start();
    let workspace = Workspace::with(&settings(&named));
    let start = named.serial();
    let mut sent = Vec::new();
    let without = "# nothing\n".to_owned();
    for text in [large(100, "a"), large(100, "b"), large(60, "b"), without] {
        workspace.write_service("jenkins.toml", &text);
        let before = named.serial();
        let planned = workspace.run(&["plan", "--json"]);
        let held: serde_json::Value = serde_json::from_str(&planned.stdout).unwrap();
        match held["zones"][0]["held"]["id"].as_str() {
            Some(id) => drop(workspace.expect(0, &["apply", "--accept", id])),
            None => drop(workspace.expect(0, &["apply"])),
        }
        workspace.expect(0, &["plan"]);
        sent.push(named.serial() - before);
    }
    assert!(sent[0] >= 3 && sent[1] >= 3, "a hundred kilobytes take several messages: {sent:?}");
    let mut records = BTreeSet::new();
    for (version, change) in named.versions_since(start).into_iter().enumerate() {
        change.lost.iter().for_each(|line| assert!(records.remove(line), "{line}"));
        records.extend(change.gained);
        assert_whole(&records, version);
    }
    assert_eq!(records, BTreeSet::new(), "nothing is left");
}

#[test]
fn a_refused_instance_is_left_whole_and_holds_up_no_other() {
    // No PTR may be updated: nothing is there for who browses, and everything for Prometheus.
    let policy =
        "allow-transfer { key \"srvctl-test\"; }; update-policy { grant srvctl-test zonesub A AAAA SRV TXT; };";
    let named = Named::builder().zone_options(policy).start();
    let workspace = jenkins(&named);
    let refused = workspace.expect(1, &["apply"]);
    assert!(refused.stdout.contains("REFUSED") || refused.stderr.contains("REFUSED"), "{refused:?}");
    let records: BTreeSet<_> = named.zone_text().into_iter().collect();
    assert_whole(&records, 0);
    let srv = records.iter().filter(|line| line.contains(" IN SRV ")).count();
    assert_eq!(srv, 3, "{records:#?}");
    let doctor = workspace.expect(1, &["doctor"]);
    assert!(doctor.stdout.contains("refuses updates of PTR records"), "{}", doctor.stdout);
    assert!(doctor.stdout.contains("grant \"srvctl-test\" zonesub PTR;"), "{}", doctor.stdout);

    // One name is somebody else's.
    let named = Named::builder().records(r"Jenkins\ on\ centos9-vm._jenkins._tcp 60 TXT theirs").start();
    let workspace = jenkins(&named);
    let conflict = workspace.expect(1, &["apply"]);
    assert!(conflict.stdout.contains("foreign records are in the way"), "{conflict:?}");
    let records: BTreeSet<_> = named.zone_text().into_iter().filter(|line| !line.contains("theirs")).collect();
    assert_whole(&records, 0);
    let name = r"Jenkins\ on\ centos9-vm._jenkins._tcp.internal.local";
    workspace.expect(0, &["adopt", "--replace", name]);
    workspace.converge();
    assert_whole(&named.zone_text().into_iter().collect(), 1);
}

#[test]
fn instances_that_register_themselves_can_be_browsed_where_a_file_says_so() {
    let named = Named::start();
    let workspace = jenkins(&named);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let server = format!("@{}", named.address());
    let names = || {
        let found: serde_json::Value =
            serde_json::from_str(&workspace.run(&["browse", "jenkins", &server, "--json"]).stdout).unwrap();
        let names = found["instances"].as_array().unwrap().iter().map(|instance| instance["name"].as_str().unwrap());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    workspace.expect(0, &["register", "jenkins", "--host", "new", "--port", "8080", "--address", "10.0.0.1"]);
    daemon.wait_for("it is there", || names() == ["Büro. 3. Stock", "Jenkins on centos9-vm", "new"]);
    workspace.expect(0, &["deregister", "jenkins", "--host", "new", "--port", "8080"]);
    daemon.wait_for("it is gone", || names() == ["Büro. 3. Stock", "Jenkins on centos9-vm"]);
    workspace.write_service(
        "jenkins.toml",
        &JENKINS
            .replace("[service.browse]\nsubtypes = [\"ci\"]\n", "")
            .replace("name = \"Jenkins on centos9-vm\"\n", "")
            .replace("name = \"Büro. 3. Stock\"\n", ""),
    );
    daemon.wait_for("nothing is there for who browses", || {
        named.zone_text().iter().all(|line| !line.contains("PTR") && !line.contains("Stock"))
    });
    daemon.wait_in_sync();
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn whoever_browses_is_told_how_an_instance_is_where_that_is_asked_for() {
    let named = Named::start();
    let workspace = Workspace::with(&settings(&named));
    let check =
        "health = true\n[[service.check]]\ntype = \"lease\"\nttl = \"1h\"\nrise = 1\nfall = 1\n[[service.instance]]";
    workspace.write_service("jenkins.toml", &JENKINS.replacen("[[service.instance]]", check, 1));
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let told = |word: &str| {
        let text = |line: &String| line.starts_with("Jenkins") && line.contains("TXT") && line.contains(word);
        named.zone_text().iter().any(text)
    };
    assert!(told("\"health=passing\""), "{:#?}", named.zone_text());
    let listed = || named.zone_text().iter().filter(|line| line.contains("PTR") || line.contains("SRV")).count();
    let before = listed();
    let renew = ["renew", "jenkins", "--host", "centos9-vm", "--port", "8080", "--status"];
    workspace.expect(0, &[&renew[..], &["failing"]].concat());
    daemon.wait_for("it is told to fail", || told("\"health=failing\""));
    assert_eq!(listed(), before, "and stays where it is: the policy is to publish");
    workspace.expect(0, &[&renew[..], &["passing"]].concat());
    daemon.wait_for("it is told to pass", || told("\"health=passing\""));
}
