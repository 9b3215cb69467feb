//! Storage drivers: volumes made, shown to pods, grown, kept and taken away, with the directories that the
//! host hands over and nothing else.
//!
//! A driver of directories, whole:
//!
//! ```
//! use orch_sdk::csi::*;
//!
//! #[derive(Default)]
//! struct Plain;
//!
//! impl Driver for Plain {
//!     fn describe() -> Description {
//!         describe("plain.example.com", "1.0", Capabilities::CREATE_DELETE | Capabilities::PUBLISH)
//!     }
//!     fn create_volume(
//!         &mut self, request: &NewVolume, volume: &dyn Directory, _: Option<&dyn Directory>,
//!     ) -> Answer<Volume> {
//!         volume.make_directory("data")?;
//!         let capacity_bytes = request.capacity.required_bytes;
//!         Ok(Volume { volume_id: request.name.clone(), capacity_bytes, context: vec![], accessible: vec![] })
//!     }
//!     fn delete_volume(&mut self, _: &str, _: &Attributes, volume: &dyn Directory) -> Answer<()> {
//!         volume.remove("")
//!     }
//!     fn publish(
//!         &mut self, _: &VolumeUse, _: &Pod, read_only: bool, at: Places<'_>, target: &dyn Directory,
//!     ) -> Answer<()> {
//!         at.volume.bind_mount("data", target, read_only)
//!     }
//!     fn unpublish(&mut self, _: &str, target: &dyn Directory) -> Answer<()> {
//!         target.unmount()
//!     }
//! }
//! orch_sdk::export_csi!(Plain);
//! ```

use std::any::Any;

use serde_json::Value;

#[cfg(not(target_family = "wasm"))]
pub mod fake;
mod host;

#[doc(hidden)]
pub use host::Exports;

pub use crate::bindings::csi::exports::orch::csi::controller::{
    Expansion, NewSnapshot, NewVolume, Publication, Room,
};
pub use crate::bindings::csi::exports::orch::csi::identity::{Capabilities, Description};
pub use crate::bindings::csi::exports::orch::csi::node::{Health, NodeInfo, Pod, VolumeUse};
pub use crate::bindings::csi::orch::csi::storage::{Entry, Usage};
pub use crate::bindings::csi::orch::csi::types::{
    AccessMode, AccessType, Attributes, CapacityRange, Code, ContentSource, Error, MountVolume, Snapshot,
    Topology, TopologyRequirement, Volume, VolumeCapability,
};

pub type Answer<T> = Result<T, Error>;

/// A storage driver. Only those functions are called that the description's capabilities name. Each may
/// be called again after it succeeded, failed or was cut off, and then does what is left to do. Nothing
/// may be remembered between calls but in a volume's directory.
pub trait Driver: Default + 'static {
    fn describe() -> Description;

    /// `spec.config`; an error refuses the plugin and names the field.
    fn configure(&mut self, _config: &Value) -> Result<(), String> {
        Ok(())
    }

    /// Whether it is ready to be used.
    fn probe(&mut self) -> Answer<bool> {
        Ok(true)
    }

    /// Makes a volume in its own directory, from that of another volume or snapshot if one is asked for.
    /// The name of a volume made before gives the same volume, or `AlreadyExists`.
    fn create_volume(
        &mut self,
        _request: &NewVolume,
        _volume: &dyn Directory,
        _source: Option<&dyn Directory>,
    ) -> Answer<Volume> {
        Err(unimplemented("create-volume"))
    }

    /// Takes a volume away; none there is success.
    fn delete_volume(&mut self, _id: &str, _secrets: &Attributes, _volume: &dyn Directory) -> Answer<()> {
        Err(unimplemented("delete-volume"))
    }

    /// Whether a volume made by hand can be used so; else why not.
    fn validate_capabilities(
        &mut self,
        _id: &str,
        _capabilities: &[VolumeCapability],
        _context: &Attributes,
    ) -> Answer<Option<String>> {
        Err(unimplemented("validate-capabilities"))
    }

    /// Attaches a volume to a node; the answer goes to `stage` and `publish` there.
    fn controller_publish(&mut self, _request: &Publication) -> Answer<Attributes> {
        Err(unimplemented("controller-publish"))
    }

    /// Detaches it from a node, or from all.
    fn controller_unpublish(&mut self, _id: &str, _node: Option<&str>, _secrets: &Attributes) -> Answer<()> {
        Err(unimplemented("controller-unpublish"))
    }

    /// The room for more volumes.
    fn capacity(
        &mut self,
        _parameters: &Attributes,
        _accessible: Option<&Topology>,
        _pool: &dyn Directory,
    ) -> Answer<Room> {
        Err(unimplemented("capacity"))
    }

    fn controller_expand(
        &mut self,
        _id: &str,
        _capacity: CapacityRange,
        _secrets: &Attributes,
        _volume: &dyn Directory,
    ) -> Answer<Expansion> {
        Err(unimplemented("controller-expand"))
    }

    fn create_snapshot(
        &mut self,
        _request: &NewSnapshot,
        _volume: &dyn Directory,
        _snapshot: &dyn Directory,
    ) -> Answer<Snapshot> {
        Err(unimplemented("create-snapshot"))
    }

    fn delete_snapshot(&mut self, _id: &str, _secrets: &Attributes, _snapshot: &dyn Directory) -> Answer<()> {
        Err(unimplemented("delete-snapshot"))
    }

    /// What the driver says of the node it runs on: its name, as many volumes as come, no place.
    fn info(&mut self, node: &str, _labels: &Attributes) -> Answer<NodeInfo> {
        Ok(NodeInfo { node_id: node.into(), max_volumes: 0, accessible: None })
    }

    /// Makes a volume ready on the node, once for all its pods.
    fn stage(
        &mut self,
        _request: &VolumeUse,
        _volume: &dyn Directory,
        _staging: &dyn Directory,
    ) -> Answer<()> {
        Err(unimplemented("stage"))
    }

    fn unstage(&mut self, _id: &str, _staging: &dyn Directory) -> Answer<()> {
        Err(unimplemented("unstage"))
    }

    /// Shows a volume to a pod, at `target`.
    fn publish(
        &mut self,
        _request: &VolumeUse,
        _pod: &Pod,
        _read_only: bool,
        _at: Places<'_>,
        _target: &dyn Directory,
    ) -> Answer<()> {
        Err(unimplemented("publish"))
    }

    fn unpublish(&mut self, _id: &str, _target: &dyn Directory) -> Answer<()> {
        Err(unimplemented("unpublish"))
    }

    fn volume_stats(&mut self, _id: &str, _target: &dyn Directory) -> Answer<Health> {
        Err(unimplemented("volume-stats"))
    }

    /// Lets the node see that the volume grew; what it has now.
    fn node_expand(&mut self, _id: &str, _capacity: CapacityRange, _target: &dyn Directory) -> Answer<u64> {
        Err(unimplemented("node-expand"))
    }
}

