//! A work queue with client-go's properties: a key waits once however often it is added, is never
//! worked on twice at a time, and comes again when it was added meanwhile. Failed keys come again
//! after 5 ms, 10 ms, … 1000 s.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::metrics::QueueMetrics;

const FIRST_DELAY: Duration = Duration::from_millis(5);
const LAST_DELAY: Duration = Duration::from_secs(1000);

#[derive(Default)]
struct State {
    /// With the times they came.
    ready: VecDeque<(Arc<str>, Instant)>,
    /// To be worked on: waiting in `ready`, or added while being worked on.
    dirty: HashSet<Arc<str>>,
    /// With the times they were taken.
    working: HashMap<Arc<str>, Instant>,
    /// Due times, with a number that keeps equal ones apart.
    delayed: BTreeMap<(Instant, u64), Arc<str>>,
    /// The due time of each delayed key: of two delays the earlier counts.
    due: HashMap<Arc<str>, (Instant, u64)>,
    failures: HashMap<Arc<str>, u32>,
    sequence: u64,
    closed: bool,
}

pub(crate) struct WorkQueue {
    state: Mutex<State>,
    changed: Notify,
    metrics: QueueMetrics,
}

impl State {
    fn add(&mut self, key: &Arc<str>, metrics: &QueueMetrics) {
        if !self.dirty.insert(key.clone()) {
            return;
        }
        metrics.adds.inc();
        if !self.working.contains_key(key) {
            self.push(key, metrics);
        }
    }

    fn push(&mut self, key: &Arc<str>, metrics: &QueueMetrics) {
        self.ready.push_back((key.clone(), Instant::now()));
        metrics.depth.set(self.ready.len() as i64);
    }

    fn move_due(&mut self, now: Instant, metrics: &QueueMetrics) {
        while let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= now) {
            let key = entry.remove();
            self.due.remove(&key);
            self.add(&key, metrics);
        }
    }

    fn take(&mut self, metrics: &QueueMetrics) -> Option<Arc<str>> {
        let (key, since) = self.ready.pop_front()?;
        metrics.depth.set(self.ready.len() as i64);
        let now = Instant::now();
        metrics.waited(now - since);
        self.dirty.remove(&key);
        self.working.insert(key.clone(), now);
        Some(key)
    }
}

impl WorkQueue {
    pub fn new(metrics: QueueMetrics) -> Self {
        WorkQueue { state: Mutex::default(), changed: Notify::default(), metrics }
    }

    pub fn add(&self, key: &str) {
        self.state.lock().add(&key.into(), &self.metrics);
        self.changed.notify_one();
    }

    pub fn add_after(&self, key: &str, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        {
            let mut state = self.state.lock();
            let (key, due): (Arc<str>, _) = (key.into(), Instant::now() + delay);
            if state.due.get(&key).is_some_and(|(earlier, _)| *earlier <= due) {
                return;
            }
            state.sequence += 1;
            let place = (due, state.sequence);
            if let Some(later) = state.due.insert(key.clone(), place) {
                state.delayed.remove(&later);
            }
            state.delayed.insert(place, key);
        }
        self.changed.notify_one();
    }

    /// Adds a failed key after its back-off.
    pub fn add_rate_limited(&self, key: &str) {
        self.metrics.retries.inc();
        let failures = {
            let mut state = self.state.lock();
            let failures = state.failures.entry(key.into()).or_default();
            *failures = failures.saturating_add(1);
            *failures
        };
        let delay = FIRST_DELAY.saturating_mul(1 << (failures - 1).min(20)).min(LAST_DELAY);
        self.add_after(key, delay);
    }

    /// Forgets the failures of a key.
    pub fn forget(&self, key: &str) {
        self.state.lock().failures.remove(key);
    }

    /// The next key; [`WorkQueue::done`] must follow. `None`: the queue is closed.
    pub async fn get(&self) -> Option<Arc<str>> {
        loop {
            let changed = self.changed.notified();
            let next_due = {
                let mut state = self.state.lock();
                if state.closed {
                    self.changed.notify_one(); // the other workers must hear of it too
                    return None;
                }
                state.move_due(Instant::now(), &self.metrics);
                if let Some(key) = state.take(&self.metrics) {
                    if !state.ready.is_empty() {
                        self.changed.notify_one();
                    }
                    return Some(key);
                }
                state.delayed.first_key_value().map(|((due, _), _)| *due)
            };
            match next_due {
                Some(due) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(due) => {}
                },
                None => changed.await,
            }
        }
    }

    pub fn done(&self, key: &Arc<str>) {
        let mut state = self.state.lock();
        if let Some(since) = state.working.remove(key) {
            self.metrics.worked(since.elapsed());
        }
        if state.dirty.contains(key) {
            state.push(key, &self.metrics);
            self.changed.notify_one();
        }
    }

    /// Workers end after what they are at.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.metrics.depth.set(0);
        self.changed.notify_one();
    }

    /// Keys that wait, now or for their time.
    pub fn len(&self) -> usize {
        let state = self.state.lock();
        state.dirty.len() + state.delayed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> WorkQueue {
        WorkQueue::new(crate::Metrics::default().of("c"))
    }

    fn ready(queue: &WorkQueue) -> usize {
        queue.state.lock().ready.len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_waits_once_and_comes_again_when_dirty() {
        let queue = new();
        queue.add("a");
        queue.add("a");
        let key = queue.get().await.unwrap();
        queue.add("a");
        assert_eq!(ready(&queue), 0, "not while it is being worked on");
        queue.done(&key);
        assert_eq!(queue.metrics.depth.get(), 1);
        assert_eq!(&*queue.get().await.unwrap(), "a");
        assert_eq!(queue.len(), 0);
        assert_eq!((queue.metrics.depth.get(), queue.metrics.adds.get()), (0, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_double_the_delay_up_to_its_limit() {
        let queue = new();
        for (failure, expected) in [5u64, 10, 20, 40].into_iter().enumerate() {
            let before = Instant::now();
            queue.add_rate_limited("a");
            let key = queue.get().await.unwrap();
            let waited = Instant::now() - before;
            assert!(waited >= Duration::from_millis(expected), "{failure}: {waited:?}");
            assert!(waited < Duration::from_millis(expected + 3), "{failure}: {waited:?}");
            queue.done(&key);
        }
        for _ in 0..40 {
            queue.add_rate_limited("b");
            queue.state.lock().delayed.clear();
            queue.state.lock().due.clear();
        }
        let before = Instant::now();
        queue.add_rate_limited("b");
        queue.get().await.unwrap();
        assert_eq!((Instant::now() - before).as_secs(), 1000);
        queue.forget("a");
        assert!(!queue.state.lock().failures.contains_key("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_delays_the_earlier_counts() {
        let queue = new();
        let start = Instant::now();
        queue.add_after("a", Duration::from_secs(60));
        queue.add_after("a", Duration::from_secs(10));
        queue.add_after("a", Duration::from_secs(30));
        queue.get().await.unwrap();
        assert_eq!((Instant::now() - start).as_secs(), 10);
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn closing_ends_every_worker() {
        let queue = Arc::new(new());
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move { while queue.get().await.is_some() {} })
            })
            .collect();
        queue.close();
        for worker in workers {
            worker.await.unwrap();
        }
    }
}
