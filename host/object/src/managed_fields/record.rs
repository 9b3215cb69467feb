//! Ownership after a create, update or patch that is not an apply.

use serde_json::{Map, Value};

use super::compare::compare;
use super::entry::{Entries, take_managed_fields};
use super::{Diff, FieldManager, FieldSet};
use crate::schema::Node;

/// Writes `metadata.managedFields` of `new`, the object as it will be stored. `old`: what it replaces,
/// `None` for a create.
///
/// Changed fields go to the manager's `Update` entry and leave everybody else's; who owns nothing any
/// more goes. Without a change nothing is stamped, and where nobody can say what changed, all stays. `managedFields: []` or `[{}]` in `new` ends the
/// tracking, until the object is applied.
pub fn record_update(
    old: Option<&Value>,
    new: &mut Value,
    node: Option<Node<'_>>,
    manager: &FieldManager<'_>,
) {
    let provided = take_managed_fields(new);
    let mut entries = current_entries(old, provided, manager);
    if entries.is_empty() && old.is_some() {
        return;
    }
    let diff = written(compare(old, new, node), manager);
    if diff.has_keyless_items {
        return Entries::stored(old).write(new);
    }
    entries.subtract(&diff.changed);
    entries.subtract(&diff.removed);
    if !diff.changed.is_empty() {
        entries.add_update(manager, diff.changed);
    }
    entries.cap();
    entries.write(new);
}

/// Leaves out what this endpoint does not write.
pub(crate) fn written(mut diff: Diff, manager: &FieldManager<'_>) -> Diff {
    for path in manager.ignored {
        diff.changed.remove_below(path);
        diff.removed.remove_below(path);
    }
    diff
}

/// What a client sends counts, unless it says nothing, cannot be read, or comes by a sub-resource.
fn current_entries(old: Option<&Value>, provided: Option<Value>, manager: &FieldManager<'_>) -> Entries {
    let provided = match provided {
        Some(Value::Array(provided)) if manager.subresource.is_empty() => provided,
        _ => return Entries::stored(old),
    };
    if is_reset(&provided) {
        return Entries::default();
    }
    let stored = old.and_then(|o| o.pointer("/metadata/managedFields")).and_then(Value::as_array);
    if stored == Some(&provided) {
        return Entries::returned(provided);
    }
    Entries::from_client(provided).unwrap_or_else(|_| Entries::stored(old))
}

fn is_reset(provided: &[Value]) -> bool {
    let blank = |entry: &Value| entry.as_object().is_some_and(Map::is_empty);
    provided.is_empty() || matches!(provided, [entry] if blank(entry))
}

/// All fields of an object that nobody tracked so far, for the manager `before-first-apply`.
pub(crate) fn everything(object: &Value, node: Option<Node<'_>>, manager: &FieldManager<'_>) -> FieldSet {
    written(compare(None, object, node), manager).changed
}