/// Where a volume is on the node.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    pub volume: &'a dyn Directory,
    /// For drivers that stage.
    pub staging: Option<&'a dyn Directory>,
}

/// A directory that the host handed over; see `wit/csi` for what each call promises. Paths are relative,
/// without `.` and `..`; the empty one is the directory itself.
pub trait Directory: Any {
    fn make_directory(&self, path: &str) -> Answer<()>;
    /// No error when it is gone; the empty path empties the directory.
    fn remove(&self, path: &str) -> Answer<()>;
    fn entries(&self, path: &str) -> Answer<Vec<Entry>>;
    /// Up to 64 KiB.
    fn read(&self, path: &str) -> Answer<Vec<u8>>;
    /// Whole and durable, or not at all; up to 64 KiB.
    fn write(&self, path: &str, contents: &[u8]) -> Answer<()>;
    fn copy(&self, path: &str, target: &dyn Directory, target_path: &str) -> Answer<()>;
    fn usage(&self, path: &str) -> Answer<Usage>;
    /// Shows a directory of this one at the target's own place.
    fn bind_mount(&self, path: &str, target: &dyn Directory, read_only: bool) -> Answer<()>;
    /// Takes away what is mounted at its own place.
    fn unmount(&self) -> Answer<()>;
    fn is_mounted(&self) -> Answer<bool>;
}

/// Turns an implementation of [`Driver`] into a component. Does nothing in a native build.
#[macro_export]
macro_rules! export_csi {
    ($driver:ident) => {
        #[cfg(target_family = "wasm")]
        mod __orch_component {
            pub struct Component;
            thread_local! {
                static STATE: $crate::Resident<super::$driver> = ::core::default::Default::default();
            }
            impl $crate::csi::Exports for Component {
                type Driver = super::$driver;
                fn with<R>(f: impl FnOnce(&mut super::$driver) -> R) -> R {
                    STATE.with(|state| f(&mut state.borrow_mut()))
                }
            }
            $crate::bindings::csi::export!(Component with_types_in $crate::bindings::csi);
        }
    };
}

/// A description without topology.
pub fn describe(name: &str, version: &str, capabilities: Capabilities) -> Description {
    Description { name: name.into(), version: version.into(), capabilities, topology_keys: Vec::new() }
}

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error { code, message: message.into() }
    }
}

impl AccessMode {
    /// Whether more than one node may use the volume at a time.
    pub fn is_multi_node(self) -> bool {
        match self {
            AccessMode::SingleNodeWriter
            | AccessMode::SingleNodeSingleWriter
            | AccessMode::SingleNodeMultiWriter
            | AccessMode::SingleNodeReaderOnly => false,
            AccessMode::MultiNodeReaderOnly
            | AccessMode::MultiNodeSingleWriter
            | AccessMode::MultiNodeMultiWriter => true,
        }
    }
}

fn unimplemented(function: &str) -> Error {
    Error::new(Code::Unimplemented, format!("the driver has no {function}"))
}

/// The value of a name; empty when there is none.
pub fn attribute<'a>(attributes: &'a Attributes, name: &str) -> &'a str {
    attributes.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
}
