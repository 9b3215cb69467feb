use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::calls::CallError;

/// Of a power of two of nanoseconds: an error of at most 12 %.
const BUCKETS_PER_POWER: usize = 4;
const BUCKETS: usize = u64::BITS as usize * BUCKETS_PER_POWER;

/// Counts and latencies of a plugin's calls, kept without locks on the path of a call that succeeds.
#[derive(Debug)]
pub struct Stats {
    calls: AtomicU64,
    traps: AtomicU64,
    deadline_misses: AtomicU64,
    refusals: AtomicU64,
    dropped_log_lines: AtomicU64,
    dropped_metrics: AtomicU64,
    memory: AtomicU64,
    last_error: Mutex<Option<String>>,
    total_nanos: AtomicU64,
    latencies: Box<[AtomicU64]>,
}

/// The counts at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    pub calls: u64,
    pub traps: u64,
    pub deadline_misses: u64,
    /// Calls answered with an error, or with something that cannot be.
    pub refusals: u64,
    pub dropped_log_lines: u64,
    /// Values of metrics of its own that could not be taken.
    pub dropped_metrics: u64,
    /// Bytes of linear memory, the most that one instance has had.
    pub memory: u64,
    pub last_error: Option<String>,
    pub p50: Duration,
    pub p99: Duration,
    /// Of all calls together.
    pub total: Duration,
    /// Calls that took at least 2ⁱ and less than 2ⁱ⁺¹ nanoseconds.
    pub latencies: Vec<u64>,
}

impl Default for Stats {
    fn default() -> Self {
        Stats {
            calls: AtomicU64::new(0),
            traps: AtomicU64::new(0),
            deadline_misses: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            dropped_log_lines: AtomicU64::new(0),
            dropped_metrics: AtomicU64::new(0),
            memory: AtomicU64::new(0),
            last_error: Mutex::new(None),
            total_nanos: AtomicU64::new(0),
            latencies: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Stats {
    pub(crate) fn record(&self, took: Duration, error: Option<&CallError>) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.total_nanos.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
        self.latencies[bucket(took)].fetch_add(1, Ordering::Relaxed);
        if let Some(error) = error {
            self.record_error(error);
        }
    }

    pub(crate) fn record_error(&self, error: &CallError) {
        match error {
            CallError::Trapped { .. } => self.traps.fetch_add(1, Ordering::Relaxed),
            CallError::Deadline { .. } => self.deadline_misses.fetch_add(1, Ordering::Relaxed),
            CallError::Refused { .. } => self.refusals.fetch_add(1, Ordering::Relaxed),
        };
        *self.last_error.lock() = Some(error.to_string());
    }

    pub(crate) fn drop_log_line(&self) {
        self.dropped_log_lines.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn drop_metric(&self, why: String) {
        self.dropped_metrics.fetch_add(1, Ordering::Relaxed);
        *self.last_error.lock() = Some(why);
    }

    pub(crate) fn use_memory(&self, bytes: usize) {
        self.memory.fetch_max(bytes as u64, Ordering::Relaxed);
    }

    pub fn snapshot(&self) -> Snapshot {
        let counts: Vec<u64> = self.latencies.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Snapshot {
            calls: self.calls.load(Ordering::Relaxed),
            traps: self.traps.load(Ordering::Relaxed),
            deadline_misses: self.deadline_misses.load(Ordering::Relaxed),
            refusals: self.refusals.load(Ordering::Relaxed),
            dropped_log_lines: self.dropped_log_lines.load(Ordering::Relaxed),
            dropped_metrics: self.dropped_metrics.load(Ordering::Relaxed),
            memory: self.memory.load(Ordering::Relaxed),
            last_error: self.last_error.lock().clone(),
            p50: percentile(&counts, 50),
            p99: percentile(&counts, 99),
            total: Duration::from_nanos(self.total_nanos.load(Ordering::Relaxed)),
            latencies: counts.chunks(BUCKETS_PER_POWER).map(|quarters| quarters.iter().sum()).collect(),
        }
    }
}

fn bucket(took: Duration) -> usize {
    let nanos = (took.as_nanos() as u64).max(4);
    let power = 63 - nanos.leading_zeros() as usize;
    power * 4 + ((nanos >> (power - 2)) & 3) as usize
}

/// The lower bound of a bucket.
fn nanos_of(bucket: usize) -> u64 {
    let (power, quarter) = (bucket / 4, (bucket % 4) as u64);
    if power < 2 { 0 } else { (4 + quarter) << (power - 2) }
}

fn percentile(counts: &[u64], percent: u64) -> Duration {
    let total: u64 = counts.iter().sum();
    let rank = (total * percent).div_ceil(100);
    let mut seen = 0;
    let found = counts.iter().position(|count| {
        seen += count;
        seen >= rank && total > 0
    });
    Duration::from_nanos(found.map_or(0, nanos_of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_near_what_was_recorded() {
        let stats = Stats::default();
        for micros in 1..=1000 {
            stats.record(Duration::from_micros(micros), None);
        }
        let snapshot = stats.snapshot();
        let near = |found: Duration, expected: f64| (found.as_micros() as f64 / expected - 1.0).abs() < 0.2;
        assert!(near(snapshot.p50, 500.0), "{snapshot:?}");
        assert!(near(snapshot.p99, 990.0), "{snapshot:?}");
        assert_eq!(snapshot.total, Duration::from_micros(500_500));
        // From 524.288 µs on.
        assert_eq!((snapshot.latencies[19], snapshot.latencies.iter().sum::<u64>()), (476, 1000));
        assert_eq!(Stats::default().snapshot().p99, Duration::ZERO);
    }

    #[test]
    fn buckets_ascend() {
        let mut last = 0;
        for nanos in [1, 4, 5, 100, 1000, 1_000_000, u64::MAX / 2] {
            let bucket = bucket(Duration::from_nanos(nanos));
            assert!(bucket >= last && nanos_of(bucket) <= nanos.max(4), "{nanos}");
            last = bucket;
        }
    }
}
