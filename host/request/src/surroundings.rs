//! What webhooks need of this server.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use orch_admission::Cluster;
use orch_admission::webhooks::{Hooks, Surroundings};
use orch_object::client_config::ClientConfig;
use orch_object::{Kind, Kinds};
use orch_watch::{Cache, Revision};
use serde_json::Value;

use crate::conversion::Converter;
use crate::definitions::KindTable;
use crate::key;
use crate::outbound::Outbound;

const MUTATING: &str = "admissionregistration.k8s.io/mutatingwebhookconfigurations/";
const VALIDATING: &str = "admissionregistration.k8s.io/validatingwebhookconfigurations/";
/// What a webhook may answer: the largest object, patched beyond recognition.
const MOST_BYTES: usize = 8 << 20;

pub struct ServerSurroundings {
    cache: Cache,
    kinds: Arc<KindTable>,
    outbound: Outbound,
    converter: Arc<Converter>,
    cluster: Arc<dyn Cluster>,
    read: ArcSwapOption<Read>,
}

/// The configurations as they were read last.
struct Read {
    /// Their last change.
    at: Revision,
    hooks: Arc<Hooks>,
}

impl ServerSurroundings {
    pub fn new(
        cache: Cache,
        kinds: Arc<KindTable>,
        outbound: Outbound,
        converter: Arc<Converter>,
        cluster: Arc<dyn Cluster>,
    ) -> ServerSurroundings {
        ServerSurroundings { cache, kinds, outbound, converter, cluster, read: ArcSwapOption::empty() }
    }

    fn configurations(&self, prefix: &str) -> Vec<Arc<Value>> {
        self.cache.list(prefix).items.iter().map(|object| object.value()).collect()
    }
}

#[async_trait]
impl Surroundings for ServerSurroundings {
    fn hooks(&self) -> Arc<Hooks> {
        let at = self.cache.changed(MUTATING).max(self.cache.changed(VALIDATING));
        if let Some(read) = self.read.load().as_ref().filter(|read| read.at >= at) {
            return read.hooks.clone();
        }
        let hooks = Arc::new(Hooks::parse(&self.configurations(MUTATING), &self.configurations(VALIDATING)));
        self.read.store(Some(Arc::new(Read { at, hooks: hooks.clone() })));
        hooks
    }

    fn cluster(&self) -> Arc<dyn Cluster> {
        self.cluster.clone()
    }

    fn namespace(&self, name: &str) -> Option<Arc<Value>> {
        self.cache.get(&key::object("", "namespaces", "", name)).map(|namespace| namespace.value())
    }

    fn kinds(&self) -> Arc<Kinds> {
        self.kinds.current()
    }

    async fn convert(&self, object: &Value, from: &Kind, to: &Kind) -> Result<Value, String> {
        self.converter.between(object, from, to).await.map_err(|status| status.message)
    }

    async fn call(&self, whom: &ClientConfig, body: Vec<u8>, within: Duration) -> Result<Bytes, String> {
        self.outbound.post(whom, body, within, true, MOST_BYTES).await
    }
}
