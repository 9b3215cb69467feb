//! Objects that a webhook converted: each version of each is asked about once, not by every watcher.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use orch_object::custom::ConversionWebhook;
use orch_watch::{Object, Revision};

/// Of all objects kept.
const MOST_BYTES: usize = 16 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Id {
    /// Another webhook makes other objects.
    webhook: u64,
    wanted: String,
    key: Arc<str>,
    revision: Revision,
}

/// Bounded by bytes; the oldest go first.
#[derive(Default)]
pub struct Kept {
    objects: HashMap<Id, Arc<Object>>,
    order: VecDeque<Id>,
    bytes: usize,
}

impl Kept {
    pub fn get(&self, webhook: &ConversionWebhook, wanted: &str, stored: &Object) -> Option<Arc<Object>> {
        self.objects.get(&id(webhook, wanted, stored)).cloned()
    }

    pub fn put(&mut self, webhook: &ConversionWebhook, wanted: &str, shown: &Arc<Object>) {
        let id = id(webhook, wanted, shown);
        if self.objects.insert(id.clone(), shown.clone()).is_some() {
            return;
        }
        self.bytes += shown.bytes.len();
        self.order.push_back(id);
        while self.bytes > MOST_BYTES {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some(gone) = self.objects.remove(&oldest) {
                self.bytes -= gone.bytes.len();
            }
        }
    }
}

fn id(webhook: &ConversionWebhook, wanted: &str, object: &Object) -> Id {
    Id {
        webhook: webhook.fingerprint,
        wanted: wanted.to_owned(),
        key: object.key.clone(),
        revision: object.revision,
    }
}
