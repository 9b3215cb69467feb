//! Sub-resources that change one thing of a pod's spec: `ephemeralcontainers` and `resize`.

use serde_json::Value;

use crate::validation::items;

/// Takes of the new pod what the sub-resource is about, and everything else of the old one.
pub(super) fn keep_rest(new: &mut Value, old: &Value, subresource: &str) {
    let taken = match subresource {
        "ephemeralcontainers" => with_ephemeral_containers(old, new),
        "resize" => with_resources(old, new),
        _ => None,
    };
    // Nothing can be kept where containers came, went or changed their names: validation says so.
    let Some(mut taken) = taken else { return };
    for field in ["managedFields", "resourceVersion"] {
        take(&mut taken["metadata"], &new["metadata"], field);
    }
    *new = taken;
}

fn with_ephemeral_containers(old: &Value, new: &Value) -> Option<Value> {
    let mut taken = old.clone();
    take(taken.get_mut("spec")?, &new["spec"], "ephemeralContainers");
    Some(taken)
}

fn with_resources(old: &Value, new: &Value) -> Option<Value> {
    let mut taken = old.clone();
    let spec = taken.get_mut("spec")?;
    for list in ["containers", "initContainers"] {
        let wanted = items(&new["spec"][list]);
        let known =
            spec.get_mut(list).and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default();
        let same_name = |(known, wanted): (&Value, &Value)| known["name"] == wanted["name"];
        if known.len() != wanted.len() || !known.iter().zip(wanted).all(same_name) {
            return None;
        }
        for (container, wanted) in known.iter_mut().zip(wanted) {
            take(container, wanted, "resources");
            take(container, wanted, "resizePolicy");
        }
    }
    // Who does not know of resources of whole pods leaves them as they are.
    if !new["spec"]["resources"].is_null() {
        take(spec, &new["spec"], "resources");
    }
    Some(taken)
}

fn take(into: &mut Value, from: &Value, field: &str) {
    let Some(fields) = into.as_object_mut() else { return };
    match from.get(field) {
        Some(value) => fields.insert(field.into(), value.clone()),
        None => fields.remove(field),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Value {
        json!({
            "metadata": {"name": "p", "labels": {"a": "b"}, "resourceVersion": "3"},
            "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "n"},
            "status": {"phase": "Running"},
        })
    }

    #[test]
    fn only_ephemeral_containers_are_taken() {
        let mut new = pod();
        new["metadata"] = json!({"name": "p", "resourceVersion": "2"});
        new["spec"] = json!({"containers": [], "ephemeralContainers": [{"name": "d"}]});
        new["status"] = json!({});
        keep_rest(&mut new, &pod(), "ephemeralcontainers");
        let mut expected = pod();
        expected["metadata"]["resourceVersion"] = "2".into();
        expected["spec"]["ephemeralContainers"] = json!([{"name": "d"}]);
        assert_eq!(new, expected);
    }

    #[test]
    fn only_resources_are_taken() {
        let mut new = pod();
        let resources = json!({"limits": {"cpu": "1"}});
        new["spec"]["containers"][0] = json!({"name": "c", "image": "other", "resources": resources});
        keep_rest(&mut new, &pod(), "resize");
        assert_eq!(new["spec"]["containers"][0], json!({"name": "c", "image": "i", "resources": resources}));
    }

    #[test]
    fn renamed_containers_are_left_to_validation() {
        let mut new = pod();
        new["spec"]["containers"][0]["name"] = "other".into();
        let before = new.clone();
        keep_rest(&mut new, &pod(), "resize");
        assert_eq!(new, before);
    }
}
