//! PersistentVolumeClaims.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{BIND_COMPLETED, Metadata, Named, SELECTED_NODE};
use crate::node::{Quantity, or_default};

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Claim {
    pub metadata: Metadata,
    #[serde(deserialize_with = "or_default")]
    pub spec: ClaimSpec,
    #[serde(deserialize_with = "or_default")]
    pub status: Phase,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimSpec {
    #[serde(deserialize_with = "or_default")]
    pub access_modes: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub resources: Requests,
    /// The volume it is bound to, or asks for.
    #[serde(deserialize_with = "or_default")]
    pub volume_name: String,
    pub storage_class_name: Option<String>,
    /// `Filesystem` when absent.
    pub volume_mode: Option<String>,
    pub volume_attributes_class_name: Option<String>,
    /// A label selector on volumes.
    pub selector: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Requests {
    #[serde(deserialize_with = "or_default")]
    pub requests: BTreeMap<String, Quantity>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Phase {
    pub phase: String,
}

impl Named for Claim {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Claim {
    /// Empty: the claim wants a volume without a class.
    pub fn class(&self) -> &str {
        self.metadata.class(self.spec.storage_class_name.as_deref())
    }

    /// Bytes asked for, if it says.
    pub fn requested(&self) -> Option<i64> {
        self.spec.resources.requests.get("storage").map(Quantity::whole)
    }

    /// It has a volume, and both sides know.
    pub fn is_bound(&self) -> bool {
        !self.spec.volume_name.is_empty() && self.metadata.annotations.contains_key(BIND_COMPLETED)
    }

    pub fn is_lost(&self) -> bool {
        self.status.phase == "Lost"
    }

    /// The node its volume is being made for.
    pub fn selected_node(&self) -> Option<&str> {
        self.metadata.annotations.get(SELECTED_NODE).map(String::as_str)
    }

    pub fn is_for_one_pod(&self) -> bool {
        self.spec.access_modes.iter().any(|mode| mode == "ReadWriteOncePod")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claim(value: Value) -> Claim {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_annotation_names_the_class_before_the_field() {
        assert_eq!(claim(json!({})).class(), "");
        assert_eq!(claim(json!({"spec": {"storageClassName": "fast"}})).class(), "fast");
        let annotations = json!({"volume.beta.kubernetes.io/storage-class": "slow"});
        let both = json!({"metadata": {"annotations": annotations}, "spec": {"storageClassName": "fast"}});
        assert_eq!(claim(both).class(), "slow");
    }

    #[test]
    fn bound_needs_both_sides() {
        let done = json!({"annotations": {"pv.kubernetes.io/bind-completed": "yes"}});
        assert!(claim(json!({"metadata": done, "spec": {"volumeName": "v"}})).is_bound());
        assert!(!claim(json!({"metadata": done, "spec": {}})).is_bound());
        assert!(!claim(json!({"spec": {"volumeName": "v"}})).is_bound());
    }
}
