//! A check that is a command, as monitoring plugins are: exit code 0 is well, 1 a warning, 2 failing, and all else says nothing.
//!
//! No shell sees it. It runs in a process group of its own with an environment of its own, and when its time is over the
//! whole group is killed, whatever it has started. A child that leaves the group on purpose (`setsid`) is out of reach;
//! systemd ends it with the service.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::outcome::{Outcome, Said, Stop, is_ours};
use super::progress::{Progress, Step};
use super::target::Filled;
use crate::model::health::{CommandCheck, Template, Verdict};

/// Bytes of each output that are kept: the first line is what is shown. The rest is read and dropped, so that a
/// command that says much does not wait for ever.
const KEPT: usize = 4 * 1024;
/// How long output may come after the command's end.
const DRAIN_LIMIT: Duration = Duration::from_millis(500);
/// Where programs are sought, as systemd has it. Ours may hold anything.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether there is a program.
pub(super) fn usable(check: &CommandCheck) -> Result<(), String> {
    let Some(program) = check.command.first() else { return Ok(()) };
    let about = std::fs::metadata(program.as_str()).map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    if about.is_file() && about.permissions().mode() & 0o111 != 0 {
        return Ok(());
    }
    Err(format!("`{program}` cannot be run: it is not an executable file"))
}

/// Kills everything that was started, when the check is over or given up.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        // Nobody left is as good.
        let _ = killpg(self.0, Signal::SIGKILL);
    }
}

/// Runs it to its end. The caller's limit ends it by dropping this.
pub(super) async fn check(check: &CommandCheck, filled: &Filled<'_>, progress: &Progress) -> Outcome {
    let fill = |text: &Template| text.fill(filled.filling()).ok_or_else(|| Stop::ours("the host has no address"));
    let words = check.command.iter().map(fill).collect::<Result<Vec<_>, _>>()?;
    let Some((program, arguments)) = words.split_first() else { return Err(Stop::ours("the command is empty")) };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", PATH).env("LANG", "C.UTF-8");
    for (name, value) in &check.environment {
        command.env(name, fill(value)?);
    }
    command.current_dir("/").process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| cannot_run(program, &error))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(|id| Group(Pid::from_raw(id)));
    progress.at(Step::Running);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (said, complained) = (Mutex::default(), Mutex::default());
    let status = {
        let mut listening = std::pin::pin!(async { tokio::join!(listen(out, &said), listen(err, &complained)) });
        ended(&mut child, group, &mut listening).await
    };
    let status = status.map_err(|error| Stop::ours(format!("the end of `{program}` was missed: {error}")))?;
    let heard = [said, complained].map(|heard| heard.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(judge(status, &heard))
}

/// Waits for the command and then for what is left of its output.
async fn ended(
    child: &mut Child,
    group: Option<Group>,
    listening: &mut (impl Future<Output = ((), ())> + Unpin),
) -> io::Result<ExitStatus> {
    let mut heard_all = false;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = &mut *listening, if !heard_all => heard_all = true,
        }
    };
    // What it has left behind would keep its output open, and run on. The number cannot be somebody else's already:
    // the system gives numbers in turn.
    drop(group);
    if !heard_all {
        // Who has left the group may keep it open for ever.
        let _ = timeout(DRAIN_LIMIT, listening).await;
    }
    Ok(status)
}

async fn listen(from: Option<impl AsyncRead + Unpin>, heard: &Mutex<Vec<u8>>) {
    let Some(mut from) = from else { return };
    let mut bytes = vec![0; KEPT];
    // An error is an end.
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT - heard.len();
        heard.extend_from_slice(&bytes[..length.min(room)]);
    }
}

fn cannot_run(program: &str, error: &io::Error) -> Stop {
    // Neither a missing program nor a machine without processes says anything of the instance.
    let again = if is_ours(error) { "" } else { "; is it installed, with its whole path in `command`?" };
    Stop::ours(format!("`{program}` cannot be run: {error}{again}"))
}

fn judge(status: ExitStatus, heard: &[Vec<u8>; 2]) -> Said {
    let (verdict, how) = match (status.code(), status.signal()) {
        (Some(0), _) => (Verdict::Passing, None),
        (Some(1), _) => (Verdict::Warning, None),
        (Some(2), _) => (Verdict::Failing, None),
        // 3 says that the plugin itself does not know; the others say that it did not get so far.
        (Some(3), _) => (Verdict::Unknown, Some("unknown (exit code 3)".to_owned())),
        (Some(code), _) => (Verdict::Unknown, Some(format!("exit code {code}"))),
        (None, signal) => (Verdict::Unknown, Some(format!("ended by signal {}", signal.unwrap_or_default()))),
    };
    let mut said = heard.iter().filter_map(|bytes| first_line(bytes));
    // Behind the bar there are numbers for graphs.
    let said = said.next().map(|line| line.split('|').next().unwrap_or_default().trim_end().to_owned());
    let text = match (how, said.filter(|said| !said.is_empty())) {
        (Some(how), Some(said)) => format!("{how}: {said}"),
        (Some(how), None) => how,
        (None, Some(said)) => said,
        (None, None) => format!("exit code {}, nothing printed", status.code().unwrap_or_default()),
    };
    Said { verdict, text }
}

/// The first line that says anything, from bytes of whatever encoding.
fn first_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}
