//! The parts of the host that call components, as the lifecycle of plugins sees them.

use std::sync::Arc;

use async_trait::async_trait;
use orch_admission::Chain;
use orch_client::{Client, Patch, PatchType, Resource, Status, Target, WriteOptions};
use orch_controllers::Controllers;
use orch_plugin::World;
use orch_plugin::calls::controller::ControllerApi;
use orch_plugin::lifecycle::{FailurePolicy, Loaded, Placement, SourceSpec, Worlds};
use orch_scheduler::Scheduler;
use serde_json::{Value, json};

/// Who calls the components of each world.
pub struct Callers {
    pub scheduler: Scheduler,
    pub controllers: Controllers,
    pub admission: Arc<Chain>,
    pub pods: Arc<orch_network::Pods>,
    pub client: Arc<dyn Client>,
}

#[async_trait]
impl Worlds for Callers {
    async fn install(&self, placement: &Placement, plugin: Loaded) -> Result<(), String> {
        let Placement { name, order, weight, failure_policy, .. } = placement;
        let ignore = *failure_policy == FailurePolicy::Ignore;
        match plugin {
            Loaded::Scheduler(plugin) => {
                use orch_scheduler::FailurePolicy::{Fail, Ignore};
                let failure_policy = if ignore { Ignore } else { Fail };
                let settings = orch_scheduler::Settings { weight: *weight, order: *order, failure_policy };
                self.scheduler.install(name, plugin, settings).await.map_err(|e| e.to_string())
            }
            Loaded::Controller(plugin) => {
                self.controllers.install(name, plugin).await.map_err(|e| e.to_string())
            }
            Loaded::Admission(plugin) => {
                use orch_admission::FailurePolicy::{Fail, Ignore};
                let failure_policy = if ignore { Ignore } else { Fail };
                let settings = orch_admission::Settings { order: *order, failure_policy };
                self.admission.install(name, settings, plugin);
                Ok(())
            }
            Loaded::Cni(plugin) => {
                self.pods.install(plugin, placement.config.clone()).await.map_err(|e| e.to_string())
            }
        }
    }

    async fn remove(&self, world: World, name: &str) {
        match world {
            World::Scheduler => {
                if let Err(error) = self.scheduler.remove(name).await {
                    tracing::warn!(plugin = name, %error, "the scheduler did not let it go");
                }
            }
            World::Controller => drop(self.controllers.remove(name).await),
            World::Admission => drop(self.admission.remove(name)),
            World::Cni => self.pods.remove().await,
        }
    }

    async fn controller_api(
        &self,
        name: &str,
        permissions: &[Value],
    ) -> Result<Arc<dyn ControllerApi>, String> {
        if !permissions.is_empty() {
            self.grant(name, permissions).await.map_err(|e| format!("spec.permissions: {e}"))?;
        }
        Ok(self.controllers.api(name))
    }

    async fn fetch(&self, source: &SourceSpec) -> Result<Vec<u8>, String> {
        let field = if source.oci.is_some() { "oci" } else { "digest" };
        Err(format!(
            "spec.source.{field} is not built yet: put the component on the host and name it in spec.source.file"
        ))
    }
}

impl Callers {
    /// A role with these rules, bound to the plugin's service account.
    async fn grant(&self, name: &str, rules: &[Value]) -> Result<(), Status> {
        const GROUP: &str = "rbac.authorization.k8s.io";
        let role = format!("system:orch:plugin:{name}");
        let metadata = json!({ "name": role, "labels": { "plugins.orch.dev/plugin": name } });
        let api_version = format!("{GROUP}/v1");
        let objects = [
            (
                "clusterroles",
                json!({
                    "apiVersion": api_version, "kind": "ClusterRole", "metadata": metadata, "rules": rules,
                }),
            ),
            (
                "clusterrolebindings",
                json!({
                    "apiVersion": api_version, "kind": "ClusterRoleBinding", "metadata": metadata,
                    "roleRef": { "apiGroup": GROUP, "kind": "ClusterRole", "name": role },
                    "subjects": [{
                        "kind": "ServiceAccount", "namespace": "kube-system", "name": format!("{name}-controller"),
                    }],
                }),
            ),
        ];
        let options =
            WriteOptions { field_manager: "orch-plugins".into(), force: true, ..Default::default() };
        for (plural, body) in objects {
            let target = Target::cluster(&Resource::new(GROUP, "v1", plural), &role);
            self.client.patch(&target, Patch { patch_type: PatchType::Apply, body }, &options).await?;
        }
        Ok(())
    }
}
