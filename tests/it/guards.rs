//! Plans that would remove too much are held, shown, and made only when a person accepts that very plan.

use std::fmt::Write;
use std::fs;

use serde_json::Value;

use crate::support::{Named, Settings, Workspace, outcome};

/// A service with the given instances, all on hosts without addresses: one SRV record each.
fn service(name: &str, instances: std::ops::Range<u16>) -> String {
    let mut text = format!("[[service]]\nname = \"{name}\"\n");
    for index in instances {
        write!(text, "[[service.instance]]\nhost = \"h{index}\"\nport = {}\n", 9000 + index).unwrap();
    }
    text
}

fn held(report: &Value) -> &Value {
    &report["zones"][0]["held"]
}

fn srv_count(named: &Named) -> usize {
    named.zone_text().iter().filter(|line| line.contains(" SRV ")).count()
}

/// Twenty instances in two services, published.
fn published(named: &Named) -> Workspace {
    let workspace = Workspace::new(named);
    workspace.write_service("a.toml", &service("a", 0..10));
    workspace.write_service("b.toml", &service("b", 10..20));
    workspace.converge();
    workspace
}

#[test]
fn a_large_removal_waits_for_its_id() {
    let named = Named::start();
    let workspace = published(&named);
    let serial = named.serial();
    workspace.write_service("a.toml", &service("a", 0..1));
    let plan = workspace.expect(4, &["plan"]);
    assert!(plan.stdout.contains("would remove 9 of 20 owned records"), "{}", plan.stdout);
    let report = workspace.json(&["plan", "--json"]);
    let id = held(&report)["id"].as_str().unwrap().to_owned();
    assert!(plan.stdout.contains(&format!("srvctl apply --accept {id}")), "{}", plan.stdout);

    workspace.expect(4, &["apply"]);
    assert_eq!((named.serial(), srv_count(&named)), (serial, 20), "a held plan changes nothing");
    workspace.expect(2, &["apply", "--accept", "nonsense"]);
    workspace.expect(1, &["apply", "--accept", "0123456789abcdef"]);

    // Another wish is another plan: the old word does not count for it.
    workspace.write_service("b.toml", &service("b", 10..12));
    workspace.expect(1, &["apply", "--accept", &id]);
    assert_eq!(srv_count(&named), 20);
    workspace.write_service("b.toml", &service("b", 10..20));
    workspace.expect(0, &["apply", "--accept", &id]);
    assert_eq!(srv_count(&named), 11);
    workspace.expect(0, &["plan"]);
}

#[test]
fn a_zone_that_cannot_be_read_may_have_the_accepted_plan() {
    let mut down = Named::builder().only_zone("other.local").start();
    let named = Named::start();
    let more =
        format!("[[zone]]\nname = \"other.local\"\nprimary = \"{}\"\nkey_file = \"other.key\"\n", down.address());
    let mut workspace = Workspace::with(&Settings { more, ..Settings::for_server(&named) });
    workspace.write_key("other.key", down.key());
    let of = |instances| service("a", instances).replace("name = \"a\"", "name = \"a\"\nzone = \"internal.local\"");
    workspace.write_service("a.toml", &of(0..20));
    workspace.expect(0, &["apply"]);
    workspace.write_service("a.toml", &of(0..1));
    let report = workspace.json(&["plan", "--json"]);
    let id = held(&report)["id"].as_str().unwrap().to_owned();
    down.stop();

    let nobody = workspace.expect(1, &["apply", "--accept", "0123456789abcdef"]);
    let cannot = format!("cannot connect to {}", down.address());
    assert!(nobody.stderr.contains(&cannot) && !nobody.stderr.contains("no plan"), "{nobody:?}");
    let made = workspace.expect(1, &["apply", "--accept", &id]);
    assert!(made.stderr.contains(&cannot), "{made:?}");
    assert_eq!(srv_count(&named), 1, "the zone that can be read has the plan");
    down.start_again();
    let nobody = workspace.expect(1, &["apply", "--accept", &id]);
    assert!(nobody.stderr.contains("no plan with this id is held now"), "{nobody:?}");
}

#[test]
fn additions_of_a_held_plan_are_made_and_said() {
    let named = Named::start();
    let workspace = published(&named);
    workspace.write_service("a.toml", &service("a", 0..1));
    workspace.write_service("c.toml", &service("c", 30..31));
    let apply = workspace.expect(4, &["apply"]);
    assert!(apply.stdout.contains("its additions are made all the same"), "{}", apply.stdout);
    assert_eq!(srv_count(&named), 21);
    workspace.expect(4, &["plan"]);
}

