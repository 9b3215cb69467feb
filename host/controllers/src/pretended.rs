//! Further writes of a shadow to objects that its own writes made, changed or removed: answered from
//! what those left, since the API has none of it.

use std::sync::Arc;

use orch_client::{Patch, PatchType};
use orch_object::apply::apply;
use orch_object::managed_fields::{FieldManager, reset_fields};
use orch_object::{Kind, Status};
use serde_json::Value;

use crate::attempt::{Attempt, MOST_WRITES};

/// An object as the shadow at work left it, so far.
pub(crate) struct Left<'a> {
    attempt: Arc<Attempt>,
    kind: &'a Kind,
    namespace: &'a str,
    name: &'a str,
    /// `None`: it is gone.
    object: Option<Arc<Value>>,
}

impl<'a> Left<'a> {
    /// `None`: nothing is pretended of it.
    pub fn of(kind: &'a Kind, namespace: &'a str, name: &'a str) -> Option<Self> {
        let attempt = Attempt::pretending()?;
        let object = attempt.get(kind, namespace, name)?;
        Some(Left { attempt, kind, namespace, name, object })
    }

    /// The same for a write to a part. Of others than the object and its status only the API knows what
    /// they mean.
    pub fn of_part(kind: &'a Kind, namespace: &'a str, name: &'a str, subresource: &str) -> Option<Self> {
        matches!(subresource, "" | "status").then(|| Left::of(kind, namespace, name)).flatten()
    }

    pub fn must_be_gone(&self) -> Result<(), Status> {
        match self.object {
            Some(_) => Err(Status::already_exists(self.kind, self.name)),
            None => Ok(()),
        }
    }

    pub fn update(&self, object: &Value, subresource: &str) -> Result<Value, Status> {
        Ok(self.write(self.found()?, object.clone(), subresource))
    }

    /// `manager`: who owns what is applied.
    pub fn patch(&self, patch: &Patch, subresource: &str, manager: &str) -> Result<Value, Status> {
        let before = self.found()?;
        let patched = match patch.patch_type {
            PatchType::Apply => {
                let manager = FieldManager {
                    name: manager,
                    api_version: &self.kind.api_version(),
                    subresource,
                    now: jiff::Timestamp::now(),
                    ignored: reset_fields(self.kind, subresource),
                };
                apply(Some(before), &patch.body, self.kind.node(), &manager, false)?
            }
            PatchType::Json | PatchType::Merge | PatchType::Strategic => {
                patch.of(before, self.kind.node())?
            }
        };
        Ok(self.write(before, patched, subresource))
    }

    pub fn delete(&self) -> Result<(), Status> {
        self.found()?;
        self.attempt.remove(self.kind, self.namespace, self.name);
        Ok(())
    }

    fn found(&self) -> Result<&Value, Status> {
        self.object.as_deref().ok_or_else(|| Status::not_found(self.kind, self.name))
    }

    /// A write to one part leaves the other as it was.
    fn write(&self, before: &Value, new: Value, subresource: &str) -> Value {
        let (mut left, status) = match subresource {
            "status" => (before.clone(), &new["status"]),
            _ if self.kind.has_subresource("status") => (new.clone(), &before["status"]),
            _ => (new.clone(), &new["status"]),
        };
        if !status.is_null() {
            left["status"] = status.clone();
        }
        self.kind.count_generation(&mut left, before);
        self.attempt.leave(self.kind, &left);
        left
    }
}

/// Notes a write, unless this is a shadow that made too many.
pub(crate) fn note(verb: &str, kind: &str, subject: &str, body: &Value) -> Result<(), Status> {
    match Attempt::note(verb, kind, subject, body) {
        true => Ok(()),
        false => {
            let message = format!("a shadow may make {MOST_WRITES} writes for one key");
            Err(Status::new(429, "TooManyRequests", message))
        }
    }
}
