//! Which set carries the Deployment's present template, and what a set made for it looks like.

use orch_sdk::names::{hash_of, safe_encode};
use orch_sdk::object::{Object, controller_reference};
use orch_sdk::{Value, json};

use crate::annotations::{self, REVISION};
use crate::sets::HASH_LABEL;

/// The sets of a Deployment, told apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Sets {
    pub new: Option<Value>,
    /// Oldest first.
    pub old: Vec<Value>,
}

impl Sets {
    /// `all` oldest first: of several sets with the present template the oldest is the new one.
    pub fn tell_apart(deployment: &Value, mut all: Vec<Value>) -> Self {
        let wanted = comparable(deployment.at(&["spec", "template"]));
        let new = all.iter().position(|set| comparable(set.at(&["spec", "template"])) == wanted);
        Sets { new: new.map(|position| all.remove(position)), old: all }
    }

    pub fn all(&self) -> impl Iterator<Item = &Value> {
        self.old.iter().chain(&self.new)
    }

    /// One more than that of any old set.
    pub fn next_revision(&self) -> i64 {
        self.old.iter().filter_map(|set| annotations::number(set, REVISION)).max().unwrap_or(0) + 1
    }
}

/// A template without its hash label, and without what says nothing: absent, null and empty are one.
fn comparable(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(HASH_LABEL);
    }
    without_nothing(&mut template);
    template
}

fn without_nothing(value: &mut Value) {
    let says_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(without_nothing);
            // `emptyDir: {}` says which volume it is: an empty object stays, an empty list does not.
            fields.retain(|_, value| !says_nothing(value) || value.is_object());
        }
        Value::Array(items) => items.iter_mut().for_each(without_nothing),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The name suffix and label of the set for this template; other collision counts give others.
pub fn template_hash(template: &Value, collision_count: Option<i64>) -> String {
    safe_encode(hash_of(&json!([comparable(template), collision_count])))
}

/// A set of this size for the Deployment's present template.
pub fn new_set(deployment: &Value, revision: i64, replicas: i64, max_replicas: i64) -> Value {
    let template = deployment.at(&["spec", "template"]);
    let hash = template_hash(template, deployment.at(&["status", "collisionCount"]).as_i64());
    let mut set = json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", deployment.name()),
            "namespace": deployment.namespace(),
            "labels": template.at(&["metadata", "labels"]),
            "ownerReferences": [controller_reference(deployment)],
        },
        "spec": {
            "replicas": replicas,
            "selector": deployment.at(&["spec", "selector"]),
            "template": template,
        },
    });
    for labels in [
        &["metadata", "labels"][..],
        &["spec", "selector", "matchLabels"],
        &["spec", "template", "metadata", "labels"],
    ] {
        set.set(&[labels, &[HASH_LABEL]].concat(), hash.as_str());
    }
    if let Some(seconds) = min_ready_seconds(deployment) {
        set.set(&["spec", "minReadySeconds"], seconds);
    }
    let mut annotations = annotations::for_new_set(deployment, &set, revision);
    let size = annotations::for_size(crate::strategy::replicas(deployment), max_replicas);
    annotations.extend(size.map(|(key, value)| (key.to_string(), value)));
    set.set(&["metadata", "annotations"], json!(annotations));
    set
}

pub fn min_ready_seconds(object: &Value) -> Option<i64> {
    object.at(&["spec", "minReadySeconds"]).as_i64().filter(|seconds| *seconds != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "uid": "d", "annotations": {"team": "a"}},
            "spec": {"replicas": 3, "minReadySeconds": 5, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"image": "a:1"}]}}}})
    }

    #[test]
    fn a_set_is_found_by_its_template() {
        let set = new_set(&deployment(), 1, 3, 4);
        let other = new_set(
            &{
                let mut other = deployment();
                other["spec"]["template"]["spec"]["containers"][0]["image"] = "a:2".into();
                other
            },
            2,
            0,
            4,
        );
        let sets = Sets::tell_apart(&deployment(), vec![other.clone(), set.clone()]);
        assert_eq!(sets.new.as_ref().map(|set| set.name()), Some(set.name()));
        assert_eq!(sets.old, [other]);
        assert_eq!(sets.next_revision(), 3);
    }

    #[test]
    fn a_new_set_carries_the_hash_everywhere() {
        let set = new_set(&deployment(), 1, 2, 4);
        let hash = set.label(HASH_LABEL).unwrap();
        assert_eq!(set.name(), format!("web-{hash}"));
        assert_eq!(set["spec"]["selector"]["matchLabels"], json!({"app": "web", HASH_LABEL: hash}));
        assert_eq!(set["spec"]["template"]["metadata"]["labels"][HASH_LABEL], *hash);
        assert_eq!(set["spec"]["minReadySeconds"], 5);
        assert_eq!(set.annotation(annotations::MAX_REPLICAS), Some("4"));
        assert_eq!(set.annotation("team"), Some("a"));
        assert_eq!(set.controller().unwrap().uid, "d");
    }

    #[test]
    fn hashes_ignore_nothing_and_heed_collisions() {
        let template = |extra: Value| {
            let mut template =
                json!({"spec": {"containers": [{"image": "a"}], "volumes": [{"name": "v", "emptyDir": {}}]}});
            template["spec"]["initContainers"] = extra;
            template
        };
        assert_eq!(template_hash(&template(Value::Null), None), template_hash(&template(json!([])), None));
        assert_ne!(
            template_hash(&template(Value::Null), None),
            template_hash(&template(Value::Null), Some(1))
        );
        let mut other = template(Value::Null);
        other["spec"]["volumes"][0] = json!({"name": "v"});
        assert_ne!(template_hash(&template(Value::Null), None), template_hash(&other, None));
    }
}
