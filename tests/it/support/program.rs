//! Other programs: finding them, running them for a bounded time, awaiting a state.

use std::env;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// No single run of a program takes longer, on however slow a machine.
const RUN_LIMIT: Duration = Duration::from_mins(2);

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Output {
    /// Exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Where `name` is installed. The system directories are searched too: they are not in everybody's PATH.
///
/// # Panics
/// When it is not installed, with the line that installs it.
pub(crate) fn find(name: &str, packages: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("`{name}` is not installed; run: apt-get install {packages}"))
}

/// Runs a program to its end with `input` on its standard input.
///
/// # Panics
/// When it cannot be started or does not end.
pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // A program that refuses its arguments closes its end before reading: its exit code tells the story.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let stdout = drain(child.stdout.take().unwrap());
    let stderr = drain(child.stderr.take().unwrap());
    let status = wait(&mut child, RUN_LIMIT);
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    match status {
        Some(code) => Output { code, stdout, stderr },
        None => panic!("{command:?} did not end within {RUN_LIMIT:?}\nstdout: {stdout}\nstderr: {stderr}"),
    }
}

/// The exit code (-1 for a signal); none when the child outlived the limit and was killed.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Option<i32> {
    let status = poll(limit, || child.try_wait().unwrap());
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    status.map(|status| status.code().unwrap_or(-1))
}

/// Asks again and again until there is an answer or the limit has passed.
pub(crate) fn poll<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = probe() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(25));
    }
}

fn drain(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
