//! Flags for Thanos Query, which looks for peers that speak its `StoreAPI`, and scrapes nothing.
//!
//! Format: `docs/service-discovery.md` of thanos-io/thanos; the file is one of arguments, as kingpin, which Thanos uses,
//! takes it behind an `@`: a line for each, none empty, and `#` at the start of a line is a comment.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::job::{Discovery, Job};
use super::{Request, duration, header, yaml};

pub(super) fn document(jobs: &[Job], request: &Request) -> String {
    let about = [
        "Finds StoreAPIs (sidecars, stores, rulers, receivers), not targets to scrape. For `thanos query @FILE`.",
        "dnssrvnoa: hosts are looked up when they are spoken to, so that one without an address does not hide the others.",
    ];
    let mut text = header("#", request, &about);
    let mut refreshes = BTreeSet::new();
    for job in jobs {
        let Discovery::Dns { names, refresh } = &job.discovery else { continue };
        refreshes.insert(*refresh);
        yaml::comment(&job.about[..1], "#", 0, &mut text);
        for name in names {
            let _ = writeln!(text, "--endpoint=dnssrvnoa+{name}");
        }
    }
    if let Some(refresh) = refreshes.first() {
        let _ = writeln!(text, "--store.sd-dns-interval={}", duration(*refresh));
    }
    text
}
