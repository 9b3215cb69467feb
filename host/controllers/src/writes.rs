//! What a controller wrote and its caches may not have yet.

use std::collections::HashMap;
use std::time::Duration;

use orch_object::Kind;
use parking_lot::Mutex;
use serde_json::Value;

use crate::cache::revision_of;
use crate::informers::{KindName, SharedInformer};

/// An event takes under a millisecond; a cache that lags more than this is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Removed {
    namespace: String,
    name: String,
    uid: String,
}

#[derive(Debug, Default)]
struct Pending {
    revision: u64,
    removed: Vec<Removed>,
}

/// By kind. Shared by all that acts as one controller, also across a swap.
#[derive(Default)]
pub(crate) struct Writes(Mutex<HashMap<KindName, Pending>>);

impl Writes {
    /// `answer` is what the API stored.
    pub fn wrote(&self, kind: &Kind, answer: &Value) {
        let revision = revision_of(answer);
        let mut kinds = self.0.lock();
        let pending = kinds.entry((kind.api_version(), kind.kind.clone())).or_default();
        pending.revision = pending.revision.max(revision);
    }

    /// The API said that the object is gone.
    pub fn removed(&self, kind: &Kind, object: &Value) {
        let meta = &object["metadata"];
        let text = |field: &str| meta[field].as_str().unwrap_or_default().to_string();
        let removed = Removed { namespace: text("namespace"), name: text("name"), uid: text("uid") };
        let mut kinds = self.0.lock();
        let pending = kinds.entry((kind.api_version(), kind.kind.clone())).or_default();
        pending.removed.push(removed);
    }

    /// Waits until the cache has it all. False: it does not, so the cache must not be read.
    pub async fn arrived(&self, name: &KindName, informer: &SharedInformer) -> bool {
        if self.settled(name, informer) {
            return true;
        }
        let mut progress = informer.progress();
        let wait = async {
            loop {
                progress.borrow_and_update();
                if self.settled(name, informer) {
                    return true;
                }
                if progress.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or(false)
    }

    fn settled(&self, name: &KindName, informer: &SharedInformer) -> bool {
        let mut kinds = self.0.lock();
        let Some(pending) = kinds.get_mut(name) else { return true };
        let cache = informer.cache();
        pending.removed.retain(|removed| {
            let there = cache.get(&removed.namespace, &removed.name);
            there.is_some_and(|object| object.value()["metadata"]["uid"] == *removed.uid)
        });
        if pending.removed.is_empty() && cache.revision() >= pending.revision {
            kinds.remove(name);
            return true;
        }
        false
    }
}
