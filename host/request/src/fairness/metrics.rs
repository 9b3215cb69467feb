//! Counts by priority level and flow schema, under upstream's names
//! (`k8s.io/apiserver/pkg/util/flowcontrol/metrics`).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Rejected;
use super::levels::{Levels, SeatLimits};

/// In seconds; upstream's.
const BUCKETS: [f64; 13] = [0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    priority_level: String,
    flow_schema: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rejection {
    #[prometheus(flatten)]
    flow: Labels,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Wait {
    #[prometheus(flatten)]
    flow: Labels,
    execute: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Cheap to clone.
#[derive(Clone)]
pub struct FlowMetrics {
    dispatched: Family<Labels, Counter>,
    rejected: Family<Rejection, Counter>,
    inqueue: Family<Labels, Gauge>,
    executing: Family<Labels, Gauge>,
    seats: Family<Labels, Gauge>,
    waits: Histograms<Wait>,
    executions: Histograms<Labels>,
}

impl Default for FlowMetrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        FlowMetrics {
            dispatched: Family::default(),
            rejected: Family::default(),
            inqueue: Family::default(),
            executing: Family::default(),
            seats: Family::default(),
            waits: Family::new_with_constructor(histogram),
            executions: Family::new_with_constructor(histogram),
        }
    }
}

impl FlowMetrics {
    pub(super) fn register(&self, registry: &mut Registry, levels: &Arc<Mutex<Levels>>) {
        let registry = registry.sub_registry_with_prefix("apiserver_flowcontrol");
        registry.register("dispatched_requests", "Requests that were let in", self.dispatched.clone());
        registry.register("rejected_requests", "Requests that were turned away", self.rejected.clone());
        registry.register("current_inqueue_requests", "Requests that wait in queues", self.inqueue.clone());
        registry.register(
            "current_executing_requests",
            "Requests being answered, watches only while they begin",
            self.executing.clone(),
        );
        registry.register("current_executing_seats", "Seats that these requests take", self.seats.clone());
        registry.register(
            "request_wait_duration_seconds",
            "How long requests waited in their queue, by whether they were let in",
            self.waits.clone(),
        );
        registry.register(
            "request_execution_seconds",
            "How long requests held their seats",
            self.executions.clone(),
        );
        registry.register_collector(Box::new(Limits(levels.clone())));
    }

    /// What the requests of one schema count on.
    pub(super) fn flow(&self, level: &str, schema: &str) -> Arc<Flow> {
        let labels = Labels { priority_level: level.into(), flow_schema: schema.into() };
        Arc::new(Flow {
            dispatched: self.dispatched.get_or_create_owned(&labels),
            inqueue: self.inqueue.get_or_create_owned(&labels),
            executing: self.executing.get_or_create_owned(&labels),
            seats: self.seats.get_or_create_owned(&labels),
            metrics: self.clone(),
            labels,
        })
    }
}

/// The counts of one schema.
pub(super) struct Flow {
    labels: Labels,
    metrics: FlowMetrics,
    dispatched: Counter,
    inqueue: Gauge,
    executing: Gauge,
    seats: Gauge,
}

impl Flow {
    /// The request is let in; it executes until what is returned is dropped.
    pub fn executes(self: &Arc<Self>, seats: u32) -> Executing {
        self.dispatched.inc();
        self.executing.inc();
        self.seats.inc_by(seats.into());
        Executing { flow: self.clone(), seats, since: Instant::now() }
    }

    pub fn rejected(&self, why: Rejected) {
        let reason = match why {
            Rejected::ConcurrencyLimit => "concurrency-limit",
            Rejected::QueueFull => "queue-full",
            Rejected::TimeOut => "time-out",
        };
        self.metrics.rejected.get_or_create(&Rejection { flow: self.labels.clone(), reason }).inc();
    }

    pub fn enters_queue(&self) {
        self.inqueue.inc();
    }

    pub fn leaves_queue(&self, waited: Duration, let_in: bool) {
        self.inqueue.dec();
        let wait = Wait { flow: self.labels.clone(), execute: if let_in { "true" } else { "false" } };
        self.metrics.waits.get_or_create(&wait).observe(waited.as_secs_f64());
    }
}

pub(super) struct Executing {
    flow: Arc<Flow>,
    seats: u32,
    since: Instant,
}

impl Drop for Executing {
    fn drop(&mut self) {
        let Flow { executing, seats, metrics, labels, .. } = &*self.flow;
        executing.dec();
        seats.dec_by(self.seats.into());
        metrics.executions.get_or_create(labels).observe(self.since.elapsed().as_secs_f64());
    }
}

/// The seats of each level, as they are when somebody asks.
struct Limits(Arc<Mutex<Levels>>);

impl fmt::Debug for Limits {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Limits")
    }
}

impl Collector for Limits {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let limits = self.0.lock().limits();
        let mut gauges = |name: &str, help: &str, seats: fn(&SeatLimits) -> u32| -> fmt::Result {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            limits.iter().try_for_each(|(level, limit)| {
                let labels = [("priority_level", level.as_str())];
                ConstGauge::new(i64::from(seats(limit))).encode(family.encode_family(&labels)?)
            })
        };
        gauges("nominal_limit_seats", "Seats of the level's own.", |seats| seats.nominal)?;
        gauges("lower_limit_seats", "Of these, seats that nobody else gets.", |seats| seats.lower)?;
        gauges("upper_limit_seats", "Seats that the level may take with what others lend.", |seats| {
            seats.upper
        })
    }
}
