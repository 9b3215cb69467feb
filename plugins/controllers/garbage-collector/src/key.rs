//! What is to be looked at, as the text the host queues.

use std::fmt;

use orch_sdk::Value;
use orch_sdk::controller::{Change, Kind, ObjectRef};
use orch_sdk::object::{Object, Owner};

/// No name, kind or version holds it.
const SEPARATOR: char = '|';

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    pub api_version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

impl At {
    pub fn object(&self) -> ObjectRef<'_> {
        Kind::new(&self.api_version, &self.kind).object(&self.namespace, &self.name)
    }

    pub fn of(object: &Value) -> Self {
        At {
            api_version: object.api_version().into(),
            kind: object.kind().into(),
            namespace: object.namespace().into(),
            name: object.name().into(),
            uid: object.uid().into(),
        }
    }

    /// An owner, where its dependent looks for it. A cluster-scoped owner is in no namespace; reading
    /// it there finds it all the same, for the host ignores the namespace then.
    pub fn of_owner(owner: &Owner<'_>, dependent: &Value) -> Self {
        At {
            api_version: owner.api_version.into(),
            kind: owner.kind.into(),
            namespace: dependent.namespace().into(),
            name: owner.name.into(),
            uid: owner.uid.into(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    Look(At),
    Gone { uid: String },
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Gone { uid } => write!(out, "gone{SEPARATOR}{uid}"),
            Key::Look(at) => {
                out.write_str("look")?;
                for part in [&at.api_version, &at.kind, &at.namespace, &at.name, &at.uid] {
                    write!(out, "{SEPARATOR}{part}")?;
                }
                Ok(())
            }
        }
    }
}

impl Key {
    pub fn parse(text: &str) -> Option<Key> {
        match text.split(SEPARATOR).collect::<Vec<_>>()[..] {
            ["gone", uid] => Some(Key::Gone { uid: uid.into() }),
            ["look", api_version, kind, namespace, name, uid] => Some(Key::Look(At {
                api_version: api_version.into(),
                kind: kind.into(),
                namespace: namespace.into(),
                name: name.into(),
                uid: uid.into(),
            })),
            _ => None,
        }
    }
}

/// What a change gives to look at. An object is looked at when it has owners, or when its deletion
/// waits for this controller; its owners when they may wait for it.
pub fn of_change(change: Change, object: &Value, before: Option<&Value>) -> Vec<Key> {
    if change == Change::Deleted {
        let mut keys = vec![Key::Gone { uid: object.uid().into() }];
        keys.extend(blocked_owners(object));
        return keys;
    }
    let mut keys = Vec::new();
    let waits =
        object.is_being_deleted() && object.finalizers().any(|f| f == "orphan" || f == "foregroundDeletion");
    if waits || (object.owners().next().is_some() && !object.is_being_deleted()) {
        keys.push(Key::Look(At::of(object)));
    }
    // An owner that was let go may be free now.
    if let Some(before) = before {
        let still: Vec<Key> = blocked_owners(object).collect();
        keys.extend(blocked_owners(before).filter(|owner| !still.contains(owner)));
    }
    keys
}

fn blocked_owners(object: &Value) -> impl Iterator<Item = Key> {
    object
        .owners()
        .filter(|owner| owner.block_owner_deletion)
        .map(|owner| Key::Look(At::of_owner(&owner, object)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    fn pod(owners: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop", "uid": "u", "ownerReferences": owners}})
    }
    fn owner(block: bool) -> Value {
        json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "r-uid", "blockOwnerDeletion": block}])
    }
    fn told(change: Change, object: &Value, before: Option<&Value>) -> Vec<String> {
        of_change(change, object, before).iter().map(Key::to_string).collect()
    }

    #[test]
    fn keys_go_there_and_back() {
        for text in ["gone|u", "look|v1|Pod|shop|p|u", "look|v1|Node||n|u"] {
            assert_eq!(Key::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Key::parse("look|v1"), None);
    }

    #[test]
    fn changes_that_matter() {
        let (owned, free) = (pod(owner(true)), pod(json!([])));
        assert_eq!(told(Change::Added, &owned, None), ["look|v1|Pod|shop|p|u"]);
        assert!(told(Change::Added, &free, None).is_empty());
        assert_eq!(told(Change::Deleted, &owned, None), ["gone|u", "look|apps/v1|ReplicaSet|shop|r|r-uid"]);
        assert_eq!(told(Change::Deleted, &pod(owner(false)), None), ["gone|u"]);
        assert_eq!(told(Change::Modified, &free, Some(&owned)), ["look|apps/v1|ReplicaSet|shop|r|r-uid"]);
        let mut waiting = free;
        waiting["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z".into();
        waiting["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
        assert_eq!(told(Change::Modified, &waiting, None), ["look|v1|Pod|shop|p|u"]);
    }
}
