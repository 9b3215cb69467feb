//! What the work queues count, under the names that client-go's have
//! (`k8s.io/component-base/metrics/prometheus/workqueue`).

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queue {
    name: String,
}

type Histograms = Family<Queue, Histogram, fn() -> Histogram>;

/// Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    depth: Family<Queue, Gauge>,
    adds: Family<Queue, Counter>,
    retries: Family<Queue, Counter>,
    waits: Histograms,
    works: Histograms,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(exponential_buckets(1e-6, 10.0, 8));
        Metrics {
            depth: Family::default(),
            adds: Family::default(),
            retries: Family::default(),
            waits: Family::new_with_constructor(seconds),
            works: Family::new_with_constructor(seconds),
        }
    }
}

impl Metrics {
    /// Adds what the queues count.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("workqueue");
        registry.register("depth", "Keys that wait for a worker", self.depth.clone());
        registry.register("adds", "Keys that were added", self.adds.clone());
        registry.register("retries", "Keys that were added again because they failed", self.retries.clone());
        registry.register("queue_duration_seconds", "How long keys waited for a worker", self.waits.clone());
        registry.register("work_duration_seconds", "How long keys were worked on", self.works.clone());
    }

    /// Those of one controller.
    pub(crate) fn of(&self, controller: &str) -> QueueMetrics {
        let queue = Queue { name: controller.into() };
        QueueMetrics {
            depth: self.depth.get_or_create_owned(&queue),
            adds: self.adds.get_or_create_owned(&queue),
            retries: self.retries.get_or_create_owned(&queue),
            waits: self.waits.get_or_create_owned(&queue),
            works: self.works.get_or_create_owned(&queue),
        }
    }

    /// The controller is gone.
    pub(crate) fn forget(&self, controller: &str) {
        let queue = Queue { name: controller.into() };
        self.depth.remove(&queue);
        self.adds.remove(&queue);
        self.retries.remove(&queue);
        self.waits.remove(&queue);
        self.works.remove(&queue);
    }
}

/// What one queue counts.
#[derive(Clone)]
pub(crate) struct QueueMetrics {
    pub depth: Gauge,
    pub adds: Counter,
    pub retries: Counter,
    waits: Histogram,
    works: Histogram,
}

impl QueueMetrics {
    pub fn waited(&self, duration: Duration) {
        self.waits.observe(duration.as_secs_f64());
    }

    pub fn worked(&self, duration: Duration) {
        self.works.observe(duration.as_secs_f64());
    }
}
