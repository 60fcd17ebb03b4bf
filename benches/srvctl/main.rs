//! How fast srvctl is, how much it needs, and how that compares with BIND's own tools in the same run.
//!
//! `cargo bench --bench srvctl [-- NAME…] [--runs N] [--json FILE] [--quick]`
//!
//! Every benchmark starts private `named`s on loopback and measures the reference and srvctl in turn, so that a busy
//! machine slows both. A missed target is reported and no failure; a wrong result is one.

#![allow(clippy::unwrap_used, reason = "a harness that cannot go on has nothing to measure")]

mod changes;
mod converge;
mod drift;
mod health;
mod idle;
mod lookups;
mod machine;
mod memory;
mod registrations;
mod report;
mod scale;
mod support;
mod transfer;

use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use machine::Machine;
use report::{Report, Row};
use scale::Scale;

#[derive(Parser)]
#[command(about = "Measures srvctl beside BIND's own tools", bin_name = "cargo bench --bench srvctl --")]
struct Args {
    /// Only benchmarks whose name begins like one of these
    names: Vec<String>,
    /// Measurements of each side
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Write the results as JSON, with every sample
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Small sizes: shows that everything works, and measures nothing of worth
    #[arg(long)]
    quick: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

struct Benchmark {
    name: &'static str,
    run: fn(Scale) -> Vec<Row>,
    /// Programs beside those of BIND, and the packages that bring them.
    programs: &'static [(&'static str, &'static str)],
}

const BENCHMARKS: &[Benchmark] = &[
    Benchmark { name: "converge-empty", run: converge::run, programs: &[] },
    Benchmark { name: "converge-changes", run: changes::run, programs: &[] },
    Benchmark { name: "idle", run: idle::run, programs: &[] },
    Benchmark { name: "drift", run: drift::run, programs: &[] },
    Benchmark { name: "transfer", run: transfer::run, programs: &[] },
    Benchmark { name: "memory", run: memory::run, programs: &[] },
    Benchmark { name: "registrations", run: registrations::run, programs: &[("ansible-playbook", "ansible")] },
    Benchmark { name: "health", run: health::run, programs: &[("curl", "curl"), ("ab", "apache2-utils")] },
    Benchmark { name: "lookups", run: lookups::run, programs: &[("dnsperf", "dnsperf")] },
];

fn main() -> ExitCode {
    if health::is_prober() {
        return ExitCode::SUCCESS;
    }
    let Args { names, runs, json, quick, bench: _ } = Args::parse();
    let chosen = match chosen(&names) {
        Ok(chosen) => chosen,
        Err(unknown) => {
            let known: Vec<_> = BENCHMARKS.iter().map(|benchmark| benchmark.name).collect();
            eprintln!("error: no benchmark begins with `{unknown}`; there are: {}", known.join(", "));
            return ExitCode::from(2);
        }
    };
    let missing = missing_packages(&chosen);
    if !missing.is_empty() {
        eprintln!("error: programs are missing; run: apt-get install {}", missing.join(" "));
        return ExitCode::FAILURE;
    }
    let scale = Scale::new(quick, runs.into());
    let mut report = Report::new(Machine::look(), scale);
    for benchmark in chosen {
        eprintln!("==> {}", benchmark.name);
        match catch_unwind(|| (benchmark.run)(scale)) {
            Ok(rows) => report.add(rows),
            Err(_shown) => report.failed(benchmark.name),
        }
    }
    report.print();
    if let Some(path) = json {
        report.write_json(&path);
    }
    if report.is_valid() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Those that are named, in the usual order; all when none is.
fn chosen(names: &[String]) -> Result<Vec<&'static Benchmark>, &String> {
    let matches = |benchmark: &Benchmark, name: &String| benchmark.name.starts_with(name.as_str());
    if let Some(unknown) = names.iter().find(|name| !BENCHMARKS.iter().any(|benchmark| matches(benchmark, name))) {
        return Err(unknown);
    }
    let wanted = |benchmark: &&Benchmark| names.is_empty() || names.iter().any(|name| matches(benchmark, name));
    Ok(BENCHMARKS.iter().filter(wanted).collect())
}

/// What has to be installed before the first benchmark starts.
fn missing_packages(chosen: &[&Benchmark]) -> Vec<&'static str> {
    let own = chosen.iter().flat_map(|benchmark| benchmark.programs);
    let programs = support::PROGRAMS.iter().chain(own);
    let missing = programs.filter(|(program, _)| !support::is_installed(program));
    let mut packages: Vec<_> = missing.map(|(_, package)| *package).collect();
    packages.dedup();
    packages
}
