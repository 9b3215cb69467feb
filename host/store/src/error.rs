use std::path::PathBuf;
use std::sync::Arc;

use crate::StoreError;

/// Why a store cannot be opened, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "the data file {path} is in use by another process: stop that one (`orch down`), or choose another --data-dir"
    )]
    InUse { path: PathBuf },
    #[error(
        "the data file {path} is damaged or is no SQLite database ({source}): restore it from a backup, or move it away to begin with an empty cluster"
    )]
    Corrupt {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error("the data file {path} belongs to another program: choose another --data-dir")]
    Foreign { path: PathBuf },
    #[error(
        "{place} was written by a newer version (schema {found}; this one knows {known}): use that version"
    )]
    Newer { place: String, found: i64, known: i64 },
    #[error("cannot create the folder {path}: {source}")]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "--store {given} is not understood: {reason}; use `sqlite`, a path, or postgres://USER@HOST:PORT/DATABASE"
    )]
    Address { given: String, reason: String },
    #[error(
        "cannot reach Postgres at {url} ({source}): check that the server runs and listens there, and that user, password and database are right"
    )]
    Unreachable {
        url: String,
        #[source]
        source: sqlx::Error,
    },
    #[error("cannot prepare {place}: {source}")]
    Prepare {
        place: String,
        #[source]
        source: sqlx::Error,
    },
}

/// Why a call failed; shared by all that were in one transaction.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Cause {
    #[error("the disk that holds {0} is full: free some space")]
    DiskFull(String),
    #[error("{0}")]
    Database(Arc<sqlx::Error>),
    #[error("the database did not answer in time")]
    Timeout,
    #[error("the store is closed")]
    Closed,
}

impl From<sqlx::Error> for Cause {
    fn from(error: sqlx::Error) -> Self {
        Cause::Database(Arc::new(error))
    }
}

impl Cause {
    pub fn stops(self, what: &'static str) -> StoreError {
        StoreError::Unavailable { what, source: Box::new(self) }
    }
}

/// SQLite's primary result code.
pub(crate) fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
