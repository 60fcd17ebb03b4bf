//! What is known of the health of instances, what changed in it, and who works on what.
//!
//! Written in batches: a change of a condition at once, everything else when it is convenient.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, Row, params};

use super::error::StoreError;
use super::rows::{from_json, json, parsed, unreadable};
use super::{FILE, Filter, journal, schema};
use crate::model::health::{Condition, Maintained, Maintenance, Publication, RememberedHealth, Transition};
use crate::model::{InstanceId, Name, ServiceKey};

/// So many transitions are kept.
const MAX_LINES: i64 = 100_000;
/// Every so many the oldest go.
const PRUNE_EVERY: i64 = 1_000;

/// What changed about health, to be written in one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthBatch {
    /// How instances are now.
    pub remembered: Vec<RememberedHealth>,
    /// Instances that nobody checks any more: the service's owner name, and which.
    pub forgotten: Vec<(Name, InstanceId)>,
    /// What is new in the history, the oldest first.
    pub transitions: Vec<Transition>,
    /// Whose maintenance begins or changes; none where it ends.
    pub maintenance: Vec<(Maintained, Option<Maintenance>)>,
    /// What the journal says of that.
    pub announced: Vec<Announcement>,
}

/// A line of the journal about maintenance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The service that it is about.
    pub service: ServiceKey,
    /// The instance on a host that is worked on; none when it is the service.
    pub id: Option<InstanceId>,
    /// What was known before.
    pub before: Option<Maintenance>,
    /// What holds now; none when it has ended.
    pub after: Option<Maintenance>,
    /// Who said so.
    pub by: String,
    /// When, seconds since 1970.
    pub at: u64,
}

impl HealthBatch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        let Self { remembered, forgotten, transitions, maintenance, announced } = self;
        let is_empty = remembered.is_empty() && forgotten.is_empty() && transitions.is_empty();
        is_empty && maintenance.is_empty() && announced.is_empty()
    }
}

/// What the database holds about health, apart from the history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthContents {
    /// How every instance was when it was last written down.
    pub remembered: Vec<RememberedHealth>,
    /// Who works on what, those included whose time is over.
    pub maintenance: BTreeMap<Maintained, Maintenance>,
}

/// Writes a batch, in the order of its fields.
pub(super) fn write(connection: &Connection, batch: &HealthBatch) -> rusqlite::Result<()> {
    for health in &batch.remembered {
        remember(connection, health)?;
    }
    let mut forget = connection.prepare_cached("DELETE FROM health WHERE service = ?1 AND id = ?2")?;
    for (service, instance) in &batch.forgotten {
        forget.execute([&lower(service), instance.as_str()])?;
    }
    for transition in &batch.transitions {
        note(connection, transition)?;
    }
    for (whom, maintenance) in &batch.maintenance {
        maintain(connection, whom, maintenance.as_ref())?;
    }
    for announcement in &batch.announced {
        journal::announce(connection, announcement)?;
    }
    if batch.remembered.is_empty() && batch.forgotten.is_empty() && batch.maintenance.is_empty() {
        return Ok(());
    }
    count(connection)
}

/// Counts a change that has no line anywhere: an instance may be withdrawn, or come back, without a change of its condition.
fn count(connection: &Connection) -> rusqlite::Result<()> {
    let counted = "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'health'";
    if connection.prepare_cached(counted)?.execute([])? == 0 {
        connection.execute("INSERT INTO sqlite_sequence VALUES ('health', 1)", [])?;
    }
    Ok(())
}

fn remember(connection: &Connection, health: &RememberedHealth) -> rusqlite::Result<()> {
    let RememberedHealth { service, instance, condition, since, reason, changes, damped, publication } = health;
    connection
        .prepare_cached("INSERT OR REPLACE INTO health VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![
            lower(service),
            instance.as_str(),
            condition.as_str(),
            since,
            reason,
            json(changes)?,
            damped,
            json(publication)?,
        ])
        .map(drop)
}

