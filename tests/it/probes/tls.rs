//! Certificates that are right, and all the ways in which they are wrong.

use std::fs;

use srvctl::model::health::{CheckKind, CheckTls, HttpCheck, ProbeResult, Verdict};
use tempfile::TempDir;

use super::servers::{Web, mute, plain, resetting};
use super::{SHORT, assert_overtime, assert_seen, http, seen, seen_within, target};
use crate::support::{Authority, Certificate};

use Verdict::{Failing, Passing, Unknown};

const HOST: &str = "vm1.internal.local";

/// A CA with its file.
struct Scene {
    authority: Authority,
    directory: TempDir,
}

impl Scene {
    fn new() -> Self {
        let (authority, directory) = (Authority::new(), tempfile::tempdir().unwrap());
        fs::write(directory.path().join("ca.pem"), authority.pem()).unwrap();
        Self { authority, directory }
    }

    fn trusting(&self) -> CheckTls {
        CheckTls { ca_file: Some(self.directory.path().join("ca.pem")), ..CheckTls::default() }
    }
}

fn ask(address: std::net::SocketAddr, tls: CheckTls) -> ProbeResult {
    seen(CheckKind::Http(HttpCheck { tls, ..http("https://{host}:{port}/") }), target(address))
}

#[test]
fn a_certificate_has_to_be_trusted_valid_and_for_the_host() {
    let scene = Scene::new();
    let (trusting, other) = (scene.trusting(), Scene::new());
    let web = Web::over_tls(&scene.authority.certify(&[HOST]));
    assert_seen(&ask(web.address, trusting.clone()), Passing, &["200 OK"]);
    assert_seen(&ask(web.address, other.trusting()), Failing, &["not trusted: no known CA has signed it"]);
    // The system's authorities know nothing of it.
    assert_seen(&ask(web.address, CheckTls::default()), Failing, &["not trusted"]);
    let expired = Web::over_tls(&scene.authority.certify_in_the_past(&[HOST]));
    assert_seen(&ask(expired.address, trusting.clone()), Failing, &["its certificate has expired"]);
    let wrong = Web::over_tls(&scene.authority.certify(&["vm2.internal.local"]));
    let words = ["its certificate is not for vm1.internal.local", "tls_server_name"];
    assert_seen(&ask(wrong.address, trusting.clone()), Failing, &words);
    let named = CheckTls { server_name: Some("vm2.internal.local".to_owned()), ..trusting.clone() };
    assert_seen(&ask(wrong.address, named), Passing, &["200 OK"]);
    let unsigned = Web::over_tls(&Certificate::self_signed(&[HOST], false));
    assert_seen(&ask(unsigned.address, trusting), Failing, &["not trusted"]);
}

#[test]
fn whoever_wants_it_so_believes_anybody() {
    let scene = Scene::new();
    let insecure = CheckTls { insecure: true, ..CheckTls::default() };
    for certificate in [
        scene.authority.certify_in_the_past(&[HOST]),
        scene.authority.certify(&["other.example"]),
        Certificate::self_signed(&[HOST], true),
    ] {
        let web = Web::over_tls(&certificate);
        assert_seen(&ask(web.address, insecure.clone()), Passing, &["200 OK"]);
    }
}

#[test]
fn servers_that_know_no_newer_tls_can_be_checked() {
    let scene = Scene::new();
    let web = Web::over_old_tls(&scene.authority.certify(&[HOST]));
    assert_seen(&ask(web.address, scene.trusting()), Passing, &["200 OK"]);
}

#[test]
fn what_is_no_tls_is_told_as_what_it_is() {
    let trusting = Scene::new();
    let web = Web::start(|_| plain("well"));
    assert_seen(&ask(web.address, trusting.trusting()), Failing, &["what answers there does not speak TLS"]);
    assert_seen(&ask(resetting(), trusting.trusting()), Failing, &["no TLS connection to", "the connection was reset"]);
    let check = HttpCheck { tls: trusting.trusting(), ..http("https://{host}:{port}/") };
    let late = seen_within(SHORT, CheckKind::Http(check), target(mute()));
    assert_overtime(&late, &["connected to 127.0.0.1:", "but no TLS handshake"]);
}

#[test]
fn an_authority_that_is_gone_is_our_trouble_and_not_the_instances() {
    let scene = Scene::new();
    let web = Web::over_tls(&scene.authority.certify(&[HOST]));
    let gone = CheckTls { ca_file: Some(scene.directory.path().join("none.pem")), ..CheckTls::default() };
    assert_seen(&ask(web.address, gone), Unknown, &["none.pem cannot be read: No such file"]);
    fs::write(scene.directory.path().join("ca.pem"), "SECRET").unwrap();
    let result = ask(web.address, scene.trusting());
    assert_seen(&result, Unknown, &["ca.pem holds no certificate of a CA"]);
    assert!(!result.text.contains("SECRET"));
}
