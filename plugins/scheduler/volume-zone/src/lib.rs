//! Keeps pods on nodes in the zone and region that their bound volumes are labelled with.

use orch_sdk::scheduler::{Delta, Description, NodeSet, Policy, Rejection, Scope, Verdict};
use orch_sdk::volume::{Claim, Collection, Identity, NodeRow, Nodes, PersistentVolume, Pod, StorageClass};

const CONFLICT: &str = "node(s) had no available volume zone";

/// Each label, and the newer name of the same thing.
const TOPOLOGY: [(&str, &str); 4] = [
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("topology.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("topology.kubernetes.io/region", "topology.kubernetes.io/region"),
];

#[derive(Default)]
pub struct VolumeZone {
    nodes: Nodes,
    claims: Collection<Claim>,
    volumes: Collection<PersistentVolume>,
    classes: Collection<StorageClass>,
}

orch_sdk::export_scheduler!(VolumeZone);

impl Policy for VolumeZone {
    fn describe() -> Description {
        Description::new()
            .pod(&["metadata.namespace", "spec.volumes[*].persistentVolumeClaim.claimName"])
            .reads("v1", "Node", &["metadata.labels"])
            .reads(
                "v1",
                "PersistentVolumeClaim",
                &["metadata.annotations", "spec.volumeName", "spec.storageClassName"],
            )
            .reads("v1", "PersistentVolume", &["metadata.labels"])
            .reads("storage.k8s.io/v1", "StorageClass", &["volumeBindingMode"])
            .filters(Scope::Cluster)
            .order(100)
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => self.nodes.upsert(index, &node)?,
            Delta::NodeRemove { index } => self.nodes.remove(index),
            Delta::ObjectUpsert { object } => self.upsert(&object)?,
            Delta::ObjectRemove { identity } => self.remove(&Identity::parse(&identity)?),
            Delta::PodUpsert { .. } | Delta::PodRemove { .. } => {}
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str, nodes: &NodeSet) -> Result<Verdict, String> {
        let pod = Pod::parse(pod)?;
        Ok(match self.places(&pod) {
            Err(reason) => Verdict::Pod(reason),
            Ok(places) if places.is_empty() => Verdict::default(),
            Ok(places) => self.judge(&places, nodes).into(),
        })
    }
}

/// One label of one volume, and the values that are near it.
struct Place {
    label: &'static str,
    newer: &'static str,
    values: Vec<String>,
}

impl Place {
    fn is_near(&self, node: &NodeRow) -> bool {
        let value = node.label(self.label).or_else(|| node.label(self.newer));
        value.is_some_and(|value| self.values.iter().any(|known| known == value))
    }
}

impl VolumeZone {
    fn upsert(&mut self, object: &str) -> Result<(), String> {
        match Identity::parse(object)?.kind.as_str() {
            "PersistentVolumeClaim" => _ = self.claims.upsert(object),
            "PersistentVolume" => _ = self.volumes.upsert(object),
            "StorageClass" => _ = self.classes.upsert(object),
            _ => {}
        }
        Ok(())
    }

    fn remove(&mut self, identity: &Identity) {
        match identity.kind.as_str() {
            "PersistentVolumeClaim" => _ = self.claims.remove(&identity.key()),
            "PersistentVolume" => _ = self.volumes.remove(&identity.key()),
            "StorageClass" => _ = self.classes.remove(&identity.key()),
            _ => {}
        }
    }

    /// Where the pod's bound volumes are; an error is why the pod can go nowhere. Claims made for the pod
    /// from a template are left to volume-binding, as upstream does.
    fn places(&self, pod: &Pod) -> Result<Vec<Place>, String> {
        let mut places = Vec::new();
        for wanted in pod.claims().filter(|claim| !claim.ephemeral) {
            if wanted.name.is_empty() {
                return Err("PersistentVolumeClaim had no name".into());
            }
            let claim = self.claims.get(&pod.claim_key(&wanted));
            let claim = claim.ok_or_else(|| format!("persistentvolumeclaim {:?} not found", wanted.name))?;
            let name = &claim.spec.volume_name;
            if name.is_empty() {
                self.check_unbound(claim)?;
                continue;
            }
            let volume = self.volumes.get(name);
            let volume = volume.ok_or_else(|| format!("persistentvolume {name:?} not found"))?;
            places.extend(TOPOLOGY.iter().filter_map(|labels| place(volume, *labels)));
        }
        Ok(places)
    }

    /// An unbound claim says nothing yet, provided that it waits for the pod.
    fn check_unbound(&self, claim: &Claim) -> Result<(), String> {
        let name = claim.class();
        if name.is_empty() {
            return Err("PersistentVolumeClaim had no pv name and storageClass name".into());
        }
        let class = self.classes.get(name);
        let class = class.ok_or_else(|| format!("storageclass.storage.k8s.io {name:?} not found"))?;
        match class.waits_for_consumer()? {
            true => Ok(()),
            false => Err("PersistentVolume had no name".into()),
        }
    }

    fn judge(&self, places: &[Place], nodes: &NodeSet) -> Vec<Rejection> {
        let known = nodes.iter().filter_map(|index| Some((index, self.nodes.get(index)?)));
        let far =
            known.filter(|(_, node)| has_place(node) && !places.iter().all(|place| place.is_near(node)));
        let nodes: NodeSet = far.map(|(index, _)| index).collect();
        if nodes.is_empty() {
            return Vec::new();
        }
        vec![Rejection { reason: CONFLICT.into(), nodes, unresolvable: true }]
    }
}

/// A node without any such label is in a cluster without zones: everything is near.
fn has_place(node: &NodeRow) -> bool {
    TOPOLOGY.iter().any(|(label, _)| node.label(label).is_some())
}

/// A label may name several zones: `a__b`. One that names an empty zone is ignored.
fn place(volume: &PersistentVolume, (label, newer): (&'static str, &'static str)) -> Option<Place> {
    let values: Vec<String> =
        volume.metadata.label(label)?.split("__").map(|zone| zone.trim().to_string()).collect();
    let all_named = values.iter().all(|zone| !zone.is_empty());
    all_named.then_some(Place { label, newer, values })
}

#[cfg(test)]
mod tests;
