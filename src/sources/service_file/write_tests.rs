use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::health::{
    BodyPattern, CheckTls, CommandCheck, DnsCheck, GrpcCheck, HttpCheck, HttpMethod, LeaseCheck, TcpCheck,
};
use crate::model::{Check, CheckKind, Checks, Condition, Place, RecordType, Scheme, ServiceKey};
use crate::sources::parse;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn place() -> Place {
    Place { file: "elsewhere".into(), line: 1, column: 1 }
}

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (100u64..86_400_000).prop_map(Duration::from_millis),
        Just(Duration::from_secs(10)),
        Just(Duration::from_secs(30))
    ]
}

/// Keys that are not the same without case.
fn metadata() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[a-z .'\"\\\\_-]{1,8}", "\\PC{0,20}|[ -~\t\n\r'\"\\\\]{0,20}", 0..4)
}

fn tls() -> impl Strategy<Value = CheckTls> {
    (any::<bool>(), prop::option::of("[a-z]{1,9}")).prop_map(|(insecure, server_name)| CheckTls {
        ca_file: (!insecure).then(|| "/etc/ssl/ca.pem".into()),
        server_name,
        insecure,
    })
}

fn kinds() -> impl Strategy<Value = CheckKind> {
    let status = prop_oneof![Just(vec![200..=299]), Just(vec![200..=200, 300..=399])];
    let body = prop::option::of("[a-z\"']{0,9}").prop_map(|text| text.map(|text| BodyPattern::new(&text).unwrap()));
    let http = (prop::bool::ANY, status, body, tls()).prop_map(|(is_https, status, body, tls)| {
        let url = if is_https { "https://{host}:{port}/login?a=b" } else { "http://{host}:{port}/" };
        let tls = if is_https { tls } else { CheckTls::default() };
        let (method, headers_file) = (HttpMethod::Get, is_https.then(|| "services.d/headers".into()));
        CheckKind::Http(HttpCheck { url: url.parse().unwrap(), method, status, body, headers_file, tls })
    });
    let grpc = ("[a-z.]{0,9}", prop::option::of(1u16..), prop::option::of(tls())).prop_map(|(service, port, tls)| {
        CheckKind::Grpc(GrpcCheck { service, port: port.and_then(|port| port.try_into().ok()), tls })
    });
    let command = prop::collection::vec("[ -z]{0,9}", 0..3).prop_map(|arguments| {
        let words = std::iter::once("/bin/true".to_owned()).chain(arguments);
        let environment = [("PATH".to_owned(), "/usr/bin:{host}".parse().unwrap())].into();
        CheckKind::Command(CommandCheck { command: words.map(|word| word.parse().unwrap()).collect(), environment })
    });
    let dns = prop::option::of(1u16..).prop_map(|port| {
        let (name, record) = (name("internal.local"), RecordType::SOA);
        CheckKind::Dns(DnsCheck { name, record, server: port.map(|port| crate::model::Server::new("::1", port)) })
    });
    let tcp = prop::option::of(1u16..)
        .prop_map(|port| CheckKind::Tcp(TcpCheck { port: port.and_then(|port| port.try_into().ok()) }));
    prop_oneof![http, grpc, command, dns, tcp, Just(CheckKind::Lease(LeaseCheck))]
}

fn checks() -> impl Strategy<Value = Checks> {
    let initial = prop_oneof![Just(Condition::Passing), Just(Condition::Failing), Just(Condition::Unknown)];
    let check = (kinds(), durations(), durations(), 1u32..=5, 1u32..=5, initial).prop_map(
        |(kind, interval, timeout, rise, fall, initial)| {
            let timeout = if matches!(kind, CheckKind::Lease(_)) { interval } else { timeout.min(interval) };
            let timeout = timeout.min(if timeout == interval { timeout } else { Duration::from_mins(2) });
            Arc::new(Check { kind, interval, timeout, rise, fall, initial })
        },
    );
    let check = check.prop_filter("what takes longer is refused", |check| {
        matches!(check.kind, CheckKind::Lease(_)) || check.timeout <= Duration::from_mins(2)
    });
    prop::collection::vec(check, 0..3).prop_map(Vec::into_boxed_slice)
}

fn scrapes() -> impl Strategy<Value = Option<Arc<Scrape>>> {
    let params = prop::collection::btree_map("\\PC{0,9}", prop::collection::vec("\\PC{0,20}", 0..3), 0..3);
    let scrape = ("\\PC{1,9}", any::<bool>(), durations(), params).prop_map(|(job, is_odd, interval, params)| Scrape {
        job_name: Some(job),
        scheme: Some(if is_odd { Scheme::Https } else { Scheme::Http }),
        metrics_path: is_odd.then(|| "/federate".to_owned()),
        interval: Some(interval),
        timeout: is_odd.then_some(interval),
        honor_labels: is_odd,
        params,
    });
    prop::option::of(scrape.prop_map(Arc::new))
}

