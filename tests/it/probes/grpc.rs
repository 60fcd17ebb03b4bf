//! gRPC's health protocol, spoken by another library's server.

use std::net::{SocketAddr, TcpListener};

use srvctl::model::health::{CheckKind, CheckTls, GrpcCheck, ProbeResult, Verdict};
use tokio::runtime::{Builder, Runtime};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};

use super::servers::{Web, mute, plain, resetting, status};
use super::{SHORT, assert_overtime, assert_seen, seen, seen_within, target};
use crate::support::{Authority, Certificate, free_address};

use Verdict::{Failing, Passing};

/// A server with only the health service, that dies with this.
pub(crate) struct Grpc {
    pub(crate) address: SocketAddr,
    reporter: HealthReporter,
    runtime: Runtime,
}

impl Grpc {
    pub(crate) fn start(certificate: Option<&Certificate>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (reporter, service) = health_reporter();
        let mut builder = Server::builder();
        if let Some(Certificate { certificate, key }) = certificate {
            builder =
                builder.tls_config(ServerTlsConfig::new().identity(Identity::from_pem(certificate, key))).unwrap();
        }
        runtime.spawn(async move {
            let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener).unwrap());
            builder.add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        Self { address, reporter, runtime }
    }

    pub(crate) fn set(&self, service: &str, status: ServingStatus) {
        self.runtime.block_on(self.reporter.set_service_status(service, status));
    }
}

fn check(service: &str, tls: Option<CheckTls>) -> CheckKind {
    CheckKind::Grpc(GrpcCheck { service: service.to_owned(), port: None, tls })
}

fn ask(address: SocketAddr, service: &str) -> ProbeResult {
    seen(check(service, None), target(address))
}

#[test]
fn services_are_what_their_server_says() {
    let grpc = Grpc::start(None);
    assert_seen(&ask(grpc.address, ""), Passing, &["SERVING"]);
    assert_seen(&ask(grpc.address, "shop.Cart"), Failing, &["it knows no service `shop.Cart` (NOT_FOUND)"]);
    let long = format!("shop.{}", "x".repeat(300));
    for service in ["shop.Cart", &long] {
        for (status, verdict, word) in [
            (ServingStatus::Serving, Passing, "SERVING for shop."),
            (ServingStatus::NotServing, Failing, "NOT_SERVING for shop."),
            (ServingStatus::Unknown, Failing, "UNKNOWN for shop."),
        ] {
            grpc.set(service, status);
            assert_seen(&ask(grpc.address, service), verdict, &[word]);
        }
    }
    assert_seen(&ask(grpc.address, ""), Passing, &["SERVING"]);
}

#[test]
fn it_is_spoken_over_tls_too() {
    let (authority, directory) = (Authority::new(), tempfile::tempdir().unwrap());
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let trusting = CheckTls { ca_file: Some(ca_file), ..CheckTls::default() };
    let ask = |address, tls| seen(check("", Some(tls)), target(address));
    let grpc = Grpc::start(Some(&authority.certify(&["vm1.internal.local"])));
    assert_seen(&ask(grpc.address, trusting.clone()), Passing, &["SERVING"]);
    assert_seen(&ask(grpc.address, CheckTls::default()), Failing, &["its certificate is not trusted"]);
    let expired = Grpc::start(Some(&authority.certify_in_the_past(&["vm1.internal.local"])));
    assert_seen(&ask(expired.address, trusting.clone()), Failing, &["its certificate has expired"]);
    let bare = Grpc::start(None);
    assert_seen(&ask(bare.address, trusting), Failing, &["what answers there does not speak TLS"]);
    assert_seen(&seen(check("", None), target(grpc.address)), Failing, &["no gRPC answer"]);
}

#[test]
fn a_server_without_health_or_grpc_fails() {
    let web = Web::start(|_| plain("well"));
    assert_seen(&ask(web.address, ""), Failing, &["no gRPC answer"]);
    let web = Web::start(|_| status(404, ("x-a", "b")));
    assert_seen(&ask(web.address, ""), Failing, &["no gRPC answer"]);
    assert_seen(&ask(resetting(), ""), Failing, &["no gRPC answer"]);
    assert_seen(&ask(free_address(), ""), Failing, &["refused"]);
    assert_overtime(&seen_within(SHORT, check("", None), target(mute())), &["but no answer"]);
}

#[test]
fn a_server_that_goes_away_is_seen_going() {
    let grpc = Grpc::start(None);
    let address = grpc.address;
    assert_seen(&ask(address, ""), Passing, &["SERVING"]);
    drop(grpc);
    assert_seen(&ask(address, ""), Failing, &["refused"]);
}
