//! Commands that end as plugins do, and commands that do not end at all.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use srvctl::model::health::{CheckKind, CommandCheck, ProbeResult, Verdict};
use srvctl::probes::Limits;
use tempfile::TempDir;

use super::{ALL, AMPLE, Lab, SHORT, assert_overtime, assert_seen, job, seen, seen_within, target};
use crate::support::poll;

use Verdict::{Failing, Passing, Unknown, Warning};

/// A directory with one script in it.
struct Script {
    directory: TempDir,
    path: PathBuf,
}

impl Script {
    fn new(lines: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("check");
        fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        Self { directory, path }
    }

    fn kind(&self, arguments: &[&str]) -> CheckKind {
        let path = self.path.to_str().unwrap();
        let command = [path].iter().chain(arguments).map(|word| word.parse().unwrap()).collect();
        CheckKind::Command(CommandCheck { command, environment: BTreeMap::new() })
    }

    fn seen(&self, arguments: &[&str]) -> ProbeResult {
        seen(self.kind(arguments), nobody())
    }

    /// The process numbers that the script has written into its directory, once there are so many.
    fn pids(&self, count: usize) -> Vec<u32> {
        let path = self.directory.path().join("pids");
        let read = || fs::read_to_string(&path).unwrap_or_default().lines().flat_map(str::parse).collect::<Vec<_>>();
        poll(AMPLE, || Some(read()).filter(|pids| pids.len() >= count)).expect("the script writes its numbers")
    }
}

fn nobody() -> srvctl::probes::ProbeTarget {
    target("127.0.0.1:1234".parse().unwrap())
}

/// Ended, whether or not anybody has taken note of it.
pub(crate) fn is_gone(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.map_or(true, |stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])))
}

fn assert_gone(pids: &[u32]) {
    assert!(!pids.is_empty());
    for pid in pids {
        assert!(poll(AMPLE, || is_gone(*pid).then_some(())).is_some(), "{pid} lives on");
    }
}

#[test]
fn exit_codes_are_those_of_monitoring_plugins() {
    let script = Script::new("echo \"$2|time=1s\"\necho more\nexit $1");
    for (code, verdict, text) in [
        ("0", Passing, "DISK OK"),
        ("1", Warning, "DISK OK"),
        ("2", Failing, "DISK OK"),
        ("3", Unknown, "unknown (exit code 3): DISK OK"),
        ("77", Unknown, "exit code 77: DISK OK"),
    ] {
        let result = script.seen(&[code, "DISK OK"]);
        assert_eq!((result.verdict, result.text.as_str()), (verdict, text));
    }
    assert_seen(&Script::new("exit 0").seen(&[]), Passing, &["exit code 0, nothing printed"]);
    assert_seen(&Script::new("echo words >&2; exit 2").seen(&[]), Failing, &["words"]);
    assert_seen(&Script::new("kill -SEGV $$").seen(&[]), Unknown, &["ended by signal 11"]);
    assert_seen(&Script::new("printf 'a\\033[31m\\200 %0300d' 1").seen(&[]), Passing, &["a [31m\u{fffd} 000"]);
}

#[test]
fn no_shell_sees_what_is_filled_in_and_nothing_is_inherited() {
    let script = Script::new("printf '%s;' \"$@\"");
    let arguments = ["$(id)", "`id`; id", "{host}:{port}", "{address}", "a  b", "{{x}}"];
    let expected = "$(id);`id`; id;vm1.internal.local:1234;127.0.0.1;a  b;{x};";
    assert_eq!(script.seen(&arguments).text, expected);
    let script = Script::new("env | grep -v ^_= | grep -v ^SHLVL= | sort | tr '\\n' ';'; pwd; cat");
    let CheckKind::Command(mut check) = script.kind(&[]) else { unreachable!() };
    check.environment.insert("WHOM".to_owned(), "{host}".parse().unwrap());
    let text = seen(CheckKind::Command(check), nobody()).text;
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(text.replace("PWD=/;", ""), format!("LANG=C.UTF-8;{path};WHOM=vm1.internal.local;/"));
}

