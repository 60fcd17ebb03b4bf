//! `srvctl run`: an instance that is registered for as long as its command runs.

use std::io::{self, IsTerminal as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::{self, SignalKind};
use tokio::time::sleep;

use super::args::RunArgs;
use super::change::{deregistration, registration, renewal};
use super::values::Seconds;
use super::{Failure, client, ended, shown};
use crate::api::{Ask, Changed, Client, InstanceView};
use crate::cli::exit::Exit;
use crate::cli::output;

/// How soon a renewal that failed is tried again, at the latest.
const AGAIN: Duration = Duration::from_secs(2);
/// How long the end of the command may be held up by deregistering.
const FAREWELL: Duration = Duration::from_secs(10);
/// What a shell says of a command that cannot be run, and of one that is not there.
const NOT_RUNNABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Registers, runs the command, deregisters.
pub(in crate::cli) async fn run(flag: Option<PathBuf>, args: &RunArgs) -> Exit {
    ended(registered(flag, args).await)
}

/// What is registered, and how to do it again.
struct Held {
    client: Client,
    service: String,
    id: String,
    registration: Ask,
    lease: Duration,
}

async fn registered(flag: Option<PathBuf>, args: &RunArgs) -> Result<Exit, Failure> {
    // From here on no signal ends us: what is registered is deregistered. What a request did that a signal cut short goes
    // with its lease.
    let mut signals = Signals::listen().map_err(|error| format!("signals cannot be received: {error}"))?;
    let registration = registration(&args.described, Some(args.lease))?;
    let mut client = client(flag, &args.remote)?;
    let asked = client.ask::<Changed>(registration.clone().waiting(args.wait.map(|Seconds(wait)| wait)));
    let changed = tokio::select! {
        changed = asked => changed?,
        signal = signals.next() => return Ok(Exit::Code(code_of_signal(signal))),
    };
    let id = changed.id.map_or_else(String::new, |id| id.to_string());
    let lease = Duration::from_secs(args.lease.0.into());
    let mut held = Held { client, service: changed.service, id, registration, lease };
    let exit = match changed.verified.filter(|seen| !seen.ok) {
        Some(seen) => shown::verified(&seen, false),
        None => command(&mut held, args, &mut signals).await,
    };
    tokio::select! {
        () = held.deregister() => {}
        _ = signals.next() => tracing::warn!("{} is still registered, until its lease has run out", held.id),
    }
    Ok(exit)
}

/// Runs the command and keeps the lease meanwhile.
async fn command(held: &mut Held, args: &RunArgs, signals: &mut Signals) -> Exit {
    let Some((program, arguments)) = args.command.split_first() else { return Exit::Usage };
    let mut child = match Command::new(program).args(arguments).spawn() {
        Ok(child) => child,
        Err(error) => {
            output::error(format_args!("{} cannot be run: {error}", program.display()));
            let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUNNABLE };
            return Exit::Code(code);
        }
    };
    let mut keep = pin!(held.keep());
    loop {
        tokio::select! {
            ended = child.wait() => return match ended {
                Ok(status) => Exit::Code(code(status)),
                Err(error) => {
                    output::error(format_args!("the end of {} was missed: {error}", program.display()));
                    Exit::Failed
                }
            },
            signal = signals.next() => pass_on(signal, &child),
            () = &mut keep => {}
        }
    }
}

/// As a shell tells it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(u8::MAX)
}

fn code_of_signal(signal: Signal) -> u8 {
    u8::try_from(128 + signal as i32).unwrap_or(u8::MAX)
}

fn pass_on(signal: Signal, child: &Child) {
    // A terminal has sent Ctrl-C to the command too, and many take a second one for impatience.
    if signal == Signal::SIGINT && io::stdin().is_terminal() {
        return;
    }
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(id) = id
        && let Err(error) = signal::kill(Pid::from_raw(id), signal)
    {
        tracing::warn!(%error, %signal, "a signal could not be passed on");
    }
}

impl Held {
    /// Renews for ever, whatever comes: the command goes on without the daemon.
    async fn keep(&mut self) {
        let period = self.lease / 3;
        let mut is_kept = true;
        loop {
            sleep(if is_kept { period } else { period.min(AGAIN) }).await;
            match self.renew(period).await {
                Ok(()) if is_kept => {}
                Ok(()) => {
                    tracing::warn!("{} is renewed again", self.id);
                    is_kept = true;
                }
                Err(error) => {
                    if is_kept {
                        tracing::warn!("{} could not be renewed, and is tried again: {error}", self.id);
                    }
                    is_kept = false;
                }
            }
        }
    }

    async fn renew(&mut self, limit: Duration) -> Result<(), crate::api::ApiError> {
        let renewed = self.client.ask::<InstanceView>(renewal(&self.service, &self.id).within(limit)).await;
        match renewed {
            Err(error) if error.is_refused_with(404) => {
                self.client.ask::<Changed>(self.registration.clone().within(limit)).await?;
                tracing::warn!("{} was not registered any more, and is again", self.id);
                Ok(())
            }
            renewed => renewed.map(drop),
        }
    }

    async fn deregister(&mut self) {
        let ask = deregistration(&self.service, &self.id, FAREWELL);
        if let Err(error) = self.client.ask::<Changed>(ask).await {
            tracing::warn!("{} is still registered, until its lease has run out: {error}", self.id);
        }
    }
}

/// The signals that end a command, or make it read its files again.
struct Signals {
    hangup: unix::Signal,
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: unix::signal(SignalKind::hangup())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            () = received(&mut self.hangup) => Signal::SIGHUP,
            () = received(&mut self.interrupt) => Signal::SIGINT,
            () = received(&mut self.terminate) => Signal::SIGTERM,
        }
    }
}

async fn received(signal: &mut unix::Signal) {
    if signal.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}
