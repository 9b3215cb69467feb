//! Keeps apart pods that may not share a volume: exclusive disks on one node, and claims that only one
//! pod in the cluster may use.

use std::collections::HashMap;

use orch_sdk::scheduler::{Delta, Description, NodeSet, Policy, Rejection, Scope, Verdict};
use orch_sdk::volume::{Claim, Collection, Identity, Pod, Volume};

mod disk;

use disk::{conflicts, is_exclusive};

const DISK_CONFLICT: &str = "node(s) had no available disk";
const CLAIM_CONFLICT: &str = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod";

/// What is read of pods, to be placed or resident.
const POD: [&str; 5] = [
    "spec.volumes[*].persistentVolumeClaim.claimName",
    "spec.volumes[*].gcePersistentDisk",
    "spec.volumes[*].awsElasticBlockStore",
    "spec.volumes[*].iscsi",
    "spec.volumes[*].rbd",
];

#[derive(Default)]
pub struct VolumeRestrictions {
    claims: Collection<Claim>,
    pods: HashMap<String, Assigned>,
    /// How many pods use a claim.
    users: HashMap<String, usize>,
    /// The exclusive disks of the pods on a node.
    disks: HashMap<usize, Vec<(String, Volume)>>,
}

/// What a resident pod takes; those that take nothing are not kept.
struct Assigned {
    node: usize,
    claims: Vec<String>,
}

orch_sdk::export_scheduler!(VolumeRestrictions);

impl Policy for VolumeRestrictions {
    fn describe() -> Description {
        let mut pod = vec!["metadata.namespace"];
        pod.extend(POD);
        Description::new()
            .pod(&pod)
            .reads("v1", "Pod", &POD)
            .reads("v1", "PersistentVolumeClaim", &["spec.accessModes"])
            .filters(Scope::Cluster)
            .order(70)
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::PodUpsert { key, node, pod } => {
                self.forget(&key);
                self.assign(key, node, Pod::parse(&pod)?);
            }
            Delta::PodRemove { key } => self.forget(&key),
            Delta::ObjectUpsert { object } => _ = self.claims.upsert(&object),
            Delta::ObjectRemove { identity } => {
                self.claims.remove(&Identity::parse(&identity)?.key());
            }
            Delta::NodeUpsert { .. } | Delta::NodeRemove { .. } => {}
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str, nodes: &NodeSet) -> Result<Verdict, String> {
        let pod = Pod::parse(pod)?;
        let taken = match self.has_taken_claim(&pod) {
            Ok(taken) => taken,
            Err(reason) => return Ok(Verdict::Pod(reason)),
        };
        let in_conflict = self.nodes_in_conflict(&pod, nodes);
        let others = if taken { nodes.difference(&in_conflict) } else { NodeSet::new() };
        let reasons = [(DISK_CONFLICT, in_conflict), (CLAIM_CONFLICT, others)];
        let found = reasons.into_iter().filter(|(_, nodes)| !nodes.is_empty());
        let rejections =
            found.map(|(reason, nodes)| Rejection { reason: reason.into(), nodes, unresolvable: false });
        Ok(Verdict::Nodes(rejections.collect()))
    }
}

impl VolumeRestrictions {
    fn assign(&mut self, key: String, node: usize, pod: Pod) {
        let named = pod.claims().filter(|claim| !claim.ephemeral);
        let claims: Vec<String> = named.map(|claim| pod.claim_key(&claim)).collect();
        let disks: Vec<Volume> = pod.spec.volumes.into_iter().filter(is_exclusive).collect();
        if claims.is_empty() && disks.is_empty() {
            return;
        }
        for claim in &claims {
            *self.users.entry(claim.clone()).or_default() += 1;
        }
        if !disks.is_empty() {
            self.disks.entry(node).or_default().extend(disks.into_iter().map(|disk| (key.clone(), disk)));
        }
        self.pods.insert(key, Assigned { node, claims });
    }

    fn forget(&mut self, key: &str) {
        let Some(Assigned { node, claims }) = self.pods.remove(key) else { return };
        for claim in claims {
            if let Some(users) = self.users.get_mut(&claim) {
                *users -= 1;
                if *users == 0 {
                    self.users.remove(&claim);
                }
            }
        }
        if let Some(disks) = self.disks.get_mut(&node) {
            disks.retain(|(owner, _)| owner != key);
            if disks.is_empty() {
                self.disks.remove(&node);
            }
        }
    }

    /// Whether a claim of the pod is for one pod alone, and has one. Every claim must be there.
    fn has_taken_claim(&self, pod: &Pod) -> Result<bool, String> {
        let mut taken = false;
        for wanted in pod.claims().filter(|claim| !claim.ephemeral) {
            let key = pod.claim_key(&wanted);
            let claim = self.claims.get(&key);
            let claim = claim.ok_or_else(|| format!("persistentvolumeclaim {:?} not found", wanted.name))?;
            taken |= claim.is_for_one_pod() && self.users.contains_key(&key);
        }
        Ok(taken)
    }

    fn nodes_in_conflict(&self, pod: &Pod, nodes: &NodeSet) -> NodeSet {
        let wanted: Vec<&Volume> = pod.spec.volumes.iter().filter(|volume| is_exclusive(volume)).collect();
        if wanted.is_empty() {
            return NodeSet::new();
        }
        let is_taken = |(_, disk): &(String, Volume)| wanted.iter().any(|wanted| conflicts(wanted, disk));
        let asked = self.disks.iter().filter(|(node, _)| nodes.contains(**node));
        asked.filter(|(_, disks)| disks.iter().any(is_taken)).map(|(node, _)| *node).collect()
    }
}

#[cfg(test)]
mod tests;
