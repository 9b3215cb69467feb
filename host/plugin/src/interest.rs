//! Objects cut down to what a component reads.
//!
//! A path is dotted; `[*]` steps into each item of a list, `[key]` into a key that has dots in it
//! (`metadata.labels[app.kubernetes.io/name]`). A path keeps all below it; no path at all keeps the
//! whole object. `apiVersion`, `kind` and `metadata.name`, `namespace` and `uid` are always kept.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

use crate::calls::Interest;

const IDENTITY: [&str; 5] = ["apiVersion", "kind", "metadata.name", "metadata.namespace", "metadata.uid"];

/// The paths of an interest, ready to be applied to many objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    root: Keep,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Keep {
    All,
    Fields(BTreeMap<String, Keep>),
    Items(Box<Keep>),
}

impl Cut {
    pub fn new<S: AsRef<str>>(paths: &[S]) -> Self {
        if paths.is_empty() {
            return Cut { root: Keep::All };
        }
        let mut root = Keep::Fields(BTreeMap::new());
        let paths = paths.iter().map(AsRef::as_ref).chain(IDENTITY);
        paths.for_each(|path| root.add(&mut steps(path)));
        Cut { root }
    }

    /// Without the identity that [`Cut::new`] keeps: what equal objects have in common. The namespace
    /// stays, it decides what selectors see.
    pub fn bare<S: AsRef<str>>(paths: &[S]) -> Self {
        if paths.is_empty() {
            return Cut { root: Keep::All };
        }
        let mut root = Keep::Fields(BTreeMap::new());
        let paths = paths.iter().map(AsRef::as_ref).chain(["metadata.namespace"]);
        paths.for_each(|path| root.add(&mut steps(path)));
        Cut { root }
    }

    /// These paths and nothing else.
    pub fn exactly<S: AsRef<str>>(paths: &[S]) -> Self {
        let mut root = Keep::Fields(BTreeMap::new());
        paths.iter().for_each(|path| root.add(&mut steps(path.as_ref())));
        Cut { root }
    }

    /// `apiVersion`, `kind` and `metadata`: what a watch over every kind is sent.
    pub fn metadata() -> Self {
        Cut::new(&["metadata"])
    }

    pub fn of(interest: &Interest) -> Self {
        Cut::new(&interest.fields)
    }

    /// Several interests in one kind read together.
    pub fn union<'a>(interests: impl IntoIterator<Item = &'a Interest>) -> Self {
        let mut paths: Vec<&str> = Vec::new();
        for interest in interests {
            if interest.fields.is_empty() {
                return Cut { root: Keep::All };
            }
            paths.extend(interest.fields.iter().map(String::as_str));
        }
        if paths.is_empty() { Cut::new(&IDENTITY) } else { Cut::new(&paths) }
    }

    /// The object as JSON, with nothing but what is kept.
    pub fn apply(&self, object: &Value) -> String {
        let mut out = Vec::with_capacity(256);
        serde_json::to_writer(&mut out, &Shown { value: object, keep: &self.root })
            .expect("JSON values are always written");
        String::from_utf8(out).expect("serde_json writes UTF-8")
    }

    /// What is kept of each field of an object, for objects that are written field by field; none of
    /// one that is kept whole.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Part<'_>)> {
        let fields = match &self.root {
            Keep::Fields(fields) => Some(fields),
            Keep::All | Keep::Items(_) => None,
        };
        fields.into_iter().flatten().map(|(name, keep)| (name.as_str(), Part(keep)))
    }

    /// Whether the two would be cut to different JSON.
    pub fn changed(&self, before: &Value, after: &Value) -> bool {
        differs(before, after, &self.root)
    }
}

/// What is kept of one field.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a>(&'a Keep);

impl<'a> Part<'a> {
    /// The field's value, to be written with nothing but what is kept.
    pub fn of(self, value: &'a Value) -> impl Serialize {
        Shown { value, keep: self.0 }
    }
}

/// As [`Cut::apply`], for one object.
pub fn cut(object: &Value, paths: &[&str]) -> String {
    Cut::new(paths).apply(object)
}

/// The names along a path; `*` for a step into list items.
fn steps(path: &str) -> std::vec::IntoIter<String> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = match rest.strip_prefix('[') {
            Some(inside) => inside.split_once(']').unwrap_or((inside, "")),
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        if !step.is_empty() {
            steps.push(step.to_string());
        }
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    steps.into_iter()
}

impl Keep {
    fn add(&mut self, steps: &mut impl Iterator<Item = String>) {
        let Some(step) = steps.next() else {
            *self = Keep::All;
            return;
        };
        match self {
            Keep::All => {}
            Keep::Items(items) if step == "*" => items.add(steps),
            Keep::Fields(fields) if step == "*" && fields.is_empty() => {
                let mut items = Keep::Fields(BTreeMap::new());
                items.add(steps);
                *self = Keep::Items(Box::new(items));
            }
            Keep::Fields(fields) if step != "*" => {
                fields.entry(step).or_insert_with(|| Keep::Fields(BTreeMap::new())).add(steps);
            }
            // One path says list, another object: a declaration no object can satisfy twice.
            Keep::Fields(_) | Keep::Items(_) => *self = Keep::All,
        }
    }
}