#[test]
fn without_any_service_nothing_is_removed() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service("a.toml", &service("a", 0..2));
    workspace.converge();
    workspace.remove_service("a.toml");
    let plan = workspace.expect(4, &["plan"]);
    assert!(plan.stdout.contains("no service is desired"), "{}", plan.stdout);
    let silent = format!("no file matches `{}/services.d/*.toml`: perhaps the source", workspace.path().display());
    assert!(plan.stdout.contains(&silent), "{}", plan.stdout);
    workspace.expect(4, &["apply"]);
    assert_eq!(srv_count(&named), 2);
    // A file that says in so many words that there is nothing is still an empty set.
    workspace.write_service("a.toml", "# nothing any more\n");
    let report = workspace.json(&["plan", "--json"]);
    let id = held(&report)["id"].as_str().unwrap();
    workspace.expect(0, &["apply", "--accept", id]);
    assert_eq!(srv_count(&named), 0);
}

#[test]
fn a_pattern_that_no_file_matches_is_told_with_the_way_out() {
    let named = Named::start();
    let workspace = published(&named);
    workspace.expect(0, &["check"]);
    let config = fs::read_to_string(workspace.config()).unwrap();
    fs::write(workspace.config(), config.replace("[\"services.d/", "[\"more.d/*.toml\", \"services.d/")).unwrap();
    fs::create_dir(workspace.path().join("more.d")).unwrap();
    let out = "remove the pattern from `services`";
    let check = workspace.expect(0, &["check"]);
    let silent = format!("no file matches `{}/more.d/*.toml`", workspace.path().display());
    assert!(check.stderr.contains(&silent) && check.stderr.contains(out), "{check:?}");
    workspace.write_service("a.toml", &service("a", 0..9));
    let plan = workspace.expect(4, &["plan"]);
    assert!(plan.stdout.contains(&silent) && plan.stdout.contains(out), "{plan:?}");
    fs::write(workspace.config(), config).unwrap();
    workspace.converge();
}

#[test]
fn the_daemon_holds_shows_and_goes_on_after_the_word() {
    let named = Named::start();
    let workspace = published(&named);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    workspace.remove_service("a.toml");
    let status = daemon.wait_until("the plan is held", |status| outcome(status) == "held");
    let id = held(&status)["id"].as_str().unwrap().to_owned();
    assert_eq!(held(&status)["names"], serde_json::json!(["_a._tcp.internal.local."]));
    assert_eq!(srv_count(&named), 20);
    let shown = workspace.expect(4, &["status"]);
    assert!(shown.stdout.contains(&format!("srvctl apply --accept {id}")), "{}", shown.stdout);

    // Restarted, it holds the same plan: nothing of the guard lives in memory.
    assert_eq!(daemon.stop(), 0);
    let mut daemon = workspace.daemon();
    let status = daemon.wait_until("the plan is held again", |status| outcome(status) == "held");
    assert_eq!(held(&status)["id"], Value::from(id.clone()));

    workspace.expect(0, &["apply", "--accept", &id]);
    daemon.wait_in_sync();
    assert_eq!(srv_count(&named), 10);
}

#[test]
fn a_missing_source_is_remembered_while_the_server_is_down() {
    let mut named = Named::start();
    let workspace = Workspace::with(&Settings { interval: "1s".to_owned(), ..Settings::for_server(&named) });
    let config = fs::read_to_string(workspace.config()).unwrap();
    let both = "services = [\"services.d/*.toml\", \"services.d/*.more\"]";
    fs::write(workspace.config(), config.replace("services = [\"services.d/*.toml\"]", both)).unwrap();
    workspace.write_service("a.toml", &service("a", 0..1));
    workspace.write_service("b.more", &service("b", 1..2));
    workspace.converge();
    workspace.remove_service("b.more");
    named.stop();
    let mut daemon = workspace.daemon();
    let failures = || fs::read_to_string(workspace.daemon_log()).unwrap().matches("could not be reconciled").count();
    daemon.wait_for("several tries", || failures() >= 3);
    named.start_again();
    daemon.wait_until("held", |status| outcome(status) == "held");
    assert_eq!(srv_count(&named), 2);
}
