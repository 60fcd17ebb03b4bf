//! What the benchmarks stand on: private servers, a large zone, the binary, and ways to watch them.

#[path = "../../../tests/it/support/api.rs"]
#[allow(dead_code, reason = "shared with the tests, which need all of it")]
mod api;
mod bind;
#[path = "../../../tests/it/support/harness.rs"]
#[allow(dead_code, reason = "shared with the tests, which need all of it")]
mod harness;
#[path = "../../../tests/it/support/key.rs"]
#[allow(dead_code, reason = "shared with the tests, which need all of it")]
mod key;
#[path = "../../../tests/it/support/lines.rs"]
#[allow(dead_code, reason = "shared with the tests, which need all of it")]
mod lines;
mod population;
mod process;
#[path = "../../../tests/it/support/program.rs"]
#[allow(dead_code, reason = "shared with the tests, which need all of it")]
mod program;
mod relay;
mod site;
mod wire;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

pub(crate) use api::Api;
pub(crate) use bind::{Named, Setup, dig_to};
pub(crate) use harness::free_address;
pub(crate) use key::KEY_NAME;
pub(crate) use population::{Population, ZONE};
pub(crate) use process::{Memory, cpu_milliseconds, cpu_milliseconds_of_children};
pub(crate) use program::{find, poll, run};
pub(crate) use relay::Relay;
pub(crate) use site::{Daemon, Settings, Site};
pub(crate) use wire::{Client, answer_count, serial};

/// What every benchmark needs, and the packages that bring it.
pub(crate) const PROGRAMS: &[(&str, &str)] =
    &[("named", "bind9"), ("dig", "bind9-dnsutils"), ("nsupdate", "bind9-dnsutils")];

/// Whether a program is to be found.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).any(|directory| directory.join(program).is_file())
}

/// How long a program takes from start to end, its output thrown away.
///
/// # Panics
/// When it fails.
pub(crate) fn timed(command: &mut Command, input: Option<&File>) -> Duration {
    let errors = NamedTempFile::new().unwrap();
    let stdin = input.map_or_else(Stdio::null, |file| file.try_clone().unwrap().into());
    command.stdin(stdin).stdout(Stdio::null()).stderr(errors.reopen().unwrap());
    let started = Instant::now();
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let took = started.elapsed();
    let said = || std::fs::read_to_string(errors.path()).unwrap_or_default();
    assert!(status.success(), "{command:?}: {status}\n{}", said());
    took
}

/// Milliseconds, with fractions.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
