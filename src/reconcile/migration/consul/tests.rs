use serde_json::json;

use super::*;
use crate::model::{CheckKind, Name};
use crate::reconcile::migration::Migrated;

/// The study's, verbatim.
fn jenkins() -> Value {
    json!({
        "name": "jenkins",
        "tags": ["team:devops", "environment:production", "blue-green:blue"],
        "port": 8080,
        "check": { "http": "http://localhost:8080/login", "interval": "30s", "timeout": "5s" },
        "meta": { "team": "devops", "product": "jenkins", "version": "2.401.1" }
    })
}

fn mapped(terms: &Terms, host: Option<&str>, services: Vec<Value>) -> Outcome {
    let source = Source::file("jenkins.json");
    let host = host.map(str::to_owned);
    map(terms, &[DefinitionFile { source, host, services, node_name: None, others: Vec::new() }])
}

fn terms() -> Terms {
    Terms::of_zone("internal.local".parse().unwrap())
}

fn said(outcome: &Outcome, fate: Fate) -> Vec<&str> {
    outcome.remarks.iter().filter(|remark| remark.fate == fate).map(|remark| remark.message.as_str()).collect()
}

#[test]
fn the_definition_of_the_study_becomes_a_checked_service() {
    let outcome = mapped(&terms(), Some("centos9-vm"), vec![jenkins()]);
    let [Migrated { service, .. }] = &outcome.services[..] else { panic!("{outcome:?}") };
    assert_eq!(service.key.to_string(), "_jenkins._tcp.internal.local.");
    let metadata: Vec<_> = service.metadata.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        metadata,
        ["blue-green=blue", "environment=production", "product=jenkins", "team=devops", "version=2.401.1"]
    );
    assert_eq!(service.instances[0].host, "centos9-vm.internal.local".parse::<Name>().unwrap());
    assert!(service.instances[0].checks.is_none() && service.instances[0].metadata.is_empty());
    let CheckKind::Http(check) = &service.checks[0].kind else { panic!("{service:?}") };
    assert_eq!(check.url.as_str(), "http://{host}:{port}/login");
    assert_eq!((service.checks[0].interval.as_secs(), service.checks[0].timeout.as_secs()), (30, 5));
    assert!(said(&outcome, Fate::Guessed).iter().any(|said| said.contains("`{host}` instead of `localhost`")));
    assert_eq!(said(&outcome, Fate::Refused), [""; 0]);
}

#[test]
fn who_has_no_address_needs_a_host() {
    let outcome = mapped(&terms(), None, vec![jenkins()]);
    assert!(outcome.services.is_empty());
    assert!(
        outcome
            .remarks
            .iter()
            .any(|remark| remark.help.as_ref().is_some_and(|help| help.contains("HOST=jenkins.json")))
    );
    let mut addressed = jenkins();
    addressed["address"] = "10.0.0.5".into();
    assert!(mapped(&terms(), None, vec![addressed.clone()]).services.is_empty(), "an address is no name");
    let terms = Terms { addresses: true, ..terms() };
    let outcome = mapped(&terms, Some("centos9-vm"), vec![addressed]);
    assert_eq!(
        outcome.services[0].service.instances[0].addresses[..],
        ["10.0.0.5".parse::<std::net::IpAddr>().unwrap()]
    );
}

#[test]
fn one_bad_definition_stops_no_other() {
    let mut more = jenkins();
    more["name"] = "web".into();
    more["tags"] = json!(["primary", "v2", "team:ops", "urlprefix-/web", "http://example.com"]);
    more["checks"] = json!([
        { "args": ["/bin/true"], "interval": "10s" },
        { "tcp": "127.0.0.1:9000", "interval": "1s", "timeout": "10s", "failures_before_critical": 7 },
        { "http": "http://user:secret@localhost/", "interval": "10s" },
        { "http": "https://other.example.com/", "interval": "10s" },
        { "grpc": "127.0.0.1:8080/web", "grpc_use_tls": true, "interval": "10s" },
        { "ttl": "1m" }
    ]);
    let services = vec![
        json!({ "name": "no-port" }),
        json!({ "name": 7 }),
        json!([]),
        more,
        json!({ "name": "x", "port": 1, "kind": "connect-proxy" }),
    ];
    let outcome = mapped(&terms(), Some("vm1.example.com"), services);
    let [Migrated { service, .. }] = &outcome.services[..] else { panic!("{outcome:?}") };
    assert_eq!(service.metadata["tags"], "primary,v2,urlprefix-/web,http://example.com");
    assert_eq!(service.metadata["team"], "devops", "meta is right");
    let kinds: Vec<_> = service.checks.iter().map(|check| check.kind.as_str()).collect();
    assert_eq!(kinds, ["http", "tcp", "grpc", "lease"]);
    let tcp = &service.checks[1];
    assert_eq!((tcp.timeout.as_secs(), tcp.fall, tcp.rise), (1, 7, 2));
    assert!(matches!(&tcp.kind, CheckKind::Tcp(check) if check.port.unwrap().get() == 9000));
    let refused = said(&outcome, Fate::Refused);
    for words in [
        "no port",
        "not a service definition",
        "runs a program on the node",
        "password",
        "another host",
        "`team=devops`, which was taken",
    ] {
        assert!(refused.iter().any(|said| said.contains(words)), "{words} in {refused:?}");
    }
    assert!(!format!("{:?}", outcome.remarks).contains("secret"));
}
