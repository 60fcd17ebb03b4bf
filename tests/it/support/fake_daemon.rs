//! A socket that answers as a daemon in trouble would.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;

use tempfile::TempDir;

/// What becomes of one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// It is closed without a word.
    Nothing,
    /// A status with more header lines, each with its end, and a body.
    Http(&'static str, &'static str, &'static str),
}

/// It answers until the test ends.
pub(crate) struct FakeDaemon(TempDir);

impl FakeDaemon {
    /// The first connections get these answers, all others the last.
    pub(crate) fn start(answers: &'static [Answer]) -> Self {
        let directory = TempDir::with_prefix("srvctl-fake-").unwrap();
        let listener = UnixListener::bind(directory.path().join("sock")).unwrap();
        thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { return };
                // Who hangs up early is none of our business.
                let _ = answer(&stream, answers[index.min(answers.len() - 1)]);
            }
        });
        Self(directory)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.path().join("sock")
    }
}

fn answer(mut stream: &UnixStream, answer: Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        line.clear();
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    let Answer::Http(status, headers, body) = answer else { return Ok(()) };
    write!(stream, "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}
