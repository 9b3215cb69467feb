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

impl Container {
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_read_as_empty() {
        let pod: Pod =
            serde_json::from_str(r#"{"spec": {"containers": null, "tolerations": null, "affinity": null}}"#)
                .unwrap();
        assert_eq!(pod, Pod::default());
    }
}
