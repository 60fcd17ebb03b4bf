//! `srvctl dig`: an answer in dig's shape, then what it means to whoever looks it up so.
//!
//! [`question`] and [`switches`] read the arguments, [`service`] turns the name of a service into those to look up,
//! [`found`] looks them up and says what came of it, [`message`] shows a reply, [`json`] all of it to programs.

mod found;
mod json;
mod message;
mod question;
mod service;
mod switches;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinSet;

use self::found::{Found, Standing, consequence, counted, who};
use self::question::{Question, Show};
use self::service::Expanded;
use self::switches::Part;
use super::args::DigArgs;
use super::exit::Exit;
use super::output::{self, Paint};
use crate::dns::{Resolver, presentation};
use crate::model::Name;
use crate::protocol::lookup::{Attempt, Verdict};

pub(super) async fn run(flag: Option<PathBuf>, args: &DigArgs) -> Exit {
    let question = match Question::parse(args) {
        Ok(question) => question,
        Err(error) => {
            output::error(error);
            return Exit::Usage;
        }
    };
    let question = Arc::new(question);
    match service::expand(flag, &question).await {
        Some(expanded) => look_up_service(&question, &expanded, args.format.json).await,
        None => look_up_name(&question, args.format.json).await,
    }
}

async fn look_up_name(question: &Arc<Question>, as_json: bool) -> Exit {
    let resolver = question.server.clone().map_or(Resolver::System, |server| Resolver::Servers(vec![server]));
    let found = Found::look_up(Arc::clone(question), question.name.clone(), resolver).await;
    if as_json {
        output::json(&json::Lookup::of(&found));
    } else {
        show(&found, &mut BTreeSet::new());
    }
    found.standing().exit()
}

/// Look-ups at once: a server that is silent shall not be waited for as often as a service has names.
const AT_ONCE: usize = 16;

async fn look_up_service(question: &Arc<Question>, expanded: &Expanded, as_json: bool) -> Exit {
    if !as_json {
        introduce(question, expanded);
    }
    let mut all = Vec::new();
    let mut shown = BTreeSet::new();
    for some in expanded.lookups.chunks(AT_ONCE) {
        for found in look_up_some(question, some).await {
            if !as_json {
                show(&found, &mut shown);
            }
            all.push(found);
        }
    }
    let standing = of_all(&all);
    if as_json {
        output::json(&json::ServiceReport::of(expanded, &all, standing));
    } else if all.len() > 1 && question.show.has(Part::Verdict) && !question.show.short {
        let line = format!(";; VERDICT on {}: {}", expanded.word, all_in_words(question, &all, standing));
        output::line(standing.paint(Paint::for_stdout(), &line));
    }
    standing.exit()
}

/// Makes look-ups side by side; what they found comes in their order.
async fn look_up_some(question: &Arc<Question>, lookups: &[(Name, Resolver)]) -> Vec<Found> {
    let mut under_way = JoinSet::new();
    for (index, (name, resolver)) in lookups.iter().enumerate() {
        let lookup = Found::look_up(Arc::clone(question), name.to_string(), resolver.clone());
        under_way.spawn(async move { (index, lookup.await) });
    }
    let mut done = under_way.join_all().await;
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, found)| found).collect()
}

/// Says what a word was taken for, and how to ask for the word itself.
fn introduce(question: &Question, expanded: &Expanded) {
    if !question.show.has(Part::Command) || question.show.short {
        return;
    }
    let paint = Paint::for_stdout();
    let Expanded { word, config, names, .. } = expanded;
    let (plural, is) = if names.len() == 1 { ("name", "is") } else { ("names", "are") };
    let config = config.display();
    output::line(paint.dim(format_args!("; {word} is a service in {config}; its {plural} {is} looked up:")));
    names.iter().for_each(|name| output::line(paint.dim(format_args!(";   {name}"))));
    output::line(paint.dim(format_args!("; to look up the word itself: srvctl dig {word}.\n")));
}

/// Nothing is empty as long as every server has something under one of the names: a shard may well be empty.
fn of_all(all: &[Found]) -> Standing {
    if all.iter().any(|found| found.standing() == Standing::Unknown) {
        return Standing::Unknown;
    }
    let has_records = |resolver: &Resolver| {
        all.iter().any(|found| found.resolver == *resolver && found.standing() == Standing::Records)
    };
    if all.iter().all(|found| has_records(&found.resolver)) { Standing::Records } else { Standing::Empty }
}

