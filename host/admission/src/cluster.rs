//! What policies look up while they decide.

use std::sync::Arc;

use orch_client::Identity;
use orch_object::cel::{Decision, Question};
use orch_object::{Kind, Kinds};
use serde_json::Value;

/// The cluster as the request meets it: the watch cache, or a fake. Nothing here waits.
pub trait Cluster: Send + Sync + 'static {
    fn kinds(&self) -> Arc<Kinds>;

    /// An object as its kind's version shows it. `namespace` is empty for cluster-scoped ones.
    fn get(&self, kind: &Kind, namespace: &str, name: &str) -> Option<Arc<Value>>;

    /// All objects of a namespace; of an empty one all there are.
    fn list(&self, kind: &Kind, namespace: &str) -> Vec<Arc<Value>>;

    /// Whether somebody may do something. The question's own service account counts, not its.
    fn authorize(&self, identity: &Identity, question: &Question<'_>) -> Decision;
}
