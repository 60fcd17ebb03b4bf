//! `srvctl list` and `srvctl show`.

use std::path::PathBuf;

use serde::Serialize;

use super::args::{ListArgs, ShowArgs};
use super::{Failure, client, ended, shown, table};
use crate::api::{Ask, Client, InstanceView, Instances, ServiceView, Source};
use crate::cli::exit::Exit;
use crate::cli::output::{self, Paint};

/// Instances per question; the most that a daemon gives.
const PAGE: usize = 1_000;

#[derive(Serialize)]
struct Shown<'a> {
    service: &'a ServiceView,
    instances: &'a [InstanceView],
}

/// Lists instances.
pub(in crate::cli) async fn list(flag: Option<PathBuf>, args: &ListArgs) -> Exit {
    let asked = async {
        let mut client = client(flag, &args.remote)?;
        let instances = instances(&mut client, args.service.as_deref(), args.host.as_deref(), args.overdue).await?;
        if let Some(service) = args.service.as_deref().filter(|_| instances.is_empty()) {
            // A name that nobody knows is more likely to be misspelt than to be asked for.
            client.ask::<ServiceView>(Ask::get(&["v1", "services", service])).await?;
        }
        if args.format.json {
            output::json(&Instances { instances, next: None });
        } else if instances.is_empty() {
            output::line("no instances");
        } else {
            let rows: Vec<_> = instances.iter().map(row).collect();
            table::show(["SERVICE", "ID", "TARGET", "PRIORITY", "WEIGHT", "SOURCE", "LEASE"], &rows);
        }
        Ok(Exit::Done)
    };
    ended(asked.await)
}

/// All of them, page by page.
pub(super) async fn instances(
    client: &mut Client,
    service: Option<&str>,
    host: Option<&str>,
    overdue: bool,
) -> Result<Vec<InstanceView>, Failure> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let ask = Ask::get(&["v1", "instances"]).query("limit", Some(PAGE)).query("service", service);
        let ask = ask.query("host", host).query("overdue", overdue.then_some(true)).query("after", after);
        let page: Instances = client.ask(ask).await?;
        all.extend(page.instances);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}

fn row(one: &InstanceView) -> [String; 7] {
    [
        one.service.clone(),
        one.id.to_string(),
        target(one),
        one.priority.to_string(),
        one.weight.to_string(),
        source(one.source).to_owned(),
        lease(one),
    ]
}

fn target(one: &InstanceView) -> String {
    format!("{}:{}", one.host.without_final_dot(), one.port)
}

fn source(source: Source) -> &'static str {
    match source {
        Source::File => "file",
        Source::Registered => "registered",
    }
}

/// What is left of a lease.
fn lease(one: &InstanceView) -> String {
    match one.renew_within {
        None => "-".to_owned(),
        Some(left) if left < 0 => format!("overdue for {} s", left.unsigned_abs()),
        Some(left) => format!("{left} s left"),
    }
}

/// Shows a service with its instances.
pub(in crate::cli) async fn show(flag: Option<PathBuf>, args: &ShowArgs) -> Exit {
    let asked = async {
        let mut client = client(flag, &args.remote)?;
        let service: ServiceView = client.ask(Ask::get(&["v1", "services", &args.service])).await?;
        let instances = instances(&mut client, Some(&service.service), None, false).await?;
        if args.format.json {
            output::json(&Shown { service: &service, instances: &instances });
        } else {
            show_service(&service);
            if !instances.is_empty() {
                output::line("");
                let rows: Vec<_> = instances.iter().map(detailed_row).collect();
                table::show(["ID", "TARGET", "PRIORITY", "WEIGHT", "ADDRESSES", "METADATA", "LEASE", "SOURCE"], &rows);
            }
        }
        Ok(Exit::Done)
    };
    ended(asked.await)
}

fn show_service(service: &ServiceView) {
    let ServiceView { ttl, shards, metadata, instances, registered, .. } = service;
    output::line(Paint::for_stdout().strong(&service.service));
    output::line(format_args!(
        "  described by: {}",
        if service.source == Source::File { "a service file" } else { "the API" }
    ));
    output::line(format_args!("  ttl: {}", ttl.map_or_else(|| "the zone's".to_owned(), |ttl| format!("{ttl} s"))));
    output::line(format_args!("  shards: {}", shown::shards(*shards)));
    let pairs: Vec<_> = metadata.iter().map(|(key, value)| format!("\"{key}={value}\"")).collect();
    output::line(format_args!("  TXT: {}", or_dash(&pairs.join(" "))));
    output::line(format_args!("  instances: {instances}, {registered} of them registered"));
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn detailed_row(one: &InstanceView) -> [String; 8] {
    let addresses: Vec<_> = one.addresses.iter().map(ToString::to_string).collect();
    let metadata: Vec<_> = one.metadata.iter().map(|(key, value)| format!("{key}={value}")).collect();
    [
        one.id.to_string(),
        target(one),
        one.priority.to_string(),
        one.weight.to_string(),
        or_dash(&addresses.join(" ")).to_owned(),
        or_dash(&metadata.join(" ")).to_owned(),
        lease(one),
        one.place.clone().or_else(|| one.registered_by.clone()).unwrap_or_default(),
    ]
}
