//! A script: a cluster, and cases that ask the plugin something and say what it must answer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use orch_plugin::calls::cni::Pod;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::TestError;
use super::csi::Storage;

/// `tests/NAME.yaml` (or `.json`).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// `spec.config`.
    #[serde(default)]
    pub config: Map<String, Value>,
    #[serde(default)]
    pub cluster: Objects,
    /// What a network driver is told of its node.
    #[serde(default)]
    pub node: Node,
    pub cases: Vec<Case>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Node {
    #[serde(default, rename = "podCIDRs")]
    pub pod_cidrs: Vec<String>,
    #[serde(default)]
    pub mtu: u32,
}

/// A pod's network namespace.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Sandbox {
    pub sandbox_id: String,
    #[serde(default)]
    pub namespace: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub uid: String,
}

impl From<Sandbox> for Pod {
    fn from(sandbox: Sandbox) -> Self {
        let Sandbox { sandbox_id, namespace, name, uid } = sandbox;
        Pod { sandbox_id, namespace, name, uid }
    }
}

/// What is in a directory, by path: a file's text, or null for a directory.
pub type Contents = BTreeMap<String, Option<String>>;

/// Nodes and pods are whole objects, or short forms: see `objects.rs`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objects {
    #[serde(default)]
    pub nodes: Vec<Value>,
    #[serde(default)]
    pub pods: Vec<Value>,
    /// Of any kind.
    #[serde(default)]
    pub objects: Vec<Value>,
    /// What a storage driver is lent, by name.
    #[serde(default)]
    pub directories: BTreeMap<String, Contents>,
}

/// One question. Cases of a script share the cluster: what one changes, the next finds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    /// New or changed objects before the question.
    #[serde(default)]
    pub change: Objects,
    /// Objects that go before the question: `Node a`, `Pod default/web`.
    #[serde(default)]
    pub remove: Vec<String>,
    /// Asks a scheduling policy about a pod.
    pub pod: Option<Value>,
    /// The node that was chosen for it: what remains to be done there.
    pub on: Option<String>,
    /// Whether it stays there; otherwise it is let go at the end.
    #[serde(default = "stays")]
    pub bound: bool,
    /// Asks an admission check about a request: an AdmissionRequest, of which `operation`, `resource`
    /// (a plural, or as in the request) and `object` are enough.
    pub request: Option<Map<String, Value>>,
    /// Asks a controller to reconcile a key.
    pub reconcile: Option<String>,
    /// Asks a controller which keys a change concerns.
    pub event: Option<Event>,
    /// Asks a network driver to connect a sandbox.
    pub attach: Option<Sandbox>,
    /// Asks it to disconnect the one of this id.
    pub detach: Option<String>,
    /// Calls a storage driver.
    pub storage: Option<Storage>,
    pub expect: Expect,
}

fn stays() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    pub object: Value,
    /// As it was before: the object is then modified, otherwise added.
    pub before: Option<Value>,
    #[serde(default)]
    pub deleted: bool,
}

/// What must come of it; what is left out is not looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Expect {
    /// Part of the error that the call ends with.
    pub error: Option<String>,

    /// Nodes, in any order.
    pub feasible: Option<Vec<String>>,
    /// The reason for each node that is not feasible.
    pub reasons: Option<BTreeMap<String, String>>,
    /// Why the pod can go nowhere.
    pub rejected: Option<String>,
    /// Normalized scores of feasible nodes.
    pub scores: Option<BTreeMap<String, u32>>,
    /// Feasible nodes, the best first; equal ones by name.
    pub order: Option<Vec<String>>,
    /// The pod's place in the queue.
    pub rank: Option<i64>,
    /// By node: the pods that would have to go.
    pub evictions: Option<BTreeMap<String, Vec<String>>>,
    /// The node where they go; null: nobody goes.
    #[serde(default, deserialize_with = "present")]
    pub chosen: Option<Option<String>>,
    /// Why the pod may not preempt.
    pub not_eligible: Option<String>,
    /// How long the pod may wait on its node, for permission or until all is ready; 0: not at all.
    pub wait_ms: Option<u32>,
    /// Parts of the writes before it is bound.
    pub patches: Option<Vec<Value>>,

    /// True, or part of the message that refuses the request.
    pub admitted: Option<bool>,
    pub denied: Option<Denied>,
    /// Parts of the object as it would be stored.
    pub object: Option<Value>,
    pub warnings: Option<Vec<String>>,

    /// `create ConfigMap default/site`, in order.
    pub writes: Option<Vec<String>>,
    /// `Normal Greeted hello, shop`, in order.
    pub events: Option<Vec<String>>,
    /// Parts of objects that must be there.
    pub objects: Option<Vec<Value>>,
    /// Objects that must not: `ConfigMap default/site`.
    pub gone: Option<Vec<String>>,
    pub requeue_after_ms: Option<u64>,
    /// Samples of its own metrics, as they are then: `made_total{kind="site"}`; null: it is not there.
    pub metrics: Option<BTreeMap<String, Option<f64>>>,

    /// The sandbox's addresses.
    pub ips: Option<Vec<String>>,
    /// Among what is asked of the sandbox: `add-address node 10.0.0.1/32`.
    pub calls: Option<Vec<String>>,
    pub keys: Option<Vec<String>>,

    /// Parts of what a storage driver answers.
    pub answer: Option<Value>,
    /// All that is in these directories.
    pub directories: Option<BTreeMap<String, Contents>>,
    /// What these directories show: `v/data read-only`, or null for nothing.
    pub mounts: Option<BTreeMap<String, Option<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denied {
    pub code: Option<u16>,
    pub reason: Option<String>,
    /// Part of it.
    pub message: Option<String>,
}

impl Expect {
    pub fn asks_for_room(&self) -> bool {
        self.evictions.is_some() || self.chosen.is_some() || self.not_eligible.is_some()
    }
}

/// Null is a value.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Deserialize::deserialize(value).map(Some)
}

impl Script {
    pub fn read(path: &Path) -> Result<Self, TestError> {
        let content =
            fs::read_to_string(path).map_err(|source| TestError::Read { path: path.into(), source })?;
        serde_saphyr::from_str(&content)
            .map_err(|error| TestError::Script { path: path.into(), message: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_expectation_is_refused() {
        let script = |text: &str| serde_saphyr::from_str::<Script>(text);
        assert!(script("cases: [{name: a, pod: {name: p}, expect: {feasible: [a]}}]").is_ok());
        let error = script("cases: [{name: a, pod: {name: p}, expect: {feasable: [a]}}]").unwrap_err();
        assert!(error.to_string().contains("feasable"), "{error}");
    }

    #[test]
    fn storage_calls_are_read_and_misspelt_ones_refused() {
        let read = |call: &str| {
            let script = format!("cases: [{{name: a, storage: {call}, expect: {{}}}}]");
            serde_saphyr::from_str::<Script>(&script).map_err(|error| error.to_string())
        };
        assert!(read("probe").is_ok());
        let capability = "{accessMode: multi-node-reader-only, mountFlags: [noatime]}";
        assert!(
            read(&format!("{{stage: {{volume: {{volumeId: v, capability: {capability}}}, staging: s}}}}"))
                .is_ok()
        );
        assert!(read("{createVolume: {name: v, source: {snapshot: s}}}").is_ok());
        assert!(read("{createVolume: {name: v, size: 1}}").unwrap_err().contains("size"));
        assert!(read("{unpublish: {volumeId: v}}").unwrap_err().contains("target"));
        assert!(read("{mount: {volumeId: v}}").unwrap_err().contains("mount"));
    }
}
