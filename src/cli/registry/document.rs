//! `srvctl export` and `srvctl import`.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{ExportArgs, ExportedArgs, Notation};
use super::{Failure, client, ended};
use crate::api::{Ask, Imported};
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::reconcile::registry::Document;

/// A large catalogue takes its time on the way.
const LIMIT: Duration = Duration::from_mins(2);

/// Prints everything that is registered.
pub(in crate::cli) async fn export(flag: Option<PathBuf>, args: &ExportArgs) -> Exit {
    let asked = async {
        let ask = Ask::get(&["v1", "catalogue"]).within(LIMIT);
        let document: Document = client(flag, &args.remote)?.ask(ask).await?;
        match args.format {
            Notation::Json => output::json(&document),
            Notation::Toml => {
                let text = toml::to_string(&document);
                output::text(&text.map_err(|error| format!("the TOML could not be written: {error}"))?);
            }
        }
        Ok(Exit::Done)
    };
    ended(asked.await)
}

/// Registers everything that was exported.
pub(in crate::cli) async fn import(flag: Option<PathBuf>, args: &ExportedArgs) -> Exit {
    let asked = async {
        let file = args.file.as_deref().unwrap_or(Path::new("-"));
        let document = read(file, args.notation)?;
        let ask = Ask::post(&["v1", "catalogue"]).json(&document)?.within(LIMIT);
        let ask = ask.query("dry_run", args.check.then_some(true)).query("replace", args.replace.then_some(true));
        let imported: Imported = client(flag, &args.remote)?.ask(ask).await?;
        if args.format.json {
            output::json(&imported);
        } else {
            output::line(words(&imported));
        }
        Ok(if imported.dry_run && imported.changed { Exit::Differences } else { Exit::Done })
    };
    ended(asked.await)
}

fn words(imported: &Imported) -> String {
    let Imported { changed, dry_run, written, removed } = imported;
    match (changed, dry_run) {
        (false, _) => "unchanged: all of it is registered already".to_owned(),
        (true, false) => format!("imported: {written} written, {removed} removed"),
        (true, true) => format!("would import: {written} to write, {removed} to remove"),
    }
}

fn read(file: &Path, notation: Option<Notation>) -> Result<Document, Failure> {
    let shown = file.display();
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let document = match notation.unwrap_or(if is_json { Notation::Json } else { Notation::Toml }) {
        Notation::Json => {
            serde_json::from_str(&text).map_err(|error| format!("{shown} is not what `export` wrote: {error}"))
        }
        Notation::Toml => toml::from_str(&text).map_err(|error| format!("{shown} is not what `export` wrote: {error}")),
    };
    Ok(document?)
}
