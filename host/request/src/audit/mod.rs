//! The audit log: who asked what, and what came of it (`audit.k8s.io/v1`), by the levels of a policy.

mod event;
mod file;
mod policy;

use std::collections::BTreeMap;
use std::path::PathBuf;

use orch_client::Identity;
use parking_lot::Mutex;
use serde_json::Value;

use crate::authz::Attributes;
pub use event::{LastStage, Request, Trail};
use file::Log;
pub use file::Rotation;
pub use policy::Level;
use policy::Policy;

/// Where the log goes, and what it tells.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// A `Policy` of `audit.k8s.io/v1`, YAML or JSON.
    pub policy: PathBuf,
    pub log: PathBuf,
    pub rotation: Rotation,
}

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("cannot read the audit policy {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the audit policy {path} is not valid: {why}")]
    Policy { path: PathBuf, why: String },
    #[error("cannot write the audit log {path}: {source}")]
    Log { path: PathBuf, source: std::io::Error },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    RequestReceived,
    ResponseStarted,
    ResponseComplete,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Stage::RequestReceived => "RequestReceived",
            Stage::ResponseStarted => "ResponseStarted",
            Stage::ResponseComplete => "ResponseComplete",
        }
    }
}

/// Notes that the pipeline makes on a request: the authorizer's decision, what admission found.
pub type Annotations = Mutex<BTreeMap<String, String>>;

/// Begins a trail for each request that the policy wants to hear of.
#[derive(Default)]
pub struct Auditor(Option<Open>);

struct Open {
    policy: Policy,
    log: Log,
}

impl Auditor {
    /// Tells nothing.
    pub fn off() -> Self {
        Auditor(None)
    }

    pub fn open(config: &AuditConfig) -> Result<Self, AuditError> {
        let text = std::fs::read_to_string(&config.policy)
            .map_err(|source| AuditError::Read { path: config.policy.clone(), source })?;
        let policy =
            Policy::parse(&text).map_err(|why| AuditError::Policy { path: config.policy.clone(), why })?;
        let log = Log::open(&config.log, config.rotation)
            .map_err(|source| AuditError::Log { path: config.log.clone(), source })?;
        Ok(Auditor(Some(Open { policy, log })))
    }

    /// `None`: nobody wants to hear of this request.
    pub fn begin(&self, identity: &Identity, attributes: &Attributes, request: Request<'_>) -> Option<Trail> {
        let open = self.0.as_ref()?;
        let verdict = open.policy.judge(identity, attributes);
        if verdict.level == Level::None {
            return None;
        }
        let trail = Trail::begin(verdict, open.log.sender(), identity, attributes, request);
        trail.tell(Stage::RequestReceived);
        Some(trail)
    }
}

/// What of an object the policy lets the log hold.
fn without_managed_fields(mut object: Value) -> Value {
    let strip = |object: &mut Value| {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    };
    strip(&mut object);
    object.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten().for_each(strip);
    object
}

#[cfg(test)]
mod tests;
