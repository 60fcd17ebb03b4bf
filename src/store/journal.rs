//! Who changed what, and when: append-only, and bounded.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::error::StoreError;
use super::rows::{json, key, parsed};
use super::{Announcement, Entry, FILE};
use crate::model::{Action, Edit, Event, InstanceId, Name, ServiceKey};
use crate::reconcile::registry::WINDOW;

/// So many lines are kept.
const MAX_LINES: i64 = 100_000;
/// Every so many lines the oldest go.
const PRUNE_EVERY: i64 = 1_000;

/// Adds a line.
pub(super) fn write(connection: &Connection, entry: Entry<'_>, clock: u64) -> rusqlite::Result<()> {
    let (service, id, before, after) = match entry.edit {
        Edit::Service { service, before, after } => {
            let shown = |side: &Option<_>| {
                side.as_ref().map(|side: &std::sync::Arc<crate::model::Configured>| json(&side.settings)).transpose()
            };
            (service, None, shown(before)?, shown(after)?)
        }
        Edit::Instance { service, id, before, after } => {
            let shown = |side: &Option<_>| {
                side.as_ref().map(|side: &std::sync::Arc<crate::model::Registration>| json(&side.offer)).transpose()
            };
            (service, Some(id.as_str()), shown(before)?, shown(after)?)
        }
    };
    connection
        .prepare_cached(
            "INSERT INTO journal (at, clock, changed_by, action, service, id, before, after) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![entry.at, clock, entry.by, entry.action.to_string(), key(service), id, before, after])?;
    prune(connection)
}

/// Adds a line about maintenance.
pub(super) fn announce(connection: &Connection, line: &Announcement) -> rusqlite::Result<()> {
    let Announcement { service, id, before, after, by, at } = line;
    let (before, after) = (before.as_ref().map(json).transpose()?, after.as_ref().map(json).transpose()?);
    let (id, action) = (id.as_ref().map(InstanceId::as_str), Action::Maintain.to_string());
    connection
        .prepare_cached(
            "INSERT INTO journal (at, clock, changed_by, action, service, id, before, after) \
             VALUES (?1, (SELECT clock FROM high), ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![at, by, action, key(service), id, before, after])?;
    prune(connection)
}

/// After a line was added, the oldest may go.
fn prune(connection: &Connection) -> rusqlite::Result<()> {
    let last = connection.last_insert_rowid();
    if last % PRUNE_EVERY == 0 {
        connection.prepare_cached("DELETE FROM journal WHERE sequence <= ?1")?.execute([last - MAX_LINES])?;
    }
    Ok(())
}

/// Leases that ended within the last [`WINDOW`] of the service clock, the oldest first.
pub(super) fn ended(connection: &Connection, clock: u64) -> rusqlite::Result<Vec<(u64, Name)>> {
    let mut ended =
        connection.prepare("SELECT clock, service FROM journal WHERE action = ?1 AND clock > ?2 ORDER BY sequence")?;
    let since = clock.saturating_sub(WINDOW);
    // Without leases nothing ends; then the whole clock is the first window, and this is empty all the same.
    let rows = ended.query_map(params![Action::Expire.to_string(), since], |row| {
        let name: Name = parsed(row, "service")?;
        let zone = ServiceKey::of_owner_name(&name).map_or(name, |service| service.zone);
        Ok((row.get("clock")?, zone))
    })?;
    rows.collect()
}

/// How many lines there ever were, those of the history of health among them, and changes of it that have none.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<Option<u64>> {
    connection.query_row("SELECT sum(seq) FROM sqlite_sequence", [], |row| row.get(0))
}

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this service only.
    pub service: Option<ServiceKey>,
    /// Older than this one.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// Lines of the journal of a state directory, the newest first.
///
/// # Errors
/// When it cannot be read.
pub fn history(state_dir: &Path, filter: &Filter) -> Result<Vec<Event>, StoreError> {
    let path = state_dir.join(FILE);
    let Some(connection) = super::reader(&path)? else { return Ok(Vec::new()) };
    select(&connection, "journal", filter, event).map_err(|error| StoreError::of(&path, error))
}

/// The newest lines of a table that counts them, as far as the filter lets them pass.
pub(super) fn select<T>(
    connection: &Connection,
    table: &'static str,
    filter: &Filter,
    line: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut wanted = format!("SELECT * FROM {table} WHERE sequence < ?1");
    let before = filter.before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
    let mut values = vec![Value::from(before), Value::from(i64::try_from(filter.limit).unwrap_or(i64::MAX))];
    if let Some(service) = &filter.service {
        wanted += " AND service = ?3";
        values.push(Value::from(key(service)));
    }
    let mut lines = connection.prepare(&(wanted + " ORDER BY sequence DESC LIMIT ?2"))?;
    lines.query_map(params_from_iter(values), line)?.collect()
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let value = |column: &str| -> rusqlite::Result<_> {
        let text: Option<String> = row.get(column)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    };
    let id: Option<String> = row.get("id")?;
    Ok(Event {
        sequence: row.get("sequence")?,
        at: row.get("at")?,
        by: row.get("changed_by")?,
        action: parsed(row, "action")?,
        service: parsed(row, "service")?,
        id: id.and_then(|id| InstanceId::try_from(id).ok()),
        before: value("before")?,
        after: value("after")?,
    })
}
