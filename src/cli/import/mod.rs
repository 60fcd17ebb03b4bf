//! `srvctl import`: what `export` wrote, and service files from the files of other tools.

mod args;
mod fit;
mod gather;
mod pages;
mod site;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::exit::Exit;
use super::{output, registry};
use crate::model::Name;
use crate::reconcile::migration::{Fate, Outcome, Remark};
use args::{From, Writing};
use pages::{Page, State};
use site::Site;

pub(super) use args::ImportArgs;

pub(super) async fn run(flag: Option<PathBuf>, args: &ImportArgs) -> Exit {
    match &args.from {
        None => registry::import(flag, &args.exported).await,
        Some(from) => from_elsewhere(flag, from).await,
    }
}

async fn from_elsewhere(flag: Option<PathBuf>, from: &From) -> Exit {
    let writing = from.writing();
    let site = match Site::find(flag, from) {
        Ok(site) => site,
        Err(exit) => return exit,
    };
    let mut outcome = match gather::gather(from, &site).await {
        Ok(outcome) => outcome,
        Err(problems) => {
            output::diagnostics(&problems);
            return Exit::Failed;
        }
    };
    let pages = pages::pages(&site, &mut outcome, writing.out.as_deref(), from.tells());
    let written = finish(&pages, writing, &outcome);
    if writing.json {
        output::json(&Report::of(&pages, &outcome, written));
    } else {
        if writing.out.is_none() {
            let texts: Vec<_> = pages.iter().map(|page| page.text.as_str()).collect();
            output::text(&texts.join("\n"));
        }
        show(&pages, &outcome, writing, written);
    }
    exit(&pages, &outcome, writing, written)
}

/// What became of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// There was nothing to write to, or nothing to be written.
    Nothing,
    /// All that had to.
    All,
    /// None, because of files that say something else.
    Kept,
    /// Not all.
    Failed,
}

fn finish(pages: &[Page], writing: &Writing, outcome: &Outcome) -> Written {
    let has = |wanted: State| pages.iter().any(|page| page.file.as_ref().is_some_and(|(_, state)| *state == wanted));
    if writing.out.is_none() || writing.check || outcome.services.is_empty() {
        return Written::Nothing;
    }
    if has(State::Changed) && !writing.force {
        return Written::Kept;
    }
    match pages::write(pages) {
        Ok(()) => Written::All,
        Err(problem) => {
            output::diagnostics(&[problem]);
            Written::Failed
        }
    }
}

fn exit(pages: &[Page], outcome: &Outcome, writing: &Writing, written: Written) -> Exit {
    let is_refused = outcome.remarks.iter().any(|remark| remark.fate == Fate::Refused);
    let would_change = pages.iter().any(|page| matches!(page.file, Some((_, State::New | State::Changed))));
    match written {
        Written::Kept | Written::Failed => Exit::Failed,
        _ if outcome.services.is_empty() && is_refused => Exit::Failed,
        _ if is_refused || (writing.check && would_change) => Exit::Differences,
        _ => Exit::Done,
    }
}

/// The whole import as JSON.
#[derive(Serialize)]
struct Report<'r> {
    services: Vec<Shown<'r>>,
    remarks: &'r [Remark],
    adopt: &'r [Name],
    /// Whether the files say it now.
    written: bool,
}

#[derive(Serialize)]
struct Shown<'r> {
    service: String,
    from: &'r [String],
    file: Option<&'r PathBuf>,
    state: Option<State>,
    /// The `[[service]]` table.
    definition: serde_json::Value,
}

impl<'r> Report<'r> {
    fn of(pages: &'r [Page], outcome: &'r Outcome, written: Written) -> Self {
        let shown = |(page, migrated): (&'r Page, &'r crate::reconcile::migration::Migrated)| {
            let mut document: serde_json::Value = toml::from_str(&page.text).unwrap_or_default();
            let file = page.file.as_ref();
            Shown {
                service: page.key.to_string(),
                from: &migrated.from,
                file: file.map(|(path, _)| path),
                state: file.map(|(_, state)| *state),
                definition: document["service"][0].take(),
            }
        };
        let services = pages.iter().zip(&outcome.services).map(shown).collect();
        Self { services, remarks: &outcome.remarks, adopt: &outcome.adopt, written: written == Written::All }
    }
}

/// The report, on standard error: what needs a person's look comes last.
fn show(pages: &[Page], outcome: &Outcome, writing: &Writing, written: Written) {
    let mut counts: BTreeMap<Fate, usize> = BTreeMap::new();
    for fate in [Fate::Mapped, Fate::Kept, Fate::Left, Fate::Guessed, Fate::Refused] {
        let remarks = outcome.remarks.iter().filter(|remark| remark.fate == fate);
        counts.insert(fate, remarks.clone().count());
        for Remark { source, subject, message, help, .. } in remarks {
            output::note(format_args!("{fate:<7}  {source}: {subject}: {message}"));
            if let Some(help) = help {
                output::note(format_args!("         help: {help}"));
            }
        }
    }
    let plural = if pages.len() == 1 { "" } else { "s" };
    let counted = |fate: Fate| format!("{} {fate}", counts.get(&fate).copied().unwrap_or(0));
    output::note(format_args!(
        "{} service{plural}: {}, {}, {}",
        pages.len(),
        counted(Fate::Guessed),
        counted(Fate::Left),
        counted(Fate::Refused)
    ));
    show_files(pages, writing, written);
    if !outcome.adopt.is_empty() && !pages.is_empty() {
        let names: Vec<_> = outcome.adopt.iter().map(ToString::to_string).collect();
        output::note(format_args!(
            "next: the records are in the zone and nobody's; when the files are in place:\n  srvctl adopt {}",
            names.join(" ")
        ));
    }
}

fn show_files(pages: &[Page], writing: &Writing, written: Written) {
    let files = pages.iter().filter_map(|page| page.file.as_ref());
    for (path, state) in files {
        let path = path.display();
        match (state, written) {
            (State::Unchanged, _) => output::note(format_args!("unchanged {path}")),
            (State::New | State::Changed, Written::All) => output::note(format_args!("wrote {path}")),
            (State::New, _) if writing.check => output::note(format_args!("would write {path}")),
            (State::Changed, _) if writing.check => output::note(format_args!("would change {path}")),
            (State::Changed, Written::Kept) => {
                output::error(format_args!(
                    "{path} is there and says something else, so nothing was written; --force writes over it, and \
                     another --out beside it"
                ));
            }
            (State::New | State::Changed, _) => {}
        }
    }
}
