//! Objects of scripts: whole ones, or short forms for what scripts are full of.

use serde_json::{Value, json};

use super::TestError;

/// A Node. Short: `{name, labels, annotations, taints, unschedulable, allocatable}`.
pub fn node(source: &Value) -> Result<Value, TestError> {
    if is_whole(source) {
        return Ok(completed(source.clone()));
    }
    check(source, "node", &["name", "labels", "annotations", "taints", "unschedulable", "allocatable"])?;
    let mut spec = json!({});
    copy(source, &mut spec, &["taints", "unschedulable"]);
    let mut metadata = json!({});
    copy(source, &mut metadata, &["name", "labels", "annotations"]);
    let allocatable = match &source["allocatable"] {
        Value::Null => json!({"cpu": "4", "memory": "16Gi", "pods": "110"}),
        given => given.clone(),
    };
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec,
        "status": {"allocatable": allocatable}});
    Ok(completed(node))
}

/// A Pod. Short: `{name, namespace, labels, annotations, owner, requests, node, …}`, what else there is
/// going to its spec.
pub fn pod(source: &Value) -> Result<Value, TestError> {
    if is_whole(source) {
        return Ok(completed(source.clone()));
    }
    let Value::Object(fields) = source else { return Err(not_an_object("pod", source)) };
    let mut metadata = json!({"namespace": "default"});
    let metadata_fields = ["name", "namespace", "labels", "annotations", "ownerReferences"];
    copy(source, &mut metadata, &metadata_fields);
    let requests = fields.get("requests").cloned().unwrap_or_else(|| json!({}));
    let mut spec = json!({
        "containers": [{"name": "main", "image": "example", "resources": {"requests": requests}}],
    });
    if let Some(node) = fields.get("node") {
        spec["nodeName"] = node.clone();
    }
    let known = |field: &&String| {
        !metadata_fields.contains(&field.as_str()) && !["requests", "node"].contains(&field.as_str())
    };
    for field in fields.keys().filter(known) {
        spec[field] = fields[field].clone();
    }
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
    Ok(completed(pod))
}

pub fn whole(source: &Value) -> Result<Value, TestError> {
    if is_whole(source) { Ok(completed(source.clone())) } else { Err(not_an_object("object", source)) }
}

/// `Pod default/web`, `Node a`.
pub fn name_of(object: &Value) -> String {
    let metadata = &object["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let (kind, name) = (text(&object["kind"]), text(&metadata["name"]));
    match metadata["namespace"].as_str() {
        Some(namespace) if !namespace.is_empty() => format!("{kind} {namespace}/{name}"),
        _ => format!("{kind} {name}"),
    }
}

fn is_whole(source: &Value) -> bool {
    source["kind"].is_string() && source["metadata"]["name"].is_string()
}

/// Every object has a uid.
fn completed(mut object: Value) -> Value {
    if object["metadata"]["uid"].is_null() {
        object["metadata"]["uid"] = name_of(&object).into();
    }
    object
}

fn copy(from: &Value, to: &mut Value, fields: &[&str]) {
    for field in fields {
        if !from[field].is_null() {
            to[field] = from[field].clone();
        }
    }
}

fn check(source: &Value, what: &str, known: &[&str]) -> Result<(), TestError> {
    let Value::Object(fields) = source else { return Err(not_an_object(what, source)) };
    match fields.keys().find(|field| !known.contains(&field.as_str())) {
        None if fields.contains_key("name") => Ok(()),
        None => Err(TestError::Object(format!("a {what} needs a name: {source}"))),
        Some(field) => Err(TestError::Object(format!(
            "a {what} in short form has no field {field} (it has {}); give a whole object instead",
            known.join(", ")
        ))),
    }
}

fn not_an_object(what: &str, source: &Value) -> TestError {
    TestError::Object(format!("this is no {what} with kind and metadata.name: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_completed() {
        let made = node(&json!({"name": "a", "taints": [{"key": "k", "effect": "NoSchedule"}]})).unwrap();
        assert_eq!(made["spec"]["taints"][0]["key"], "k");
        assert_eq!(made["status"]["allocatable"]["cpu"], "4");
        assert_eq!(made["metadata"]["uid"], "Node a");
        let made = pod(&json!({"name": "p", "requests": {"cpu": "1"}, "node": "a", "priority": 5})).unwrap();
        assert_eq!(made["spec"]["containers"][0]["resources"]["requests"]["cpu"], "1");
        assert_eq!((&made["spec"]["nodeName"], &made["spec"]["priority"]), (&json!("a"), &json!(5)));
        assert_eq!(name_of(&made), "Pod default/p");
    }

    #[test]
    fn misspelt_fields_are_refused() {
        assert!(node(&json!({"name": "a", "label": {}})).unwrap_err().to_string().contains("label"));
        assert!(whole(&json!({"kind": "Pod"})).is_err());
    }
}
