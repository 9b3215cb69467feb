//! A script: a cluster, and cases that ask the plugin something and say what it must answer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use orch_plugin::calls::cni::Pod;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::TestError;

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
    pub expect: Expect,
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
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denied {
    pub code: Option<u16>,
    pub reason: Option<String>,
    /// Part of it.
    pub message: Option<String>,
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
}
