//! The objects of one kind as its informer last told, by namespace and name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

#[derive(Default)]
pub(crate) struct Cache {
    namespaces: HashMap<String, BTreeMap<String, Arc<Value>>>,
    /// The highest revision told.
    revision: u64,
}

pub(crate) fn revision_of(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn place(object: &Value) -> (&str, &str) {
    let meta = &object["metadata"];
    (meta["namespace"].as_str().unwrap_or_default(), meta["name"].as_str().unwrap_or_default())
}

impl Cache {
    pub fn put(&mut self, object: &Arc<Value>) {
        self.revision = self.revision.max(revision_of(object));
        let (namespace, name) = place(object);
        match self.namespaces.get_mut(namespace) {
            Some(objects) => objects.insert(name.into(), object.clone()),
            None => self.namespaces.entry(namespace.into()).or_default().insert(name.into(), object.clone()),
        };
    }

    /// `object` is its last state.
    pub fn remove(&mut self, object: &Value) {
        self.revision = self.revision.max(revision_of(object));
        let (namespace, name) = place(object);
        if let Some(objects) = self.namespaces.get_mut(namespace) {
            objects.remove(name);
            if objects.is_empty() {
                self.namespaces.remove(namespace);
            }
        }
    }

    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.namespaces.get(namespace)?.get(name)
    }

    /// All of one namespace, or all when it is empty.
    pub fn within<'a>(&'a self, namespace: &str) -> Box<dyn Iterator<Item = &'a Arc<Value>> + 'a> {
        if namespace.is_empty() {
            return Box::new(self.namespaces.values().flat_map(BTreeMap::values));
        }
        Box::new(self.namespaces.get(namespace).into_iter().flat_map(BTreeMap::values))
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(namespace: &str, name: &str, revision: u64) -> Arc<Value> {
        let mut object = json!({"metadata": {"name": name, "resourceVersion": revision.to_string()}});
        if !namespace.is_empty() {
            object["metadata"]["namespace"] = namespace.into();
        }
        Arc::new(object)
    }

    #[test]
    fn finds_by_namespace_and_name() {
        let mut cache = Cache::default();
        cache.put(&object("a", "x", 1));
        cache.put(&object("a", "y", 2));
        cache.put(&object("b", "x", 3));
        cache.put(&object("", "node", 4));
        assert_eq!(cache.within("a").count(), 2);
        assert_eq!(cache.within("").count(), 4);
        assert!(cache.get("b", "x").is_some() && cache.get("", "node").is_some());
        cache.remove(&object("b", "x", 5));
        assert!(cache.get("b", "x").is_none());
        assert_eq!(cache.revision(), 5);
    }
}
