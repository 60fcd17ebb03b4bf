//! What the kernel says about a process.

use std::fs;

/// `USER_HZ`, in which /proc counts, is 100 on every architecture that Debian builds for.
const MILLISECONDS_PER_TICK: u32 = 10;

/// The CPU time that a process has used so far, in user and kernel mode.
pub(crate) fn cpu_milliseconds(pid: u32) -> f64 {
    // utime and stime
    milliseconds(&pid.to_string(), 11)
}

/// The same of all our children that have ended.
pub(crate) fn cpu_milliseconds_of_children() -> f64 {
    // cutime and cstime
    milliseconds("self", 13)
}

/// The sum of two fields of a process' account.
fn milliseconds(process: &str, first: usize) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The command's name in parentheses may contain anything; fields are counted from behind it.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u32 = fields.split_whitespace().skip(first).take(2).map(|field| field.parse::<u32>().unwrap()).sum();
    f64::from(ticks * MILLISECONDS_PER_TICK)
}

/// The resident memory of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Now, MiB.
    pub(crate) now: f64,
    /// At its highest, MiB.
    pub(crate) peak: f64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let mib = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            let kib: f64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap();
            kib / 1024.0
        };
        Self { now: mib("VmRSS"), peak: mib("VmHWM") }
    }
}
