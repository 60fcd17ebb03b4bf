//! Where all is well: a primary that tells, a secondary that follows, a resolver that asks.

use std::fs;
use std::process::Command;

use tempfile::NamedTempFile;

use super::servers::{Bind, at};
use super::site::{Findings, assert_gone};
use crate::support::{ALWAYS_STEPS, Named, Settings, Workspace, find, in_private_network, run};

const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Every code that a sound site has.
const EXAMINED: [&str; 21] = [
    "tsig",
    "clock",
    "update",
    "transfer",
    "stored",
    "ixfr",
    "notify",
    "limit-primary",
    "secondary-reachable",
    "secondary-authoritative",
    "secondary-serial",
    "answer",
    "tcp",
    "limit-resolver",
    "resolv-nameserver",
    "resolv-search",
    "resolv-ndots",
    "negative-ttl",
    "ttl",
    "marker-damaged",
    "marker-orphan",
];

/// Puts another file over one of the host's, in this namespace.
fn mount(text: &str, path: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let mounted = run(Command::new(find("mount", "mount")).arg("--bind").arg(file.path()).arg(path), "");
    assert_eq!(mounted.code, 0, "{mounted:?}");
    file
}

/// Nothing worse than a note: that the zone is under `.local`, and on a busy machine that the NOTIFY took its time.
#[track_caller]
fn assert_sound(findings: &Findings) {
    let notes = [("local-domain", "note"), ("notify", "note")];
    assert!(findings.code == 0 && findings.bad().iter().all(|bad| notes.contains(bad)), "{findings:#?}");
}

/// A primary with a secondary and a resolver, which this host asks.
struct Sound {
    named: Named,
    workspace: Workspace,
    _secondary: Bind,
    _resolver: Bind,
    nsswitch: NamedTempFile,
}

impl Sound {
    fn start() -> Self {
        let named = Named::builder()
            .listen(at(1))
            .records("@ NS ns2\nns2 A 127.0.0.2")
            .options(ALWAYS_STEPS)
            .zone_options(
                "allow-update { key \"srvctl-test\"; }; allow-transfer { key \"srvctl-test\"; }; notify explicit; \
                 also-notify { 127.0.0.2; 127.0.0.1 port 5301 key \"srvctl-test\"; }; notify-delay 0;",
            )
            .start();
        fs::write(RESOLV_CONF, "nameserver 127.0.0.3\n").unwrap();
        let nsswitch = mount("hosts: files dns\n", "/etc/nsswitch.conf");
        let workspace = Workspace::with(&Settings {
            verify: vec!["127.0.0.1".to_owned(), "system".to_owned()],
            more: "notify_listen = \"127.0.0.1:5301\"\n".to_owned(),
            ..Settings::for_server(&named)
        });
        workspace.write_example();
        workspace.converge();
        let (secondary, resolver) = (Bind::secondary(at(2), &named.key().text(), ""), Bind::resolver(at(3), ""));
        Self { named, workspace, _secondary: secondary, _resolver: resolver, nsswitch }
    }
}

#[test]
fn no_warning_where_all_is_well() {
    in_private_network("doctor::healthy::no_warning_where_all_is_well", || {
        let Sound { named, workspace, .. } = &Sound::start();
        let before = named.zone_text();
        let findings = Findings::of(workspace, &[]);
        assert_sound(&findings);
        for code in EXAMINED {
            assert!(findings.has(code), "{code} is not examined: {findings:#?}");
        }
        findings.one("answer", "ok", &["127.0.0.1:53", "all 100 records", "over TCP"]);
        findings.one("answer", "ok", &["127.0.0.3:53", "all 100 records", "over TCP"]);
        findings.any("notify", &["we listened at 127.0.0.1:5301"]);
        assert_eq!(named.zone_text(), before);
        let shown = workspace.expect(0, &["doctor"]).stdout;
        assert!(shown.starts_with("note [") && shown.contains("\nok: "), "{shown}");

        let mut daemon = workspace.daemon();
        daemon.wait_in_sync();
        let findings = Findings::of(workspace, &[]);
        assert_sound(&findings);
        findings.any("notify", &["the daemon at 127.0.0.1:5301"]);
        daemon.wait_in_sync();
        assert_eq!(named.zone_text(), before);
    });
}

#[test]
fn hosts_that_have_other_ideas() {
    in_private_network("doctor::healthy::hosts_that_have_other_ideas", || {
        let Sound { named, workspace, nsswitch, .. } = &Sound::start();
        let examine = |more: &[&str]| Findings::of(workspace, &[&["--no-update"], more].concat());
        let slow = examine(&["--refresh-interval", "5s"]);
        slow.only("ttl", "warning", &["300 s", "`ttl = 50`"]);
        assert_eq!(slow.code, 3, "{slow:#?}");
        fs::write(nsswitch.path(), "hosts: files mdns4_minimal [NOTFOUND=return] dns\n").unwrap();
        examine(&[]).only("local-domain", "warning", &["mdns4_minimal", "before it asks a name server"]);
        fs::write(nsswitch.path(), "hosts: files resolve [!UNAVAIL=return] dns\n").unwrap();
        examine(&[]).only("local-domain", "warning", &["files resolve", "Domains=~internal.local"]);
        fs::write(nsswitch.path(), "hosts: files dns\n").unwrap();
        fs::write(RESOLV_CONF, "nameserver 127.0.0.53\n").unwrap();
        let stub = examine(&[]);
        stub.only("local-domain", "warning", &["/etc/resolv.conf names systemd-resolved"]);
        stub.one("resolv-nameserver", "note", &["systemd-resolved", "127.0.0.53"]);
        assert_gone(named);
    });
}
