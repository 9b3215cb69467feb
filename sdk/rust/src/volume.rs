//! What policies read of volumes: a pod's own, claims, persistent volumes, classes, and what CSI drivers
//! say of nodes. Fields outside the policy's interests read as empty.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::node::or_default;

mod claim;
mod collection;
mod csi;
mod migration;
mod nodes;
mod persistent;
mod pod;

pub use claim::{Claim, ClaimSpec};
pub use collection::{Collection, Identity, Named};
pub use csi::{CsiDriver, CsiNode, CsiStorageCapacity, VolumeAttachment, VolumeAttachmentSpec};
pub use migration::{Migrated, driver_of_provisioner};
pub use nodes::{NodeRow, Nodes};
pub use persistent::{ClaimReference, PersistentVolume, StorageClass, allows};
pub use pod::{ClaimUse, EbsDisk, GceDisk, IscsiDisk, Pod, RbdImage, Volume};

/// On a claim: the node whose pod waits for it, so that its volume is made where the pod goes.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// On a claim: claim and volume point at each other.
pub const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// On a volume: it was matched, not asked for by name.
pub const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// The provisioner of classes whose volumes are made by hand.
pub const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";
/// Older than the field, and stronger.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// What volume policies read of any object's metadata.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub resource_version: String,
    /// A map, or `Null`: what a [`Selector`](crate::selector::Selector) is matched with.
    pub labels: Value,
    #[serde(deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
    pub deletion_timestamp: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub owner_references: Vec<OwnerReference>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct OwnerReference {
    pub uid: String,
    pub controller: bool,
}

impl Metadata {
    /// `namespace/name`, or `name`.
    pub fn key(&self) -> String {
        crate::controller::key_of(&self.namespace, &self.name)
    }

    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).and_then(Value::as_str)
    }

    fn class<'a>(&'a self, field: Option<&'a str>) -> &'a str {
        self.annotations.get(CLASS_ANNOTATION).map(String::as_str).or(field).unwrap_or_default()
    }

    fn is_controlled_by(&self, uid: &str) -> bool {
        let mut owners = self.owner_references.iter();
        !uid.is_empty() && owners.any(|owner| owner.controller && owner.uid == uid)
    }
}
