//! A file that nobody comes to open, as on a network file system whose server is gone.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::program::find;

/// Takes a write lease (`F_SETLEASE`): the kernel makes everybody else wait in `open`, for 45 s at most.
const LEASE: &str = r#"
open(my $file, "+<", $ARGV[0]) or die "$!";
$SIG{IO} = "IGNORE";
for (1..100) {
    if (fcntl($file, 1024, 1)) { $| = 1; print "held\n"; sleep 60; exit }
    select(undef, undef, undef, 0.05); # somebody has it open
}
die "no lease: $!";
"#;

/// A file that hangs whoever opens it, until this is dropped.
pub(crate) struct HungFile(Child);

impl HungFile {
    pub(crate) fn new(path: &Path) -> Self {
        let mut command = Command::new(find("perl", "perl-base"));
        command.args(["-e", LEASE]).arg(path).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n", "the file's lease");
        Self(child)
    }
}

impl Drop for HungFile {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
