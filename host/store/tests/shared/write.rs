//! Writes in few words.

use bytes::Bytes;
use orch_store::{Change, Entry, Expect, Revision, Stamped, Store, StoreError, Write};

/// A JSON object with the text and the revision.
pub fn stamped(text: &str) -> Stamped {
    Stamped {
        head: Bytes::from(format!("{{\"text\":\"{text}\",\"revision\":")),
        tail: Bytes::from_static(b"}"),
    }
}

/// What [`stamped`] becomes.
pub fn value(text: &str, revision: Revision) -> Bytes {
    Bytes::from(format!("{{\"text\":\"{text}\",\"revision\":{revision}}}"))
}

pub async fn create(store: &dyn Store, key: &str, text: &str) -> Result<Entry, StoreError> {
    store.commit(Write::new(key, Expect::Absent, Change::Put(stamped(text)))).await
}

pub async fn update(store: &dyn Store, key: &str, from: Revision, text: &str) -> Result<Entry, StoreError> {
    let change = Change::Put(stamped(text));
    store.commit(Write::new(key, Expect::Revision(from), change)).await
}

pub async fn delete(store: &dyn Store, key: &str, from: Revision, text: &str) -> Result<Entry, StoreError> {
    let change = Change::Delete(stamped(text));
    store.commit(Write::new(key, Expect::Revision(from), change)).await
}

/// The current entry that a conflict names.
pub fn conflict(outcome: Result<Entry, StoreError>) -> Option<Entry> {
    match outcome {
        Err(StoreError::Conflict { current, .. }) => current,
        other => panic!("expected a conflict, got {other:?}"),
    }
}
