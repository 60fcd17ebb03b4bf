//! `[service.health]`: what follows from the checks for what is published.

use std::ops::RangeInclusive;

use toml::Spanned;

use crate::model::HealthPolicy;
use crate::model::health::MinHealthy;
use crate::model::rules::Refusal;
use crate::sources::toml_fields::Fields;

/// More instances than a service can have need no setting.
const COUNT_RANGE: RangeInclusive<u32> = 1..=1_000_000;

/// Reads the table. `is_checked` tells whether any instance of the service has a check.
pub(super) fn policy(fields: &mut Fields<'_, '_>, is_checked: bool) -> HealthPolicy {
    let read = fields.table_at("health", "service.health", |fields| Some(table(fields, is_checked)));
    read.unwrap_or_default()
}

fn table(fields: &mut Fields<'_, '_>, is_checked: bool) -> HealthPolicy {
    let has_policy = fields.has("policy");
    let word = fields.parsed("policy", word);
    if has_policy && word.is_none() {
        fields.ignore_the_rest();
        return HealthPolicy::default();
    }
    let span = word.as_ref().map_or(fields.header(), Spanned::span);
    let word = word.map_or(Word::Publish, Spanned::into_inner);
    if word != Word::Publish && !is_checked {
        let message = "nothing follows from the health of this service: it has no check";
        fields.report_with_help(span.clone(), message, "add a `[[service.check]]`, or remove this");
    }
    for (key, owner) in
        [("min_healthy", Word::Withdraw), ("priority", Word::Deprioritise), ("weight", Word::Deprioritise)]
    {
        if fields.has(key) && word != owner {
            let message = format!("`{key}` means nothing with this policy");
            let wanted = if owner == Word::Withdraw { "withdraw" } else { "deprioritise" };
            fields.report_with_help(span.clone(), message, format!("it belongs to `policy = \"{wanted}\"`"));
        }
    }
    let min_healthy = min_healthy(fields);
    let priority = small(fields, "priority");
    let weight = small(fields, "weight");
    match word {
        Word::Publish => HealthPolicy::Publish,
        Word::Withdraw => HealthPolicy::Withdraw { min_healthy },
        Word::Deprioritise => {
            if (&priority, &weight) == (&Moved::Absent, &Moved::Absent) {
                let message = "`policy = \"deprioritise\"` needs the key `priority` or `weight`";
                fields.report_with_help(span, message, "add what failing instances get, as `priority = 100`");
            }
            HealthPolicy::Deprioritise { priority: priority.value(), weight: weight.value() }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Publish,
    Withdraw,
    Deprioritise,
}

fn word(text: &str) -> Result<Word, Refusal> {
    match text {
        "publish" => Ok(Word::Publish),
        "withdraw" => Ok(Word::Withdraw),
        "deprioritise" => Ok(Word::Deprioritise),
        other => {
            let message = format!("`policy` must be \"publish\", \"withdraw\" or \"deprioritise\", not \"{other}\"");
            let american = (other == "deprioritize").then(|| "write it with an `s`".to_owned());
            Err(Refusal { message, help: american })
        }
    }
}

/// `min_healthy = 2`, or `"50%"`.
fn min_healthy(fields: &mut Fields<'_, '_>) -> MinHealthy {
    let written = if fields.is_string("min_healthy") {
        fields.parsed("min_healthy", percent).map(Spanned::into_inner)
    } else {
        fields.integer("min_healthy", COUNT_RANGE).map(MinHealthy::Count)
    };
    written.unwrap_or_default()
}

fn percent(text: &str) -> Result<MinHealthy, Refusal> {
    let digits = text.strip_suffix('%').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(percent @ 1..=100) => Ok(MinHealthy::Percent(percent)),
        _ => Err(Refusal::with_help(
            format!("`min_healthy` must be a number of instances, or from \"1%\" to \"100%\", not \"{text}\""),
            "at least one always has to be healthy: else a network that is down would empty the service",
        )),
    }
}

#[derive(PartialEq, Eq)]
enum Moved {
    Absent,
    /// Told already.
    Wrong,
    To(u16),
}

impl Moved {
    fn value(&self) -> Option<u16> {
        if let Self::To(value) = self { Some(*value) } else { None }
    }
}

fn small(fields: &mut Fields<'_, '_>, key: &'static str) -> Moved {
    if !fields.has(key) {
        return Moved::Absent;
    }
    let number = fields.integer(key, 0..=u32::from(u16::MAX)).and_then(|number| u16::try_from(number).ok());
    number.map_or(Moved::Wrong, Moved::To)
}
