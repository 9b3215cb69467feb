//! PersistentVolumes and StorageClasses.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::claim::Phase;
use super::pod::{AzureDisk, ByVolumeId};
use super::{Claim, EbsDisk, GceDisk, Metadata, Named};
use crate::node::{Quantity, or_default};
use crate::pod::{NodeSelector, NodeSelectorTerm};

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct PersistentVolume {
    pub metadata: Metadata,
    #[serde(deserialize_with = "or_default")]
    pub spec: Spec,
    #[serde(deserialize_with = "or_default")]
    pub status: Phase,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Spec {
    #[serde(deserialize_with = "or_default")]
    pub capacity: BTreeMap<String, Quantity>,
    #[serde(deserialize_with = "or_default")]
    pub access_modes: Vec<String>,
    pub claim_ref: Option<ClaimReference>,
    pub storage_class_name: Option<String>,
    /// `Filesystem` when absent.
    pub volume_mode: Option<String>,
    pub volume_attributes_class_name: Option<String>,
    pub node_affinity: Option<Affinity>,
    pub csi: Option<CsiSource>,
    pub gce_persistent_disk: Option<GceDisk>,
    pub aws_elastic_block_store: Option<EbsDisk>,
    pub azure_disk: Option<AzureDisk>,
    pub cinder: Option<ByVolumeId>,
    pub portworx_volume: Option<ByVolumeId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct ClaimReference {
    pub namespace: String,
    pub name: String,
    /// Empty: meant for the next claim of this name.
    pub uid: String,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Affinity {
    pub required: Option<NodeSelector>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CsiSource {
    pub driver: String,
    pub volume_handle: String,
}

impl Named for PersistentVolume {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl PersistentVolume {
    pub fn class(&self) -> &str {
        self.metadata.class(self.spec.storage_class_name.as_deref())
    }

    /// Bytes; none said is nothing.
    pub fn capacity(&self) -> i64 {
        self.spec.capacity.get("storage").map_or(0, Quantity::whole)
    }

    pub fn is_available(&self) -> bool {
        self.status.phase == "Available"
    }

    /// Whether nodes with these labels reach it.
    pub fn is_reachable(&self, labels: &Value) -> bool {
        match self.required_terms() {
            None => true,
            Some(terms) => allows(terms, labels),
        }
    }

    /// None: every node reaches it.
    pub fn required_terms(&self) -> Option<&[NodeSelectorTerm]> {
        let affinity = self.spec.node_affinity.as_ref()?;
        affinity.required.as_ref().map(|required| required.node_selector_terms.as_slice())
    }

    /// What could never be bound to the claim whatever the node, unless it is reserved for it by name:
    /// mode, attributes class and size must fit in either case.
    pub fn can_hold(&self, claim: &Claim) -> bool {
        self.capacity() >= claim.requested().unwrap_or(0)
            && mode(&self.spec.volume_mode) == mode(&claim.spec.volume_mode)
            && text(&self.spec.volume_attributes_class_name) == text(&claim.spec.volume_attributes_class_name)
            && self.metadata.deletion_timestamp.is_none()
    }

    pub fn offers_modes_of(&self, claim: &Claim) -> bool {
        claim.spec.access_modes.iter().all(|mode| self.spec.access_modes.contains(mode))
    }
}

impl ClaimReference {
    pub fn of(claim: &Claim) -> Self {
        let Metadata { namespace, name, uid, .. } = claim.metadata.clone();
        ClaimReference { namespace, name, uid }
    }

    /// Whether the volume is meant for this claim.
    pub fn is_to(&self, claim: &Claim) -> bool {
        let theirs = &claim.metadata;
        self.name == theirs.name
            && self.namespace == theirs.namespace
            && (self.uid.is_empty() || self.uid == theirs.uid)
    }

    pub fn key(&self) -> String {
        crate::controller::key_of(&self.namespace, &self.name)
    }
}

fn mode(mode: &Option<String>) -> &str {
    mode.as_deref().unwrap_or("Filesystem")
}

fn text(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

/// Whether any term fits. Volumes are matched with labels alone: `matchFields` say nothing here.
pub fn allows(terms: &[NodeSelectorTerm], labels: &Value) -> bool {
    let label = |key: &str| labels.get(key).and_then(Value::as_str);
    terms
        .iter()
        .filter(|term| !(term.match_expressions.is_empty() && term.match_fields.is_empty()))
        .any(|term| term.match_expressions.iter().all(|wanted| wanted.matches(label(&wanted.key))))
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StorageClass {
    pub metadata: Metadata,
    #[serde(deserialize_with = "or_default")]
    pub provisioner: String,
    pub volume_binding_mode: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub allowed_topologies: Vec<TopologyTerm>,
}

/// Its requirements hold together; a term without any matches nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopologyTerm {
    #[serde(deserialize_with = "or_default")]
    pub match_label_expressions: Vec<TopologyRequirement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct TopologyRequirement {
    pub key: String,
    #[serde(deserialize_with = "or_default")]
    pub values: Vec<String>,
}

impl Named for StorageClass {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl StorageClass {
    /// Whether its claims wait for a pod. An error when the class does not say.
    pub fn waits_for_consumer(&self) -> Result<bool, String> {
        let mode = self.volume_binding_mode.as_deref();
        let mode = mode
            .ok_or_else(|| format!("VolumeBindingMode not set for StorageClass {:?}", self.metadata.name))?;
        Ok(mode == "WaitForFirstConsumer")
    }

    /// Whether volumes can be made on demand.
    pub fn provisions(&self) -> bool {
        !self.provisioner.is_empty() && self.provisioner != super::NO_PROVISIONER
    }

    /// Whether volumes can be made for nodes with these labels.
    pub fn allows(&self, labels: &Value) -> bool {
        let label = |key: &str| labels.get(key).and_then(Value::as_str);
        let holds = |wanted: &TopologyRequirement| {
            label(&wanted.key).is_some_and(|value| wanted.values.iter().any(|known| known == value))
        };
        self.allowed_topologies.is_empty()
            || self.allowed_topologies.iter().any(|term| {
                !term.match_label_expressions.is_empty() && term.match_label_expressions.iter().all(holds)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn volume(spec: Value) -> PersistentVolume {
        serde_json::from_value(json!({"metadata": {"name": "v"}, "spec": spec})).unwrap()
    }

    #[test]
    fn affinity_is_met_by_any_term_that_says_something() {
        let labels = json!({"zone": "a", "disk": "ssd"});
        let reaches = |terms: Value| {
            volume(json!({"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}})).is_reachable(&labels)
        };
        let zone =
            |zone: &str| json!({"matchExpressions": [{"key": "zone", "operator": "In", "values": [zone]}]});
        assert!(volume(json!({})).is_reachable(&Value::Null));
        assert!(reaches(json!([zone("a")])));
        assert!(reaches(json!([zone("b"), zone("a")])));
        assert!(!reaches(json!([zone("b")])));
        assert!(!reaches(json!([{}])));
        assert!(!reaches(json!([])));
    }

    #[test]
    fn topologies_are_met_by_any_whole_term() {
        let class = |topologies: Value| -> StorageClass {
            serde_json::from_value(json!({"provisioner": "x", "allowedTopologies": topologies})).unwrap()
        };
        let labels = json!({"zone": "a", "rack": "1"});
        let wanted = |key: &str, values: &[&str]| json!({"key": key, "values": values});
        assert!(class(json!(null)).allows(&Value::Null));
        assert!(class(json!([{"matchLabelExpressions": [wanted("zone", &["b", "a"])]}])).allows(&labels));
        let both = json!([{"matchLabelExpressions": [wanted("zone", &["a"]), wanted("rack", &["2"])]}]);
        assert!(!class(both).allows(&labels));
        assert!(!class(json!([{}])).allows(&labels));
        assert!(!class(json!([{"matchLabelExpressions": [wanted("hall", &["a"])]}])).allows(&labels));
    }

    #[test]
    fn a_class_must_say_when_it_binds() {
        let class = StorageClass::default();
        assert!(class.waits_for_consumer().unwrap_err().starts_with("VolumeBindingMode not set"));
    }
}
