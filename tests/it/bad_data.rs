//! Desired data that cannot or must not be published: refused with its place and the reason, before DNS sees it.

use serde_json::json;

use crate::support::{Named, Settings, Workspace};

/// What is wrong, the file's text, the place in it, the reason.
type Case<'a> = (&'a str, String, &'a str, &'a str);

/// A service with one instance of these lines, which start in line 4.
fn instance(lines: &str) -> String {
    format!("[[service]]\nname = \"web\"\n[[service.instance]]\n{lines}\n")
}

fn host(host: &str) -> String {
    instance(&format!("host = \"{host}\"\nport = 80"))
}

fn refused(case: &Case<'_>, named: &Named) {
    let (what, text, place, reason) = case;
    let workspace = Workspace::new(named);
    workspace.write_service("bad.toml", text);
    for command in ["check", "plan", "apply"] {
        let output = workspace.expect(1, &[command]);
        for words in [&format!("services.d/bad.toml:{place}"), *reason] {
            assert!(output.stderr.contains(words), "{what}: `{command}` does not say {words:?}\n{}", output.stderr);
        }
    }
    let report = workspace.json(&["check", "--json"]);
    let (line, _) = place.split_once(':').unwrap();
    assert_eq!(report["errors"][0]["line"], json!(line.parse::<u32>().unwrap()), "{what}: {report}");
}

fn all_refused(cases: &[Case<'_>]) {
    let named = Named::start();
    for case in cases {
        refused(case, &named);
    }
    assert_eq!(named.serial(), 1);
    assert!(!named.log().contains("AXFR started"), "not even a look was taken");
}

#[test]
fn ports_targets_and_names() {
    let label = "x".repeat(64);
    let name = ["x".repeat(63).as_str(); 4].join(".");
    all_refused(&[
        ("port 0", instance("host = \"a\"\nport = 0"), "5:8", "`port` must be from 1 to 65535, not 0"),
        ("port 65536", instance("host = \"a\"\nport = 65536"), "5:8", "`port` must be from 1 to 65535, not 65536"),
        ("no target", host("."), "4:8", "says that the service is not available (RFC 2782)"),
        ("IPv4", host("192.0.2.1"), "4:8", "is an address, and an SRV record can only point to a name"),
        ("IPv4 with a dot", host("192.0.2.1."), "4:8", "is an address"),
        ("IPv6", host("2001:db8::1"), "4:8", "is an address"),
        ("underscore", host("a_b"), "4:8", "has an underscore in `a_b`"),
        ("blank", host("a b"), "4:8", "host names are letters, digits and hyphens"),
        ("umlaut", host("bücher"), "4:8", "host names are letters, digits and hyphens"),
        ("escape", host(r"a\\.b"), "4:8", "host names are letters, digits and hyphens"),
        ("asterisk", host("*"), "4:8", "host names are letters, digits and hyphens"),
        ("hyphen in front", host("-a"), "4:8", "no part of a host name starts or ends with a hyphen"),
        ("hyphen at the end", host("a-.b"), "4:8", "no part of a host name starts or ends with a hyphen"),
        ("digits only", host("1.2.3."), "4:8", "is all digits; Go's resolvers do not take that for a name"),
        ("empty label", host("a..b"), "4:8", "has an empty label"),
        ("long label", host(&label), "4:8", "has a label of 64 bytes; DNS allows 63"),
        ("long name", host(&name), "4:8", "takes 272 bytes on the wire; DNS allows 255"),
        ("no host", host(""), "4:8", "`host` is empty"),
    ]);
}

#[test]
fn services_and_their_metadata() {
    let service = |lines: &str| format!("[[service]]\n{lines}\n[[service.instance]]\nhost = \"a\"\nport = 80\n");
    let pair = "v".repeat(255 - "team=".len() + 1);
    all_refused(&[
        ("blank", service("name = \"my web\""), "2:8", "may only have letters, digits and hyphens"),
        ("umlaut", service("name = \"bücher\""), "2:8", "may only have letters, digits and hyphens"),
        ("dot", service("name = \"a.b\""), "2:8", "may only have letters, digits and hyphens"),
        ("underscore", service("name = \"_web\""), "2:8", "starts with an underscore, which is added for you"),
        ("long label", service(&format!("name = \"{}\"", "x".repeat(63))), "2:8", "DNS has room for 62"),
        ("long TXT", service(&format!("name = \"web\"\nmetadata = {{ team = \"{pair}\" }}")), "3:21", "255"),
        ("TXT without a key", service("name = \"web\"\nmetadata = { \"\" = \"x\" }"), "3:14", "at least one character"),
        ("strange zone", service("name = \"web\"\nzone = \"notinternal.local\""), "3:8", "is not a managed zone"),
    ]);
}

#[test]
fn contradictions() {
    let instance = |host: &str, more: &str| format!("[[service.instance]]\nhost = \"{host}\"\nport = 80\n{more}\n");
    let service = |name: &str, instances: &str| format!("[[service]]\nname = \"{name}\"\n{instances}");
    let twice = |other: &str| service("web", &(instance("a", "") + &instance(other, "")));
    let fight = service("a", &instance("h", "addresses = [\"192.0.2.1\"]"))
        + &service("b", &instance("H", "addresses = [\"192.0.2.2\"]"));
    let outside = service("web", &instance("a.elsewhere.local.", "addresses = [\"192.0.2.1\"]"));
    let nearly = service("web", &instance("a.notinternal.local.", "addresses = [\"192.0.2.1\"]"));
    all_refused(&[
        ("duplicate instance", twice("a"), "7:1", "`a.internal.local.` port 80 is listed twice in this service"),
        ("in another case", twice("A"), "7:1", "port 80 is listed twice in this service"),
        ("in another form", twice("a.internal.local."), "7:1", "port 80 is listed twice in this service"),
        ("duplicate service", service("web", &instance("a", "")).repeat(2), "7:1", "is defined twice; first at"),
        ("two services fight over a host", fight, "9:1", "has the addresses 192.0.2.2 here, and 192.0.2.1 at"),
        ("outside every zone", outside, "6:13", "is outside every managed zone, so its addresses cannot be published"),
        ("outside by a hair", nearly, "6:13", "is outside every managed zone"),
    ]);
}

#[test]
fn names_that_are_too_long_only_with_what_is_put_before_them() {
    let named = Named::start();
    // Room for the service's name in the zone, and none for the marker's.
    let zone = format!("{}.local", ["x".repeat(57).as_str(); 4].join("."));
    let workspace = Workspace::with(&Settings { zone, ..Settings::for_server(&named) });
    workspace.write_service("bad.toml", "[[service]]\nname = \"web\"\n[[service.instance]]\nhost = \"a\"\nport = 80\n");
    let output = workspace.expect(1, &["check"]);
    for words in ["services.d/bad.toml:2:8", "with the ownership marker in front of it takes", "DNS allows 255"] {
        assert!(output.stderr.contains(words), "{words}\n{}", output.stderr);
    }
}
