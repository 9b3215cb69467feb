//! Objects as JSON with names for what every object has. The rest is carried through untouched.

use serde_json::{Map, Value, json};

/// What every object has, read from JSON. Absent strings read as empty.
pub trait Object {
    fn api_version(&self) -> &str;
    fn kind(&self) -> &str;
    fn name(&self) -> &str;
    fn namespace(&self) -> &str;
    fn uid(&self) -> &str;
    fn resource_version(&self) -> &str;
    fn generation(&self) -> i64;
    fn label(&self, key: &str) -> Option<&str>;
    fn annotation(&self, key: &str) -> Option<&str>;
    /// `namespace/name`, or `name`.
    fn key(&self) -> String;
    /// RFC 3339.
    fn creation_timestamp(&self) -> &str;
    fn deletion_timestamp(&self) -> Option<&str>;
    fn is_being_deleted(&self) -> bool {
        self.deletion_timestamp().is_some()
    }
    fn finalizers(&self) -> impl Iterator<Item = &str>;
    fn owners(&self) -> impl Iterator<Item = Owner<'_>>;
    /// The owner with `controller: true`.
    fn controller(&self) -> Option<Owner<'_>>;
    /// The value at a path of keys; `Null` when there is none.
    fn at(&self, path: &[&str]) -> &Value;
    /// The items at a path; none when there is no list.
    fn items(&self, path: &[&str]) -> &[Value] {
        self.at(path).as_array().map(Vec::as_slice).unwrap_or_default()
    }
    /// Sets a value, making the objects on the way.
    fn set(&mut self, path: &[&str], value: impl Into<Value>);
}

/// An item of `metadata.ownerReferences`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner<'a> {
    pub api_version: &'a str,
    pub kind: &'a str,
    pub name: &'a str,
    pub uid: &'a str,
    pub controller: bool,
    pub block_owner_deletion: bool,
}

static NULL: Value = Value::Null;

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn metadata(value: &Value) -> &Value {
    value.get("metadata").unwrap_or(&NULL)
}

impl Object for Value {
    fn api_version(&self) -> &str {
        text(self, "apiVersion")
    }
    fn kind(&self) -> &str {
        text(self, "kind")
    }
    fn name(&self) -> &str {
        text(metadata(self), "name")
    }
    fn namespace(&self) -> &str {
        text(metadata(self), "namespace")
    }
    fn uid(&self) -> &str {
        text(metadata(self), "uid")
    }
    fn resource_version(&self) -> &str {
        text(metadata(self), "resourceVersion")
    }
    fn generation(&self) -> i64 {
        self.at(&["metadata", "generation"]).as_i64().unwrap_or_default()
    }
    fn label(&self, key: &str) -> Option<&str> {
        self.at(&["metadata", "labels", key]).as_str()
    }
    fn annotation(&self, key: &str) -> Option<&str> {
        self.at(&["metadata", "annotations", key]).as_str()
    }
    fn key(&self) -> String {
        crate::controller::key_of(self.namespace(), self.name())
    }
    fn creation_timestamp(&self) -> &str {
        text(metadata(self), "creationTimestamp")
    }
    fn deletion_timestamp(&self) -> Option<&str> {
        metadata(self).get("deletionTimestamp").and_then(Value::as_str)
    }
    fn finalizers(&self) -> impl Iterator<Item = &str> {
        self.items(&["metadata", "finalizers"]).iter().filter_map(Value::as_str)
    }
    fn owners(&self) -> impl Iterator<Item = Owner<'_>> {
        self.items(&["metadata", "ownerReferences"]).iter().map(Owner::read)
    }
    fn controller(&self) -> Option<Owner<'_>> {
        self.owners().find(|owner| owner.controller)
    }
    fn at(&self, path: &[&str]) -> &Value {
        path.iter().fold(self, |value, key| value.get(key).unwrap_or(&NULL))
    }
    fn set(&mut self, path: &[&str], value: impl Into<Value>) {
        let mut place = self;
        for key in path {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[*key];
        }
        *place = value.into();
    }
}

impl<'a> Owner<'a> {
    fn read(reference: &'a Value) -> Self {
        let is = |key| reference.get(key).and_then(Value::as_bool).unwrap_or_default();
        Owner {
            api_version: text(reference, "apiVersion"),
            kind: text(reference, "kind"),
            name: text(reference, "name"),
            uid: text(reference, "uid"),
            controller: is("controller"),
            block_owner_deletion: is("blockOwnerDeletion"),
        }
    }
}

/// The reference that makes `owner` the controller of what carries it.
pub fn controller_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner.api_version(),
        "kind": owner.kind(),
        "name": owner.name(),
        "uid": owner.uid(),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// `apiVersion`, `kind` and what of the metadata tells which object this is.
pub fn identity(object: &Value) -> Value {
    let mut metadata = Map::new();
    for key in ["name", "namespace", "uid", "resourceVersion"] {
        if let Some(value) = object.at(&["metadata"]).get(key) {
            metadata.insert(key.into(), value.clone());
        }
    }
    json!({ "apiVersion": object.api_version(), "kind": object.kind(), "metadata": metadata })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_reads_from_json() {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "web", "namespace": "default", "uid": "u", "generation": 3,
                "labels": {"app": "web"}, "finalizers": ["a", "b"],
                "ownerReferences": [{"kind": "Other", "uid": "x"}, {"kind": "ReplicaSet", "uid": "y", "controller": true}],
            }
        });
        assert_eq!(pod.key(), "default/web");
        assert_eq!(pod.label("app"), Some("web"));
        assert_eq!(pod.generation(), 3);
        assert_eq!(pod.finalizers().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(pod.controller().map(|owner| owner.uid), Some("y"));
        assert_eq!(json!({"metadata": {"name": "n"}}).key(), "n");
        assert!(!pod.is_being_deleted());
    }

    #[test]
    fn set_makes_the_way() {
        let mut object = json!({"status": null});
        object.set(&["status", "replicas"], 3);
        assert_eq!(object, json!({"status": {"replicas": 3}}));
    }
}
