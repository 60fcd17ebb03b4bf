//! One look-up that was made, and what it means to whose it is.

use std::sync::Arc;

use super::question::Question;
use crate::cli::exit::Exit;
use crate::cli::output::Paint;
use crate::dns::{self, LookupReport, Options, Resolver};
use crate::model::RecordType;
use crate::protocol::lookup::{Consumer, Target, Verdict};
use crate::protocol::wire::RawRecord;

/// A look-up that was made.
pub(super) struct Found {
    pub(super) question: Arc<Question>,
    /// The name looked up, which is the question's own unless that is a service.
    pub(super) name: String,
    pub(super) resolver: Resolver,
    pub(super) report: LookupReport,
    pub(super) targets: Vec<Target>,
}

/// What a look-up came to, as far as the exit code tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Records,
    Empty,
    Unknown,
}

impl Standing {
    pub(super) fn exit(self) -> Exit {
        match self {
            Self::Records => Exit::Done,
            Self::Empty => Exit::Differences,
            Self::Unknown => Exit::Failed,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Empty => "empty",
            Self::Unknown => "unknown",
        }
    }

    /// In the colour that goes with it.
    pub(super) fn paint(self, paint: Paint, text: &str) -> String {
        match self {
            Self::Records => paint.good(text),
            Self::Empty => paint.bad(text),
            Self::Unknown => paint.doubtful(text),
        }
    }
}

impl Found {
    pub(super) async fn look_up(question: Arc<Question>, name: String, resolver: Resolver) -> Self {
        let options = Options {
            consumer: question.consumer,
            force_tcp: question.tcp,
            port: question.system_port,
            ..Options::default()
        };
        let report = dns::lookup(&resolver, &name, question.record_type, options).await;
        let targets = match &report.verdict {
            Verdict::Records(answer) if asks_for(question.consumer, question.record_type) => {
                answer.targets(question.target_port)
            }
            _ => Vec::new(),
        };
        Self { question, name, resolver, report, targets }
    }

    pub(super) fn answers(&self) -> &[RawRecord] {
        self.report.reply().map_or(&[], |reply| &reply.message.answers)
    }

    /// Types that make no target (TXT, SOA) are found all the same.
    fn has_what_was_asked_for(&self) -> bool {
        let wanted = self.question.record_type;
        self.answers().iter().any(|record| wanted == RecordType::ANY || record.record_type() == wanted)
    }

    pub(super) fn standing(&self) -> Standing {
        match self.report.verdict {
            Verdict::Records(_) => Standing::Records,
            Verdict::Empty { .. } if self.has_what_was_asked_for() => Standing::Records,
            Verdict::Empty { .. } => Standing::Empty,
            Verdict::Unknown { .. } => Standing::Unknown,
        }
    }

    /// The verdict, and what whose look-up it is would do.
    pub(super) fn in_words(&self) -> String {
        let Question { consumer, record_type, .. } = *self.question;
        let asked = asks_for(consumer, record_type);
        let does = |standing| if asked { consequence(consumer, standing) } else { String::new() };
        match (&self.report.verdict, self.standing()) {
            (_, Standing::Records) if !asked => {
                format!("records; {} never asks for {record_type}, so they make no target", who(consumer))
            }
            (_, Standing::Records) => {
                format!("records; {} would scrape {}", who(consumer), counted(self.targets.len(), "target"))
            }
            (Verdict::Empty { why, .. }, standing) => format!("definitely empty ({why}){}", does(standing)),
            (Verdict::Unknown { reason, .. }, standing) => format!("unknown ({reason}){}", does(standing)),
            (Verdict::Records(_), _) => "records".to_owned(),
        }
    }
}

/// Whom a verdict speaks of: of those with the same look-up, the one that scrapes.
pub(super) fn who(consumer: Consumer) -> &'static str {
    match consumer {
        Consumer::Prometheus => "Prometheus",
        Consumer::Go => "vmagent",
    }
}

/// What becomes of the targets: vmagent takes whatever is no answer for an empty one, and Thanos does not.
pub(super) fn consequence(consumer: Consumer, standing: Standing) -> String {
    let text = match (consumer, standing) {
        (_, Standing::Records) => return String::new(),
        (Consumer::Prometheus, Standing::Empty) => "Prometheus would drop its targets",
        (Consumer::Prometheus, Standing::Unknown) => "Prometheus would keep its old targets",
        (Consumer::Go, Standing::Empty) => "vmagent would drop its targets, Thanos its addresses",
        (Consumer::Go, Standing::Unknown) => {
            "vmagent would drop its targets all the same, Thanos would keep its old addresses"
        }
    };
    format!("; {text}")
}

/// Whether the consumer can be configured to ask for the type (prometheus `discovery/dns/dns.go`, `UnmarshalYAML`;
/// vmagent `lib/promscrape/discovery/dns/dns.go`, which knows no NS).
fn asks_for(consumer: Consumer, record_type: RecordType) -> bool {
    match record_type {
        RecordType::SRV | RecordType::A | RecordType::AAAA | RecordType::MX => true,
        RecordType::NS => consumer == Consumer::Prometheus,
        _ => false,
    }
}

/// A number of things.
pub(super) fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}
