//! The policy in force, compiled again whenever an RBAC object changes.

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::StreamExt;
use orch_watch::Cache;
use serde_json::Value;

use super::policy::{Policy, RbacObjects};
use crate::key;

const GROUP: &str = "rbac.authorization.k8s.io";

/// RBAC as the objects in the cache say it.
#[derive(Clone)]
pub struct Rbac {
    policy: Arc<ArcSwap<Policy>>,
    cache: Cache,
}

impl Rbac {
    pub fn new(cache: Cache) -> Self {
        let rbac = Rbac { policy: Arc::default(), cache };
        rbac.refresh();
        rbac
    }

    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// Compiles what the cache holds now.
    pub fn refresh(&self) {
        let all = |plural: &str| -> Vec<Arc<Value>> {
            let list = self.cache.list(&key::prefix(GROUP, plural, None));
            list.items.iter().map(|object| object.value()).collect()
        };
        self.policy.store(Arc::new(Policy::compile(&RbacObjects {
            roles: all("roles"),
            cluster_roles: all("clusterroles"),
            role_bindings: all("rolebindings"),
            cluster_role_bindings: all("clusterrolebindings"),
        })));
    }

    /// Follows the cache until it closes. A burst of changes is compiled once.
    pub async fn follow(self) {
        loop {
            let (_, mut watch) = self.cache.list_and_watch(&format!("{GROUP}/"));
            self.refresh();
            while let Some(Ok(_)) = watch.next().await {
                use futures::FutureExt;
                while watch.next().now_or_never().flatten().is_some_and(|event| event.is_ok()) {}
                self.refresh();
            }
            // Too slow for the window, or the cache is closing: the next list tells which.
            tokio::task::yield_now().await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}
