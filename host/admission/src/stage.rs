//! Checks of the chain that are no components: webhooks, policies in CEL.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use orch_object::Status;
use serde_json::Value;

use crate::review::Review;

/// What checks say besides their verdict.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Notes {
    /// For the client.
    pub warnings: Vec<String>,
    /// For the audit log, by key.
    pub annotations: BTreeMap<String, String>,
}

impl Notes {
    /// Takes in what another part of the same request said.
    pub fn extend(&mut self, other: Notes) {
        self.warnings.extend(other.warnings);
        self.annotations.extend(other.annotations);
    }
}

/// One kind of checks, asked after the components: all mutating ones first, then all that validate.
#[async_trait]
pub trait Stage: Send + Sync + 'static {
    /// May change the object, which is null for a delete. Told again, once, after a change of the
    /// object by any stage: see [`Memory`].
    async fn mutate(
        &self,
        review: &Review<'_>,
        object: &mut Value,
        notes: &mut Notes,
        memory: &mut Memory,
    ) -> Result<(), Status>;

    /// `object` is null for a delete.
    async fn validate(&self, review: &Review<'_>, object: &Value, notes: &mut Notes) -> Result<(), Status>;
}

/// What a stage knows of its earlier round about the same request
/// (`k8s.io/apiserver/pkg/admission/plugin/webhook/mutating/reinvocationcontext.go`).
#[derive(Debug, Default)]
pub struct Memory {
    second: bool,
    changed: bool,
    /// Asked, wish to be asked again after a change, and nothing has changed since.
    asked: BTreeSet<String>,
    again: BTreeSet<String>,
    /// The object as the stage left it.
    left: Option<Value>,
}

impl Memory {
    pub fn is_second_round(&self) -> bool {
        self.second
    }

    /// Whether a check has its turn: in the second round only who asked to be asked again, and has cause.
    pub fn wants(&self, check: &str) -> bool {
        !self.second || self.again.contains(check)
    }

    /// A check changed the object: those before it have not seen that.
    pub fn changed(&mut self) {
        self.changed = true;
        self.again.append(&mut self.asked);
    }

    /// A check that wishes to see later changes has been asked.
    pub fn asked(&mut self, check: &str) {
        self.asked.insert(check.into());
    }

    /// Begins a round with the object as the checks before this stage left it.
    pub fn begin(&mut self, object: &Value) {
        if self.second && self.left.as_ref().is_some_and(|left| left != object) {
            self.again.append(&mut self.asked);
        }
    }

    /// Ends the stage's part of a round.
    pub fn end(&mut self, object: &Value) {
        // Without anybody to ask again there is nothing to compare with.
        let anybody = !self.asked.is_empty() || !self.again.is_empty();
        if anybody && !self.second {
            self.left = Some(object.clone());
        }
    }

    pub(crate) fn wants_second_round(&self) -> bool {
        self.changed && !self.second
    }

    pub(crate) fn begin_second_round(&mut self) {
        self.second = true;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_has_not_seen_a_change_is_asked_again() {
        let mut memory = Memory::default();
        memory.begin(&json!(1));
        memory.asked("first");
        memory.changed();
        memory.asked("last");
        memory.end(&json!(2));
        assert!(memory.wants_second_round());
        memory.begin_second_round();
        memory.begin(&json!(2));
        assert!(memory.wants("first") && !memory.wants("last") && !memory.wants("never asked"));
        assert!(!memory.wants_second_round());
    }

    #[test]
    fn a_change_by_components_in_between_concerns_all() {
        let mut memory = Memory::default();
        memory.asked("only");
        memory.end(&json!(1));
        memory.begin_second_round();
        memory.begin(&json!(2));
        assert!(memory.wants("only"));
    }
}
