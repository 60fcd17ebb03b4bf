//! Asking a daemon: the one of this machine over its socket, or one elsewhere over TLS.
//!
//! A connection is kept for the next request. When it turns out to have been closed meanwhile, the request is made once
//! more over a fresh one: every request of the API may be repeated.

mod ask;
mod error;
mod stream;
mod tls;

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{self, HeaderValue};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use ask::Ask;
pub use error::ApiError;
pub use tls::Credentials;

use super::problem::Problem;
use crate::model::DaemonStatus;
use error::reason;
use stream::{Stream, Target};

/// Largest answer taken, bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// How long a broken connection may take to tell why.
const END: Duration = Duration::from_secs(1);

/// How the daemon behind a socket stands.
///
/// # Errors
/// When there is none, or it gives no proper answer in time.
pub async fn status(socket: &Path) -> Result<DaemonStatus, ApiError> {
    Client::local(socket.to_owned()).ask(Ask::get(&["v1", "status"]).within(ask::STATUS_LIMIT)).await
}

/// Somebody who can be asked. Connects with the first request.
pub struct Client {
    target: Target,
    token: Option<HeaderValue>,
    connection: Option<Connection>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Drives it, and knows how it ended; ends with it.
    driver: JoinSet<hyper::Result<()>>,
}

impl Connection {
    /// Why it ended, which whoever wanted to send does not always learn.
    async fn end(&mut self) -> Option<String> {
        match timeout(END, self.driver.join_next()).await {
            Ok(Some(Ok(Err(error)))) => Some(reason(&error)),
            _ => None,
        }
    }
}

impl Client {
    /// The daemon of this machine.
    pub fn local(socket: PathBuf) -> Self {
        Self { target: Target::Socket(socket), token: None, connection: None }
    }

    /// A daemon elsewhere: `https://HOST:PORT`.
    ///
    /// # Errors
    /// When that is no such address, or what it needs cannot be read, in words.
    pub fn remote(url: &str, credentials: &Credentials) -> Result<Self, String> {
        Ok(Self { target: Target::server(url, credentials)?, token: None, connection: None })
    }

    /// Who shows this token. It is shown to nobody but the server.
    ///
    /// # Errors
    /// When it cannot be one, or would travel in the open.
    pub fn with_token(self, token: &str) -> Result<Self, String> {
        self.with_authorization(&format!("Bearer {token}"))
    }

    /// Who shows this in the header `Authorization`, a token or a password.
    ///
    /// # Errors
    /// When it cannot be one, or would travel in the open.
    pub fn with_authorization(self, value: &str) -> Result<Self, String> {
        let what = if value.starts_with("Basic ") { "password" } else { "token" };
        if self.target.is_open() {
            return Err(format!(
                "a {what} is not sent over http://, where everybody on the way can read it: use https://"
            ));
        }
        let value = HeaderValue::from_str(value);
        let mut value = value.map_err(|_| format!("the {what} has characters that no {what} has"))?;
        value.set_sensitive(true);
        Ok(Self { token: Some(value), ..self })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When nobody answers properly in time, or what was asked for is refused.
    pub async fn ask<T: DeserializeOwned>(&mut self, ask: Ask) -> Result<T, ApiError> {
        let limit = ask.limit();
        let answer = match timeout(limit, self.exchange(&ask)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.unusable(format!("nothing came within {} s", limit.as_secs()))),
        };
        if !matches!(answer, Ok(_) | Err(ApiError::Refused(_))) {
            self.connection = None; // whatever is still to come on it is no answer to the next request
        }
        serde_json::from_slice(&answer?).map_err(|error| self.unusable(error.to_string()))
    }

    async fn exchange(&mut self, ask: &Ask) -> Result<Bytes, ApiError> {
        if let Some(kept) = self.connection.as_mut().filter(|kept| !kept.sender.is_closed())
            && let Ok(answer) = over(kept, ask, &self.target, self.token.as_ref()).await
        {
            return answer;
        }
        let stream = self.target.connect().await?;
        let mut fresh = match stream {
            Stream::Socket(stream) => opened(stream).await,
            Stream::Open(stream) => opened(stream).await,
            Stream::Tls(stream) => opened(*stream).await,
        }
        .map_err(|error| self.unusable(reason(&error)))?;
        match over(&mut fresh, ask, &self.target, self.token.as_ref()).await {
            Ok(answer) => {
                self.connection = Some(fresh);
                answer
            }
            Err(why) => Err(self.unusable(fresh.end().await.unwrap_or(why))),
        }
    }

    fn unusable(&self, why: String) -> ApiError {
        ApiError::Answer { place: self.target.to_string(), status: None, why }
    }
}

async fn opened<S>(stream: S) -> hyper::Result<Connection>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    Ok(Connection { sender, driver })
}

/// What the server says; the outer error is why it said nothing.
async fn over(
    connection: &mut Connection,
    ask: &Ask,
    target: &Target,
    token: Option<&HeaderValue>,
) -> Result<Result<Bytes, ApiError>, String> {
    let mut request = ask.request(&target.authority()).map_err(|error| error.to_string())?;
    if let Some(token) = token {
        request.headers_mut().insert(header::AUTHORIZATION, token.clone());
    }
    connection.sender.ready().await.map_err(|error| reason(&error))?;
    let answer = connection.sender.send_request(request).await.map_err(|error| reason(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_BODY).collect().await.map_err(|error| error.to_string())?;
    let body = body.to_bytes();
    if status.is_success() {
        return Ok(Ok(body));
    }
    Ok(Err(match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => ApiError::Refused(Box::new(problem)),
        Err(_) => {
            let why = format!("it answered {status}");
            ApiError::Answer { place: target.to_string(), status: Some(status.as_u16()), why }
        }
    }))
}
