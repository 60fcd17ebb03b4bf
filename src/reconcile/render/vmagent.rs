//! The configuration of vmagent, which `VictoriaMetrics` takes too (`-promscrape.config`).
//!
//! Prometheus' format, but for what is refused or read in another way:
//! <https://docs.victoriametrics.com/victoriametrics/sd_configs/#dns_sd_configs> has no `refresh_interval`,
//! <https://docs.victoriametrics.com/victoriametrics/vmagent/> fills `%{NAME}` in from the environment, and
//! <https://docs.victoriametrics.com/victoriametrics/relabeling/> `{{label}}` in replacements.

use super::job::{Discovery, Job};
use super::scrape_config::{self, VMAGENT};
use super::yaml::{Entry, Node, Style};
use super::{Request, Via, duration, header};

const STYLE: Style = Style { doubles_dollars: false, avoided: &['%'] };

pub(super) fn document(jobs: &[Job], request: &Request) -> String {
    let list = scrape_config::list(jobs, VMAGENT);
    let mut about = refresh(jobs).map_or_else(Vec::new, |flag| {
        vec![format!("vmagent refuses `refresh_interval`; instead, start it with {flag}")]
    });
    if request.via == Via::Dns {
        about.push("Unlike Prometheus it drops the targets of a name when a look-up fails.".to_owned());
    }
    let about: Vec<_> = about.iter().map(String::as_str).collect();
    let header = header("#", request, &about) + "\n";
    if request.fragment {
        return header + &STYLE.document(&list);
    }
    header + &STYLE.document(&Node::Map(vec![Entry::new("scrape_configs", list)]))
}

/// The flag that says how often it asks, which is one for all jobs: what the quickest of them needs.
fn refresh(jobs: &[Job]) -> Option<String> {
    let of = |job: &Job| match &job.discovery {
        Discovery::Dns { refresh, .. } => Some((*refresh, "dns")),
        Discovery::Http { refresh, .. } => Some((*refresh, "http")),
        Discovery::File { .. } => None,
    };
    let (refresh, kind) = jobs.iter().filter_map(of).min()?;
    Some(format!("-promscrape.{kind}SDCheckInterval={}", duration(refresh)))
}
