//! The configuration of the Grafana Agent in its static mode.
//!
//! Format: <https://grafana.com/docs/agent/latest/static/configuration/metrics-config/>.

use super::job::Job;
use super::scrape_config::{self, PROMETHEUS};
use super::yaml::{Entry, Node, Style};
use super::{Request, header};

pub(super) fn document(jobs: &[Job], request: &Request) -> String {
    let list = scrape_config::list(jobs, PROMETHEUS);
    let style = Style::default();
    if request.fragment {
        return header("#", request, &[]) + &style.document(&list);
    }
    let about = [
        "For the static mode (`-config.file`), without `-config.expand-env`. The Grafana Agent is at its end of life",
        "since November 2025: `srvctl render alloy` is for its successor.",
    ];
    let mut instance = vec![Entry::new("name", Node::word("srvctl")), Entry::new("scrape_configs", list)];
    let remote_write = match &request.remote_write {
        Some(url) => Entry::new("remote_write", Node::list([Node::map([("url", Node::text(url))])])),
        None => Entry::commented(
            &[
                "where it writes to: `--remote-write URL`, or `remote_write` of `metrics.global`, which holds when this is empty",
            ],
            "remote_write",
            Node::list([]),
        ),
    };
    instance.push(remote_write);
    let metrics = Node::map([
        ("wal_directory", Node::text("/var/lib/grafana-agent")),
        ("configs", Node::list([Node::Map(instance)])),
    ]);
    header("#", request, &about) + "\n" + &style.document(&Node::map([("metrics", metrics)]))
}
