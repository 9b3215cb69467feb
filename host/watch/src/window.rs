//! The bounded history: what happened lately, in revision order.

use std::collections::VecDeque;
use std::sync::Arc;

use orch_store::Revision;
use tokio::time::Instant;

use crate::cache::{Expired, Options};
use crate::object::Event;

/// Versions superseded longer ago than this many events lose their other encoding.
const ENCODED: usize = 256;

#[derive(Debug)]
pub struct Window {
    /// Every event after this revision is here.
    oldest: Revision,
    bytes: usize,
    events: VecDeque<(Instant, Arc<Event>)>,
}

impl Window {
    pub fn new(oldest: Revision) -> Self {
        Window { oldest, bytes: 0, events: VecDeque::new() }
    }

    pub fn oldest(&self) -> Revision {
        self.oldest
    }

    pub fn reaches(&self, asked: Revision) -> Result<(), Expired> {
        if asked < self.oldest { Err(Expired { asked, oldest: self.oldest }) } else { Ok(()) }
    }

    pub fn push(&mut self, event: Arc<Event>, options: &Options) {
        self.bytes += event.object.bytes.len();
        let now = Instant::now();
        self.events.push_back((now, event));
        self.forget_encoded();
        while self.exceeds(now, options) {
            self.pop();
        }
    }

    /// The events after a revision, which the window must reach.
    pub fn after(&self, revision: Revision) -> impl DoubleEndedIterator<Item = &Arc<Event>> {
        let from = self.events.partition_point(|(_, event)| event.revision() <= revision);
        self.events.range(from..).map(|(_, event)| event)
    }

    fn exceeds(&self, now: Instant, options: &Options) -> bool {
        let aged = |(at, _): &(Instant, _)| now.duration_since(*at) > options.window_age;
        self.events.len() > options.window_events
            || self.bytes > options.window_bytes
            || self.events.front().is_some_and(aged)
    }

    fn pop(&mut self) {
        if let Some((_, event)) = self.events.pop_front() {
            self.bytes -= event.object.bytes.len();
            self.oldest = event.revision();
        }
    }

    fn forget_encoded(&self) {
        let Some(at) = self.events.len().checked_sub(ENCODED) else { return };
        let event = &self.events[at].1;
        if let Some(before) = &event.before {
            before.forget_encoded();
        }
        if event.deleted {
            event.object.forget_encoded();
        }
    }
}
