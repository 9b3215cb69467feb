use std::sync::Arc;

use bytes::Bytes;
use orch_store::Revision;
use parking_lot::Mutex;
use serde_json::Value;

use crate::parsed::{Parsed, Slot};

/// One version of one object.
#[derive(Debug)]
pub struct Object {
    pub key: Arc<str>,
    /// The revision it was written at; for the object of a deletion, the deletion's.
    pub revision: Revision,
    /// The JSON that clients are sent; shared by the store, the cache and every watcher.
    pub bytes: Bytes,
    owners: Box<[Box<str>]>,
    value: Mutex<Slot>,
    parsed: Arc<Parsed>,
    encoded: Mutex<Option<Bytes>>,
}

impl Object {
    pub(crate) fn new(key: Arc<str>, revision: Revision, bytes: Bytes, parsed: &Arc<Parsed>) -> Arc<Self> {
        let owners = crate::owners::uids(&bytes);
        let parsed = parsed.clone();
        Arc::new(Object {
            key,
            revision,
            bytes,
            owners,
            value: Mutex::default(),
            parsed,
            encoded: Mutex::new(None),
        })
    }

    /// An object that is in no store: made for one answer.
    pub fn unstored(key: &str, value: &Value) -> Arc<Self> {
        Object::new(key.into(), 0, value.to_string().into(), &Arc::default())
    }

    /// The parsed object: parsed by the first who asks, and shared while it is asked for or held. Who
    /// needs it often keeps the object and asks; who keeps the value keeps many times the bytes.
    pub fn value(&self) -> Arc<Value> {
        let mut slot = self.value.lock();
        slot.get().unwrap_or_else(|| {
            let value = Arc::new(self.parse());
            *slot = self.parsed.keep(&value, self.bytes.len());
            value
        })
    }

    /// As [`Object::value`], for one look at many objects: nobody else's parsed form makes room for it.
    pub fn glance(&self) -> Arc<Value> {
        let known = self.value.lock().get();
        known.unwrap_or_else(|| Arc::new(self.parse()))
    }

    /// The parsed form, where there is one.
    pub fn known_value(&self) -> Option<Arc<Value>> {
        self.value.lock().get()
    }

    /// The same version of the object in another form, for clients that ask for that.
    pub fn shown_as(&self, value: Value, bytes: Bytes) -> Arc<Self> {
        let slot = self.parsed.keep(&Arc::new(value), bytes.len());
        Arc::new(Object {
            key: self.key.clone(),
            revision: self.revision,
            bytes,
            owners: self.owners.clone(),
            value: Mutex::new(slot),
            parsed: self.parsed.clone(),
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

    /// Drops the other encoding of a version few will ask for.
    pub(crate) fn forget_encoded(&self) {
        *self.encoded.lock() = None;
    }

    /// Notes the parsed form, which who wrote it has.
    pub(crate) fn know(&self, value: &Arc<Value>) {
        *self.value.lock() = self.parsed.keep(value, self.bytes.len());
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
