//! What policies read of a Pod. Fields outside the policy's interests read as empty.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::node::or_default;
pub use crate::node::{Metadata, Quantity};
use crate::selector::Requirement;
use crate::toleration::Toleration;

/// A policy that reads little of the spec gives a struct of its own for `S`, and is smaller for it.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, bound(deserialize = "S: Default + Deserialize<'de>"))]
pub struct Pod<S = Spec> {
    pub metadata: Metadata,
    #[serde(deserialize_with = "or_default")]
    pub spec: S,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Spec {
    pub node_name: String,
    #[serde(deserialize_with = "or_default")]
    pub containers: Vec<Container>,
    #[serde(deserialize_with = "or_default")]
    pub init_containers: Vec<Container>,
    /// Added by a RuntimeClass on top of what the containers ask for.
    #[serde(deserialize_with = "or_default")]
    pub overhead: BTreeMap<String, Quantity>,
    /// Pod-level resources.
    pub resources: Option<Resources>,
    #[serde(deserialize_with = "or_default")]
    pub tolerations: Vec<Toleration>,
    #[serde(deserialize_with = "or_default")]
    pub node_selector: BTreeMap<String, String>,
    pub affinity: Option<Affinity>,
    pub host_network: bool,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Container {
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub resources: Resources,
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<Port>,
    /// `Always` on an init container makes it a sidecar.
    pub restart_policy: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Resources {
    #[serde(deserialize_with = "or_default")]
    pub requests: BTreeMap<String, Quantity>,
    #[serde(deserialize_with = "or_default")]
    pub limits: BTreeMap<String, Quantity>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Port {
    pub host_port: u16,
    #[serde(rename = "hostIP")]
    pub host_ip: String,
    /// `TCP` when empty.
    pub protocol: String,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Affinity {
    pub node_affinity: Option<NodeAffinity>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct NodeAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub required: Option<NodeSelector>,
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution", deserialize_with = "or_default")]
    pub preferred: Vec<PreferredTerm>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeSelector {
    #[serde(deserialize_with = "or_default")]
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct PreferredTerm {
    pub weight: i64,
    pub preference: NodeSelectorTerm,
}

/// Its requirements hold together; a term without any matches nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeSelectorTerm {
    #[serde(deserialize_with = "or_default")]
    pub match_expressions: Vec<Requirement>,
    /// On `metadata.name`.
    #[serde(deserialize_with = "or_default")]
    pub match_fields: Vec<Requirement>,
}

impl<S: Default + serde::de::DeserializeOwned> Pod<S> {
    pub fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| format!("pod: {error}"))
    }
}

/// The spec of a policy that reads only tolerations.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Tolerations {
    #[serde(deserialize_with = "or_default")]
    pub tolerations: Vec<Toleration>,
}

/// The paths of a Pod that [`Spec::requests`] reads.
pub const REQUEST_FIELDS: [&str; 6] = [
    "spec.containers[*].resources.requests",
    "spec.initContainers[*].resources.requests",
    "spec.initContainers[*].restartPolicy",
    "spec.initContainers[*].name",
    "spec.overhead",
    "spec.resources.requests",
];

impl Container {
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

impl Spec {
    /// What the pod asks of a node: the sum over its containers and sidecars, or what one init
    /// container needs beside the sidecars started before it, whichever is more; pod-level requests
    /// win over both; overhead comes on top.
    /// <https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers>
    ///
    /// `read` turns a resource's quantity into a number: millicores for `cpu`, say.
    pub fn requests(&self, read: impl Fn(&str, &Quantity) -> i64) -> BTreeMap<String, i64> {
        let amounts = |list: &BTreeMap<String, Quantity>| -> BTreeMap<String, i64> {
            list.iter().map(|(name, quantity)| (name.clone(), read(name, quantity))).collect()
        };
        let mut total = BTreeMap::new();
        for container in &self.containers {
            add(&mut total, &amounts(&container.resources.requests));
        }
        let (mut sidecars, mut highest) = (BTreeMap::new(), BTreeMap::new());
        for container in &self.init_containers {
            let own = amounts(&container.resources.requests);
            if container.is_sidecar() {
                add(&mut total, &own);
                add(&mut sidecars, &own);
                raise(&mut highest, &sidecars);
            } else {
                let mut beside = sidecars.clone();
                add(&mut beside, &own);
                raise(&mut highest, &beside);
            }
        }
        raise(&mut total, &highest);
        if let Some(resources) = &self.resources {
            total.extend(amounts(&resources.requests));
        }
        add(&mut total, &amounts(&self.overhead));
        total
    }
}

fn add(total: &mut BTreeMap<String, i64>, more: &BTreeMap<String, i64>) {
    for (name, amount) in more {
        let sum = total.entry(name.clone()).or_default();
        *sum = sum.saturating_add(*amount);
    }
}

fn raise(total: &mut BTreeMap<String, i64>, least: &BTreeMap<String, i64>) {
    for (name, amount) in least {
        let known = total.entry(name.clone()).or_default();
        *known = (*known).max(*amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(spec: serde_json::Value) -> BTreeMap<String, i64> {
        let spec: Spec = serde_json::from_value(spec).unwrap();
        spec.requests(|name, quantity| if name == "cpu" { quantity.milli() } else { quantity.whole() })
    }

    fn asking(cpu: &str) -> serde_json::Value {
        serde_json::json!({"resources": {"requests": {"cpu": cpu}}})
    }

    #[test]
    fn init_containers_count_when_they_need_more() {
        let spec = serde_json::json!({
            "containers": [asking("100m"), asking("200m")],
            "initContainers": [asking("1")],
            "overhead": {"cpu": "50m"},
        });
        assert_eq!(requests(spec)["cpu"], 1050);
    }

    #[test]
    fn sidecars_run_beside_what_follows() {
        let mut sidecar = asking("300m");
        sidecar["restartPolicy"] = "Always".into();
        let after =
            serde_json::json!({"containers": [asking("100m")], "initContainers": [sidecar, asking("500m")]});
        assert_eq!(requests(after)["cpu"], 800);
        let before =
            serde_json::json!({"containers": [asking("100m")], "initContainers": [asking("350m"), sidecar]});
        assert_eq!(requests(before)["cpu"], 400);
    }

    #[test]
    fn pod_level_requests_win() {
        let spec = serde_json::json!({
            "containers": [{"resources": {"requests": {"cpu": "1", "memory": 1024}}}],
            "resources": {"requests": {"cpu": "2"}},
        });
        let requests = requests(spec);
        assert_eq!((requests["cpu"], requests["memory"]), (2000, 1024));
    }

    #[test]
    fn nulls_read_as_empty() {
        let pod: Pod =
            serde_json::from_str(r#"{"spec": {"containers": null, "tolerations": null, "affinity": null}}"#)
                .unwrap();
        assert_eq!(pod, Pod::default());
    }
}
