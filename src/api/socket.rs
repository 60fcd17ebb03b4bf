//! The unix socket of the API.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

/// Owner and group may ask; the socket's directory narrows it further.
const SOCKET_MODE: u32 = 0o660;

/// Why the API cannot be reached.
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
    /// A TCP port.
    #[error("{address} cannot be listened on: {source}; change `{setting}`, or stop who listens there")]
    Tcp {
        /// Which address.
        address: SocketAddr,
        /// What names it in the configuration.
        setting: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// The bound socket. Dropping it removes its file, unless somebody else's has taken the place meanwhile.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    listener: StdListener,
    file: Option<FileId>,
}

/// Device and inode; no other file has them as long as the socket is open.
type FileId = (u64, u64);

impl Socket {
    /// Binds the socket. A socket that a dead daemon left behind is replaced.
    ///
    /// # Errors
    /// When a living daemon serves it, or the file system refuses.
    pub async fn bind(path: &Path) -> Result<Self, ListenError> {
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
        let listener = StdListener::bind(path).map_err(failed)?;
        let socket = Self { path: path.to_owned(), listener, file: file_id(path) };
        std::fs::set_permissions(path, PermissionsExt::from_mode(SOCKET_MODE)).map_err(failed)?;
        socket.listener.set_nonblocking(true).map_err(failed)?;
        Ok(socket)
    }

    /// Whether this socket is the file at `path`.
    pub fn is_at(&self, path: &Path) -> bool {
        self.file.is_some() && self.file == file_id(path)
    }

    /// What [`serve`](super::serve()) takes. Who connects while nobody serves waits for the next one to do so.
    ///
    /// # Errors
    /// When the system has no file descriptors left.
    pub fn listener(&self) -> Result<UnixListener, ListenError> {
        let listener = self.listener.try_clone().and_then(UnixListener::from_std);
        listener.map_err(|source| ListenError::Io { path: self.path.clone(), source })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.is_at(&self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn file_id(path: &Path) -> Option<FileId> {
    std::fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}
