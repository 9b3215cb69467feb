//! Who is told of an event: watchers by prefix, each with a bounded buffer.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::object::Event;
use crate::prefix;

#[derive(Default)]
pub struct Watchers {
    by_prefix: HashMap<Box<str>, Vec<Watcher>>,
    last_id: u64,
}

struct Watcher {
    id: u64,
    events: mpsc::Sender<Arc<Event>>,
}

impl Watchers {
    pub fn add(&mut self, prefix: &str, buffer: usize) -> (u64, mpsc::Receiver<Arc<Event>>) {
        let (events, receiver) = mpsc::channel(buffer.max(1));
        self.last_id += 1;
        let watcher = Watcher { id: self.last_id, events };
        self.by_prefix.entry(prefix.into()).or_default().push(watcher);
        (self.last_id, receiver)
    }

    pub fn remove(&mut self, prefix: &str, id: u64) {
        if let Some(watchers) = self.by_prefix.get_mut(prefix) {
            watchers.retain(|watcher| watcher.id != id);
            if watchers.is_empty() {
                self.by_prefix.remove(prefix);
            }
        }
    }

    /// Tells every watcher of the key. One whose buffer is full is cut off: it reads on from the
    /// window, so that a slow reader costs no memory and delays nobody.
    pub fn send(&mut self, event: &Arc<Event>) {
        if self.by_prefix.is_empty() {
            return;
        }
        for prefix in prefix::of(event.key()) {
            let Some(watchers) = self.by_prefix.get_mut(prefix) else { continue };
            watchers.retain(|watcher| watcher.events.try_send(event.clone()).is_ok());
            if watchers.is_empty() {
                self.by_prefix.remove(prefix);
            }
        }
    }

    pub fn cut_all(&mut self) {
        self.by_prefix.clear();
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.by_prefix.values().map(Vec::len).sum()
    }
}
