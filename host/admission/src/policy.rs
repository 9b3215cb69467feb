//! `ValidatingAdmissionPolicy` and `MutatingAdmissionPolicy`: checks written in CEL
//! (`apiserver/pkg/admission/plugin/policy`).
//!
//! ```text
//! feeds ─► Installed (compiled once) ─► matches? ─► match conditions ─► for each param: expressions
//! ```

mod authorize;
mod compiled;
mod conditions;
mod inputs;
mod installed;
mod mutate;
mod params;
mod patch;
mod validate;

use std::sync::Arc;

use async_trait::async_trait;
use orch_object::Status;
use serde_json::Value;

pub use conditions::MatchConditions;
pub use inputs::Inputs;

use crate::{Cluster, Memory, Notes, Review, Stage, State, matching};
use installed::Installed;

/// What happens when an expression has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    Fail,
    Ignore,
}

impl OnFailure {
    fn read(policy: &Value) -> OnFailure {
        if policy["failurePolicy"] == "Ignore" { OnFailure::Ignore } else { OnFailure::Fail }
    }
}

/// The policies of the cluster.
pub struct Policies {
    installed: Installed,
    cluster: Arc<dyn Cluster>,
}

impl Policies {
    pub fn new(state: &dyn State, cluster: Arc<dyn Cluster>) -> Policies {
        Policies { installed: Installed::new(state), cluster }
    }
}

#[async_trait]
impl Stage for Policies {
    async fn mutate(
        &self,
        review: &Review<'_>,
        object: &mut Value,
        _: &mut Notes,
        memory: &mut Memory,
    ) -> Result<(), Status> {
        let pairs = self.installed.mutating();
        if pairs.is_empty() || object.is_null() || matching::is_exempt(review.kind) {
            return Ok(());
        }
        memory.begin(object);
        mutate::run(&pairs, review, object, &self.cluster, memory)?;
        memory.end(object);
        Ok(())
    }

    async fn validate(&self, review: &Review<'_>, object: &Value, notes: &mut Notes) -> Result<(), Status> {
        if matching::is_exempt(review.kind) {
            return authorize::check(review, object, &self.cluster);
        }
        let pairs = self.installed.validating();
        if pairs.is_empty() {
            return Ok(());
        }
        validate::run(&pairs, review, object, &self.cluster, notes)
    }
}
