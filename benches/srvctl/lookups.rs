//! Looking names up as `srvctl verify` does, beside `dnsperf` with the same questions.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Instant;

use srvctl::config::{self, Config};
use srvctl::daemon::verification;
use srvctl::model::{Catalogue, Service};
use srvctl::reconcile::Standing;
use srvctl::sources;
use tempfile::NamedTempFile;
use tokio::runtime::Builder;

use crate::report::{Row, Series, Target};
use crate::scale::Scale;
use crate::support::{Named, Population, Settings, Site, find, run as run_program};

const NAMES: usize = 10_000;

pub(crate) fn run(scale: Scale) -> Vec<Row> {
    let population = Population::of_services(scale.size(NAMES));
    let named = Named::filled(&population);
    let site = Site::new(&named, &population, &Settings::default());
    let config = config::load(&site.config()).unwrap();
    let catalogue = sources::read(&config.services, &config.zone_names()).catalogue().unwrap();
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let questions = questions(population.services());
    let mut ours = Series::new("the look-ups of srvctl verify");
    let mut reference = Series::new("dnsperf -e, one run");
    for _ in 0..scale.runs() {
        reference.push(dnsperf(&named, &questions, population.services()));
        let started = Instant::now();
        let right = runtime.block_on(verify(&config, &catalogue));
        let took = started.elapsed().as_secs_f64();
        assert_eq!(right, population.services(), "names found as they should be");
        ours.push(f64::from(u32::try_from(right).unwrap()) / took);
    }
    let note = format!("{} SRV names over UDP", population.services());
    vec![Row { name: "lookups".to_owned(), unit: "1/s", ours, reference, target: Target::AtLeast(0.5), note }]
}

/// How many names are found as they should be.
async fn verify(config: &Config, catalogue: &Catalogue) -> usize {
    let services: Vec<&Service> = catalogue.values().map(AsRef::as_ref).collect();
    let checks = verification::verify(config, catalogue, &services, &[]).await.checks;
    checks.iter().filter(|check| check.verdict == Standing::InSync).count()
}

fn questions(services: usize) -> NamedTempFile {
    let mut text = String::new();
    for service in 0..services {
        let _ = writeln!(text, "{}. SRV", Population::owner_name(service));
    }
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    file
}

/// Answers per second.
fn dnsperf(named: &Named, questions: &NamedTempFile, names: usize) -> f64 {
    let (ip, port) = (named.address().ip().to_string(), named.address().port().to_string());
    let mut command = Command::new(find("dnsperf", "dnsperf"));
    command.args(["-s", &ip, "-p", &port, "-e", "-n", "1", "-d"]).arg(questions.path());
    let output = run_program(&mut command, "");
    let value = |key: &str| {
        let line = output.stdout.lines().find_map(|line| line.trim().strip_prefix(key));
        line.and_then(|rest| rest.split_whitespace().next()).unwrap_or_else(|| panic!("no `{key}`: {output:?}"))
    };
    assert_eq!(value("Queries completed:"), names.to_string(), "answers that dnsperf received");
    value("Queries per second:").parse().unwrap()
}