/// A value as it is cut.
struct Shown<'a> {
    value: &'a Value,
    keep: &'a Keep,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.keep, self.value) {
            (Keep::Fields(fields), Value::Object(object)) => {
                let mut map = serializer.serialize_map(None)?;
                for (key, keep) in fields {
                    if let Some(value) = object.get(key) {
                        map.serialize_entry(key, &Shown { value, keep })?;
                    }
                }
                map.end()
            }
            (Keep::Items(items), Value::Array(list)) => {
                let mut seq = serializer.serialize_seq(Some(list.len()))?;
                for value in list {
                    seq.serialize_element(&Shown { value, keep: items })?;
                }
                seq.end()
            }
            // Not of the declared shape: `null`, say. The component sees it as it is.
            (Keep::All | Keep::Fields(_) | Keep::Items(_), value) => value.serialize(serializer),
        }
    }
}

fn differs(before: &Value, after: &Value, keep: &Keep) -> bool {
    match (keep, before, after) {
        (Keep::Fields(fields), Value::Object(old), Value::Object(new)) => {
            fields.iter().any(|(key, keep)| match (old.get(key), new.get(key)) {
                (Some(old), Some(new)) => differs(old, new, keep),
                (None, None) => false,
                (Some(_), None) | (None, Some(_)) => true,
            })
        }
        (Keep::Items(items), Value::Array(old), Value::Array(new)) => {
            old.len() != new.len() || old.iter().zip(new).any(|(old, new)| differs(old, new, items))
        }
        (Keep::All | Keep::Fields(_) | Keep::Items(_), old, new) => old != new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "namespace": "default", "uid": "u", "labels": {"a.b/c": "x", "d": "y"}},
            "spec": {
                "nodeName": "n1",
                "containers": [
                    {"name": "a", "image": "i", "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}},
                    {"name": "b", "image": "j"},
                ],
                "tolerations": null,
            },
            "status": {"phase": "Running"}
        })
    }

    fn parsed(paths: &[&str]) -> Value {
        serde_json::from_str(&cut(&pod(), paths)).unwrap()
    }

    #[test]
    fn only_the_paths_and_the_identity_are_kept() {
        let identity = json!({"name": "web", "namespace": "default", "uid": "u"});
        assert_eq!(
            parsed(&["spec.containers[*].resources.requests", "spec.tolerations"]),
            json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": identity,
                "spec": {"containers": [{"resources": {"requests": {"cpu": "1"}}}, {}], "tolerations": null},
            })
        );
        assert_eq!(parsed(&["status", "status.phase"])["status"], json!({"phase": "Running"}));
        assert_eq!(parsed(&["metadata"])["metadata"], pod()["metadata"]);
        assert_eq!(parsed(&["metadata.labels[a.b/c]"])["metadata"]["labels"], json!({"a.b/c": "x"}));
        assert_eq!(parsed(&["spec.containers[*]"])["spec"]["containers"], pod()["spec"]["containers"]);
        assert_eq!(parsed(&[]), pod());
        assert_eq!(parsed(&["nothing.here"]).get("nothing"), None);
    }

    #[test]
    fn paths_to_several_fields_of_items_join() {
        let cut = parsed(&["spec.containers[*].name", "spec.containers[*].image"]);
        assert_eq!(
            cut["spec"]["containers"],
            json!([{"name": "a", "image": "i"}, {"name": "b", "image": "j"}])
        );
    }

    #[test]
    fn changes_elsewhere_are_no_changes() {
        let cut = Cut::new(&["spec.containers[*].resources", "spec.nodeName"]);
        let mut after = pod();
        after["status"]["phase"] = json!("Failed");
        after["spec"]["containers"][0]["image"] = json!("other");
        assert!(!cut.changed(&pod(), &after));
        after["spec"]["containers"][0]["resources"]["limits"]["cpu"] = json!("3");
        assert!(cut.changed(&pod(), &after));
        let mut fewer = pod();
        fewer["spec"]["containers"].as_array_mut().unwrap().pop();
        assert!(cut.changed(&pod(), &fewer));
        let mut unassigned = pod();
        unassigned["spec"].as_object_mut().unwrap().remove("nodeName");
        assert!(cut.changed(&pod(), &unassigned));
    }

    #[test]
    fn interests_in_one_kind_join() {
        let interest = |fields: &[&str]| Interest {
            api_version: "v1".into(),
            kind: "Pod".into(),
            fields: fields.iter().map(|field| field.to_string()).collect(),
        };
        let both = [interest(&["spec.nodeName"]), interest(&["status.phase"])];
        let kept: Value = serde_json::from_str(&Cut::union(&both).apply(&pod())).unwrap();
        assert_eq!(
            (&kept["spec"], &kept["status"]),
            (&json!({"nodeName": "n1"}), &json!({"phase": "Running"}))
        );
        let whole = [interest(&["spec"]), interest(&[])];
        assert_eq!(Cut::union(&whole).apply(&pod()), pod().to_string());
        assert_eq!(Cut::union(&[]).apply(&json!({"kind": "Pod", "spec": 1})), r#"{"kind":"Pod"}"#);
    }
}