fn all_in_words(question: &Question, all: &[Found], standing: Standing) -> String {
    let counted_as = |wanted| all.iter().filter(|found| found.standing() == wanted).count();
    let of = format!("of {}", counted(all.len(), "look-up"));
    match standing {
        Standing::Records => {
            let addresses = all.iter().flat_map(|found| &found.targets).map(|target| &target.address);
            let targets = addresses.collect::<BTreeSet<_>>().len();
            let who = who(question.consumer);
            format!("records in {} {of}; {who} would scrape {}", counted_as(standing), counted(targets, "target"))
        }
        Standing::Empty | Standing::Unknown => {
            let then = consequence(question.consumer, standing);
            format!("{}, {} {of}{then}", standing.word(), counted_as(standing))
        }
    }
}

/// Shows a look-up. Of several, `+short` shows each record once, wherever it was found.
fn show(found: &Found, shown: &mut BTreeSet<String>) {
    let paint = Paint::for_stdout();
    let Found { question, report, .. } = found;
    let Show { short, steps, .. } = question.show;
    let wants = |part| !short && question.show.has(part);
    if wants(Part::Command) {
        output::line(paint.dim(command(found)));
    }
    if steps {
        (1..).zip(&report.attempts).for_each(|(number, attempt)| show_step(paint, number, attempt));
    } else if wants(Part::Comments) && (report.attempts.len() != 1 || report.reply().is_none()) {
        report.attempts.iter().for_each(|attempt| show_attempt(paint, attempt));
    }
    if short {
        let data = found.answers().iter().map(|record| presentation(&record.rdata));
        data.filter(|data| shown.insert(data.clone())).for_each(output::line);
        say_when_unknown(found);
        return;
    }
    if let Some(reply) = report.reply() {
        let took = report.attempts.last().map_or(report.took, |attempt| attempt.took);
        message::show(&question.show, paint, reply, took);
    }
    if wants(Part::Verdict) {
        show_verdict(paint, found);
    }
}

/// Nothing on standard output may mean two things; this tells which.
fn say_when_unknown(found: &Found) {
    if matches!(found.report.verdict, Verdict::Unknown { .. }) {
        output::error(format_args!("{}: {}", found.name, found.in_words()));
    }
}

fn command(found: &Found) -> String {
    let server = match &found.resolver {
        Resolver::System => "(resolv.conf)".to_owned(),
        Resolver::Servers(servers) => servers.iter().map(|server| format!("@{server}")).collect::<Vec<_>>().join(" "),
    };
    let version = env!("CARGO_PKG_VERSION");
    format!("; <<>> srvctl {version} <<>> {} {} {server}", found.name, found.question.record_type)
}

fn show_verdict(paint: Paint, found: &Found) {
    let suspicions = found.report.attempts.iter().flat_map(|attempt| &attempt.suspicions);
    suspicions.for_each(|suspicion| output::line(paint.doubtful(format_args!(";; WARNING: {suspicion}"))));
    let colon = if found.targets.is_empty() { "" } else { ":" };
    let line = format!(";; VERDICT: {}{colon}", found.in_words());
    output::line(found.standing().paint(paint, &line));
    found.targets.iter().for_each(|target| output::line(&target.address));
}

fn show_attempt(paint: Paint, attempt: &Attempt) {
    let via = attempt.via.as_ref().map_or_else(String::new, |via| format!(" at {via}"));
    let Attempt { candidate, outcome, then, took, .. } = attempt;
    output::line(paint.dim(format_args!(";; tried {candidate}{via}: {outcome} ({} ms); {then}", took.as_millis())));
}

/// One attempt with all that is known of it.
fn show_step(paint: Paint, number: usize, attempt: &Attempt) {
    let Attempt { candidate, via, outcome, then, took, .. } = attempt;
    let (place, edns) = match via {
        Some(via) => {
            (format!("{} over {}", via.server, via.transport), if via.edns { "with EDNS" } else { "without EDNS" })
        }
        None => ("no server".to_owned(), "nothing sent"),
    };
    let took = took.as_micros();
    output::line(paint.strong(format_args!(";; step {number}: {candidate} at {place}, {edns}")));
    output::line(format_args!(";;   came: {outcome}, in {}.{:03} ms", took / 1_000, took % 1_000));
    output::line(format_args!(";;   then: {then}"));
    let overlooked = attempt.suspicions.iter();
    overlooked.for_each(|suspicion| output::line(paint.doubtful(format_args!(";;   WARNING: {suspicion}"))));
}
