//! `srvctl dig`: an answer in dig's shape, then what it means to Prometheus.

use serde::Serialize;

use super::args::DigArgs;
use super::exit::Exit;
use super::output;
use crate::dns::{self, LookupReport, Options, Resolver, presentation};
use crate::model::{RecordType, Server};
use crate::protocol::lookup::{Attempt, Reply, Target, Verdict};
use crate::protocol::wire::{CLASS_IN, Header, Message, RawRecord};

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    name: String,
    record_type: RecordType,
    server: Option<Server>,
    short: bool,
    tcp: bool,
}

pub(super) async fn run(args: &DigArgs) -> Exit {
    let question = match Question::parse(&args.arguments) {
        Ok(question) => question,
        Err(error) => {
            output::error(error);
            return Exit::Usage;
        }
    };
    let resolver = question.server.clone().map_or(Resolver::System, |server| Resolver::Servers(vec![server]));
    let options = Options { force_tcp: question.tcp, ..Options::default() };
    let report = dns::lookup(&resolver, &question.name, question.record_type, options).await;
    let targets = targets(&report, args.port);
    if args.format.json {
        output::json(&Json::of(&question, &report, &targets));
    } else if question.short {
        show_short(&report);
    } else {
        show(&question, &report, &targets);
    }
    match report.verdict {
        Verdict::Records(_) => Exit::Done,
        Verdict::Empty { .. } if found_of_type(&question, &report) => Exit::Done,
        Verdict::Empty { .. } => Exit::Differences,
        Verdict::Unknown { .. } => Exit::Failed,
    }
}

impl Question {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut question =
            Self { name: String::new(), record_type: RecordType::SRV, server: None, short: false, tcp: false };
        let mut typed = false;
        for argument in arguments {
            if let Some(server) = argument.strip_prefix('@') {
                question.server = Some(server.parse().map_err(|error: crate::model::ServerError| error.to_string())?);
            } else if let Some(flag) = argument.strip_prefix('+') {
                match flag {
                    "short" => question.short = true,
                    "tcp" => question.tcp = true,
                    other => return Err(format!("there is no `+{other}`; there are +short and +tcp")),
                }
            } else if question.name.is_empty() {
                question.name.clone_from(argument);
            } else if !typed {
                question.record_type =
                    argument.parse().map_err(|error: crate::model::UnknownType| error.to_string())?;
                typed = true;
            } else {
                return Err(format!(
                    "`{argument}` is one argument too many: NAME [TYPE] [@SERVER[:PORT]] [+short] [+tcp]"
                ));
            }
        }
        if question.name.is_empty() {
            return Err("a name to look up is missing".to_owned());
        }
        Ok(question)
    }
}

fn targets(report: &LookupReport, port: u16) -> Vec<Target> {
    match &report.verdict {
        Verdict::Records(answer) => answer.targets(port),
        _ => Vec::new(),
    }
}

fn answers(report: &LookupReport) -> &[RawRecord] {
    report.reply().map_or(&[], |reply| &reply.message.answers)
}

/// Types that make no target (TXT, SOA) are found all the same.
fn found_of_type(question: &Question, report: &LookupReport) -> bool {
    answers(report).iter().any(|record| record.record_type() == question.record_type)
}

fn show_short(report: &LookupReport) {
    answers(report).iter().for_each(|record| output::line(presentation(&record.rdata)));
}

fn show(question: &Question, report: &LookupReport, targets: &[Target]) {
    let server = question.server.as_ref().map_or_else(|| "(resolv.conf)".to_owned(), |server| format!("@{server}"));
    let version = env!("CARGO_PKG_VERSION");
    output::line(format_args!("; <<>> srvctl {version} <<>> {} {} {server}", question.name, question.record_type));
    let told_elsewhere = report.attempts.len() == 1 && report.reply().is_some();
    if !told_elsewhere {
        report.attempts.iter().for_each(show_attempt);
    }
    if let Some(reply) = report.reply() {
        show_reply(reply, report);
    }
    let suspicions = report.attempts.iter().flat_map(|attempt| &attempt.suspicions);
    suspicions.for_each(|suspicion| output::line(format_args!(";; WARNING: {suspicion}")));
    output::line(format_args!(";; VERDICT: {}", verdict_in_words(question, report, targets)));
    for target in targets {
        output::line(&target.address);
    }
}

fn verdict_in_words(question: &Question, report: &LookupReport, targets: &[Target]) -> String {
    match &report.verdict {
        Verdict::Records(_) => {
            let plural = if targets.len() == 1 { "target" } else { "targets" };
            format!("records; Prometheus would scrape {} {plural}:", targets.len())
        }
        Verdict::Empty { .. } if found_of_type(question, report) => {
            format!("records of type {}, which make no target for Prometheus", question.record_type)
        }
        Verdict::Empty { why, .. } => format!("definitely empty ({why}); Prometheus would drop its targets"),
        Verdict::Unknown { reason, .. } => format!("unknown ({reason}); Prometheus would keep its old targets"),
    }
}

fn show_attempt(attempt: &Attempt) {
    let via = attempt.via.as_ref().map_or_else(String::new, |via| format!(" at {via}"));
    let Attempt { candidate, outcome, then, took, .. } = attempt;
    output::line(format_args!(";; tried {candidate}{via}: {outcome} ({} ms); {then}", took.as_millis()));
}

