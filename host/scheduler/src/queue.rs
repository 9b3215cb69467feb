//! The pods that want a node: active by rank then first in first out, backing off, or parked
//! until something that their rejecting plugins read has changed. Time is passed in.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::pod::PodInfo;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Delays {
    pub initial_backoff: Duration,
    pub max_backoff: Duration,
    /// A parked pod is tried again after this long though nothing seems to have changed.
    pub flush: Duration,
}

/// A pod and its history of attempts.
#[derive(Debug, Clone)]
pub(crate) struct Queued {
    pub info: Arc<PodInfo>,
    /// Higher goes first.
    pub rank: i64,
    pub attempts: u32,
    /// When the last attempt began; when it came, of one never tried.
    pub tried: Instant,
    /// Plugins whose rejections kept it from every node; a change of what they read wakes it.
    pub rejected_by: BTreeSet<String>,
    /// The message of its condition as last written.
    pub reported: Option<String>,
    /// No attempt before this.
    pub not_before: Option<Instant>,
}

/// How many pods wait where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lengths {
    pub active: usize,
    pub backing_off: usize,
    pub parked: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Active(Reverse<i64>, u64),
    BackingOff(Instant, u64),
    Parked(Instant, u64),
}

#[derive(Debug)]
pub(crate) struct Queue {
    delays: Delays,
    sequence: u64,
    entries: HashMap<Arc<str>, (Queued, Place)>,
    active: BTreeMap<(Reverse<i64>, u64), Arc<str>>,
    backing_off: BTreeMap<(Instant, u64), Arc<str>>,
    parked: BTreeMap<(Instant, u64), Arc<str>>,
}

impl Queue {
    pub fn new(delays: Delays) -> Self {
        Queue {
            delays,
            sequence: 0,
            entries: HashMap::new(),
            active: BTreeMap::new(),
            backing_off: BTreeMap::new(),
            parked: BTreeMap::new(),
        }
    }

    pub fn get(&self, uid: &str) -> Option<&Queued> {
        self.entries.get(uid).map(|(queued, _)| queued)
    }

    /// A pod never tried before, or one whose object changed: `retry` says whether the change could
    /// matter to those who rejected it.
    pub fn upsert(&mut self, info: Arc<PodInfo>, rank: i64, retry: bool, now: Instant) {
        let Some((queued, place)) = self.entries.get_mut(&info.uid) else {
            let rejected_by = BTreeSet::new();
            return self.activate(Queued {
                info,
                rank,
                attempts: 0,
                tried: now,
                rejected_by,
                reported: None,
                not_before: None,
            });
        };
        let moved = queued.rank != rank;
        queued.info = info;
        queued.rank = rank;
        let parked = matches!(place, Place::Parked(..));
        let active = matches!(place, Place::Active(..));
        let uid = queued.info.uid.clone();
        if (parked && retry) || (active && moved) {
            self.ready(&uid, now);
        }
    }

    pub fn lengths(&self) -> Lengths {
        let Queue { active, backing_off, parked, .. } = self;
        Lengths { active: active.len(), backing_off: backing_off.len(), parked: parked.len() }
    }

    /// Everyone in the queue.
    pub fn pods(&self) -> Vec<Arc<PodInfo>> {
        self.entries.values().map(|(queued, _)| queued.info.clone()).collect()
    }

    pub fn remove(&mut self, uid: &str) -> Option<Queued> {
        let (queued, place) = self.entries.remove(uid)?;
        match place {
            Place::Active(priority, sequence) => self.active.remove(&(priority, sequence)),
            Place::BackingOff(at, sequence) => self.backing_off.remove(&(at, sequence)),
            Place::Parked(at, sequence) => self.parked.remove(&(at, sequence)),
        };
        Some(queued)
    }

    /// The next pod to try; it is out of the queue until it is put back.
    pub fn pop(&mut self) -> Option<Queued> {
        let (_, uid) = self.active.pop_first()?;
        let (mut queued, _) = self.entries.remove(&uid)?;
        queued.attempts += 1;
        Some(queued)
    }

    /// Puts a popped pod back, to be tried again on its own.
    pub fn back_off(&mut self, mut queued: Queued, now: Instant) {
        let until = now + self.backoff(queued.attempts);
        queued.not_before = Some(until);
        self.insert(queued, |sequence| Place::BackingOff(until, sequence));
    }

    /// Puts a popped pod back until something wakes it.
    pub fn park(&mut self, mut queued: Queued, now: Instant) {
        queued.not_before = Some(now + self.backoff(queued.attempts));
        let flush = now + self.delays.flush;
        self.insert(queued, |sequence| Place::Parked(flush, sequence));
    }

    /// Wakes the parked pods that one of these plugins rejected.
    pub fn wake(&mut self, plugins: &BTreeSet<String>, now: Instant) {
        let rejected = |queued: &Queued| !queued.rejected_by.is_disjoint(plugins);
        self.wake_where(rejected, now);
    }

    pub fn wake_all(&mut self, now: Instant) {
        self.wake_where(|_| true, now);
    }

    fn wake_where(&mut self, chosen: impl Fn(&Queued) -> bool, now: Instant) {
        let woken: Vec<Arc<str>> = self
            .parked
            .values()
            .filter(|uid| self.entries.get(*uid).is_some_and(|(queued, _)| chosen(queued)))
            .cloned()
            .collect();
        for uid in woken {
            self.ready(&uid, now);
        }
    }

