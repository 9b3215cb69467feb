//! The place of a plugin that can be swapped under load.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::calls::CallError;

/// When a plugin that was swapped in has failed often enough to go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    pub failures: usize,
    pub within: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker { failures: 5, within: Duration::from_secs(30) }
    }
}

/// Holds the plugin that serves, and the one that served before it. Readers take an [`Arc`] and keep
/// it for the length of their calls: a swap waits for nobody and fails no call.
pub struct Slot<T> {
    current: ArcSwap<T>,
    breaker: Breaker,
    history: Mutex<History<T>>,
}

struct History<T> {
    last_good: Option<Arc<T>>,
    failures: VecDeque<Instant>,
}

impl<T> Slot<T> {
    pub fn new(first: Arc<T>, breaker: Breaker) -> Self {
        let history = History { last_good: None, failures: VecDeque::new() };
        Slot { current: ArcSwap::new(first), breaker, history: Mutex::new(history) }
    }

    pub fn load(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// The next call finds `next`. Returns the one that served until now.
    pub fn swap(&self, next: Arc<T>) -> Arc<T> {
        let mut history = self.history.lock();
        let before = self.current.swap(next);
        history.last_good = Some(before.clone());
        history.failures.clear();
        before
    }

    /// Goes back to the plugin before; `None` when there is none.
    pub fn roll_back(&self) -> Option<Arc<T>> {
        let mut history = self.history.lock();
        let good = history.last_good.take()?;
        history.failures.clear();
        Some(self.current.swap(good))
    }

    /// Counts a failed call of `plugin`. Returns the plugin that was taken out when the breaker
    /// trips: traps and missed deadlines count, answers with an error do not.
    pub fn failed(&self, plugin: &Arc<T>, error: &CallError) -> Option<Arc<T>> {
        self.failed_at(plugin, error, Instant::now())
    }

    fn failed_at(&self, plugin: &Arc<T>, error: &CallError, now: Instant) -> Option<Arc<T>> {
        match error {
            CallError::Refused { .. } => return None,
            CallError::Trapped { .. } | CallError::Deadline { .. } => {}
        }
        let mut history = self.history.lock();
        if !Arc::ptr_eq(plugin, &self.current.load()) {
            return None; // a call in flight on one that was swapped out
        }
        history.failures.push_back(now);
        while history.failures.front().is_some_and(|first| now.duration_since(*first) > self.breaker.within) {
            history.failures.pop_front();
        }
        if history.failures.len() < self.breaker.failures {
            return None;
        }
        let good = history.last_good.take()?;
        history.failures.clear();
        Some(self.current.swap(good))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trap() -> CallError {
        CallError::Trapped { plugin: "p".into(), function: "filter", trap: "unreachable".into() }
    }

    #[test]
    fn repeated_traps_go_back_to_the_last_good_one() {
        let slot = Slot::new(Arc::new("good"), Breaker { failures: 3, within: Duration::from_secs(10) });
        let bad = Arc::new("bad");
        slot.swap(bad.clone());
        let start = Instant::now();
        assert!(slot.failed_at(&bad, &trap(), start).is_none());
        // The first is forgotten by the time of the third.
        assert!(slot.failed_at(&bad, &trap(), start + Duration::from_secs(9)).is_none());
        assert!(slot.failed_at(&bad, &trap(), start + Duration::from_secs(12)).is_none());
        assert_eq!(slot.failed_at(&bad, &trap(), start + Duration::from_secs(13)).as_deref(), Some(&"bad"));
        assert_eq!(*slot.load(), "good");
    }

    #[test]
    fn failures_of_others_and_refusals_do_not_count() {
        let slot = Slot::new(Arc::new(1), Breaker { failures: 1, within: Duration::from_secs(10) });
        let old = slot.load();
        slot.swap(Arc::new(2));
        assert!(slot.failed(&old, &trap()).is_none());
        let refused = CallError::Refused { plugin: "p".into(), function: "sync", message: "no".into() };
        assert!(slot.failed(&slot.load(), &refused).is_none());
        assert_eq!(*slot.load(), 2);
    }

    #[test]
    fn the_first_plugin_has_nothing_to_go_back_to() {
        let slot = Slot::new(Arc::new(1), Breaker { failures: 1, within: Duration::from_secs(10) });
        assert!(slot.failed(&slot.load(), &trap()).is_none());
        assert_eq!(slot.roll_back(), None);
        slot.swap(Arc::new(2));
        assert_eq!(slot.roll_back().as_deref(), Some(&2));
        assert_eq!(*slot.load(), 1);
    }
}
