//! The policy in force, compiled again whenever an RBAC object changes.

use std::sync::Arc;

use arc_swap::ArcSwap;
use orch_watch::Cache;
use serde_json::Value;

use super::policy::{Policy, RbacObjects};
use crate::follow::Follower;
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

    /// Does not return.
    pub async fn follow(self) {
        let mut follower = Follower::new(&self.cache, &[format!("{GROUP}/")]);
        loop {
            self.refresh();
            follower.changed(None).await;
        }
    }
}
