//! Puts pods where their volumes are or can be: nodes that reach the bound ones, have a volume to match,
//! or can have one made. Holds what it found for a pod, and binds before the pod is bound.
//!
//! Binding is a write to either side: a matched volume is told its claim, a claim whose volume is to be
//! made is told the node. The volume controller and the provisioner do the rest; the pod waits for them.

use orch_sdk::scheduler::{Advice, Delta, Description, NodeSet, Normalization, Policy, Scope, Verdict};
use orch_sdk::volume::{Identity, Pod};
use orch_sdk::{Value, log};

mod assumed;
mod bind;
mod claims;
mod config;
mod plan;
mod provision;
mod reach;
mod score;
mod state;

use claims::Refusal;
use config::Config;
use state::State;

/// What is read of the pod to be placed.
const POD: [&str; 6] = [
    "metadata.namespace",
    "metadata.name",
    "metadata.uid",
    "spec.volumes[*].name",
    "spec.volumes[*].persistentVolumeClaim.claimName",
    "spec.volumes[*].ephemeral",
];

const CLAIM: [&str; 12] = [
    "metadata.annotations",
    "metadata.deletionTimestamp",
    "metadata.ownerReferences",
    "metadata.resourceVersion",
    "spec.accessModes",
    "spec.resources.requests.storage",
    "spec.selector",
    "spec.storageClassName",
    "spec.volumeAttributesClassName",
    "spec.volumeMode",
    "spec.volumeName",
    "status.phase",
];

const VOLUME: [&str; 12] = [
    "metadata.annotations",
    "metadata.deletionTimestamp",
    "metadata.labels",
    "metadata.resourceVersion",
    "spec.accessModes",
    "spec.capacity.storage",
    "spec.claimRef",
    "spec.nodeAffinity",
    "spec.storageClassName",
    "spec.volumeAttributesClassName",
    "spec.volumeMode",
    "status.phase",
];

#[derive(Default)]
pub struct VolumeBinding {
    config: Config,
    state: State,
}

orch_sdk::export_scheduler!(VolumeBinding);

impl Policy for VolumeBinding {
    fn describe() -> Description {
        const STORAGE: &str = "storage.k8s.io/v1";
        Description::new()
            .pod(&POD)
            .reads("v1", "Node", &["metadata.labels"])
            .reads("v1", "PersistentVolumeClaim", &CLAIM)
            .reads("v1", "PersistentVolume", &VOLUME)
            .reads(STORAGE, "StorageClass", &["provisioner", "volumeBindingMode", "allowedTopologies"])
            .reads(STORAGE, "CSIDriver", &["spec.storageCapacity"])
            .reads(
                STORAGE,
                "CSIStorageCapacity",
                &["storageClassName", "capacity", "maximumVolumeSize", "nodeTopology"],
            )
            .filters(Scope::Cluster)
            .scores(Scope::Cluster, Normalization::None)
            .reserves()
            .prepares()
            .order(90)
    }

    fn configure(&mut self, config: &Value) -> Result<(), String> {
        self.config = Config::read(config)?;
        Ok(())
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => self.state.reach.upsert(index, &node)?,
            Delta::NodeRemove { index } => self.state.reach.remove(index),
            Delta::ObjectUpsert { object } => self.state.upsert(&Identity::parse(&object)?, &object),
            Delta::ObjectRemove { identity } => self.state.remove(&Identity::parse(&identity)?),
            Delta::PodUpsert { .. } | Delta::PodRemove { .. } => {}
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str, nodes: &NodeSet) -> Result<Verdict, String> {
        let pod = Pod::parse(pod)?;
        let claims = match self.state.claims_of(&pod) {
            Ok(claims) if claims.is_empty() => return Ok(Verdict::default()),
            Ok(claims) => claims,
            Err(Refusal::Pod(reason)) => return Ok(Verdict::Pod(reason)),
            Err(Refusal::Failure(error)) => return Err(error),
        };
        Ok(self.state.plan(&claims, nodes)?.conflicts.into_rejections().into())
    }

    fn score(&mut self, pod: &str, nodes: &NodeSet) -> Result<Vec<u32>, String> {
        let none = vec![0; nodes.count()];
        let Some(shape) = &self.config.shape else { return Ok(none) };
        let pod = Pod::parse(pod)?;
        match self.state.claims_of(&pod) {
            Ok(claims) if claims.delayed.is_empty() => Ok(none),
            Ok(claims) => Ok(score::scores(&self.state.plan(&claims, nodes)?, nodes, shape)),
            Err(Refusal::Pod(_)) => Ok(none),
            Err(Refusal::Failure(error)) => Err(error),
        }
    }

    fn reserve(&mut self, pod: &str, node: usize) -> Result<(), String> {
        self.state.reserve(&Pod::parse(pod)?, node)
    }

    fn unreserve(&mut self, pod: &str, _node: usize) -> Result<(), String> {
        self.state.assumed.release(&assumed::key_of(&Pod::parse(pod)?));
        Ok(())
    }

    fn pre_bind(&mut self, pod: &str, node: usize) -> Result<Advice, String> {
        let pod = Pod::parse(pod)?;
        let outcome = self.state.bind(&pod, node).map_err(|error| format!("binding volumes: {error}"))?;
        if outcome.ready {
            // What was held is real now.
            self.state.assumed.release(&assumed::key_of(&pod));
        } else if !outcome.patches.is_empty() {
            log::debug(&format!("{}: {} writes to bind volumes", pod.metadata.key(), outcome.patches.len()));
        }
        let timeout_ms = self.config.bind_timeout_ms;
        Ok(Advice { patches: outcome.patches, ready: outcome.ready, timeout_ms })
    }
}

#[cfg(test)]
mod tests;
