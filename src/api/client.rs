//! Asking a running daemon.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::STATUS_PATH;
use crate::model::DaemonStatus;

/// How long the daemon may take to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// Largest answer taken, bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Why the daemon did not answer.
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
    /// Something listens, but gave no proper answer.
    #[error("the daemon at {} gave no usable answer: {why}", .socket.display())]
    Answer {
        /// Where it was asked.
        socket: PathBuf,
        /// Why.
        why: String,
    },
}

/// How the daemon behind a socket stands.
///
/// # Errors
/// When there is none, or it gives no proper answer in time.
pub async fn status(socket: &Path) -> Result<DaemonStatus, ApiError> {
    let failed = |why: String| ApiError::Answer { socket: socket.to_owned(), why };
    let body = match timeout(LIMIT, get(socket, STATUS_PATH)).await {
        Ok(answer) => answer?,
        Err(_) => return Err(failed(format!("nothing came within {} s", LIMIT.as_secs()))),
    };
    serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))
}

async fn get(socket: &Path, path: &str) -> Result<Bytes, ApiError> {
    let failed = |why: String| ApiError::Answer { socket: socket.to_owned(), why };
    let no_daemon = |source| ApiError::NoDaemon { socket: socket.to_owned(), source };
    let stream = UnixStream::connect(socket).await.map_err(no_daemon)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(error.to_string()))?;
    let request = Request::get(path)
        .header(header::HOST, "srvctl")
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(error.to_string()))?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|error| failed(error.to_string()))?;
        if answer.status() != StatusCode::OK {
            return Err(failed(format!("it answered {}", answer.status())));
        }
        let body = Limited::new(answer.into_body(), MAX_BODY).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|error| failed(error.to_string()))
    };
    // The connection must be driven while the exchange waits; it ends by itself when the exchange has its answer.
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(failed(error.to_string())),
        },
    }
}
