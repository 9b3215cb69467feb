//! Everything a pod's worker hears.

use std::sync::Arc;

use orch_container::runtime::Container;
use serde_json::Value;
use tokio::sync::mpsc;

use super::env::SourceKind;
use super::record::{SandboxHandle, Waiting};
use super::resize::Step;
use crate::probe::ProbeKind;
use crate::volume::{MountError, Mounted};

/// One way in; inputs are taken one after another.
#[derive(Debug, Clone)]
pub struct Inbox(mpsc::UnboundedSender<Input>);

impl Inbox {
    pub fn new() -> (Inbox, mpsc::UnboundedReceiver<Input>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Inbox(sender), receiver)
    }
    pub fn put(&self, input: Input) {
        // The worker has ended: nobody needs to know any more.
        let _ = self.0.send(input);
    }
}

#[derive(Debug)]
pub enum Input {
    /// The object has changed.
    Pod(Arc<Value>),
    /// The object is gone from the API.
    Gone,
    /// What the runtime says of one of the pod's containers.
    Container(Box<Container>),
    /// A ConfigMap or Secret the pod uses.
    ObjectChanged {
        kind: SourceKind,
        name: String,
        version: u64,
    },
    Probed {
        container_id: String,
        kind: ProbeKind,
        healthy: bool,
    },
    /// A stop task has seen the container's end.
    Stopped {
        container: String,
        id: String,
    },
    SetUp(SetUpOutcome),
    Started {
        container: String,
        outcome: Result<(), StartFailure>,
    },
    Refreshed(Result<Mounted, MountError>),
    Resized(Step, Result<(), String>),
    /// Another pod of the node holds less than before.
    Room,
    TornDown(Result<(), String>),
    Deleted(Result<(), String>),
    /// With the `resourceVersion` that the pod has since.
    StatusWritten(Result<u64, orch_client::Status>),
}

#[derive(Debug)]
pub struct SetUpOutcome {
    pub sandbox: Result<(SandboxHandle, Vec<std::net::IpAddr>), SandboxFailure>,
    pub volumes: Result<Mounted, MountError>,
}

/// The sandbox may exist although its network does not.
#[derive(Debug)]
pub struct SandboxFailure {
    pub handle: Option<SandboxHandle>,
    pub message: String,
}

/// Why a container is not running after an attempt to start it.
#[derive(Debug, Clone, PartialEq)]
pub struct StartFailure {
    pub waiting: Waiting,
    pub kind: FailureKind,
}

/// Which clock the next try waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The image: exponential back-off, `ImagePullBackOff`.
    Pull,
    /// Configuration or creation: again soon, and when a referenced object changes.
    Configuration,
    /// There is a dead container now; the crash back-off holds.
    Crash,
    /// The pod's end interrupted it.
    Cancelled,
}
