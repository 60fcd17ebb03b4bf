//! Every kind of change: one `apply` makes it, and the plan after it is empty.

use crate::support::{Named, Settings, Workspace, assert_lines};

/// The bare zone's own records.
const BARE: [&str; 2] = ["internal.local. 300 IN NS ns1.internal.local.", "ns1.internal.local. 300 IN A 127.0.0.1"];

/// A change from one service file to another, and what of ours the zone must contain after it.
struct Row {
    what: &'static str,
    before: String,
    after: String,
    zone: Vec<String>,
}

fn row(what: &'static str, before: &str, after: &str, zone: &[&str]) -> Row {
    Row { what, before: before.into(), after: after.into(), zone: zone.iter().map(ToString::to_string).collect() }
}

fn run(rows: impl IntoIterator<Item = Row>) {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    for Row { what, before, after, zone } in rows {
        workspace.write_service("web.toml", &before);
        workspace.converge();
        workspace.write_service("web.toml", &after);
        assert_eq!(workspace.run(&["plan"]).code, 3, "{what}: must show as a difference");
        workspace.converge();
        assert_lines(what, &named.zone_text(), BARE.into_iter().map(str::to_owned).chain(zone));
    }
}

/// A service with one instance: `keys` go to the service, `instance` to its instance.
fn web(keys: &str, instance: &str) -> String {
    format!("[[service]]\nname = \"web\"\n{keys}\n[[service.instance]]\nhost = \"h1\"\n{instance}\n")
}

const SRV: &str = "_web._tcp.internal.local. 300 IN SRV 0 0 80 h1.internal.local.";
const SRV_MARKER: &str = r#"_srvctl._web._tcp.internal.local. 300 IN TXT "v=1 owner=test1 types=SRV""#;
const SRV_TXT_MARKER: &str = r#"_srvctl._web._tcp.internal.local. 300 IN TXT "v=1 owner=test1 types=SRV,TXT""#;
const A_MARKER: &str = r#"_srvctl.h1.internal.local. 300 IN TXT "v=1 owner=test1 types=A""#;
const A: &str = "h1.internal.local. 300 IN A 192.0.2.1";

#[test]
fn of_srv_fields() {
    let plain = web("", "port = 80");
    let port = "_web._tcp.internal.local. 300 IN SRV 0 0 81 h1.internal.local.";
    let priority = "_web._tcp.internal.local. 300 IN SRV 65535 0 80 h1.internal.local.";
    let weight = "_web._tcp.internal.local. 300 IN SRV 0 65535 80 h1.internal.local.";
    let target = "_web._tcp.internal.local. 300 IN SRV 0 0 80 h9.example.net.";
    run([
        row("port", &plain, &web("", "port = 81"), &[port, SRV_MARKER]),
        row("priority", &plain, &web("", "port = 80\npriority = 65535"), &[priority, SRV_MARKER]),
        row("weight", &plain, &web("", "port = 80\nweight = 65535"), &[weight, SRV_MARKER]),
        row("target", &plain, &plain.replace("\"h1\"", "\"h9.example.net.\""), &[target, SRV_MARKER]),
        row("back", &web("", "port = 81"), &plain, &[SRV, SRV_MARKER]),
    ]);
}

#[test]
fn of_a_services_ttl() {
    let srv = "_web._tcp.internal.local. 60 IN SRV 0 0 80 h1.internal.local.";
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service("web.toml", &web("", "port = 80"));
    workspace.converge();
    workspace.write_service("web.toml", &web("ttl = 60", "port = 80"));
    workspace.expect(3, &["plan"]);
    workspace.converge();
    let zone = named.zone_text();
    assert!(zone.iter().any(|line| line == srv), "{zone:#?}");
}

#[test]
fn of_the_zones_ttl() {
    let named = Named::start();
    let mut workspace = Workspace::new(&named);
    workspace.write_service("web.toml", &web("metadata = { a = \"b\" }", "port = 80\naddresses = [\"192.0.2.1\"]"));
    workspace.converge();
    workspace.configure(&Settings { ttl: 120, ..Settings::for_server(&named) });
    workspace.expect(3, &["plan"]);
    workspace.converge();
    let zone = named.zone_text();
    for line in [
        "_web._tcp.internal.local. 120 IN SRV 0 0 80 h1.internal.local.",
        "_web._tcp.internal.local. 120 IN TXT \"a=b\"",
        "h1.internal.local. 120 IN A 192.0.2.1",
    ] {
        assert!(zone.iter().any(|actual| actual == line), "{line} not in {zone:#?}");
    }
}

