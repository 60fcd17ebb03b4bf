use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::Name;
use crate::reconcile::migration::inventory::Port;
use crate::reconcile::migration::scrape_jobs::{self, Sorting};
use crate::reconcile::migration::{Outcome, Source, Terms, consul, inventory, records};
use crate::sources::{self, prometheus};

fn origin() -> Name {
    "internal.local".parse().unwrap()
}

fn lines(text: &str) -> (Vec<String>, Vec<String>) {
    let read = parse_master_file("z", text, &origin(), 300);
    let records = read.records.iter().map(|(record, source)| format!("{source} {record}")).collect();
    (
        records,
        read.remarks.iter().map(|remark| format!("{} {}: {}", remark.source, remark.subject, remark.message)).collect(),
    )
}

#[test]
fn reads_a_master_file_as_bind_does() {
    let text = r#"$ORIGIN internal.local.
$TTL 1h
@       IN SOA  ns1 hostmaster (   ; a comment with ( and "
                1 3600
                600 1209600 60 )
        IN NS   ns1
ns1     IN A    192.0.2.53
_jenkins._tcp.internal.local. 300 IN SRV 10 10 8080 centos9-vm.internal.local.
_jenkins._tcp IN 5m TXT "a;b=(c)" un\;quoted "\"q\" \065" ""
$ORIGIN sub
_web._tcp ( SRV
   0 0 80
   @ )
  AAAA 2001:db8::1
"#;
    let (records, problems) = lines(text);
    assert_eq!(
        records,
        [
            r"z:3 internal.local. 3600 IN SOA \# 0",
            r"z:6 internal.local. 3600 IN NS \# 0",
            "z:7 ns1.internal.local. 3600 IN A 192.0.2.53",
            "z:8 _jenkins._tcp.internal.local. 300 IN SRV 10 10 8080 centos9-vm.internal.local.",
            r#"z:9 _jenkins._tcp.internal.local. 300 IN TXT "a;b=(c)" "un;quoted" "\"q\" A" """#,
            "z:11 _web._tcp.sub.internal.local. 3600 IN SRV 0 0 80 sub.internal.local.",
            "z:14 _web._tcp.sub.internal.local. 3600 IN AAAA 2001:db8::1",
        ]
    );
    assert_eq!(problems, [""; 0]);
}

#[test]
fn a_broken_entry_stops_no_other() {
    let text = "  A 192.0.2.1\na A 192.0.2\nb A 192.0.2.2\n$INCLUDE other.zone\n$GENERATE 1-9 h$ A 192.0.2.$\nc..d A 192.0.2.3\n A 192.0.2.4\n\
                e SRV 1 2 3\nf TXT \"open\ng A 192.0.2.5\nh 5x A 192.0.2.6\ni CH A 192.0.2.7\nj NONSENSE 1\nk\nl TXT \\300\n) m A 192.0.2.8\n$X\nn A ( 192.0.2.9\n";
    let (records, problems) = lines(text);
    assert_eq!(
        records,
        [
            "z:3 b.internal.local. 300 IN A 192.0.2.2",
            "z:10 g.internal.local. 300 IN A 192.0.2.5",
            "z:16 m.internal.local. 300 IN A 192.0.2.8"
        ]
    );
    let at: Vec<_> = problems.iter().map(|problem| problem.split(' ').next().unwrap()).collect();
    assert_eq!(
        at,
        [
            "z:1", "z:2", "z:4", "z:5", "z:6", "z:7", "z:8", "z:11", "z:12", "z:13", "z:14", "z:15", "z:17", "z:9",
            "z:16", "z:19"
        ],
        "{problems:#?}"
    );
}

#[test]
fn consul_files_hold_one_service_or_several() {
    let file = parse_consul(
        "c.json",
        r#"{"service": {"name": "a"}, "services": [{"name": "b"}], "node_name": "vm1", "server": true}"#,
        None,
    );
    let file = file.unwrap();
    assert_eq!(
        (file.services.len(), file.node_name.as_deref(), file.others),
        (2, Some("vm1"), vec!["server".to_owned()])
    );
    for (text, words) in
        [("service { name = \"a\" }", "HCL is not read"), ("[]", "is not a JSON object"), ("", "is not a JSON object")]
    {
        assert!(parse_consul("c.hcl", text, None).unwrap_err().to_string().contains(words), "{text}");
    }
}

#[test]
fn an_inventory_is_told_from_other_json() {
    let inventory = parse_inventory(
        "i.json",
        r#"{"_meta": {"hostvars": {"vm1": {"a": 1}}}, "all": {"children": ["x"]}, "x": {"hosts": ["vm1"]}}"#,
    );
    assert_eq!(inventory.unwrap().groups["x"].hosts, ["vm1"]);
    for text in
        ["{}", "[]", r#"{"_meta": {"hostvars": 1}}"#, r#"{"_meta": {}, "x": {"hosts": [1]}}"#, "all:\n  hosts: {}\n"]
    {
        assert!(parse_inventory("i.json", text).unwrap_err().to_string().contains("ansible-inventory"), "{text}");
    }
}

#[test]
fn rules_are_tables_with_a_port_of_some_kind() {
    let text = "[[rule]]\ngroup = \"jenkins_masters\"\nservice = \"jenkins\"\nport_variable = \"jenkins_port\"\nmetadata = [\"team\", \"product=name\"]\n";
    let rules = parse_rules("r.toml", text).unwrap();
    assert_eq!(rules[0].port, Port::Variable("jenkins_port".into()));
    assert_eq!(rules[0].metadata[1], ("product".to_owned(), "name".to_owned()));
    assert_eq!(rules[0].source.to_string(), "r.toml:1");
    for (text, words) in [
        ("", "needs the key `rule`"),
        ("[[rule]]\ngroup = \"a\"\nservice = \"a\"\n", "either `port` or `port_variable`"),
        ("[[rule]]\ngroup = \"a\"\nservice = \"a_b\"\nport = 1\n", "may only have letters"),
        ("[[rule]]\ngroup = \"a\"\nservice = \"a\"\nport = 1\nprot = 1\n", "did you mean `port`?"),
    ] {
        let shown: String = parse_rules("r.toml", text).unwrap_err().iter().map(ToString::to_string).collect();
        assert!(shown.contains(words), "{text}: {shown}");
    }
}

/// What people write, and what nobody should.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z]{1,9}(-[a-z0-9]{1,5})?",
        2 => "[a-z]{1,5}\\.(internal\\.local|example\\.com)\\.?",
        1 => "(10\\.0\\.0\\.[0-9]{1,3}|\\[?2001:db8::[0-9a-f]{1,4}\\]?|localhost)",
        1 => "\\PC{0,12}",
        1 => "[ -~\\t\\n\\r]{0,12}",
        1 => "\\{\\{ [a-z_]{1,9} \\}\\}",
    ]
}

