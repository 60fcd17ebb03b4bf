//! The `srvctl` binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    srvctl::cli::run(std::env::args_os())
}
