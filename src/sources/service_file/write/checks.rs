//! Checks as a service file has them.

use super::{Page, list, quoted, table};
use crate::model::health::{CheckTls, CommandCheck, DnsCheck, GrpcCheck, HttpCheck, HttpMethod, LeaseCheck, TcpCheck};
use crate::model::{Check, CheckKind, Condition, RecordType};
use crate::sources::duration::show_duration;
use crate::sources::service_file::checks::{self, kinds};

/// The lines of one check below its header; what is the default is not said.
pub(super) fn write(page: &mut Page<'_>, check: &Check) {
    let Check { kind, interval, timeout, rise, fall, initial } = check;
    page.text("type", kind.as_str());
    let (mut default_rise, mut default_fall) = (checks::RISE, checks::FALL);
    match kind {
        CheckKind::Http(check) => http(page, check),
        CheckKind::Tcp(TcpCheck { port }) => page.optional("port", *port),
        CheckKind::Dns(check) => dns(page, check),
        CheckKind::Grpc(check) => grpc(page, check),
        CheckKind::Command(check) => command(page, check),
        CheckKind::Lease(LeaseCheck) => {
            (default_rise, default_fall) = (1, 1);
            page.other_than(&quoted(&show_duration(checks::TTL)), "ttl", &quoted(&show_duration(*interval)));
        }
    }
    if !matches!(kind, CheckKind::Lease(_)) {
        page.other_than(&quoted(&show_duration(checks::INTERVAL)), "interval", &quoted(&show_duration(*interval)));
        let usual = checks::TIMEOUT.min(*interval);
        page.other_than(&quoted(&show_duration(usual)), "timeout", &quoted(&show_duration(*timeout)));
    }
    page.other_than(&default_rise, "rise", rise);
    page.other_than(&default_fall, "fall", fall);
    if *initial != Condition::Passing {
        page.text("initial", initial.as_str());
    }
}

fn http(page: &mut Page<'_>, HttpCheck { url, method, status, body, headers_file, tls }: &HttpCheck) {
    page.other_than(&quoted(kinds::URL), "url", &quoted(url.as_str()));
    if *method != HttpMethod::default() {
        page.text("method", method.as_str());
    }
    if *status != [kinds::SUCCESS] {
        let shown = status.iter().map(|range| match (range.start(), range.end()) {
            (low, high) if low == high => low.to_string(),
            (low, high) => quoted(&format!("{low}-{high}")),
        });
        page.value("status", list(shown));
    }
    page.optional("body", body.as_ref().map(|body| quoted(body.as_str())));
    page.path("headers_file", headers_file.as_deref());
    authenticated(page, tls);
}

fn authenticated(page: &mut Page<'_>, CheckTls { ca_file, server_name, insecure }: &CheckTls) {
    page.path("tls_ca_file", ca_file.as_deref());
    page.optional("tls_server_name", server_name.as_deref().map(quoted));
    page.other_than(&false, "tls_insecure", insecure);
}

fn dns(page: &mut Page<'_>, DnsCheck { name, record, server }: &DnsCheck) {
    page.text("name", &name.to_string());
    page.other_than(&quoted(&RecordType::A.to_string()), "record", &quoted(&record.to_string()));
    page.optional("server", server.as_ref().map(|server| quoted(&server.to_string())));
}

fn grpc(page: &mut Page<'_>, GrpcCheck { service, port, tls }: &GrpcCheck) {
    page.other_than(&quoted(""), "service", &quoted(service));
    page.optional("port", *port);
    if let Some(tls) = tls {
        page.value("tls", true);
        authenticated(page, tls);
    }
}

fn command(page: &mut Page<'_>, CommandCheck { command, environment }: &CommandCheck) {
    page.value("command", list(command.iter().map(|word| quoted(word.as_str()))));
    if !environment.is_empty() {
        page.value("environment", table(environment.iter().map(|(name, value)| (name, quoted(value.as_str())))));
    }
}
