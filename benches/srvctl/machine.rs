//! What the numbers were measured on: without it they mean nothing.

use std::fmt;
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use serde_json::{Value, json};

use crate::support::{find, run};

/// The machine and the programs.
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    /// Who else was at work when the measuring began.
    load: String,
    bind: String,
    rustc: String,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let memory = field("/proc/meminfo", "MemTotal");
        let memory_kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
        let bind = first_line(Command::new(find("named", "bind9")).arg("-v"));
        Self {
            cpu: field("/proc/cpuinfo", "model name"),
            cores: available_parallelism().map_or(0, usize::from),
            memory_mib: memory_kib / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            bind: bind.split(" <").next().unwrap_or_default().to_owned(),
            rustc: first_line(Command::new("rustc").arg("--version")),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let Self { cpu, cores, memory_mib, kernel, load, bind, rustc } = self;
        json!({
            "cpu": cpu, "cores": cores, "memory_mib": memory_mib, "kernel": kernel, "load": load, "bind": bind,
            "rustc": rustc,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, memory_mib, kernel, load, bind, rustc } = self;
        writeln!(f, "{cpu}, {cores} cores, {memory_mib} MiB, Linux {kernel}, load {load} before")?;
        write!(f, "{bind}, {rustc}")
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The value behind `key:` in a file of /proc.
fn field(path: &str, key: &str) -> String {
    let text = read(path);
    let values = text.lines().filter_map(|line| line.split_once(':'));
    let value = values.filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned()).next();
    value.unwrap_or_else(|| "unknown".to_owned())
}

fn first_line(command: &mut Command) -> String {
    run(command, "").stdout.lines().next().unwrap_or("unknown").to_owned()
}
