//! Serving the daemon's status on a unix socket.

use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{HEALTH_PATH, STATUS_PATH};
use crate::model::DaemonStatus;

/// Owner and group may ask; the socket's directory narrows it further.
const SOCKET_MODE: u32 = 0o660;

/// Why the socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody answers there.
    #[error("another srvctl daemon already serves {}; stop it first, or give this one another `[api] socket`", .0.display())]
    InUse(PathBuf),
    /// Anything else.
    #[error("the socket {} cannot be created: {source}", .path.display())]
    Io {
        /// Which socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Binds the socket. A socket that a dead daemon left behind is replaced.
///
/// # Errors
/// When a living daemon serves it, or the file system refuses.
pub async fn bind(path: &Path) -> Result<UnixListener, ListenError> {
    let failed = |source| ListenError::Io { path: path.to_owned(), source };
    if let Ok(Ok(_)) = timeout(Duration::from_secs(2), UnixStream::connect(path)).await {
        return Err(ListenError::InUse(path.to_owned()));
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()) => {
            std::fs::remove_file(path).map_err(failed)?;
        }
        _ => {} // anything but a socket stays, and binding says so
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(SOCKET_MODE)).map_err(failed)?;
    Ok(listener)
}

/// Serves until `stop` resolves, then lets running answers finish.
pub async fn serve(
    listener: UnixListener,
    status: watch::Receiver<DaemonStatus>,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let routes = Router::new()
        .route(STATUS_PATH, get(current_status))
        .route(HEALTH_PATH, get(|| async { "ok\n" }))
        .with_state(status);
    if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(stop).await {
        tracing::error!(%error, "the API stopped");
    }
}

async fn current_status(State(status): State<watch::Receiver<DaemonStatus>>) -> Json<DaemonStatus> {
    Json(status.borrow().clone())
}