fn note(connection: &Connection, transition: &Transition) -> rusqlite::Result<()> {
    let Transition { at, service, instance, from, to, reason, latency_ms } = transition;
    connection
        .prepare_cached(
            "INSERT INTO transition (at, service, id, before, after, reason, latency) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![at, lower(service), instance.as_str(), from.as_str(), to.as_str(), reason, latency_ms])?;
    let last = connection.last_insert_rowid();
    if last % PRUNE_EVERY == 0 {
        connection.prepare_cached("DELETE FROM transition WHERE sequence <= ?1")?.execute([last - MAX_LINES])?;
    }
    Ok(())
}

fn maintain(connection: &Connection, whom: &Maintained, maintenance: Option<&Maintenance>) -> rusqlite::Result<()> {
    let (kind, name) = match whom {
        Maintained::Host(name) => (HOST, lower(name)),
        Maintained::Service(name) => (SERVICE, lower(name)),
    };
    match maintenance {
        Some(Maintenance { until, why, by }) => connection
            .prepare_cached("INSERT OR REPLACE INTO maintenance VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![kind, name, until, why, by]),
        None => connection
            .prepare_cached("DELETE FROM maintenance WHERE kind = ?1 AND name = ?2")?
            .execute(params![kind, name]),
    }
    .map(drop)
}

/// How a maintenance of a host is marked.
const HOST: &str = "host";
/// How that of a service is.
const SERVICE: &str = "service";

/// Everything apart from the history; nothing of a database that is older than this.
pub(super) fn read_all(connection: &Connection) -> rusqlite::Result<HealthContents> {
    if schema::version(connection)? < schema::WITH_HEALTH {
        return Ok(HealthContents::default());
    }
    let mut remembered = connection.prepare("SELECT * FROM health")?;
    let remembered = remembered.query_map([], health)?.collect::<rusqlite::Result<_>>()?;
    let mut maintenance = connection.prepare("SELECT * FROM maintenance")?;
    let maintenance = maintenance.query_map([], maintained)?.collect::<rusqlite::Result<_>>()?;
    Ok(HealthContents { remembered, maintenance })
}

fn health(row: &Row<'_>) -> rusqlite::Result<RememberedHealth> {
    Ok(RememberedHealth {
        service: parsed(row, "service")?,
        instance: parsed_id(row)?,
        condition: parsed(row, "condition")?,
        since: row.get("since")?,
        reason: row.get("reason")?,
        changes: from_json(row, "changes")?,
        damped: row.get("damped")?,
        publication: from_json::<Publication>(row, "publication")?,
    })
}

fn maintained(row: &Row<'_>) -> rusqlite::Result<(Maintained, Maintenance)> {
    let (kind, name): (String, Name) = (row.get("kind")?, parsed(row, "name")?);
    let whom = match kind.as_str() {
        HOST => Maintained::Host(name),
        SERVICE => Maintained::Service(name),
        other => return Err(unreadable(format!("`{other}` in column kind is neither a host nor a service"))),
    };
    Ok((whom, Maintenance { until: row.get("until")?, why: row.get("why")?, by: row.get("set_by")? }))
}

/// What changed about health in a state directory, the newest first, each with the number that pages go by.
///
/// # Errors
/// When it cannot be read.
pub fn transitions(state_dir: &Path, filter: &Filter) -> Result<Vec<(u64, Transition)>, StoreError> {
    let path = state_dir.join(FILE);
    let Some(connection) = super::reader(&path)? else { return Ok(Vec::new()) };
    select(&connection, filter).map_err(|error| StoreError::of(&path, error))
}

fn select(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<(u64, Transition)>> {
    if schema::version(connection)? < schema::WITH_HEALTH {
        return Ok(Vec::new());
    }
    journal::select(connection, "transition", filter, transition)
}

fn transition(row: &Row<'_>) -> rusqlite::Result<(u64, Transition)> {
    let transition = Transition {
        at: row.get("at")?,
        service: parsed(row, "service")?,
        instance: parsed_id(row)?,
        from: parsed::<Condition>(row, "before")?,
        to: parsed::<Condition>(row, "after")?,
        reason: row.get("reason")?,
        latency_ms: row.get("latency")?,
    };
    Ok((row.get("sequence")?, transition))
}

fn parsed_id(row: &Row<'_>) -> rusqlite::Result<InstanceId> {
    let text: String = row.get("id")?;
    InstanceId::try_from(text).map_err(|why| unreadable(format!("column id: {why}")))
}

/// How a name is called in the database. Names that DNS takes for the same are the same.
fn lower(name: &Name) -> String {
    name.to_string().to_ascii_lowercase()
}
