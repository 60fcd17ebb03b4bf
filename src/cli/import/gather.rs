//! Reads what is to be imported, and has it mapped.

use std::path::Path;

use super::args::{ConsulArgs, FileSdArgs, From, InventoryArgs, PrometheusArgs, ZoneArgs};
use super::site::Site;
use crate::cli::output;
use crate::model::Diagnostic;
use crate::reconcile::migration::records::Listing;
use crate::reconcile::migration::scrape_jobs::Sorting;
use crate::reconcile::migration::{Outcome, Source, Terms, consul, inventory, records, scrape_jobs};
use crate::sources::{migration, prometheus};

/// What came of it.
///
/// # Errors
/// What cannot be read: then nothing is imported, since a part would look like the whole.
pub(super) async fn gather(from: &From, site: &Site) -> Result<Outcome, Vec<Diagnostic>> {
    let terms = site.terms(from);
    match from {
        From::Prometheus(args) => of_prometheus(args, &terms).map_err(|problem| vec![problem]),
        From::FileSd(args) => of_file_sd(args, &terms),
        From::AnsibleInventory(args) => of_inventory(args, &terms),
        From::Zone(args) => of_zone(args, &terms, site).await.map_err(|problem| vec![problem]),
        From::Consul(args) => of_consul(args, &terms),
    }
}

fn of_prometheus(args: &PrometheusArgs, terms: &Terms) -> Result<Outcome, Diagnostic> {
    let configuration = prometheus::read(&args.file)?;
    let file = Source::file(args.file.to_string_lossy());
    Ok(scrape_jobs::map(terms, &file, &configuration, &args.jobs))
}

fn of_file_sd(args: &FileSdArgs, terms: &Terms) -> Result<Outcome, Vec<Diagnostic>> {
    let groups = all(args.files.iter().map(|file| prometheus::read_file_sd(file)))?.concat();
    let sorting = Sorting { service: args.service.clone(), label: args.service_label.clone() };
    Ok(scrape_jobs::map_groups(terms, &groups, &sorting))
}

fn of_inventory(args: &InventoryArgs, terms: &Terms) -> Result<Outcome, Vec<Diagnostic>> {
    let mut rules: Vec<_> = args.short_rules().collect();
    if let Some(file) = &args.rules {
        rules.extend(migration::read_rules(file)?);
    }
    let read = migration::read_inventory(&args.file).map_err(|problem| vec![problem])?;
    Ok(inventory::map(terms, &read, &rules))
}

async fn of_zone(args: &ZoneArgs, terms: &Terms, site: &Site) -> Result<Outcome, Diagnostic> {
    if let Some(file) = &args.file {
        let read = migration::read_master_file(file, &site.zone, terms.ttl)?;
        let mut outcome = records::map(terms, &Listing { records: read.records });
        outcome.remarks.splice(0..0, read.remarks);
        return Ok(outcome);
    }
    let Some(configured) = site.configured() else {
        let message = "is in no configuration, so nobody knows its server and key";
        let problem = Diagnostic::about_file(site.zone.to_string(), message);
        return Err(problem.help("name a configuration with --config, or a master file"));
    };
    let primary = configured.primary();
    output::progress(format_args!("reading {} from {}", primary.zone(), primary.server()));
    let source = format!("{} at {}", primary.zone(), primary.server());
    let zone = primary.transfer().await.map_err(|error| Diagnostic::about_file(&*source, error.to_string()))?;
    Ok(records::map(terms, &Listing::of_zone(&zone, &source)))
}

fn of_consul(args: &ConsulArgs, terms: &Terms) -> Result<Outcome, Vec<Diagnostic>> {
    let files = all(args.hosted().map(|(file, host)| migration::read_consul(Path::new(&file), host)))?;
    Ok(consul::map(terms, &files))
}

/// All of them, or everything that is wrong with any.
fn all<T>(read: impl Iterator<Item = Result<T, Diagnostic>>) -> Result<Vec<T>, Vec<Diagnostic>> {
    let (mut good, mut problems) = (Vec::new(), Vec::new());
    for one in read {
        match one {
            Ok(value) => good.push(value),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(good) } else { Err(problems) }
}
