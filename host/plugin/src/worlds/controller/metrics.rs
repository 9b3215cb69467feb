//! The `metrics` import: what cannot be taken is told in the plugin's log, never to the component.

use super::Capabilities;
use crate::MetricKind;
use crate::host_log::Level;
use crate::own_metrics::{Labels, Refused};
use crate::worlds::HostState;
use crate::worlds::bindings::controller::orch::controller::metrics::{Host, Kind, Label};

impl Host for HostState<Capabilities> {
    async fn declare(&mut self, name: String, kind: Kind, help: String, buckets: Vec<f64>) {
        let declared = self.extra.metrics.declare(&name, kind.into(), &help, &buckets);
        self.note(declared);
    }

    async fn add(&mut self, name: String, labels: Vec<Label>, by: f64) {
        let added = self.extra.metrics.add(&name, plain(labels), by);
        self.note(added);
    }

    async fn set(&mut self, name: String, labels: Vec<Label>, value: f64) {
        let set = self.extra.metrics.set(&name, plain(labels), value);
        self.note(set);
    }

    async fn observe(&mut self, name: String, labels: Vec<Label>, value: f64) {
        let observed = self.extra.metrics.observe(&name, plain(labels), value);
        self.note(observed);
    }

    async fn forget(&mut self, name: String, labels: Vec<Label>) {
        self.extra.metrics.forget(&name, plain(labels));
    }
}

impl HostState<Capabilities> {
    fn note(&mut self, outcome: Result<(), Refused>) {
        if let Err(refused) = outcome {
            let why = format!("a metric was dropped: {refused}");
            self.log.write(Level::Warn, &why);
            self.extra.stats.drop_metric(why);
        }
    }
}

fn plain(labels: Vec<Label>) -> Labels {
    labels.into_iter().map(|Label { name, value }| (name, value)).collect()
}

impl From<Kind> for MetricKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Counter => MetricKind::Counter,
            Kind::Gauge => MetricKind::Gauge,
            Kind::Histogram => MetricKind::Histogram,
        }
    }
}
