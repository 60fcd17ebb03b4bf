//! `[service.scrape]`: how the instances are to be scraped, in the words of a Prometheus `scrape_config`.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use crate::model::rules::Refusal;
use crate::model::{Scheme, Scrape};
use crate::sources::toml_fields::Fields;

/// What Prometheus takes in general; much longer ones are mistakes.
const INTERVAL_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);

/// Reads the table; nothing when there is none.
pub(super) fn read(fields: &mut Fields<'_, '_>) -> Option<Arc<Scrape>> {
    fields.table_at("scrape", "service.scrape", |fields| Some(Arc::new(table(fields))))
}

fn table(fields: &mut Fields<'_, '_>) -> Scrape {
    let in_words = "from 1ms to 24h";
    let job_name = fields.parsed("job_name", filled).map(Spanned::into_inner);
    let scheme = fields.parsed("scheme", str::parse::<Scheme>).map(Spanned::into_inner);
    let metrics_path = fields.parsed("metrics_path", path).map(Spanned::into_inner);
    let interval = fields.duration("scrape_interval", INTERVAL_RANGE, in_words);
    let timeout = fields.duration("scrape_timeout", INTERVAL_RANGE, in_words);
    if interval.zip(timeout).is_some_and(|(interval, timeout)| timeout > interval) {
        let message = "`scrape_timeout` is longer than `scrape_interval`, which Prometheus refuses";
        fields.report_with_help(fields.header(), message, "shorten it, or lengthen the interval");
    }
    let honor_labels = fields.boolean("honor_labels").unwrap_or(false);
    let params = fields.lists("params").unwrap_or_default();
    Scrape { job_name, scheme, metrics_path, interval, timeout, honor_labels, params }
}

fn filled(text: &str) -> Result<String, Refusal> {
    if text.is_empty() {
        return Err(Refusal::with_help("`job_name` is empty", "remove it: the service's name is taken then"));
    }
    Ok(text.to_owned())
}

fn path(text: &str) -> Result<String, Refusal> {
    if text.starts_with('/') && !text.contains(['?', '#']) {
        return Ok(text.to_owned());
    }
    let message = format!("`{text}` is no path: it starts with `/` and has neither `?` nor `#`");
    Err(Refusal::with_help(message, "write parameters into `params`, as `params = { format = [\"prometheus\"] }`"))
}
