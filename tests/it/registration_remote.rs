//! Asking a daemon elsewhere: whom the client trusts, and what it says of itself.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::support::{
    Authority, Certificate, Output, Site, TOKEN as TEAM_TOKEN, bare, free_address, grant, principal, runtime,
};

const TOKEN: &str = "s3cret-t0ken";

/// A server over TLS that knows one answer.
struct Elsewhere {
    address: SocketAddr,
    directory: TempDir,
}

impl Elsewhere {
    /// `clients` is whose certificates it demands.
    fn start(certificate: &Certificate, clients: Option<&Authority>) -> Self {
        let address = free_address();
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server_config(certificate, clients)));
        thread::spawn(move || runtime().block_on(serve(listener, acceptor)));
        Self { address, directory: TempDir::new().unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn list(&self, host: &str, ca: &Authority, more: &[&Path]) -> Output {
        let (ca, token) = (self.file("ca.pem", &ca.pem()), self.file("token", &format!("{TOKEN}\n")));
        let server = format!("https://{host}:{}", self.address.port());
        let flags = ["--cert-file", "--key-file"];
        let mut arguments = vec!["list", "--server", &server, "--ca-file", ca.to_str().unwrap()];
        arguments.extend(["--token-file", token.to_str().unwrap()]);
        arguments.extend(flags.iter().zip(more).flat_map(|(flag, path)| [*flag, path.to_str().unwrap()]));
        let output = bare(&arguments);
        assert!(!format!("{output:?}").contains(TOKEN), "{output:?}");
        output
    }
}

fn server_config(certificate: &Certificate, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(certificate.certificate.as_bytes()).unwrap()];
    builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap()).unwrap()
}

/// Answers one connection after the other: with nothing in the list for who has the token, and for others with what a
/// daemon says to strangers.
async fn serve(listener: std::net::TcpListener, acceptor: TlsAcceptor) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(mut stream) = acceptor.accept(stream).await else { continue };
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let known = head.starts_with("GET /v1/instances?limit=1000 HTTP/1.1\r\n")
            && head.contains(&format!("\r\nauthorization: Bearer {TOKEN}\r\n"));
        let (status, body) = if known {
            ("200 OK", "{\"instances\":[],\"next\":null}")
        } else {
            (
                "401 Unauthorized",
                "{\"type\":\"t\",\"title\":\"t\",\"status\":401,\"detail\":\"stranger\",\"help\":\"show a token\"}",
            )
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

#[test]
fn a_server_is_trusted_for_its_certificate_and_gets_the_token() {
    let authority = Authority::new();
    let elsewhere = Elsewhere::start(&authority.certify(&["localhost"]), None);
    let output = elsewhere.list("localhost", &authority, &[]);
    assert_eq!((output.code, output.stdout.as_str()), (0, "no instances\n"), "{output:?}");
    let output = elsewhere.list("127.0.0.1", &authority, &[]);
    assert!(output.code == 1 && output.stderr.contains("is for another name than 127.0.0.1"), "{output:?}");
    let output = elsewhere.list("localhost", &Authority::new(), &[]);
    assert!(output.code == 1 && output.stderr.contains("name the certificate of the CA"), "{output:?}");
    let server = format!("https://localhost:{}", elsewhere.address.port());
    let ca = elsewhere.file("ca.pem", &authority.pem());
    let output = bare(&["list", "--server", &server, "--ca-file", ca.to_str().unwrap()]);
    assert_eq!((output.code, output.stderr.as_str()), (1, "error: stranger\nhelp: show a token\n"));
}

#[test]
fn a_client_shows_its_certificate_when_it_has_one() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let elsewhere = Elsewhere::start(&authority.certify(&["localhost"]), Some(&clients));
    let ours = clients.certify(&["client.example"]);
    let (certificate, key) = (elsewhere.file("client.pem", &ours.certificate), elsewhere.file("client.key", &ours.key));
    let output = elsewhere.list("localhost", &authority, &[&certificate, &key]);
    assert_eq!((output.code, output.stdout.as_str()), (0, "no instances\n"), "{output:?}");
    let output = elsewhere.list("localhost", &authority, &[]);
    assert!(output.code == 1 && output.stderr.contains("it wants a client certificate: "), "{output:?}");
    let output = elsewhere.list("localhost", &authority, &[&certificate, &certificate]);
    assert!(output.code == 1 && output.stderr.contains("client.pem holds no private key"), "{output:?}");
}

/// The commands of a team on its own machine, and of one that may only look.
#[test]
fn a_team_registers_over_tls_what_is_theirs() {
    let team = principal("team", &grant("ci-*", "hosts = [\"*.a.internal.local\"]"));
    let (site, _daemon) = Site::started(&(team + &principal("reader", &grant("*", "access = \"read\""))));
    let ask = |name: &str, code: i32, arguments: &[&str]| {
        let [server, ca_file, token_file] = site.asked_by(name);
        let remote = ["--server", &server, "--ca-file", &ca_file, "--token-file", &token_file];
        let output = bare(&[arguments, &remote].concat());
        assert_eq!(output.code, code, "{arguments:?}: {output:?}");
        assert!(!format!("{output:?}").contains(TEAM_TOKEN), "{output:?}");
        output
    };
    let on_host = ["--host", "r1.a", "--port", "9100"];
    let register = |service| [&["register", service][..], &on_host, &["--address", "10.0.0.1", "--wait"]].concat();
    let done = ask("team", 0, &register("ci-runner"));
    assert!(
        done.stdout.starts_with("registered r1.a.internal.local:9100 in _ci-runner._tcp.internal.local."),
        "{done:?}"
    );
    assert!(site.named.zone_text().iter().any(|line| line.ends_with(" SRV 0 0 9100 r1.a.internal.local.")));
    let denied = ask("team", 1, &register("db"));
    assert!(denied.stderr.contains("team may not change the service `_db._tcp.internal.local.`"), "{denied:?}");
    let denied = ask("reader", 1, &[&["deregister", "ci-runner"][..], &on_host].concat());
    assert!(denied.stderr.contains("reader may not change the service"), "{denied:?}");
    assert!(ask("reader", 0, &["list"]).stdout.contains("r1.a.internal.local:9100"));
    let history = ask("reader", 0, &["history", "ci-runner"]);
    assert!(history.stdout.contains("team"), "{history:?}");
    let [server, ca_file, token_file] = site.asked_by("team");
    let run = ["run", "ci-job", "--host", "r1.a", "--port", "9101", "--wait", "--server", &server];
    let seen = ["--", "sh", "-c", "kill -0 $PPID"];
    let ended = bare(&[&run[..], &["--ca-file", &ca_file, "--token-file", &token_file], &seen].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    let history = ask("reader", 0, &["history", "ci-job", "--json"]);
    let events: Value = serde_json::from_str(&history.stdout).unwrap();
    let actions: Vec<_> = events["events"].as_array().unwrap().iter().map(|event| event["action"].clone()).collect();
    assert_eq!(actions, ["deregister", "register"]);
}
