//! The tables, and how those of an older version become those of this one.

use std::path::Path;

use rusqlite::Connection;

use super::error::StoreError;

/// `srvc`: tells our databases from everybody else's.
const APPLICATION_ID: i64 = 0x7372_7663;

/// What makes version n + 1 from version n. Only ever added to: databases in the field have run the first ones.
const MIGRATIONS: [&str; VERSION as usize] = [
    "
    CREATE TABLE service (
        service TEXT PRIMARY KEY,    -- owner name
        ttl INTEGER,
        shards TEXT NOT NULL,        -- JSON
        metadata TEXT NOT NULL,      -- JSON
        revision INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE instance (
        service TEXT NOT NULL,       -- owner name
        id TEXT NOT NULL,
        host TEXT NOT NULL,
        port INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        weight INTEGER NOT NULL,
        addresses TEXT NOT NULL,     -- JSON
        metadata TEXT NOT NULL,      -- JSON
        lease INTEGER,               -- seconds
        due INTEGER,                 -- on the service clock
        revision INTEGER NOT NULL,
        changed_by TEXT NOT NULL,
        created INTEGER NOT NULL,    -- seconds since 1970
        updated INTEGER NOT NULL,
        PRIMARY KEY (service, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE journal (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        clock INTEGER NOT NULL,
        changed_by TEXT NOT NULL,
        action TEXT NOT NULL,
        service TEXT NOT NULL,
        id TEXT,
        before TEXT,                 -- JSON
        after TEXT                   -- JSON
    ) STRICT;
    CREATE INDEX journal_of_service ON journal (service, sequence);
    CREATE TABLE confirmed (zone TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE high (             -- what only grows
        only INTEGER PRIMARY KEY CHECK (only = 1),
        clock INTEGER NOT NULL,     -- seconds of service
        revision INTEGER NOT NULL
    ) STRICT;
    INSERT INTO high VALUES (1, 0, 0);
",
    "
    CREATE TABLE health (           -- how an instance was
        service TEXT NOT NULL,      -- owner name
        id TEXT NOT NULL,           -- host:port
        condition TEXT NOT NULL,
        since INTEGER,              -- milliseconds since 1970
        reason TEXT NOT NULL,
        changes TEXT NOT NULL,      -- JSON
        damped INTEGER NOT NULL,
        publication TEXT NOT NULL,  -- JSON
        PRIMARY KEY (service, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE transition (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,        -- milliseconds since 1970
        service TEXT NOT NULL,
        id TEXT NOT NULL,
        before TEXT NOT NULL,
        after TEXT NOT NULL,
        reason TEXT NOT NULL,
        latency INTEGER             -- milliseconds
    ) STRICT;
    CREATE INDEX transition_of_service ON transition (service, sequence);
    CREATE TABLE maintenance (
        kind TEXT NOT NULL,         -- host, service
        name TEXT NOT NULL,
        until INTEGER NOT NULL,     -- seconds since 1970
        why TEXT NOT NULL,
        set_by TEXT NOT NULL,
        PRIMARY KEY (kind, name)
    ) STRICT, WITHOUT ROWID;
",
];

/// The version that this srvctl writes.
pub(super) const VERSION: u32 = 2;
/// The first version that knows of health. An older one may be read, by a command beside or without a daemon.
pub(super) const WITH_HEALTH: u32 = 2;

/// The tables of version 1, marked as such.
#[cfg(test)]
pub(super) fn first() -> String {
    format!("{}PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;", MIGRATIONS[0])
}

/// Makes what is not there yet. What a newer srvctl made stays as it is.
pub(super) fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    // Durable means on the disk: with a write-ahead log and FULL, each commit is one write and one sync.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    if is_of_somebody_else(connection)? {
        return Ok(()); // `check_version` says so
    }
    let version = version(connection)?;
    let Some(missing) = MIGRATIONS.get(version as usize..) else { return Ok(()) };
    for (migration, version) in missing.iter().zip(version + 1..) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Whether there is something in it, and not by us.
fn is_of_somebody_else(connection: &Connection) -> rusqlite::Result<bool> {
    let ours = connection.pragma_query_value(None, "application_id", |row| row.get::<_, i64>(0))? == APPLICATION_ID;
    let things: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    Ok(!ours && things > 0)
}

/// Whether the database is one of ours, whole, and of a version that we know. Reads all of it.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    check_version(connection, path)?;
    let found = connection.pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0));
    match found.map_err(|error| StoreError::of(path, error))? {
        found if found == "ok" => Ok(()),
        why => Err(StoreError::Damaged { path: path.to_owned(), why }),
    }
}

/// Whether the database is one of ours, and of a version that we know.
pub(super) fn check_version(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let failed = |error| StoreError::of(path, error);
    let damaged = |why: String| StoreError::Damaged { path: path.to_owned(), why };
    if number("application_id").map_err(failed)? != APPLICATION_ID {
        return Err(damaged("it is the database of another program".to_owned()));
    }
    let version = version(connection).map_err(failed)?;
    if version > VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), version, known: VERSION });
    }
    Ok(())
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
