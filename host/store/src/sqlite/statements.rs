//! The SQL of the writer. Rows travel in groups of fixed sizes, so that every statement's text is
//! one of a few, is prepared once and costs one hand-over to SQLite's thread.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, Sqlite};

use crate::commit::{Plan, Row};
use crate::{Entry, Event, Revision};

/// Largest first; ends with 1.
const SIZES: [usize; 3] = [64, 8, 1];

type Query = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// One statement in each of [`SIZES`].
struct Grouped([Arc<str>; SIZES.len()]);

impl Grouped {
    /// `…(row), (row)…`, as often as the group is large.
    fn new(before: &str, row: &str, after: &str) -> Self {
        Grouped(SIZES.map(|size| format!("{before}{}{after}", vec![row; size].join(",")).into()))
    }

    /// Cuts the items into groups and pairs each with its statement.
    fn cut<'a, T>(&self, mut items: &'a [T]) -> Vec<(Query, &'a [T])> {
        let mut cut = Vec::new();
        for (size, sql) in SIZES.into_iter().zip(&self.0) {
            while items.len() >= size {
                let (group, rest) = items.split_at(size);
                cut.push((sqlx::query(AssertSqlSafe(sql.clone())), group));
                items = rest;
            }
        }
        cut
    }
}

pub struct Statements {
    revisions: Grouped,
    values: Grouped,
    append: Grouped,
    point: Grouped,
    remove: Grouped,
}

impl Statements {
    pub fn new() -> Self {
        Statements {
            revisions: Grouped::new("SELECT key, revision FROM objects WHERE key IN (", "?", ")"),
            values: Grouped::new("SELECT revision, value FROM log WHERE revision IN (", "?", ")"),
            append: Grouped::new(
                "INSERT INTO log (revision, previous, deleted, key, value) VALUES ",
                "(?,?,?,?,?)",
                "",
            ),
            point: Grouped::new(
                "INSERT INTO objects (key, revision) VALUES ",
                "(?,?)",
                " ON CONFLICT (key) DO UPDATE SET revision = excluded.revision",
            ),
            remove: Grouped::new("DELETE FROM objects WHERE key IN (", "?", ")"),
        }
    }

    /// The current revisions of those keys that have an object.
    pub async fn revisions(
        &self,
        db: &mut SqliteConnection,
        keys: &[&str],
    ) -> Result<HashMap<String, Revision>, sqlx::Error> {
        let mut found = HashMap::with_capacity(keys.len());
        for (query, keys) in self.revisions.cut(keys) {
            let query = keys.iter().fold(query, |query, key| query.bind(key.to_string()));
            for row in query.fetch_all(&mut *db).await? {
                found.insert(row.try_get(0)?, revision(&row, 1)?);
            }
        }
        Ok(found)
    }

    pub async fn values(
        &self,
        db: &mut SqliteConnection,
        revisions: &[Revision],
    ) -> Result<HashMap<Revision, Bytes>, sqlx::Error> {
        let mut found = HashMap::new();
        for (query, revisions) in self.values.cut(revisions) {
            let query = revisions.iter().fold(query, |query, revision| query.bind(*revision as i64));
            for row in query.fetch_all(&mut *db).await? {
                found.insert(revision(&row, 0)?, bytes(&row, 1)?);
            }
        }
        Ok(found)
    }

    /// Appends the rows and points the objects at them.
    pub async fn write(&self, db: &mut SqliteConnection, plan: &Plan) -> Result<(), sqlx::Error> {
        for (query, rows) in self.append.cut(&plan.rows) {
            rows.iter().fold(query, bind_row).execute(&mut *db).await?;
        }
        let mut put = Vec::with_capacity(plan.rows.len());
        let mut removed = Vec::new();
        for (key, revision) in plan.changed() {
            match revision {
                Some(revision) => put.push((key, revision)),
                None => removed.push(key),
            }
        }
        for (query, put) in self.point.cut(&put) {
            let bind = |query: Query, (key, revision): &(&str, Revision)| {
                query.bind(key.to_string()).bind(*revision as i64)
            };
            put.iter().fold(query, bind).execute(&mut *db).await?;
        }
        for (query, keys) in self.remove.cut(&removed) {
            keys.iter().fold(query, |query, key| query.bind(key.to_string())).execute(&mut *db).await?;
        }
        Ok(())
    }
}

fn bind_row(query: Query, row: &Row) -> Query {
    query
        .bind(row.event.revision as i64)
        .bind(row.previous as i64)
        .bind(row.event.deleted)
        .bind(row.event.key.clone())
        .bind(row.event.value.to_vec())
}

pub async fn snapshot(db: &mut SqliteConnection) -> Result<Vec<Entry>, sqlx::Error> {
    const SQL: &str = "SELECT o.key, o.revision, l.value
        FROM objects o LEFT JOIN log l ON l.revision = o.revision ORDER BY o.key";
    let entry =
        |row: SqliteRow| Ok(Entry { key: row.try_get(0)?, revision: revision(&row, 1)?, value: bytes(&row, 2)? });
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
