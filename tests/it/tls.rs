//! DNS over TLS to a BIND that offers it: everything goes over it, and each way to fail has its own words.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::thread;

use crate::support::{
    Authority, Certificate, EXAMPLE, EXAMPLE_RECORDS, JENKINS, Named, Settings, Workspace, assert_lines, free_address,
};

const LINES: &str = "transport = \"tls\"\ntls_ca_file = \"ca.pem\"";

fn settings(named: &Named, more: &str) -> Settings {
    Settings {
        primary: named.tls_address().to_string(),
        more: format!("{LINES}\n{more}"),
        ..Settings::for_server(named)
    }
}

fn workspace(settings: &Settings, authorities: &str) -> Workspace {
    let workspace = Workspace::with(settings);
    workspace.write_file("ca.pem", authorities);
    workspace.write_service("jenkins.toml", JENKINS);
    workspace
}

/// Both commands must fail, say all the words and change nothing.
fn fails(named: &Named, workspace: &Workspace, words: &[&str]) {
    for command in ["plan", "apply"] {
        let output = workspace.expect(1, &[command]);
        for word in words {
            assert!(output.stderr.contains(word), "`{command}` does not say {word:?}:\n{}", output.stderr);
        }
    }
    assert_eq!(named.serial(), 1);
}

#[test]
fn a_zone_converges_and_verifies() {
    let authority = Authority::new();
    // The server itself refuses transfers outside of TLS.
    let options = "allow-update { key \"srvctl-test\"; }; allow-transfer transport tls { key \"srvctl-test\"; };";
    let named = Named::builder().tls(authority.certify(&["127.0.0.1"])).zone_options(options).start();
    let workspace = workspace(&settings(&named, ""), &authority.pem());
    for (file, text) in EXAMPLE {
        workspace.write_service(file, text);
    }
    workspace.converge();
    workspace.expect(0, &["verify"]);
    assert!(named.dig(&["+short", "_jenkins._tcp.internal.local", "SRV"]).contains("centos9-vm2"));
    let bare = Workspace::new(&named);
    let refused = bare.expect(1, &["plan"]);
    assert!(refused.stderr.contains("allow-transfer"), "the test's server takes transfers outside of TLS: {refused:?}");
}