fn instances() -> impl Strategy<Value = Vec<Instance>> {
    let hosts = prop_oneof![
        "[a-z]{1,9}".prop_map(|label| format!("{label}.internal.local.")),
        "[a-z]{1,9}".prop_map(|label| format!("{label}.internal.local.internal.local.")),
        Just("internal.local.".to_owned()),
        Just("10.0.0.1.internal.local.".to_owned()),
        "[a-z]{1,9}".prop_map(|label| format!("{label}.example.com.")),
    ];
    let more = (prop::option::of(checks()), metadata(), any::<bool>());
    let instance = (1u16.., any::<u16>(), any::<u16>(), more);
    prop::collection::btree_map(hosts, instance, 1..4).prop_map(|instances| {
        let made = instances.into_iter().map(|(host, (port, priority, weight, (checks, metadata, addressed)))| {
            let host = name(&host);
            let addressed = addressed && host.is_within(&name("internal.local"));
            let addresses =
                if addressed { vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()] } else { vec![] };
            let plain = Instance::new(host, port.try_into().unwrap(), place());
            Instance { priority, weight, addresses: addresses.into(), metadata, checks, ..plain }
        });
        let mut made: Vec<_> = made.collect();
        made.sort_by(|one, other| one.host.cmp(&other.host));
        made
    })
}

fn services() -> impl Strategy<Value = Service> {
    let shards = prop_oneof![Just(Shards::Off), Just(Shards::Auto), (1usize..=128).prop_map(Shards::Fixed)];
    let policy = prop_oneof![
        Just(HealthPolicy::Publish),
        Just(HealthPolicy::Withdraw { min_healthy: MinHealthy::Percent(30) }),
        Just(HealthPolicy::Withdraw { min_healthy: MinHealthy::Count(2) }),
        Just(HealthPolicy::Deprioritise { priority: Some(9), weight: None }),
    ];
    let settings = (prop::option::of(1u32..=604_800), shards, scrapes(), any::<bool>());
    (settings, metadata(), checks(), policy, instances()).prop_map(
        |((ttl, shards, scrape, udp), metadata, checks, policy, instances)| {
            let proto = if udp { "udp" } else { "tcp" }.to_owned();
            let key = ServiceKey { name: "node-exporter".into(), proto, zone: name("internal.local") };
            let service = Service { ttl, metadata, scrape, shards, instances, checks, ..Service::new(key, place()) };
            let health = if service.is_checked() { policy } else { HealthPolicy::Publish };
            Service { health, ..service }
        },
    )
}

/// Some of them can be browsed, which those that are spread cannot.
fn browsed_services() -> impl Strategy<Value = Service> {
    (
        services(),
        r#"[a-zü][a-zA-Zü "'\\.]{0,18}[a-z]"#,
        prop::collection::btree_set("[a-z][a-z0-9]{0,9}", 0..3),
        any::<bool>(),
    )
        .prop_map(|(mut service, name, subtypes, is_browsed)| {
            if is_browsed && service.shards == Shards::Off {
                service.browse = Some(Arc::new(Browse { subtypes: subtypes.clone(), health: subtypes.len() == 1 }));
                service.instances[0].name = Some(name);
                service.instances[0].subtypes = subtypes;
            }
            service
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_the_same(service in browsed_services(), comment in "\\PC{0,20}|[\\x00-\\x20]{0,5}", zones in 1usize..3) {
        let zones = &[name("internal.local"), name("other.local")][..zones];
        let file = Path::new("services.d/node-exporter.toml");
        let text = write(&service, &[comment], file, zones);
        let read = parse(&"services.d/node-exporter.toml".into(), &text.as_str().into(), zones);
        let read = read.map_err(|errors| TestCaseError::fail(errors.iter().map(ToString::to_string).collect::<String>()))?;
        prop_assert_eq!(read.len(), 1);
        prop_assert!(read[0].is_the_same(&service), "{text}\n{:#?}\n{:#?}", read[0], service);
        prop_assert_eq!((read[0].ttl, read[0].shards, read[0].health), (service.ttl, service.shards, service.health));
    }
}

#[test]
fn what_is_the_default_is_not_said() {
    let key = ServiceKey { name: "jenkins".into(), proto: "tcp".into(), zone: name("internal.local") };
    let mut service = Service::new(key, place());
    service.metadata = [("team".into(), "devops".into()), ("two words".into(), "a \"b\"".into())].into();
    service.instances.push(Instance::new(name("centos9-vm.internal.local"), 8080.try_into().unwrap(), place()));
    let text = write(&service, &["From somewhere".into()], Path::new("jenkins.toml"), &[name("internal.local")]);
    let expected = "# From somewhere\n[[service]]\nname = \"jenkins\"\n\
                    metadata = { team = \"devops\", \"two words\" = 'a \"b\"' }\n\n\
                    [[service.instance]]\nhost = \"centos9-vm\"\nport = 8080\n";
    assert_eq!(text, expected);
}
