//! Why nothing came of a request.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use super::tls;
use crate::api::problem::Problem;

/// Why the daemon did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Nobody listens.
    #[error(
        "no srvctl daemon answers at {}: {source}. Start it (`systemctl start srvctl`, or `srvctl daemon`), or name \
         its configuration with --config",
        .socket.display()
    )]
    NoDaemon {
        /// Where it was sought.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Whoever runs us may not open the socket.
    #[error(
        "the socket {} may not be opened by this user: its owner and its group may (`usermod -a -G srvctl USER`)",
        .0.display()
    )]
    NotPermitted(PathBuf),
    /// A server elsewhere cannot be spoken to.
    #[error("{server} cannot be reached: {why}")]
    Unreachable {
        /// Which.
        server: String,
        /// Why.
        why: String,
    },
    /// Something listens, but gave no proper answer.
    #[error("the daemon at {place} gave no usable answer: {why}")]
    Answer {
        /// Where it was asked.
        place: String,
        /// The HTTP status, when there was one and no words of ours with it.
        status: Option<u16>,
        /// Why.
        why: String,
    },
    /// It understood, and does not do it.
    #[error("{}", in_words(.0))]
    Refused(Box<Problem>),
}

impl ApiError {
    /// Whether it was refused with this HTTP status.
    pub fn is_refused_with(&self, status: u16) -> bool {
        matches!(self, Self::Refused(problem) if problem.status == status)
    }
}

fn in_words(problem: &Problem) -> String {
    match &problem.help {
        Some(help) => format!("{}\nhelp: {help}", problem.detail),
        None => problem.detail.clone(),
    }
}

/// An error with what is behind it, which is often all that it tells.
pub(super) fn reason(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return tls::problem(error);
        }
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        behind = error.source();
    }
    text
}
