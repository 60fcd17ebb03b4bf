//! How targets are scraped, beside each other: what DNS cannot say and a job has to.

use std::time::Duration;

use super::report::SettingDifference;
use super::side::Side;
use crate::model::prometheus::Job;
use crate::model::{Scheme, Scrape};

/// Prometheus' own defaults.
const INTERVAL: Duration = Duration::from_mins(1);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where they differ, and what was not compared.
pub(super) fn compare(
    today: &Job,
    side: &Side,
    defaults: (Option<Duration>, Option<Duration>),
) -> (Vec<SettingDifference>, Option<String>) {
    let (before, after) = (settings(&today.scrape, defaults), settings(&side.job.scrape, defaults));
    let different = before.into_iter().zip(after).filter(|((_, today), (_, dns))| today != dns);
    let differences = different.map(|((setting, today), (_, dns))| SettingDifference { setting, today, dns });
    let not_there: Vec<_> =
        today.unread.iter().filter(|key| !side.job.unread.contains(key)).map(String::as_str).collect();
    let note = (!not_there.is_empty()).then(|| {
        let whom = match &side.service {
            Some(_) => "what `srvctl render` writes".to_owned(),
            None => format!("job `{}`", side.job.name),
        };
        format!("it also has {}, which {whom} has not: that is not compared", not_there.join(", "))
    });
    (differences.collect(), note)
}

fn settings(scrape: &Scrape, (interval, timeout): (Option<Duration>, Option<Duration>)) -> [(&'static str, String); 6] {
    let interval = scrape.interval.or(interval).unwrap_or(INTERVAL);
    let timeout = scrape.timeout.or(timeout).unwrap_or(TIMEOUT).min(interval);
    let params: Vec<_> = scrape.params.iter().map(|(key, values)| format!("{key}={}", values.join(","))).collect();
    [
        ("scheme", scrape.scheme.unwrap_or(Scheme::Http).to_string()),
        ("metrics_path", scrape.metrics_path.clone().unwrap_or_else(|| "/metrics".to_owned())),
        ("params", params.join(" ")),
        ("honor_labels", scrape.honor_labels.to_string()),
        ("scrape_interval", format!("{interval:?}")),
        ("scrape_timeout", format!("{timeout:?}")),
    ]
}
