use std::sync::Arc;

use bytes::Bytes;
use orch_store::Revision;
use parking_lot::Mutex;
use serde_json::Value;

/// One version of one object.
#[derive(Debug)]
pub struct Object {
    pub key: Arc<str>,
    /// The revision it was written at; for the object of a deletion, the deletion's.
    pub revision: Revision,
    /// The JSON that clients are sent; shared by the store, the cache and every watcher.
    pub bytes: Bytes,
    owners: Box<[Box<str>]>,
    value: Mutex<Option<Arc<Value>>>,
    encoded: Mutex<Option<Bytes>>,
}

impl Object {
    pub(crate) fn new(key: Arc<str>, revision: Revision, bytes: Bytes) -> Arc<Self> {
        let owners = crate::owners::uids(&bytes);
        Arc::new(Object { key, revision, bytes, owners, value: Mutex::new(None), encoded: Mutex::new(None) })
    }

    /// The parsed object: parsed by the first who asks, then shared.
    pub fn value(&self) -> Arc<Value> {
        let mut slot = self.value.lock();
        slot.get_or_insert_with(|| Arc::new(self.parse())).clone()
    }

    /// The same version of the object in another form, for clients that ask for that.
    pub fn shown_as(&self, value: Value, bytes: Bytes) -> Arc<Self> {
        Arc::new(Object {
            key: self.key.clone(),
            revision: self.revision,
            bytes,
            owners: self.owners.clone(),
            value: Mutex::new(Some(Arc::new(value))),
            encoded: Mutex::new(None),
        })
    }

    /// The uids under `metadata.ownerReferences`.
    pub fn owners(&self) -> &[Box<str>] {
        &self.owners
    }

    /// The object in its one other encoding: made by the first who asks, then shared.
    pub fn encoded<E>(&self, make: impl FnOnce(&Bytes) -> Result<Bytes, E>) -> Result<Bytes, E> {
        let mut slot = self.encoded.lock();
        if let Some(bytes) = &*slot {
            return Ok(bytes.clone());
        }
        let bytes = make(&self.bytes)?;
        *slot = Some(bytes.clone());
        Ok(bytes)
    }

    /// Drops the other forms, several times the size of the bytes, of a version few will ask for.
    pub(crate) fn forget_forms(&self) {
        *self.value.lock() = None;
        *self.encoded.lock() = None;
    }

    fn parse(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| {
            tracing::error!(key = %self.key, revision = self.revision, %error, "a stored object is not JSON");
            Value::Null
        })
    }
}

/// A committed change.
#[derive(Debug)]
pub struct Event {
    /// The object now; after a deletion its last state, stamped with the deletion's revision.
    pub object: Arc<Object>,
    /// The object before the change; `None` for a creation. Tells a watcher with a selector
    /// whether the object entered or left its selection.
    pub before: Option<Arc<Object>>,
    pub deleted: bool,
}

impl Event {
    pub fn revision(&self) -> Revision {
        self.object.revision
    }
    pub fn key(&self) -> &str {
        &self.object.key
    }
}
