//! Rendered scrape configuration: run by the real Prometheus and vmagent, and read as strictly as the others' documentation
//! describes their formats.

mod alloy;
mod command;
mod documents;
mod run;

/// What is hard to write down: quotes, what is a group or a variable to somebody, other alphabets, the end of a line.
pub(crate) const HARD: &str = "it's \"$1\" ${HOME} %{HOME} {{team}} ünï\\ \n#: '";

/// The services of the tests: the study's own (sections 1, 2.4, 3.3 and 4.1), with what makes rendering them hard.
pub(crate) const SERVICES: &str = r#"
[[service]]
name = "jenkins"
zone = "internal.local"
metadata = { team = "devops", product = "jenkins", environment = "production" }
[service.scrape]
metrics_path = "/prometheus/"
[[service.instance]]
host = "centos9-vm"
port = 8080
[[service.instance]]
host = "centos9-vm2"
port = 8080
metadata = { blue-green = "green" }

[[service]]
name = "node-exporter"
zone = "internal.local"
shards = 3
ttl = 30
metadata = { team = "infrastructure", environment = "production" }
[service.scrape]
job_name = "node"
[[service.instance]]
host = "centos9-vm"
port = 9100
[[service.instance]]
host = "centos9-vm2"
port = 9100

[[service]]
name = "node-exporter"
zone = "dc2.example"
[service.scrape]
job_name = "node"
scrape_interval = "5s"
[[service.instance]]
host = "vm1"
port = 9100

[[service]]
name = "pushgateway"
zone = "internal.local"
[[service.instance]]
host = "monitoring"
port = 9091

[[service]]
name = "prometheus"
zone = "internal.local"
[service.scrape]
job_name = "federate-dc1"
metrics_path = "/federate"
scrape_interval = "1m"
params = { "match[]" = ['{__name__=~"jenkins_.*"}', "up"] }
[[service.instance]]
host = "dc1-prometheus"
port = 9090

[[service]]
name = "prometheus"
zone = "dc2.example"
[service.scrape]
job_name = "federate-dc2"
metrics_path = "/federate"
scheme = "https"
scrape_timeout = "30s"
params = { "match[]" = 'up{cost="$9"}' }
[[service.instance]]
host = "dc2-prometheus"
port = 9090

[[service]]
name = "thanos-sidecar"
zone = "internal.local"
[[service.instance]]
host = "dc1-prometheus"
port = 10901
"#;
