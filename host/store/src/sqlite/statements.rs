//! The SQL of the writer.
//!
//! Each hand-over to SQLite's thread and back costs more than a statement, so a group of writes
//! takes two: one text begins and reads, one writes and commits. Texts come in a few sizes, so
//! that each is prepared once; room left over is filled with NULLs, which select nothing.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, Sqlite};

use crate::commit::{Plan, Row};
use crate::queue::GROUP;
use crate::{Companion, Entry, Event, Revision};

const SIZES: [usize; 5] = [1, 4, 16, 64, GROUP];

type Query = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

pub struct Statements {
    begin: [Arc<str>; SIZES.len()],
    commit: [Arc<str>; SIZES.len()],
}

impl Statements {
    pub fn new() -> Self {
        Statements {
            begin: SIZES.map(|size| begin(size).into()),
            commit: SIZES.map(|size| commit(size).into()),
        }
    }

    /// Begins a transaction and reads the current revisions of those keys that have an object.
    pub async fn begin(
        &self,
        db: &mut SqliteConnection,
        keys: &[&str],
    ) -> Result<HashMap<String, Revision>, sqlx::Error> {
        let (query, room) = fitting(&self.begin, keys.len());
        let query = keys.iter().fold(query, |query, key| query.bind(key.to_string()));
        let rows = fill(query, room - keys.len()).fetch_all(db).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, revision(row, 1)?))).collect()
    }

    /// Appends the rows, points the objects at them, and commits.
    pub async fn commit(&self, db: &mut SqliteConnection, plan: &Plan) -> Result<(), sqlx::Error> {
        const APPENDED: usize = 5;
        let (mut query, room) = fitting(&self.commit, plan.rows.len());
        query = plan.rows.iter().fold(query, bind_row);
        query = fill(query, APPENDED * (room - plan.rows.len()));
        let (mut pointed, mut removed) = (0, Vec::new());
        for (key, revision) in plan.changed() {
            match revision {
                Some(revision) => {
                    query = query.bind(key.to_string()).bind(revision as i64);
                    pointed += 1;
                }
                None => removed.push(key),
            }
        }
        query = fill(query, 2 * (room - pointed));
        query = removed.iter().fold(query, |query, key| query.bind(key.to_string()));
        fill(query, room - removed.len()).execute(db).await?;
        Ok(())
    }
}

fn begin(size: usize) -> String {
    format!("BEGIN IMMEDIATE; SELECT key, revision FROM objects WHERE key IN ({})", list("?", size))
}

fn commit(size: usize) -> String {
    format!(
        "INSERT INTO log (revision, previous, deleted, key, value)
           SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL;
         INSERT INTO objects (key, revision)
           SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL
           ON CONFLICT (key) DO UPDATE SET revision = excluded.revision;
         DELETE FROM objects WHERE key IN ({});
         COMMIT",
        list("(?,?,?,?,?)", size),
        list("(?,?)", size),
        list("?", size),
    )
}

fn list(item: &str, size: usize) -> String {
    vec![item; size].join(",")
}

/// The smallest text with room for so many, and its room.
fn fitting(texts: &[Arc<str>; SIZES.len()], count: usize) -> (Query, usize) {
    let at = SIZES.iter().position(|size| *size >= count).expect("a group is at most GROUP writes");
    (sqlx::query(AssertSqlSafe(texts[at].clone())), SIZES[at])
}

fn fill(query: Query, count: usize) -> Query {
    (0..count).fold(query, |query, _| query.bind(None::<i64>))
}

fn bind_row(query: Query, row: &Row) -> Query {
    query
        .bind(row.event.revision as i64)
        .bind(row.previous as i64)
        .bind(row.event.deleted)
        .bind(row.event.key.clone())
        .bind(row.event.value.to_vec())
}

/// The values of these revisions, as far as they are still in the log.
pub async fn values(
    db: &mut SqliteConnection,
    revisions: &[Revision],
) -> Result<HashMap<Revision, Bytes>, sqlx::Error> {
    let mut found = HashMap::new();
    for wanted in revisions {
        let query = sqlx::query("SELECT value FROM log WHERE revision = ?").bind(*wanted as i64);
        if let Some(row) = query.fetch_optional(&mut *db).await? {
            found.insert(*wanted, bytes(&row, 0)?);
        }
    }
    Ok(found)
}

pub async fn snapshot(db: &mut SqliteConnection) -> Result<Vec<Entry>, sqlx::Error> {
    const SQL: &str = "SELECT o.key, o.revision, l.value
        FROM objects o LEFT JOIN log l ON l.revision = o.revision ORDER BY o.key";
    let entry = |row: SqliteRow| {
        Ok(Entry { key: row.try_get(0)?, revision: revision(&row, 1)?, value: bytes(&row, 2)? })
    };
    sqlx::query(SQL).fetch(db).map_ok(entry).try_collect::<Vec<_>>().await?.into_iter().collect()
}

pub async fn history(
    db: &mut SqliteConnection,
    after: Revision,
    limit: usize,
) -> Result<Vec<Event>, sqlx::Error> {
    const SQL: &str =
        "SELECT key, revision, deleted, value FROM log WHERE revision > ? ORDER BY revision LIMIT ?";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = sqlx::query(SQL).bind(after as i64).bind(limit).fetch_all(db).await?;
    let event = |row: &SqliteRow| {
        Ok(Event {
            key: row.try_get(0)?,
            revision: revision(row, 1)?,
            deleted: row.try_get(2)?,
            value: bytes(row, 3)?,
            companion: Companion::default(),
        })
    };
    rows.iter().map(event).collect()
}

fn revision(row: &SqliteRow, column: usize) -> Result<Revision, sqlx::Error> {
    Ok(row.try_get::<i64, _>(column)? as Revision)
}

fn bytes(row: &SqliteRow, column: usize) -> Result<Bytes, sqlx::Error> {
    Ok(Bytes::copy_from_slice(row.try_get(column)?))
}
