//! The parts of the host that call components, as the lifecycle of plugins sees them.

use std::sync::Arc;

use async_trait::async_trait;
use orch_admission::Chain;
use orch_client::informer::Objects;
use orch_client::{Client, Identity, Patch, PatchType, Resource, Status, Target, WriteOptions};
use orch_controllers::Controllers;
use orch_object::LabelSelector;
use orch_plugin::World;
use orch_plugin::calls::controller::ControllerApi;
use orch_plugin::calls::csi::CsiPlugin;
use orch_plugin::lifecycle::{
    CanarySpec, FailurePolicy, FetchError, Fetched, Loaded, Placement, RolloutStage, SourceSpec, Worlds,
};
use orch_plugin::trial::{Role, Selection};
use orch_scheduler::Scheduler;
use serde_json::{Value, json};

use super::sources::{Sources, Wanted};

/// Who uses the components of each world.
pub struct Users {
    pub scheduler: Scheduler,
    pub controllers: Controllers,
    pub admission: Arc<Chain>,
    pub pods: Arc<orch_network::Pods>,
    pub client: Arc<dyn Client>,
    /// The scheduler's own.
    pub scheduler_client: Arc<dyn Client>,
    pub clients: Arc<dyn Fn(Identity) -> Arc<dyn Client> + Send + Sync>,
    /// For canaries in some namespaces only.
    pub namespaces: Objects,
}

/// The users, and where the components that they call come from.
pub(super) struct Callers {
    pub users: Users,
    pub sources: Arc<Sources>,
}

#[async_trait]
impl Worlds for Callers {
    async fn install(&self, placement: &Placement, plugin: Loaded) -> Result<(), String> {
        let Placement { name, order, failure_policy, .. } = placement;
        let ignore = *failure_policy == FailurePolicy::Ignore;
        match plugin {
            Loaded::Scheduler(plugin) => {
                use orch_scheduler::FailurePolicy::{Fail, Ignore};
                let settings = orch_scheduler::Settings {
                    weight: placement.weight,
                    order: *order,
                    failure_policy: if ignore { Ignore } else { Fail },
                    profiles: placement.profiles.clone(),
                    replaces: placement.replaces.clone(),
                    role: self.role(placement)?,
                    writer: Some(self.writer(placement).await?),
                };
                self.users.scheduler.install(name, plugin, settings).await.map_err(|e| e.to_string())
            }
            Loaded::Controller(plugin) => {
                let role = self.role(placement)?;
                self.users.controllers.install(name, plugin, role).await.map_err(|e| e.to_string())
            }
            Loaded::Admission(plugin) => {
                use orch_admission::FailurePolicy::{Fail, Ignore};
                let failure_policy = if ignore { Ignore } else { Fail };
                let role = self.role(placement)?;
                let settings =
                    orch_admission::Settings { order: order.unwrap_or_default(), failure_policy, role };
                self.users.admission.install(name, settings, plugin);
                Ok(())
            }
            Loaded::Cni(plugin) => {
                self.users.pods.install(plugin, placement.config.clone()).await.map_err(|e| e.to_string())
            }
            Loaded::Csi(plugin) => Err(unused_driver(&plugin.description().name)),
        }
    }

    async fn remove(&self, world: World, name: &str) {
        match world {
            World::Scheduler => {
                if let Err(error) = self.users.scheduler.remove(name).await {
                    tracing::warn!(plugin = name, %error, "the scheduler did not let it go");
                }
            }
            World::Controller => drop(self.users.controllers.remove(name).await),
            World::Admission => drop(self.users.admission.remove(name)),
            World::Cni => self.users.pods.remove().await,
            // None was installed.
            World::Csi => {}
        }
    }

    async fn remove_trial(&self, world: World, name: &str) {
        match world {
            World::Scheduler => {
                if let Err(error) = self.users.scheduler.remove_trial(name).await {
                    tracing::warn!(plugin = name, %error, "the scheduler did not let its trial go");
                }
            }
            World::Admission => self.users.admission.remove_trial(name),
            World::Controller => self.users.controllers.remove_trial(name).await,
            World::Cni | World::Csi => {}
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
        Ok(self.users.controllers.api(name))
    }

    async fn fetch(&self, name: &str, world: World, source: &SourceSpec) -> Result<Fetched, FetchError> {
        let wanted = Wanted { name: name.into(), world, source: source.clone() };
        self.sources.take(&wanted).await
    }
}

/// The contract stands before those who use it do.
fn unused_driver(driver: &str) -> String {
    format!(
        "the storage driver {driver} loads, but nothing uses it: spec.world orch:csi is served by a later \
         release; until then use hostPath, emptyDir or another volume that the node makes itself"
    )
}

impl Callers {
    fn role(&self, placement: &Placement) -> Result<Role, String> {
        Ok(match &placement.rollout {
            RolloutStage::Serves => Role::Serves,
            RolloutStage::Shadow(log) => Role::Shadow(log.clone()),
            RolloutStage::Canary(canary) => Role::Canary(self.selection(canary)?),
        })
    }

    fn selection(&self, canary: &CanarySpec) -> Result<Selection, String> {
        let percent = canary.percent();
        let selector = canary.namespace_selector.as_ref();
        let selector = selector.map(|selector| LabelSelector::from_json(Some(selector))).transpose();
        let selector = selector.map_err(|e| format!("spec.rollout.canary.namespaceSelector: {e}"))?;
        let namespaces = self.users.namespaces.clone();
        Ok(Arc::new(move |subject| {
            let selected = selector.as_ref().is_none_or(|selector| {
                let namespace = namespaces.get(subject.namespace);
                namespace.is_some_and(|namespace| selector.matches_object(&namespace))
            });
            selected && subject.percentile() < percent
        }))
    }

    /// Makes the writes that a scheduling policy advises: as the plugin, when it has permissions of
    /// its own, else as the scheduler.
    async fn writer(&self, placement: &Placement) -> Result<Arc<dyn Client>, String> {
        if placement.permissions.is_empty() {
            return Ok(self.users.scheduler_client.clone());
        }
        let name = &placement.name;
        self.grant(name, &placement.permissions).await.map_err(|e| format!("spec.permissions: {e}"))?;
        Ok((self.users.clients)(Identity::new(
            format!("system:serviceaccount:kube-system:{name}-controller"),
            &["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
        )))
    }

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
            self.users.client.patch(&target, Patch { patch_type: PatchType::Apply, body }, &options).await?;
        }
        Ok(())
    }
}
