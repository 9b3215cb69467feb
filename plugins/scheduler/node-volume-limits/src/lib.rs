//! Keeps pods off nodes that cannot attach more volumes of a CSI driver, or do not have the driver.

use orch_sdk::scheduler::{Delta, Description, NodeSet, Policy, Rejection, Scope, Verdict};
use orch_sdk::volume::{Collection, CsiDriver, CsiNode, Identity, Nodes, Pod};

mod attached;
mod resolve;

use attached::Attached;
use resolve::{Resolver, Volumes};

const TOO_MANY: &str = "node(s) exceed max volume count";

/// What is read of pods, to be placed or resident.
const POD: [&str; 8] = [
    "spec.volumes[*].name",
    "spec.volumes[*].persistentVolumeClaim.claimName",
    "spec.volumes[*].ephemeral",
    "spec.volumes[*].gcePersistentDisk.pdName",
    "spec.volumes[*].awsElasticBlockStore.volumeID",
    "spec.volumes[*].azureDisk.diskURI",
    "spec.volumes[*].cinder.volumeID",
    "spec.volumes[*].portworxVolume.volumeID",
];

#[derive(Default)]
pub struct NodeVolumeLimits {
    nodes: Nodes,
    csi_nodes: Collection<CsiNode>,
    drivers: Collection<CsiDriver>,
    resolver: Resolver,
    attached: Attached,
}

orch_sdk::export_scheduler!(NodeVolumeLimits);

impl Policy for NodeVolumeLimits {
    fn describe() -> Description {
        let mut pod = vec!["metadata.namespace", "metadata.name", "metadata.uid"];
        pod.extend(POD);
        Description::new()
            .pod(&pod)
            .reads("v1", "Node", &["metadata.name"])
            .reads("v1", "Pod", &POD)
            .reads(
                "v1",
                "PersistentVolumeClaim",
                &[
                    "metadata.annotations",
                    "metadata.ownerReferences",
                    "spec.volumeName",
                    "spec.storageClassName",
                ],
            )
            .reads("v1", "PersistentVolume", &resolve::VOLUME)
            .reads("storage.k8s.io/v1", "StorageClass", &["provisioner"])
            .reads("storage.k8s.io/v1", "CSINode", &["spec.drivers[*].name", "spec.drivers[*].allocatable"])
            .reads("storage.k8s.io/v1", "CSIDriver", &["spec.preventPodSchedulingIfMissing"])
            .reads(
                "storage.k8s.io/v1",
                "VolumeAttachment",
                &["spec.attacher", "spec.nodeName", "spec.source"],
            )
            .filters(Scope::Cluster)
            .order(80)
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => {
                self.attached.forget_node(index);
                self.nodes.upsert(index, &node)?;
            }
            Delta::NodeRemove { index } => {
                self.attached.forget_node(index);
                self.nodes.remove(index);
            }
            Delta::PodUpsert { key, node, pod } => self.attached.upsert(key, node, Pod::parse(&pod)?),
            Delta::PodRemove { key } => self.attached.remove(&key),
            Delta::ObjectUpsert { object } => self.upsert(&object)?,
            Delta::ObjectRemove { identity } => self.remove(&Identity::parse(&identity)?),
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str, nodes: &NodeSet) -> Result<Verdict, String> {
        let pod = Pod::parse(pod)?;
        let wanted = match self.resolver.of_new_pod(&pod) {
            Ok(wanted) => wanted,
            Err(reason) => return Ok(Verdict::Pod(reason)),
        };
        if wanted.is_empty() {
            return Ok(Verdict::default());
        }
        let mut rejections = Rejections::default();
        for node in nodes.iter() {
            if let Some(reason) = self.objection(node, &wanted) {
                rejections.add(reason, node);
            }
        }
        Ok(rejections.0.into())
    }
}

#[derive(Default)]
struct Rejections(Vec<Rejection>);

impl Rejections {
    fn add(&mut self, reason: String, node: usize) {
        let known = self.0.iter().position(|found| found.reason == reason);
        let position = known.unwrap_or_else(|| {
            self.0.push(Rejection { reason, nodes: NodeSet::new(), unresolvable: false });
            self.0.len() - 1
        });
        self.0[position].nodes.insert(node);
    }
}

impl NodeVolumeLimits {
    fn upsert(&mut self, object: &str) -> Result<(), String> {
        let identity = Identity::parse(object)?;
        match identity.kind.as_str() {
            "CSINode" => _ = self.csi_nodes.upsert(object),
            "CSIDriver" => _ = self.drivers.upsert(object),
            "VolumeAttachment" => self.attached.upsert_attachment(&identity, object),
            _ => self.attached.forget(self.resolver.upsert(&identity, object)),
        }
        Ok(())
    }

    fn remove(&mut self, identity: &Identity) {
        let key = identity.key();
        match identity.kind.as_str() {
            "CSINode" => _ = self.csi_nodes.remove(&key),
            "CSIDriver" => _ = self.drivers.remove(&key),
            "VolumeAttachment" => self.attached.remove_attachment(&key),
            _ => self.attached.forget(self.resolver.remove(identity)),
        }
    }

    /// Why the node cannot take these volumes beside those it has.
    fn objection(&mut self, node: usize, wanted: &Volumes) -> Option<String> {
        let name = self.nodes.get(node)?.name.as_str();
        let csi_node = self.csi_nodes.get(name);
        // Disks that moved to CSI count only where CSI is at work at all.
        let counted = || wanted.iter().filter(|(_, migrated)| !**migrated || csi_node.is_some());
        for (volume, _) in counted() {
            let is_missing = !csi_node.is_some_and(|csi_node| csi_node.has(&volume.driver));
            if is_missing && self.must_be_there(&volume.driver) {
                return Some(format!("{} CSI driver is not installed on the node", volume.driver));
            }
        }
        let csi_node = csi_node?;
        let mut limits =
            counted().filter_map(|(volume, _)| Some((&volume.driver, csi_node.limit(&volume.driver)?)));
        let exceeds = limits.any(|(driver, limit)| {
            let present = self.attached.on(node, name, &self.resolver);
            let new = wanted.keys().filter(|volume| volume.driver == *driver && !present.has_pods(volume));
            let new = new.count() as i64;
            new > 0 && present.count(driver) + new > limit
        });
        exceeds.then(|| TOO_MANY.into())
    }

    fn must_be_there(&self, driver: &str) -> bool {
        self.drivers.get(driver).is_some_and(|driver| driver.spec.prevent_pod_scheduling_if_missing)
    }
}

#[cfg(test)]
mod tests;
