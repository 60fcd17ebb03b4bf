//! The daemon's API over its socket: one connection, as a client that keeps it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// A connection to the socket.
pub(crate) struct Api(BufReader<UnixStream>);

/// How a request was answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

impl Api {
    /// Connects; none when nobody listens.
    pub(crate) fn connect(socket: &Path) -> Option<Self> {
        let stream = UnixStream::connect(socket).ok()?;
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        Some(Self(BufReader::new(stream)))
    }

    /// Asks; none when the connection broke before the answer was there.
    pub(crate) fn try_ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> Option<Answer> {
        self.send(&format!("{method} {path}"), "", &body.map(Value::to_string).unwrap_or_default())
    }

    /// Sends a request of this method and path, with more headers (`name: value\r\n`) and any body.
    pub(crate) fn send(&mut self, request: &str, headers: &str, body: &str) -> Option<Answer> {
        let length = body.len();
        let head = format!("{request} HTTP/1.1\r\nhost: srvctl\r\ncontent-type: application/json\r\n{headers}");
        self.0.get_mut().write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes()).ok()?;
        let status = self.line()?.split(' ').nth(1)?.parse().ok()?;
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ")?;
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut body = vec![0; headers.get("content-length").map_or(Some(0), |length| length.parse().ok())?];
        self.0.read_exact(&mut body).ok()?;
        Some(Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }

    /// Asks, and must be answered.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.try_ask(method, path, body).unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    /// Asks, and must be answered with this status.
    pub(crate) fn expect(&mut self, status: u16, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.ask(method, path, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        answer.body
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.0.read_line(&mut line).ok()?;
        (length > 0).then(|| line.trim_end().to_owned())
    }
}
