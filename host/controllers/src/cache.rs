//! The objects of one kind as its informer last told, by namespace and name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use orch_client::Object;
use orch_object::LabelSelector;
use serde_json::Value;

#[derive(Default)]
pub(crate) struct Cache {
    namespaces: HashMap<String, BTreeMap<String, Entry>>,
    /// Each of the entries' labels once: replicas have the same.
    labels: HashSet<Arc<Value>>,
    /// The highest revision told.
    revision: u64,
}

/// Of an object only what every list asks for is kept parsed.
struct Entry {
    object: Object,
    labels: Arc<Value>,
}

pub(crate) fn revision_of(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn place(object: &Value) -> (&str, &str) {
    let meta = &object["metadata"];
    (meta["namespace"].as_str().unwrap_or_default(), meta["name"].as_str().unwrap_or_default())
}

impl Cache {
    pub fn put(&mut self, object: &Object) {
        let value = object.value();
        self.revision = self.revision.max(revision_of(&value));
        let (namespace, name) = place(&value);
        let entry = Entry { object: object.clone(), labels: self.shared(&value["metadata"]["labels"]) };
        let before = match self.namespaces.get_mut(namespace) {
            Some(objects) => objects.insert(name.into(), entry),
            None => self.namespaces.entry(namespace.into()).or_default().insert(name.into(), entry),
        };
        self.forget(before);
    }

    /// `object` is its last state.
    pub fn remove(&mut self, object: &Value) {
        self.revision = self.revision.max(revision_of(object));
        let (namespace, name) = place(object);
        if let Some(objects) = self.namespaces.get_mut(namespace) {
            let last = objects.remove(name);
            if objects.is_empty() {
                self.namespaces.remove(namespace);
            }
            self.forget(last);
        }
    }

    fn shared(&mut self, labels: &Value) -> Arc<Value> {
        if let Some(known) = self.labels.get(labels) {
            return known.clone();
        }
        let labels = Arc::new(labels.clone());
        self.labels.insert(labels.clone());
        labels
    }

    /// Labels that no other entry has go with this one.
    fn forget(&mut self, entry: Option<Entry>) {
        let Some(Entry { labels, .. }) = entry else { return };
        let here_and_in_the_set = 2;
        if Arc::strong_count(&labels) == here_and_in_the_set {
            self.labels.remove(&labels);
        }
    }

    pub fn get(&self, namespace: &str, name: &str) -> Option<&Object> {
        Some(&self.namespaces.get(namespace)?.get(name)?.object)
    }

    /// All of one namespace, or all when it is empty.
    pub fn within<'a>(&'a self, namespace: &str) -> impl Iterator<Item = &'a Object> {
        self.entries(namespace).map(|entry| &entry.object)
    }

    /// As [`Cache::within`], with these labels.
    pub fn selected<'a>(
        &'a self,
        namespace: &str,
        labels: &'a LabelSelector,
    ) -> impl Iterator<Item = &'a Object> {
        let chosen = self.entries(namespace).filter(|entry| labels.matches(entry.labels.as_object()));
        chosen.map(|entry| &entry.object)
    }

    fn entries<'a>(&'a self, namespace: &str) -> Box<dyn Iterator<Item = &'a Entry> + 'a> {
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

    fn object(namespace: &str, name: &str, revision: u64) -> Object {
        let mut object = json!({"metadata": {"name": name, "resourceVersion": revision.to_string()}});
        if !namespace.is_empty() {
            object["metadata"]["namespace"] = namespace.into();
        }
        Arc::new(object).into()
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
        cache.remove(&object("b", "x", 5).value());
        assert!(cache.get("b", "x").is_none());
        assert_eq!(cache.revision(), 5);
    }

    #[test]
    fn selects_by_labels_and_keeps_each_set_once() {
        let labelled = |name: &str, app: &str| -> Object {
            Arc::new(json!({"metadata": {"name": name, "namespace": "a", "labels": {"app": app}}})).into()
        };
        let mut cache = Cache::default();
        for name in ["x", "y", "z"] {
            cache.put(&labelled(name, "web"));
        }
        cache.put(&labelled("z", "db"));
        cache.put(&object("a", "bare", 9));
        let web: LabelSelector = "app=web".parse().unwrap();
        assert_eq!((cache.selected("a", &web).count(), cache.selected("b", &web).count()), (2, 0));
        assert_eq!(cache.labels.len(), 3);
        cache.remove(&labelled("x", "web").value());
        assert_eq!(cache.labels.len(), 3);
        cache.remove(&labelled("y", "web").value());
        assert_eq!(cache.labels.len(), 2);
    }
}
