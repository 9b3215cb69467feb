//! One look at a key, as far as it is compared with another version's: which writes it made. A shadow's
//! are answered as if they had been made (the API tries them in a dry run) and show in what it reads
//! next, but nobody else sees them. Further writes to an object that its own have changed are answered
//! from what they left: the API knows nothing of that.

use std::collections::BTreeMap;
use std::sync::Arc;

use orch_client::Object;
use orch_object::{FieldSelector, Kind, LabelSelector};
use parking_lot::Mutex;
use serde_json::{Map, Value};

tokio::task_local! {
    static CURRENT: Arc<Attempt>;
}

/// So many writes of one look are compared; a shadow may make no more.
pub(crate) const MOST_WRITES: usize = 1000;

/// A write, so that the same write of two versions is equal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Write {
    /// `create v1/Pod shop/web-*`
    pub what: String,
    pub body: Value,
}

/// `apiVersion`, kind, namespace, name.
type Place = (String, String, String, String);

#[derive(Default)]
pub(crate) struct Attempt {
    pretends: bool,
    writes: Mutex<Vec<Write>>,
    /// What the pretended writes left: objects, or that there is none.
    left: Mutex<BTreeMap<Place, Option<Arc<Value>>>>,
}

impl Attempt {
    /// The one that is under way in this task, if somebody compares it.
    pub fn current() -> Option<Arc<Attempt>> {
        CURRENT.try_with(Clone::clone).ok()
    }

    pub fn pretending() -> Option<Arc<Attempt>> {
        Attempt::current().filter(|attempt| attempt.pretends)
    }

    /// Notes a write that is about to be tried. `object`: its body, or what names it. False: a shadow
    /// has made as many as it may.
    pub fn note(verb: &str, kind: &str, subject: &str, body: &Value) -> bool {
        let Some(attempt) = Attempt::current() else { return true };
        let mut writes = attempt.writes.lock();
        if writes.len() >= MOST_WRITES {
            return !attempt.pretends;
        }
        let what = format!("{verb} {kind} {subject}");
        writes.push(Write { what, body: comparable(body) });
        true
    }

    /// Runs it; returns what it wrote with its answer.
    pub async fn run<R>(pretends: bool, work: impl Future<Output = R>) -> (R, Vec<Write>) {
        let attempt = Arc::new(Attempt { pretends, ..Attempt::default() });
        let answer = CURRENT.scope(attempt.clone(), work).await;
        let mut writes = std::mem::take(&mut *attempt.writes.lock());
        writes.sort_by(|a, b| a.what.cmp(&b.what));
        (answer, writes)
    }

    pub fn leave(&self, kind: &Kind, object: &Value) {
        let place = place(kind, object);
        self.left.lock().insert(place, Some(Arc::new(object.clone())));
    }

    pub fn remove(&self, kind: &Kind, namespace: &str, name: &str) {
        let place = (kind.api_version(), kind.kind.clone(), namespace.into(), name.into());
        self.left.lock().insert(place, None);
    }

    /// The outer `None`: as it is in the cluster.
    pub fn get(&self, kind: &Kind, namespace: &str, name: &str) -> Option<Option<Arc<Value>>> {
        let place = (kind.api_version(), kind.kind.clone(), namespace.into(), name.into());
        self.left.lock().get(&place).cloned()
    }

    /// What a list would be after the pretended writes.
    pub fn overlay(
        &self,
        kind: &Kind,
        namespace: &str,
        labels: &LabelSelector,
        fields: &FieldSelector,
        objects: &mut Vec<Object>,
    ) {
        let left = self.left.lock();
        let of_kind = |place: &Place| place.0 == kind.api_version() && place.1 == kind.kind;
        objects.retain(|object| !left.contains_key(&place(kind, &object.value())));
        let chosen =
            left.iter().filter(|(place, _)| of_kind(place) && (namespace.is_empty() || place.2 == namespace));
        let there = chosen.filter_map(|(_, object)| object.clone());
        let chosen = there.filter(|object| labels.matches_object(object) && fields.matches(object, None));
        objects.extend(chosen.map(Object::from));
    }

