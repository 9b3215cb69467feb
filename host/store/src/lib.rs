//! An append-only revision log with the current state beside it, in SQL. Knows nothing of kinds.
//!
//! A revision is assigned inside the transaction that makes it visible: commit order is revision
//! order, so a reader of the log never sees a gap that is filled later.

mod commit;
mod error;
mod open;
mod postgres;
mod queue;
mod recent;
mod retention;
mod sqlite;

pub use error::OpenError;
pub use open::{Options, open};
pub use postgres::Postgres;
pub use sqlite::Sqlite;

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

pub type Revision = u64;

/// JSON bytes with a hole for the revision that the commit will assign: stored as
/// `head` + the revision in decimal + `tail`, so that the bytes stored are the bytes clients get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    pub head: Bytes,
    pub tail: Bytes,
}

/// What must be true of the key for the write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// No current object.
    Absent,
    /// The current object was written at this revision.
    Revision(Revision),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Put(Stamped),
    /// The object's last state, stamped with the revision of its deletion; watchers receive it.
    Delete(Stamped),
}

/// One compare-and-swap. Keys are `/`-separated paths chosen by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub key: String,
    pub expect: Expect,
    pub change: Change,
    pub companion: Companion,
}

impl Write {
    pub fn new(key: impl Into<String>, expect: Expect, change: Change) -> Self {
        Write { key: key.into(), expect, change, companion: Companion::default() }
    }

    pub fn with(self, companion: Companion) -> Self {
        Write { companion, ..self }
    }
}

/// What a writer knows of a value beside its bytes. It goes with the event to those who follow the log in
/// this process, while the event is in memory; it is not stored, and equal to any other.
#[derive(Clone, Default)]
pub struct Companion(Option<Arc<dyn Any + Send + Sync>>);

impl Companion {
    pub fn new<T: Any + Send + Sync>(known: Arc<T>) -> Self {
        Companion(Some(known))
    }

    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.as_ref()?.downcast_ref()
    }
}

impl PartialEq for Companion {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Companion {}

impl std::fmt::Debug for Companion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Companion" } else { "None" })
    }
}

/// A current object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub revision: Revision,
    pub value: Bytes,
}

/// A committed change, from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub key: String,
    pub revision: Revision,
    pub deleted: bool,
    /// The new object, or the deleted one's last state.
    pub value: Bytes,
    /// Its write's.
    pub companion: Companion,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The expectation did not hold; the current entry, if any.
    #[error("conflict on {key}")]
    Conflict { key: String, current: Option<Entry> },
    /// The log no longer reaches back that far.
    #[error("revision {asked} is compacted; the log begins after {oldest}")]
    Compacted { asked: Revision, oldest: Revision },
    /// The disk is full, the database is gone, …; nothing was acknowledged.
    #[error("the store cannot {what}: {source}")]
    Unavailable {
        what: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Durable when it returns. Concurrent calls share one transaction (group commit); each is
    /// judged on its own.
    async fn commit(&self, write: Write) -> Result<Entry, StoreError>;
    /// Every current object, and the revision they are true at.
    async fn snapshot(&self) -> Result<(Revision, Vec<Entry>), StoreError>;
    /// The log after a revision, in order, at most `limit` events.
    async fn history(&self, after: Revision, limit: usize) -> Result<Vec<Event>, StoreError>;
    /// The latest committed revision, as every host must see it.
    async fn latest(&self) -> Result<Revision, StoreError>;
    /// Forgets the log up to and including this revision; current objects stay.
    async fn compact(&self, up_to: Revision) -> Result<(), StoreError>;
    /// Signals a revision that has been committed, here or by another host (`LISTEN/NOTIFY`).
    fn committed(&self) -> tokio::sync::watch::Receiver<Revision>;
    /// Finishes what was asked before, then lets go of the file or the server: later calls are
    /// `Unavailable`.
    async fn close(&self) {}
}
