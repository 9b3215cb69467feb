//! `orch:csi`: CSI's services in a component. The records are those of `wit/csi`, word for word.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::{CallError, async_trait};

pub use crate::worlds::bindings::csi::exports::orch::csi::controller::{
    Expansion, NewSnapshot, NewVolume, Publication, Room,
};
pub use crate::worlds::bindings::csi::exports::orch::csi::identity::{Capabilities, Description};
pub use crate::worlds::bindings::csi::exports::orch::csi::node::{Health, NodeInfo, Pod, VolumeUse};
pub use crate::worlds::bindings::csi::orch::csi::storage::{Entry, Usage};
pub use crate::worlds::bindings::csi::orch::csi::types::{
    AccessMode, AccessType, Attributes, CapacityRange, Code, ContentSource, Error, MountVolume, Snapshot,
    Topology, TopologyRequirement, Volume, VolumeCapability,
};

/// The outer error: no answer, or one that cannot be. The inner: the driver says what went wrong.
pub type Answer<T> = Result<Result<T, Error>, CallError>;

/// The largest file that a driver reads or writes at once, in bytes.
pub const LARGEST_FILE: usize = 64 << 10;
/// The most entries of a directory that a driver is told.
pub const MOST_ENTRIES: usize = 10_000;

impl Code {
    /// Whether the work was certainly not done. Otherwise it may be under way: the same call is made
    /// again before anything is given up.
    pub fn is_final(self) -> bool {
        match self {
            Code::Cancelled | Code::DeadlineExceeded | Code::Unavailable | Code::Aborted => false,
            Code::ResourceExhausted
            | Code::NotFound
            | Code::AlreadyExists
            | Code::InvalidArgument
            | Code::OutOfRange
            | Code::FailedPrecondition
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented
            | Code::Internal
            | Code::Unknown => true,
        }
    }
}

/// As gRPC and CSI's specification write it.
impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Code::Cancelled => "CANCELLED",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::Unavailable => "UNAVAILABLE",
            Code::Aborted => "ABORTED",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::NotFound => "NOT_FOUND",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::OutOfRange => "OUT_OF_RANGE",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::Unauthenticated => "UNAUTHENTICATED",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Internal => "INTERNAL",
            Code::Unknown => "UNKNOWN",
        })
    }
}

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error { code, message: message.into() }
    }
}

/// A directory that a driver may use for the length of a call. Paths have been looked at: relative,
/// without empty names, `.` and `..`; the empty one is the directory itself. What implements this follows
/// no symbolic link, and keeps what `wit/csi` promises. Two directories of one call are of one kind: the
/// other is found by downcasting.
#[async_trait]
pub trait VolumeDirectory: Any + Send + Sync {
    async fn make_directory(&self, path: &str) -> Result<(), Error>;
    async fn remove(&self, path: &str) -> Result<(), Error>;
    /// At most one more than [`MOST_ENTRIES`].
    async fn entries(&self, path: &str) -> Result<Vec<Entry>, Error>;
    /// Of a larger file, one byte more than [`LARGEST_FILE`].
    async fn read(&self, path: &str) -> Result<Vec<u8>, Error>;
    async fn write(&self, path: &str, contents: &[u8]) -> Result<(), Error>;
    async fn copy(&self, path: &str, target: &dyn VolumeDirectory, target_path: &str) -> Result<(), Error>;
    async fn usage(&self, path: &str) -> Result<Usage, Error>;
    async fn bind_mount(
        &self,
        path: &str,
        target: &dyn VolumeDirectory,
        read_only: bool,
    ) -> Result<(), Error>;
    async fn unmount(&self) -> Result<(), Error>;
    async fn is_mounted(&self) -> Result<bool, Error>;
}

/// A directory as it is lent to a driver.
pub type Lent = Arc<dyn VolumeDirectory>;

/// Calls come one at a time; each may be made again.
#[async_trait]
pub trait CsiPlugin: Send + Sync + 'static {
    fn name(&self) -> &str;
    fn description(&self) -> &Description;
    /// Changes when a fresh instance took over. There is nothing to tell it.
    fn instance(&self) -> u64;
    async fn probe(&self) -> Answer<bool>;

    async fn create_volume(&self, request: &NewVolume, volume: Lent, source: Option<Lent>) -> Answer<Volume>;
    async fn delete_volume(&self, volume_id: &str, secrets: &Attributes, volume: Lent) -> Answer<()>;
    async fn validate_capabilities(
        &self,
        volume_id: &str,
        capabilities: &[VolumeCapability],
        context: &Attributes,
    ) -> Answer<Option<String>>;
    async fn controller_publish(&self, request: &Publication) -> Answer<Attributes>;
    async fn controller_unpublish(
        &self,
        volume_id: &str,
        node_id: Option<&str>,
        secrets: &Attributes,
    ) -> Answer<()>;
    async fn capacity(
        &self,
        parameters: &Attributes,
        accessible: Option<&Topology>,
        pool: Lent,
    ) -> Answer<Room>;
    async fn controller_expand(
        &self,
        volume_id: &str,
        capacity: CapacityRange,
        secrets: &Attributes,
        volume: Lent,
    ) -> Answer<Expansion>;
    async fn create_snapshot(&self, request: &NewSnapshot, volume: Lent, snapshot: Lent) -> Answer<Snapshot>;
    async fn delete_snapshot(&self, snapshot_id: &str, secrets: &Attributes, snapshot: Lent) -> Answer<()>;

    async fn info(&self, node_name: &str, labels: &Attributes) -> Answer<NodeInfo>;
    async fn stage(&self, request: &VolumeUse, volume: Lent, staging: Lent) -> Answer<()>;
    async fn unstage(&self, volume_id: &str, staging: Lent) -> Answer<()>;
    async fn publish(
        &self,
        request: &VolumeUse,
        pod: &Pod,
        read_only: bool,
        volume: Lent,
        staging: Option<Lent>,
        target: Lent,
    ) -> Answer<()>;
    async fn unpublish(&self, volume_id: &str, target: Lent) -> Answer<()>;
    async fn volume_stats(&self, volume_id: &str, target: Lent) -> Answer<Health>;
    async fn node_expand(&self, volume_id: &str, capacity: CapacityRange, target: Lent) -> Answer<u64>;
}
