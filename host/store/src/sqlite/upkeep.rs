//! Forgetting old history and giving the room back, in small steps between commits.

use std::path::{Path, PathBuf};

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use crate::retention::Retention;
use crate::{Options, Revision};

/// Revisions forgotten in one step: more than a group of writes adds, so that it keeps pace.
const REVISIONS: u64 = 1024;
/// Pages given back in one step.
const PAGES: i64 = 256;
/// A write-ahead log longer than this is cut when there is time.
const LONG_WAL: u64 = 8 << 20;

pub struct Upkeep {
    wal: PathBuf,
    retention: Retention,
    /// The log begins after this revision.
    pub floor: Revision,
    /// The log is to begin after this revision.
    goal: Revision,
    shrinking: bool,
    /// A step failed (the disk is full, say): nothing more until the next look.
    paused: bool,
}

impl Upkeep {
    pub fn new(path: &Path, options: Options, head: Revision, floor: Revision) -> Self {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        let retention = Retention::new(options, head);
        Upkeep { wal: wal.into(), retention, floor, goal: floor, shrinking: false, paused: false }
    }

    pub fn wrote(&mut self, head: Revision, bytes: u64) {
        self.retention.wrote(head, bytes);
        self.set_goal(head);
    }

    /// Takes stock, now and then.
    pub async fn look(&mut self, db: &mut SqliteConnection, head: Revision) {
        self.paused = false;
        self.retention.observe(head);
        self.set_goal(head);
        if let Err(error) = self.measure(db).await {
            tracing::warn!(%error, "the data file's size could not be looked at");
        }
    }

    pub fn is_due(&self) -> bool {
        !self.paused && (self.goal > self.floor || self.shrinking)
    }

    /// Does the next bit of what is due.
    pub async fn step(&mut self, db: &mut SqliteConnection) {
        if !self.is_due() {
            return;
        }
        let done =
            if self.goal > self.floor { self.forget(db, self.goal).await } else { self.shrink(db).await };
        if let Err(error) = done {
            tracing::warn!(%error, "the data file could not be compacted; trying again later");
            self.paused = true;
        }
    }

    /// Forgets history up to and including this revision, all of it at once.
    pub async fn compact(&mut self, db: &mut SqliteConnection, up_to: Revision) -> Result<(), sqlx::Error> {
        while self.floor < up_to {
            self.forget(db, up_to).await?;
        }
        self.shrinking = true;
        Ok(())
    }

    fn set_goal(&mut self, head: Revision) {
        if let Some(expired) = self.retention.expired(head) {
            self.goal = self.goal.max(expired.min(head));
        }
    }

    /// One step: superseded versions and deletions go, what objects point at stays.
    async fn forget(&mut self, db: &mut SqliteConnection, goal: Revision) -> Result<(), sqlx::Error> {
        let (from, to) = (self.floor, goal.min(self.floor + REVISIONS));
        // It need not be durable by itself: the next commit's fsync covers it.
        let sql = format!(
            "PRAGMA synchronous = NORMAL; BEGIN;
             DELETE FROM log WHERE revision IN
               (SELECT previous FROM log WHERE revision > {from} AND revision <= {to});
             DELETE FROM log WHERE revision > {from} AND revision <= {to} AND deleted;
             UPDATE floor SET revision = {to};
             COMMIT; PRAGMA synchronous = FULL;"
        );
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *db).await {
            // It fails when the error has ended the transaction already.
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *db).await;
            sqlx::raw_sql("PRAGMA synchronous = FULL").execute(&mut *db).await?;
            return Err(error);
        }
        self.floor = to;
        Ok(())
    }

    /// One step of giving free pages back to the file system.
    async fn shrink(&mut self, db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let (pages, free) = pages(db).await?;
        // Some are left for the next writes.
        if free <= pages / 16 + PAGES {
            self.shrinking = false;
            return self.cut_wal(db).await;
        }
        sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA incremental_vacuum({PAGES})"))).execute(db).await?;
        Ok(())
    }

    async fn measure(&mut self, db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let (pages, free) = pages(db).await?;
        if free > pages / 4 + 2 * PAGES {
            self.shrinking = true;
        }
        self.cut_wal(db).await
    }

    async fn cut_wal(&mut self, db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        if std::fs::metadata(&self.wal).is_ok_and(|wal| wal.len() > LONG_WAL) {
            sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(db).await?;
        }
        Ok(())
    }
}

/// How many pages the file has, and how many of them are free.
async fn pages(db: &mut SqliteConnection) -> Result<(i64, i64), sqlx::Error> {
    let pages = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *db).await?;
    let free = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(db).await?;
    Ok((pages, free))
}
