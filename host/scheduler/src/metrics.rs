//! What the scheduler counts, under upstream's names (`k8s.io/kubernetes/pkg/scheduler/metrics`).

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::queue::{Lengths, Queued};

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Scheduled,
    Unschedulable,
    Error,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempt {
    result: &'static str,
    profile: Profile,
}

/// A `schedulerName`, which may hold anything; the library writes what it is given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Profile(Arc<str>);

impl EncodeLabelValue for Profile {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> fmt::Result {
        encoder.write_str(&self.0.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InQueue {
    queue: &'static str,
}

const QUEUES: [&str; 4] = ["active", "backoff", "unschedulable", "gated"];

/// Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    attempts: Family<Attempt, Counter>,
    durations: Family<Attempt, Histogram, fn() -> Histogram>,
    algorithm: Histogram,
    tries: Histogram,
    pending: Family<InQueue, Gauge>,
    /// Of these, those of [`QUEUES`]: set after every attempt.
    waiting: [Gauge; 4],
    preemptions: Counter,
    victims: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 2.0, 15));
        let pending: Family<InQueue, Gauge> = Family::default();
        Metrics {
            waiting: QUEUES.map(|queue| pending.get_or_create_owned(&InQueue { queue })),
            pending,
            attempts: Family::default(),
            durations: Family::new_with_constructor(seconds),
            algorithm: seconds(),
            tries: Histogram::new(exponential_buckets(1.0, 2.0, 5)),
            preemptions: Counter::default(),
            victims: Histogram::new(exponential_buckets(1.0, 2.0, 7)),
        }
    }
}

impl Metrics {
    /// Adds what the scheduler counts.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("scheduler");
        registry.register("schedule_attempts", "Attempts to place pods, by result", self.attempts.clone());
        registry.register(
            "scheduling_attempt_duration_seconds",
            "How long attempts took, the binding included",
            self.durations.clone(),
        );
        registry.register(
            "scheduling_algorithm_duration_seconds",
            "How long choosing a node took",
            self.algorithm.clone(),
        );
        registry.register(
            "pod_scheduling_attempts",
            "Attempts that pods needed until they were placed",
            self.tries.clone(),
        );
        registry.register("pending_pods", "Pods without a node, by queue", self.pending.clone());
        registry.register(
            "preemption_attempts",
            "Times that room was made for a pod",
            self.preemptions.clone(),
        );
        registry.register(
            "preemption_victims",
            "Pods that had to go for one, whenever room was made",
            self.victims.clone(),
        );
    }

    pub(crate) fn attempted(&self, queued: &Queued, outcome: Outcome, now: Instant) {
        let result = match outcome {
            Outcome::Scheduled => "scheduled",
            Outcome::Unschedulable => "unschedulable",
            Outcome::Error => "error",
        };
        if outcome == Outcome::Scheduled {
            self.tries.observe(queued.attempts.into());
        }
        let attempt = Attempt { result, profile: Profile(queued.info.scheduler_name.clone()) };
        self.attempts.get_or_create(&attempt).inc();
        let took = now.saturating_duration_since(queued.tried);
        self.durations.get_or_create(&attempt).observe(took.as_secs_f64());
    }

    pub(crate) fn chose(&self, took: Duration) {
        self.algorithm.observe(took.as_secs_f64());
    }

    pub(crate) fn preempted(&self, victims: usize) {
        self.preemptions.inc();
        self.victims.observe(victims as f64);
    }

    /// How many pods wait where.
    pub(crate) fn wait(&self, lengths: &Lengths, gated: usize) {
        let Lengths { active, backing_off, parked } = *lengths;
        for (gauge, length) in self.waiting.iter().zip([active, backing_off, parked, gated]) {
            gauge.set(length as i64);
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn a_profile_cannot_break_out_of_its_label() {
        let metrics = Metrics::default();
        let attempt = Attempt { result: "error", profile: Profile("a\"b\\c\nd".into()) };
        metrics.attempts.get_or_create(&attempt).inc();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let expected = r#"scheduler_schedule_attempts_total{result="error",profile="a\"b\\c\nd"} 1"#;
        assert!(text.lines().any(|line| line == expected), "{text}");
    }
}
