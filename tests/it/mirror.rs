//! The daemon follows the zone by what changes in it, and is not led astray: by a server that was set back, one that
//! tells another history, or one that tells none.

use std::fmt::Write as _;

use crate::support::{
    ALWAYS_STEPS, EXAMPLE, EXAMPLE_RECORDS, Fault, JENKINS, Named, Proxy, Saved, Settings, Told, Workspace,
    assert_lines, notifies, outcome, transfers,
};

const ORIGINAL: &str = "_jenkins._tcp.internal.local. 300 IN SRV 10 10 8080 centos9-vm.internal.local.";
const CHANGED: &str = "_jenkins._tcp.internal.local. 300 IN SRV 10 10 8443 centos9-vm.internal.local.";
const STRANGER: &str = "stranger.internal.local. 300 IN A 192.0.2.7";
const DELETE_JENKINS: &str = "zone internal.local\nupdate delete _jenkins._tcp.internal.local SRV";
const DOES_NOT_FIT: &str = "does not fit the zone as it was known";

fn changed() -> String {
    JENKINS.replace("8080", "8443")
}

fn has(named: &Named, line: &str) -> bool {
    named.zone_text().iter().any(|found| found == line)
}

/// The example in the zone, and nothing that was not there before.
fn is_published(named: &Named) -> bool {
    let mut zone = named.zone_text();
    zone.retain(|line| line != STRANGER);
    zone.len() == EXAMPLE_RECORDS.len() && EXAMPLE_RECORDS.iter().all(|line| has(named, line))
}

/// The example's records as somebody else's zone file could have them.
fn copied() -> String {
    EXAMPLE_RECORDS[2..].join("\n")
}

#[test]
fn a_notify_is_all_that_a_repair_needs() {
    let Told { named, workspace } = Told::with_options(ALWAYS_STEPS);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    named.nsupdate(DELETE_JENKINS);
    daemon.wait_for("the repair", || is_published(&named));
    let status = daemon.wait_in_sync();
    let (whole, incremental) = transfers(&status);
    assert!(whole == 1 && incremental >= 1 && notifies(&status, 0).0 > 0, "{status}");
    let shown = workspace.expect(0, &["status"]).stdout;
    assert!(shown.contains("  read: 1 whole, ") && shown.contains("  NOTIFY: "), "{shown}");
    assert!(shown.contains(" received, last "), "{shown}");
}

#[test]
fn a_burst_of_foreign_changes() {
    let Told { named, workspace } = Told::with_options(ALWAYS_STEPS);
    let mut services = String::new();
    for index in 0..200 {
        let _ = write!(
            services,
            "[[service]]\nname = \"s{index}\"\n[[service.instance]]\nhost = \"h{index}\"\nport = 9100\n"
        );
    }
    workspace.write_service("many.toml", &services);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let before = named.zone_text();
    let mut burst = String::new();
    for index in 0..200 {
        let name = format!("_s{index}._tcp.internal.local");
        if index % 2 == 0 {
            let _ = writeln!(burst, "update delete {name} SRV\nsend");
        } else if index % 10 == 1 {
            let _ = writeln!(burst, "update add {name} 300 SRV 0 0 1 stray.internal.local.\nsend");
        } else {
            let _ = writeln!(burst, "update add x{index}.internal.local 300 A 10.0.0.{index}\nsend");
            let _ = writeln!(burst, "update delete x{index}.internal.local\nsend");
        }
    }
    named.nsupdate(&burst);
    daemon.wait_for("all repairs", || named.zone_text() == before);
    let status = daemon.wait_in_sync();
    assert_eq!(transfers(&status).0, 1, "{status}");
    assert!(!daemon.log().contains(DOES_NOT_FIT), "{}", daemon.log_tail());
}

#[test]
fn a_changed_file_is_pushed_without_reading_the_zone_again() {
    let Told { named, workspace } = Told::with_options(ALWAYS_STEPS);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let serial = named.serial();
    workspace.write_service("jenkins.toml", &changed());
    daemon.wait_for("the change", || has(&named, CHANGED));
    let status = daemon.wait_in_sync();
    assert_eq!(transfers(&status).0, 1, "{status}");
    assert_eq!(named.serial(), serial + 1, "one update");
}

#[test]
fn a_server_that_was_set_back() {
    let Told { mut named, workspace } = Told::with_options(ALWAYS_STEPS);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    named.stop();
    let old = named.saved();
    named.start_again();
    workspace.write_service("jenkins.toml", &changed());
    daemon.wait_for("the change", || has(&named, CHANGED));
    daemon.wait_in_sync();
    named.stop();
    named.restore(&old);
    named.start_again();
    assert!(has(&named, ORIGINAL) || has(&named, CHANGED));
    daemon.wait_for("the change once more", || has(&named, CHANGED));
    let status = daemon.wait_in_sync();
    assert_eq!(transfers(&status).0, 2, "{status}");
    assert!(daemon.log().contains("the primary's serial went back"), "{}", daemon.log_tail());
}

