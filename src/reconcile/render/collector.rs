//! The configuration of the OpenTelemetry collector, whose Prometheus receiver takes Prometheus' scrape jobs.
//!
//! Format: `receiver/prometheusreceiver/README.md` and `exporter/prometheusremotewriteexporter/README.md` of
//! open-telemetry/opentelemetry-collector-contrib.

use super::job::Job;
use super::scrape_config::{self, PROMETHEUS};
use super::yaml::{Entry, Node, Style};
use super::{Request, header};

const STYLE: Style = Style { doubles_dollars: true, avoided: &[] };

pub(super) fn document(jobs: &[Job], request: &Request) -> String {
    let list = scrape_config::list(jobs, PROMETHEUS);
    if request.fragment {
        return header("#", request, &["`$` is `$$`: the collector fills in variables."]) + &STYLE.document(&list);
    }
    let about = [
        "Several files may be given, `--config` each; what a later one says of the same key replaces the earlier.",
        "`$` is `$$`: the collector fills in variables.",
    ];
    let (name, exporter) = match &request.remote_write {
        Some(url) => {
            ("prometheusremotewrite", Entry::new("prometheusremotewrite", Node::map([("endpoint", Node::text(url))])))
        }
        None => (
            "debug",
            Entry::commented(
                &["shows that something comes; `--remote-write URL` sends it on"],
                "debug",
                Node::Map(Vec::new()),
            ),
        ),
    };
    let pipeline = Node::map([
        ("receivers", Node::list([Node::word("prometheus")])),
        ("exporters", Node::list([Node::word(name)])),
    ]);
    let receiver = Node::map([("config", Node::map([("scrape_configs", list)]))]);
    let document = Node::Map(vec![
        Entry::new("receivers", Node::map([("prometheus", receiver)])),
        Entry::new("exporters", Node::Map(vec![exporter])),
        Entry::new("service", Node::map([("pipelines", Node::map([("metrics", pipeline)]))])),
    ]);
    header("#", request, &about) + "\n" + &STYLE.document(&document)
}
