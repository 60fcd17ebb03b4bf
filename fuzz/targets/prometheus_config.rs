//! Any text as Prometheus' configuration and as a file of targets: jobs and targets, or errors that can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use srvctl::model::Diagnostic;
use srvctl::sources::prometheus;

fn show(problem: &Diagnostic) {
    assert!(!problem.to_string().is_empty());
    let _ = problem.place();
}

fuzz_target!(|text: &str| {
    match prometheus::parse("prometheus.yml", text) {
        Ok(configuration) => {
            configuration.problems.iter().for_each(show);
            for job in configuration.jobs {
                assert!(!job.name.is_empty());
                job.problems.iter().for_each(show);
            }
        }
        Err(problem) => show(&problem),
    }
    for file in ["targets.yml", "targets.json"] {
        if let Err(problem) = prometheus::parse_file_sd(file, text) {
            show(&problem);
        }
    }
});
