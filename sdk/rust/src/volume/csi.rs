//! What CSI drivers tell of themselves, their nodes and their room.

use serde::Deserialize;
use serde_json::Value;

use super::{Metadata, Named};
use crate::node::{Quantity, or_default};
use crate::selector::Selector;

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct CsiNode {
    pub metadata: Metadata,
    #[serde(deserialize_with = "or_default")]
    pub spec: CsiNodeSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct CsiNodeSpec {
    #[serde(deserialize_with = "or_default")]
    pub drivers: Vec<NodeDriver>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct NodeDriver {
    pub name: String,
    pub allocatable: Option<Allocatable>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Allocatable {
    pub count: Option<i64>,
}

impl CsiNode {
    pub fn has(&self, driver: &str) -> bool {
        self.spec.drivers.iter().any(|known| known.name == driver)
    }

    /// How many volumes of the driver the node takes; none: as many as come.
    pub fn limit(&self, driver: &str) -> Option<i64> {
        let known = self.spec.drivers.iter().find(|known| known.name == driver)?;
        known.allocatable.as_ref()?.count
    }
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct CsiDriver {
    pub metadata: Metadata,
    #[serde(deserialize_with = "or_default")]
    pub spec: CsiDriverSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CsiDriverSpec {
    /// It publishes how much room there is, and wants that respected.
    #[serde(deserialize_with = "or_default")]
    pub storage_capacity: bool,
    /// Pods that need it do not go to nodes without it.
    #[serde(deserialize_with = "or_default")]
    pub prevent_pod_scheduling_if_missing: bool,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CsiStorageCapacity {
    pub metadata: Metadata,
    #[serde(deserialize_with = "or_default")]
    pub storage_class_name: String,
    pub capacity: Option<Quantity>,
    pub maximum_volume_size: Option<Quantity>,
    /// A label selector on nodes; none: no node has access.
    pub node_topology: Option<Value>,
}

impl CsiStorageCapacity {
    /// The largest volume that could be made, in bytes; none: unknown, so nothing is promised.
    pub fn limit(&self) -> Option<i64> {
        self.maximum_volume_size.as_ref().or(self.capacity.as_ref()).map(Quantity::whole)
    }

    /// Which nodes have access; none: no node.
    pub fn topology(&self) -> Option<Selector> {
        Selector::from_label_selector(self.node_topology.as_ref()?).ok()
    }
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct VolumeAttachment {
    pub metadata: Metadata,
    #[serde(deserialize_with = "or_default")]
    pub spec: VolumeAttachmentSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeAttachmentSpec {
    /// The driver.
    pub attacher: String,
    pub node_name: String,
    #[serde(deserialize_with = "or_default")]
    pub source: AttachmentSource,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AttachmentSource {
    pub persistent_volume_name: Option<String>,
}

macro_rules! named {
    ($($kind:ty),*) => {$(
        impl Named for $kind {
            fn metadata(&self) -> &Metadata {
                &self.metadata
            }
        }
    )*};
}
named!(CsiNode, CsiDriver, CsiStorageCapacity, VolumeAttachment);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_limit_is_what_the_driver_counts() {
        let drivers = json!([{"name": "a", "allocatable": {"count": 3}}, {"name": "b"}, {"name": "c", "allocatable": {}}]);
        let node: CsiNode = serde_json::from_value(json!({"spec": {"drivers": drivers}})).unwrap();
        assert_eq!(
            (node.limit("a"), node.limit("b"), node.limit("c"), node.limit("d")),
            (Some(3), None, None, None)
        );
        assert!(node.has("b") && !node.has("d"));
    }

    #[test]
    fn the_largest_volume_counts_before_the_room() {
        let capacity = |value: Value| -> CsiStorageCapacity { serde_json::from_value(value).unwrap() };
        assert_eq!(capacity(json!({"capacity": "10Gi", "maximumVolumeSize": "1Gi"})).limit(), Some(1 << 30));
        assert_eq!(capacity(json!({"capacity": "1Ki"})).limit(), Some(1024));
        assert_eq!(capacity(json!({})).limit(), None);
        assert!(capacity(json!({})).topology().is_none());
        assert!(capacity(json!({"nodeTopology": {}})).topology().unwrap().matches(&Value::Null));
    }
}