#[test]
fn another_zone_at_the_same_serial_is_found_by_a_full_check() {
    let Told { mut named, workspace } = Told::with_options(ALWAYS_STEPS);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let serial = named.serial();
    named.stop();
    named.restore(&Saved::fresh(serial, STRANGER));
    named.start_again();
    daemon.signal("HUP");
    daemon.wait_for("everything to be published again", || is_published(&named));
    let status = daemon.wait_in_sync();
    assert_eq!(transfers(&status).0, 2, "{status}");
    assert!(has(&named, STRANGER));
}

#[test]
fn a_history_that_does_not_fit() {
    let Told { mut named, workspace } = Told::with_options(ALWAYS_STEPS);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let serial = named.serial();
    named.stop();
    named.restore(&Saved::fresh(serial, STRANGER));
    named.start_again();
    // From the serial that the daemon holds, in truth; but of another zone.
    named.nsupdate("zone internal.local\nupdate delete stranger.internal.local");
    daemon.wait_for("everything to be published again", || is_published(&named));
    let status = daemon.wait_in_sync();
    assert_eq!(transfers(&status).0, 2, "{status}");
    let log = daemon.log();
    assert!(log.contains(DOES_NOT_FIT) && log.contains("`stranger.internal.local. 300 IN A 192.0.2.7`"), "{log}");
    assert_lines("nothing else is published", &named.zone_text(), EXAMPLE_RECORDS);
}

#[test]
fn half_of_a_history_that_does_not_fit() {
    let mut proxy = None;
    let Told { mut named, workspace } =
        Told::by(ALWAYS_STEPS, |named| proxy.insert(Proxy::to(named.address())).address());
    let proxy = proxy.unwrap();
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let serial = named.serial();
    named.stop();
    named.restore(&Saved::fresh(serial, &(copied() + "\n" + STRANGER)));
    named.start_again();
    // The difference comes, and begins with what fits; then the zone does not.
    proxy.script([Fault::None, Fault::CutAnswer(0)]);
    named.nsupdate(&format!("{DELETE_JENKINS}\nupdate delete stranger.internal.local"));
    daemon.wait_for("the repair", || is_published(&named));
    let status = daemon.wait_in_sync();
    assert_eq!(transfers(&status).0, 2, "{status}");
    let log = daemon.log();
    assert_eq!(log.matches(DOES_NOT_FIT).count(), 1, "no other difference is made on top of half of one: {log}");
    assert!(log.contains("the zone could not be reconciled"), "{log}");
    assert_eq!(status["zones"][0]["owned_names"], 4, "{status}");
}

#[test]
fn a_server_that_always_tells_everything() {
    for options in ["provide-ixfr no;", "max-ixfr-ratio 1%;"] {
        let Told { named, workspace } = Told::with_options(options);
        let mut daemon = workspace.daemon();
        daemon.wait_in_sync();
        named.nsupdate(DELETE_JENKINS);
        daemon.wait_for("the repair", || is_published(&named));
        workspace.write_service("jenkins.toml", &changed());
        daemon.wait_for("the change", || has(&named, CHANGED));
        let status = daemon.wait_in_sync();
        let (whole, incremental) = transfers(&status);
        assert!(whole >= 3 && incremental == 0, "{options} {status}");
    }
}

#[test]
fn a_server_that_has_forgotten_its_history() {
    let Told { mut named, workspace } = Told::with_options(ALWAYS_STEPS);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let serial = named.serial();
    named.stop();
    named.restore(&Saved::fresh(serial + 10, STRANGER));
    named.start_again();
    daemon.wait_for("everything to be published again", || is_published(&named));
    let status = daemon.wait_in_sync();
    assert_eq!(transfers(&status).0, 2, "{status}");
    let log = daemon.log();
    assert!(!log.contains(DOES_NOT_FIT) && !log.contains("went back") && has(&named, STRANGER), "{log}");
}

#[test]
fn a_zone_that_has_expired_is_read_anew() {
    let mut named = Named::builder().options(ALWAYS_STEPS).start();
    let workspace = Workspace::with(&Settings { interval: "1s".to_owned(), ..Settings::for_server(&named) });
    for (file, text) in EXAMPLE {
        workspace.write_service(file, text);
    }
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let serial = named.serial() + 1;
    let soa = format!("ns1.internal.local. hostmaster.internal.local. {serial} 3600 600 5 60");
    named.nsupdate(&format!("zone internal.local\nupdate add internal.local 300 SOA {soa}"));
    daemon.wait_until("the short EXPIRE to be known", |status| status["zones"][0]["serial"] == serial);
    named.stop();
    let expired = "not been heard for longer than the zone's EXPIRE";
    daemon.wait_for("the zone to expire", || daemon_log(&workspace).contains(expired));
    let before = daemon.wait_until("the failure to show", |status| outcome(status) == "failed");
    named.start_again();
    let after = daemon.wait_in_sync();
    assert!(transfers(&after).0 > transfers(&before).0, "it was the same zone, but who knew? {after}");
    assert_eq!(named.serial(), serial);
}

fn daemon_log(workspace: &Workspace) -> String {
    std::fs::read_to_string(workspace.daemon_log()).unwrap()
}
