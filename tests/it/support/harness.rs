//! What a server under test needs from the machine: a port, and two things that nobody would guess.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use super::program::{find, run};

/// A copy of `named` that the host's `AppArmor` profile does not know.
///
/// Debian's profile goes by the path /usr/sbin/named and lets it read and write only in BIND's own
/// directories; a test's server lives in a temporary one.
pub(crate) fn unconfined_named(original: &Path) -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(directory).unwrap();
        let copy = directory.join("named");
        // By rename: another test process may be running the last one, and that file cannot be written.
        let fresh = directory.join(format!("named.{}", std::process::id()));
        fs::copy(original, &fresh).unwrap();
        fs::rename(&fresh, &copy).unwrap();
        copy
    })
}

/// Lets a program see another time of day.
///
/// Debian's `named` brings jemalloc, whose start-up calls the clock before libfaketime is ready, which then
/// gives up; with the C library's own malloc in front it works. The library is loaded directly because
/// the `faketime` program stays between as a parent, and killing that would leave `named` behind.
pub(crate) fn skew(command: &mut Command, offset: &str) {
    let asked = run(Command::new(find("faketime", "faketime")).args(["-f", "+0", "printenv", "LD_PRELOAD"]), "");
    assert_eq!(asked.code, 0, "faketime does not say where its library is: {asked:?}");
    command.env("LD_PRELOAD", format!("{}:libc.so.6", asked.stdout.trim()));
    command.env("FAKETIME", offset).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
}

/// A loopback address where nobody listens, on UDP and TCP, and that no other test gets.
///
/// Below the ephemeral range, so that nobody's outgoing connection takes the port meanwhile.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id() * 97;
    loop {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 20_000 + u16::try_from((start + step) % 12_000).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
