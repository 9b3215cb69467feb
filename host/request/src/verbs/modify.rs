//! The common part of update, patch and writing sub-resources: read, change, check, compare-and-swap.

use std::sync::Arc;

use orch_admission::Options;
use orch_client::{Target, WriteOptions};
use orch_object::{Kind, Status};
use orch_plugin::calls::admission::Operation;
use orch_store::{Change, Expect, StoreError, Write};
use orch_watch::Object;
use serde_json::Value;

use super::api::{Api, Call, Written, namespace};
use super::{metadata, stamp, time};
use crate::{causes, key};

/// Tries of a change that does not depend on a version, when others write at the same time.
const TRIES: usize = 32;

/// Which part of the object a write may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything but `status`.
    Main,
    /// `status`, and labels, annotations and finalizers where upstream allows them.
    Status,
    /// What the kind says of the sub-resource (`resize` and `ephemeralcontainers` of pods).
    Piece,
    /// Decided by the change itself (`scale`, `finalize`).
    Any,
    /// Where a pod runs (`binding`), not what it is: neither defaulted nor validated anew, of the same
    /// generation, and nobody's field.
    Placement,
}

const STATUS_METADATA: &[&str] = &["labels", "annotations", "finalizers", "managedFields"];

/// How an object is to be changed.
pub struct Modification<'a> {
    pub part: Part,
    pub options: &'a WriteOptions,
    /// Gives the new object from the current one. Runs again when somebody else was faster.
    #[allow(clippy::type_complexity)] // one closure, named by its field
    pub change: &'a (dyn Fn(&Arc<Value>) -> Result<Value, Status> + Send + Sync),
    /// The change has recorded `managedFields` itself (apply).
    pub keeps_managed_fields: bool,
}

/// What admission is shown of a change.
#[derive(Clone, Copy)]
pub enum Reviewed<'a> {
    /// The object itself.
    Object,
    /// What stands for it at a sub-resource with a kind of its own.
    As(&'a dyn Facade),
    /// Nothing: what asked for the change has been reviewed.
    Already,
}

/// How a sub-resource shows an object.
pub trait Facade: Send + Sync {
    fn show(&self, object: &Value) -> Value;
    /// The object with what admission made of its facade.
    fn take(&self, object: &Value, shown: &Value) -> Result<Value, Status>;
}

impl Api {
    /// Changes an existing object.
    pub(crate) async fn modify(
        &self,
        call: &Call,
        kind: &Kind,
        target: &Target,
        modification: &Modification<'_>,
    ) -> Result<Written, Status> {
        self.modify_reviewed(call, kind, target, modification, Reviewed::Object).await
    }

    /// As [`Api::modify`], with a choice of what admission sees.
    pub(crate) async fn modify_reviewed(
        &self,
        call: &Call,
        kind: &Kind,
        target: &Target,
        modification: &Modification<'_>,
        reviewed: Reviewed<'_>,
    ) -> Result<Written, Status> {
        for _ in 0..TRIES {
            let current = self.current(kind, target).await?;
            let tried = self.try_modify(call, kind, target, modification, reviewed, &current).await?;
            if let Some(written) = tried {
                return Ok(written);
            }
        }
        Err(Status::conflict(kind, &target.name, causes::MODIFIED))
    }

    /// `None`: somebody else was faster, and the change did not insist on a version.
    async fn try_modify(
        &self,
        call: &Call,
        kind: &Kind,
        target: &Target,
        modification: &Modification<'_>,
        reviewed: Reviewed<'_>,
        current: &Object,
    ) -> Result<Option<Written>, Status> {
        let old = current.value();
        let mut new = (modification.change)(&old)?;
        let insists = insists_on_version(&new);
        metadata::check_preconditions(&new, &old, kind, &target.name)?;
        self.shape(call, kind, target, modification, reviewed, &mut new, &old).await?;
        if same(&new, &old) && self.is_stored_as_now(kind, target) {
            return Ok(Some(Written::from_object(current)));
        }
        if modification.part != Part::Placement {
            kind.count_generation(&mut new, &old);
        }
        let options = Options::Update(modification.options);
        let review = self.review(call, kind, target, Operation::Update, Some(&old), options);
        let _turn = match reviewed {
            Reviewed::Already => None,
            Reviewed::Object | Reviewed::As(_) => Some(self.account(call, &review, &new).await?),
        };
        if modification.options.dry_run {
            self.allocator.allocate(kind, &mut new, Some(&old), true).await?.keep();
            let bytes = stamp::stamped_at(&new, &current.revision.to_string());
            return Ok(Some(Written { value: Arc::new(new), bytes, created: false }));
        }
        match self.put(kind, target, current, new, &old).await {
            Ok(written) => Ok(Some(written)),
            Err(Failed::Conflict) if insists => Err(Status::conflict(kind, &target.name, causes::MODIFIED)),
            Err(Failed::Conflict) => Ok(None),
            Err(Failed::Status(status)) => Err(status),
        }
    }

