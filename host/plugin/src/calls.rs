//! The calls into plugins, in plain types: one trait per world, implemented here over Wasmtime and
//! by fakes in the tests of those who call. The words are those of the WIT packages in `wit/`.

use async_trait::async_trait;

/// Why a call gave no answer. The host survives every one of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The component trapped; its instance is gone, a fresh one has no resident state.
    #[error("{plugin} trapped in {function}: {trap}")]
    Trapped { plugin: String, function: &'static str, trap: String },
    #[error("{plugin} did not return from {function} within {millis} ms of CPU time")]
    Deadline { plugin: String, function: &'static str, millis: u64 },
    /// The component answered with an error, or with something that cannot be.
    #[error("{plugin}: {function}: {message}")]
    Refused { plugin: String, function: &'static str, message: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    pub api_version: String,
    pub kind: String,
    /// Dotted paths; `[*]` steps into lists; empty: the whole object.
    pub fields: Vec<String>,
}

/// A set of node indexes: bit i of word i / 64.
pub type NodeSet = Vec<u64>;

pub mod csi;
pub mod scheduler;

pub mod controller {
    use super::{CallError, Interest, async_trait};

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Keys {
        Itself,
        ControllerOwner(String),
        Custom,
    }

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct WatchOf {
        pub interest: Interest,
        pub keys: Keys,
    }

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Description {
        pub watches: Vec<WatchOf>,
        pub concurrency: u32,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Change {
        Added,
        Modified,
        Deleted,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Outcome {
        pub requeue_after_ms: Option<u64>,
    }

    #[async_trait]
    pub trait ControllerPlugin: Send + Sync + 'static {
        fn name(&self) -> &str;
        fn description(&self) -> &Description;
        async fn keys(
            &self,
            watch: u32,
            change: Change,
            object: &str,
            before: Option<&str>,
        ) -> Result<Vec<String>, CallError>;
        async fn reconcile(&self, key: &str) -> Result<Outcome, CallError>;
    }

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ApiError {
        pub code: u16,
        pub reason: String,
        pub message: String,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum PatchType {
        Json,
        Merge,
        Strategic,
        Apply,
    }

    /// Without kind, plural and verbs: a group version of an extension server that does not answer.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub struct ServedResource {
        pub api_version: String,
        pub kind: String,
        pub plural: String,
        pub namespaced: bool,
        pub verbs: Vec<String>,
    }

    /// What the `api` import calls; `orch_controllers` implements it over `orch_client::Client`
    /// with the controller's own identity. Objects are JSON.
    #[async_trait]
    pub trait ControllerApi: Send + Sync + 'static {
        fn resources(&self) -> Vec<ServedResource>;
        async fn get(
            &self,
            api_version: &str,
            kind: &str,
            namespace: &str,
            name: &str,
            live: bool,
        ) -> Result<Option<String>, ApiError>;
        async fn list(
            &self,
            api_version: &str,
            kind: &str,
            namespace: &str,
            labels: &str,
            fields: &str,
        ) -> Result<Vec<String>, ApiError>;
        async fn dependents(&self, owner_uid: &str) -> Result<Vec<String>, ApiError>;
        async fn create(&self, object: &str) -> Result<String, ApiError>;
        async fn update(&self, object: &str, subresource: &str) -> Result<String, ApiError>;
        #[allow(clippy::too_many_arguments)] // the WIT function's own parameters
        async fn patch(
            &self,
            api_version: &str,
            kind: &str,
            namespace: &str,
            name: &str,
            subresource: &str,
            patch_type: PatchType,
            body: &str,
        ) -> Result<String, ApiError>;
        async fn delete(
            &self,
            api_version: &str,
            kind: &str,
            namespace: &str,
            name: &str,
            options: &str,
        ) -> Result<(), ApiError>;
        async fn delete_collection(
            &self,
            api_version: &str,
            kind: &str,
            namespace: &str,
            options: &str,
        ) -> Result<(), ApiError>;
        async fn event(&self, regarding: &str, event_type: &str, reason: &str, message: &str);
        fn now_ms(&self) -> u64;
    }
}

pub mod admission {
    use std::sync::Arc;

    use super::{CallError, Interest};
    use crate::view::View;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Operation {
        Create,
        Update,
        Delete,
        Connect,
    }

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Rule {
        pub operations: Vec<Operation>,
        pub api_groups: Vec<String>,
        pub resources: Vec<String>,
    }

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Description {
        pub rules: Vec<Rule>,
        pub interests: Vec<Interest>,
        pub mutates: bool,
    }

    /// What a request must be to be worth a call: see `relevance` in `wit/admission`.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Condition {
        pub resources: Vec<String>,
        pub groups: Vec<String>,
        pub namespace_labels: Vec<String>,
    }

    /// What of a request a check reads: see `view` in `wit/admission`.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Reading {
        pub resources: Vec<String>,
        /// Paths in an `AdmissionRequest`.
        pub fields: Vec<String>,
    }

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Delta {
        Upsert(String),
        Remove(String),
    }

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Denial {
        pub code: u16,
        pub reason: String,
        pub message: String,
    }

    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Admitted {
        /// RFC 6902 on `request.object`, or empty.
        pub patch: String,
        pub warnings: Vec<String>,
    }

    pub trait AdmissionPlugin: Send + Sync + 'static {
        fn name(&self) -> &str;
        fn description(&self) -> &Description;
        /// Requests beside these need not be reviewed; they change with the configuration.
        fn conditions(&self) -> Arc<[Condition]> {
            Arc::default()
        }
        /// What of a request it is to be sent; changes with the configuration.
        fn view(&self) -> Arc<View> {
            Arc::default()
        }
        /// As in [`super::scheduler::SchedulerPlugin::instance`].
        fn instance(&self) -> u64;
        fn sync(&self, deltas: &[Delta]) -> Result<(), CallError>;
        /// The outer error: no verdict. The inner: refused.
        fn review(&self, request: &str) -> Result<Result<Admitted, Denial>, CallError>;
        /// As [`AdmissionPlugin::review`], of a request cut down to the view: the same request may get the
        /// answer that it got before.
        fn review_cut(&self, request: &str) -> Result<Result<Admitted, Denial>, CallError> {
            self.review(request)
        }
    }
}

