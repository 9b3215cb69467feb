//! What others may see of a pod's worker.

use std::sync::Arc;

use parking_lot::RwLock;

use super::record::Record;
use super::spec::Pod;

/// The pod as its worker last saw it.
#[derive(Clone)]
pub struct View(Arc<RwLock<(Arc<Pod>, Arc<Record>)>>);

impl View {
    pub fn new(pod: Arc<Pod>) -> Self {
        View(Arc::new(RwLock::new((pod, Arc::default()))))
    }
    pub fn show(&self, pod: &Arc<Pod>, record: &Record) {
        *self.0.write() = (pod.clone(), Arc::new(record.clone()));
    }
    pub fn see(&self) -> (Arc<Pod>, Arc<Record>) {
        self.0.read().clone()
    }
}
