//! `/metrics`: what the parts of this host count, in one registry.

mod requests;
mod text;

use std::sync::Arc;

use axum::response::Response;
use http::HeaderMap;
use parking_lot::RwLock;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::encode::full;
pub(crate) use requests::{About, Requests, Timing};

const OPEN_METRICS: &str = "application/openmetrics-text";

/// The counts of this process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<RwLock<Registry>>,
    pub(crate) requests: Requests,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let requests = Requests::default();
        requests.register(&mut registry);
        Metrics { registry: Arc::new(RwLock::new(registry)), requests }
    }
}

impl Metrics {
    /// Lets a part of the host add what it counts.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.write());
    }

    /// In the form that the client prefers: OpenMetrics where it is named, else Prometheus' own.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Response {
        let mut counts = String::new();
        encode(&mut counts, &self.registry.read()).expect("a string takes all that is written");
        let accepted = headers.get_all(http::header::ACCEPT).iter();
        match accepted.filter_map(|accept| accept.to_str().ok()).any(|accept| accept.contains(OPEN_METRICS)) {
            true => full(200, "application/openmetrics-text; version=1.0.0; charset=utf-8", counts),
            false => full(200, "text/plain; version=0.0.4; charset=utf-8", text::from_open_metrics(&counts)),
        }
    }
}
