//! The way from client-side to server-side apply: `kubectl apply --server-side` on an object that
//! carries `kubectl apply`'s annotation.

use serde_json::{Map, Value};

use super::Conflicts;
use crate::managed_fields::{FieldManager, FieldSet, compare, owned_fields};
use crate::schema::Node;

/// kubectl's own name; only it is trusted to have written the annotation.
pub(super) const MANAGER: &str = "kubectl";
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The conflicts that remain when the fields kubectl last applied on the client side, and nobody has
/// changed since, count as its own.
pub(super) fn not_allowed(
    conflicts: Conflicts,
    live: &Value,
    node: Option<Node<'_>>,
    manager: &FieldManager<'_>,
) -> Conflicts {
    if manager.name != MANAGER {
        return conflicts;
    }
    let Some(allowed) = allowed(live, node, manager) else { return conflicts };
    let mine = |path: &[String]| allowed.contains(&path.iter().map(String::as_str).collect::<Vec<_>>());
    Conflicts(conflicts.0.into_iter().filter(|conflict| !mine(&conflict.path)).collect())
}

fn allowed(live: &Value, node: Option<Node<'_>>, manager: &FieldManager<'_>) -> Option<FieldSet> {
    let last: Value = serde_json::from_str(annotation(live)?).ok()?;
    if last.get("apiVersion")?.as_str()? != manager.api_version {
        return None;
    }
    let mut fields = owned_fields(&last, node);
    let diff = compare(Some(&last), live, node);
    fields.subtract(&diff.changed);
    fields.subtract(&diff.removed);
    Some(fields)
}

fn annotation(object: &Value) -> Option<&str> {
    let text = object.get("metadata")?.get("annotations")?.get(ANNOTATION)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

fn annotations_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.get_mut("metadata")?.get_mut("annotations")?.as_object_mut()
}

/// Keeps an existing annotation in step, so that a client-side apply may follow.
pub(super) fn refresh(object: &mut Value, applied: &Value) {
    if annotation(object).is_none() {
        return;
    }
    let mut last = applied.clone();
    if let Some(annotations) = annotations_mut(&mut last) {
        annotations.remove(ANNOTATION);
    }
    if let Some(annotations) = annotations_mut(object) {
        annotations.insert(ANNOTATION.to_owned(), Value::String(format!("{last}\n")));
    }
}