#[test]
fn of_instances() {
    let one = web("", "port = 80");
    let two = format!("{one}[[service.instance]]\nhost = \"h2\"\nport = 80\n");
    let two_ports = format!("{one}[[service.instance]]\nhost = \"h1\"\nport = 81\n");
    let second = "_web._tcp.internal.local. 300 IN SRV 0 0 80 h2.internal.local.";
    let second_port = "_web._tcp.internal.local. 300 IN SRV 0 0 81 h1.internal.local.";
    run([
        row("add", &one, &two, &[SRV, second, SRV_MARKER]),
        row("remove", &two, &one, &[SRV, SRV_MARKER]),
        row("another port of the same host", &one, &two_ports, &[SRV, second_port, SRV_MARKER]),
    ]);
}

#[test]
fn of_addresses() {
    let with = |addresses: &str| web("", &format!("port = 80\naddresses = [{addresses}]"));
    let (none, v4) = (web("", "port = 80"), with("\"192.0.2.1\""));
    let other = "h1.internal.local. 300 IN A 192.0.2.9";
    let v6 = "h1.internal.local. 300 IN AAAA 2001:db8::1";
    let v6_marker = r#"_srvctl.h1.internal.local. 300 IN TXT "v=1 owner=test1 types=AAAA""#;
    let both_marker = r#"_srvctl.h1.internal.local. 300 IN TXT "v=1 owner=test1 types=A,AAAA""#;
    let both = with("\"192.0.2.1\", \"2001:db8::1\"");
    run([
        row("A added", &none, &v4, &[SRV, SRV_MARKER, A, A_MARKER]),
        row("A changed", &v4, &with("\"192.0.2.9\""), &[SRV, SRV_MARKER, other, A_MARKER]),
        row("second A", &v4, &with("\"192.0.2.1\", \"192.0.2.9\""), &[SRV, SRV_MARKER, A, other, A_MARKER]),
        row("A removed", &v4, &none, &[SRV, SRV_MARKER]),
        row("AAAA beside A", &v4, &both, &[SRV, SRV_MARKER, A, v6, both_marker]),
        row("A instead of both", &both, &v4, &[SRV, SRV_MARKER, A, A_MARKER]),
        row("AAAA instead of A", &v4, &with("\"2001:0DB8:0::1\""), &[SRV, SRV_MARKER, v6, v6_marker]),
    ]);
}

