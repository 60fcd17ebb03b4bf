//! Where log lines go.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// For the daemon: the journal with its fields when systemd gave us one; else lines on standard error, with
/// colours for a person. `RUST_LOG` sets the level, `info` by default.
pub(super) fn for_daemon() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // The file watcher logs every event it sees. With a log file in a directory that is watched, each line would
    // be an event, and the watcher's thread would never come to anything else.
    let filter = filter.add_directive("notify=info".parse().expect("a filter directive"));
    let registry = tracing_subscriber::registry().with(filter);
    if std::env::var_os("JOURNAL_STREAM").is_some()
        && let Ok(journal) = tracing_journald::layer()
    {
        registry.with(journal).init();
        return;
    }
    let terminal = std::io::stderr().is_terminal();
    registry.with(fmt::layer().with_writer(std::io::stderr).with_ansi(terminal).with_target(false)).init();
}

/// For commands: only what goes wrong, unless `RUST_LOG` asks for more.
pub(super) fn for_command() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let terminal = std::io::stderr().is_terminal();
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(terminal).with_target(false).without_time();
    tracing_subscriber::registry().with(filter).with(lines).init();
}
