//! The objects of one kind, as `sync` tells them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Metadata;

/// A view of an API object.
pub trait Named {
    fn metadata(&self) -> &Metadata;
}

/// Which object a delta is about.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Identity {
    pub kind: String,
    pub metadata: Metadata,
}

impl Identity {
    /// From an object or its identity.
    pub fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| format!("object: {error}"))
    }

    pub fn key(&self) -> String {
        self.metadata.key()
    }
}

/// By `namespace/name`, or `name` for kinds without namespaces.
#[derive(Debug, Clone, PartialEq)]
pub struct Collection<T> {
    objects: BTreeMap<String, T>,
}

impl<T> Default for Collection<T> {
    fn default() -> Self {
        Collection { objects: BTreeMap::new() }
    }
}

impl<T: Named + DeserializeOwned> Collection<T> {
    /// Takes an object in; returns the one it replaces. One that cannot be read is as good as not there:
    /// the log says so, and the policy goes on with the others.
    pub fn upsert(&mut self, json: &str) -> Option<T> {
        match serde_json::from_str::<T>(json) {
            Ok(object) => self.objects.insert(object.metadata().key(), object),
            Err(error) => {
                let identity = Identity::parse(json).unwrap_or_default();
                let Identity { kind, .. } = &identity;
                crate::log::warn(&format!(
                    "{kind} {} is left out, it cannot be read: {error}",
                    identity.key()
                ));
                self.objects.remove(&identity.key())
            }
        }
    }
}

impl<T> Collection<T> {
    pub fn remove(&mut self, key: &str) -> Option<T> {
        self.objects.remove(key)
    }

    pub fn get(&self, key: &str) -> Option<&T> {
        self.objects.get(key)
    }

    /// In the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.objects.iter().map(|(key, object)| (key.as_str(), object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Claim;

    #[test]
    fn objects_come_change_and_go() {
        let mut claims = Collection::<Claim>::default();
        let json = |volume: &str| {
            let metadata = r#"{"namespace": "a", "name": "c"}"#;
            format!(
                r#"{{"kind": "PersistentVolumeClaim", "metadata": {metadata}, "spec": {{"volumeName": "{volume}"}}}}"#
            )
        };
        assert!(claims.upsert(&json("")).is_none());
        assert_eq!(claims.upsert(&json("v")).unwrap().spec.volume_name, "");
        let identity = Identity::parse(&json("v")).unwrap();
        assert_eq!((identity.kind.as_str(), identity.key().as_str()), ("PersistentVolumeClaim", "a/c"));
        assert_eq!(claims.iter().count(), 1);
        assert!(claims.remove("a/c").is_some() && claims.remove("a/c").is_none());
    }

    #[test]
    fn what_cannot_be_read_is_not_there() {
        let mut claims = Collection::<Claim>::default();
        claims.upsert(r#"{"metadata": {"name": "c"}}"#);
        assert!(claims.upsert(r#"{"metadata": {"name": "c"}, "spec": 3}"#).is_some());
        assert!(claims.get("c").is_none());
        assert!(claims.upsert("[").is_none());
    }
}
