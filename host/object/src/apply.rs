//! Server-side apply: merges a configuration into the live object, each field owned by its appliers.
//!
//! Semantics of `sigs.k8s.io/structured-merge-diff` as `k8s.io/apimachinery/pkg/util/managedfields`
//! uses it. Owners that wrote in another version of the kind are compared in the version of this
//! request: there is no conversion here.

mod check;
mod conflict;
mod last_applied;
mod merge;
mod prune;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

pub use conflict::{Conflict, Conflicts};

use crate::managed_fields::{
    Diff, Entries, Entry, FieldManager, FieldSet, Operation, compare, everything, owned_fields,
    take_managed_fields, without_unowned, written,
};
use crate::schema::{ListType, Node};
use crate::status::Status;

/// Why a configuration was not applied.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// Others own what it would change.
    #[error(transparent)]
    Conflicts(#[from] Conflicts),
    #[error("metadata.managedFields must be nil")]
    ManagedFieldsSet,
    #[error(
        "Incorrect version specified in apply patch. Specified patch version: {patch}, expected: {expected}"
    )]
    Version { patch: String, expected: String },
    /// The configuration is not of its kind's schema.
    #[error("failed to create typed patch object ({object}): {errors}")]
    Schema { object: String, errors: String },
}

impl From<ApplyError> for Status {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Conflicts(conflicts) => conflicts.into(),
            ApplyError::ManagedFieldsSet | ApplyError::Version { .. } => {
                Status::bad_request(error.to_string())
            }
            // Upstream answers a plain error here, which becomes a 500 without a reason.
            ApplyError::Schema { .. } => Status::new(500, "", error.to_string()),
        }
    }
}

/// The object after `applied` came from `manager`, `metadata.managedFields` included. `live` is `None`
/// when the object does not exist; then name and namespace come from `applied` alone.
///
/// A field that the manager applied before, does not apply now, and nobody else owns is removed. With
/// `force`, fields of others are taken over. The result equals `live` when nothing changes.
pub fn apply(
    live: Option<&Value>,
    applied: &Value,
    node: Option<Node<'_>>,
    manager: &FieldManager<'_>,
    force: bool,
) -> Result<Value, ApplyError> {
    refuse_malformed(applied, node, manager)?;
    let state = Live::of(live, node, manager);
    let planned = Planned::new(&state, applied, node, manager);
    let conflicts = planned.conflicts(&state.entries);
    if !force && !conflicts.is_empty() {
        let conflicts = last_applied::not_allowed(conflicts, &state.object, node, manager);
        if !conflicts.is_empty() {
            return Err(conflicts.into());
        }
    }
    let mut object = planned.finish(state, manager);
    if manager.name == last_applied::MANAGER {
        last_applied::refresh(&mut object, applied);
    }
    Ok(object)
}

/// `live` with what a configuration sets, without anybody's ownership.
///
/// # Errors
/// The configuration is not of the schema, or would replace a list or map as a whole.
pub fn merge_configuration(
    live: &Value,
    configuration: &Value,
    node: Option<Node<'_>>,
) -> Result<Value, String> {
    if let Some(errors) = check::errors(configuration, node) {
        return Err(format!("failed to convert patch object to typed object: {errors}"));
    }
    let mut atomic = Vec::new();
    if let Some(node) = node {
        atomics(configuration, node, "", &mut atomic);
    }
    if !atomic.is_empty() {
        let paths = atomic.join(", ");
        return Err(format!(
            "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {paths}"
        ));
    }
    Ok(merge::merge(live, configuration, node))
}