    /// Moves what is due.
    pub fn tick(&mut self, now: Instant) {
        while let Some(entry) = self.backing_off.first_entry().filter(|entry| entry.key().0 <= now) {
            let uid = entry.get().clone();
            self.ready(&uid, now);
        }
        while let Some(entry) = self.parked.first_entry().filter(|entry| entry.key().0 <= now) {
            let uid = entry.get().clone();
            self.ready(&uid, now);
        }
    }

    /// When `tick` has something to do next.
    pub fn next_due(&self) -> Option<Instant> {
        let backing_off = self.backing_off.first_key_value().map(|((at, _), _)| *at);
        let parked = self.parked.first_key_value().map(|((at, _), _)| *at);
        backing_off.into_iter().chain(parked).min()
    }

    /// Active, or backing off while its back-off lasts.
    fn ready(&mut self, uid: &str, now: Instant) {
        let Some(queued) = self.remove(uid) else { return };
        match queued.not_before.filter(|until| *until > now) {
            Some(until) => self.insert(queued, |sequence| Place::BackingOff(until, sequence)),
            None => self.activate(queued),
        }
    }

    fn activate(&mut self, queued: Queued) {
        let rank = Reverse(queued.rank);
        self.insert(queued, |sequence| Place::Active(rank, sequence));
    }

    fn insert(&mut self, queued: Queued, place: impl FnOnce(u64) -> Place) {
        self.sequence += 1;
        let uid = queued.info.uid.clone();
        let place = place(self.sequence);
        match place {
            Place::Active(priority, sequence) => self.active.insert((priority, sequence), uid.clone()),
            Place::BackingOff(at, sequence) => self.backing_off.insert((at, sequence), uid.clone()),
            Place::Parked(at, sequence) => self.parked.insert((at, sequence), uid.clone()),
        };
        self.entries.insert(uid, (queued, place));
    }

    fn backoff(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(20);
        self.delays.initial_backoff.saturating_mul(1 << doublings).min(self.delays.max_backoff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DELAYS: Delays = Delays {
        initial_backoff: Duration::from_secs(1),
        max_backoff: Duration::from_secs(10),
        flush: Duration::from_secs(300),
    };

    fn info(uid: &str) -> Arc<PodInfo> {
        Arc::new(PodInfo::new(Arc::new(json!({ "metadata": { "uid": uid } }))))
    }
    fn popped(queue: &mut Queue) -> Option<String> {
        queue.pop().map(|queued| queued.info.uid.to_string())
    }

    #[test]
    fn rank_goes_first_then_age() {
        let (mut queue, now) = (Queue::new(DELAYS), Instant::now());
        for (uid, priority) in [("a", 0), ("b", 5), ("c", 0), ("d", 5)] {
            queue.upsert(info(uid), priority, false, now);
        }
        queue.upsert(info("c"), 9, false, now);
        let order: Vec<_> = std::iter::from_fn(|| popped(&mut queue)).collect();
        assert_eq!(order, ["c", "b", "d", "a"]);
    }

    #[test]
    fn back_off_doubles_up_to_its_limit() {
        let (mut queue, now) = (Queue::new(DELAYS), Instant::now());
        queue.upsert(info("a"), 0, false, now);
        let mut at = now;
        for seconds in [1, 2, 4, 8, 10, 10] {
            let queued = queue.pop().unwrap();
            queue.back_off(queued, at);
            assert_eq!(queue.next_due(), Some(at + Duration::from_secs(seconds)));
            queue.tick(at + Duration::from_secs(seconds) - Duration::from_millis(1));
            assert!(queue.pop().is_none());
            at += Duration::from_secs(seconds);
            queue.tick(at);
        }
        assert_eq!(popped(&mut queue).as_deref(), Some("a"));
    }

    #[test]
    fn a_parked_pod_wakes_for_its_rejecting_plugins_only() {
        let (mut queue, now) = (Queue::new(DELAYS), Instant::now());
        queue.upsert(info("a"), 0, false, now);
        let mut queued = queue.pop().unwrap();
        queued.rejected_by.insert("fit".into());
        queue.park(queued, now);
        let late = now + Duration::from_secs(5);
        queue.wake(&BTreeSet::from(["taints".to_string()]), late);
        assert!(queue.pop().is_none());
        queue.wake(&BTreeSet::from(["fit".to_string()]), late);
        assert_eq!(popped(&mut queue).as_deref(), Some("a"));
    }

    #[test]
    fn waking_does_not_cut_the_back_off_short() {
        let (mut queue, now) = (Queue::new(DELAYS), Instant::now());
        queue.upsert(info("a"), 0, false, now);
        let queued = queue.pop().unwrap();
        queue.park(queued, now);
        queue.wake_all(now);
        assert!(queue.pop().is_none());
        queue.tick(now + Duration::from_secs(1));
        assert!(queue.pop().is_some());
    }

    #[test]
    fn a_parked_pod_is_flushed_in_the_end() {
        let (mut queue, now) = (Queue::new(DELAYS), Instant::now());
        queue.upsert(info("a"), 0, false, now);
        let queued = queue.pop().unwrap();
        queue.park(queued, now);
        queue.tick(now + DELAYS.flush);
        assert!(queue.pop().is_some());
        assert!(queue.entries.is_empty());
    }
}