    /// Keeps what the write may not touch, then defaults, admits and validates.
    #[allow(clippy::too_many_arguments)] // one write, in its parts
    async fn shape(
        &self,
        call: &Call,
        kind: &Kind,
        target: &Target,
        modification: &Modification<'_>,
        reviewed: Reviewed<'_>,
        new: &mut Value,
        old: &Value,
    ) -> Result<(), Status> {
        metadata::keep_system_fields(new, old)?;
        if modification.part == Part::Placement {
            return Ok(());
        }
        keep_other_parts(new, old, kind, target, modification.part);
        kind.default(new);
        kind.fill(new);
        // Nobody owns what admission and the server itself add.
        if !modification.keeps_managed_fields {
            let options = modification.options;
            self.record_managed_fields(call, kind, new, Some(old), &target.subresource, options);
        }
        let facade = match reviewed {
            Reviewed::As(facade) => Some(facade),
            Reviewed::Object | Reviewed::Already => None,
        };
        let old_shown = facade.map(|facade| facade.show(old));
        let options = Options::Update(modification.options);
        let old_seen = old_shown.as_ref().unwrap_or(old);
        let review = self.review(call, kind, target, Operation::Update, Some(old_seen), options);
        match reviewed {
            Reviewed::Object => self.mutate(call, &review, new).await?,
            Reviewed::As(facade) => {
                let mut shown = facade.show(new);
                self.mutate(call, &review, &mut shown).await?;
                *new = facade.take(new, &shown)?;
            }
            Reviewed::Already => {}
        }
        metadata::keep_system_fields(new, old)?;
        keep_other_parts(new, old, kind, target, modification.part);
        let now = time(self.clock.now());
        match modification.part {
            Part::Main => (kind.strategy.prepare_update)(new, old),
            Part::Status => (kind.strategy.prepare_part)(new, old, &target.subresource, &now),
            Part::Piece | Part::Any | Part::Placement => {}
        }
        kind.default(new);
        kind.shape(new);
        self.check_permissions(call, kind, target, new, Some(old))?;
        let errors = match modification.part {
            Part::Status | Part::Piece => kind.validate_part(new, old, &target.subresource, &now),
            Part::Main => kind.validate(new, Some(old)),
            // What clients may not change (a pod's node) such a sub-resource changes on their behalf.
            Part::Any | Part::Placement => kind.validate(new, None),
        };
        if !errors.is_empty() {
            return Err(Status::invalid(kind, &target.name, &errors));
        }
        if modification.part == Part::Main {
            call.warn((kind.strategy.warn)(new, Some(old)));
        }
        match reviewed {
            Reviewed::Already => Ok(()),
            Reviewed::Object | Reviewed::As(_) => self.admit(call, &review, new).await,
        }
    }

    /// False: it is stored in a version that is not its definition's storage version any more. A write
    /// that changes nothing else changes that: so objects are migrated.
    fn is_stored_as_now(&self, kind: &Kind, target: &Target) -> bool {
        let Some(custom) = &kind.custom else { return true };
        let stored = self.cache.get(&key::of(kind, namespace(target), &target.name));
        stored.is_none_or(|stored| stored.glance()["apiVersion"] == custom.stored_as)
    }

    /// Stores the new state; an object that only its finalizers kept alive goes with the last of them.
    async fn put(
        &self,
        kind: &Kind,
        target: &Target,
        current: &Object,
        mut new: Value,
        old: &Value,
    ) -> Result<Written, Failed> {
        let key = key::of(kind, namespace(target), &target.name);
        let expect = Expect::Revision(current.revision);
        if ends_with_this_write(&new, old, kind) {
            let change = Change::Delete(self.converter.stamped(kind, &new).await?);
            let written = self.commit(kind, Write::new(key, expect, change), new).await?;
            self.allocator.release_object(kind, &written.value).await;
            return Ok(written);
        }
        let held = self.allocator.allocate(kind, &mut new, Some(old), false).await?;
        let write = Write::new(key, expect, Change::Put(self.converter.stamped(kind, &new).await?));
        match self.commit(kind, write, new).await {
            Ok(written) => {
                held.keep();
                self.allocator.release_dropped(kind, &written.value, old).await;
                Ok(written)
            }
            Err(error) => {
                held.release(&self.allocator).await;
                Err(error.into())
            }
        }
    }
}

