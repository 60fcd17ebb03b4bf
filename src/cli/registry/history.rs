//! `srvctl history`.

use std::path::PathBuf;

use serde_json::Value;

use super::args::HistoryArgs;
use super::{Failure, client, ended, table};
use crate::api::{Ask, Client, Events};
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::model::Event;

/// Lines per question; the most that a daemon gives.
const PAGE: usize = 1_000;

/// Shows who changed what.
pub(in crate::cli) async fn history(flag: Option<PathBuf>, args: &HistoryArgs) -> Exit {
    let asked = async {
        let events = events(&mut client(flag, &args.remote)?, args.service.as_deref(), args.limit).await?;
        if args.format.json {
            output::json(&events);
        } else if events.events.is_empty() {
            output::line("nothing has been changed");
        } else {
            let rows: Vec<_> = events.events.iter().map(row).collect();
            table::show(["TIME", "WHO", "ACTION", "SERVICE", "INSTANCE", "CHANGE"], &rows);
        }
        Ok(Exit::Done)
    };
    ended(asked.await)
}

/// The newest first, page by page.
async fn events(client: &mut Client, service: Option<&str>, limit: usize) -> Result<Events, Failure> {
    let mut all = Events { events: Vec::new(), next: None };
    loop {
        let ask = Ask::get(&["v1", "history"]).query("limit", Some((limit - all.events.len()).clamp(1, PAGE)));
        let page: Events = client.ask(ask.query("service", service).query("before", all.next)).await?;
        all.events.extend(page.events);
        all.next = page.next;
        if all.next.is_none() || all.events.len() >= limit {
            all.events.truncate(limit);
            return Ok(all);
        }
    }
}

fn row(event: &Event) -> [String; 6] {
    [
        utc(event.at),
        event.by.clone(),
        event.action.to_string(),
        event.service.to_string(),
        event.id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        difference(event.before.as_ref(), event.after.as_ref()),
    ]
}

/// What is another than before, key by key. What all of it is shows `--json`.
fn difference(before: Option<&Value>, after: Option<&Value>) -> String {
    let (Some(Value::Object(before)), Some(Value::Object(after))) = (before, after) else { return String::new() };
    let changed = after.iter().filter(|(key, value)| before.get(*key) != Some(*value));
    let all: Vec<_> =
        changed.map(|(key, value)| format!("{key} {} → {value}", before.get(key).unwrap_or(&Value::Null))).collect();
    all.join(", ")
}

/// A moment as ISO 8601 writes it, from seconds since 1970.
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March have their leap day at the end. 719,468 days lie between 0000-03-01 and 1970-01-01, and
    // 146,097 are in 400 years.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_077_926_399, "2004-02-27T23:59:59Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), date);
        }
    }

    #[test]
    fn a_change_tells_what_is_another() {
        let value = |text| serde_json::from_str::<Value>(text).unwrap();
        let (before, after) = (value(r#"{"weight":10,"port":1}"#), value(r#"{"weight":0,"port":1}"#));
        assert_eq!(difference(Some(&before), Some(&after)), "weight 10 → 0");
        assert_eq!(difference(None, Some(&after)), "");
    }
}
