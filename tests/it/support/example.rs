//! The monitoring study's own example: two Jenkins and two node exporters on two hosts.

/// The example's Jenkins service.
pub(crate) const JENKINS: &str = r#"
[[service]]
name = "jenkins"
metadata = { team = "devops", environment = "production" }

[[service.instance]]
host = "centos9-vm"
port = 8080
priority = 10
weight = 10
addresses = ["192.168.188.142"]

[[service.instance]]
host = "centos9-vm2"
port = 8080
priority = 10
weight = 20
addresses = ["192.168.188.143"]
"#;

/// The example's node exporters, on the same hosts.
pub(crate) const NODE_EXPORTER: &str = r#"
[[service]]
name = "node-exporter"
metadata = { team = "infrastructure", environment = "production" }

[[service.instance]]
host = "centos9-vm"
port = 9100
addresses = ["192.168.188.142"]

[[service.instance]]
host = "centos9-vm2"
port = 9100
addresses = ["192.168.188.143"]
"#;

/// The service files of the example.
pub(crate) const EXAMPLE: [(&str, &str); 2] = [("jenkins.toml", JENKINS), ("node-exporter.toml", NODE_EXPORTER)];

/// All that the example and the bare zone consist of, apart from the SOA.
pub(crate) const EXAMPLE_RECORDS: &[&str] = &[
    "internal.local. 300 IN NS ns1.internal.local.",
    "ns1.internal.local. 300 IN A 127.0.0.1",
    "_jenkins._tcp.internal.local. 300 IN SRV 10 10 8080 centos9-vm.internal.local.",
    "_jenkins._tcp.internal.local. 300 IN SRV 10 20 8080 centos9-vm2.internal.local.",
    r#"_jenkins._tcp.internal.local. 300 IN TXT "environment=production" "team=devops""#,
    r#"_srvctl._jenkins._tcp.internal.local. 300 IN TXT "v=1 owner=test1 types=SRV,TXT""#,
    "_node-exporter._tcp.internal.local. 300 IN SRV 0 0 9100 centos9-vm.internal.local.",
    "_node-exporter._tcp.internal.local. 300 IN SRV 0 0 9100 centos9-vm2.internal.local.",
    r#"_node-exporter._tcp.internal.local. 300 IN TXT "environment=production" "team=infrastructure""#,
    r#"_srvctl._node-exporter._tcp.internal.local. 300 IN TXT "v=1 owner=test1 types=SRV,TXT""#,
    "centos9-vm.internal.local. 300 IN A 192.168.188.142",
    r#"_srvctl.centos9-vm.internal.local. 300 IN TXT "v=1 owner=test1 types=A""#,
    "centos9-vm2.internal.local. 300 IN A 192.168.188.143",
    r#"_srvctl.centos9-vm2.internal.local. 300 IN TXT "v=1 owner=test1 types=A""#,
];
