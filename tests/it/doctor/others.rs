//! Secondaries that lag or are none, and servers through which nothing large comes.

use std::thread;

use super::servers::{Bind, at, tcp_only, udp_only};
use super::site::{Findings, assert_gone, with_lines};
use crate::support::{Named, Settings, Workspace, in_private_network};

#[test]
fn secondaries_that_are_of_no_use() {
    in_private_network("doctor::others::secondaries_that_are_of_no_use", || {
        let hosts = |last: u8| format!("@ NS ns{last}\nns{last} A 127.0.0.{last}\n");
        let records: String = (2..=8).map(hosts).collect();
        let named = Named::builder().listen(at(1)).records(&(records + "@ NS ns9.invalid.")).start();
        named.nsupdate("zone internal.local\nupdate add x.internal.local 60 A 192.0.2.1");
        let _untold = Bind::secondary(at(2), &named.key().text(), "");
        let _old = Bind::apart(at(3), 1, "");
        let _newer = Bind::apart(at(4), 1000, "");
        let _lame = Bind::start(at(5), "recursion no;", "", &[]);
        udp_only(at(7), at(1));
        tcp_only(at(8), at(1));
        let findings = Findings::of(&Workspace::new(&named), &[]);
        findings.one(
            "secondary-serial",
            "warning",
            &["127.0.0.2:53", "did not take a change", "every 3600 s", "notify yes"],
        );
        findings.one(
            "secondary-serial",
            "error",
            &["127.0.0.3:53", "does not catch up", "primary 2, here 1, 1 behind"],
        );
        findings.one("secondary-serial", "error", &["127.0.0.4:53", "newer serial", "here 1000"]);
        findings.one("secondary-authoritative", "error", &["127.0.0.5:53", "lame", "REFUSED"]);
        findings.one("secondary-reachable", "error", &["127.0.0.6:53", "does not answer", "refused"]);
        findings.one("tcp", "error", &["127.0.0.7:53", "TCP port 53 is not reachable", "refused"]);
        findings.one("secondary-reachable", "error", &["127.0.0.8:53", "does not answer over UDP"]);
        findings.one("secondary-reachable", "error", &["ns9.invalid.", "without an address"]);
        assert!(findings.with("limit-secondary", "error").is_empty(), "{findings:#?}");
        assert_gone(&named);
        let findings = Findings::of(&Workspace::new(&named), &["--no-update"]);
        findings.one("secondary-serial", "error", &["127.0.0.3:53", "does not catch up"]);
    });
}

#[test]
fn a_server_without_tcp() {
    in_private_network("doctor::others::a_server_without_tcp", || {
        let named = Named::builder().listen(at(1)).start();
        udp_only(at(7), at(1));
        let workspace =
            Workspace::with(&Settings { verify: vec!["127.0.0.7".to_owned()], ..Settings::for_server(&named) });
        let findings = Findings::of(&workspace, &[]);
        findings.only("tcp", "error", &["127.0.0.7:53", "over UDP: truncated", "over TCP without EDNS", "refused"]);
        assert!(!findings.has("answer"), "{findings:?}");
        let findings = Findings::of(&workspace, &["--no-update"]);
        findings.only("tcp", "error", &["127.0.0.7:53", "refused"]);
    });
}

#[test]
fn resolvers_that_know_nothing_or_not_all() {
    in_private_network("doctor::others::resolvers_that_know_nothing_or_not_all", || {
        let named = Named::builder().listen(at(1)).start();
        let _stranger = Bind::start(at(2), "recursion no;", "", &[]);
        let _another = Bind::apart(at(3), 1, "");
        let _short = Bind::apart(at(4), 1, "*._tcp TXT srvctl=doctor\n*._tcp SRV 0 0 1 ns1");
        let verify = [2, 3, 4].map(|last| format!("127.0.0.{last}")).to_vec();
        let findings = Findings::of(&Workspace::with(&Settings { verify, ..Settings::for_server(&named) }), &[]);
        findings.one("resolver", "error", &["127.0.0.2:53", "does not give a name", "REFUSED", "forwarders"]);
        findings.one("resolver", "error", &["127.0.0.3:53", "does not give a name", "NXDOMAIN"]);
        findings.one("answer", "error", &["127.0.0.4:53", "gives 0 of an RRset's 100 records"]);
        assert_gone(&named);
    });
}

#[test]
fn a_primary_alone() {
    let named = Named::start();
    let findings = Findings::of(&with_lines(&named, ""), &[]);
    findings.one("answer", "ok", &[&named.address().to_string(), "all 100 records"]);
}

/// A secondary that has what others changed a moment ago is not ahead of the primary.
#[test]
fn others_go_on_changing_the_zone() {
    in_private_network("doctor::others::others_go_on_changing_the_zone", || {
        let named = Named::builder()
            .listen(at(1))
            .records("@ NS ns2\nns2 A 127.0.0.2")
            .zone_options(
                "allow-update { key \"srvctl-test\"; }; allow-transfer { key \"srvctl-test\"; }; notify explicit; \
                 also-notify { 127.0.0.2; }; notify-delay 0;",
            )
            .start();
        let _secondary = Bind::secondary(at(2), &named.key().text(), "");
        let (before, workspace) = (named.serial(), Workspace::new(&named));
        let found = thread::scope(|scope| {
            let examined = scope.spawn(|| [&[][..], &["--no-update"]].map(|more| Findings::of(&workspace, more)));
            for address in (0..250).cycle() {
                if examined.is_finished() {
                    break;
                }
                named.nsupdate(&format!(
                    "zone internal.local\nupdate delete busy.internal.local A\n\
                     update add busy.internal.local 60 A 192.0.2.{address}"
                ));
            }
            examined.join().unwrap()
        });
        assert!(named.serial() > before + 20, "the zone was changed meanwhile: {}", named.serial());
        for findings in &found {
            findings.only("secondary-serial", "ok", &["127.0.0.2:53", "follows the primary"]);
        }
    });
}
