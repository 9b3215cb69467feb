//! The SQL.

use std::collections::HashMap;

use bytes::Bytes;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row as _};

use crate::commit::Plan;
use crate::{Companion, Entry, Event, Revision};

pub async fn latest(pool: &PgPool) -> Result<Revision, sqlx::Error> {
    let revision: i64 = sqlx::query_scalar("SELECT revision FROM orch_head").fetch_one(pool).await?;
    Ok(revision as Revision)
}

/// Begins a transaction, and waits until no other host is within one of its own.
pub async fn begin(db: &mut PgConnection) -> Result<Revision, sqlx::Error> {
    let row = sqlx::raw_sql("BEGIN; SELECT revision FROM orch_head FOR UPDATE").fetch_one(db).await?;
    revision(&row, 0)
}

/// The current revisions of those keys that have an object.
pub async fn revisions(
    db: &mut PgConnection,
    keys: &[&str],
) -> Result<HashMap<String, Revision>, sqlx::Error> {
    const SQL: &str = "SELECT key, revision FROM orch_objects WHERE key = ANY($1)";
    let rows = sqlx::query(SQL).bind(keys).fetch_all(db).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, revision(row, 1)?))).collect()
}

pub async fn values(
    db: &mut PgConnection,
    revisions: &[Revision],
) -> Result<HashMap<Revision, Bytes>, sqlx::Error> {
    const SQL: &str = "SELECT revision, value FROM orch_log WHERE revision = ANY($1)";
    if revisions.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted: Vec<i64> = revisions.iter().map(|revision| *revision as i64).collect();
    let rows = sqlx::query(SQL).bind(wanted).fetch_all(db).await?;
    rows.iter().map(|row| Ok((revision(row, 0)?, bytes(row, 1)?))).collect()
}

/// Appends the rows, points the objects at them, moves the head and tells the other hosts.
pub async fn write(db: &mut PgConnection, plan: &Plan, channel: &str) -> Result<(), sqlx::Error> {
    const SQL: &str = "
        WITH appended AS (
            INSERT INTO orch_log (revision, previous, deleted, key, value)
            SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::text[], $5::bytea[])
        ), pointed AS (
            INSERT INTO orch_objects (key, revision) SELECT * FROM unnest($6::text[], $7::bigint[])
            ON CONFLICT (key) DO UPDATE SET revision = excluded.revision
        ), removed AS (
            DELETE FROM orch_objects WHERE key = ANY($8::text[])
        ), moved AS (
            UPDATE orch_head SET revision = $9
        )
        SELECT pg_notify($10, $9::text)";
    let column = |of: fn(&crate::commit::Row) -> Revision| -> Vec<i64> {
        plan.rows.iter().map(|row| of(row) as i64).collect()
    };
    let changed = plan.changed();
    let (pointed, moved): (Vec<&str>, Vec<i64>) =
        changed.iter().filter_map(|(key, revision)| Some((*key, (*revision)? as i64))).unzip();
    let removed: Vec<&str> =
        changed.iter().filter(|(_, revision)| revision.is_none()).map(|(key, _)| *key).collect();
    sqlx::query(SQL)
        .bind(column(|row| row.event.revision))
        .bind(column(|row| row.previous))
        .bind(plan.rows.iter().map(|row| row.event.deleted).collect::<Vec<_>>())
        .bind(plan.rows.iter().map(|row| row.event.key.as_str()).collect::<Vec<_>>())
        .bind(plan.rows.iter().map(|row| &row.event.value[..]).collect::<Vec<_>>())
        .bind(pointed)
        .bind(moved)
        .bind(removed)
        .bind(plan.last() as i64)
        .bind(channel)
        .execute(db)
        .await?;
    Ok(())
}

pub async fn snapshot(pool: &PgPool) -> Result<(Revision, Vec<Entry>), sqlx::Error> {
    const SQL: &str = "SELECT o.key, o.revision, l.value
        FROM orch_objects o LEFT JOIN orch_log l ON l.revision = o.revision ORDER BY o.key";
    let mut db = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    let head = sqlx::query("SELECT revision FROM orch_head").fetch_one(&mut *db).await?;
    let rows = sqlx::query(SQL).fetch_all(&mut *db).await?;
    db.commit().await?;
    let entry =
        |row: &PgRow| Ok(Entry { key: row.try_get(0)?, revision: revision(row, 1)?, value: bytes(row, 2)? });
    let entries = rows.iter().map(entry).collect::<Result<_, sqlx::Error>>()?;
    Ok((revision(&head, 0)?, entries))
}

/// Where the log begins, and its events after a revision, as of one moment.
pub async fn history(
    pool: &PgPool,
    after: Revision,
    limit: usize,
) -> Result<(Revision, Vec<Event>), sqlx::Error> {
    const SQL: &str = "SELECT f.revision, l.key, l.revision, l.deleted, l.value
        FROM orch_floor f LEFT JOIN LATERAL (
            SELECT key, revision, deleted, value FROM orch_log
            WHERE orch_log.revision > $1 ORDER BY orch_log.revision LIMIT $2
        ) l ON true ORDER BY l.revision";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = sqlx::query(SQL).bind(after as i64).bind(limit).fetch_all(pool).await?;
    let floor = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let found = |row: &&PgRow| row.try_get::<Option<i64>, _>(2).is_ok_and(|revision| revision.is_some());
    let event = |row: &PgRow| {
        Ok(Event {
            key: row.try_get(1)?,
            revision: revision(row, 2)?,
            deleted: row.try_get(3)?,
            value: bytes(row, 4)?,
            companion: Companion::default(),
        })
    };
    let events = rows.iter().filter(found).map(event).collect::<Result<_, sqlx::Error>>()?;
    Ok((revision(floor, 0)?, events))
}

/// Forgets one step of history towards a revision; returns where the log begins now.
pub async fn forget(pool: &PgPool, goal: Revision, step: Revision) -> Result<Revision, sqlx::Error> {
    const SUPERSEDED: &str = "DELETE FROM orch_log WHERE revision IN
        (SELECT previous FROM orch_log WHERE revision > $1 AND revision <= $2)";
    const DELETIONS: &str = "DELETE FROM orch_log WHERE revision > $1 AND revision <= $2 AND deleted";
    let mut db = pool.begin().await?;
    // What is forgotten may come back after a crash; nobody needs to wait for the disk.
    sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut *db).await?;
    let locked = sqlx::query("SELECT revision FROM orch_floor FOR UPDATE").fetch_one(&mut *db).await?;
    let from = revision(&locked, 0)?;
    let to = goal.min(from + step);
    if to <= from {
        return Ok(from);
    }
    for sql in [SUPERSEDED, DELETIONS] {
        sqlx::query(sql).bind(from as i64).bind(to as i64).execute(&mut *db).await?;
    }
    sqlx::query("UPDATE orch_floor SET revision = $1").bind(to as i64).execute(&mut *db).await?;
    db.commit().await?;
    Ok(to)
}

fn revision(row: &PgRow, column: usize) -> Result<Revision, sqlx::Error> {
    Ok(row.try_get::<i64, _>(column)? as Revision)
}

fn bytes(row: &PgRow, column: usize) -> Result<Bytes, sqlx::Error> {
    Ok(Bytes::copy_from_slice(row.try_get(column)?))
}
