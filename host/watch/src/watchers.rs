//! Who is told of an event: watchers by prefix, each with a bounded buffer. The window alone keeps
//! events: what waits for a slow watcher is gone when the window has let go of it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

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
    events: mpsc::Sender<Weak<Event>>,
}

impl Watchers {
    pub fn add(&mut self, prefix: &str, buffer: usize) -> (u64, mpsc::Receiver<Weak<Event>>) {
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
            watchers.retain(|watcher| watcher.events.try_send(Arc::downgrade(event)).is_ok());
            if watchers.is_empty() {
                self.by_prefix.remove(prefix);
            }
        }
    }

    pub fn cut_all(&mut self) {
        self.by_prefix.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Object;

    fn event(key: &str) -> Arc<Event> {
        let object = Object::new(key.into(), 1, bytes::Bytes::from_static(b"{}"), &Arc::default());
        Arc::new(Event { object, before: None, deleted: false })
    }

    #[test]
    fn only_those_of_the_key_are_told() {
        let mut watchers = Watchers::default();
        let (_, mut all) = watchers.add("", 9);
        let (_, mut pods) = watchers.add("pods/", 9);
        let (_, mut one) = watchers.add("pods/a", 9);
        watchers.send(&event("pods/a"));
        watchers.send(&event("pods/ab"));
        watchers.send(&event("nodes/a"));
        let count = |events: &mut mpsc::Receiver<_>| std::iter::from_fn(|| events.try_recv().ok()).count();
        assert_eq!((count(&mut all), count(&mut pods), count(&mut one)), (3, 2, 1));
    }

    #[test]
    fn the_gone_and_the_slow_leave_nothing_behind() {
        let mut watchers = Watchers::default();
        let (id, _receiver) = watchers.add("pods/", 9);
        watchers.remove("pods/", id);
        let (_, slow) = watchers.add("nodes/", 1);
        watchers.send(&event("nodes/a"));
        watchers.send(&event("nodes/b"));
        assert!(watchers.by_prefix.is_empty());
        assert_eq!(slow.len(), 1);
    }
}
