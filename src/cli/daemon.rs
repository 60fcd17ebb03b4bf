//! `srvctl daemon`.

use std::path::PathBuf;

use super::exit::Exit;
use super::{load, log, output};
use crate::{config, daemon};

pub(super) async fn run(flag: Option<PathBuf>) -> Exit {
    log::for_daemon();
    let path = config::locate(flag);
    let config = match load::config(Some(path.clone())) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match daemon::run(&path, config).await {
        Ok(()) => Exit::Done,
        Err(error) => {
            output::error(error);
            Exit::Failed
        }
    }
}
