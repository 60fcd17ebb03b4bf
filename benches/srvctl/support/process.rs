//! What the kernel says about a process.

use std::fs;

/// `USER_HZ`, in which /proc counts, is 100 on every architecture that Debian builds for.
const MILLISECONDS_PER_TICK: u32 = 10;

/// The CPU time that a process has used so far, in user and kernel mode.
pub(crate) fn cpu_milliseconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The command's name in parentheses may contain anything; utime and stime are the 12th and 13th fields after it.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u32 = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u32>().unwrap()).sum();
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
