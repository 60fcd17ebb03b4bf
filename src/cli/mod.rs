//! The command line: one file per command. Parses, calls the assembly room, shows; decides nothing.

mod adopt;
mod apply;
mod args;
mod browse;
mod check;
mod compare;
mod daemon;
mod dig;
mod doctor;
mod exit;
mod import;
mod load;
mod log;
mod moment;
mod names;
mod output;
mod owned;
mod plan;
mod registry;
mod render;
mod status;
mod token;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use args::{Cli, Command};
pub use exit::Exit;

/// Runs the command that the arguments ask for. Errors are shown here and become the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            // --help and --version come as "errors" with exit code 0.
            return if error.exit_code() == 0 { Exit::Done } else { Exit::Usage }.into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(format_args!("the runtime could not be started: {error}"));
            return Exit::Failed.into();
        }
    };
    let exit = runtime.block_on(dispatch(cli));
    // A name resolution that hangs in the system's resolver must not hold up the end.
    runtime.shutdown_background();
    exit.into()
}

async fn dispatch(cli: Cli) -> Exit {
    let Cli { config, command } = cli;
    match command {
        Command::Daemon => daemon::run(config).await,
        other => {
            log::for_command();
            match other {
                Command::Check(args) => check::run(config, &args),
                Command::Plan(args) => plan::run(config, &args).await,
                Command::Apply(args) => apply::run(config, &args).await,
                Command::Adopt(args) => adopt::adopt(config, &args).await,
                Command::Release(args) => adopt::release(config, &args).await,
                Command::Owned(args) => owned::run(config, &args).await,
                Command::Dig(args) => dig::run(config, &args).await,
                Command::Browse(args) => browse::run(config, &args).await,
                Command::Verify(args) => verify::run(config, &args).await,
                Command::Compare(args) => compare::run(config, &args).await,
                Command::Doctor(args) => doctor::run(config, &args).await,
                Command::Names(args) => names::run(config, &args).await,
                Command::Render(args) => render::run(config, &args).await,
                Command::Status(args) => status::run(config, &args).await,
                Command::Token(args) => token::run(&args),
                Command::Register(args) => registry::register(config, &args).await,
                Command::Deregister(args) => registry::deregister(config, &args).await,
                Command::List(args) => registry::list(config, &args).await,
                Command::Show(args) => registry::show(config, &args).await,
                Command::Set(args) => registry::set(config, &args).await,
                Command::Renew(args) => registry::renew(config, &args).await,
                Command::Health(args) => registry::health(config, &args).await,
                Command::Maintain(args) => registry::maintain(config, &args).await,
                Command::Run(args) => registry::run(config, &args).await,
                Command::History(args) => registry::history(config, &args).await,
                Command::Export(args) => registry::export(config, &args).await,
                Command::Import(args) => import::run(config, &args).await,
                Command::Daemon => Exit::Usage,
            }
        }
    }
}