fn show_reply(reply: &Reply, report: &LookupReport) {
    let Message { header, questions, answers, authorities, additionals } = &reply.message;
    output::line(";; Got answer:");
    output::line(format_args!(
        ";; ->>HEADER<<- opcode: {}, status: {}, id: {}",
        if header.opcode() == 0 { "QUERY".to_owned() } else { header.opcode().to_string() },
        reply.rcode(),
        header.id
    ));
    output::line(format_args!(
        ";; flags:{}; QUERY: {}, ANSWER: {}, AUTHORITY: {}, ADDITIONAL: {}\n",
        flags(*header),
        questions.len(),
        answers.len(),
        authorities.len(),
        additionals.len()
    ));
    if let Some(opt) = reply.message.opt() {
        output::line(format_args!(
            ";; OPT PSEUDOSECTION:\n; EDNS: version: {}, udp: {}",
            opt.ttl >> 16 & 0xff,
            opt.class
        ));
    }
    output::line(";; QUESTION SECTION:");
    for question in questions {
        output::line(format_args!(";{}\t\t{}\t{}", question.name, class(question.class), question.record_type));
    }
    for (title, records) in [("ANSWER", answers), ("AUTHORITY", authorities), ("ADDITIONAL", additionals)] {
        show_section(title, records);
    }
    output::line(format_args!(
        "\n;; Query time: {} msec\n;; SERVER: {}\n;; MSG SIZE  rcvd: {}\n",
        report.took.as_millis(),
        reply.via,
        reply.size
    ));
}

fn show_section(title: &str, records: &[RawRecord]) {
    let shown: Vec<_> = records.iter().filter(|record| record.record_type() != RecordType::OPT).collect();
    if shown.is_empty() {
        return;
    }
    output::line(format_args!("\n;; {title} SECTION:"));
    for record in shown {
        let RawRecord { name, ttl, class: code, rdata } = record;
        let record_type = rdata.record_type();
        output::line(format_args!("{name}\t{ttl}\t{}\t{record_type}\t{}", class(*code), presentation(rdata)));
    }
}

fn class(code: u16) -> String {
    if code == CLASS_IN { "IN".to_owned() } else { format!("CLASS{code}") }
}

fn flags(header: Header) -> String {
    let flags = [
        ("qr", header.is_response()),
        ("aa", header.is_authoritative()),
        ("tc", header.is_truncated()),
        ("rd", header.recursion_desired()),
        ("ra", header.recursion_available()),
    ];
    flags.iter().filter(|(_, set)| *set).flat_map(|(name, _)| [" ", name]).collect()
}

/// The JSON of `dig`.
#[derive(Serialize)]
struct Json<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    record_type: RecordType,
    verdict: &'static str,
    reason: Option<String>,
    status: Option<String>,
    server: Option<String>,
    transport: Option<String>,
    size: Option<usize>,
    answers: Vec<JsonRecord>,
    targets: &'a [Target],
    attempts: Vec<JsonAttempt>,
}

#[derive(Serialize)]
struct JsonRecord {
    name: String,
    ttl: u32,
    #[serde(rename = "type")]
    record_type: RecordType,
    data: String,
}

#[derive(Serialize)]
struct JsonAttempt {
    candidate: String,
    server: Option<String>,
    transport: Option<String>,
    edns: Option<bool>,
    outcome: String,
    then: String,
    warnings: Vec<String>,
    milliseconds: u128,
}

impl<'a> Json<'a> {
    fn of(question: &'a Question, report: &LookupReport, targets: &'a [Target]) -> Self {
        let (verdict, reason) = match &report.verdict {
            Verdict::Records(_) => ("records", None),
            Verdict::Empty { why, .. } => ("empty", Some(why.to_string())),
            Verdict::Unknown { reason, .. } => ("unknown", Some(reason.to_string())),
        };
        let reply = report.reply();
        let record = |record: &RawRecord| JsonRecord {
            name: record.name.to_string(),
            ttl: record.ttl,
            record_type: record.record_type(),
            data: presentation(&record.rdata),
        };
        Self {
            name: &question.name,
            record_type: question.record_type,
            verdict,
            reason,
            status: reply.map(|reply| reply.rcode().to_string()),
            server: reply.map(|reply| reply.via.server.to_string()),
            transport: reply.map(|reply| reply.via.transport.to_string()),
            size: reply.map(|reply| reply.size),
            answers: answers(report).iter().map(record).collect(),
            targets,
            attempts: report.attempts.iter().map(JsonAttempt::of).collect(),
        }
    }
}

impl JsonAttempt {
    fn of(attempt: &Attempt) -> Self {
        let via = attempt.via.as_ref();
        Self {
            candidate: attempt.candidate.clone(),
            server: via.map(|via| via.server.to_string()),
            transport: via.map(|via| via.transport.to_string()),
            edns: via.map(|via| via.edns),
            outcome: attempt.outcome.to_string(),
            then: attempt.then.to_string(),
            warnings: attempt.suspicions.iter().map(ToString::to_string).collect(),
            milliseconds: attempt.took.as_millis(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Question, String> {
        Question::parse(&words.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_come_in_any_order() {
        let expected = Question {
            name: "_j._tcp".into(),
            record_type: RecordType::TXT,
            server: Some("127.0.0.1:5300".parse().unwrap()),
            short: true,
            tcp: true,
        };
        assert_eq!(parse("@127.0.0.1:5300 +tcp _j._tcp txt +short").unwrap(), expected);
        assert_eq!(parse("_j._tcp").unwrap().record_type, RecordType::SRV);
    }

    #[test]
    fn wrong_arguments_say_what_is_wrong() {
        for (words, said) in [
            ("+tcp", "missing"),
            ("a NOTYPE", "`NOTYPE`"),
            ("a SRV b", "too many"),
            ("a +shrt", "+shrt"),
            ("a @x:0", "x:0"),
        ] {
            assert!(parse(words).unwrap_err().contains(said), "{words}");
        }
    }
}
