//! `srvctl names`.

use std::path::PathBuf;

use serde::Serialize;

use super::args::NamesArgs;
use super::exit::Exit;
use super::{load, output, verify};
use crate::daemon::names;
use crate::model::Name;

#[derive(Serialize)]
struct Report {
    names: Vec<Name>,
}

pub(super) async fn run(flag: Option<PathBuf>, args: &NamesArgs) -> Exit {
    let loaded = match load::all_or_show(flag) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let services = match verify::chosen_or_show(loaded.catalogue(), std::slice::from_ref(&args.service)) {
        Ok(services) => services,
        Err(exit) => return exit,
    };
    let mut report = Report { names: Vec::new() };
    for list in names::list(&loaded.config, &loaded.desired, &services).await {
        match list {
            Ok(names) => report.names.extend(names),
            Err(error) => {
                output::error(error);
                return Exit::Failed;
            }
        }
    }
    if args.format.json {
        output::json(&report);
    } else {
        report.names.iter().for_each(output::line);
    }
    Exit::Done
}
