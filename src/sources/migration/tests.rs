use super::*;
use crate::model::Name;
use crate::reconcile::migration::inventory::Port;

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
