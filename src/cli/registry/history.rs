//! `srvctl history`.

use std::path::PathBuf;

use serde_json::Value;

use super::args::HistoryArgs;
use super::{Failure, client, ended, table};
use crate::api::{Ask, Client, Events};
use crate::cli::exit::Exit;
use crate::cli::moment::Moment;
use crate::cli::output;
use crate::model::{Action, Event};

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
        Moment::at(event.at).to_string(),
        event.by.clone(),
        event.action.to_string(),
        event.service.to_string(),
        event.id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        match event.action {
            Action::Maintain => maintenance(event.after.as_ref()),
            _ => difference(event.before.as_ref(), event.after.as_ref()),
        },
    ]
}

/// Until when somebody works on it and why, or that nobody does any more.
fn maintenance(after: Option<&Value>) -> String {
    let Some(after) = after else { return "ended".to_owned() };
    let until = after["until"].as_u64().unwrap_or_default();
    format!("until {}: {}", Moment::at(until), after["why"].as_str().unwrap_or_default())
}

/// What is another than before, key by key. What all of it is shows `--json`.
fn difference(before: Option<&Value>, after: Option<&Value>) -> String {
    let (Some(Value::Object(before)), Some(Value::Object(after))) = (before, after) else { return String::new() };
    let changed = after.iter().filter(|(key, value)| before.get(*key) != Some(*value));
    let all: Vec<_> =
        changed.map(|(key, value)| format!("{key} {} → {value}", before.get(key).unwrap_or(&Value::Null))).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_tells_what_is_another() {
        let value = |text| serde_json::from_str::<Value>(text).unwrap();
        let (before, after) = (value(r#"{"weight":10,"port":1}"#), value(r#"{"weight":0,"port":1}"#));
        assert_eq!(difference(Some(&before), Some(&after)), "weight 10 → 0");
        assert_eq!(difference(None, Some(&after)), "");
        let work = value(r#"{"until":1700000000,"why":"new disk","by":"root"}"#);
        assert_eq!(maintenance(Some(&work)), "until 2023-11-14T22:13:20Z: new disk");
        assert_eq!(maintenance(None), "ended");
    }
}
