//! The latest events in memory, so that following the log costs no SQL.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Event, Revision};

const MOST_EVENTS: usize = 4096;
const MOST_BYTES: usize = 4 << 20;

/// A gapless tail of the log, and the signal of its end.
pub struct Recent {
    tail: Mutex<Tail>,
    committed: watch::Sender<Revision>,
}

struct Tail {
    /// Every event after this revision, up to `last`, is here.
    after: Revision,
    last: Revision,
    bytes: usize,
    events: VecDeque<Event>,
}

impl Recent {
    pub fn new(head: Revision) -> Self {
        let tail = Tail { after: head, last: head, bytes: 0, events: VecDeque::new() };
        Recent { tail: Mutex::new(tail), committed: watch::Sender::new(head) }
    }

    pub fn committed(&self) -> watch::Receiver<Revision> {
        self.committed.subscribe()
    }

    /// The latest revision known to be committed.
    pub fn head(&self) -> Revision {
        *self.committed.borrow()
    }

    /// Adds what was committed after `head`. When another host's commits lie between, the tail
    /// begins anew.
    pub fn push(&self, head: Revision, events: impl Iterator<Item = Event>) {
        let last = {
            let mut tail = self.tail.lock();
            if head != tail.last {
                *tail = Tail { after: head, last: head, bytes: 0, events: VecDeque::new() };
            }
            events.for_each(|event| tail.push(event));
            tail.last
        };
        self.signal(last);
    }

    /// The log now begins after this revision.
    pub fn forget(&self, up_to: Revision) {
        self.tail.lock().forget(up_to);
    }

    /// Wakes the followers. Revisions only grow.
    pub fn signal(&self, revision: Revision) {
        self.committed.send_if_modified(|known| {
            let news = revision > *known;
            *known = revision.max(*known);
            news
        });
    }

    /// The events after a revision, if the tail reaches back to it and has any.
    pub fn after(&self, revision: Revision, limit: usize) -> Option<Vec<Event>> {
        let tail = self.tail.lock();
        if revision < tail.after || revision >= tail.last {
            return None;
        }
        let from = (revision - tail.after) as usize;
        Some(tail.events.range(from..).take(limit).cloned().collect())
    }
}

impl Tail {
    fn forget(&mut self, up_to: Revision) {
        while self.events.front().is_some_and(|event| event.revision <= up_to) {
            self.pop();
        }
        self.after = self.after.max(up_to);
        self.last = self.last.max(up_to);
    }

    fn pop(&mut self) {
        if let Some(oldest) = self.events.pop_front() {
            self.after = oldest.revision;
            self.bytes -= oldest.value.len();
        }
    }

    fn push(&mut self, event: Event) {
        self.last = event.revision;
        self.bytes += event.value.len();
        self.events.push_back(event);
        while self.events.len() > MOST_EVENTS || self.bytes > MOST_BYTES {
            self.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn events(revisions: std::ops::RangeInclusive<Revision>, size: usize) -> impl Iterator<Item = Event> {
        revisions.map(move |revision| Event {
            key: "k".into(),
            revision,
            deleted: false,
            value: Bytes::from(vec![0; size]),
            companion: crate::Companion::default(),
        })
    }

    fn revisions(recent: &Recent, after: Revision, limit: usize) -> Option<Vec<Revision>> {
        Some(recent.after(after, limit)?.into_iter().map(|e| e.revision).collect())
    }

    #[test]
    fn serves_only_what_it_holds_without_a_gap() {
        let recent = Recent::new(5);
        assert_eq!(revisions(&recent, 5, 9), None);
        recent.push(5, events(6..=8, 1));
        assert_eq!(revisions(&recent, 5, 9), Some(vec![6, 7, 8]));
        assert_eq!(revisions(&recent, 6, 1), Some(vec![7]));
        assert_eq!(revisions(&recent, 4, 9), None);
        recent.push(10, events(11..=11, 1));
        assert_eq!(revisions(&recent, 8, 9), None);
        assert_eq!(revisions(&recent, 10, 9), Some(vec![11]));
    }

    #[test]
    fn forgets_what_is_compacted() {
        let recent = Recent::new(0);
        recent.push(0, events(1..=4, 1));
        recent.forget(2);
        assert_eq!(revisions(&recent, 1, 9), None);
        assert_eq!(revisions(&recent, 2, 9), Some(vec![3, 4]));
        recent.forget(6);
        recent.push(6, events(7..=7, 1));
        assert_eq!(revisions(&recent, 6, 9), Some(vec![7]));
        assert_eq!(revisions(&recent, 5, 9), None);
    }

    #[test]
    fn is_bounded_by_bytes() {
        let recent = Recent::new(0);
        recent.push(0, events(1..=10, MOST_BYTES / 4));
        assert_eq!(revisions(&recent, 6, 9), Some(vec![7, 8, 9, 10]));
        assert_eq!(revisions(&recent, 5, 9), None);
    }
}
