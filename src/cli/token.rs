//! `srvctl token`.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;

use super::args::TokenArgs;
use super::exit::Exit;
use super::output;
use crate::api;

/// Bytes of a token: as many as its hash has.
const LENGTH: usize = 32;

/// What is printed.
#[derive(Serialize)]
struct Made<'a> {
    /// The token; absent when it is in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    token_sha256: &'a str,
    /// Where the token is.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
}

pub(super) fn run(args: &TokenArgs) -> Exit {
    let mut bytes = [0; LENGTH];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        output::error("the system has no random numbers");
        return Exit::Failed;
    }
    let token = BASE64URL_NOPAD.encode(&bytes);
    let hash = HEXLOWER.encode(&api::hash(&token));
    if let Some(path) = &args.out
        && let Err(error) = write(path, &token)
    {
        output::error(format_args!("{} cannot be written: {error}", path.display()));
        return Exit::Failed;
    }
    let shown = args.out.is_none().then_some(&*token);
    if args.format.json {
        output::json(&Made { token: shown, token_sha256: &hash, file: args.out.as_deref() });
    } else {
        shown.iter().for_each(output::line);
        output::line(format_args!("token_sha256 = [\"{hash}\"]"));
    }
    Exit::Done
}

/// Never over a file that is there: it may be a token in use.
fn write(path: &Path, token: &str) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{token}")?;
    file.sync_all()
}