    /// The same for what an owner has.
    pub fn overlay_dependents(&self, owner_uid: &str, objects: &mut Vec<Arc<Value>>) {
        let left = self.left.lock();
        let written = |object: &Value| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
            let meta = &object["metadata"];
            let place = (
                text(&object["apiVersion"]),
                text(&object["kind"]),
                text(&meta["namespace"]),
                text(&meta["name"]),
            );
            left.contains_key(&place)
        };
        objects.retain(|object| !written(object));
        let owned = |object: &Arc<Value>| {
            let owners = object["metadata"]["ownerReferences"].as_array();
            owners.into_iter().flatten().any(|owner| owner["uid"] == owner_uid)
        };
        objects.extend(left.values().flatten().filter(|object| owned(object)).cloned());
    }
}

fn place(kind: &Kind, object: &Value) -> Place {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_string();
    (kind.api_version(), kind.kind.clone(), text("namespace"), text("name"))
}

/// Without what the API fills in and what differs from one moment to the next.
fn comparable(body: &Value) -> Value {
    const FILLED_IN: [&str; 5] =
        ["resourceVersion", "uid", "managedFields", "creationTimestamp", "generation"];
    match body {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| !FILLED_IN.contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key.clone(), comparable(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(comparable).collect(),
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => "(a time)".into(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => body.clone(),
    }
}

/// What either side wrote that the other did not, in words. `None`: the same.
pub(crate) fn difference(live: &[Write], shadow: &[Write]) -> Option<(String, String)> {
    let (mut ours, mut theirs): (Vec<&Write>, Vec<&Write>) = (live.iter().collect(), Vec::new());
    for write in shadow {
        match ours.iter().position(|known| *known == write) {
            Some(position) => drop(ours.remove(position)),
            None => theirs.push(write),
        }
    }
    (!(ours.is_empty() && theirs.is_empty())).then(|| (told(&ours, &theirs), told(&theirs, &ours)))
}

/// Of writes that both made with other bodies, the fields that differ.
fn told(writes: &[&Write], others: &[&Write]) -> String {
    let tell = |write: &&Write| {
        let Some(other) = others.iter().find(|other| other.what == write.what) else {
            return write.what.clone();
        };
        let mut fields = Vec::new();
        differing("", &write.body, &other.body, &mut fields);
        format!("{} with {}", write.what, fields.join(", "))
    };
    match writes {
        [] => "nothing".into(),
        writes => writes.iter().map(tell).collect::<Vec<_>>().join("; "),
    }
}

fn differing(path: &str, ours: &Value, theirs: &Value, fields: &mut Vec<String>) {
    if ours == theirs {
        return;
    }
    let (Value::Object(ours), Value::Object(theirs)) = (ours, theirs) else {
        return fields.push(format!("{path}: {ours}"));
    };
    let keys: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for key in keys {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let value = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
        differing(&path, &value(ours), &value(theirs), fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn write(what: &str, body: Value) -> Write {
        Write { what: what.into(), body: comparable(&body) }
    }

    #[test]
    fn what_the_api_fills_in_makes_no_difference() {
        let one =
            json!({ "metadata": { "name": "a", "resourceVersion": "7" }, "since": "2026-01-01T00:00:00Z" });
        let other = json!({ "metadata": { "name": "a", "uid": "u" }, "since": "2026-01-02T00:00:00Z" });
        assert_eq!(
            difference(&[write("update v1/Pod a/a", one)], &[write("update v1/Pod a/a", other)]),
            None
        );
    }

    #[test]
    fn differences_name_the_write_and_the_fields() {
        let scale = |replicas: u64| {
            write("update apps/v1/ReplicaSet a/web", json!({ "spec": { "replicas": replicas, "x": 1 } }))
        };
        let pod = write("create v1/Pod a/web-*", json!({}));
        assert_eq!(
            difference(&[scale(2), pod.clone(), pod.clone()], &[scale(3), pod]),
            Some((
                "update apps/v1/ReplicaSet a/web with spec.replicas: 2; create v1/Pod a/web-*".into(),
                "update apps/v1/ReplicaSet a/web with spec.replicas: 3".into()
            ))
        );
        assert_eq!(difference(&[], &[scale(1)]).unwrap().0, "nothing");
    }
}