fn urls() -> impl Strategy<Value = String> {
    (texts(), texts(), 0u32..70_000).prop_flat_map(|(host, path, port)| {
        let host = if path.len() % 2 == 0 { "localhost".to_owned() } else { host };
        prop_oneof![
            Just(format!("http://{host}:{port}/{path}")),
            Just(format!("HTTPS://{host}?{path}")),
            Just(format!("{host}:{port}/{path}")),
            Just(format!("{host}:{port}")),
            Just(path),
        ]
    })
}

fn check() -> impl Strategy<Value = Value> {
    let times = prop_oneof![Just("10s".to_owned()), Just("1h30m".to_owned()), Just("1ms".to_owned()), texts()];
    let kind = prop_oneof![Just("http"), Just("tcp"), Just("grpc"), Just("ttl"), Just("args")];
    (kind, urls(), times.clone(), times, texts(), any::<(bool, u8)>()).prop_map(|(kind, url, interval, timeout, name, (yes, count))| {
        let mut check = json!({ "interval": interval, "timeout": timeout, "tls_server_name": name, "tls_skip_verify": yes,
            "grpc_use_tls": !yes, "success_before_passing": count, "failures_before_critical": count, "method": "post" });
        check[kind] = if kind == "ttl" { json!(interval) } else { json!(url) };
        check
    })
}

fn definitions() -> impl Strategy<Value = Value> {
    let words = || prop::collection::vec(texts(), 0..3);
    (texts(), 0u32..70_000, texts(), words(), words(), prop::collection::vec(check(), 0..3)).prop_map(
        |(name, port, address, tags, meta, checks)| {
            let tags: Vec<_> = tags.iter().map(|tag| format!("{tag}={name}")).chain(meta.clone()).collect();
            let meta: serde_json::Map<_, _> = meta.into_iter().map(|key| (key, json!(address))).collect();
            let address = if port % 2 == 0 { String::new() } else { address };
            json!({ "name": name, "port": port, "address": address, "tags": tags, "meta": meta, "checks": checks })
        },
    )
}

fn terms(generate_hosts: bool) -> Terms {
    Terms { generate_hosts, addresses: generate_hosts, ..Terms::of_zone(origin()) }
}