#[test]
fn what_cannot_be_run_is_our_trouble() {
    let script = Script::new("");
    fs::remove_file(&script.path).unwrap();
    assert_seen(&script.seen(&[]), Unknown, &["cannot be run: No such file", "is it installed"]);
    fs::write(&script.path, "#!/bin/sh\n").unwrap();
    assert_seen(&script.seen(&[]), Unknown, &["cannot be run: Permission denied"]);
}

#[test]
fn megabytes_are_read_and_dropped() {
    let script = Script::new("echo first\nhead -c 20000000 /dev/zero\nhead -c 20000000 /dev/zero >&2\nexit 1");
    assert_seen(&script.seen(&[]), Warning, &["first"]);
    let endless = Script::new("yes");
    assert_overtime(&seen_within(SHORT, endless.kind(&[]), nobody()), &["the command did not end"]);
}

#[test]
fn what_does_not_end_is_killed_with_all_its_children() {
    let script = Script::new(
        "cd \"${0%/*}\"\necho $$ >> pids\n(echo started; trap '' TERM HUP INT; sh -c 'echo $$ >> pids; sleep 1000' & \
         sleep 1000) &\necho $! >> pids\nsleep 1000",
    );
    let result = seen_within(Duration::from_secs(3), script.kind(&[]), nobody());
    assert_seen(&result, Failing, &["the command did not end within 3s"]);
    assert_gone(&script.pids(3));
}

#[test]
fn what_a_command_leaves_behind_is_killed_and_does_not_hold_it_up() {
    let script = Script::new("cd \"${0%/*}\"\nsleep 1000 &\necho $! >> pids\necho well");
    assert_seen(&script.seen(&[]), Passing, &["well"]);
    assert_gone(&script.pids(1));
    // Who leaves the group on purpose lives on, and holds up nothing.
    let script = Script::new(
        "cd \"${0%/*}\"\nsetsid sh -c 'echo $$ >> pids; exec sleep 1000' &\n\
                              while ! [ -s pids ]; do sleep 0.01; done\necho well",
    );
    assert_seen(&script.seen(&[]), Passing, &["well"]);
    for pid in script.pids(1) {
        let killed = std::process::Command::new("kill").arg(pid.to_string()).status().unwrap();
        assert!(killed.success());
    }
}

#[test]
fn commands_of_jobs_that_are_gone_are_killed() {
    let script = Script::new("cd \"${0%/*}\"\nsleep 1000 &\necho $! >> pids\necho $$ >> pids\nsleep 1000");
    let mut lab = Lab::new(ALL);
    let ready = Script::new("exit 0");
    lab.set.set([job(1, script.kind(&[]), AMPLE * 10, nobody()), job(2, ready.kind(&[]), AMPLE, nobody())]);
    while script.directory.path().join("pids").metadata().map_or(true, |about| about.len() < 4) {
        assert_eq!(lab.next().id.0, 2);
    }
    let pids = script.pids(2);
    lab.set.set([job(2, ready.kind(&[]), AMPLE, nobody())]);
    for _ in 0..20 {
        assert_eq!(lab.next().id.0, 2);
    }
    assert_gone(&pids);
    lab.set.set([job(3, script.kind(&[]), AMPLE * 10, nobody()), job(2, ready.kind(&[]), AMPLE, nobody())]);
    while script.pids(2).len() < 4 {
        lab.next();
    }
    drop(lab);
    assert_gone(&script.pids(4));
}

#[test]
fn no_more_run_at_once_than_is_allowed() {
    let script = Script::new(
        "cd \"${0%/*}\"\nfor place in 1 2 3 4; do\n if mkdir place$place 2>/dev/null; then\n  sleep 0.05; rmdir place$place\n  \
         exit $((place > 3 ? 2 : 0))\n fi\ndone\nexit 2",
    );
    let mut lab = Lab::new(Limits { commands: 3, ..ALL });
    lab.set.set((0..20).map(|id| job(id, script.kind(&[]), AMPLE, nobody())).collect::<Vec<_>>());
    for _ in 0..60 {
        assert_seen(&lab.next().result, Passing, &["nothing printed"]);
    }
}