pub mod cni {
    use super::{CallError, async_trait};
    use std::sync::Arc;

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Pod {
        pub sandbox_id: String,
        pub namespace: String,
        pub name: String,
        pub uid: String,
    }

    #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct Attachment {
        pub sandbox_id: String,
        /// The primary address first, without prefix length.
        pub ips: Vec<String>,
        pub node_interface: String,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Side {
        Sandbox,
        Node,
    }

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Route {
        pub destination: String,
        pub gateway: Option<String>,
        pub link_scope: bool,
    }

    /// The capabilities of one sandbox; `orch_network` implements them with netlink.
    #[async_trait]
    pub trait SandboxNetwork: Send + Sync + 'static {
        async fn add_veth(&self, node_name: &str, sandbox_name: &str, mtu: u32) -> Result<(), String>;
        async fn remove_veth(&self, node_name: &str) -> Result<(), String>;
        async fn add_address(&self, side: Side, cidr: &str) -> Result<(), String>;
        async fn add_route(&self, side: Side, route: Route) -> Result<(), String>;
        async fn add_neighbour(&self, ip: &str) -> Result<(), String>;
        async fn set_sysctl(&self, side: Side, key: &str, value: &str) -> Result<(), String>;
    }

    #[async_trait]
    pub trait CniPlugin: Send + Sync + 'static {
        fn name(&self) -> &str;
        /// As in [`super::scheduler::SchedulerPlugin::instance`]: after a change call `restore` again.
        fn instance(&self) -> u64;
        /// Node settings as JSON; see `orch:cni`.
        async fn configure(&self, settings: &str) -> Result<(), CallError>;
        async fn restore(&self, attachments: &[Attachment]) -> Result<(), CallError>;
        async fn add(&self, sandbox: Arc<dyn SandboxNetwork>, pod: &Pod) -> Result<Attachment, CallError>;
        async fn del(
            &self,
            sandbox: Arc<dyn SandboxNetwork>,
            attachment: &Attachment,
        ) -> Result<(), CallError>;
    }
}