/// What came of an import can be written, and says the same when it is read back.
fn can_be_written(outcome: &Outcome) -> Result<(), TestCaseError> {
    for migrated in &outcome.services {
        let comments: Vec<_> = outcome.remarks.iter().map(|remark| remark.message.clone()).collect();
        let text = sources::write(&migrated.service, &comments, Path::new("a.toml"), &[origin()]);
        let read = sources::parse(&"a.toml".into(), &text.as_str().into(), &[origin()]);
        let read =
            read.map_err(|errors| TestCaseError::fail(errors.iter().map(ToString::to_string).collect::<String>()))?;
        prop_assert!(read.len() == 1 && read[0].is_the_same(&migrated.service), "{text}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_made_of_consul_definitions_can_be_written(services in prop::collection::vec(definitions(), 1..4), generate in any::<bool>()) {
        let text = json!({ "services": services }).to_string();
        let file = parse_consul("c.json", &text, Some("vm1")).unwrap();
        can_be_written(&consul::map(&terms(generate), &[file]))?;
    }

    #[test]
    fn what_is_made_of_targets_can_be_written(groups in prop::collection::vec((texts(), 0u32..70_000, prop::collection::btree_map(
        prop_oneof![texts(), Just("__scheme__".to_owned()), Just("__metrics_path__".to_owned()), Just("__param_a".to_owned()), Just("__scrape_interval__".to_owned()), Just("job".to_owned())],
        prop_oneof![texts(), Just("https".to_owned()), Just("/a".to_owned()), Just("10s".to_owned())], 0..4)), 1..4), generate in any::<bool>()) {
        let groups: Vec<_> = groups.into_iter().map(|(host, port, labels)| json!({ "targets": [format!("{host}:{port}"), host], "labels": labels })).collect();
        let groups = prometheus::parse_file_sd("t.json", &json!(groups).to_string());
        let sorting = Sorting { service: None, label: "job".into() };
        can_be_written(&scrape_jobs::map_groups(&terms(generate), &groups.unwrap_or_default(), &sorting))?;
    }

    #[test]
    fn what_is_made_of_jobs_can_be_written((name, path, params) in (texts(), texts(), texts()), seconds in 0u32..100_000, targets in prop::collection::vec(texts(), 1..4)) {
        let targets: Vec<_> = targets.iter().map(|host| format!("{host}:{seconds}")).collect();
        let job = json!({ "job_name": name, "metrics_path": path, "params": { params: [name] }, "honor_labels": true,
            "scrape_interval": format!("{seconds}s"), "scrape_timeout": "10s", "static_configs": [{ "targets": targets, "labels": { "a": path } }] });
        let read = prometheus::parse("p.yml", &json!({ "scrape_configs": [job] }).to_string());
        if let Ok(configuration) = read {
            can_be_written(&scrape_jobs::map(&terms(true), &Source::file("p.yml"), &configuration, &[]))?;
        }
    }

    #[test]
    fn what_is_made_of_an_inventory_can_be_written(hosts in prop::collection::btree_map(texts(), (texts(), texts(), 0u32..70_000), 1..4)) {
        let variables = |(name, value, port): &(String, String, u32)| json!({ "ansible_host": value, "port": port, name: value,
            "srvctl_services": [{ "name": name, "port": port, "addresses": [value], "metadata": { name: value }, "weight": port }] });
        let hostvars: serde_json::Map<_, _> = hosts.iter().map(|(host, said)| (host.clone(), variables(said))).collect();
        let names: Vec<_> = hosts.keys().collect();
        let inventory = parse_inventory("i.json", &json!({ "_meta": { "hostvars": hostvars }, "g": { "hosts": names } }).to_string()).unwrap();
        let rules = parse_rules("r.toml", "[[rule]]\ngroup = \"g\"\nservice = \"s\"\nport_variable = \"port\"\nmetadata = [\"port\"]\n").unwrap();
        can_be_written(&inventory::map(&terms(true), &inventory, &rules))?;
    }

    #[test]
    fn what_is_made_of_any_master_file_can_be_written(lines in prop::collection::vec(prop_oneof![
        (texts(), texts(), 0u32..70_000).prop_map(|(name, target, port)| format!("_{name}._tcp {port} IN SRV 1 2 {port} {target}")),
        (texts(), texts()).prop_map(|(name, text)| format!("_{name}._tcp IN TXT \"a={text}\" {text}")),
        texts().prop_map(|name| format!("{name} A 192.0.2.1 ; (")),
        "\\PC{0,30}|[ -~\n]{0,30}",
    ], 0..6)) {
        let read = parse_master_file("z", &lines.join("\n"), &origin(), 300);
        can_be_written(&records::map(&terms(true), &records::Listing { records: read.records }))?;
    }
}
