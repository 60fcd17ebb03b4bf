//! The servers that all other tests stand on, tested without srvctl: when these fail, look here first.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Named, Prometheus, assert_lines, in_private_network};

const BARE_ZONE: [&str; 2] =
    ["internal.local. 300 IN NS ns1.internal.local.", "ns1.internal.local. 300 IN A 127.0.0.1"];

#[test]
fn named_takes_updates_and_keeps_them_over_a_restart() {
    let mut named = Named::builder().zone("other.local").start();
    assert_lines("a fresh zone", &named.zone_text(), BARE_ZONE);
    assert_eq!(named.serial(), 1);
    named.nsupdate("zone internal.local\nupdate add x.internal.local 60 TXT \"a  b;\\\"\\\\\" \"\\195\\188\"");
    named.restart();
    let line = r#"x.internal.local. 60 IN TXT "a  b;\"\\" "\195\188""#;
    assert_lines("after an update", &named.zone_text(), BARE_ZONE.into_iter().chain([line]));
    assert_eq!(named.serial(), 2);
    assert_eq!(named.zone_text_of("other.local").len(), 2);
}

#[test]
fn named_with_a_wrong_clock_says_so() {
    let named = Named::builder().with_faketime("+1h").start();
    let refused = named.try_nsupdate("zone internal.local\nupdate add x.internal.local 60 A 192.0.2.1");
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("BADTIME"), "{refused:?}");
}

#[test]
fn prometheus_discovers_inside_a_private_network_only() {
    in_private_network("servers::prometheus_discovers_inside_a_private_network_only", || {
        assert_eq!(fs::read_to_string("/etc/resolv.conf").unwrap(), "nameserver 127.0.0.1\n");
        let records = "_web._tcp SRV 0 0 80 ns1\n_web._tcp SRV 0 0 81 ns1";
        let named = Named::builder().listen(([127, 0, 0, 1], 53).into()).records(records).start();
        let mut prometheus = Prometheus::start(&[("web", "_web._tcp.internal.local")]);
        let both = BTreeSet::from(["ns1.internal.local:80".to_owned(), "ns1.internal.local:81".to_owned()]);
        prometheus.wait_until(&[("web".to_owned(), both)].into());
        named.nsupdate("zone internal.local\nupdate delete _web._tcp.internal.local SRV 0 0 80 ns1.internal.local.");
        let one = BTreeSet::from(["ns1.internal.local:81".to_owned()]);
        prometheus.wait_until(&[("web".to_owned(), one)].into());
    });
}
