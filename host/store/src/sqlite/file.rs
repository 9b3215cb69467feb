//! Opening the data file, and what can be wrong with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteLockingMode,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

use crate::error::sqlite_code;
use crate::{OpenError, Revision};

/// "orch" in ASCII: tells our files from those of other programs.
const APPLICATION: i64 = 0x6f72_6368;
const SCHEMA_VERSION: i64 = 1;

/// `log` holds every value once; `objects` points at the current ones. A row of the log outlives
/// compaction while an object points at it.
const SCHEMA: &str = "
    BEGIN;
    CREATE TABLE log (
        revision INTEGER PRIMARY KEY,
        previous INTEGER NOT NULL,
        deleted INTEGER NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL
    );
    CREATE TABLE objects (key TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE floor (revision INTEGER NOT NULL);
    INSERT INTO floor VALUES (0);
    PRAGMA application_id = 1869767528;
    PRAGMA user_version = 1;
    COMMIT;
";

/// The open data file.
pub struct File {
    pub db: SqliteConnection,
    pub path: PathBuf,
    pub head: Revision,
    /// The log begins after this revision.
    pub floor: Revision,
}

pub async fn open(path: &Path) -> Result<File, OpenError> {
    let explain = |error| explain(path, error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|source| OpenError::Folder { path: folder.to_path_buf(), source })?;
    }
    let mut db = connect_options(path).connect().await.map_err(explain)?;
    prepare(&mut db, path).await?;
    let (head, floor) = bounds(&mut db).await.map_err(explain)?;
    Ok(File { db, path: path.to_path_buf(), head, floor })
}

fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .locking_mode(SqliteLockingMode::Exclusive)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        // A predecessor may still be closing.
        .busy_timeout(Duration::from_secs(2))
        .statement_cache_capacity(64)
        // KiB: the watch cache answers reads, so this serves the trees' inner pages only.
        .pragma("cache_size", "-4096")
        // Three objects of 2 KiB share a page; with 4 KiB each would waste half of one.
        .page_size(8192)
        // Pages.
        .pragma("wal_autocheckpoint", "2000")
        .pragma("journal_size_limit", "16777216")
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}

async fn prepare(db: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let explain = |error| explain(path, error);
    let application: i64 =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *db).await.map_err(explain)?;
    let version: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *db).await.map_err(explain)?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut *db)
        .await
        .map_err(explain)?;
    match (application, version) {
        (0, 0) if tables == 0 => {
            sqlx::raw_sql(SCHEMA).execute(&mut *db).await.map_err(explain)?;
            Ok(())
        }
        (APPLICATION, SCHEMA_VERSION) => Ok(()),
        (APPLICATION, found) => {
            Err(OpenError::Newer { place: path.display().to_string(), found, known: SCHEMA_VERSION })
        }
        _ => Err(OpenError::Foreign { path: path.to_path_buf() }),
    }
}

async fn bounds(db: &mut SqliteConnection) -> Result<(Revision, Revision), sqlx::Error> {
    let (floor, last): (i64, i64) =
        sqlx::query_as("SELECT revision, (SELECT coalesce(max(revision), 0) FROM log) FROM floor")
            .fetch_one(db)
            .await?;
    Ok((floor.max(last) as Revision, floor as Revision))
}

fn explain(path: &Path, source: sqlx::Error) -> OpenError {
    const BUSY: u32 = 5;
    const CORRUPT: u32 = 11;
    const NOT_A_DATABASE: u32 = 26;
    let path = path.to_path_buf();
    match sqlite_code(&source) {
        Some(BUSY) => OpenError::InUse { path },
        Some(CORRUPT | NOT_A_DATABASE) => OpenError::Corrupt { path, source },
        _ => OpenError::Prepare { place: format!("the data file {}", path.display()), source },
    }
}

/// Folds the write-ahead log into the file and removes it.
pub async fn close(db: SqliteConnection) {
    if let Err(error) = db.close().await {
        // Nothing is lost: the next start reads the write-ahead log.
        tracing::warn!(%error, "the data file was not closed cleanly");
    }
}
