//! Exit codes, the same for every command.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or in sync.
    Done,
    /// Something failed; it was said on standard error.
    Failed,
    /// The command line was wrong.
    Usage,
    /// Differences were found.
    Differences,
    /// A guard holds a plan for a person to accept.
    Held,
    /// As the command ended that was run.
    Code(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::Differences => Self::from(3),
            Exit::Held => Self::from(4),
            Exit::Code(code) => Self::from(code),
        }
    }
}
