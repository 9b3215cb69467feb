//! Which objects name a uid under `metadata.ownerReferences`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use memchr::memmem;
use serde::Deserialize;

#[derive(Deserialize)]
struct Owned {
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    owner_references: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    uid: Box<str>,
}

/// The owners' uids of an object's JSON. Most objects have none: a scan for the field's name
/// spares them the parse.
pub fn uids(bytes: &[u8]) -> Box<[Box<str>]> {
    if memmem::find(bytes, b"\"ownerReferences\"").is_none() {
        return Box::default();
    }
    let owned: Option<Owned> = serde_json::from_slice(bytes).ok();
    let references = owned.and_then(|o| o.metadata).map(|m| m.owner_references).unwrap_or_default();
    references.into_iter().map(|reference| reference.uid).collect()
}

/// Keys by owner uid.
#[derive(Debug, Default)]
pub struct Owners(HashMap<Box<str>, BTreeSet<Arc<str>>>);

impl Owners {
    pub fn change(&mut self, key: &Arc<str>, before: &[Box<str>], now: &[Box<str>]) {
        if before == now {
            return;
        }
        for uid in before {
            self.remove(uid, key);
        }
        for uid in now {
            self.0.entry(uid.clone()).or_default().insert(key.clone());
        }
    }

    pub fn keys(&self, uid: &str) -> impl Iterator<Item = &Arc<str>> {
        self.0.get(uid).into_iter().flatten()
    }

    fn remove(&mut self, uid: &str, key: &Arc<str>) {
        if let Some(keys) = self.0.get_mut(uid) {
            keys.remove(key);
            if keys.is_empty() {
                self.0.remove(uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_metadata_only() {
        let object = br#"{"metadata":{"name":"a","ownerReferences":[{"kind":"X","uid":"1"},{"uid":"2"}]},
            "spec":{"template":{"metadata":{"ownerReferences":[{"uid":"3"}]}}}}"#;
        assert_eq!(uids(object), ["1".into(), "2".into()].into());
        assert!(uids(br#"{"spec":{"ownerReferences":1}}"#).is_empty());
        assert!(uids(b"not json").is_empty());
    }

    #[test]
    fn follows_changes_and_forgets_empty_uids() {
        let mut owners = Owners::default();
        let key: Arc<str> = "pods/a".into();
        owners.change(&key, &[], &["1".into()]);
        owners.change(&key, &["1".into()], &["2".into()]);
        assert_eq!(owners.keys("1").count(), 0);
        assert_eq!(owners.keys("2").collect::<Vec<_>>(), [&key]);
        owners.change(&key, &["2".into()], &[]);
        assert!(owners.0.is_empty());
    }
}