#[test]
fn the_daemon_polls_over_tls_too() {
    let authority = Authority::new();
    let named = Named::builder().tls(authority.certify(&["ns1.test"])).options("querylog yes;").start();
    // TLS takes the TCP port only: what would be polled in the open arrives here.
    let open = UdpSocket::bind(named.tls_address()).unwrap();
    open.set_nonblocking(true).unwrap();
    let settings = Settings { interval: "1s".to_owned(), ..settings(&named, "tls_server_name = \"ns1.test\"") };
    let workspace = workspace(&settings, &authority.pem());
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let transfers = || named.log().matches("AXFR ended").count();
    let before = transfers();
    // S: signed, T: over TCP (or TLS); dig's own polls are neither.
    let polls = || named.log().lines().filter(|line| line.contains("query: internal.local IN SOA -ST")).count();
    daemon.wait_for("two polls of the serial", || polls() >= 2);
    assert_eq!(transfers(), before, "a poll that works saves the transfer:\n{}", named.log());
    assert_eq!(open.recv(&mut [0; 512]).unwrap_err().kind(), ErrorKind::WouldBlock, "something went out in the open");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_self_signed_certificate_can_be_trusted_by_itself() {
    let certificate = Certificate::self_signed(&["ns1.test"], false);
    let trusted = certificate.certificate.clone();
    let named = Named::builder().tls(certificate).start();
    let workspace = workspace(&settings(&named, "tls_server_name = \"ns1.test.\""), &trusted);
    workspace.converge();
    assert_lines("over TLS", &named.zone_text(), EXAMPLE_RECORDS.iter().filter(|line| !line.contains("node-exporter")));
}

#[test]
fn a_certificate_of_another_authority() {
    let named = Named::builder().tls(Authority::new().certify(&["127.0.0.1"])).start();
    let workspace = workspace(&settings(&named, ""), &Authority::new().pem());
    fails(&named, &workspace, &[&named.tls_address().to_string(), "is not trusted", "tls_ca_file"]);
}

#[test]
fn a_certificate_for_another_name() {
    let authority = Authority::new();
    let named = Named::builder().tls(authority.certify(&["ns1.test", "192.0.2.1"])).start();
    let by_address = workspace(&settings(&named, ""), &authority.pem());
    let words = ["is not for 127.0.0.1 but for ns1.test, 192.0.2.1", "tls_server_name"];
    fails(&named, &by_address, &words);
    let by_name = workspace(&settings(&named, "tls_server_name = \"ns2.test\""), &authority.pem());
    fails(&named, &by_name, &["is not for ns2.test but for ns1.test, 192.0.2.1"]);
}

#[test]
fn an_expired_certificate() {
    let authority = Authority::new();
    let named = Named::builder().tls(authority.certify_in_the_past(&["127.0.0.1"])).start();
    let workspace = workspace(&settings(&named, ""), &authority.pem());
    fails(&named, &workspace, &["has expired", "renew it"]);
}

#[test]
fn a_certificate_that_is_an_authoritys() {
    let certificate = Certificate::self_signed(&["127.0.0.1"], true);
    let trusted = certificate.certificate.clone();
    let named = Named::builder().tls(certificate).start();
    fails(&named, &workspace(&settings(&named, ""), &trusted), &["for a CA and not for a server", "CA:FALSE"]);
}

#[test]
fn a_server_without_tls_1_3() {
    let authority = Authority::new();
    let named = Named::builder().tls_with(authority.certify(&["127.0.0.1"]), "protocols { TLSv1.2; };").start();
    fails(
        &named,
        &workspace(&settings(&named, ""), &authority.pem()),
        &["in the TLS handshake", "TLS 1.3 (`protocols`)"],
    );
}

#[test]
fn a_server_that_wants_a_client_certificate() {
    let authority = Authority::new();
    let named = Named::builder().tls_with(authority.certify(&["127.0.0.1"]), "ca-file \"server.pem\";").start();
    fails(&named, &workspace(&settings(&named, ""), &authority.pem()), &["wants a client certificate", "`ca-file`"]);
}

#[test]
fn the_port_of_dns_over_https() {
    let authority = Authority::new();
    let https = free_address();
    let listen = format!("listen-on port {} tls own http default {{ 127.0.0.1; }};", https.port());
    let named = Named::builder().tls(authority.certify(&["127.0.0.1"])).options(&listen).start();
    let settings = Settings { primary: https.to_string(), ..settings(&named, "") };
    fails(&named, &workspace(&settings, &authority.pem()), &["does not say that it is for DNS", "DNS over HTTPS"]);
}

#[test]
fn a_plain_port_instead_of_the_tls_port() {
    let named = Named::start();
    let settings = Settings { more: LINES.to_owned(), ..Settings::for_server(&named) };
    let workspace = workspace(&settings, &Authority::new().pem());
    let output = workspace.expect(1, &["plan"]);
    assert!(output.stderr.contains("the port for plain DNS?") && output.stderr.contains("853"), "{output:?}");
}

#[test]
fn a_port_where_something_else_answers() {
    let listener = TcpListener::bind(free_address()).unwrap();
    let settings = Settings {
        primary: listener.local_addr().unwrap().to_string(),
        more: LINES.to_owned(),
        ..Settings::for_server(&Named::start())
    };
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let output = workspace(&settings, &Authority::new().pem()).expect(1, &["plan"]);
    assert!(output.stderr.contains("what answers does not speak TLS"), "{output:?}");
}

#[test]
fn the_tls_port_without_tls() {
    let named = Named::builder().tls(Authority::new().certify(&["127.0.0.1"])).start();
    let settings = Settings { primary: named.tls_address().to_string(), ..Settings::for_server(&named) };
    let workspace = Workspace::with(&settings);
    let output = workspace.expect(1, &["plan"]);
    assert!(output.stderr.contains("transport = \"tls\""), "{output:?}");
}

#[test]
fn nobody_listening() {
    let named = Named::start();
    let settings =
        Settings { primary: free_address().to_string(), more: LINES.to_owned(), ..Settings::for_server(&named) };
    let output = workspace(&settings, &Authority::new().pem()).expect(1, &["plan"]);
    assert!(output.stderr.to_lowercase().contains("connection refused"), "{output:?}");
}