#[test]
fn of_metadata() {
    let instance = "port = 80";
    let plain = web("", instance);
    let txt = |value: &str| web(&format!("metadata = {{ k = {value} }}"), instance);
    let line = |data: &str| format!("_web._tcp.internal.local. 300 IN TXT {data}");
    let longest = "x".repeat(253); // with `k=` exactly 255
    let mut rows = Vec::new();
    for (what, value, data) in [
        ("added", "'v'", r#""k=v""#.to_owned()),
        ("empty value", "''", r#""k=""#.to_owned()),
        ("quotes", r#"'say "hi"'"#, r#""k=say \"hi\"""#.to_owned()),
        ("semicolons", "'a;b; c'", r#""k=a;b; c""#.to_owned()),
        ("backslashes", r"'C:\new\065'", r#""k=C:\\new\\065""#.to_owned()),
        ("UTF-8", "'Zürich ☃'", r#""k=Z\195\188rich \226\152\131""#.to_owned()),
        ("blanks", "' two  blanks '", r#""k= two  blanks ""#.to_owned()),
        ("dollar, at and parentheses", "'$TTL @ (x)'", r#""k=$TTL @ (x)""#.to_owned()),
        ("equals sign", "'a=b=c'", r#""k=a=b=c""#.to_owned()),
        ("case", "'V'", r#""k=V""#.to_owned()),
        ("255 bytes", &format!("'{longest}'"), format!("\"k={longest}\"")),
    ] {
        let zone = vec![SRV.to_owned(), line(&data), SRV_TXT_MARKER.to_owned()];
        rows.push(Row { what, before: plain.clone(), after: txt(value), zone });
    }
    rows.push(row("removed", &txt("'v'"), &plain, &[SRV, SRV_MARKER]));
    let two = web("metadata = { b = '2', a = '1' }", instance);
    let both = line(r#""a=1" "b=2""#);
    rows.push(row("one more key", &txt("'v'"), &two, &[SRV, &both, SRV_TXT_MARKER]));
    run(rows);
}

#[test]
fn of_metadata_case_only() {
    let with = |value: &str| web(&format!("metadata = {{ k = '{value}' }}"), "port = 80");
    let upper = r#"_web._tcp.internal.local. 300 IN TXT "k=VALUE""#;
    run([row("TXT case is data", &with("value"), &with("VALUE"), &[SRV, upper, SRV_TXT_MARKER])]);
}

#[test]
fn metadata_of_256_bytes_is_refused_before_anything_is_sent() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    let value = |length: usize| web(&format!("metadata = {{ k = '{}' }}", "x".repeat(length)), "port = 80");
    workspace.write_service("web.toml", &value(253));
    workspace.expect(0, &["check"]);
    workspace.write_service("web.toml", &value(254));
    let refused = workspace.expect(1, &["check"]);
    assert!(refused.stderr.contains("255"), "the limit is named: {refused:?}");
    assert!(refused.stderr.contains("web.toml"), "the file is named: {refused:?}");
    workspace.expect(1, &["apply"]);
    // Bytes count, not characters: 127 two-byte characters and `k=` are 256.
    workspace.write_service("web.toml", &web(&format!("metadata = {{ k = '{}' }}", "ü".repeat(127)), "port = 80"));
    workspace.expect(1, &["check"]);
    assert_eq!(named.serial(), 1);
}

#[test]
fn the_case_of_a_host_is_no_change() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    let text = web("", "port = 80\naddresses = [\"192.0.2.1\"]");
    workspace.write_service("web.toml", &text.replace("\"h1\"", "\"Host-One\""));
    workspace.converge();
    let (serial, zone) = (named.serial(), named.zone_text());
    workspace.write_service("web.toml", &text.replace("\"h1\"", "\"hOST-oNE.Internal.LOCAL.\""));
    workspace.converge();
    assert_eq!(named.serial(), serial, "nothing is sent for another spelling");
    assert_lines("the zone", &named.zone_text(), zone);
    workspace.expect(0, &["verify"]);
}

#[test]
fn a_service_that_goes_away_leaves_nothing() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service("web.toml", &web("metadata = { a = 'b' }", "port = 80\naddresses = [\"192.0.2.1\"]"));
    // A second service stays, so that the desired set is never empty.
    workspace.write_service(
        "stays.toml",
        "[[service]]\nname = \"stays\"\n[[service.instance]]\nhost = \"ns1\"\nport = 53\n",
    );
    workspace.converge();
    workspace.remove_service("web.toml");
    workspace.converge();
    let stays = [
        "_stays._tcp.internal.local. 300 IN SRV 0 0 53 ns1.internal.local.",
        r#"_srvctl._stays._tcp.internal.local. 300 IN TXT "v=1 owner=test1 types=SRV""#,
    ];
    assert_lines("what stays", &named.zone_text(), BARE.into_iter().chain(stays));
}

#[test]
fn hosts_outside_the_zone_get_no_address_records() {
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service(
        "web.toml",
        "[[service]]\nname = \"web\"\nproto = \"udp\"\n[[service.instance]]\nhost = \"a.example.net.\"\nport = 80\n",
    );
    workspace.converge();
    let ours = [
        "_web._udp.internal.local. 300 IN SRV 0 0 80 a.example.net.",
        r#"_srvctl._web._udp.internal.local. 300 IN TXT "v=1 owner=test1 types=SRV""#,
    ];
    assert_lines("the zone", &named.zone_text(), BARE.into_iter().chain(ours));
}
