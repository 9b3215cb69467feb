//! The Lease that says the node is alive.

use jiff::Timestamp;
use orch_client::{Patch, PatchType, Resource, Status, Target, WriteOptions};
use serde_json::json;

use crate::agent::Agent;
use crate::time;

const NAMESPACE: &str = "kube-node-lease";
const DURATION_SECONDS: u64 = 40;

pub async fn renew(agent: &Agent, node_uid: &str) -> Result<(), Status> {
    let name = &agent.config.node_name;
    let resource = Resource::new("coordination.k8s.io", "v1", "leases");
    let target = Target::named(&resource, NAMESPACE, name);
    let now = time::micros(Timestamp::now());
    let spec = json!({ "holderIdentity": name, "leaseDurationSeconds": DURATION_SECONDS, "renewTime": now });
    let patch = Patch { patch_type: PatchType::Merge, body: json!({ "spec": spec }) };
    let options = WriteOptions { field_manager: "kubelet".into(), ..WriteOptions::default() };
    match agent.client.patch(&target, patch, &options).await {
        Err(status) if status.is_not_found() => {}
        result => return result.map(drop),
    }
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": name, "namespace": NAMESPACE,
            "ownerReferences": [{ "apiVersion": "v1", "kind": "Node", "name": name, "uid": node_uid }],
        },
        "spec": spec,
    });
    agent.client.create(&target, lease, &options).await.map(drop)
}