/// Why a write was not stored.
enum Failed {
    Conflict,
    Status(Status),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Failed::Conflict,
            other => Failed::Status(causes::store(other)),
        }
    }
}

impl From<Status> for Failed {
    fn from(status: Status) -> Self {
        Failed::Status(status)
    }
}

fn insists_on_version(new: &Value) -> bool {
    new["metadata"]["resourceVersion"].as_str().is_some_and(|v| !v.is_empty() && v != "0")
}

/// Equal but for the version and the times in `managedFields`: nothing to store.
fn same(new: &Value, old: &Value) -> bool {
    let (Some(new), Some(old)) = (new.as_object(), old.as_object()) else { return new == old };
    let rest =
        |fields: &serde_json::Map<String, Value>| fields.len() - fields.contains_key("metadata") as usize;
    rest(new) == rest(old)
        && new.iter().filter(|(k, _)| *k != "metadata").all(|(k, v)| old.get(k) == Some(v))
        && same_metadata(&new["metadata"], &old["metadata"])
}

fn same_metadata(new: &Value, old: &Value) -> bool {
    let comparable = |metadata: &Value| {
        let mut metadata = metadata.clone();
        if let Some(fields) = metadata.as_object_mut() {
            fields.remove("resourceVersion");
            let entries = fields.get_mut("managedFields").and_then(Value::as_array_mut);
            for entry in entries.into_iter().flatten() {
                entry.as_object_mut().map(|entry| entry.remove("time"));
            }
        }
        metadata
    };
    comparable(new) == comparable(old)
}

fn keep_other_parts(new: &mut Value, old: &Value, kind: &Kind, target: &Target, part: Part) {
    match part {
        Part::Main if kind.has_subresource("status") => keep_field(new, old, "status"),
        // A custom resource's status write writes its status, and who wrote it.
        Part::Status if kind.custom.is_some() => keep_all_but_status(new, old, &["managedFields"]),
        Part::Status => keep_all_but_status(new, old, STATUS_METADATA),
        Part::Piece => (kind.strategy.keep_rest)(new, old, &target.subresource),
        Part::Main | Part::Any | Part::Placement => {}
    }
}

fn keep_field(new: &mut Value, old: &Value, field: &str) {
    let Some(fields) = new.as_object_mut() else { return };
    match old.get(field) {
        Some(value) => fields.insert(field.into(), value.clone()),
        None => fields.remove(field),
    };
}

/// A status write may also label and annotate: node agents do so on Node and Pod. What it does not
/// name stays: writers of status often hold a part of the object only.
fn keep_all_but_status(new: &mut Value, old: &Value, writable: &[&str]) {
    let status = new.get("status").cloned();
    let mut metadata = old["metadata"].clone();
    for field in writable {
        if new["metadata"].get(field).is_some() {
            keep_field(&mut metadata, &new["metadata"], field);
        }
    }
    *new = old.clone();
    new["metadata"] = metadata;
    match (status, new.as_object_mut()) {
        (Some(status), _) => new["status"] = status,
        (None, Some(fields)) => drop(fields.remove("status")),
        (None, None) => {}
    }
}

fn ends_with_this_write(new: &Value, old: &Value, kind: &Kind) -> bool {
    metadata::is_being_deleted(new)
        && !metadata::has_finalizers(new, kind)
        && metadata::has_finalizers(old, kind)
        && new["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_of_managed_fields_are_no_change() {
        let old = json!({"metadata": {"resourceVersion": "1", "managedFields": [{"manager": "a", "time": "1"}]}, "spec": {}});
        let mut new = json!({"metadata": {"resourceVersion": "2", "managedFields": [{"manager": "a", "time": "2"}]}, "spec": {}});
        assert!(same(&new, &old));
        new["spec"]["x"] = 1.into();
        assert!(!same(&new, &old));
        assert!(!same(&json!({"metadata": {}}), &json!({"metadata": {}, "spec": {}})));
    }

    #[test]
    fn a_status_write_leaves_the_spec_alone() {
        let old = json!({"metadata": {"name": "a", "uid": "u"}, "spec": {"x": 1}, "status": {"old": true}});
        let mut new = json!({"metadata": {"name": "a", "labels": {"l": "m"}}, "spec": {"x": 2}, "status": {"new": true}});
        keep_all_but_status(&mut new, &old, STATUS_METADATA);
        let expected = json!({"metadata": {"name": "a", "uid": "u", "labels": {"l": "m"}},
            "spec": {"x": 1}, "status": {"new": true}});
        assert_eq!(new, expected);
    }
}
