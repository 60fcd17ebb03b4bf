//! Rows and what they mean.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Contents, health, journal};
use crate::model::{Configured, Edit, InstanceId, Name, Offer, Registration, ServiceKey, Settings};

/// Carries a change out.
pub(super) fn write(connection: &Connection, edit: &Edit) -> rusqlite::Result<()> {
    match edit {
        Edit::Service { service, after: Some(after), .. } => {
            let settings = &after.settings;
            connection
                .prepare_cached("INSERT OR REPLACE INTO service VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![
                    key(service),
                    settings.ttl,
                    json(&settings.shards)?,
                    json(&settings.metadata)?,
                    after.revision,
                ])
                .map(drop)
        }
        Edit::Service { service, after: None, .. } => {
            connection.prepare_cached("DELETE FROM service WHERE service = ?1")?.execute([key(service)]).map(drop)
        }
        Edit::Instance { service, id, after: Some(after), .. } => write_instance(connection, service, id, after),
        Edit::Instance { service, id, after: None, .. } => connection
            .prepare_cached("DELETE FROM instance WHERE service = ?1 AND id = ?2")?
            .execute([&key(service), id.as_str()])
            .map(drop),
    }
}

fn write_instance(
    connection: &Connection,
    service: &ServiceKey,
    id: &InstanceId,
    after: &Registration,
) -> rusqlite::Result<()> {
    let offer = &after.offer;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO instance VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            key(service),
            id.as_str(),
            offer.host.to_string(),
            offer.port.get(),
            offer.priority,
            offer.weight,
            json(&offer.addresses)?,
            json(&offer.metadata)?,
            offer.lease,
            after.due,
            after.revision,
            &*after.by,
            after.created,
            after.updated,
        ])
        .map(drop)
}

/// Notes how far the service clock went.
pub(super) fn write_clock(connection: &Connection, clock: u64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE high SET clock = ?1 WHERE clock < ?1")?.execute([clock]).map(drop)
}

/// Notes which revision a change gave out: what is deregistered takes none back.
pub(super) fn write_revision(connection: &Connection, edit: &Edit) -> rusqlite::Result<()> {
    let Some(revision) = edit.revision() else { return Ok(()) };
    let mut update = connection.prepare_cached("UPDATE high SET revision = ?1 WHERE revision < ?1")?;
    update.execute([revision]).map(drop)
}

/// Notes that a zone is known.
pub(super) fn confirm(connection: &Connection, zone: &Name) -> rusqlite::Result<()> {
    let text = zone.to_string().to_ascii_lowercase();
    connection.execute("INSERT OR IGNORE INTO confirmed VALUES (?1)", [text]).map(drop)
}

/// Everything, as of one moment.
pub(super) fn read_all(connection: &Connection) -> rusqlite::Result<Contents> {
    let transaction = connection.unchecked_transaction()?;
    let mut services = transaction.prepare("SELECT * FROM service")?;
    let services = services.query_map([], service)?;
    let mut instances = transaction.prepare("SELECT * FROM instance")?;
    let instances = instances.query_map([], instance)?;
    let edits = services.chain(instances).collect::<rusqlite::Result<_>>()?;
    let high = |row: &Row<'_>| Ok((row.get("clock")?, row.get("revision")?));
    let (clock, revision) = transaction.query_row("SELECT * FROM high", [], high)?;
    let mut zones = transaction.prepare("SELECT zone FROM confirmed")?;
    let confirmed = zones.query_map([], |row| parsed(row, "zone"))?.collect::<rusqlite::Result<BTreeSet<_>>>()?;
    let ended = journal::ended(&transaction, clock)?;
    Ok(Contents { edits, revision, clock, confirmed, ended, health: health::read_all(&transaction)? })
}

fn service(row: &Row<'_>) -> rusqlite::Result<Edit> {
    let settings =
        Settings { ttl: row.get("ttl")?, shards: from_json(row, "shards")?, metadata: from_json(row, "metadata")? };
    let after = Configured { settings, revision: row.get("revision")? };
    Ok(Edit::Service { service: service_key(row)?, before: None, after: Some(Arc::new(after)) })
}

fn instance(row: &Row<'_>) -> rusqlite::Result<Edit> {
    let offer = Offer {
        host: parsed(row, "host")?,
        port: row.get("port")?,
        priority: row.get("priority")?,
        weight: row.get("weight")?,
        addresses: from_json(row, "addresses")?,
        metadata: from_json(row, "metadata")?,
        lease: row.get("lease")?,
    };
    let after = Registration {
        offer,
        revision: row.get("revision")?,
        by: row.get::<_, String>("changed_by")?.into(),
        created: row.get("created")?,
        updated: row.get("updated")?,
        due: row.get("due")?,
    };
    let (service, id) = (service_key(row)?, from_text(row, "id", |text| InstanceId::try_from(text.to_owned()))?);
    Ok(Edit::Instance { service, id, before: None, after: Some(Arc::new(after)) })
}

/// How a service is called in the database. Names that DNS takes for the same are the same.
pub(super) fn key(service: &ServiceKey) -> String {
    service.to_string().to_ascii_lowercase()
}

fn service_key(row: &Row<'_>) -> rusqlite::Result<ServiceKey> {
    let name: Name = parsed(row, "service")?;
    ServiceKey::of_owner_name(&name).ok_or_else(|| unreadable(format!("`{name}` is no service's name")))
}

pub(super) fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

pub(super) fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    from_text(row, column, |text| serde_json::from_str(text))
}

pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    from_text(row, column, str::parse)
}

fn from_text<T, E: fmt::Display>(
    row: &Row<'_>,
    column: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    read(&text).map_err(|error| unreadable(format!("`{text}` in column {column}: {error}")))
}

pub(super) fn unreadable(why: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, why.into())
}
