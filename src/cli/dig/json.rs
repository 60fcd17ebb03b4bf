//! The JSON of `dig`.

use serde::Serialize;

use super::found::{Found, Standing};
use super::service::Expanded;
use crate::dns::{Resolver, presentation};
use crate::model::{Name, RecordType};
use crate::protocol::lookup::{Attempt, Outcome, Target, Verdict};
use crate::protocol::rcode::Rcode;
use crate::protocol::wire::RawRecord;

/// One look-up.
#[derive(Serialize)]
pub(super) struct Lookup<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    record_type: RecordType,
    consumer: String,
    /// Whom it was put to; none: the servers of resolv.conf.
    asked: Option<String>,
    verdict: &'static str,
    reason: Option<String>,
    status: Option<String>,
    server: Option<String>,
    transport: Option<String>,
    size: Option<usize>,
    answers: Vec<Answer>,
    targets: &'a [Target],
    attempts: Vec<Step>,
    microseconds: u128,
}

/// All look-ups of a service.
#[derive(Serialize)]
pub(super) struct ServiceReport<'a> {
    /// The word that was given.
    service: &'a str,
    names: &'a [Name],
    verdict: &'static str,
    lookups: Vec<Lookup<'a>>,
}

#[derive(Serialize)]
struct Answer {
    name: String,
    ttl: u32,
    #[serde(rename = "type")]
    record_type: RecordType,
    data: String,
}

#[derive(Serialize)]
struct Step {
    candidate: String,
    server: Option<String>,
    transport: Option<String>,
    edns: Option<bool>,
    outcome: String,
    /// The response code; none without a whole reply.
    status: Option<String>,
    answers: Option<usize>,
    size: Option<usize>,
    then: String,
    warnings: Vec<String>,
    milliseconds: u128,
    microseconds: u128,
}

impl<'a> ServiceReport<'a> {
    pub(super) fn of(expanded: &'a Expanded, lookups: &'a [Found], standing: Standing) -> Self {
        Self {
            service: &expanded.word,
            names: &expanded.names,
            verdict: standing.word(),
            lookups: lookups.iter().map(Lookup::of).collect(),
        }
    }
}

impl<'a> Lookup<'a> {
    pub(super) fn of(found: &'a Found) -> Self {
        let (verdict, reason) = match &found.report.verdict {
            Verdict::Records(_) => ("records", None),
            Verdict::Empty { why, .. } => ("empty", Some(why.to_string())),
            Verdict::Unknown { reason, .. } => ("unknown", Some(reason.to_string())),
        };
        let asked = match &found.resolver {
            Resolver::System => None,
            Resolver::Servers(servers) => servers.first().map(ToString::to_string),
        };
        let reply = found.report.reply();
        Self {
            name: &found.name,
            record_type: found.question.record_type,
            consumer: found.question.consumer.to_string(),
            asked,
            verdict,
            reason,
            status: reply.map(|reply| reply.rcode().to_string()),
            server: reply.map(|reply| reply.via.server.to_string()),
            transport: reply.map(|reply| reply.via.transport.to_string()),
            size: reply.map(|reply| reply.size),
            answers: found.answers().iter().map(Answer::of).collect(),
            targets: &found.targets,
            attempts: found.report.attempts.iter().map(Step::of).collect(),
            microseconds: found.report.took.as_micros(),
        }
    }
}

impl Answer {
    fn of(record: &RawRecord) -> Self {
        Self {
            name: record.name.to_string(),
            ttl: record.ttl,
            record_type: record.record_type(),
            data: presentation(&record.rdata),
        }
    }
}

impl Step {
    fn of(attempt: &Attempt) -> Self {
        let via = attempt.via.as_ref();
        let (status, answers, size) = match &attempt.outcome {
            Outcome::Answered { rcode, answers, size } => (Some(rcode.to_string()), Some(*answers), Some(*size)),
            Outcome::Lame { size } => (Some(Rcode::NOERROR.to_string()), Some(0), Some(*size)),
            Outcome::Truncated { size } => (None, None, Some(*size)),
            Outcome::Failed(_) => (None, None, None),
        };
        Self {
            candidate: attempt.candidate.clone(),
            server: via.map(|via| via.server.to_string()),
            transport: via.map(|via| via.transport.to_string()),
            edns: via.map(|via| via.edns),
            outcome: attempt.outcome.to_string(),
            status,
            answers,
            size,
            then: attempt.then.to_string(),
            warnings: attempt.suspicions.iter().map(ToString::to_string).collect(),
            milliseconds: attempt.took.as_millis(),
            microseconds: attempt.took.as_micros(),
        }
    }
}
