//! The pod that room is made for.

use std::hash::Hasher;

use orch_sdk::names::Fnv32a;
use orch_sdk::serde::Deserialize;
use orch_sdk::serde_json;

pub const FIELDS: [&str; 4] =
    ["metadata.uid", "spec.priority", "spec.preemptionPolicy", "status.nominatedNodeName"];

#[derive(Debug)]
pub struct Preemptor {
    pub priority: i32,
    pub never_preempts: bool,
    /// The node it was promised when it preempted before.
    pub nominated_node: Option<String>,
    /// Differs from pod to pod.
    pub seed: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default)]
struct Pod {
    metadata: Metadata,
    spec: Spec,
    status: Option<Status>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default)]
struct Metadata {
    uid: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase")]
struct Spec {
    priority: Option<i32>,
    preemption_policy: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase")]
struct Status {
    nominated_node_name: Option<String>,
}

impl Preemptor {
    pub fn read(json: &str) -> Result<Self, String> {
        let pod: Pod = serde_json::from_str(json).map_err(|error| format!("pod: {error}"))?;
        let nominated_node = pod.status.and_then(|status| status.nominated_node_name);
        let mut hasher = Fnv32a::default();
        hasher.write(pod.metadata.uid.as_bytes());
        Ok(Preemptor {
            priority: pod.spec.priority.unwrap_or(0),
            never_preempts: pod.spec.preemption_policy.as_deref() == Some("Never"),
            nominated_node: nominated_node.filter(|name| !name.is_empty()),
            seed: hasher.finish(),
        })
    }
}