/// The paths of lists and maps that a configuration could only replace as a whole.
fn atomics(value: &Value, node: Node<'_>, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if node.is_atomic_map() {
                found.push(path.to_owned());
            }
            for (name, value) in fields {
                if let Some(field) = node.field(name).or_else(|| node.values()) {
                    atomics(value, field, &format!("{path}.{name}"), found);
                }
            }
        }
        Value::Array(items) => {
            if node.list_type() == ListType::Atomic {
                found.push(path.to_owned());
            }
            for (index, item) in items.iter().enumerate() {
                if let Some(each) = node.items() {
                    atomics(item, each, &format!("{path}[{index}]"), found);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Refuses what cannot be applied to any object: of another version, with ownership of its own, or not of
/// its kind's schema.
pub fn refuse_malformed(
    applied: &Value,
    node: Option<Node<'_>>,
    manager: &FieldManager<'_>,
) -> Result<(), ApplyError> {
    let version = applied.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    if version != manager.api_version {
        return Err(ApplyError::Version {
            patch: version.to_owned(),
            expected: manager.api_version.to_owned(),
        });
    }
    if applied.pointer("/metadata/managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(ApplyError::ManagedFieldsSet);
    }
    match check::errors(applied, node) {
        Some(errors) => Err(ApplyError::Schema { object: described(applied), errors }),
        None => Ok(()),
    }
}

/// `default/web; apps/v1, Kind=Deployment`, `default/map; /v1, Kind=ConfigMap`
fn described(object: &Value) -> String {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    // As Go prints a GroupVersionKind: the core group is empty before its slash.
    let version = text("/apiVersion");
    let separator = if version.contains('/') { "" } else { "/" };
    format!("{namespace}/{name}; {separator}{version}, Kind={}", text("/kind"))
}

/// The object before the apply, and who owns it.
struct Live {
    /// Without `managedFields`.
    object: Value,
    entries: Entries,
}

impl Live {
    fn of(live: Option<&Value>, node: Option<Node<'_>>, manager: &FieldManager<'_>) -> Self {
        let mut entries = Entries::stored(live);
        let mut object = live.cloned().unwrap_or_else(|| json!({}));
        take_managed_fields(&mut object);
        if live.is_some() && entries.is_empty() {
            let before = FieldManager { name: "before-first-apply", ..*manager };
            let fields = everything(&object, node, &before);
            if !fields.is_empty() {
                entries.add_update(&before, fields);
            }
        }
        Live { object, entries }
    }
}

/// What the apply would do.
struct Planned {
    object: Value,
    /// What the manager owns afterwards.
    fields: FieldSet,
    diff: Diff,
    /// The manager's entry so far.
    previous: Option<usize>,
}

impl Planned {
    fn new(live: &Live, applied: &Value, node: Option<Node<'_>>, manager: &FieldManager<'_>) -> Self {
        let mut fields = owned_fields(applied, node);
        for path in manager.ignored {
            fields.remove_below(path);
        }
        let previous = live.entries.position(manager, Operation::Apply);
        let merged = merge::merge(&live.object, applied, node);
        let object = match previous {
            Some(index) => prune::prune(merged, applied, &live.entries, index, &fields, node),
            None => merged,
        };
        let fields = without_unowned(fields);
        let diff = written(compare(Some(&live.object), &object, node), manager);
        Planned { object, fields, diff, previous }
    }

    fn conflicts(&self, entries: &Entries) -> Conflicts {
        let others = entries.0.iter().enumerate().filter(|(index, _)| Some(*index) != self.previous);
        Conflicts::new(others.map(|(_, entry)| (entry, entry.fields.intersection(&self.diff.changed))))
    }

    fn finish(self, live: Live, manager: &FieldManager<'_>) -> Value {
        let Planned { mut object, fields, diff, previous } = self;
        let mut entries = live.entries;
        let previous = previous.map(|index| entries.0.remove(index));
        entries.subtract(&diff.changed);
        entries.subtract(&diff.removed);
        if !fields.is_empty() {
            let mut own = Entry::new(manager, Operation::Apply, fields);
            // An apply that changes nothing but ownership is no event in time.
            if object == live.object {
                own.time = previous.map(|previous| previous.time).unwrap_or_default();
            }
            entries.0.push(own);
        }
        entries.write(&mut object);
        object
    }
}
