//! Prometheus' own configuration.

use super::job::Job;
use super::scrape_config::{self, PROMETHEUS};
use super::yaml::{Entry, Node, Style};
use super::{Request, Via, header};

const ABOUT: [&str; 4] = [
    "Can be run as it is, or be named under `scrape_config_files` (Prometheus 2.43 or later).",
    "",
    "`instance` is host:port, as with static targets, and `job` is the job's name. With the names of static jobs the",
    "series go on; while both are there, one of the two needs another name.",
];

const ABOUT_DNS: [&str; 4] = [
    "",
    "Names end with a dot, so that no search list applies. A name that does not exist removes its targets, a look-up that",
    "fails keeps them. A new name can be missing for as long as resolvers remember that there was none: the last number of",
    "the zone's SOA.",
];

pub(super) fn document(jobs: &[Job], request: &Request) -> String {
    let list = scrape_config::list(jobs, PROMETHEUS);
    let style = Style::default();
    if request.fragment {
        return header("#", request, &[]) + &style.document(&list);
    }
    let more: &[&str] = if request.via == Via::Dns { &ABOUT_DNS } else { &[] };
    let about: Vec<_> = ABOUT.iter().chain(more).copied().collect();
    header("#", request, &about) + "\n" + &style.document(&Node::Map(vec![Entry::new("scrape_configs", list)]))
}
